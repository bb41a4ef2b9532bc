#include "status/metric_set.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <sstream>

#include "base/text.hpp"

namespace pgcertd::status {

Labels operator+(Labels left, const Labels& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

void MetricSet::Family::add(const Labels& labels, double value) {
  std::vector<std::pair<std::string, std::string>> clean;
  for (const auto& [name, text] : labels)
    if (!text.empty()) clean.emplace_back(name, printable(text, 256));
  std::vector<std::pair<std::string, std::string>> identity = clean;
  std::sort(identity.begin(), identity.end());
  if (!seen_.insert(std::move(identity)).second) return;   // the first one stands: a scrape with a doubled series fails whole
  prometheus::ClientMetric metric;
  for (auto& [name, text] : clean) metric.label.push_back({name, std::move(text)});
  (family_.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  family_.metric.push_back(std::move(metric));
}

void MetricSet::Family::add_time(const Labels& labels, const std::optional<TimePoint>& at) {
  if (at && *at != TimePoint{}) add(labels, static_cast<double>(to_unix(*at)));
}

MetricSet::Family& MetricSet::declare(std::string_view name, std::string_view help, prometheus::MetricType type) {
  auto family = std::make_unique<Family>();
  family->family_.name = (name.starts_with("process_") ? "" : "pgcertd_") + std::string(name);
  family->family_.help = help;
  family->family_.type = type;
  families_.push_back(std::move(family));
  return *families_.back();
}

std::string MetricSet::text() const {
  std::vector<prometheus::MetricFamily> filled;
  for (const auto& family : families_)
    if (!family->family_.metric.empty()) filled.push_back(family->family_);
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, filled);
  return std::move(out).str();
}

}  // namespace pgcertd::status

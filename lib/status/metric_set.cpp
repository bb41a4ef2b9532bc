#include "status/metric_set.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <map>
#include <sstream>

#include "base/text.hpp"

namespace pgcertd::status {

Labels operator+(Labels left, const Labels& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

prometheus::ClientMetric* MetricSet::Family::make(const Labels& labels) {
  std::vector<std::pair<std::string, std::string>> clean;
  for (const auto& [name, text] : labels)
    if (!text.empty()) clean.emplace_back(name, printable(text, 256));
  std::vector<std::pair<std::string, std::string>> identity = clean;
  std::sort(identity.begin(), identity.end());
  if (!seen_.insert(std::move(identity)).second) return nullptr;   // the first one stands: a scrape with a doubled series fails whole
  prometheus::ClientMetric metric;
  for (auto& [name, text] : clean) metric.label.push_back({name, std::move(text)});
  return &family_.metric.emplace_back(std::move(metric));
}

void MetricSet::Family::add(const Labels& labels, double value) {
  if (auto* const metric = make(labels)) (family_.type == prometheus::MetricType::Counter ? metric->counter.value : metric->gauge.value) = value;
}

void MetricSet::Family::add_histogram(const Labels& labels, const std::vector<double>& bounds, const std::vector<std::uint64_t>& counts, double sum) {
  auto* const metric = make(labels);
  if (!metric) return;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i <= bounds.size(); ++i) {
    total += i < counts.size() ? counts[i] : 0;
    metric->histogram.bucket.push_back({total, i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity()});
  }
  metric->histogram.sample_count = total;
  metric->histogram.sample_sum = sum;
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

void MetricSet::count_by(std::string_view label, std::string_view name, std::string_view help) {
  std::map<std::string, std::size_t> series;
  for (const auto& family : families_)
    for (const prometheus::ClientMetric& metric : family->family_.metric)
      for (const auto& one : metric.label)
        if (one.name == label) series[one.value] += metric.histogram.bucket.empty() ? 1 : metric.histogram.bucket.size() + 2;
  auto& counted = gauge(name, help);
  for (const auto& [value, n] : series) counted.add({{label, value}}, static_cast<double>(n + 1));
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

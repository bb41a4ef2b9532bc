// MetricSet: families under construction, in the order of their declaration; refuses a second series with the same labels.
// Private to this room. One thread.
#pragma once

#include <prometheus/metric_family.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace pgcertd::status {

using Label = std::pair<std::string_view, std::string_view>;
// Label sets are few and short: a vector that is copied keeps call sites readable.
using Labels = std::vector<Label>;
Labels operator+(Labels left, const Labels& right);

class MetricSet {
 public:
  class Family {
   public:
    // Label values are made printable UTF-8; an empty one is left out, as Prometheus does not tell it from absent.
    void add(const Labels& labels, double value);
    void add_time(const Labels& labels, const std::optional<TimePoint>& at);   // nothing when unknown
    // `counts`: how many fell between each bound and the one before it, and last those beyond; shorter than that counts as zeros.
    void add_histogram(const Labels& labels, const std::vector<double>& bounds, const std::vector<std::uint64_t>& counts, double sum);

   private:
    friend class MetricSet;
    prometheus::ClientMetric* make(const Labels& labels);   // nullptr: there is one
    prometheus::MetricFamily family_;
    std::set<std::vector<std::pair<std::string, std::string>>> seen_;
  };

  // `name` without the prefix "pgcertd_", unless it begins with "process_".
  Family& gauge(std::string_view name, std::string_view help) { return declare(name, help, prometheus::MetricType::Gauge); }
  Family& counter(std::string_view name, std::string_view help) { return declare(name, help, prometheus::MetricType::Counter); }
  Family& histogram(std::string_view name, std::string_view help) { return declare(name, help, prometheus::MetricType::Histogram); }
  // A gauge with the number of series so far by each value of a label, itself counted in.
  void count_by(std::string_view label, std::string_view name, std::string_view help);
  // Families without a series are left out.
  [[nodiscard]] std::string text() const;

 private:
  Family& declare(std::string_view name, std::string_view help, prometheus::MetricType type);
  std::vector<std::unique_ptr<Family>> families_;
};

}  // namespace pgcertd::status

// HttpFetch: one GET by libcurl. Bounded in time, size and redirects; only http and https, and no redirect from one to the other;
// content codings are not asked for, so that nothing is ever unpacked. Stateless between calls; several threads may share one.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>

#include "base/time.hpp"
#include "core/cert.hpp"
#include "ports/fetch.hpp"

namespace pgcertd::fetch {

struct FetchLimits {
  Duration connect = std::chrono::seconds{10};
  Duration whole = std::chrono::minutes{2};
  Duration stall = std::chrono::seconds{20};      // with less than 1 KiB/s
  std::size_t bytes = largest_crl;
};

class HttpFetch final : public ports::Fetch {
 public:
  // `cancelled` is asked during a transfer; true ends it with Errc::cancelled.
  explicit HttpFetch(std::function<bool()> cancelled = {}, FetchLimits limits = {}) : cancelled_(std::move(cancelled)), limits_(limits) {}
  Result<ports::FetchAnswer> get(const ports::FetchRequest& request) override;

 private:
  const std::function<bool()> cancelled_;
  const FetchLimits limits_;
};

}  // namespace pgcertd::fetch

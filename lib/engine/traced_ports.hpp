// Traced ports: decorators that announce every call before and after it, and may turn it into a failure. The simulation
// records traces and crashes with them; a test build of the daemon kills or fails itself at a call named in PGCERTD_FAULT.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/ports.hpp"

namespace pgcertd::engine {

enum class CallPhase : std::uint8_t { before, after };
// May throw or end the process (crash), or return an error in place of the call (phase before only).
using CallHook = std::function<std::optional<Error>(const std::string& call, CallPhase phase)>;

// Owns decorators around `inner`; the references in ports() live as long as this object and `inner` do.
class TracedPorts {
 public:
  TracedPorts(const ClusterPorts& inner, CallHook hook);
  ~TracedPorts();
  TracedPorts(const TracedPorts&) = delete;
  TracedPorts& operator=(const TracedPorts&) = delete;
  [[nodiscard]] ClusterPorts ports() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgcertd::engine

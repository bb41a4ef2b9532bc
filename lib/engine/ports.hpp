// ClusterPorts: everything one cluster's reconciler may touch. References; the wiring in daemon/ owns the adapters.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/clock_guard.hpp"
#include "core/restart.hpp"
#include "core/trust.hpp"
#include "ports/files.hpp"
#include "ports/issuer.hpp"
#include "ports/keys.hpp"
#include "ports/postgres.hpp"
#include "ports/store.hpp"

namespace pgcertd::engine {

// The CRLs of other CAs, as they were last fetched.
using OtherCrlsOf = std::function<std::vector<std::shared_ptr<const OtherCrls>>()>;

// Which endpoints a server listens on, in the form that Probe takes.
using EndpointsOf = std::function<std::vector<std::string>(const PostgresSeen&, const std::vector<std::string>& configured)>;

// Whether the wall clock may be believed; `known_past` is over for certain.
using ClockDoubtOf = std::function<std::optional<ClockDoubt>(std::optional<TimePoint> known_past)>;

// The windows of the next days in which this cluster may be restarted.
using RestartWindowsOf = std::function<std::vector<Interval>(TimePoint now)>;

// The cluster of the configuration that has this server already; empty: this one. `in_use`: its settings lead to this cluster's files.
using HeldBy = std::function<std::string(const PostgresSeen&, bool in_use)>;

struct ClusterPorts {
  ports::Generations& generations;
  ports::PendingKeys& pending;
  ports::LiveFiles& live;
  ports::InPlace& in_place;
  ports::Keys& keys;
  ports::Postgres& postgres;
  ports::Probe& probe;
  ports::Issuer& issuer;
  ports::Store& store;
  EndpointsOf endpoints_of;
  // True once the daemon ends and waits were broken off: what was observed meanwhile is no fact.
  std::function<bool()> stopping = {};
  ClockDoubtOf clock_doubt = {};
  RestartWindowsOf restart_windows = {};
  OtherCrlsOf other_crls = {};
  HeldBy held_by = {};
};

}  // namespace pgcertd::engine

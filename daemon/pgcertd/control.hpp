// What an operator may ask over the control socket, and who may. The peer's uid decides; the daemon opens no path that a
// client sends.
#pragma once

#include <optional>

#include "http/control.hpp"
#include "pgcertd/fleet.hpp"

namespace pgcertd::daemon {

// Whoever may open the socket may look, rotate and pause; to issue, revoke and import takes more.
struct Rights {
  uid_t own = 0;                       // the daemon's user
  std::optional<gid_t> group{};        // control_group
  [[nodiscard]] bool may_sign(const http::ControlRequest& request) const;
};

// Answers POST /v1/clusters/NAME/{rotate,rollback,pause,resume,takeover}, /v1/events/verify and what control_issuer.hpp has. Called
// on the listener's threads.
http::ControlReply answer_control(const Fleet& fleet, const Rights& rights, const http::ControlRequest& request);

}  // namespace pgcertd::daemon

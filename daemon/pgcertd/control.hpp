// What an operator may ask over the control socket, and who may. The peer's uid decides; the daemon opens no path that a
// client sends.
#pragma once

#include "http/control.hpp"
#include "pgcertd/fleet.hpp"

namespace pgcertd::daemon {

// Answers POST /v1/clusters/NAME/{rotate,rollback,pause,resume,takeover} and /v1/revoke. Called on the listener's threads.
http::ControlReply answer_control(const Fleet& fleet, const http::ControlRequest& request);

}  // namespace pgcertd::daemon

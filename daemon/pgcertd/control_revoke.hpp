// POST /v1/revoke {"serial", "reason", "issuer"}: a certificate of an issuer is revoked, and its CRL signed anew. Called on the
// listener's threads.
#pragma once

#include "http/control.hpp"
#include "pgcertd/fleet.hpp"

namespace pgcertd::daemon {

http::ControlReply answer_revoke(const Fleet& fleet, const http::ControlRequest& request);

}  // namespace pgcertd::daemon

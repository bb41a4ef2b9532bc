// What is asked of an issuer over the control socket. Called on the listener's threads.
//   POST /v1/revoke        {"serial" | "role", "reason", "issuer", "terminate"}
//   POST /v1/clients       {"role", "request", "lifetime", "issuer"}: a certificate for a client; its key never comes here
//   POST /v1/crl/refresh   {"issuer"}
//   POST /v1/crl/import    {"crl", "issuer"}
//   POST /v1/requests/export  {"issuer"}: the request for its own certificate
//   POST /v1/requests/import  {"bundle", "issuer"}: what came back from the root
// Without "issuer" it is the only one there is.
#pragma once

#include <optional>

#include "http/control.hpp"
#include "pgcertd/fleet.hpp"

namespace pgcertd::daemon {

// nullopt: the path is none of these.
std::optional<http::ControlReply> answer_issuer(const Fleet& fleet, const http::ControlRequest& request);

}  // namespace pgcertd::daemon

// Failure: why a session could not be opened or used, both as ServerFault (for the observation) and as Error (for actions).
#pragma once

#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/result.hpp"
#include "core/server.hpp"

namespace pgcertd::postgres {

struct Failure {
  ServerFault fault = ServerFault::other;
  std::string sqlstate;            // empty where libpq, not the server, gave up
  Error error;
};

template <class T>
using Expected = tl::expected<T, Failure>;

inline tl::unexpected<Failure> failure(ServerFault fault, Errc code, std::string what, std::string remedy = {}) {
  return tl::unexpected<Failure>(
      Failure{.fault = fault, .sqlstate = {}, .error = make_error(code, std::move(what), std::move(remedy))});
}

// What an SQLSTATE says about the server; `other` for one without meaning here.
ServerFault fault_of(std::string_view sqlstate) noexcept;
// The SQLSTATE inside a message that libpq wrote with PQERRORS_VERBOSE ("FATAL:  57P03: …"), or empty.
std::string sqlstate_in(std::string_view message);
// One printable line: without the server's source location, with white space folded.
std::string one_line(std::string_view message);

}  // namespace pgcertd::postgres

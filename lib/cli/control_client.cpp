#include "cli/control_client.hpp"

#include <fmt/format.h>
#include <httplib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/text.hpp"
#include "base/unique_fd.hpp"
#include "cli/json_fields.hpp"

namespace pgcertd::cli {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr Duration impatient_answer_pause = std::chrono::milliseconds{40};
constexpr std::string_view start_remedy = "systemctl status pgcertd; or name its socket with --socket";

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return fail(
        Errc::invalid,
        fmt::format("\"{}\" cannot be a Unix socket: a path has 1 to {} bytes", printable(path), sizeof address.sun_path - 1),
        "name a shorter path with --socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// httplib says only that it could not connect; the kernel says why.
Error why_unreachable(const std::string& path, const sockaddr_un& address) {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("socket", path, errno);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return make_error(Errc::network, fmt::format("the daemon at \"{}\" broke off the conversation", printable(path)),
                      std::string(start_remedy));
  const int why = errno;
  Error error = errno_error("connect", printable(path), why);
  if (error.code == Errc::permission) {
    error.remedy = "run it as root, or as a member of the socket's group";
    return error;
  }
  error.code = Errc::network;
  error.remedy = start_remedy;
  return std::move(error).within("the daemon is not reachable");
}

Errc code_of_status(int status) noexcept {
  switch (status) {
    case 400:
    case 405:
    case 413:
    case 422: return Errc::invalid;
    case 401:
    case 403: return Errc::permission;
    case 404: return Errc::not_found;
    case 409: return Errc::refused;
    case 503: return Errc::busy;
    case 504: return Errc::timeout;
    default: return Errc::io;
  }
}

// RFC 7807.
Error problem(int status, const json& body) {
  const std::string title = text_at(body, "title");
  const std::string detail = text_at(body, "detail");
  std::string what = title.empty() ? fmt::format("the daemon answered with HTTP status {}", status) : title;
  if (!detail.empty()) what += ": " + detail;
  return make_error(code_of_status(status), printable(what, 2000), printable(text_at(body, "remedy"), 2000));
}

// httplib has one word for a peer that is silent and one that has gone: the time that passed tells them apart.
Result<std::string> read_body(const httplib::Result& result, const std::string& path, const sockaddr_un& address, Duration timeout, Clock::time_point began) {
  if (result.error() == httplib::Error::Read && Clock::now() - began >= timeout)
    return fail(Errc::timeout, fmt::format("the daemon at \"{}\" gave no answer within {}", printable(path), to_text(timeout)),
                "journalctl -u pgcertd; or wait longer with --timeout");
  if (!result) return fail(why_unreachable(path, address));
  if (result->status < 200 || result->status > 299) return fail(problem(result->status, json::parse(result->body, nullptr, false)));
  return result->body;
}

Result<json> read_reply(const httplib::Result& result, const std::string& path, const sockaddr_un& address, Duration timeout, Clock::time_point began) {
  PGCERTD_TRY(const std::string text, read_body(result, path, address, timeout, began));
  json body = json::parse(text, nullptr, false);
  if (body.is_discarded())
    return fail(Errc::parse, fmt::format("what answers at \"{}\" is not pgcertd: its answer is no JSON", printable(path)),
                std::string(start_remedy));
  return body;
}

httplib::Client connect_to(const std::string& path, Duration timeout) {
  httplib::Client client(path, 80);
  client.set_address_family(AF_UNIX);
  client.set_default_headers({{"Host", "localhost"}, {"Accept", "application/json, application/problem+json"}});
  client.set_connection_timeout(timeout);
  client.set_read_timeout(timeout);
  client.set_write_timeout(timeout);
  return client;
}

}  // namespace

Result<json> ControlClient::get(const std::string& path) const {
  PGCERTD_TRY(const sockaddr_un address, address_of(socket_path_));
  const Clock::time_point began = Clock::now();
  return read_reply(connect_to(socket_path_, timeout_).Get(path), socket_path_, address, timeout_, began);
}

// A daemon of before an upgrade cannot wait: what it answers too soon is waited for here.
Result<json> ControlClient::events(std::int64_t since, Duration wait) const {
  const Clock::time_point began = Clock::now();
  PGCERTD_TRY(json page, get(fmt::format("/v1/events?since={}{}", since, wait > Duration{0} ? "&wait=" + to_text(wait) : std::string{})));
  const auto left = std::chrono::floor<Duration>(wait - (Clock::now() - began));
  if (array_at(page, "events").empty() && left > Duration{0}) std::this_thread::sleep_for(std::min(left, impatient_answer_pause));
  return page;
}

Result<std::string> ControlClient::get_text(const std::string& path) const {
  PGCERTD_TRY(const sockaddr_un address, address_of(socket_path_));
  const Clock::time_point began = Clock::now();
  return read_body(connect_to(socket_path_, timeout_).Get(path), socket_path_, address, timeout_, began);
}

Result<json> ControlClient::post(const std::string& path, const json& body) const {
  PGCERTD_TRY(const sockaddr_un address, address_of(socket_path_));
  const std::string text = body.dump(-1, ' ', false, json::error_handler_t::replace);
  const Clock::time_point began = Clock::now();
  return read_reply(connect_to(socket_path_, timeout_).Post(path, text, "application/json"), socket_path_, address, timeout_,
                    began);
}

Result<void> check_cluster_name(const std::string& name) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; };
  if (name.empty() || name.size() > 63 || !std::all_of(name.begin(), name.end(), allowed))
    return fail(Errc::not_found, fmt::format("\"{}\" is no name of a cluster: it has 1 to 63 of a-z 0-9 _ -", printable(name, 80)),
                "pgcertctl status lists the clusters");
  return {};
}

}  // namespace pgcertd::cli

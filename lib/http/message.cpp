#include "http/message.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/text.hpp"
#include "status/json.hpp"

namespace pgcertd::http {
namespace {

constexpr const char* no_body = "no body is taken here";

std::string_view trim(std::string_view text) {
  const auto from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

bool allowed(std::string_view method, std::string_view allow) {
  for (std::size_t at = 0; at <= allow.size();) {
    const std::size_t end = std::min(allow.find(',', at), allow.size());
    if (trim(allow.substr(at, end - at)) == method) return true;
    at = end + 1;
  }
  return false;
}

bool token(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

// RFC 9112 3.2.2: a server has to take a whole URL for a target, and then its host before that of the header.
bool take_url(Head& head) {
  const std::string_view target = head.target;
  const std::size_t scheme = target.find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string name = lower_case(std::string(target.substr(0, scheme)));
  const std::size_t from = scheme + 3, end = std::min(target.find_first_of("/?#", from), target.size());
  const std::string_view authority = target.substr(from, end - from);
  if ((name != "http" && name != "https") || authority.empty() || authority.find('@') != std::string_view::npos) return false;
  head.host = authority;
  head.url_prefix = end;
  head.target = (target.substr(end).starts_with('/') ? "" : "/") + std::string(target.substr(end));
  return true;
}

std::optional<Reply> request_line(std::string_view line, const Rules& rules, Head& head, bool& http11) {
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return problem_reply(400, "the first line is no HTTP request");
  const std::string_view version = line.substr(last + 1);
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  http11 = version == "HTTP/1.1";
  if (!token(head.method) || (!http11 && version != "HTTP/1.0")) return problem_reply(400, "the first line is no HTTP/1.1 request");
  if (!allowed(head.method, rules.allow)) {
    Reply reply = problem_reply(405, fmt::format("{} is not answered here", head.method));
    reply.headers.emplace_back("Allow", rules.allow);
    return reply;
  }
  if (head.target.size() > rules.max_target)
    return problem_reply(414, fmt::format("the target is longer than {} bytes", rules.max_target));
  const auto odd = [](char c) { return c <= ' ' || c >= 127; };
  if ((!head.target.starts_with('/') && !take_url(head)) || std::any_of(head.target.begin(), head.target.end(), odd))
    return problem_reply(400, "the target is neither a plain path nor an http URL");
  return std::nullopt;
}

struct Seen {
  unsigned hosts = 0, lengths = 0;
};

std::optional<Reply> field(std::string_view line, const Rules& rules, Head& head, Seen& seen) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !token(line.substr(0, colon))) return problem_reply(400, "a header line is malformed");
  const std::string name = lower_case(std::string(line.substr(0, colon)));
  const std::string_view value = trim(line.substr(colon + 1));
  if (name == "host") {
    if (head.url_prefix == 0) head.host = value;
    if (++seen.hosts > 1) return problem_reply(400, "there is more than one Host header");
  } else if (name == "range" || name == "if-range") {
    return problem_reply(416, "ranges are not served");
  } else if (name == "transfer-encoding") {
    return rules.max_body == 0 ? problem_reply(413, no_body) : problem_reply(411, "a body needs a Content-Length");
  } else if (name == "expect") {
    return problem_reply(417, "expectations are not met here");
  } else if (name == "content-length") {
    const auto [end, fault] = std::from_chars(value.data(), value.data() + value.size(), head.body_size);
    if (fault == std::errc::result_out_of_range) return problem_reply(413, "the body is too large");
    if (fault != std::errc{} || end != value.data() + value.size() || ++seen.lengths > 1)
      return problem_reply(400, "Content-Length is malformed");
    if (head.body_size > rules.max_body)
      return problem_reply(
          413, rules.max_body == 0 ? no_body : fmt::format("a body may have {} bytes at most", rules.max_body));
  }
  return std::nullopt;
}

Scan whole_head(std::string_view text, const Rules& rules) {
  Head head;
  head.head_size = text.size();
  bool http11 = false;
  Seen seen;
  for (std::size_t at = 0, number = 0; at + 2 < text.size(); ++number) {
    const std::size_t end = text.find("\r\n", at);
    const std::string_view line = text.substr(at, end - at);
    if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
      return problem_reply(400, "lines must end with CR LF and hold neither of them");
    std::optional<Reply> refused = number == 0 ? request_line(line, rules, head, http11) : field(line, rules, head, seen);
    if (refused) return std::move(*refused);
    at = end + 2;
  }
  if (head.method.empty()) return problem_reply(400, "the first line is empty");
  if (rules.host_required && http11 && seen.hosts == 0) return problem_reply(400, "the Host header is missing");
  return head;
}

}  // namespace

std::string Request::parameter(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return {};
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "Unknown";
  }
}

Reply problem_reply(int status, std::string_view detail) {
  return {.status = status,
          .content_type = "application/problem+json",
          .body = status::problem_json(status, reason_phrase(status), detail)};
}

Scan scan(std::string_view bytes, const Rules& rules) {
  const std::size_t end = bytes.find("\r\n\r\n");
  const std::size_t size = end == std::string_view::npos ? bytes.size() : end + 4;
  // The first line alone tells whether it is the target that is too long.
  const std::size_t line = std::min(bytes.find('\n'), bytes.size());
  if (line > rules.max_target + 64 + 16)
    return problem_reply(414, fmt::format("the target is longer than {} bytes", rules.max_target));
  if (size > rules.max_head) return problem_reply(431, fmt::format("the head is longer than {} bytes", rules.max_head));
  if (end == std::string_view::npos) return Incomplete{};
  return whole_head(bytes.substr(0, size), rules);
}

void to_origin_form(Head& head, std::string& request) {
  if (head.url_prefix == 0) return;
  const std::size_t from = head.method.size() + 1, before = request.size();
  const bool has_path = request[from + head.url_prefix] == '/';
  request.replace(from, head.url_prefix, has_path ? "" : "/");
  head.head_size -= before - request.size();
  head.url_prefix = 0;
}

std::string refusal_bytes(const Reply& reply, bool with_body) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", reply.status, reason_phrase(reply.status));
  for (const auto& [name, value] : reply.headers) out += fmt::format("{}: {}\r\n", name, value);
  for (const auto& [name, value] : standard_headers) out += fmt::format("{}: {}\r\n", name, value);
  out += fmt::format("Cache-Control: no-store\r\nConnection: close\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n", reply.content_type, reply.body.size());
  return with_body ? out + reply.body : out;
}

std::string bare_host(std::string_view host) {
  if (host.starts_with('[')) {
    host = host.substr(1, host.find(']') - 1);
  } else if (std::count(host.begin(), host.end(), ':') == 1) {
    host = host.substr(0, host.find(':'));
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  return lower_case(std::string(host));
}

}  // namespace pgcertd::http

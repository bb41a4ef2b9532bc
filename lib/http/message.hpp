// The first look at a request's bytes, before any library sees them: is it whole, and is it one that we answer at all.
// Pure. Everything that could cost memory or time (ranges, bodies, endless heads) is refused here.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace pgcertd::http {

struct Request {
  std::string method;
  std::string path;                                            // decoded, without the query
  std::vector<std::pair<std::string, std::string>> query;      // decoded
  std::string if_none_match;
  std::string body;
  bool patient = true;                                         // false: an answer is due now, also one that says nothing new

  // First value of a query parameter, or empty.
  [[nodiscard]] std::string parameter(std::string_view name) const;
};

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body{};
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string handler = "other";                               // for http_requests_total
  // Not 0, to a patient request: nothing is new yet. The request is answered anew when something happened, at the latest after so long.
  std::chrono::milliseconds hold{0};
};

// application/problem+json.
Reply problem_reply(int status, std::string_view detail);
std::string_view reason_phrase(int status) noexcept;
struct StandardHeader {
  const char* name;
  const char* value;
};
// Of every answer that has none of its own of that name, also of what is refused before it is routed.
inline constexpr std::array standard_headers{StandardHeader{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
                                             StandardHeader{"X-Content-Type-Options", "nosniff"}, StandardHeader{"Referrer-Policy", "no-referrer"}};

struct Rules {
  std::string allow = "GET, HEAD";      // methods that are answered
  std::size_t max_target = 2048;
  std::size_t max_head = 8192;
  std::size_t max_body = 0;             // 0: no body at all
  bool host_required = true;            // HTTP/1.1 demands it; over a Unix socket it says nothing
};

struct Incomplete {};
struct Head {
  std::string method;
  std::string target;                   // a path, also where the request names it by a whole URL
  std::string host;                     // as sent, of the URL where there is one; empty when absent
  std::size_t url_prefix = 0;           // bytes of the URL before its path; 0: it is none
  std::size_t head_size = 0;            // up to and with the empty line
  std::size_t body_size = 0;
};
using Scan = std::variant<Incomplete, Head, Reply>;   // a Reply: refused; the connection ends after it

Scan scan(std::string_view bytes, const Rules& rules);
// The same request as one that names a path: what reads it after us knows no URL.
void to_origin_form(Head& head, std::string& request);
// A whole response by hand, for what is refused before the library sees it. The connection is closed after it.
std::string refusal_bytes(const Reply& reply, bool with_body);
// "example.org", "::1": a Host header or a configured name without port, brackets, case and last dot.
std::string bare_host(std::string_view host);

}  // namespace pgcertd::http

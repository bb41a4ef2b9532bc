// Any bytes from a peer of the HTTP listeners: waited for, refused with a whole response, or answered once.
#include "fuzz.hpp"
#include "http/engine.hpp"
#include "http/message.hpp"

using namespace pgcertd;
using fuzz::require;

namespace {

void serve(std::string_view bytes, const http::Rules& rules) {
  static http::Engine engine;
  const auto seen = http::scan(bytes, rules);
  if (const auto* refused = std::get_if<http::Reply>(&seen)) {
    require(refused->status >= 400);
    require(http::refusal_bytes(*refused, true).starts_with("HTTP/1.1 "));
    return;
  }
  const auto* head = std::get_if<http::Head>(&seen);
  if (head == nullptr) {
    require(bytes.size() < rules.max_head);
    return;
  }
  require(head->head_size <= rules.max_head && head->body_size <= rules.max_body && head->target.size() <= rules.max_target);
  if (bytes.size() < head->head_size + head->body_size) return;
  (void)http::bare_host(head->host);
  int calls = 0;
  const auto answer =
      engine.answer(bytes.substr(0, head->head_size + head->body_size), head->head_size, {.last = true}, [&](const http::Request& request) {
        ++calls;
        require(request.method == head->method && request.body.size() == head->body_size);
        return http::problem_reply(404, request.path);
      });
  require(calls <= 1 && answer.bytes.starts_with("HTTP/1.1 "));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::text_of(data, size);
  serve(bytes, http::Rules{});
  serve(bytes, http::Rules{.allow = "GET, HEAD, POST", .max_body = 65536, .host_required = false});
  return 0;
}

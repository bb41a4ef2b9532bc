#include "http/engine.hpp"

#include <httplib.h>

#include <algorithm>
#include <cstring>

namespace pgcertd::http {
namespace {

constexpr time_t keep_alive_seconds = 1;

// A request in memory, and room for its response.
class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(std::string_view in) : in_(in) {}
  [[nodiscard]] bool is_readable() const override { return !in_.empty(); }
  [[nodiscard]] bool is_writable() const override { return true; }
  ssize_t read(char* ptr, std::size_t size) override {
    const std::size_t n = std::min(size, in_.size());
    std::memcpy(ptr, in_.data(), n);
    in_.remove_prefix(n);
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const char* ptr, std::size_t size) override {
    out_.append(ptr, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  // The library compares it with FD_SETSIZE, which no descriptor of ours has to respect: connections are polled, not selected.
  [[nodiscard]] socket_t socket() const override { return -1; }
  std::string take() { return std::move(out_); }

 private:
  std::string_view in_;
  std::string out_;
};

struct Call {
  const std::function<Reply(const Request&)>* handler;
  std::string_view body;
  bool patient = true;
  std::chrono::milliseconds hold{0};   // what the handler said
  int status = 0;                      // likewise
};
// The library hands its handlers the request alone; what else belongs to the call is found through this.
thread_local Call* current_call = nullptr;

Request request_of(const httplib::Request& in, const Call& call) {
  Request out{.method = in.method,
              .path = in.path,
              .query = {},
              .if_none_match = in.get_header_value("If-None-Match"),
              .body = std::string(call.body),
              .patient = call.patient};
  for (const auto& [key, value] : in.params) out.query.emplace_back(key, value);
  return out;
}

void fill(Reply reply, httplib::Response& out) {
  out.status = reply.status;
  for (const auto& [name, value] : reply.headers) out.set_header(name, value);
  out.set_header("Accept-Ranges", "none");
  if (reply.body.empty()) return;
  out.set_header("Content-Type", reply.content_type);
  out.body = std::move(reply.body);   // set_content() would copy it
}

// RFC 9110 8.6: in a 304 it would be the length of what is not sent; the library writes 0.
std::string without_length(std::string response) {
  constexpr std::string_view length = "\r\nContent-Length: 0";
  const std::size_t at = response.find(length);
  if (at != std::string::npos && at < response.find("\r\n\r\n")) response.erase(at, length.size());
  return response;
}

}  // namespace

class Engine::Impl final : public httplib::Server {
 public:
  Impl() {
    set_keep_alive_timeout(keep_alive_seconds);
    set_keep_alive_max_count(100);
    // Every request is answered here, before the library would read a body, look for a file or match a pattern.
    set_pre_routing_handler([](const httplib::Request& in, httplib::Response& out) {
      Reply reply = (*current_call->handler)(request_of(in, *current_call));
      current_call->hold = reply.hold;
      current_call->status = reply.status;
      fill(std::move(reply), out);
      return HandlerResponse::Handled;
    });
  }
  bool run(MemoryStream& stream, bool close, bool& closed) { return process_request(stream, close, closed, nullptr); }
};

Engine::Engine() : impl_(std::make_unique<Impl>()) {}
Engine::~Engine() = default;

Answer Engine::answer(std::string_view request, std::size_t head_size, Turn turn, const std::function<Reply(const Request&)>& handler) {
  Call call{.handler = &handler, .body = request.substr(head_size), .patient = turn.patient};
  current_call = &call;
  MemoryStream stream(request);
  bool closed = turn.last;
  const bool ok = impl_->run(stream, turn.last, closed);
  current_call = nullptr;
  std::string response = stream.take();
  if (call.status == 304) response = without_length(std::move(response));
  return {std::move(response), closed || !ok, call.hold};
}

}  // namespace pgcertd::http

// Engine: turns the bytes of one whole request into the bytes of its response, through cpp-httplib. It owns no socket, so
// that no client can pin the thread that calls it. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace pgcertd::http {

struct Answer {
  std::string bytes;
  bool close = false;       // the connection ends after it
};

class Engine {
 public:
  Engine();
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // `request` is a head that scan() let through, and its body. `close`: this is the connection's last request.
  Answer answer(std::string_view request, std::size_t head_size, bool close, const std::function<Reply(const Request&)>& handler);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgcertd::http

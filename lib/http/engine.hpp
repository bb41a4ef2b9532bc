// Engine: turns the bytes of one whole request into the bytes of its response, through cpp-httplib. It owns no socket, so
// that no client can pin the thread that calls it. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace pgcertd::http {

// Where a request stands: the last of its connection, and one that may be held back or not.
struct Turn {
  bool last = false;
  bool patient = true;
};

struct Answer {
  std::string bytes;
  bool close = false;       // the connection ends after it
  std::chrono::milliseconds hold{0};   // as its Reply has it
};

class Engine {
 public:
  Engine();
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // `request` is a head that scan() let through, and its body.
  Answer answer(std::string_view request, std::size_t head_size, Turn turn, const std::function<Reply(const Request&)>& handler);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgcertd::http

// Routes: what GET answers, on TCP and on the control socket alike. It reads through the Source's callbacks and touches
// nothing else. Thread-safe when the callbacks are.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/snapshot.hpp"
#include "http/message.hpp"
#include "status/facts.hpp"

namespace pgcertd::http {

class ServerLoop;

struct Source {
  std::function<SnapshotPtr()> snapshot;                                                        // null: nothing is known yet
  std::function<std::vector<Event>(std::int64_t since, std::size_t limit)> events;              // oldest first
  std::function<std::int64_t()> newest_event;                                                   // its id; 0: there is none
  std::function<bool()> alive;
  std::function<status::ProcessFacts()> process;
  std::function<std::optional<std::string>(const std::string& name)> pki;                       // "root.crt", "local.crl"
  std::function<TimePoint()> now;
};

class Routes {
 public:
  Routes(Source source, status::BuildInfo build);

  // Never throws; counts what it answers.
  Reply answer(const Request& request);
  void count(const std::string& handler, int code);
  // Whether the answer was rendered already. Never waits.
  [[nodiscard]] bool is_ready(std::string_view target) const;
  // Something happened: those who wait for news at a loop that has joined are answered anew. A loop leaves before it ends.
  void stir();
  void join(ServerLoop& loop);
  void leave(const ServerLoop& loop);
  [[nodiscard]] status::Counters counters() const;
  [[nodiscard]] std::string request_metrics() const;
  // What `render` gave for this state of the path, rendered once for it: a thousand scrapes between two looks share it.
  // `second`: of the wall clock where the text has moments in it, else 0.
  [[nodiscard]] std::shared_ptr<const std::string> rendered(const char* path, std::uint64_t version, std::int64_t second, const std::function<std::string()>& render) const;

 private:
  struct Rendered {
    std::uint64_t version = 0;         // of the snapshot
    std::int64_t second = 0;
    std::shared_ptr<const std::string> text;
  };
  [[nodiscard]] std::shared_ptr<const std::string> lying_ready(std::string_view path, std::uint64_t version, std::int64_t second) const;   // under rendered_mutex_; null: it is to be rendered
  const Source source_;
  const status::BuildInfo build_;
  mutable std::mutex mutex_;
  status::Counters counters_;
  std::mutex loops_mutex_;
  std::vector<ServerLoop*> loops_;
  mutable std::mutex rendered_mutex_;
  mutable std::map<std::string, Rendered, std::less<>> rendered_;   // by path, of which there are as many as routes
};

}  // namespace pgcertd::http

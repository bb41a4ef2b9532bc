// CrlSources: a thread for each [crl.NAME], which fetches and keeps the CRLs of another CA under STATE/crls. A server that is slow
// or lies holds up nobody. apply() and stop() from one thread; all() from any.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "engine/ports.hpp"
#include "pgcertd/settings.hpp"
#include "service/heartbeat.hpp"

namespace pgcertd::daemon {

class CrlSources {
 public:
  // `changed` is called, on a source's thread, when other CRLs are there than before.
  CrlSources(service::Heartbeats& heartbeats, LogSink& log, std::function<void()> changed);
  ~CrlSources();

  // Starts the new ones and ends those that are not wanted any more.
  void apply(const Config& config);
  // Each once, here and now: for --once.
  void fetch_all(const Config& config);
  void stop();
  [[nodiscard]] std::vector<std::shared_ptr<const OtherCrls>> all() const;

 private:
  class Worker;
  void publish(const OtherCrls& seen);

  service::Heartbeats& heartbeats_;
  LogSink& log_;
  const std::function<void()> changed_;
  std::map<std::string, std::unique_ptr<Worker>> workers_;
  mutable std::mutex mutex_;                                           // guards the shelf
  std::map<std::string, std::shared_ptr<const OtherCrls>> shelf_;
};

}  // namespace pgcertd::daemon

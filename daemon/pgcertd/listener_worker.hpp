// ListenerWorker: the thread that keeps the HTTP listener's own certificate, and what it needs. Everything public is thread-safe.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "engine/listener_keeper.hpp"
#include "engine/publisher.hpp"
#include "http/tls.hpp"
#include "pgcertd/history.hpp"
#include "service/heartbeat.hpp"

namespace pgcertd::daemon {

struct ListenerHooks {
  engine::Publisher& publisher;
  service::Heartbeats& heartbeats;
  LogSink& log;
  History& history;
  // Null while there is none of that name yet.
  std::function<std::shared_ptr<ports::Issuer>(const std::string& name)> issuer;
};

// Names that the certificate must hold: the listen addresses and [http] hosts, and the host's own name unless all is loopback.
Result<Names> listener_names(const HttpConfig& http, const std::string& host_fqdn);

class ListenerWorker {
 public:
  // Reads client_ca. Nothing is served by it before start().
  static Result<std::unique_ptr<ListenerWorker>> make(const Config& config, const Names& names, std::shared_ptr<http::ServerTls> tls, ListenerHooks hooks);
  ~ListenerWorker();
  ListenerWorker(const ListenerWorker&) = delete;
  ListenerWorker& operator=(const ListenerWorker&) = delete;

  // When it returns, `tls` has a certificate to serve.
  Result<void> start();
  // Where handshakes are to prove what is served.
  void prove_at(std::vector<std::string> endpoints);
  void wake();

 private:
  struct Parts;
  ListenerWorker(std::unique_ptr<Parts> parts, ListenerHooks hooks);
  void run();
  void tick();

  const std::unique_ptr<Parts> parts_;          // the thread's alone, once it runs
  const ListenerHooks hooks_;
  TimePoint next_{};                            // the thread's alone
  std::uint64_t errors_ = 0;                    // the thread's alone

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> endpoints_;
  bool woken_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace pgcertd::daemon

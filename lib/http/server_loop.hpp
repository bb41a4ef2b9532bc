// ServerLoop: one listening socket, one thread that reads and writes all its connections without blocking, and a pool
// that only computes responses. A client that is slow, idle or waiting for news holds a descriptor, never a thread. A POST may have to
// wait for what it orders: it has a thread of its own, so that whoever only reads is answered all the same.
// start() and stop() from one thread, stir() from any; the responder is called from the pool, from a POST's own thread, or from the loop
// where its answer is ready.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "http/engine.hpp"
#include "http/message.hpp"
#include "http/tls.hpp"

namespace pgcertd::http {

struct Peer {
  std::string local_address;                    // numeric, of a TCP connection
  uid_t uid = static_cast<uid_t>(-1);           // SO_PEERCRED of a Unix connection, as the kernel noted it at connect()
  gid_t gid = static_cast<gid_t>(-1);
  pid_t pid = 0;
  std::vector<gid_t> groups{};                  // SO_PEERGROUPS: supplementary ones
};

struct LoopOptions {
  std::size_t threads = 4;
  std::size_t max_connections = 256;                            // beyond them the oldest idle one is closed
  std::chrono::milliseconds request_time{5000};                 // from the first moment to a whole request
  std::chrono::milliseconds keep_alive{1000};                   // between two requests
  std::chrono::milliseconds write_time{10000};                  // to take a whole response
  std::size_t max_requests = 100;                               // of one connection
  std::size_t max_posts = 32;                                   // under way at once; those beyond them are refused
};

class ServerLoop {
 public:
  // `request` is the head and its body.
  using Responder = std::function<Answer(const Head& head, const std::string& request, const Peer& peer, Turn turn)>;
  using Refused = std::function<void(const Reply& reply)>;      // told of what was refused before the responder
  using Ready = std::function<bool(const Head& head)>;          // whether the answer lies ready, so that the loop itself fetches it

  // With `tls` every connection begins with a handshake, which no thread waits for either.
  ServerLoop(UniqueFd listener, Rules rules, LoopOptions options, Responder responder, Refused refused, Ready ready = {}, std::shared_ptr<const ServerTls> tls = nullptr);
  ~ServerLoop();
  ServerLoop(const ServerLoop&) = delete;
  ServerLoop& operator=(const ServerLoop&) = delete;

  Result<void> start();
  void stop();
  // Something happened: who waits for news is answered anew. Costs nothing where nobody waits.
  void stir();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgcertd::http

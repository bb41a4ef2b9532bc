// ControlListener: the same GET as TCP, and POST, on a Unix socket of mode 0660. Who asks is the peer that the kernel
// noted at connect(); what it may do is the handler's to decide. start() and stop() from one thread.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "http/routes.hpp"
#include "http/server_loop.hpp"

namespace pgcertd::http {

struct ControlRequest {
  std::string method;                    // "POST"
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
  std::string body;                      // JSON, unparsed; 96 MiB at most, as a CRL may come in it
  uid_t uid = static_cast<uid_t>(-1);    // -1: unknown, may do nothing
  gid_t gid = static_cast<gid_t>(-1);
  pid_t pid = 0;
  std::vector<gid_t> groups{};           // supplementary
};

struct ControlReply {
  int status = 200;
  std::string body;                      // JSON; of an error: application/problem+json
};

// Errc::not_found where there is none of that name.
Result<gid_t> group_id(const std::string& name);

class ControlListener {
 public:
  // Called on a thread for each request, several at a time; may wait, while others are answered.
  using Handler = std::function<ControlReply(const ControlRequest&)>;

  // `group` owns the socket; empty leaves the process's own.
  ControlListener(std::string path, std::string group, std::shared_ptr<Routes> routes, Handler handler, LoopOptions options = {});
  ~ControlListener();
  ControlListener(const ControlListener&) = delete;
  ControlListener& operator=(const ControlListener&) = delete;

  // Removes a socket that nobody answers at; Errc::busy when somebody does.
  Result<void> start();
  // Removes the socket if it is still this listener's own.
  void stop();

 private:
  Answer respond(const Head& head, const std::string& request, const Peer& peer, Turn turn);
  Reply post(const Request& request, const Peer& peer);

  const std::string path_, group_;
  const std::shared_ptr<Routes> routes_;
  const Handler handler_;
  const LoopOptions options_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  Engine engine_;
  std::unique_ptr<ServerLoop> loop_;     // last: it ends before what it uses
};

}  // namespace pgcertd::http

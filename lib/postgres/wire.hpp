// Goodbye: a connection that we have ended and its peer has not yet. An early close would reset it, which PostgreSQL logs. Bounded
// by its patience. One thread.
//
// Wire: a TCP connection with one deadline for everything on it. Never raises SIGPIPE. One thread.
#pragma once

#include <span>
#include <string>
#include <utility>

#include "base/unique_fd.hpp"
#include "postgres/resolve.hpp"
#include "postgres/wait.hpp"

namespace pgcertd::postgres {

// How a step on the wire ended: `closed` and `failed` are the peer's or the network's doing.
enum class WireEnd : std::uint8_t { ok, closed, failed, timeout, cancelled };

class Goodbye {
 public:
  Goodbye(UniqueFd fd, Deadline deadline) : fd_(std::move(fd)), deadline_(deadline) {}
  // Whether the peer has closed too, or need not be waited for any more. Does not wait.
  bool over();
  void wait(const Cancel& cancel);

 private:
  UniqueFd fd_;
  Deadline deadline_;
};

class Wire {
 public:
  Wire(Deadline deadline, const Cancel& cancel) : deadline_(deadline), cancel_(cancel) {}
  // The first address that answers.
  WireEnd connect(const std::vector<Address>& addresses);
  WireEnd send(std::span<const char> bytes);
  // At least one byte, at most the room; `got` says how many.
  WireEnd receive(std::span<char> room, std::size_t& got);
  // Whether bytes are there to be read right now.
  [[nodiscard]] bool pending() const;
  // Tells the peer that nothing more comes, and gives up the connection.
  Goodbye say_goodbye(Duration patience);
  [[nodiscard]] int saved_errno() const { return errno_; }

 private:
  WireEnd connect_one(const Address& address);
  WireEnd wait(short events);

  UniqueFd fd_;
  Deadline deadline_;
  const Cancel& cancel_;
  int errno_ = 0;
};

}  // namespace pgcertd::postgres

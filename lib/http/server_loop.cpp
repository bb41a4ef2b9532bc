#include "http/server_loop.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <httplib.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "http/errands.hpp"

namespace pgcertd::http {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds drain_time{1000};
constexpr milliseconds accept_pause{100};

// A record of TLS at its longest: what has arrived never stays behind in the library, unseen by poll().
constexpr std::size_t chunk = 16384;
constexpr char tls_handshake_record = 0x16;

enum class Phase : std::uint8_t { knocking, handshaking, reading, answering, holding, writing, draining };

using Id = std::uint64_t;

// A whole request, on its way to an answer.
struct Asked {
  Id connection = 0;
  Head head;
  std::string bytes;
  Peer peer;
  Turn turn;
  std::uint64_t stirs = 0;             // that had been when it was put to the responder
  std::optional<Clock::time_point> until{};   // once it was held
};

struct Connection {
  UniqueFd fd;
  std::unique_ptr<TlsSession> tls;     // ends before the descriptor
  Peer peer;
  Phase phase = Phase::reading;
  short events = POLLIN;               // what it waits for
  std::string in, out;
  std::size_t written = 0;
  std::size_t requests = 0;
  bool close_after = false;
  Clock::time_point since, deadline;
  Asked held;                          // while holding
};

// As the kernel noted them at connect(); the first question tells how many there are.
std::vector<gid_t> groups_of(int fd) {
  socklen_t size = 0;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, nullptr, &size) == 0 || errno != ERANGE) return {};
  std::vector<gid_t> groups(size / sizeof(gid_t));
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) return {};
  return groups;
}

Peer peer_of(int fd) {
  Peer peer;
  ucred cred{};
  socklen_t size = sizeof cred;
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return peer;
  if (address.ss_family == AF_UNIX) {
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0) {
      peer.uid = cred.uid;
      peer.gid = cred.gid;
      peer.pid = cred.pid;
    }
    peer.groups = groups_of(fd);
    return peer;
  }
  std::array<char, NI_MAXHOST> host{};
  if (::getnameinfo(reinterpret_cast<sockaddr*>(&address), length, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST) == 0)
    peer.local_address = host.data();
  return peer;
}

// Of one read or write without waiting.
struct Moved {
  std::size_t size = 0;
  bool alive = true;
};

Moved moved(ssize_t n) {
  if (n > 0) return {static_cast<std::size_t>(n), true};
  return {0, n < 0 && (errno == EAGAIN || errno == EINTR)};
}

short events_of(TlsStep step, short usual) {
  return step == TlsStep::wants_read ? short{POLLIN} : step == TlsStep::wants_write ? short{POLLOUT} : usual;
}

Moved take(Connection& c, std::array<char, chunk>& buffer) {
  c.events = POLLIN;
  if (!c.tls) return moved(::recv(c.fd.get(), buffer.data(), buffer.size(), 0));
  Moved out;
  const TlsStep step = c.tls->read(buffer.data(), buffer.size(), out.size);
  c.events = events_of(step, POLLIN);
  out.alive = step != TlsStep::over;
  return out;
}

Moved give(Connection& c, std::string_view bytes) {
  c.events = POLLOUT;
  if (!c.tls) return moved(::send(c.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
  Moved out;
  const TlsStep step = c.tls->write(bytes.data(), bytes.size(), out.size);
  c.events = events_of(step, POLLOUT);
  out.alive = step != TlsStep::over;
  return out;
}

}  // namespace

class ServerLoop::Impl {
 public:
  Impl(UniqueFd listener, Rules rules, LoopOptions options, Responder responder, Refused refused, Ready ready, std::shared_ptr<const ServerTls> tls)
      : listener_(std::move(listener)),
        rules_(std::move(rules)),
        options_(options),
        responder_(std::move(responder)),
        refused_(std::move(refused)),
        ready_(std::move(ready)),
        tls_(std::move(tls)) {}

  Result<void> start() {
    wake_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_) return fail(errno_error("eventfd", "HTTP listener", errno));
    pool_ = std::make_unique<httplib::ThreadPool>(options_.threads);
    thread_ = std::thread([this] { run(); });
    return {};
  }

  void stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    wake();
    thread_.join();
    pool_->shutdown();
    posts_.join();
    tell_last();
    listener_.reset();
    connections_.clear();
  }

  void stir() {
    ++stirs_;
    if (holding_) wake();
  }

 private:
  void wake() {
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);   // full: it is awake already
  }

  void run() {
    std::vector<pollfd> polled;
    std::vector<Id> ids;
    while (!stopping_) {
      gather(polled, ids);
      if (::poll(polled.data(), polled.size(), timeout()) < 0 && errno != EINTR) relieve();
      now_ = Clock::now();
      if (polled[0].revents != 0) take_answers();
      if (holding_) tell_news();
      for (std::size_t i = 0; i < ids.size(); ++i)
        if (polled[i + 2].revents != 0) serve(ids[i]);
      if (polled[1].revents != 0) accept_new();
      close_late();
    }
    dismiss_held();
  }

  // The kernel lacks memory, or RLIMIT_NOFILE was lowered below what is polled for: fewer connections may do, and time.
  void relieve() {
    if (!close_oldest_idle()) (void)::poll(nullptr, 0, static_cast<int>(accept_pause.count()));
  }

  void gather(std::vector<pollfd>& polled, std::vector<Id>& ids) {
    polled.clear();
    ids.clear();
    polled.push_back({wake_.get(), POLLIN, 0});
    polled.push_back({accept_again_ > now_ ? -1 : listener_.get(), POLLIN, 0});
    bool holding = false;
    for (const auto& [id, c] : connections_) {
      if (c.phase == Phase::answering) continue;
      holding = holding || c.phase == Phase::holding;
      polled.push_back({c.fd.get(), c.events, 0});
      ids.push_back(id);
    }
    holding_ = holding;
  }

  [[nodiscard]] int timeout() const {
    std::optional<Clock::time_point> next;
    const auto consider = [&](Clock::time_point at) { next = next ? std::min(*next, at) : at; };
    for (const auto& [id, c] : connections_)
      if (c.phase != Phase::answering) consider(c.deadline);
    if (accept_again_ > now_) consider(accept_again_);
    if (!next) return -1;
    const auto left = std::chrono::ceil<milliseconds>(*next - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
  }

  void accept_new() {
    for (int i = 0; i < 64; ++i) {
      UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) {
        const bool exhausted = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        // The socket stays readable: without a pause this loop would turn hot.
        if (exhausted && !close_oldest_idle()) accept_again_ = now_ + accept_pause;
        return;
      }
      if (connections_.size() >= options_.max_connections && !close_oldest_idle()) continue;
      Connection c;
      c.peer = peer_of(fd.get());
      c.fd = std::move(fd);
      if (tls_) c.phase = Phase::knocking;
      c.since = now_;
      c.deadline = now_ + options_.request_time;
      connections_.emplace(next_id_++, std::move(c));
    }
  }

  // Those that sent nothing or wait for news go first, then those in the middle of a request or of leaving. Work in progress is never cut.
  bool close_oldest_idle() {
    auto victim = connections_.end();
    const auto rank = [](const Connection& c) { return c.phase == Phase::draining ? 0 : c.in.empty() ? 1 : 2; };
    for (auto it = connections_.begin(); it != connections_.end(); ++it) {
      const Connection& c = it->second;
      if (c.phase == Phase::answering || c.phase == Phase::writing) continue;
      if (victim == connections_.end() || std::pair(rank(c), c.since) < std::pair(rank(victim->second), victim->second.since))
        victim = it;
    }
    if (victim == connections_.end()) return false;
    connections_.erase(victim);
    return true;
  }

  void close_late() {
    for (auto it = connections_.begin(); it != connections_.end();) {
      Connection& c = it->second;
      if (c.phase == Phase::answering || now_ < c.deadline) {
        ++it;
        continue;
      }
      if (c.phase == Phase::holding) {
        ask_again(c);
        ++it;
        continue;
      }
      // A head that never ends is told so, as far as one write without waiting goes.
      if (c.phase == Phase::reading && !c.in.empty()) {
        const Reply reply = problem_reply(408, "the request took too long to arrive");
        refused_(reply);
        (void)give(c, refusal_bytes(reply, true));
      }
      it = connections_.erase(it);
    }
  }

  void serve(Id id) {
    const auto it = connections_.find(id);
    if (it == connections_.end()) return;
    Connection& c = it->second;
    if (!go_on(id, c)) connections_.erase(id);
  }

  bool go_on(Id id, Connection& c) {
    switch (c.phase) {
      case Phase::knocking: return knock(id, c);
      case Phase::handshaking: return shake_hands(c);
      case Phase::reading: return receive(id, c);
      case Phase::holding: return false;   // it has gone: nothing else is polled for
      case Phase::answering: return true;  // it was held when it was polled
      case Phase::writing: return send_some(id, c);
      default: return drain(c);
    }
  }

  // Who speaks plain HTTP to this port is told so, instead of an alert that no tool explains.
  bool knock(Id id, Connection& c) {
    char first = 0;
    const ssize_t n = ::recv(c.fd.get(), &first, 1, MSG_PEEK);
    if (n <= 0) return moved(n).alive;
    if (first != tls_handshake_record) {
      const Reply reply = problem_reply(400, "this port speaks HTTPS: ask it with https://");
      refused_(reply);
      c.close_after = true;
      return respond(id, c, refusal_bytes(reply, true));
    }
    c.tls = tls_->accept(c.fd.get());
    if (!c.tls) return false;
    c.phase = Phase::handshaking;
    return shake_hands(c);
  }

  bool shake_hands(Connection& c) {
    const TlsStep step = c.tls->handshake();
    c.events = events_of(step, POLLIN);
    if (step == TlsStep::done) c.phase = Phase::reading;
    // The alert that says why is on its way: a reset would destroy it.
    return step != TlsStep::over || leave(c);
  }

  bool receive(Id id, Connection& c) {
    std::array<char, chunk> buffer;
    const Moved got = take(c, buffer);
    if (got.size == 0) return got.alive;
    if (c.in.empty()) c.deadline = now_ + options_.request_time;
    c.in.append(buffer.data(), got.size);
    return advance(id, c);
  }

  bool advance(Id id, Connection& c) {
    Scan found = scan(c.in, rules_);
    if (const Reply* reply = std::get_if<Reply>(&found)) {
      refused_(*reply);
      c.close_after = true;
      return respond(id, c, refusal_bytes(*reply, !c.in.starts_with("HEAD ")));
    }
    Head* head = std::get_if<Head>(&found);
    if (!head || c.in.size() < head->head_size + head->body_size) return true;
    const std::size_t size = head->head_size + head->body_size;
    Asked asked{.connection = id, .head = std::move(*head), .bytes = c.in.substr(0, size), .peer = c.peer, .turn = {.last = ++c.requests >= options_.max_requests}};
    c.in.erase(0, size);
    to_origin_form(asked.head, asked.bytes);
    if (ready_ && ready_(asked.head)) return answer_at_once(c, asked);
    if (asked.head.method == "POST") return take_order(id, c, std::move(asked));
    ask(c, std::move(asked));
    return true;
  }

  bool take_order(Id id, Connection& c, Asked asked) {
    c.phase = Phase::answering;
    if (posts_.start(work_of(std::move(asked)))) return true;
    const Reply reply = problem_reply(503, "too many commands are under way: ask again when some have ended");
    refused_(reply);
    c.close_after = true;
    return respond(id, c, refusal_bytes(reply, true));
  }

  // The way through the pool costs more than such an answer.
  bool answer_at_once(Connection& c, const Asked& asked) {
    Answer answer = responder_(asked.head, asked.bytes, asked.peer, {.last = asked.turn.last, .patient = false});
    c.close_after = answer.close;
    return respond(asked.connection, c, std::move(answer.bytes));
  }

  void ask(Connection& c, Asked asked) {
    c.phase = Phase::answering;
    asked.stirs = stirs_;
    pool_->enqueue(work_of(std::move(asked)));
  }

  std::function<void()> work_of(Asked asked) {
    return [this, asked = std::move(asked)]() mutable {
      Answer answer = responder_(asked.head, asked.bytes, asked.peer, asked.turn);
      bool first = false;
      {
        const std::lock_guard lock(mutex_);
        first = answers_.empty();
        answers_.emplace_back(std::move(asked), std::move(answer));
      }
      if (first) wake();   // for those behind it the loop is awake already
    };
  }

  void hold(Connection& c, Asked asked, milliseconds longest) {
    if (!asked.until) asked.until = now_ + longest;
    c.phase = Phase::holding;
    c.events = POLLRDHUP;
    c.deadline = *asked.until;
    c.held = std::move(asked);
    holding_ = true;
    if (c.held.stirs != stirs_) ask_again(c);   // what happened while it was being answered
  }

  void ask_again(Connection& c) {
    c.held.turn.patient = now_ < *c.held.until;
    ask(c, std::move(c.held));
  }

  void tell_news() {
    for (auto& [id, c] : connections_)
      if (c.phase == Phase::holding && c.held.stirs != stirs_) ask_again(c);
  }

  // The listener ends: an answer that waits for nothing.
  Answer last_word(const Asked& asked) { return responder_(asked.head, asked.bytes, asked.peer, {.last = true, .patient = false}); }

  // The listener ends: who waits is told that nothing is new, as far as one write without waiting goes.
  void dismiss_held() {
    for (auto& [id, c] : connections_)
      if (c.phase == Phase::holding) (void)give(c, last_word(c.held).bytes);
  }

  // What was being answered when the loop ended: as far as one write without waiting goes.
  void tell_last() {
    for (auto& [asked, answer] : answers_) {
      const auto it = connections_.find(asked.connection);
      if (it == connections_.end()) continue;
      if (answer.hold > milliseconds{0}) answer = last_word(asked);
      (void)give(it->second, answer.bytes);
    }
    answers_.clear();
  }

  void take_answers() {
    std::uint64_t ignored = 0;
    (void)!::read(wake_.get(), &ignored, sizeof ignored);
    std::vector<std::pair<Asked, Answer>> ready;
    {
      const std::lock_guard lock(mutex_);
      ready.swap(answers_);
    }
    for (auto& [asked, answer] : ready) {
      const auto it = connections_.find(asked.connection);
      if (it == connections_.end()) continue;
      if (answer.hold > milliseconds{0}) {
        hold(it->second, std::move(asked), answer.hold);
        continue;
      }
      it->second.close_after = answer.close;
      if (!respond(it->first, it->second, std::move(answer.bytes))) connections_.erase(it);
    }
  }

  bool respond(Id id, Connection& c, std::string bytes) {
    c.out = std::move(bytes);
    c.written = 0;
    c.phase = Phase::writing;
    c.deadline = now_ + options_.write_time;
    return send_some(id, c);
  }

  bool send_some(Id id, Connection& c) {
    while (c.written < c.out.size()) {
      const Moved put = give(c, std::string_view(c.out).substr(c.written));
      if (put.size == 0) return put.alive;
      c.written += put.size;
    }
    c.out.clear();
    c.since = now_;
    c.events = POLLIN;
    if (c.close_after) {
      if (c.tls) c.tls->close_notify();
      return leave(c);
    }
    c.phase = Phase::reading;
    c.deadline = now_ + options_.keep_alive;
    return c.in.empty() || advance(id, c);
  }

  // Closing at once with unread bytes would send a reset, which may destroy the response on its way.
  bool leave(Connection& c) const {
    c.phase = Phase::draining;
    c.events = POLLIN;
    c.deadline = now_ + drain_time;
    return ::shutdown(c.fd.get(), SHUT_WR) == 0;
  }

  static bool drain(Connection& c) {
    std::array<char, chunk> buffer;
    return moved(::recv(c.fd.get(), buffer.data(), buffer.size(), 0)).alive;
  }

  UniqueFd listener_, wake_;
  const Rules rules_;
  const LoopOptions options_;
  const Responder responder_;
  const Refused refused_;
  const Ready ready_;
  const std::shared_ptr<const ServerTls> tls_;
  std::unique_ptr<httplib::ThreadPool> pool_;
  Errands posts_{options_.max_posts};
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  // In this order: a stir that does not see that somebody is held was counted before it was looked for.
  std::atomic<std::uint64_t> stirs_{0};
  std::atomic<bool> holding_{false};
  // The loop's thread alone:
  std::map<Id, Connection> connections_;
  Id next_id_ = 1;
  Clock::time_point now_ = Clock::now(), accept_again_ = now_;
  // Shared with the pool:
  std::mutex mutex_;
  std::vector<std::pair<Asked, Answer>> answers_;
};

ServerLoop::ServerLoop(UniqueFd listener, Rules rules, LoopOptions options, Responder responder, Refused refused, Ready ready, std::shared_ptr<const ServerTls> tls)
    : impl_(std::make_unique<Impl>(std::move(listener), std::move(rules), options, std::move(responder), std::move(refused), std::move(ready), std::move(tls))) {}
ServerLoop::~ServerLoop() { impl_->stop(); }
Result<void> ServerLoop::start() { return impl_->start(); }
void ServerLoop::stop() { impl_->stop(); }
void ServerLoop::stir() { impl_->stir(); }

}  // namespace pgcertd::http

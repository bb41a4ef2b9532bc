#include "http/control.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <vector>

namespace pgcertd::http {

Result<gid_t> group_id(const std::string& name) {
  std::vector<char> buffer(16384);
  struct group entry {};
  struct group* found = nullptr;
  const int fault = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (fault != 0) return fail(errno_error("getgrnam_r", name, fault));
  if (!found)
    return fail(Errc::not_found, fmt::format("there is no group \"{}\"", name), "create it, or correct the configuration");
  return entry.gr_gid;
}

namespace {

constexpr std::size_t max_body = 96U << 20U;   // a CRL of a million entries, as JSON text
constexpr mode_t socket_mode = 0660;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return fail(Errc::invalid,
                fmt::format("\"{}\" is too long for a Unix socket: {} bytes at most", path, sizeof address.sun_path - 1),
                "choose a shorter runtime_directory");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

// A socket file outlives its process; only an attempt to connect tells whether somebody listens.
Result<void> remove_stale(const std::string& path, const sockaddr_un& address) {
  struct stat seen {};
  if (::lstat(path.c_str(), &seen) != 0) {
    if (errno == ENOENT) return {};
    return fail(errno_error("lstat", path, errno));
  }
  if (!S_ISSOCK(seen.st_mode)) return fail(Errc::exists, fmt::format("\"{}\" is there and is no socket", path), "move it away");
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return fail(errno_error("socket", path, errno));
  if (::connect(probe.get(), generic(address), sizeof address) == 0 || errno == EAGAIN)
    return fail(Errc::busy, fmt::format("another daemon answers at \"{}\"", path),
                "stop it first, or choose another runtime_directory");
  if (errno != ECONNREFUSED) return fail(errno_error("connect", path, errno));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail(errno_error("unlink", path, errno));
  return {};
}

// Owner and mode are set between bind and listen, when nobody can connect yet.
Result<void> set_access(const std::string& path, const std::string& group) {
  if (!group.empty()) {
    PGCERTD_TRY(const gid_t gid, group_id(group));
    if (::lchown(path.c_str(), static_cast<uid_t>(-1), gid) != 0) return fail(errno_error("lchown", path, errno));
  }
  if (::chmod(path.c_str(), socket_mode) != 0) return fail(errno_error("chmod", path, errno));
  return {};
}

Result<UniqueFd> bind_socket(const std::string& path, const std::string& group) {
  PGCERTD_TRY(const sockaddr_un address, address_of(path));
  PGCERTD_CHECK(remove_stale(path, address));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail(errno_error("socket", path, errno));
  if (::bind(fd.get(), generic(address), sizeof address) != 0) return fail(errno_error("bind", path, errno));
  if (auto done = set_access(path, group); !done) {
    (void)::unlink(path.c_str());   // ours, and useless now
    return fail(std::move(done).error());
  }
  if (::listen(fd.get(), 64) != 0) return fail(errno_error("listen", path, errno));
  return fd;
}

}  // namespace

ControlListener::ControlListener(std::string path, std::string group, std::shared_ptr<Routes> routes, Handler handler,
                                 LoopOptions options)
    : path_(std::move(path)),
      group_(std::move(group)),
      routes_(std::move(routes)),
      handler_(std::move(handler)),
      options_(options) {}

ControlListener::~ControlListener() { stop(); }

Result<void> ControlListener::start() {
  PGCERTD_TRY(UniqueFd fd, bind_socket(path_, group_));
  struct stat seen {};
  if (::lstat(path_.c_str(), &seen) == 0) {
    device_ = seen.st_dev;
    inode_ = seen.st_ino;
  }
  const Rules rules{.allow = "GET, HEAD, POST", .max_body = max_body, .host_required = false};
  loop_ = std::make_unique<ServerLoop>(
      std::move(fd), rules, options_,
      [this](const Head& head, const std::string& request, const Peer& peer, Turn turn) {
        return respond(head, request, peer, turn);
      },
      [this](const Reply& reply) { routes_->count(reply.handler, reply.status); });
  routes_->join(*loop_);   // before anybody waits there: no news are missed. stop() takes it back
  return loop_->start();
}

void ControlListener::stop() {
  if (!loop_) return;
  struct stat seen {};
  if (::lstat(path_.c_str(), &seen) == 0 && seen.st_dev == device_ && seen.st_ino == inode_)
    (void)::unlink(path_.c_str());  // else: not ours
  routes_->leave(*loop_);
  loop_->stop();
  loop_.reset();
}

Answer ControlListener::respond(const Head& head, const std::string& request, const Peer& peer, Turn turn) {
  return engine_.answer(request, head.head_size, turn,
                        [&](const Request& r) { return r.method == "POST" ? post(r, peer) : routes_->answer(r); });
}

Reply ControlListener::post(const Request& request, const Peer& peer) {
  Reply reply;
  try {
    ControlReply answer = handler_({request.method, request.path, request.query, request.body, peer.uid, peer.gid, peer.pid, peer.groups});
    reply = {.status = answer.status,
             .content_type = answer.status < 400 ? "application/json" : "application/problem+json",
             .body = std::move(answer.body)};
  } catch (const std::exception&) {
    reply = problem_reply(500, "the command could not be carried out");
  }
  reply.handler = "control";
  reply.headers.emplace_back("Cache-Control", "no-store");
  routes_->count(reply.handler, reply.status);
  return reply;
}

}  // namespace pgcertd::http

// lib/http/control.cpp over a real Unix socket
#include "http/control.hpp"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <deque>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <optional>
#include <utility>

#include "unit/http/support.hpp"

namespace pgcertd::http {
namespace {

using test::body_of;
using test::Client;
using test::get;
using test::header_of;
using test::status_of;
using testing::HasSubstr;

class Control : public testing::Test {
 protected:
  Control() {
    std::string name = "/tmp/pgcertd-control-XXXXXX";
    directory_ = ::mkdtemp(name.data());
    std::filesystem::permissions(directory_, std::filesystem::perms(0755));
    path_ = directory_ + "/control.sock";
  }
  ~Control() override {
    listener_.reset();
    std::filesystem::remove_all(directory_);
  }
  Result<void> start(const std::string& group = {}) {
    listener_ = std::make_unique<ControlListener>(path_, group, world_.routes(), [this](const ControlRequest& r) {
      const std::lock_guard lock(mutex_);
      seen_ = r;
      if (r.path == "/v1/throw") throw std::runtime_error("secret detail");
      return ControlReply{r.path == "/v1/no" ? 403 : 200, "{\"uid\":" + std::to_string(r.uid) + "}"};
    });
    return listener_->start();
  }
  std::string post(const std::string& path, const std::string& body) {
    Client client(path_);
    client.send("POST " + path + " HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return client.response();
  }

  // What the handler, on another thread, was last given.
  std::optional<ControlRequest> seen() {
    const std::lock_guard lock(mutex_);
    return std::exchange(seen_, std::nullopt);
  }

  test::World world_;
  std::string directory_, path_;
  std::mutex mutex_;
  std::optional<ControlRequest> seen_;
  std::unique_ptr<ControlListener> listener_;
};

TEST_F(Control, HandsOverThePostAndItsPeer) {
  ASSERT_TRUE(start());
  const std::string reply = post("/v1/clusters/main/rotate?wait=1", "{\"force\":true}");
  EXPECT_EQ(status_of(reply), 200);
  EXPECT_EQ(body_of(reply), "{\"uid\":" + std::to_string(::getuid()) + "}");
  const auto request = seen();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "POST");
  EXPECT_EQ(request->path, "/v1/clusters/main/rotate");
  EXPECT_EQ(request->query, (std::vector<std::pair<std::string, std::string>>{{"wait", "1"}}));
  EXPECT_EQ(request->body, "{\"force\":true}");
  EXPECT_EQ(request->uid, ::getuid());
  EXPECT_EQ(request->gid, ::getgid());
  EXPECT_EQ(request->pid, ::getpid());
}

TEST_F(Control, AnswersGetAsTcpDoes) {
  ASSERT_TRUE(start());
  Client client(path_);
  client.send("GET /v1/status HTTP/1.1\r\n\r\n");
  EXPECT_THAT(body_of(client.response()), HasSubstr("\"schema\": 1"));
  EXPECT_FALSE(seen());
}

TEST_F(Control, ModeAndGroupOfTheSocket) {
  const struct group* own = ::getgrgid(::getgid());
  ASSERT_NE(own, nullptr);
  const mode_t old = ::umask(0);
  ASSERT_TRUE(start(own->gr_name));
  ::umask(old);
  struct stat seen {};
  ASSERT_EQ(::stat(path_.c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 07777, 0660U);
  EXPECT_EQ(seen.st_gid, ::getgid());
  listener_->stop();
  EXPECT_NE(::stat(path_.c_str(), &seen), 0);
  const auto unknown = start("no-such-group-here");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().text(), HasSubstr("no-such-group-here"));
  EXPECT_NE(::stat(path_.c_str(), &seen), 0);          // nothing half-made is left
}

TEST_F(Control, BodiesAreBounded) {
  ASSERT_TRUE(start());
  EXPECT_EQ(status_of(post("/x", std::string(64 << 10, 'x'))), 200);
  EXPECT_EQ(seen().value().body.size(), 64U << 10);
  Client large(path_);
  large.send("POST /x HTTP/1.1\r\nContent-Length: " + std::to_string((96U << 20) + 1) + "\r\n\r\n");
  EXPECT_EQ(status_of(large.response()), 413) << "said before a byte of it is taken";
  Client chunked(path_);
  chunked.send("POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  EXPECT_EQ(status_of(chunked.response()), 411);
  Client other(path_);
  other.send("PUT /x HTTP/1.1\r\n\r\n");
  EXPECT_EQ(header_of(other.response(), "Allow"), "GET, HEAD, POST");
  EXPECT_FALSE(seen());
}

// Commands wait for servers that may not answer.
TEST_F(Control, CommandsThatWaitHoldUpNobody) {
  std::promise<void> go_on;
  listener_ = std::make_unique<ControlListener>(path_, "", world_.routes(), [may = go_on.get_future().share()](const ControlRequest& r) {
    if (r.path == "/v1/wait") may.wait();
    return ControlReply{200, "{}"};
  }, LoopOptions{.threads = 1, .max_posts = 3});
  ASSERT_TRUE(listener_->start());
  std::deque<Client> waiting;
  for (int i = 0; i < 2; ++i) waiting.emplace_back(path_).send("POST /v1/wait HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(status_of(post("/v1/a", "")), 200);
  Client reader(path_);
  reader.send("GET /v1/status HTTP/1.1\r\n\r\n");
  EXPECT_EQ(status_of(reader.response()), 200);
  waiting.emplace_back(path_).send("POST /v1/wait HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
  std::string refused;
  for (const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20); status_of(refused) != 503 && std::chrono::steady_clock::now() < until;) refused = post("/v1/a", "");
  EXPECT_EQ(status_of(refused), 503) << refused;
  EXPECT_THAT(body_of(refused), HasSubstr("too many commands"));
  go_on.set_value();
  for (Client& one : waiting) EXPECT_EQ(status_of(one.response()), 200);
  EXPECT_EQ(status_of(post("/v1/a", "")), 200);
}

TEST_F(Control, AnswersOfTheHandler) {
  ASSERT_TRUE(start());
  const std::string refused = post("/v1/no", "");
  EXPECT_EQ(status_of(refused), 403);
  EXPECT_EQ(header_of(refused, "Content-Type"), "application/problem+json");
  const std::string broken = post("/v1/throw", "");
  EXPECT_EQ(status_of(broken), 500);
  EXPECT_THAT(broken, testing::Not(HasSubstr("secret detail")));
}

// A forged header, or another connection at the same time, must not lend its uid.
TEST_F(Control, ThePeerIsTheKernelsWord) {
  ASSERT_TRUE(start());
  Client first(path_), second(path_);
  first.send("POST /v1/a HTTP/1.1\r\nREMOTE_ADDR: 0\r\nX-Uid: 12345\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(body_of(first.response()), "{\"uid\":" + std::to_string(::getuid()) + "}");
  second.send("POST /v1/a HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(body_of(second.response()), "{\"uid\":" + std::to_string(::getuid()) + "}");
}

TEST_F(Control, AnotherUserIsSeenAsItself) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can become another user";
  ASSERT_TRUE(start());
  ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool ok = ::setgid(65534) == 0 && ::setuid(65534) == 0;
    Client client(path_);
    client.send("POST /v1/a HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    ::_exit(ok && body_of(client.response()) == "{\"uid\":65534}" ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  const auto request = seen();
  ASSERT_TRUE(request);
  EXPECT_EQ(request->gid, 65534U);
  EXPECT_EQ(request->pid, child);
}

TEST_F(Control, AStaleSocketIsReplacedALiveOneIsNot) {
  {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    const UniqueFd left(::socket(AF_UNIX, SOCK_STREAM, 0));
    ASSERT_EQ(::bind(left.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(start());
  ControlListener second(path_, "", world_.routes(), [](const ControlRequest&) { return ControlReply{}; });
  const auto refused = second.start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::busy);
  EXPECT_NE(refused.error().remedy, "");
  second.stop();
  EXPECT_EQ(status_of(post("/v1/a", "")), 200);        // the first is unharmed
}

TEST_F(Control, OnlyItsOwnSocketIsRemoved) {
  ASSERT_TRUE(start());
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  std::ofstream(path_) << "somebody else's";
  listener_->stop();
  EXPECT_TRUE(std::filesystem::exists(path_));
  const auto started = start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::exists);
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(Control, APathTooLongIsRefused) {
  path_ = directory_ + "/" + std::string(120, 'x');
  const auto started = start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Errc::invalid);
}

}  // namespace
}  // namespace pgcertd::http

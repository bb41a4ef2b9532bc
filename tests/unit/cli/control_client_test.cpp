#include "cli/control_client.hpp"

#include <gmock/gmock.h>
#include <httplib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "cli/exit_code.hpp"
#include "unit/cli/fixtures.hpp"

namespace pgcertd::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

class ControlClientTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "pgcertd-cli-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir = pattern;
    socket = dir + "/control.sock";
  }
  void TearDown() override {
    server.stop();
    if (thread.joinable()) thread.join();
    fs::remove_all(dir);
  }
  void serve() {
    server.set_address_family(AF_UNIX);
    ASSERT_TRUE(server.bind_to_port(socket.c_str(), 80));
    thread = std::thread([this] { server.listen_after_bind(); });
    while (!server.is_running()) std::this_thread::yield();
  }
  [[nodiscard]] ControlClient client(Duration timeout = std::chrono::seconds{5}) const { return {socket, timeout}; }

  std::string dir, socket;
  httplib::Server server;
  std::thread thread;
};

TEST_F(ControlClientTest, GetsAndPostsJson) {
  std::string host, body;
  server.Get("/v1/status", [&](const httplib::Request& request, httplib::Response& response) {
    host = request.get_header_value("Host");
    response.set_content(healthy_status().dump(), "application/json");
  });
  server.Post("/v1/clusters/main/rotate", [&](const httplib::Request& request, httplib::Response& response) {
    body = request.body;
    response.set_content(R"({"accepted":true,"message":"rotating"})", "application/json");
  });
  serve();
  const auto status = client().get("/v1/status");
  ASSERT_TRUE(status) << status.error().text();
  EXPECT_EQ(*status, healthy_status());
  EXPECT_EQ(host, "localhost");
  const auto reply = client().post("/v1/clusters/main/rotate", {{"force", true}});
  ASSERT_TRUE(reply);
  EXPECT_EQ(json::parse(body), json({{"force", true}}));
  EXPECT_EQ(reply->at("message"), "rotating");
}

TEST_F(ControlClientTest, ProblemsBecomeErrorsWithTheirExitCode) {
  server.Get(R"(/(\d+))", [](const httplib::Request& request, httplib::Response& response) {
    response.status = std::stoi(request.matches[1]);
    response.set_content(R"({"title":"No\u001b[2J","detail":"because","remedy":"do this"})", "application/problem+json");
  });
  serve();
  struct Row {
    int status, exit_code;
  };
  for (const Row row : {Row{400, 1}, Row{403, 77}, Row{404, 3}, Row{409, 5}, Row{500, 1}, Row{503, 1}, Row{504, 6}}) {
    const auto reply = client().get("/" + std::to_string(row.status));
    ASSERT_FALSE(reply);
    EXPECT_EQ(static_cast<int>(exit_code(reply.error().code)), row.exit_code) << row.status;
    EXPECT_EQ(reply.error().text(), "No\\x1b[2J: because");
    EXPECT_EQ(reply.error().remedy, "do this");
  }
}

TEST_F(ControlClientTest, AnAnswerThatIsNoJsonIsAnError) {
  server.Get("/ok", [](const httplib::Request&, httplib::Response& response) { response.set_content("<html>", "text/html"); });
  server.Get("/bad", [](const httplib::Request&, httplib::Response& response) {
    response.status = 500, response.set_content("\xff<html>", "text/html");
  });
  serve();
  EXPECT_EQ(client().get("/ok").error().code, Errc::parse);
  EXPECT_THAT(client().get("/bad").error().text(), HasSubstr("HTTP status 500"));
}

TEST_F(ControlClientTest, NobodyThereIsUnreachableWithARemedy) {
  const auto nothing = client().get("/v1/status");
  ASSERT_FALSE(nothing);
  EXPECT_EQ(exit_code(nothing.error().code), ExitCode::unreachable);
  EXPECT_THAT(nothing.error().text(), testing::AllOf(HasSubstr(socket), HasSubstr("No such file")));
  EXPECT_THAT(nothing.error().remedy, HasSubstr("systemctl status pgcertd"));
  serve();
  server.stop();
  thread.join();  // the socket's file stays, nobody listens
  const auto stale = client().get("/v1/status");
  ASSERT_FALSE(stale);
  EXPECT_EQ(exit_code(stale.error().code), ExitCode::unreachable);
}

TEST_F(ControlClientTest, APathTooLongForASocketIsSaid) {
  const auto reply = ControlClient("/" + std::string(200, 'x'), std::chrono::seconds{1}).get("/");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::invalid);
  EXPECT_EQ(ControlClient("", std::chrono::seconds{1}).get("/").error().code, Errc::invalid);
}

TEST_F(ControlClientTest, SilenceEndsByTheTimeout) {
  std::atomic<bool> done = false;
  server.Get("/slow", [&](const httplib::Request&, httplib::Response& response) {
    while (!done) std::this_thread::yield();
    response.set_content("{}", "application/json");
  });
  serve();
  const auto reply = client(std::chrono::milliseconds{100}).get("/slow");
  done = true;
  ASSERT_FALSE(reply);
  EXPECT_EQ(exit_code(reply.error().code), ExitCode::timed_out);
  EXPECT_THAT(reply.error().text(), HasSubstr("within 100ms"));
}

TEST(ClusterName, OnlyWhatCanBeOne) {
  for (const char* good : {"main", "a", "db-1_x"}) EXPECT_TRUE(check_cluster_name(good)) << good;
  for (const std::string& bad : {std::string(), std::string("../x"), std::string("a/b"), std::string("Main"), std::string("a?b"),
                                 std::string(64, 'a'), std::string("a\n")}) {
    const auto verdict = check_cluster_name(bad);
    ASSERT_FALSE(verdict) << bad;
    EXPECT_EQ(exit_code(verdict.error().code), ExitCode::not_found);
  }
}

}  // namespace
}  // namespace pgcertd::cli

// Covers lib/fetch: one GET, against a real server on loopback.
#include "fetch/http_fetch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <thread>

namespace pgcertd::fetch {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

// Paths are the states that a server may be in.
class Web : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.Get("/crl", [this](const httplib::Request& request, httplib::Response& response) {
      last_ = request;
      response.set_header("ETag", "\"nine\"");
      response.set_header("Last-Modified", "Tue, 24 Nov 2026 10:00:00 GMT");
      if (request.get_header_value("If-None-Match") == "\"nine\"") response.status = 304;
      else response.set_content("a CRL", "application/pkix-crl");
    });
    server_.Get("/moved", [](const httplib::Request&, httplib::Response& response) { response.set_redirect("/crl"); });
    server_.Get("/circle", [](const httplib::Request&, httplib::Response& response) { response.set_redirect("/circle"); });
    server_.Get("/file", [](const httplib::Request&, httplib::Response& response) { response.set_redirect("file:///etc/passwd"); });
    server_.Get("/secure", [](const httplib::Request&, httplib::Response& response) { response.set_redirect("https://127.0.0.1:1/crl"); });
    server_.Get("/large", [](const httplib::Request&, httplib::Response& response) { response.set_content(std::string(100'000, 'x'), "text/plain"); });
    server_.Get("/stall", [this](const httplib::Request&, httplib::Response& response) {
      response.set_chunked_content_provider("text/plain", [this](std::size_t, httplib::DataSink& sink) {
        std::this_thread::sleep_for(20ms);   // the server's slowness
        return !over_ && sink.write("x", 1);
      });
    });
    server_.Get("/tag", [](const httplib::Request&, httplib::Response& response) {
      response.set_header("ETag", std::string(1000, 'e'));
      response.set_content("a CRL", "text/plain");
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  void TearDown() override {
    over_ = true;
    server_.stop();
    thread_.join();
  }
  Result<ports::FetchAnswer> get(const std::string& path, ports::FetchRequest request = {}, FetchLimits limits = {}) {
    request.url = "http://127.0.0.1:" + std::to_string(port_) + path;
    return HttpFetch({}, limits).get(request);
  }
  std::string error(const std::string& path, FetchLimits limits = {}) {
    const auto answer = get(path, {}, limits);
    return answer ? "nothing" : answer.error().text();
  }

  httplib::Server server_;
  httplib::Request last_;
  std::atomic<bool> over_ = false;
  int port_ = 0;
  std::thread thread_;
};

TEST_F(Web, GivesTheBodyAndWhatItMayBeAskedByNextTime) {
  const auto answer = get("/crl");
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_EQ(answer->body, "a CRL");
  EXPECT_EQ(answer->etag, "\"nine\"");
  EXPECT_EQ(answer->last_modified, "Tue, 24 Nov 2026 10:00:00 GMT");
  EXPECT_FALSE(answer->not_modified);
  EXPECT_FALSE(last_.has_header("Accept-Encoding")) << "nothing is to be unpacked";
  EXPECT_FALSE(last_.has_header("If-None-Match"));
  EXPECT_THAT(last_.get_header_value("User-Agent"), HasSubstr("pgcertd/"));
}

TEST_F(Web, WhatIsUnchangedIsNotSent) {
  const auto answer = get("/crl", {.url = {}, .etag = "\"nine\"", .last_modified = "Tue, 24 Nov 2026 10:00:00 GMT"});
  ASSERT_TRUE(answer) << answer.error().text();
  EXPECT_TRUE(answer->not_modified);
  EXPECT_EQ(answer->body, "");
  EXPECT_EQ(last_.get_header_value("If-Modified-Since"), "Tue, 24 Nov 2026 10:00:00 GMT");
}

TEST_F(Web, FollowsOnlyItsOwnScheme) {
  EXPECT_EQ(get("/moved").value().body, "a CRL");
  EXPECT_THAT(error("/circle"), HasSubstr("redirect"));
  EXPECT_THAT(error("/file"), HasSubstr("rotocol"));
  EXPECT_THAT(error("/secure"), HasSubstr("rotocol"));
  EXPECT_THAT(error("/none"), HasSubstr("404"));
  EXPECT_FALSE(HttpFetch().get({.url = "file:///etc/passwd"}));
  EXPECT_FALSE(HttpFetch().get({.url = "gopher://127.0.0.1/"}));
}

TEST_F(Web, IsBoundedInSizeAndTime) {
  FetchLimits limits;
  limits.bytes = 99'999;
  EXPECT_THAT(error("/large", limits), HasSubstr("more than 99999 bytes"));
  limits.bytes = 100'000;
  EXPECT_EQ(get("/large", {}, limits).value().body.size(), 100'000U);
  limits.whole = 300ms;
  const auto late = get("/stall", {}, limits);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::timeout);
  limits.whole = 1min, limits.stall = 1s;
  EXPECT_EQ(get("/stall", {}, limits).error().code, Errc::timeout);
  EXPECT_EQ(get("/tag").value().etag, "") << "too long to be sent back";
}

TEST_F(Web, EndsWhenItIsCancelled) {
  std::atomic<bool> stop = false;
  HttpFetch fetch([&stop] { return stop.load(); });
  std::thread later([&] { stop = true; });
  const auto answer = fetch.get({.url = "http://127.0.0.1:" + std::to_string(port_) + "/stall"});
  later.join();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::cancelled);
  EXPECT_THAT(answer.error().text(), Not(HasSubstr("Callback")));
}

}  // namespace
}  // namespace pgcertd::fetch

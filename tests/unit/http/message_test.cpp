// lib/http/message.cpp
#include "http/message.hpp"

#include <gtest/gtest.h>

namespace pgcertd::http {
namespace {

// 0: more bytes are needed; 200: let through; else the refusal.
int verdict(const std::string& bytes, const Rules& rules = {}) {
  const Scan found = scan(bytes, rules);
  if (std::holds_alternative<Incomplete>(found)) return 0;
  const Reply* reply = std::get_if<Reply>(&found);
  return reply ? reply->status : 200;
}

TEST(Scan, EveryKindOfHead) {
  const std::string host = "Host: h\r\n";
  const struct { std::string bytes; int expected; } rows[] = {
      {"", 0},
      {"GET / HTTP/1.1\r\nHost: h\r\n", 0},
      {"GET / HTTP/1.1\r\n" + host + "\r\n", 200},
      {"HEAD /x?y=%20 HTTP/1.1\r\n" + host + "\r\n", 200},
      {"GET / HTTP/1.0\r\n\r\n", 200},
      {"GET / HTTP/1.1\r\n\r\n", 400},                                       // no Host
      {"GET / HTTP/1.1\r\n" + host + host + "\r\n", 400},                    // two of them
      {"GET / HTTP/2.0\r\n" + host + "\r\n", 400},
      {"GET /\r\n\r\n", 400},
      {"GET  HTTP/1.1\r\n" + host + "\r\n", 400},
      {"\r\n\r\n", 400},
      {"G\x01T / HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET http://h/ HTTP/1.1\r\n" + host + "\r\n", 200},
      {"GET HTTPS://h?x HTTP/1.1\r\n" + host + "\r\n", 200},
      {"GET http://h/ HTTP/1.1\r\n\r\n", 400},                               // the Host header is asked for all the same
      {"GET http:/// HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET http://u@h/ HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET ftp://h/ HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET h:80 HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /\xff HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400},                      // bare LF: request smuggling
      {std::string("GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", 26), 400},
      {"GET / HTTP/1.1\r\n" + host + "Bad Name: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + " folded\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "\r\n", 405},
      {"DELETE / HTTP/1.1\r\n" + host + "\r\n", 405},
      {"get / HTTP/1.1\r\n" + host + "\r\n", 405},
      {"GET / HTTP/1.1\r\n" + host + "Range: bytes=0-1,0-2,0-3\r\n\r\n", 416},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n", 200},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: 1\r\n\r\n", 413},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999999\r\n\r\n", 413},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + "transfer-encoding: chunked\r\n\r\n", 413},
      {"GET / HTTP/1.1\r\n" + host + "Expect: 100-continue\r\n\r\n", 417},
      {"GET /" + std::string(2048, 'a') + " HTTP/1.1\r\n" + host + "\r\n", 414},
      {"GET /" + std::string(4000, 'a'), 414},                               // said before the line has ended
      {"GET / HTTP/1.1\r\nX: " + std::string(8200, 'a'), 431},               // said before the head has ended
  };
  for (const auto& row : rows) EXPECT_EQ(verdict(row.bytes), row.expected) << row.bytes.substr(0, 80);
}

TEST(Scan, AWholeUrlIsTakenForItsPathAndHost) {
  const struct { const char* target; const char* path; const char* host;
  } rows[] = {{"http://db1.example.org:9847/v1/status?x=y", "/v1/status?x=y", "db1.example.org:9847"},
              {"Http://a", "/", "a"},
              {"https://[::1]:1?q", "/?q", "[::1]:1"},
              {"/plain?http://b/", "/plain?http://b/", "h"}};
  for (const auto& row : rows) {
    std::string request = std::string("POST ") + row.target + " HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}";
    Head head = std::get<Head>(scan(request, {.allow = "POST", .max_body = 9}));
    EXPECT_EQ(head.target, row.path);
    EXPECT_EQ(head.host, row.host);
    to_origin_form(head, request);
    EXPECT_EQ(request, std::string("POST ") + row.path + " HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}");
    EXPECT_EQ(request.substr(head.head_size), "{}");
  }
}

TEST(Scan, SaysOfABodyThatNoneIsTaken) {
  for (const char* body : {"Transfer-Encoding: chunked", "Content-Length: 1"}) {
    const Scan found = scan("GET / HTTP/1.1\r\nHost: h\r\n" + std::string(body) + "\r\n\r\n", {});
    EXPECT_NE(std::get<Reply>(found).body.find("no body is taken here"), std::string::npos) << body;
  }
}

TEST(Scan, ControlTakesBodiesUpToItsLimit) {
  const Rules rules{.allow = "GET, HEAD, POST", .max_body = 10, .host_required = false};
  EXPECT_EQ(verdict("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n", rules), 200);
  EXPECT_EQ(verdict("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n", rules), 413);
  EXPECT_EQ(verdict("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", rules), 411);
  const Scan found = scan("POST /v1/x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}rest", rules);
  const Head& head = std::get<Head>(found);
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.body_size, 2U);
  EXPECT_EQ(head.head_size, 42U);
}

TEST(Scan, SaysWhichMethodsAreAllowed) {
  const Scan found = scan("PUT / HTTP/1.1\r\nHost: h\r\n\r\n", {});
  const Reply& reply = std::get<Reply>(found);
  ASSERT_EQ(reply.headers.size(), 1U);
  EXPECT_EQ(reply.headers[0], std::pair(std::string("Allow"), std::string("GET, HEAD")));
  EXPECT_EQ(reply.content_type, "application/problem+json");
}

TEST(BareHost, DropsPortBracketsCaseAndDot) {
  const struct { const char* from; const char* to;
  } rows[] = {{"Example.ORG:9847", "example.org"},
              {"example.org.", "example.org"},
              {"[::1]:9847", "::1"},
              {"[::1]", "::1"},
              {"::1", "::1"},
              {"10.0.0.5", "10.0.0.5"},
              {"", ""},
              {"[", ""}};
  for (const auto& row : rows) EXPECT_EQ(bare_host(row.from), row.to);
}

}  // namespace
}  // namespace pgcertd::http

// Covers lib/engine/crl_source.cpp: what is kept, what is refused, when it is asked for again.
#include "engine/crl_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "x509/private_key.hpp"
#include "x509/sign.hpp"

namespace pgcertd::engine::crl_source_tests {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

const TimePoint start = from_unix(1'767'225'600);

// A server on the network that says what it is told to.
struct FakeFetch final : ports::Fetch {
  std::deque<Result<ports::FetchAnswer>> answers;
  std::vector<ports::FetchRequest> asked;
  Result<ports::FetchAnswer> get(const ports::FetchRequest& request) override {
    asked.push_back(request);
    if (answers.empty()) return fail(Errc::network, "GET " + request.url + ": HTTP status 500");
    auto answer = std::move(answers.front());
    answers.pop_front();
    return answer;
  }
};

struct Partner {
  x509::PrivateKey key = x509::PrivateKey::generate(KeyType::ecdsa_p256).value();
  x509::Certificate ca = x509::make_root(key, "partner", "40aa", {start - 24h, start + std::chrono::days{3650}}).value();
  [[nodiscard]] std::string crl(int number, TimePoint at, Duration life = std::chrono::days{30}) const {
    return x509::make_crl(key, ca, std::to_string(number), at, at + life, {})->pem();
  }
};

struct CrlSourceTest : ::testing::Test {
  FakeFetch fetch;
  Partner partner;
  std::vector<std::string> kept;
  std::optional<Error> disk;
  CrlSource source(const std::string& before = {}) {
    return CrlSource({"partner", {"http://a/crl", "http://b/crl"}}, fetch,
                     [this](const std::string& pem) -> Result<void> {
                       if (disk) return fail(*disk);
                       kept.push_back(pem);
                       return {};
                     },
                     before);
  }
  void sends(const std::string& body, const std::string& etag = {}) { fetch.answers.emplace_back(ports::FetchAnswer{false, body, etag, {}}); }
};

TEST_F(CrlSourceTest, KeepsWhatFollows) {
  CrlSource s = source();
  sends(partner.crl(9, start));
  s.tick(start);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(s.seen().crls.front().number, "9");
  EXPECT_EQ(s.seen().trouble, "");
  EXPECT_EQ(s.seen().fetched_at, start);
  EXPECT_EQ(fetch.asked.size(), 1U) << "the second URL is for when the first fails";
  for (const auto& [body, words] : {std::pair{partner.crl(8, start + 1h), "does not follow"}, {partner.crl(10, start - 1h), "no later"}, {std::string("<html>"), "what was sent"},
                                    {partner.crl(11, start + 48h), "begins only"}, {partner.crl(12, start - 2h, 1h), "ended"}}) {
    sends(body);
    s.tick(start + 2h);
    EXPECT_THAT(s.seen().trouble, HasSubstr(words));
    EXPECT_THAT(s.seen().trouble, HasSubstr("http://b/crl: HTTP status 500")) << "the second is asked, too";
    EXPECT_EQ(s.seen().crls.front().number, "9");
  }
  EXPECT_EQ(kept.size(), 1U);
  fetch.answers.emplace_back(fail(Errc::network, "no route"));
  sends(partner.crl(10, start + 1h));
  s.tick(start + 2h);
  EXPECT_EQ(s.seen().trouble, "");
  EXPECT_EQ(s.seen().crls.front().number, "10");
}

TEST_F(CrlSourceTest, AsksByWhatItHasAndOnlyOnceItWasGood) {
  CrlSource s = source();
  sends("<html>", "\"bad\"");
  s.tick(start);
  sends(partner.crl(9, start), "\"nine\"");
  s.tick(start);
  EXPECT_EQ(fetch.asked[2].etag, "") << "what was refused is to be sent again";
  fetch.answers.emplace_back(ports::FetchAnswer{true, {}, {}, {}});
  s.tick(start + 1h);
  EXPECT_EQ(fetch.asked.back().etag, "\"nine\"");
  EXPECT_EQ(s.seen().trouble, "");
  EXPECT_EQ(s.seen().fetched_at, start + 1h);
  EXPECT_EQ(kept.size(), 1U);
}

TEST_F(CrlSourceTest, AFullDiskIsAReasonToTryAgain) {
  CrlSource s = source();
  disk = make_error(Errc::no_space, "no room");
  sends(partner.crl(9, start), "\"nine\"");
  s.tick(start);
  EXPECT_THAT(s.seen().trouble, HasSubstr("no room"));
  EXPECT_TRUE(s.seen().crls.empty()) << "what is not on the disk would be gone after a restart";
  disk.reset();
  sends(partner.crl(9, start), "\"nine\"");
  s.tick(start + 1min);
  EXPECT_EQ(kept.size(), 1U);
}

TEST_F(CrlSourceTest, BeginsWithWhatWasKept) {
  EXPECT_EQ(source(partner.crl(9, start)).seen().crls.front().number, "9");
  CrlSource spoilt = source("garbage");
  EXPECT_THAT(spoilt.seen().trouble, HasSubstr("spoiled"));
  sends(partner.crl(1, start));
  spoilt.tick(start);
  EXPECT_EQ(spoilt.seen().trouble, "");
}

TEST_F(CrlSourceTest, ComesAgainInTime) {
  CrlSource s = source();
  sends(partner.crl(9, start));
  const Duration usual = s.tick(start) - start;
  EXPECT_LE(usual, 1h);
  EXPECT_GE(usual, 54min) << "a tenth earlier at most";
  sends(partner.crl(10, start + 1s, 20min));
  EXPECT_LE(s.tick(start + 1s) - start, 10min + 1s) << "in the first half of what is left";
  sends(partner.crl(11, start + 2s, 3s));
  EXPECT_GE(s.tick(start + 2s) - start, 54s) << "no server is pestered";
  Duration last{};
  for (int failed = 0; failed < 12; ++failed) {
    const Duration wait = s.tick(start) - start;
    EXPECT_GE(wait, last * 8 / 10);
    EXPECT_LE(wait, 1h);
    last = wait;
  }
  EXPECT_GE(last, 54min);
}

}  // namespace
}  // namespace pgcertd::engine::crl_source_tests

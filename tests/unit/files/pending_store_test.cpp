#include "files/pending_store.hpp"

#include <fcntl.h>

#include "unit/files/material.hpp"

namespace pgcertd::files {
namespace {

using namespace test;

struct Pending : ::testing::Test {
  State state;
  PendingStore store{state.path()};

  [[nodiscard]] std::string entry(const std::string& spki, const std::string& name = {}) const {
    return state.path() + "/pending/" + spki + (name.empty() ? "" : "/" + name);
  }
  PendingSeen put(const std::string& cluster, const Pair& from, TimePoint created = start) {
    PendingSeen request{.cluster = cluster,
                        .spki_sha256 = from.spki,
                        .request_pem = "-----BEGIN CERTIFICATE REQUEST-----\n",
                        .created = created,
                        .key_type = KeyType::ecdsa_p256,
                        .names = {{"db1.example.org"}, {"10.0.0.5"}}};
    EXPECT_TRUE(ok(store.put(request, Secret(from.key_pem))));
    return request;
  }
};

TEST_F(Pending, WhatIsPutComesBackAndIsOursAlone) {
  const Pair later = make_pair(), other = make_pair();
  const auto second = put("main", later, start + std::chrono::hours(1)), first = put("main", pair()), foreign = put("other", other);
  EXPECT_EQ(store.list("main").value(), (std::vector{first, second}));
  EXPECT_EQ(store.list("other").value(), std::vector{foreign});
  EXPECT_TRUE(store.list("none")->empty());
  EXPECT_EQ(store.key(pair().spki)->view(), pair().key_pem);
  EXPECT_EQ(mode_of(state.path() + "/pending"), 0700);
  EXPECT_EQ(mode_of(entry(pair().spki)), 0700);
  for (const char* name : {"key.pem", "request.pem", "meta.json"}) EXPECT_EQ(mode_of(entry(pair().spki, name)), 0600) << name;
  EXPECT_EQ(store.put(first, Secret(pair().key_pem)).error().code, Errc::exists);
  EXPECT_EQ(store.list("main")->size(), 2U);
}

TEST_F(Pending, RemovalWipes) {
  put("main", pair());
  const UniqueFd key(::open(entry(pair().spki, "key.pem").c_str(), O_RDONLY));
  ASSERT_TRUE(ok(store.remove(pair().spki)));
  EXPECT_TRUE(all_zero(bytes_of(key.get())));
  EXPECT_TRUE(entries(state.path() + "/pending").empty());
  EXPECT_TRUE(ok(store.remove(pair().spki)));
  EXPECT_EQ(store.key(pair().spki).error().code, Errc::not_found);
}

TEST_F(Pending, LeftoversOfACrashAreClearedByTheirOwnWorkerOnly) {
  put("main", pair());
  const std::string mine = ".tmp-main." + pair().spki, theirs = ".tmp-other." + pair().spki, gone = ".gone-" + pair().spki;
  for (const std::string& name : {mine, theirs, gone}) {
    std::filesystem::create_directory(entry(name));
    spit(entry(name, "key.pem"), "key");
  }
  const UniqueFd key(::open(entry(mine, "key.pem").c_str(), O_RDONLY));
  EXPECT_EQ(store.list("main")->size(), 1U);
  EXPECT_TRUE(all_zero(bytes_of(key.get())));
  EXPECT_FALSE(exists(entry(mine)));
  EXPECT_FALSE(exists(entry(gone)));
  EXPECT_TRUE(exists(entry(theirs)));                    // its worker may be writing it at this moment
}

TEST_F(Pending, SpoiledEntriesStopNothing) {
  const std::vector<std::pair<const char*, std::function<void(const std::string&)>>> rows{
      {"meta.json", [](const std::string& path) { spit(path, "{\"format\":1}"); }},
      {"meta.json", [](const std::string& path) { spit(path, "\xff"); }},
      {"meta.json", [](const std::string& path) { std::filesystem::remove(path); }},
      {"meta.json", [](const std::string& path) { std::filesystem::remove(path), ::mkfifo(path.c_str(), 0600); }},
      {"key.pem", [](const std::string& path) { std::filesystem::remove(path); }},
      {"key.pem", [](const std::string& path) { spit(path, ""); }},
      {"request.pem", [](const std::string& path) { std::filesystem::remove(path); }},
  };
  const Pair good = make_pair();
  put("main", good);
  for (const auto& [name, spoil] : rows) {
    put("main", pair());
    spoil(entry(pair().spki, name));
    const auto seen = store.list("main");
    ASSERT_TRUE(ok(seen)) << name;
    ASSERT_EQ(seen->size(), 1U) << name;
    EXPECT_EQ(seen->front().spki_sha256, good.spki);
    EXPECT_EQ(exists(entry(pair().spki)), std::string_view(name) == "meta.json");   // nobody knows whose it is, or it is of no use
    EXPECT_TRUE(ok(store.remove(pair().spki)));
  }
}

TEST_F(Pending, HostileNamesAndKeysAreRefused) {
  for (const char* hostile : {"", "..", "../clusters", "AB", "key.pem"}) {
    EXPECT_EQ(store.key(hostile).error().code, Errc::invalid) << hostile;
    EXPECT_EQ(store.remove(hostile).error().code, Errc::invalid) << hostile;
    EXPECT_EQ(store
                  .put({.cluster = "main", .spki_sha256 = hostile, .request_pem = "x", .created = start, .names = {}},
                       Secret(pair().key_pem))
                  .error()
                  .code,
              Errc::invalid);
  }
  const PendingSeen other{
      .cluster = "main", .spki_sha256 = std::string(64, 'a'), .request_pem = "x", .created = start, .names = {}};
  EXPECT_EQ(store.put(other, Secret(pair().key_pem)).error().code, Errc::invalid);   // another key's number
  put("main", pair());
  std::filesystem::create_directory_symlink("/etc", entry(std::string(64, 'b')));
  EXPECT_FALSE(store.key(std::string(64, 'b')));
  EXPECT_EQ(store.list("main")->size(), 1U);
  EXPECT_EQ(PendingStore(state.path() + "/nothing").list("main").error().code, Errc::not_found);
}

}  // namespace
}  // namespace pgcertd::files

#include "files/live_files.hpp"

#include <fmt/format.h>

#include "files/pending_store.hpp"
#include "unit/files/material.hpp"
#include "x509/request.hpp"

namespace pgcertd::files {
namespace {

using namespace test;

const ServerIdentity self{.uid = ::geteuid(), .gid = ::getegid(), .groups = {}};

struct Live : ::testing::Test {
  State state;
  ScratchDir data, ca;
  GenerationStore store{state.path(), "main", state.random};
  std::string cert = data / "server.crt", key = data / "server.key";

  void SetUp() override {
    spit(cert, "text around\n" + pair().certificate_pem + "more");
    spit(key, pair().key_pem);
    ::chmod(key.c_str(), 0600);
  }
  [[nodiscard]] LivePlaces places() const {
    return {.state_directory = state.path(),
            .cluster_directory = state.cluster(),
            .ca_directories = {ca.path(), "/not/there"},
            .snakeoil_certificate = data / "snakeoil.pem"};
  }
  LiveFileReader reader{places(), [] { return self; }};

  Errc pair_error() {
    const auto got = reader.read_pair(cert, key);
    EXPECT_FALSE(got);
    return got ? Errc::internal : got.error().code;
  }
};

TEST_F(Live, AForeignPairIsReadAsObjects) {
  const auto seen = reader.read_certificate(cert, key);
  ASSERT_TRUE(ok(seen));
  EXPECT_EQ(seen->chain_pem, pair().certificate_pem);     // nothing of the text around
  EXPECT_FALSE(seen->through_current || seen->snakeoil);
  const auto got = reader.read_pair(cert, key);
  ASSERT_TRUE(ok(got));
  EXPECT_EQ(got->chain_pem, pair().certificate_pem);
  EXPECT_EQ(got->key_pem.view(), pair().key_pem);
  EXPECT_EQ(got->origin, Origin::adopted);
  EXPECT_TRUE(got->root_pem.empty() && got->crl_pem.empty());
  EXPECT_TRUE(ok(reader.read_certificate(cert, "/nowhere/server.key")));
  EXPECT_EQ(reader.read_certificate(data / "none.crt", key).error().code, Errc::not_found);
}

TEST_F(Live, WhatPostgresqlCannotLoadIsNoPair) {
  const auto chain = x509::parse_certificates(pair().certificate_pem, "server.crt");
  spit(cert, chain->front().der());
  EXPECT_EQ(pair_error(), Errc::parse);
  spit(cert, pair().certificate_pem);
  spit(key, "\x30\x77 as DER begins");
  const auto got = reader.read_pair(cert, key);
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().what.find("PEM"), std::string::npos);
}

TEST_F(Live, OurOwnCurrentIsKnownByPathAndByWhereItLeads) {
  const auto id = store.stage(content(), 1, self, start);
  ASSERT_TRUE(ok(store.publish(*id)));
  const auto ours = reader.read_certificate(state.current("server.crt"), state.current("server.key"));
  ASSERT_TRUE(ok(ours));
  EXPECT_TRUE(ours->through_current);
  EXPECT_FALSE(reader.read_certificate(cert, state.current("server.key"))->through_current);
  EXPECT_FALSE(reader.read_certificate(state.current("server.crt"), key)->through_current);
  EXPECT_TRUE(ok(reader.read_public(state.current("root.crt"), self)));
  EXPECT_TRUE(ok(reader.read_pair(state.current("server.crt"), state.current("server.key"))));

  // `current` that leads anywhere but to a generation.
  std::filesystem::remove(state.cluster() + "/current");
  std::filesystem::create_directory_symlink(data.path(), state.cluster() + "/current");
  EXPECT_FALSE(reader.read_certificate(state.current("server.crt"), state.current("server.key"))->through_current);
  std::filesystem::remove(state.cluster() + "/current");
  EXPECT_EQ(reader.read_certificate(state.current("server.crt"), state.current("server.key")).error().code, Errc::not_found);
}

TEST_F(Live, NothingOfOursIsReadThroughAReportedPath) {
  const auto id = store.stage(content(), 1, self, start);
  ASSERT_TRUE(ok(store.publish(*id)));
  PendingStore pending(state.path());
  ASSERT_TRUE(ok(pending.put({.cluster = "main", .spki_sha256 = pair().spki, .request_pem = "x", .created = start, .names = {}},
                             Secret(pair().key_pem))));
  spit(ca / "ca.key", pair().key_pem);
  spit(ca / "ca.crt", pair().certificate_pem);
  std::filesystem::create_directory_symlink(state.path(), data / "way-in");
  std::filesystem::create_symlink(state.path() + "/pending/" + pair().spki + "/key.pem", data / "link.key");
  const std::vector<std::string> hostile{
      state.file(*id, "server.key"),
      state.cluster() + "/current/../" + *id + "/server.key",
      state.cluster() + "//current/server.key",
      state.cluster() + "/current/manifest.json",
      state.path() + "/pending/" + pair().spki + "/key.pem",
      data / "way-in/pending/" + pair().spki + "/key.pem",
      data / "link.key",
      data / "../" + std::filesystem::path(ca.path()).filename().string() + "/ca.key",
      ca / "ca.key",
      "/proc/self/root" + (ca / "ca.key"),
  };
  for (const std::string& path : hostile) {
    EXPECT_EQ(reader.read_pair(cert, path).error().code, Errc::refused) << path;
    EXPECT_EQ(reader.read_public(path, self).error().code, Errc::refused) << path;
    EXPECT_EQ(reader.read_certificate(path, key).error().code, Errc::refused) << path;
  }
  EXPECT_EQ(reader.read_certificate(ca / "ca.crt", key).error().code, Errc::refused);
  // Out again is out.
  EXPECT_TRUE(ok(reader.read_certificate(data / "way-in/.." + (cert.substr(cert.rfind('/', cert.rfind('/') - 1))), key)));
}

TEST_F(Live, HostileFilesNeitherHangNorLeak) {
  struct Row {
    const char* name;
    std::function<void(const std::string&)> make;
    Errc as_cert, as_key;
  };
  const std::string huge(2U << 20U, 'A');
  const std::vector<Row> rows{
      {"fifo", [](const std::string& path) { ::mkfifo(path.c_str(), 0600); }, Errc::invalid, Errc::refused},
      {"directory", [](const std::string& path) { std::filesystem::create_directory(path); }, Errc::invalid, Errc::refused},
      {"huge", [&](const std::string& path) { spit(path, huge); }, Errc::invalid, Errc::invalid},
      {"empty", [](const std::string& path) { spit(path, ""); }, Errc::parse, Errc::parse},
      {"garbage", [](const std::string& path) { spit(path, "root:$6$secret:19000"); }, Errc::parse, Errc::parse},
      {"loop", [](const std::string& path) { std::filesystem::create_symlink(path, path); }, Errc::io, Errc::io},
  };
  for (const Row& row : rows) {
    const std::string path = data / row.name;
    row.make(path);
    if (std::string_view(row.name) != "loop") ::chmod(path.c_str(), 0600);
    const auto as_cert = reader.read_certificate(path, key);
    ASSERT_FALSE(as_cert) << row.name;
    EXPECT_EQ(as_cert.error().code, row.as_cert) << as_cert.error().text();
    const auto as_key = reader.read_pair(cert, path);
    ASSERT_FALSE(as_key) << row.name;
    EXPECT_EQ(as_key.error().code, row.as_key) << as_key.error().text();
    EXPECT_EQ((as_cert.error().text() + as_key.error().text()).find("secret"), std::string::npos);
  }
  for (const char* path : {"", "server.crt", "../server.crt", "/", "/dev/zero", "/dev/null", "/etc/hostname/x"})
    EXPECT_FALSE(reader.read_certificate(path, key)) << path;
  EXPECT_FALSE(reader.read_certificate(std::string("/etc\0/x", 7), key));
}

TEST_F(Live, LinksOfOursAndOfRootAreFollowedThoseOfOthersAreNot) {
  const std::string link = data / "link.crt";
  std::filesystem::create_symlink("server.crt", link);
  EXPECT_TRUE(ok(reader.read_certificate(link, key)));
  EXPECT_TRUE(ok(reader.read_pair(link, key)));
  if (root()) {
    ASSERT_EQ(::lchown(link.c_str(), other_uid, other_uid), 0);
    const auto refused = reader.read_certificate(link, key);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::refused);
    EXPECT_NE(refused.error().remedy, "");
  }
  std::string before = "server.crt";
  for (int i = 0; i <= 40; ++i) {
    const std::string next = fmt::format("chain{}", i);
    std::filesystem::create_symlink(before, data / next);
    before = next;
  }
  EXPECT_TRUE(ok(reader.read_certificate(data / "chain39", key)));
  EXPECT_EQ(reader.read_certificate(data / "chain40", key).error().sys_errno, ELOOP);
}

TEST_F(Live, AKeyIsReadOnlyWhenItIsTheServersOwn) {
  spit(key, make_pair().key_pem);
  EXPECT_TRUE(ok(reader.read_pair(cert, key))) << "whether it belongs to the leaf is judged by others";
  const auto parsed = x509::PrivateKey::parse(pair().key_pem, "key");
  spit(key, std::string{parsed->to_encrypted_pem(Secret("passphrase"))->view()});
  const auto encrypted = reader.read_pair(cert, key);
  ASSERT_FALSE(encrypted);
  EXPECT_EQ(encrypted.error().code, Errc::refused);
  EXPECT_NE(encrypted.error().what.find("encrypted"), std::string::npos);

  spit(key, pair().key_pem);
  ::chmod(key.c_str(), 0644);
  EXPECT_EQ(pair_error(), Errc::refused);
  ::chmod(key.c_str(), 0600);
  std::filesystem::create_hard_link(key, data / "second");
  EXPECT_EQ(pair_error(), Errc::refused);
  std::filesystem::remove(data / "second");
  EXPECT_TRUE(ok(reader.read_pair(cert, key)));

  // While the server's user is unknown, only what is our own.
  LiveFileReader unknown(places(), [] { return std::nullopt; }), unset(places(), {});
  EXPECT_TRUE(ok(unknown.read_pair(cert, key)));
  EXPECT_TRUE(ok(unset.read_pair(cert, key)));
  if (root()) {
    ASSERT_EQ(::chown(key.c_str(), other_uid, other_uid), 0);
    EXPECT_EQ(unknown.read_pair(cert, key).error().code, Errc::refused);
  }
}

TEST_F(Live, PublicFilesAreReadWithTheServersRights) {
  const ServerIdentity stranger{.uid = other_uid, .gid = other_uid, .groups = {}};
  const std::string root_file = data / "root.crt";
  spit(root_file, pair().certificate_pem);
  ::chmod(root_file.c_str(), 0644);
  EXPECT_EQ(reader.read_public(root_file, self).value(), pair().certificate_pem);
  EXPECT_EQ(reader.read_public(root_file, stranger).error().code, Errc::permission);   // the directory is 0700
  ::chmod(data.path().c_str(), 0711);
  EXPECT_TRUE(ok(reader.read_public(root_file, stranger)));
  ::chmod(root_file.c_str(), 0640);
  EXPECT_EQ(reader.read_public(root_file, stranger).error().code, Errc::permission);
  const ServerIdentity member{.uid = other_uid, .gid = other_uid, .groups = {stat_of(root_file).st_gid}};
  EXPECT_TRUE(ok(reader.read_public(root_file, member)));
  EXPECT_EQ(reader.read_public(data.path(), self).error().code, Errc::invalid);
  EXPECT_EQ(reader.read_public(data / "none", self).error().code, Errc::not_found);
}

TEST_F(Live, SnakeoilIsAPathAndASelfIssuedLeaf) {
  std::filesystem::create_symlink("snakeoil.pem", data / "debian.crt");
  spit(data / "snakeoil.pem", pair().certificate_pem);
  EXPECT_TRUE(reader.read_certificate(data / "debian.crt", key)->snakeoil);
  EXPECT_FALSE(reader.read_certificate(cert, key)->snakeoil);     // the same certificate elsewhere
  const auto root_key = x509::PrivateKey::generate(KeyType::ecdsa_p256).value(),
             leaf_key = x509::PrivateKey::generate(KeyType::ecdsa_p256).value();
  const auto ca_certificate =
      x509::make_root(root_key, "Real CA", x509::new_serial().value(), {start, start + std::chrono::hours(9000)}).value();
  const Names names{{"db1.example.org"}, {}};
  const auto leaf = x509::sign_leaf(
      root_key, ca_certificate, x509::make_request_pem(leaf_key, names).value(),
      {.serial = x509::new_serial().value(), .names = names, .validity = {start, start + std::chrono::hours(90)}, .crl_url = {}});
  ASSERT_TRUE(ok(leaf));
  spit(data / "snakeoil.pem", leaf->pem());
  EXPECT_FALSE(reader.read_certificate(data / "debian.crt", key)->snakeoil);   // somebody put a real one there
}

}  // namespace
}  // namespace pgcertd::files

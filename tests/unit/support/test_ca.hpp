// A CA made by the real ceremony in a scratch directory, requests of new keys, and the openssl program as second opinion.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "ca/ceremony.hpp"
#include "core/issuing.hpp"
#include "unit/support/scratch_dir.hpp"
#include "x509/private_key.hpp"
#include "x509/request.hpp"

namespace pgcertd::test {

constexpr TimePoint start = from_unix(1767225600);     // 2026-01-01T00:00:00Z
using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct TestCa {
  ScratchDir dir;
  std::string root = dir / "root";
  std::string issuing = dir / "issuing";

  // Without passphrases: PBKDF2 is slow on purpose.
  explicit TestCa(Duration issuing_lifetime = days{730}) {
    ca::InitOptions options;
    options.root_dir = root;
    options.issuing_dir = issuing;
    options.root_without_passphrase = true;
    options.root_key_type = KeyType::ecdsa_p256;
    options.issuing_lifetime = issuing_lifetime;
    const auto report = ca::init_ca(options, start);
    EXPECT_TRUE(report) << report.error().text();
  }
  [[nodiscard]] std::string in_issuing(const std::string& name) const { return issuing + "/" + name; }
};

struct TestRequest {
  x509::PrivateKey key = x509::PrivateKey::generate(KeyType::ecdsa_p256).value();
  LeafRequest request;

  explicit TestRequest(Names names = {{"db1.example.org"}, {"10.0.0.5"}}, Duration lifetime = days{90}) {
    request.cluster = "main";
    request.spki_sha256 = key.spki_sha256();
    request.request_pem = x509::make_request_pem(key, names).value();
    request.names = std::move(names);
    request.lifetime = lifetime;
  }
};

// What the shell command prints, both streams; `status` is its exit status.
inline std::string run(const std::string& command, int& status) {
  std::string out;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  char buffer[4096];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, got);
  status = ::pclose(pipe);
  return out;
}

// `openssl verify -x509_strict` of a chain (leaf first) as a server's, with CRLs of the whole path when there are some.
inline ::testing::AssertionResult openssl_verifies(const Issued& issued, TimePoint at) {
  const ScratchDir dir;
  spit(dir / "chain.pem", issued.chain_pem);
  spit(dir / "root.pem", issued.root_pem);
  spit(dir / "crl.pem", issued.crl_pem);
  const std::string crls = issued.crl_pem.empty() ? "" : fmt::format("-crl_check_all -CRLfile {}", dir / "crl.pem");
  int status = 0;
  const std::string said =
      run(fmt::format("openssl verify -x509_strict -purpose sslserver -attime {} -CAfile {} -untrusted {} {} {}", to_unix(at),
                      dir / "root.pem", dir / "chain.pem", crls, dir / "chain.pem"),
          status);
  return status == 0 ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << said;
}

}  // namespace pgcertd::test

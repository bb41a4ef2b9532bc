// A small PKI at a fixed time, and the openssl program beside it as the judge that is not ours.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "x509/certificate.hpp"
#include "x509/private_key.hpp"
#include "x509/request.hpp"
#include "x509/sign.hpp"
#include "x509/verify.hpp"

namespace pgcertd::x509::testing {

constexpr TimePoint now = from_unix(1'767'225'600);   // 2026-01-01T00:00:00Z
constexpr Duration day = std::chrono::hours{24};

// The value, or a failed test.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return std::move(*result);
}

PrivateKey make_key(KeyType type = KeyType::ecdsa_p256);
std::string serial();

struct Authority {
  PrivateKey key;
  Certificate certificate;
};

struct LeafOptions {
  Names names{.dns = {"db1.example.org"}, .ip = {"10.0.0.5"}};
  Validity validity{.not_before = now - std::chrono::hours{1}, .not_after = now + 90 * day};
  std::string crl_url{};
  bool client_auth = false;
};

struct Pki {
  Authority root, issuing;
  PrivateKey key;

  explicit Pki(KeyType type = KeyType::ecdsa_p256);
  [[nodiscard]] Certificate leaf(const LeafOptions& options = {}) const;
  [[nodiscard]] std::vector<Certificate> chain() const { return {leaf(), issuing.certificate}; }
  [[nodiscard]] std::vector<Certificate> roots() const { return {root.certificate}; }
};
const Pki& pki();   // made once

Authority make_root_authority(std::string_view name, Validity validity = {.not_before = now - day, .not_after = now + 3650 * day});
Authority make_issuing_authority(const Authority& root, std::string_view name,
                                 Validity validity = {.not_before = now - day, .not_after = now + 700 * day});

// A directory of its own for files that the openssl program reads and writes.
class Workspace {
 public:
  Workspace();
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  [[nodiscard]] std::string path(std::string_view name) const { return directory_ + "/" + std::string(name); }
  std::string put(std::string_view name, std::string_view bytes) const;
  [[nodiscard]] std::string get(std::string_view name) const;
  // Runs `openssl ARGUMENTS` in the directory; stdout and stderr together. A non-zero exit is a failed test.
  std::string openssl(const std::string& arguments) const;
  // The same, exit code as the value.
  int try_openssl(const std::string& arguments, std::string* output = nullptr) const;

 private:
  std::string directory_;
};

}  // namespace pgcertd::x509::testing

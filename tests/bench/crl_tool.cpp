// What pgcertd does with a CRL, as a program of its own, so that time and peak memory can be set beside those of the openssl program:
//   crl_tool produce CA.crt CA.key INDEX OUT    a CRL of what INDEX (of `openssl ca`) lists as revoked
//   crl_tool check CRL CA.crt SERIAL            read it, verify its signature, look a serial up
//   crl_tool verify CRL CA.crt LEAF.crt         read it, and judge a chain with it
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>

#include "ca/ca_directory.hpp"
#include "ca/durable_file.hpp"
#include "x509/sign.hpp"
#include "x509/verify.hpp"

using namespace pgcertd;

namespace {

TimePoint seconds_now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now())); }

// R, end, revocation as YYMMDDHHMMSSZ, serial, …; the time of all of them is one, which the CRL's size does not mind.
Result<x509::RevokedList> read_index(const std::string& path, TimePoint at) {
  x509::RevokedList out;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    const std::size_t serial = line.find('\t', line.find('\t', 2) + 1) + 1;
    PGCERTD_CHECK(out.add({.serial = line.substr(serial, line.find('\t', serial) - serial), .revoked_at = at, .reason = {}}));
  }
  return out;
}

Result<void> produce(const std::string& ca_path, const std::string& key_path, const std::string& index, const std::string& out) {
  PGCERTD_TRY(const x509::Certificate ca, ca::read_certificate(ca_path));
  PGCERTD_TRY(const Secret pem, ca::read_secret_file(key_path));
  PGCERTD_TRY(const x509::PrivateKey key, x509::PrivateKey::parse(pem.view(), key_path));
  const TimePoint now = seconds_now();
  PGCERTD_TRY(x509::RevokedList revoked, read_index(index, now));
  PGCERTD_TRY(const x509::Crl crl, x509::sign_crl(key, ca, "1", now, now + std::chrono::days{30}, std::move(revoked)));
  return ca::replace_file(out, crl.pem(), 0644);
}

Result<x509::Crl> read_one(const std::string& path) {
  PGCERTD_TRY(auto crl, ca::read_crl(path));
  if (!crl) return fail(Errc::not_found, path);
  return std::move(*crl);
}

Result<void> check(const std::string& path, const std::string& ca_path, const std::string& serial) {
  PGCERTD_TRY(const x509::Certificate ca, ca::read_certificate(ca_path));
  PGCERTD_TRY(const x509::Crl crl, read_one(path));
  fmt::print("{} entries, signature {}, serial {}\n", crl.size(), x509::crl_signed_by(crl, ca) ? "right" : "wrong", crl.contains(serial) ? "revoked" : "not revoked");
  return {};
}

Result<void> verify(const std::string& path, const std::string& ca_path, const std::string& leaf_path) {
  PGCERTD_TRY(const x509::Certificate ca, ca::read_certificate(ca_path));
  PGCERTD_TRY(const x509::Certificate leaf, ca::read_certificate(leaf_path));
  PGCERTD_TRY(const x509::Crl crl, read_one(path));
  const auto verdict = x509::verify_chain({leaf}, {ca}, x509::Purpose::any, seconds_now(), {crl});
  fmt::print("{}\n", verdict.ok ? "OK" : verdict.error);
  return {};
}

Result<void> run(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "produce" && argc == 6) return produce(argv[2], argv[3], argv[4], argv[5]);
  if (command == "check" && argc == 5) return check(argv[2], argv[3], argv[4]);
  if (command == "verify" && argc == 5) return verify(argv[2], argv[3], argv[4]);
  return fail(Errc::invalid, "usage: crl_tool produce CA.crt CA.key INDEX OUT | check CRL CA.crt SERIAL | verify CRL CA.crt LEAF.crt");
}

}  // namespace

int main(int argc, char** argv) {
  if (const auto done = run(argc, argv); !done) {
    fmt::print(stderr, "crl_tool: {}\n", done.error().text());
    return 1;
  }
  return 0;
}

// Certificate and Crl: parsed once, immutable, cheap to copy (shared). Bytes in, facts out.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/cert.hpp"

namespace pgcertd::x509 {

class Certificate {
 public:
  static Result<Certificate> from_der(std::string_view der);
  [[nodiscard]] const CertFacts& facts() const;
  [[nodiscard]] std::string pem() const;
  [[nodiscard]] std::string der() const;

  struct Handle;                                   // holds the X509; x509/handles.hpp
  explicit Certificate(std::shared_ptr<const Handle> handle) : handle_(std::move(handle)) {}
  [[nodiscard]] const Handle& handle() const { return *handle_; }

 private:
  std::shared_ptr<const Handle> handle_;
};

class Crl {
 public:
  static Result<Crl> from_der(std::string_view der);
  [[nodiscard]] const CrlFacts& facts() const;
  [[nodiscard]] std::uint64_t size() const;   // entries: the one fact that needs no fingerprint
  [[nodiscard]] std::string pem() const;
  [[nodiscard]] std::string der() const;
  [[nodiscard]] bool contains(std::string_view serial_hex) const;

  struct Handle;
  explicit Crl(std::shared_ptr<const Handle> handle) : handle_(std::move(handle)) {}
  [[nodiscard]] const Handle& handle() const { return *handle_; }

 private:
  std::shared_ptr<const Handle> handle_;
};

// All certificates in PEM (every CERTIFICATE block, text around them ignored, as PostgreSQL reads its files), or one in
// DER. `name` stands in errors ("server.crt"). No certificate at all is an error, and so is a block that does not parse.
Result<std::vector<Certificate>> parse_certificates(std::string_view bytes, std::string_view name);
Result<std::vector<Crl>> parse_crls(std::string_view bytes, std::string_view name);
// The same of bytes that nobody else needs: one CRL becomes what it says without another copy of it.
Result<std::vector<Crl>> take_crls(std::string bytes, std::string_view name);
std::string to_pem(const std::vector<Certificate>& chain);

}  // namespace pgcertd::x509

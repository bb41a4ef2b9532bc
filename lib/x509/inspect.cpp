#include "x509/inspect.hpp"

#include <fmt/format.h>
#include <openssl/pem.h>

#include <array>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "x509/asn1.hpp"
#include "x509/certificate.hpp"
#include "x509/inspect_findings.hpp"
#include "x509/openssl_error.hpp"
#include "x509/pkcs11_key.hpp"
#include "x509/pkcs12.hpp"
#include "x509/private_key.hpp"
#include "x509/request_object.hpp"

namespace pgcertd::x509 {
namespace {

using Kind = Inspection::Kind;

// What the PEM labels say there is.
struct Labels {
  bool certificate = false, trusted = false, key = false, request = false, crl = false;
};

// A label ends its line; prose that mentions a block is no block.
bool has_block(std::string_view bytes, std::string_view label) {
  return bytes.find(fmt::format("-----BEGIN {}-----", label)) != std::string_view::npos;
}

Labels labels_of(std::string_view bytes) {
  Labels out;
  out.trusted = has_block(bytes, PEM_STRING_X509_TRUSTED);
  out.certificate = out.trusted || has_block(bytes, PEM_STRING_X509) || has_block(bytes, PEM_STRING_X509_OLD);
  out.request = has_block(bytes, PEM_STRING_X509_REQ) || has_block(bytes, PEM_STRING_X509_REQ_OLD);
  out.crl = has_block(bytes, PEM_STRING_X509_CRL);
  out.key = bytes.find("PRIVATE KEY-----") != std::string_view::npos;
  return out;
}

void note_key(Inspection& out, const PrivateKey& key) {
  out.key_name = key.key_name();
  out.key_spki_sha256 = key.spki_sha256();
}

void note_key(Inspection& out, std::string_view bytes, const Secret* passphrase) {
  out.holds_private_key = true;
  out.sealed = is_encrypted_key(bytes) && passphrase == nullptr;
  if (out.sealed) return;
  const auto key = PrivateKey::parse(bytes, "key", passphrase);
  if (key) note_key(out, *key);
  else out.findings.push_back("the private key cannot be read: " + key.error().text());
}

// Its passphrase seals the certificates, too.
void note_pkcs12(Inspection& out, std::string_view bytes, const Secret* passphrase) {
  out.kind = Kind::pkcs12;
  out.sealed = passphrase == nullptr;
  if (out.sealed) return;
  const auto content = read_pkcs12(bytes, "it", *passphrase);
  if (!content) return out.findings.push_back(content.error().text());
  for (const Certificate& certificate : content->certificates) out.certificates.push_back(certificate.facts());
  out.holds_private_key = content->key.has_value();
  if (content->key) note_key(out, *content->key);
  else out.findings.push_back("it holds no private key: nobody can connect with it");
  if (content->certificates.empty()) out.findings.push_back("it holds no certificate");
}

void note_certificates(Inspection& out, std::string_view bytes) {
  const auto certificates = parse_certificates(bytes, "certificate");
  if (!certificates) return out.findings.push_back("PostgreSQL could not load it: " + certificates.error().text());
  for (const Certificate& certificate : *certificates) out.certificates.push_back(certificate.facts());
}

void note_crls(Inspection& out, std::string_view bytes) {
  const auto crls = parse_crls(bytes, "CRL");
  if (!crls) return out.findings.push_back("PostgreSQL could not load it: " + crls.error().text());
  for (const Crl& crl : *crls) out.crls.push_back(crl.facts());
}

void note_request(Inspection& out, std::string_view bytes) {
  auto request = parse_request(bytes, "request");
  if (!request) return out.findings.push_back("the request cannot be read: " + request.error().text());
  out.requests.push_back(std::move(*request));
}

Kind kind_of(const Labels& labels, const Inspection& seen, std::string_view bytes) {
  if (labels.certificate) return seen.certificates.size() > 1 ? Kind::chain : Kind::certificate;
  if (labels.key) return is_encrypted_key(bytes) ? Kind::encrypted_key : Kind::private_key;
  if (labels.crl) return Kind::crl;
  return labels.request ? Kind::request : Kind::unknown;
}

void read_pem(Inspection& out, std::string_view bytes, const Secret* passphrase) {
  const Labels labels = labels_of(bytes);
  if (labels.certificate) note_certificates(out, bytes);
  if (labels.key) note_key(out, bytes, passphrase);
  if (labels.crl) note_crls(out, bytes);
  if (labels.request) note_request(out, bytes);
  if (labels.trusted) out.findings.push_back("a TRUSTED CERTIFICATE block is passed over after the first block: write it as CERTIFICATE (openssl x509 -in OLD -out NEW)");
  out.kind = kind_of(labels, out, bytes);
}

bool is_pkcs12(std::string_view bytes) {
  const auto store = from_der_bytes<Pkcs12Ptr>(bytes, d2i_PKCS12);
  return store != nullptr;
}

void read_der(Inspection& out, std::string_view bytes, const Secret* passphrase) {
  out.pem = false;
  if (const auto certificate = Certificate::from_der(bytes)) {
    out.kind = Kind::certificate;
    out.certificates.push_back(certificate->facts());
  } else if (const auto crl = Crl::from_der(bytes)) {
    out.kind = Kind::crl;
    out.crls.push_back(crl->facts());
  } else if (auto request = parse_request(bytes, "request")) {
    out.kind = Kind::request;
    out.requests.push_back(std::move(*request));
  } else if (is_pkcs12(bytes)) {
    note_pkcs12(out, bytes, passphrase);
  } else if (is_encrypted_key(bytes)) {
    out.kind = Kind::encrypted_key;
    note_key(out, bytes, passphrase);
  } else if (PrivateKey::parse(bytes, "key")) {
    out.kind = Kind::private_key;
    note_key(out, bytes, nullptr);
  }
}

}  // namespace

std::string_view to_string(Inspection::Kind kind) noexcept {
  switch (kind) {
    case Kind::certificate: return "certificate";
    case Kind::chain: return "chain";
    case Kind::private_key: return "private key";
    case Kind::encrypted_key: return "encrypted private key";
    case Kind::token_key: return "private key in a token";
    case Kind::request: return "certificate request";
    case Kind::crl: return "CRL";
    case Kind::pkcs12: return "PKCS#12";
    case Kind::unknown: return "unknown";
  }
  return "unknown";
}

Inspection inspect(std::string_view bytes, TimePoint now, const Secret* passphrase) {
  const CleanErrorQueue clean;
  Inspection out;
  if (const auto size = check_size(bytes, "input"); !size) {
    out.findings.push_back(size.error().text());
    return out;
  }
  if (is_pkcs11_uri(bytes)) {
    out.kind = Inspection::Kind::token_key;
    if (const auto uri = parse_pkcs11_uri(bytes, "input"); !uri) out.findings.push_back(uri.error().text());
    return out;
  }
  if (looks_like_pem(bytes)) read_pem(out, bytes, passphrase);
  else read_der(out, bytes, passphrase);
  add_findings(out, now);
  return out;
}

}  // namespace pgcertd::x509

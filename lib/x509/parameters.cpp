#include "x509/parameters.hpp"

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "x509/asn1.hpp"
#include "x509/openssl_error.hpp"

namespace pgcertd::x509 {
namespace {

constexpr int least_bits = 112;

bool is_weak(const SSL_CIPHER* cipher) {
  const std::string_view name = SSL_CIPHER_get_name(cipher);
  const auto holds = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  return SSL_CIPHER_get_bits(cipher, nullptr) < least_bits || SSL_CIPHER_get_auth_nid(cipher) == NID_auth_null || holds("RC4") || holds("DES-CBC") || holds("MD5");
}

}  // namespace

std::vector<std::string> weak_ciphers(const std::string& list) {
  const CleanErrorQueue clean;
  const SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (!context) return {};
  // The host's own level would hide what the server's setting asks for.
  SSL_CTX_set_security_level(context.get(), 0);
  if (SSL_CTX_set_cipher_list(context.get(), list.c_str()) != 1) return {};
  std::vector<std::string> out;
  const STACK_OF(SSL_CIPHER)* ciphers = SSL_CTX_get_ciphers(context.get());
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i)
    if (const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i); is_weak(cipher)) out.emplace_back(SSL_CIPHER_get_name(cipher));
  return out;
}

std::optional<int> dh_bits(std::string_view pem) {
  const CleanErrorQueue clean;
  if (!check_size(pem, "DH parameters")) return std::nullopt;
  const BioPtr bio = read_only_bio(pem);
  const KeyPtr parameters(bio ? PEM_read_bio_Parameters(bio.get(), nullptr) : nullptr);
  if (!parameters) return std::nullopt;
  return EVP_PKEY_get_bits(parameters.get());
}

}  // namespace pgcertd::x509

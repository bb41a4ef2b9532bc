// loads_as_server of verify.hpp: be_tls_init's three calls on bytes instead of files.
#include <fmt/format.h>
#include <openssl/pem.h>

#include "x509/asn1.hpp"
#include "x509/openssl_error.hpp"
#include "x509/verify.hpp"

namespace pgcertd::x509 {
namespace {

Error as_logged(std::string_view call, std::string_view file, std::string remedy = {}) {
  return make_error(Errc::crypto, fmt::format("{} \"{}\": {}", call, file, first_reason()), std::move(remedy));
}

constexpr std::string_view chain_call = "SSL_CTX_use_certificate_chain_file";
constexpr std::string_view key_call = "SSL_CTX_use_PrivateKey_file";

// Block by block as SSL_CTX_use_certificate_chain_file, which reads files only, so that the errors are the same.
Result<void> use_chain(SSL_CTX* context, std::string_view pem) {
  const BioPtr bio = read_only_bio(pem);
  const X509Ptr leaf(bio ? PEM_read_bio_X509_AUX(bio.get(), nullptr, no_passphrase, nullptr) : nullptr);
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1 || ERR_peek_error() != 0) return fail(as_logged(chain_call, "server.crt"));
  while (X509Ptr next{PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)}) {
    if (SSL_CTX_add0_chain_cert(context, next.get()) != 1) return fail(as_logged(chain_call, "server.crt"));
    (void)next.release();   // the context owns it
  }
  if (!pem_ended()) return fail(as_logged(chain_call, "server.crt"));
  ERR_clear_error();
  return {};
}

Result<void> use_key(SSL_CTX* context, std::string_view pem) {
  if (is_encrypted_key(pem))
    return fail(Errc::refused, fmt::format("{} \"server.key\": it requires a passphrase, and cannot be reloaded without one", key_call),
                "remove its passphrase, or set ssl_passphrase_command and ssl_passphrase_command_supports_reload");
  const BioPtr bio = read_only_bio(pem);
  const KeyPtr key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr) : nullptr);
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1) return fail(as_logged(key_call, "server.key"));
  return {};
}

}  // namespace

Result<void> loads_as_server(std::string_view chain_pem, const Secret& key_pem) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_size(chain_pem, "server.crt"));
  PGCERTD_CHECK(check_size(key_pem.view(), "server.key"));
  const SslContextPtr context(SSL_CTX_new(TLS_method()));
  if (!context) return fail(openssl_error("SSL_CTX_new", "TLS_method"));
  PGCERTD_CHECK(use_chain(context.get(), chain_pem));
  PGCERTD_CHECK(use_key(context.get(), key_pem.view()));
  if (SSL_CTX_check_private_key(context.get()) != 1) return fail(as_logged("SSL_CTX_check_private_key", "server.key"));
  return {};
}

}  // namespace pgcertd::x509

#include "x509/pkcs12.hpp"

#include <openssl/pkcs12.h>

#include <fmt/format.h>

#include <algorithm>

#include "x509/asn1.hpp"
#include "x509/handles.hpp"
#include "x509/openssl_error.hpp"
#include "x509/private_key.hpp"
#include "x509/verify.hpp"

namespace pgcertd::x509 {
namespace {

constexpr int bundle_iterations = 600'000;   // as for encrypted PKCS#8

CertStackPtr all_but_leaf(const std::vector<Certificate>& chain) {
  CertStackPtr stack(sk_X509_new_null());
  for (std::size_t i = 1; stack && i < chain.size(); ++i)
    if (sk_X509_push(stack.get(), chain[i].handle().x509.get()) <= 0) return nullptr;
  return stack;
}

// OpenSSL wants a C string.
Secret with_end(const Secret& passphrase) {
  Secret out = Secret::with_size(passphrase.size() + 1);
  std::ranges::copy(passphrase.view(), out.data());
  return out;
}

}  // namespace

Result<Secret> to_pkcs12(const PrivateKey& key, const std::vector<Certificate>& chain, const std::string& friendly_name, const Secret& passphrase) {
  const CleanErrorQueue clean;
  if (key.in_token()) return fail(Errc::refused, "a private key in a token cannot be written to a file");
  if (chain.empty()) return fail(Errc::invalid, "a PKCS#12 file without a certificate");
  if (passphrase.empty()) return fail(Errc::invalid, "an empty passphrase protects nothing");
  const CertStackPtr above = all_but_leaf(chain);
  const Secret word = with_end(passphrase);
  const Pkcs12Ptr bundle(above ? PKCS12_create(word.view().data(), friendly_name.c_str(), key.handle().key.get(), chain.front().handle().x509.get(), above.get(), NID_aes_256_cbc,
                                               NID_aes_256_cbc, bundle_iterations, -1, 0)
                               : nullptr);
  if (!bundle || PKCS12_set_mac(bundle.get(), word.view().data(), -1, nullptr, 0, bundle_iterations, EVP_sha256()) != 1) return fail(openssl_error("PKCS12_create", friendly_name));
  const std::string der = to_der(bundle.get(), i2d_PKCS12);
  if (der.empty()) return fail(openssl_error("i2d_PKCS12", friendly_name));
  return Secret(der);   // of what is in it the key is sealed
}

Result<Pkcs12Content> read_pkcs12(std::string_view bytes, std::string_view name, const Secret& passphrase) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_size(bytes, name));
  const auto bundle = from_der_bytes<Pkcs12Ptr>(bytes, d2i_PKCS12);
  if (!bundle) return fail(Errc::parse, fmt::format("\"{}\" is no PKCS#12 file", name), "pgcertctl inspect FILE shows what it is");
  const Secret word = with_end(passphrase);
  EVP_PKEY* key = nullptr;
  X509* leaf = nullptr;
  STACK_OF(X509)* above = nullptr;
  if (PKCS12_parse(bundle.get(), word.view().data(), &key, &leaf, &above) != 1)
    return fail(Errc::crypto, fmt::format("\"{}\" does not open: the passphrase is another one, or the file is damaged", name), "give the passphrase that it was made with");
  KeyPtr held_key(key);
  X509Ptr held_leaf(leaf);
  const CertsPtr held_above(above);
  Pkcs12Content out;
  if (held_key) {
    PGCERTD_TRY(out.key, adopt(std::move(held_key)));
  }
  const auto take = [&out](X509Ptr x509) -> Result<void> {
    PGCERTD_TRY(Certificate one, adopt(std::move(x509)));
    out.certificates.push_back(std::move(one));
    return {};
  };
  if (held_leaf) PGCERTD_CHECK(take(std::move(held_leaf)));
  while (sk_X509_num(held_above.get()) > 0) PGCERTD_CHECK(take(X509Ptr(sk_X509_shift(held_above.get()))));
  return out;
}

Result<OpenedPkcs12> open_pkcs12(std::string_view bytes, std::string_view name, const Secret& passphrase) {
  PGCERTD_TRY(Pkcs12Content content, read_pkcs12(bytes, name, passphrase));
  if (!content.key || content.certificates.empty() || !key_matches(*content.key, content.certificates.front()))
    return fail(Errc::invalid, fmt::format("\"{}\" holds no private key with its certificate", name), "issue it anew");
  return OpenedPkcs12{std::move(*content.key), std::move(content.certificates.front())};
}

}  // namespace pgcertd::x509

#include "ca/read_key.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/text.hpp"
#include "ca/durable_file.hpp"
#include "x509/pkcs11_key.hpp"
#include "x509/sign.hpp"

namespace pgcertd::ca {

Result<x509::PrivateKey> open_in_token(std::string_view uri, const std::string& name, const Secret* pin) {
  if (pin == nullptr || pin->empty())
    return fail(Errc::crypto, fmt::format("\"{}\" is a key in a token, and no PIN is configured", name), "the PIN is given where a passphrase would be: credential:NAME or file:PATH");
  PGCERTD_TRY(x509::PrivateKey key, x509::open_pkcs11_key(uri, name, *pin));
  PGCERTD_CHECK(x509::check_ca_key(key.type()));
  return key;
}

Result<x509::PrivateKey> read_key(const std::string& path, const Secret* passphrase, const std::string& where_from) {
  PGCERTD_TRY(const Secret pem, read_secret_file(path));
  if (x509::is_pkcs11_uri(pem.view())) return open_in_token(pem.view(), path, passphrase);
  const bool encrypted = x509::is_encrypted_key(pem.view());
  if (encrypted && (passphrase == nullptr || passphrase->empty()))
    return fail(Errc::crypto, fmt::format("\"{}\" is encrypted, and no passphrase is configured", path), where_from);
  auto key = x509::PrivateKey::parse(pem.view(), path, encrypted ? passphrase : nullptr);
  if (key) return key;
  if (encrypted)
    return fail(Errc::crypto, fmt::format("\"{}\" cannot be decrypted: the passphrase is wrong, or the file is damaged", path),
                "compare the configured passphrase with the one given to `pgcertctl ca init`");
  Error error = std::move(key).error();
  if (error.remedy.empty()) error.remedy = fmt::format("restore {} from a backup of the CA's directory", path.substr(path.rfind('/') + 1));
  return fail(std::move(error));
}

Result<std::uint64_t> number_of(const x509::Crl& crl, const std::string& path) {
  const std::string& text = crl.facts().number;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number < INT64_MAX) return number;
  return fail(Errc::invalid, fmt::format("\"{}\" has the CRL number \"{}\", which pgcertd never gave", path, printable(text, 80)), "restore it from a backup");
}

}  // namespace pgcertd::ca

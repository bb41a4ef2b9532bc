#include "x509/token_key.hpp"

#include <fmt/format.h>
#include <openssl/engine.h>
#include <openssl/ui.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "base/hex.hpp"
#include "base/text.hpp"
#include "x509/handles.hpp"
#include "x509/openssl_error.hpp"

// Debian 12 has no provider for PKCS#11: the engine is the only way, and its API is deprecated. Nowhere else is it used.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace pgcertd::x509 {
namespace {

constexpr std::string_view scheme = "pkcs11:";
constexpr const char* engine_remedy = "apt install libengine-pkcs11-openssl";

// FreeWith would name the deprecated functions in its own header.
void free_engine(ENGINE* engine) noexcept { ENGINE_free(engine); }
void finish_engine(ENGINE* engine) noexcept { ENGINE_finish(engine); }
using EnginePtr = std::unique_ptr<ENGINE, FreeWith<free_engine>>;
using EngineInUse = std::unique_ptr<ENGINE, FreeWith<finish_engine>>;

// As RFC 3986 2.1 has it; a percent sign that begins no octet stays as it is.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto octet = text[i] == '%' && i + 2 < text.size() ? from_hex(text.substr(i + 1, 2)) : fail(Errc::parse, "");
    out += octet ? static_cast<char>(octet->front()) : text[i];
    if (octet) i += 2;
  }
  return out;
}

// Of the path or the query of the URI, percent signs decoded; nullopt: it is not there.
std::optional<std::string> attribute(std::string_view uri, std::string_view name) {
  std::size_t at = scheme.size();
  while (at < uri.size()) {
    const std::size_t end = std::min(uri.find_first_of(";?&", at), uri.size());
    const std::string_view one = uri.substr(at, end - at);
    at = end + 1;
    if (!one.starts_with(name) || one.size() <= name.size() || one[name.size()] != '=') continue;
    return percent_decoded(one.substr(name.size() + 1));
  }
  return std::nullopt;
}

Result<void> check_uri(std::string_view uri) {
  const bool printable_ascii = uri.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%:;=?&/@!$'()*+,[]") == std::string_view::npos;
  if (!printable_ascii || uri.size() > 4096) return fail(Errc::invalid, "the PKCS#11 URI has characters that need a percent sign (RFC 7512)", "pkcs11-tool --list-objects or p11tool --list-all shows it");
  if (attribute(uri, "pin-value") || attribute(uri, "pin-source"))
    return fail(Errc::invalid, "the PKCS#11 URI holds a PIN or where one is", "leave it out; the PIN comes from passphrase = \"credential:NAME\", or --passphrase");
  if (!attribute(uri, "object") && !attribute(uri, "id")) return fail(Errc::invalid, "the PKCS#11 URI names no key", "add object=LABEL or id=%..");
  if (!attribute(uri, "token") && !attribute(uri, "serial")) return fail(Errc::invalid, "the PKCS#11 URI names no token", "add token=LABEL");
  return {};
}

std::string module_of(std::string_view uri) {
  if (auto named = attribute(uri, "module-path")) return *named;
  const char* const environment = std::getenv("PKCS11_MODULE_PATH");
  return environment != nullptr ? environment : "";
}

// The engine keeps its own copy of the PIN and wipes it when it is freed.
Result<void> configure(ENGINE* engine, const std::string& module, const Secret& pin) {
  if (!module.empty() && ENGINE_ctrl_cmd_string(engine, "MODULE_PATH", module.c_str(), 0) != 1) return fail(openssl_error("ENGINE_ctrl MODULE_PATH", printable(module, 4096)));
  Secret text = Secret::with_size(pin.size() + 1);   // zero at its end
  std::memcpy(text.data(), pin.view().data(), pin.size());
  if (ENGINE_ctrl_cmd_string(engine, "PIN", text.view().data(), 0) != 1) return fail(openssl_error("ENGINE_ctrl PIN", "pkcs11"));
  return {};
}

bool pin_was_refused(std::string_view told) {
  for (const char* word : {"PIN incorrect", "PIN invalid", "PIN locked", "PIN expired", "PIN len range", "Login failed", "PIN not initialized"})
    if (told.find(word) != std::string_view::npos) return true;
  return false;
}

Error unusable_module(std::string_view uri, std::string_view told) {
  return make_error(Errc::not_found, fmt::format("the PKCS#11 module \"{}\" cannot be used ({})", printable(module_of(uri), 4096), told), "name the module in the URI: pkcs11:…?module-path=/usr/lib/…/module.so");
}

}  // namespace

bool is_token_uri(std::string_view text) noexcept { return text.starts_with(scheme); }

Result<PrivateKey> open_token_key(std::string_view uri, const Secret& pin) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_uri(uri));
  if (pin.empty()) return fail(Errc::crypto, fmt::format("the key {} is in a token, and no PIN is configured", uri), "the PIN is given where a passphrase would be: credential:NAME or file:PATH");
  const EnginePtr engine(ENGINE_by_id("pkcs11"));
  if (!engine) return fail(Errc::not_found, fmt::format("keys in a token need OpenSSL's engine \"pkcs11\" ({})", drain_errors()), engine_remedy);
  PGCERTD_CHECK(configure(engine.get(), module_of(uri), pin));
  if (ENGINE_init(engine.get()) != 1) return fail(unusable_module(uri, drain_errors()));
  const EngineInUse in_use(engine.get());
  const std::string text(uri.substr(0, uri.find('?')));
  KeyPtr key(ENGINE_load_private_key(engine.get(), text.c_str(), const_cast<UI_METHOD*>(UI_null()), nullptr));
  if (key) return adopt(std::move(key));
  const std::string reasons = drain_errors();
  if (pin_was_refused(reasons))
    return fail(Errc::permission, fmt::format("the token refused the PIN for {} ({}); it is not tried again", text, reasons), "correct the PIN; after some wrong ones the token locks itself: pkcs11-tool --list-token-slots shows its counter");
  if (reasons.find("Unable to load PKCS#11 module") != std::string::npos) return fail(unusable_module(uri, reasons));
  return fail(Errc::not_found, fmt::format("the key {} is in no token that can be reached ({})", text, reasons), "pkcs11-tool --module MODULE --list-objects --login shows what there is");
}

}  // namespace pgcertd::x509

#pragma GCC diagnostic pop

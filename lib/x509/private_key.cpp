#include "x509/private_key.hpp"

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <cstdlib>
#include <cstring>

#include "base/last_few.hpp"
#include "x509/asn1.hpp"
#include "x509/digest.hpp"
#include "x509/ec_key.hpp"
#include "x509/handles.hpp"
#include "x509/key_kind.hpp"
#include "x509/openssl_error.hpp"
#include "x509/pkcs8.hpp"

namespace pgcertd::x509 {
namespace {

constexpr std::size_t keys_remembered = 32;

struct Algorithm {
  KeyType type;
  const char* name;
  const char* group;   // EC
  int bits;            // RSA
};
constexpr std::array<Algorithm, 6> algorithms{{
    {KeyType::ecdsa_p256, "EC", "P-256", 0},
    {KeyType::ecdsa_p384, "EC", "P-384", 0},
    {KeyType::rsa_2048, "RSA", nullptr, 2048},
    {KeyType::rsa_3072, "RSA", nullptr, 3072},
    {KeyType::rsa_4096, "RSA", nullptr, 4096},
    {KeyType::ed25519, "ED25519", nullptr, 0},
}};

// OpenSSL calls this between candidates; 0 ends the search. No exception may cross it.
int keep_searching(EVP_PKEY_CTX* context) noexcept {
  const auto* cancelled = static_cast<const std::function<bool()>*>(EVP_PKEY_CTX_get_app_data(context));
  try {
    return (*cancelled)() ? 0 : 1;
  } catch (...) {
    return 0;
  }
}

bool set_parameters(EVP_PKEY_CTX* context, const Algorithm& algorithm) {
  if (algorithm.group) return EVP_PKEY_CTX_set_group_name(context, algorithm.group) == 1;
  return algorithm.bits == 0 || EVP_PKEY_CTX_set_rsa_keygen_bits(context, algorithm.bits) == 1;
}

struct Asked {
  const Secret* passphrase = nullptr;
  bool asked = false;
};

int answer(char* buffer, int size, int, void* data) {
  auto& request = *static_cast<Asked*>(data);
  request.asked = true;
  if (!request.passphrase || request.passphrase->size() > static_cast<std::size_t>(size)) return -1;
  std::memcpy(buffer, request.passphrase->view().data(), request.passphrase->size());
  return static_cast<int>(request.passphrase->size());
}

Error needs_passphrase(std::string_view name) {
  return make_error(Errc::refused, fmt::format("private key \"{}\" is encrypted and no passphrase was given", name),
                    "name its passphrase as credential:NAME or file:PATH, or remove the encryption with: openssl pkey -in KEY -out NEW");
}

Result<KeyPtr> open_sealed(Pkcs8SigPtr sealed, std::string_view name, const Secret* passphrase) {
  if (!sealed) return fail(openssl_error("PEM_read_bio_PKCS8", name, Errc::parse));
  if (!passphrase) return fail(needs_passphrase(name));
  return unseal(sealed.get(), *passphrase, name);
}

constexpr std::string_view sealed_label = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

Result<KeyPtr> read_pem(std::string_view bytes, std::string_view name, const Secret* passphrase) {
  const BioPtr bio = read_only_bio(bytes);
  if (!bio) return fail(openssl_error("BIO_new_mem_buf", name));
  if (bytes.find(sealed_label) != std::string_view::npos)
    return open_sealed(Pkcs8SigPtr(PEM_read_bio_PKCS8(bio.get(), nullptr, no_passphrase, nullptr)), name, passphrase);
  Asked request{.passphrase = passphrase, .asked = false};
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, answer, &request));
  if (key) return key;
  if (request.asked && !passphrase) return fail(needs_passphrase(name));
  return fail(openssl_error("PEM_read_bio_PrivateKey", name, request.asked ? Errc::crypto : Errc::parse));
}

Result<KeyPtr> read_der(std::string_view bytes, std::string_view name, const Secret* passphrase) {
  if (auto sealed = from_der_bytes<Pkcs8SigPtr>(bytes, d2i_X509_SIG); sealed && is_password_based(sealed.get()))
    return open_sealed(std::move(sealed), name, passphrase);
  ERR_clear_error();
  auto key = from_der_bytes<KeyPtr>(bytes, d2i_AutoPrivateKey);
  if (!key) return fail(Errc::parse, fmt::format("\"{}\" is no private key, in PEM or in DER ({})", name, drain_errors()));
  return key;
}

// SSL_CTX_check_private_key compares public halves only; a damaged private half would load and fail each handshake.
Result<void> check_pair(EVP_PKEY* key, KeyType type, std::string_view name) {
  if (type == KeyType::other) return {};   // not one of ours: PostgreSQL's verdict is enough
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (context && EVP_PKEY_pairwise_check(context.get()) == 1) return {};
  return fail(Errc::parse, fmt::format("EVP_PKEY_pairwise_check \"{}\": the private and the public half do not belong together", name));
}

PublicKeyPtr encode(EVP_PKEY* key) {
  X509_PUBKEY* encoded = nullptr;
  const int done = X509_PUBKEY_set(&encoded, key);
  PublicKeyPtr out(encoded);
  return done == 1 ? std::move(out) : nullptr;
}

// `group`: of a key made here, on a named curve.
Result<PrivateKey> adopt_encoded(KeyPtr key, PublicKeyPtr public_key, std::shared_ptr<void> token, const char* group) {
  KeyKind kind = key_kind(key.get());
  if (!public_key) return fail(openssl_error("X509_PUBKEY_set", kind.name));
  std::string spki = spki_sha256(public_key.get());
  auto handle = std::make_unique<PrivateKey::Handle>();
  *handle = {.token = std::move(token), .key = std::move(key), .public_key = std::move(public_key), .group = group, .type = kind.type, .key_name = std::move(kind.name), .spki_sha256 = std::move(spki)};
  return PrivateKey(std::move(handle));
}

}  // namespace

Result<PrivateKey> adopt(KeyPtr key) { return adopt_from_token(std::move(key), nullptr); }

Result<PrivateKey> adopt_from_token(KeyPtr key, std::shared_ptr<void> token) {
  PublicKeyPtr public_key = encode(key.get());   // a key that was read may have its curve's parameters written out
  return adopt_encoded(std::move(key), std::move(public_key), std::move(token), nullptr);
}

Result<PrivateKey> PrivateKey::generate(KeyType type, const std::function<bool()>& cancelled) {
  const CleanErrorQueue clean;
  const Algorithm* algorithm = nullptr;
  for (const Algorithm& row : algorithms)
    if (row.type == type) algorithm = &row;
  if (!algorithm) return fail(Errc::invalid, "a key of type \"other\" cannot be generated");
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, algorithm->name, nullptr));
  if (!context || EVP_PKEY_keygen_init(context.get()) != 1 || !set_parameters(context.get(), *algorithm))
    return fail(openssl_error("EVP_PKEY_keygen_init", to_string(type)));
  if (cancelled) {
    EVP_PKEY_CTX_set_app_data(context.get(), const_cast<std::function<bool()>*>(&cancelled));   // only read in keep_searching
    EVP_PKEY_CTX_set_cb(context.get(), keep_searching);
  }
  EVP_PKEY* made = nullptr;
  const int done = EVP_PKEY_generate(context.get(), &made);
  KeyPtr key(made);
  if (done == 1) {
    PublicKeyPtr public_key = algorithm->group ? encode_public(key.get(), algorithm->group) : encode(key.get());
    return adopt_encoded(std::move(key), std::move(public_key), nullptr, algorithm->group);
  }
  if (cancelled && cancelled()) return fail(Errc::cancelled, fmt::format("generation of a {} key was cancelled", to_string(type)));
  return fail(openssl_error("EVP_PKEY_generate", to_string(type)));
}

Result<PrivateKey> PrivateKey::parse(std::string_view bytes, std::string_view name, const Secret* passphrase) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_size(bytes, name));
  if (bytes.empty()) return fail(Errc::parse, fmt::format("private key \"{}\" is empty", name));
  PGCERTD_TRY(KeyPtr key, looks_like_pem(bytes) ? read_pem(bytes, name, passphrase) : read_der(bytes, name, passphrase));
  PGCERTD_CHECK(check_pair(key.get(), key_kind(key.get()).type, name));
  return adopt(std::move(key));
}

KeyType PrivateKey::type() const { return handle_->type; }
const std::string& PrivateKey::key_name() const { return handle_->key_name; }
const std::string& PrivateKey::spki_sha256() const { return handle_->spki_sha256; }

bool PrivateKey::in_token() const { return handle_->token != nullptr; }

Result<void> PrivateKey::prove() const {
  if (!in_token()) return {};
  const CleanErrorQueue clean;
  constexpr std::string_view text = "pgcertd asks whether this key can be used";
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  EVP_PKEY* key = handle_->key.get();
  const DigestContextPtr sign(EVP_MD_CTX_new()), verify(EVP_MD_CTX_new());
  std::array<unsigned char, 1024> signature{};   // RSA with 8192 bits
  std::size_t size = signature.size();
  if (!sign || !verify || EVP_DigestSignInit(sign.get(), nullptr, signing_digest(key), nullptr, key) != 1 || EVP_DigestSign(sign.get(), signature.data(), &size, bytes, text.size()) != 1)
    return fail(Errc::not_found, fmt::format("the {} key in the token cannot sign: {}", key_name(), first_reason()), "look whether the token is plugged in and answers: pkcs11-tool --list-slots");
  if (EVP_DigestVerifyInit(verify.get(), nullptr, signing_digest(key), nullptr, key) == 1 && EVP_DigestVerify(verify.get(), signature.data(), size, bytes, text.size()) == 1) return {};
  return fail(Errc::invalid, fmt::format("the {} key in the token signs what its public half there does not verify", key_name()), "look at the token's objects: both halves need the same id");
}

namespace {

Pkcs8InfoPtr private_info(const PrivateKey::Handle& handle) { return handle.group ? encode_private(handle.key.get(), handle.group) : Pkcs8InfoPtr(EVP_PKEY2PKCS8(handle.key.get())); }

Error stays_in_token() { return make_error(Errc::refused, "a private key in a token cannot be written to a file"); }

}  // namespace

Secret PrivateKey::to_pem() const {
  if (in_token()) std::abort();
  const CleanErrorQueue clean;
  const Pkcs8InfoPtr info = private_info(*handle_);
  const BioPtr bio(BIO_new(BIO_s_secmem()));   // wiped when freed
  char* data = nullptr;
  if (!info || !bio || PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio.get(), info.get()) != 1) return {};
  const long size = BIO_get_mem_data(bio.get(), &data);
  return Secret(std::string_view(data, static_cast<std::size_t>(size)));
}

Secret PrivateKey::to_der() const {
  if (in_token()) std::abort();
  const CleanErrorQueue clean;
  const Pkcs8InfoPtr info = private_info(*handle_);
  const BioPtr bio(BIO_new(BIO_s_secmem()));
  char* data = nullptr;
  if (!info || !bio || i2d_PKCS8_PRIV_KEY_INFO_bio(bio.get(), info.get()) != 1) return {};
  const long size = BIO_get_mem_data(bio.get(), &data);
  return Secret(std::string_view(data, static_cast<std::size_t>(size)));
}

Result<Secret> PrivateKey::to_encrypted_pem(const Secret& passphrase) const {
  const CleanErrorQueue clean;
  if (in_token()) return fail(stays_in_token());
  if (passphrase.empty()) return fail(Errc::invalid, "an empty passphrase protects nothing");
  return seal_to_pem(handle_->key.get(), passphrase);
}

PrivateKey::PrivateKey(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
PrivateKey::PrivateKey(PrivateKey&&) noexcept = default;
PrivateKey& PrivateKey::operator=(PrivateKey&&) noexcept = default;
PrivateKey::~PrivateKey() = default;

Result<std::string> known_spki_sha256(std::string_view bytes, std::string_view name) {
  static LastFew<std::string, std::string> known(keys_remembered);
  std::string digest = sha256_of(bytes);
  if (auto said = known.find(digest)) return std::move(*said);
  PGCERTD_TRY(const PrivateKey key, PrivateKey::parse(bytes, name));
  known.keep(std::move(digest), key.spki_sha256());
  return key.spki_sha256();
}

bool is_encrypted_key(std::string_view bytes) {
  const CleanErrorQueue clean;
  if (bytes.size() > max_input) return false;
  if (looks_like_pem(bytes)) return bytes.find(sealed_label) != std::string_view::npos || bytes.find("Proc-Type: 4,ENCRYPTED") != std::string_view::npos;
  const auto sealed = from_der_bytes<Pkcs8SigPtr>(bytes, d2i_X509_SIG);
  return sealed && is_password_based(sealed.get());
}

}  // namespace pgcertd::x509

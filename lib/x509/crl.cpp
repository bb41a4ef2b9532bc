// Crl of certificate.hpp, and what crl_object.hpp says of it.
#include <fmt/format.h>
#include <openssl/asn1t.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/hex.hpp"
#include "x509/asn1.hpp"
#include "x509/crl_object.hpp"
#include "x509/facts.hpp"
#include "x509/openssl_error.hpp"
#include "x509/pem_block.hpp"

namespace pgcertd::x509 {
namespace {

// Others' serials may be longer than RFC 5280 allows, or negative; they can be revoked all the same.
Asn1IntegerPtr foreign_serial(std::string_view hex) {
  if (hex.empty() || hex.size() > 256 || hex.find_first_not_of("-0123456789abcdefABCDEF") != std::string_view::npos) return nullptr;
  BIGNUM* parsed = nullptr;
  const int read = BN_hex2bn(&parsed, std::string(hex).c_str());
  const BignumPtr number(parsed);
  return Asn1IntegerPtr(read == static_cast<int>(hex.size()) ? BN_to_ASN1_INTEGER(number.get(), nullptr) : nullptr);
}

std::string content_of(const std::string& element) {
  const auto read = DerReader(element).next();
  return read ? std::string(read->content) : std::string{};
}

// Empty: it is no serial at all.
std::string octets_of_hex(std::string_view hex) {
  if (auto usual = usual_serial_octets(hex); !usual.empty()) return usual;
  const Asn1IntegerPtr number = foreign_serial(hex);
  return number ? serial_octets(number.get()) : std::string{};
}

Asn1IntegerPtr integer_of(std::string_view octets) {
  return from_der_bytes<Asn1IntegerPtr>(der::header(der::integer, octets.size()).append(octets), d2i_ASN1_INTEGER);
}

int reason_of(const X509_REVOKED* entry) {
  const Asn1EnumeratedPtr reason(static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, nullptr, nullptr)));
  return reason ? static_cast<int>(ASN1_ENUMERATED_get(reason.get())) : -1;
}

void for_each_of_stack(const STACK_OF(X509_REVOKED) * entries, const std::function<void(const EntrySeen&)>& see) {
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
    const X509_REVOKED* const entry = sk_X509_REVOKED_value(entries, i);
    const std::string serial = serial_octets(X509_REVOKED_get0_serialNumber(entry));
    const std::string time = to_der(X509_REVOKED_get0_revocationDate(entry), i2d_ASN1_TIME);
    see({serial, time, reason_of(entry)});
  }
}

X509CrlPtr make_frame(const CrlParts& parts, std::string_view entries, std::string_view signature) {
  return from_der_bytes<X509CrlPtr>(assemble_crl(assemble_tbs(parts, entries), parts.algorithm, signature), d2i_X509_CRL);
}

// Ed25519 has no digest of its own, and RSA-PSS keeps its own in parameters that only ASN1_item_verify reads.
struct PlainAlgorithm {
  const EVP_MD* digest;   // nullptr: the algorithm has none
  int key;                // NID
};
std::optional<PlainAlgorithm> plain_algorithm(const X509_CRL* crl) {
  int digest = NID_undef, key = NID_undef;
  if (OBJ_find_sigid_algs(X509_CRL_get_signature_nid(crl), &digest, &key) != 1 || key == NID_rsassaPss || key == NID_undef) return std::nullopt;
  const EVP_MD* const found = digest == NID_undef ? nullptr : EVP_get_digestbynid(digest);
  return found != nullptr || digest == NID_undef ? std::optional(PlainAlgorithm{found, key}) : std::nullopt;
}

// False: OpenSSL has to read it, and to judge whether it is one at all.
bool walk(Crl::Handle& handle) {
  const auto parts = split_crl(handle.der);
  if (!parts) return false;
  handle.parts = *parts;
  handle.frame = make_frame(*parts, {}, parts->signature);
  if (!handle.frame) return false;
  if (const auto algorithm = plain_algorithm(handle.frame.get())) handle.digest = DigestAhead(parts->tbs, algorithm->digest);
  auto index = SerialIndex::of(parts->entries);
  if (!index) return false;
  handle.index = std::move(*index);
  return true;
}

Result<Crl> walked(std::shared_ptr<Crl::Handle> handle) {
  PGCERTD_TRY(handle->facts, crl_facts(handle->frame.get()));
  handle->facts.revoked = handle->index.size();
  if (!handle->index.unknown_critical().empty()) handle->facts.unknown_critical = true;
  return Crl(std::move(handle));
}

Result<Crl> adopt_whole(X509CrlPtr crl) {
  auto handle = std::make_shared<Crl::Handle>();
  handle->der = to_der(crl.get(), i2d_X509_CRL);
  PGCERTD_TRY(handle->facts, crl_facts(crl.get()));
  handle->whole = std::move(crl);
  return Crl(std::move(handle));
}

// In a PEM block OpenSSL does not mind what comes after the CRL.
enum class Rest : bool { refused, ignored };

Result<Crl> adopt_der(std::string der, Rest rest) {
  auto handle = std::make_shared<Crl::Handle>();
  handle->der = std::move(der);
  if (walk(*handle)) return walked(std::move(handle));
  const auto* at = reinterpret_cast<const unsigned char*>(handle->der.data());
  const auto* const end = at + handle->der.size();
  X509CrlPtr crl(d2i_X509_CRL(nullptr, &at, static_cast<long>(handle->der.size())));
  if (!crl || (rest == Rest::refused && at != end)) return fail(Errc::parse, "d2i_X509_CRL: not one CRL in DER (" + drain_errors() + ")");
  return adopt_whole(std::move(crl));
}

// By OpenSSL: whatever form of a block or of the text around it our own reader does not know. nullopt: there is none any more.
std::optional<Result<Crl>> read_block_by_openssl(std::string_view& bytes) {
  const BioPtr bio = read_only_bio(bytes);
  X509CrlPtr crl(bio ? PEM_read_bio_X509_CRL(bio.get(), nullptr, no_passphrase, nullptr) : nullptr);
  if (!crl) return std::nullopt;
  bytes.remove_prefix(bytes.size() - BIO_ctrl_pending(bio.get()));
  return adopt_der(to_der(crl.get(), i2d_X509_CRL), Rest::refused);
}

std::optional<Result<Crl>> read_block(std::string_view& bytes) {
  bytes.remove_prefix(text_before_block(bytes));
  auto block = read_pem_block(bytes, PEM_STRING_X509_CRL);
  if (!block) return read_block_by_openssl(bytes);
  bytes.remove_prefix(block->size);
  return adopt_der(std::move(block->der), Rest::ignored);
}

bool verify_digest(std::string_view digest, const ASN1_BIT_STRING* signature, const EVP_MD* algorithm, EVP_PKEY* key) {
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  return context && EVP_PKEY_verify_init(context.get()) == 1 && EVP_PKEY_CTX_set_signature_md(context.get(), algorithm) == 1 &&
         EVP_PKEY_verify(context.get(), ASN1_STRING_get0_data(signature), static_cast<std::size_t>(ASN1_STRING_length(signature)),
                         reinterpret_cast<const unsigned char*>(digest.data()), digest.size()) == 1;
}

bool verify_bytes(std::string_view tbs, const ASN1_BIT_STRING* signature, const EVP_MD* digest, EVP_PKEY* key) {
  const DigestPtr context(EVP_MD_CTX_new());
  return context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), ASN1_STRING_get0_data(signature), static_cast<std::size_t>(ASN1_STRING_length(signature)),
                          reinterpret_cast<const unsigned char*>(tbs.data()), tbs.size()) == 1;
}

// With a copy of the bytes, for a moment.
bool verify_item(std::string_view tbs, const X509_ALGOR* algorithm, const ASN1_BIT_STRING* signature, EVP_PKEY* key) {
  const Asn1StringPtr element(ASN1_STRING_type_new(V_ASN1_SEQUENCE));
  return element && ASN1_STRING_set(element.get(), tbs.data(), static_cast<int>(tbs.size())) == 1 &&
         ASN1_item_verify(ASN1_ITEM_rptr(ASN1_SEQUENCE), algorithm, signature, element.get(), key) == 1;
}

}  // namespace

std::string serial_octets(const ASN1_INTEGER* serial) { return content_of(to_der(serial, i2d_ASN1_INTEGER)); }

std::string usual_serial_octets(std::string_view hex) {
  // The first octet is neither zero, which might be padding, nor that of a negative number.
  if (hex.size() != 40 || hex.front() < '1' || hex.front() > '7') return {};
  const auto octets = from_hex(hex);
  return octets ? std::string(octets->begin(), octets->end()) : std::string{};
}

std::string serial_hex(std::string_view octets) {
  const Asn1IntegerPtr number = integer_of(octets);
  return number ? serial_hex(number.get()) : std::string{};
}

void for_each_entry(const Crl::Handle& crl, const std::function<void(const EntrySeen&)>& see) {
  if (crl.whole) return for_each_of_stack(X509_CRL_get_REVOKED(crl.whole.get()), see);
  for (DerReader reader(crl.parts.entries); const auto element = reader.next();)
    if (const auto entry = read_entry(*element)) see({entry->serial, entry->time, entry->reason});
}

bool revokes(const Crl::Handle& crl, std::string_view serial) {
  if (!crl.whole) {
    const auto entry = crl.index.find(serial);
    return entry && entry->reason != reason_remove_from_crl;
  }
  const Asn1IntegerPtr number = integer_of(serial);
  X509_REVOKED* entry = nullptr;
  // 2 is removeFromCRL: that certificate is valid again.
  return number && X509_CRL_get0_by_serial(crl.whole.get(), &entry, number.get()) == 1;
}

bool verifies(const Crl::Handle& crl, EVP_PKEY* key) {
  if (crl.whole) return X509_CRL_verify(crl.whole.get(), key) == 1;
  const ASN1_BIT_STRING* signature = nullptr;
  const X509_ALGOR* algorithm = nullptr;
  X509_CRL_get0_signature(crl.frame.get(), &signature, &algorithm);
  const auto plain = plain_algorithm(crl.frame.get());
  if (!plain) return verify_item(crl.parts.tbs, algorithm, signature, key);
  if (EVP_PKEY_is_a(key, OBJ_nid2sn(plain->key)) != 1) return false;
  const std::string digest = crl.digest.get();
  return digest.empty() ? verify_bytes(crl.parts.tbs, signature, plain->digest, key) : verify_digest(digest, signature, plain->digest, key);
}

X509CrlPtr excerpt(const Crl::Handle& crl, const std::vector<std::string>& serials, std::uint32_t mark) {
  // What speaks against the whole CRL comes along.
  std::string entries(crl.index.unknown_critical());
  for (const std::string& serial : serials)
    if (const auto entry = crl.index.find(serial)) entries += entry->whole;
  std::array<char, sizeof mark> signature{};
  for (std::size_t i = 0; i < signature.size(); ++i) signature[i] = static_cast<char>(mark >> (8 * i) & 0xff);
  return make_frame(crl.parts, entries, {signature.data(), signature.size()});
}

Result<Crl> adopt_crl(std::string der) {
  PGCERTD_CHECK(check_size(der, "CRL"));
  return adopt_der(std::move(der), Rest::refused);
}

Result<Crl> Crl::from_der(std::string_view der) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_size(der, "CRL"));
  return adopt_crl(std::string(der));
}

const CrlFacts& Crl::facts() const {
  std::call_once(handle_->fingerprint, [this] { handle_->facts.fingerprint_sha256 = sha256_hex(handle_->der); });
  return handle_->facts;
}

std::uint64_t Crl::size() const { return handle_->facts.revoked; }
std::string Crl::der() const { return handle_->der; }
std::string Crl::pem() const { return pem_text(PEM_STRING_X509_CRL, handle_->der); }

bool Crl::contains(std::string_view serial) const {
  const CleanErrorQueue clean;
  const std::string octets = octets_of_hex(serial);
  return !octets.empty() && revokes(*handle_, octets);
}

Result<std::vector<Crl>> take_crls(std::string bytes, std::string_view name) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_size(bytes, name));
  if (bytes.empty()) return parse_crls(bytes, name);   // which says that there is none
  const bool pem = looks_like_pem(bytes);
  auto der = pem ? take_only_block(bytes, PEM_STRING_X509_CRL) : std::optional(std::exchange(bytes, {}));
  if (!der) return parse_crls(bytes, name);
  PGCERTD_TRY(Crl crl, within(adopt_der(std::move(*der), pem ? Rest::ignored : Rest::refused), fmt::format("reading \"{}\"", name)));
  return std::vector{std::move(crl)};
}

Result<std::vector<Crl>> parse_crls(std::string_view bytes, std::string_view name) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_size(bytes, name));
  if (!bytes.empty() && !looks_like_pem(bytes)) return take_crls(std::string(bytes), name);
  std::vector<Crl> out;
  while (auto next = read_block(bytes)) {
    PGCERTD_CHECK(check_room_for_block(out.size(), name));
    PGCERTD_TRY(Crl crl, within(std::move(*next), fmt::format("CRL {} of \"{}\"", out.size() + 1, name)));
    out.push_back(std::move(crl));
    ERR_clear_error();
  }
  PGCERTD_CHECK(check_end_of_blocks(out.size(), "CRL", name));
  return out;
}

}  // namespace pgcertd::x509

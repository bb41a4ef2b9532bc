// Covers lib/x509/crl.cpp, crl_walk.cpp, der_reader.cpp, pem_block.cpp, revoked_list.cpp and what verify.cpp shows OpenSSL of a CRL: all of it
// must be what OpenSSL itself says of the same bytes.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <functional>
#include <optional>
#include <random>

#include "unit/x509/pki.hpp"
#include "x509/handles.hpp"

namespace pgcertd::x509 {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Random = std::mt19937;

std::string hex_of(const ASN1_INTEGER* serial) {
  const BignumPtr number(ASN1_INTEGER_to_BN(serial, nullptr));
  const std::unique_ptr<char, BytesFree> text(BN_bn2hex(number.get()));
  return text.get();
}

struct Serials {
  std::vector<std::string> all;
  explicit Serials(Random& random) {
    for (const char* odd : {"0", "-1", "7F", "80", "-80", "FF", "0100", "-0100", "01FF", "FFFF"}) all.emplace_back(odd);
    for (int i = 0; i < 6; ++i) {
      std::string one(i % 2 == 0 ? "4" : "F");
      while (one.size() < (i < 4 ? 40U : 120U)) one += "0123456789ABCDEF"[random() % 16];
      all.push_back(one);
    }
  }
};

Asn1IntegerPtr integer(const std::string& hex) {
  BIGNUM* parsed = nullptr;
  BN_hex2bn(&parsed, hex.c_str());
  const BignumPtr number(parsed);
  return Asn1IntegerPtr(BN_to_ASN1_INTEGER(number.get(), nullptr));
}

void add_extension(X509_REVOKED* entry, const char* oid, bool critical, std::string_view value) {
  const std::unique_ptr<ASN1_OBJECT, FreeWith<ASN1_OBJECT_free>> id(OBJ_txt2obj(oid, 1));
  const Asn1OctetStringPtr octets(ASN1_OCTET_STRING_new());
  ASN1_OCTET_STRING_set(octets.get(), reinterpret_cast<const unsigned char*>(value.data()), static_cast<int>(value.size()));
  const std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>> made(X509_EXTENSION_create_by_OBJ(nullptr, id.get(), critical ? 1 : 0, octets.get()));
  X509_REVOKED_add_ext(entry, made.get(), -1);
}

// What entries of others may have; the last four are seldom drawn, as one of them decides about the whole CRL.
void decorate(X509_REVOKED* entry, Random& random) {
  using namespace std::string_view_literals;
  const auto roll = random() % 400;
  if (roll < 200) return;
  if (roll < 280) return add_extension(entry, "2.5.29.21", false, std::string("\x0a\x01", 2) + static_cast<char>(random() % 12));
  if (roll < 340) return add_extension(entry, "2.5.29.24", false, "\x18\x0f" "20250101000000Z"sv);   // invalidityDate
  if (roll < 380) return add_extension(entry, "1.2.3.4", false, "\x05\x00"sv);
  if (roll < 390) return add_extension(entry, "2.5.29.21", random() % 2 == 0, "\x0a\x01\x08"sv);      // removeFromCRL
  if (roll < 393) return add_extension(entry, "1.2.3.4", true, "\x05\x00"sv);
  if (roll < 395) return add_extension(entry, "2.5.29.21", false, "no enumeration");
  if (roll < 397) {
    add_extension(entry, "2.5.29.21", false, "\x0a\x01\x01"sv);
    return add_extension(entry, "2.5.29.21", false, "\x0a\x01\x02"sv);
  }
  add_extension(entry, "2.5.29.29", true, "\x30\x11\xa4\x0f\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02xy"sv);   // certificateIssuer
}

Asn1TimePtr time_at(TimePoint at) { return Asn1TimePtr(ASN1_TIME_set(nullptr, static_cast<time_t>(to_unix(at)))); }

struct Made {
  std::function<void(X509_CRL*)> alter = [](X509_CRL*) {};
  int entries = 12;
  bool sorted = true;
  TimePoint from = now - day, to = now + 30 * day;
};

X509CrlPtr openssl_crl(const Authority& ca, Random& random, const Made& made = {}) {
  static const Serials serials(random);
  X509CrlPtr crl(X509_CRL_new());
  X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(ca.certificate.handle().x509.get()));
  X509_CRL_set1_lastUpdate(crl.get(), time_at(made.from).get());
  X509_CRL_set1_nextUpdate(crl.get(), time_at(made.to).get());
  const Asn1IntegerPtr number = integer("1F");
  X509_CRL_add1_ext_i2d(crl.get(), NID_crl_number, number.get(), 0, 0);
  for (int i = 0; i < made.entries; ++i) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, integer(serials.all[random() % serials.all.size()]).get());
    X509_REVOKED_set_revocationDate(entry, time_at(from_unix(static_cast<std::int64_t>(random() % 4'000'000'000))).get());
    decorate(entry, random);
    X509_CRL_add0_revoked(crl.get(), entry);
  }
  made.alter(crl.get());
  if (made.sorted) X509_CRL_sort(crl.get());
  X509_CRL_sign(crl.get(), ca.key.handle().key.get(), EVP_sha256());
  return crl;
}

std::string der_of(X509_CRL* crl) {
  unsigned char* out = nullptr;
  const int size = i2d_X509_CRL(crl, &out);
  const BytesPtr owner(out);
  return {reinterpret_cast<const char*>(out), static_cast<std::size_t>(size)};
}

X509CrlPtr read_by_openssl(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = at + der.size();
  X509CrlPtr out(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
  return at == end ? std::move(out) : nullptr;
}

// OpenSSL does not look at times before it needs them; we do.
bool has_times(X509_CRL* crl) {
  const ASN1_TIME* const next = X509_CRL_get0_nextUpdate(crl);
  return ASN1_TIME_check(X509_CRL_get0_lastUpdate(crl)) == 1 && (next == nullptr || ASN1_TIME_check(next) == 1);
}

struct Facts {
  std::vector<std::string> serials, found;
  std::vector<int> reasons;
  bool right = false, wrong = false;
  bool operator==(const Facts&) const = default;
};

const std::vector<std::string>& asked() {
  static const std::vector<std::string> out = [] {
    Random random(1);
    return Serials(random).all;
  }();
  return out;
}

Facts by_openssl(X509_CRL* crl, const std::vector<std::string>& serials) {
  Facts out;
  STACK_OF(X509_REVOKED)* entries = X509_CRL_get_REVOKED(crl);
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
    const X509_REVOKED* entry = sk_X509_REVOKED_value(entries, i);
    out.serials.push_back(hex_of(X509_REVOKED_get0_serialNumber(entry)));
    const Asn1EnumeratedPtr reason(static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, nullptr, nullptr)));
    out.reasons.push_back(reason ? static_cast<int>(ASN1_ENUMERATED_get(reason.get())) : -1);
  }
  for (const std::string& serial : serials) {
    X509_REVOKED* entry = nullptr;
    if (X509_CRL_get0_by_serial(crl, &entry, integer(serial).get()) == 1) out.found.push_back(serial);
  }
  out.right = X509_CRL_verify(crl, X509_get0_pubkey(pki().issuing.certificate.handle().x509.get())) == 1;
  out.wrong = X509_CRL_verify(crl, X509_get0_pubkey(pki().root.certificate.handle().x509.get())) == 1;
  ERR_clear_error();
  return out;
}

int code_of(const std::string& reason) {
  const auto code = reason_code(reason);
  return code ? *code : -1;
}

Facts by_us(const Crl& crl, const std::vector<std::string>& serials) {
  Facts out;
  for (const RevokedEntry& entry : entries_of(crl)) {
    out.serials.push_back(entry.serial);
    out.reasons.push_back(code_of(entry.reason));
  }
  for (const std::string& serial : serials)
    if (crl.contains(serial)) out.found.push_back(serial);
  out.right = crl_signed_by(crl, pki().issuing.certificate);
  out.wrong = crl_signed_by(crl, pki().root.certificate);
  return out;
}

// Codes without a name in RFC 5280 5.3.1, and those of deltas, have none with us either.
void forget_unnamed(Facts& facts) {
  for (int& code : facts.reasons)
    if (reason_name(code).empty()) code = -1;
}

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return text;
}

void expect_same(const std::string& der, const std::vector<std::string>& serials, const std::string& what) {
  const X509CrlPtr theirs = read_by_openssl(der);
  const auto ours = Crl::from_der(der);
  ASSERT_EQ(ours.has_value(), theirs != nullptr) << what;
  if (!ours) return;
  Facts expected = by_openssl(theirs.get(), serials), seen = by_us(*ours, serials);
  forget_unnamed(expected);
  std::ranges::transform(seen.serials, seen.serials.begin(), upper);
  for (std::string& serial : expected.serials)
    if (serial == "0") serial = "00";
  EXPECT_EQ(ours->facts().revoked, expected.serials.size()) << what;
  EXPECT_EQ(seen.serials, expected.serials) << what;
  EXPECT_EQ(seen.reasons, expected.reasons) << what;
  EXPECT_EQ(seen.found, expected.found) << what;
  EXPECT_EQ(seen.right, expected.right) << what;
  EXPECT_EQ(seen.wrong, expected.wrong) << what;
  EXPECT_EQ(ours->der(), der_of(theirs.get())) << what;
}

std::vector<std::string> serials_in(X509_CRL* crl) { return by_openssl(crl, {}).serials; }

TEST(CrlWalk, SaysWhatOpensslSaysOfAnyCrl) {
  Random random(7);
  for (int round = 0; round < 150; ++round) {
    const X509CrlPtr crl = openssl_crl(pki().issuing, random, {.entries = static_cast<int>(random() % 30), .sorted = random() % 2 == 0});
    auto serials = serials_in(crl.get());
    serials.insert(serials.end(), asked().begin(), asked().end());
    expect_same(der_of(crl.get()), serials, "round " + std::to_string(round));
  }
}

// Every bit, so that lengths, tags, paddings and flags all go wrong once.
TEST(CrlWalk, DamageIsRefusedWhereOpensslRefusesIt) {
  Random random(11);
  const std::string der = der_of(openssl_crl(pki().issuing, random, {.entries = 6}).get());
  const auto serials = serials_in(read_by_openssl(der).get());
  for (std::size_t i = 0; i < der.size() && !HasFailure(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = der;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      const X509CrlPtr theirs = read_by_openssl(damaged);
      const auto ours = Crl::from_der(damaged);
      ASSERT_EQ(ours.has_value(), theirs && has_times(theirs.get())) << "byte " << i << " bit " << bit;
      if (ours) expect_same(damaged, serials, "byte " + std::to_string(i) + " bit " + std::to_string(bit));
    }
}

TEST(CrlWalk, ReadsWhatIsNoDerAsOpensslDoes) {
  Random random(3);
  const std::string der = der_of(openssl_crl(pki().issuing, random, {.entries = 3}).get());
  // The outermost length in one octet more, and without one at all.
  const std::string content = der.substr(4);
  const std::string padded = std::string("\x30\x83\x00", 3) + der.substr(2, 2) + content, open = std::string("\x30\x80", 2) + content + std::string(2, '\0');
  for (const std::string& odd : {padded, open}) {
    ASSERT_NE(read_by_openssl(odd), nullptr);
    expect_same(odd, asked(), "not DER");
  }
}

// As make_crl did it before: objects, X509_CRL_sort, X509_CRL_sign. RSA, so that a signature is the same each time.
TEST(SignCrl, GivesTheBytesThatOpensslWouldGive) {
  const PrivateKey key = make_key(KeyType::rsa_2048);
  const Certificate ca = must(make_root(key, "RSA root", serial(), {.not_before = now - day, .not_after = now + 3650 * day}));
  Random random(5);
  std::vector<RevokedEntry> entries;
  for (int i = 0; i < 300; ++i) {
    const auto at = from_unix(static_cast<std::int64_t>(random() % 4'000'000'000));   // beyond 2049, too
    const std::string hex = i == 7 ? entries[3].serial : i % 5 == 0 ? "0" + std::to_string(i % 9 + 1) + "80" + std::to_string(100 + i)  + "0" : serial();
    entries.push_back({.serial = hex, .revoked_at = at, .reason = i % 3 == 0 ? "" : i % 3 == 1 ? "superseded" : "aACompromise"});
  }
  const X509CrlPtr crl(X509_CRL_new());
  X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(ca.handle().x509.get()));
  X509_CRL_set1_lastUpdate(crl.get(), time_at(now).get());
  X509_CRL_set1_nextUpdate(crl.get(), time_at(now + day).get());
  X509_CRL_add1_ext_i2d(crl.get(), NID_crl_number, integer("09").get(), 0, 0);
  const AuthorityKeyIdPtr authority(AUTHORITY_KEYID_new());
  authority->keyid = ASN1_OCTET_STRING_dup(X509_get0_subject_key_id(ca.handle().x509.get()));
  X509_CRL_add1_ext_i2d(crl.get(), NID_authority_key_identifier, authority.get(), 0, 0);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i == 7) continue;   // the same serial again: the first counts
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, integer(entries[i].serial).get());
    X509_REVOKED_set_revocationDate(entry, time_at(entries[i].revoked_at).get());
    if (!entries[i].reason.empty()) {
      const Asn1EnumeratedPtr reason(ASN1_ENUMERATED_new());
      ASN1_ENUMERATED_set(reason.get(), *reason_code(entries[i].reason));
      X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason.get(), 0, 0);
    }
    X509_CRL_add0_revoked(crl.get(), entry);
  }
  X509_CRL_sort(crl.get());
  X509_CRL_sign(crl.get(), key.handle().key.get(), EVP_sha256());
  const Crl ours = must(make_crl(key, ca, "9", now, now + day, entries));
  EXPECT_EQ(ours.der(), der_of(crl.get()));
  EXPECT_TRUE(crl_signed_by(ours, ca));
}

TEST(SignCrl, SignsWithEveryKeyOfACa) {
  for (const KeyType type : {KeyType::ecdsa_p256, KeyType::ecdsa_p384, KeyType::rsa_3072}) {
    const PrivateKey key = make_key(type);
    const Certificate ca = must(make_root(key, "root", serial(), {.not_before = now - day, .not_after = now + 3650 * day}));
    const Crl crl = must(make_crl(key, ca, "9", now, now + day, {{.serial = serial(), .revoked_at = now, .reason = ""}}));
    const X509CrlPtr theirs = read_by_openssl(crl.der());
    EXPECT_EQ(X509_CRL_verify(theirs.get(), X509_get0_pubkey(ca.handle().x509.get())), 1);
    EXPECT_TRUE(crl_signed_by(crl, ca));
    EXPECT_FALSE(crl_signed_by(crl, pki().root.certificate));
  }
}

// Of a CA that the openssl program makes, the CRL of what index.txt lists.
std::pair<Certificate, std::string> other_crl(const Workspace& work, const std::string& request, const std::string& options) {
  work.put("ca.cnf", "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=default\ndefault_crl_days=30\n");
  work.openssl("req -x509 -nodes -days 30 -subj /CN=other -keyout o.key -out o.crt " + request);
  work.openssl("ca -config ca.cnf -gencrl -cert o.crt -keyfile o.key -out o.crl " + options);
  return {must(parse_certificates(work.get("o.crt"), "o.crt")).front(), work.get("o.crl")};
}

// By this CA and no other, and not any more when the last octet of an entry's serial (`element`: its INTEGER) is another.
void expect_signed(const Crl& crl, const Certificate& by, const char* serial, const std::string& element, const std::string& what) {
  for (int again = 0; again < 2; ++again) EXPECT_TRUE(crl_signed_by(crl, by)) << what;
  EXPECT_FALSE(crl_signed_by(crl, pki().root.certificate)) << what;
  EXPECT_TRUE(crl.contains(serial));
  std::string damaged = crl.der();
  ++damaged[damaged.find(element) + element.size() - 1];
  const auto spoiled = Crl::from_der(damaged);
  EXPECT_TRUE(spoiled && !crl_signed_by(*spoiled, by)) << what;
}

// Keys and algorithms that no CA of ours has.
TEST(CrlSignedBy, KnowsOtherAlgorithms) {
  const Workspace work;
  work.put("index.txt", "R\t300101000000Z\t250101000000Z\t4A\tunknown\t/CN=x\n");
  struct Case { const char* request; const char* crl; };
  for (const Case& c : {Case{"-newkey rsa:2048 -sigopt rsa_padding_mode:pss", "-md sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20"},
                        Case{"-newkey ed25519", ""}, Case{"-newkey ed448", ""}, Case{"-newkey rsa:2048", "-md sha1"}, Case{"-newkey rsa-pss -pkeyopt rsa_keygen_bits:2048", "-md sha384"}}) {
    const auto [other, bytes] = other_crl(work, c.request, c.crl);
    expect_signed(must(parse_crls(bytes, "o.crl")).front(), other, "4a", "\x02\x01\x4a", c.request);
  }
}

// What is large is hashed while it is walked, where its algorithm is one of which that can be done.
TEST(CrlSignedBy, KnowsThemOfLargeCrls) {
  const Workspace work;
  std::string index;
  for (int i = 0; i < 60'000; ++i) index += fmt::format("R\t300101000000Z\t250101000000Z\t{:06X}\tunknown\t/CN=x\n", 0x400000 + i);
  work.put("index.txt", index);
  for (const auto& [request, crl_options] : {std::pair{"-newkey rsa:2048", "-md sha256"}, std::pair{"-newkey ec -pkeyopt ec_paramgen_curve:P-384", "-md sha384"}, std::pair{"-newkey ed25519", ""},
                                             std::pair{"-newkey rsa:2048 -sigopt rsa_padding_mode:pss", "-md sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:20"}}) {
    const auto [other, bytes] = other_crl(work, request, crl_options);
    const Crl crl = must(take_crls(bytes, "o.crl")).front();
    ASSERT_GT(crl.der().size(), std::size_t{1} << 20U);
    expect_signed(crl, other, "40ea5f", "\x02\x03\x40\xea\x5f", request);
  }
}

// The verdict of an OpenSSL that has the CRLs as they are.
std::string verdict_by_openssl(const std::vector<Certificate>& chain, const std::vector<std::string>& crls) {
  const StorePtr store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), pki().root.certificate.handle().x509.get());
  for (const std::string& crl : crls) X509_STORE_add_crl(store.get(), read_by_openssl(crl).get());
  X509_STORE_set_flags(store.get(), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  const CertStackPtr others(sk_X509_new_null());
  for (std::size_t i = 1; i < chain.size(); ++i) sk_X509_push(others.get(), chain[i].handle().x509.get());
  const StoreContextPtr context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), chain.front().handle().x509.get(), others.get());
  X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(context.get()), static_cast<time_t>(to_unix(now)));
  const bool ok = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  return ok ? "" : X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

void revoke_too(X509_CRL* crl, const Certificate& certificate, int reason = -1) {
  X509_REVOKED* entry = X509_REVOKED_new();
  X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate.handle().x509.get()));
  X509_REVOKED_set_revocationDate(entry, time_at(now - day).get());
  if (reason >= 0) add_extension(entry, "2.5.29.21", false, std::string("\x0a\x01", 2) + static_cast<char>(reason));
  X509_CRL_add0_revoked(crl, entry);
}

// Whatever is wrong with a CRL: its entries, its signature, its dates, its extensions.
std::string any_crl(const Authority& ca, const Certificate& below, const Certificate& leaf, Random& random) {
  Made made{.alter = {}, .entries = static_cast<int>(random() % 20), .sorted = random() % 2 == 0};
  const auto roll = random() % 10;
  if (roll == 0) made.from = now - 3 * day, made.to = now - day;
  if (roll == 1) made.from = now + day;
  made.alter = [&](X509_CRL* crl) {
    if (roll == 2) revoke_too(crl, below);
    if (roll == 3) revoke_too(crl, leaf);
    if (roll == 4) revoke_too(crl, below, 8), revoke_too(crl, leaf, 8);
  };
  std::string der = der_of(openssl_crl(ca, random, made).get());
  if (roll == 5) der[der.size() - 1] = static_cast<char>(der[der.size() - 1] ^ 1);
  if (roll == 6 && made.entries > 0) {   // an entry's date
    const std::size_t at = der.find("\x17\x0d", der.size() / 2);
    if (at != std::string::npos) der[at + 3] = static_cast<char>(der[at + 3] ^ 1);
  }
  return der;
}

TEST(VerifyChain, JudgesCrlsAsOpensslDoes) {
  Random random(19);
  const Pki& p = pki();
  const std::vector<Certificate> chain = p.chain();
  int good = 0;
  for (int round = 0; round < 400 && !HasFailure(); ++round) {
    std::vector<std::string> ders;
    for (const Authority* ca : {&p.root, &p.issuing})
      for (unsigned i = random() % 8 == 0 ? 0 : 1 + random() % 2; i > 0; --i) ders.push_back(any_crl(*ca, ca == &p.root ? p.issuing.certificate : chain[0], chain[0], random));
    std::vector<Crl> crls;
    for (const std::string& der : ders) crls.push_back(must(Crl::from_der(der)));
    if (crls.empty()) continue;
    const std::string expected = verdict_by_openssl(chain, ders);
    const ChainVerdict verdict = verify_chain(chain, p.roots(), Purpose::any, now, crls);
    EXPECT_EQ(verdict.ok, expected.empty()) << "round " << round << ": " << expected << " / " << verdict.error;
    EXPECT_THAT(verdict.error, HasSubstr(expected)) << "round " << round;
    good += verdict.ok ? 1 : 0;
  }
  EXPECT_GT(good, 50);
}

// What a genuine CRL says, and an entry more that nobody signed: the excerpt that OpenSSL sees has no trace of it.
TEST(VerifyChain, LooksAtTheSignatureOverEveryEntry) {
  const Pki& p = pki();
  const Crl of_root = must(make_crl(p.root.key, p.root.certificate, "1", now - day, now + day, {}));
  const Crl genuine = must(make_crl(p.issuing.key, p.issuing.certificate, "1", now - day, now + day, {}));
  const std::string der = genuine.der();
  const auto parts = split_crl(der);
  ASSERT_TRUE(parts);
  RevokedList more;
  ASSERT_TRUE(more.add({.serial = serial(), .revoked_at = now, .reason = {}}));
  const Crl forged = must(Crl::from_der(assemble_crl(assemble_tbs(*parts, more.take()), parts->algorithm, parts->signature)));
  EXPECT_TRUE(verify_chain(p.chain(), p.roots(), Purpose::any, now, {of_root, genuine}).ok);
  EXPECT_THAT(verify_chain(p.chain(), p.roots(), Purpose::any, now, {of_root, forged}).error, HasSubstr("CRL signature failure"));
  // What is remembered of one is said of no other, and of no other key.
  for (int again = 0; again < 2; ++again) {
    EXPECT_TRUE(crl_signed_by(genuine, p.issuing.certificate));
    EXPECT_FALSE(crl_signed_by(genuine, p.root.certificate));
    EXPECT_FALSE(crl_signed_by(forged, p.issuing.certificate));
  }
}

// PEM as others write it: read as OpenSSL reads it, in place or not.
std::optional<std::vector<std::string>> pem_by_openssl(const std::string& text) {
  const BioPtr bio(BIO_new_mem_buf(text.empty() ? "" : text.data(), static_cast<int>(text.size())));
  std::vector<std::string> out;
  ERR_clear_error();
  while (const X509CrlPtr crl{PEM_read_bio_X509_CRL(bio.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr)}) {
    if (!has_times(crl.get())) return std::nullopt;
    out.push_back(der_of(crl.get()));
    ERR_clear_error();
  }
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return ended && !out.empty() ? std::optional(out) : std::nullopt;
}

std::optional<std::vector<std::string>> ders_of(const Result<std::vector<Crl>>& crls) {
  if (!crls) return std::nullopt;
  std::vector<std::string> out;
  for (const Crl& crl : *crls) out.push_back(crl.der());
  return out;
}

void expect_same_pem(const std::string& text, const std::string& what) {
  const auto expected = pem_by_openssl(text);
  EXPECT_EQ(ders_of(parse_crls(text, "x")), expected) << what;
  EXPECT_EQ(ders_of(take_crls(text, "x")), expected) << what;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) text.replace(at, what.size(), by);
  return text;
}

TEST(CrlPem, IsReadAsOpensslReadsIt) {
  Random random(23);
  for (int round = 0; round < 20; ++round) {
    const X509CrlPtr crl = openssl_crl(pki().issuing, random, {.entries = 3 + round});
    const std::string pem = must(Crl::from_der(der_of(crl.get()))).pem();
    const BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509_CRL(bio.get(), crl.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    EXPECT_EQ(pem, std::string(data, static_cast<std::size_t>(size)));
    const std::string begin = "-----BEGIN X509 CRL-----\n", end = "-----END X509 CRL-----\n", body = pem.substr(begin.size(), pem.size() - begin.size() - end.size());
    const std::string certificate = pki().root.certificate.pem();
    for (const std::string& text :
         {pem, pem + pem, certificate + pem, pem + certificate, "text\n" + pem, pem + "text", std::string(300, 'x') + "\n" + pem, std::string(254, 'x') + pem, replaced(pem, "\n", "\r\n"),
          replaced(pem, "\n", " \n"), replaced(pem, "\n", "\n\n"), begin + body.substr(0, 30) + " " + body.substr(30) + end, begin + replaced(body, "\n", "") + "\n" + end,
          begin + "Proc-Type: 4,ENCRYPTED\n\n" + body + end, begin + "X-Note: a\n\n" + body + end, pem.substr(0, pem.size() - 1), pem.substr(0, pem.size() - 2), begin + body, begin + end, begin, end,
          " " + pem, begin + "-" + body + end, begin + body + "=\n" + end, begin + body.substr(0, 65) + "====\n" + body.substr(65) + end, begin + body + body + end, begin + body + "AAAA\n" + end,
          begin + body.substr(0, 60) + "\n" + body.substr(60) + end, pem + "-----BEGIN X509 CRL-----\n", replaced(pem, "X509 CRL", "CRL"), std::string("\0\n", 2) + pem, pem + std::string("\0", 1) + pem,
          begin + body.substr(0, 65) + "\n" + body.substr(65) + end, begin + body.substr(0, 64) + "\r\r\n" + body.substr(65) + end})
      expect_same_pem(text, text.substr(0, 200));
    for (int i = 0; i < 60; ++i) {
      std::string damaged = pem;
      damaged[random() % damaged.size()] = static_cast<char>("A=-\n\r \0~z"[random() % 9]);
      expect_same_pem(damaged, "damaged:\n" + damaged);
    }
  }
}

}  // namespace
}  // namespace pgcertd::x509

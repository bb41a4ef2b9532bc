// Covers lib/x509/private_key.cpp, ec_key.cpp and pkcs8.cpp.
#include "x509/private_key.hpp"

#include <gmock/gmock.h>

#include "unit/x509/pki.hpp"

namespace pgcertd::x509 {
namespace {

using namespace testing;
using ::testing::HasSubstr;

TEST(GenerateKey, EachTypeThatTheConfigurationKnows) {
  for (const KeyType type : {KeyType::ecdsa_p256, KeyType::ecdsa_p384, KeyType::rsa_2048, KeyType::rsa_3072, KeyType::ed25519}) {
    const auto key = PrivateKey::generate(type);
    ASSERT_TRUE(key) << to_string(type);
    EXPECT_EQ(key->type(), type);
    EXPECT_EQ(key->key_name(), to_string(type));
    EXPECT_EQ(key->spki_sha256().size(), 64U);
    EXPECT_EQ(must(PrivateKey::parse(key->to_pem().view(), "k")).spki_sha256(), key->spki_sha256());
  }
  EXPECT_EQ(PrivateKey::generate(KeyType::other).error().code, Errc::invalid);
}

// A key that was read is encoded by OpenSSL.
TEST(GenerateKey, IsWrittenAsOpensslWritesIt) {
  for (const KeyType type : {KeyType::ecdsa_p256, KeyType::ecdsa_p384, KeyType::rsa_2048, KeyType::ed25519})
    for (int i = 0; i < 300; ++i) {   // one number in 256 begins with a zero octet
      const PrivateKey key = must(PrivateKey::generate(type));
      const PrivateKey read = must(PrivateKey::parse(key.to_pem().view(), "k"));
      ASSERT_EQ(read.to_pem().view(), key.to_pem().view()) << to_string(type);
      ASSERT_EQ(read.to_der().view(), key.to_der().view()) << to_string(type);
      if (type != KeyType::ecdsa_p256 && type != KeyType::ecdsa_p384) break;
    }
}

TEST(GenerateKey, AnRsaSearchEndsWhenItIsCancelled) {
  int asked = 0;
  const auto key = PrivateKey::generate(KeyType::rsa_4096, [&] { return ++asked > 2; });
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code, Errc::cancelled);
  EXPECT_GE(asked, 3);
  EXPECT_TRUE(PrivateKey::generate(KeyType::rsa_2048, [] { return false; }));
}

TEST(ParseKey, EachFormThatTheOpensslProgramWrites) {
  const Workspace work;
  const Secret passphrase("correct horse");
  struct Case { const char* make; bool encrypted; };
  const std::string rsa = "genrsa -out rsa.pem 2048", ec = "ecparam -genkey -name prime256v1 -out ec.pem";
  work.openssl(rsa);
  work.openssl(ec);
  for (const Case& c : {Case{"pkcs8 -topk8 -nocrypt -in rsa.pem -out out", false}, Case{"rsa -traditional -in rsa.pem -out out", false},
                        Case{"ec -in ec.pem -out out", false}, Case{"pkcs8 -topk8 -nocrypt -in ec.pem -out out", false},
                        Case{"ecparam -genkey -name prime256v1 -out out", false},   // EC PARAMETERS before the key
                        Case{"genpkey -algorithm ed25519 -out out", false},
                        Case{"pkcs8 -topk8 -v2 aes-256-cbc -passout 'pass:correct horse' -in rsa.pem -out out", true},
                        Case{"pkcs8 -topk8 -scrypt -passout 'pass:correct horse' -in ec.pem -out out", true},
                        Case{"rsa -traditional -aes256 -passout 'pass:correct horse' -in rsa.pem -out out", true},
                        Case{"ec -aes128 -passout 'pass:correct horse' -in ec.pem -out out", true},
                        Case{"rsa -traditional -outform DER -in rsa.pem -out out", false}, Case{"ec -outform DER -in ec.pem -out out", false},
                        Case{"pkcs8 -topk8 -nocrypt -outform DER -in ec.pem -out out", false},
                        Case{"pkcs8 -topk8 -outform DER -passout 'pass:correct horse' -in ec.pem -out out", true}}) {
    work.openssl(c.make);
    const std::string bytes = work.get("out");
    EXPECT_EQ(is_encrypted_key(bytes), c.encrypted) << c.make;
    const auto opened = PrivateKey::parse(bytes, "server.key", &passphrase);
    ASSERT_TRUE(opened) << c.make << ": " << opened.error().text();
    const auto closed = PrivateKey::parse(bytes, "server.key");
    EXPECT_EQ(closed.has_value(), !c.encrypted) << c.make;
    if (!c.encrypted) continue;
    EXPECT_EQ(closed.error().code, Errc::refused) << c.make;
    EXPECT_FALSE(closed.error().remedy.empty());
    const Secret wrong("wrong");
    const auto mistaken = PrivateKey::parse(bytes, "server.key", &wrong);
    ASSERT_FALSE(mistaken) << c.make;
    EXPECT_EQ(mistaken.error().code, Errc::crypto) << c.make << mistaken.error().text();
    EXPECT_THAT(mistaken.error().text(), HasSubstr("server.key"));
  }
}

// As its certificate has it, in whatever way it is written there: they are compared.
TEST(ParseKey, ThePublicHalfIsTheCertificates) {
  const Workspace work;
  for (const std::string made : {"genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key",
                                 "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit -out key",
                                 "ec -conv_form compressed -in key -out key",
                                 "genpkey -algorithm RSA -out key", "genpkey -algorithm ed25519 -out key"}) {
    work.openssl(made);
    work.openssl("req -x509 -key key -subj /CN=x -out crt");
    const auto certificate = must(parse_certificates(work.get("crt"), "crt"));
    EXPECT_EQ(must(PrivateKey::parse(work.get("key"), "key")).spki_sha256(), certificate.front().facts().spki_sha256) << made;
    EXPECT_EQ(must(known_spki_sha256(work.get("key"), "key")), certificate.front().facts().spki_sha256) << made;
  }
}

TEST(ParseKey, RefusesWhatIsNone) {
  const std::string pem(pki().key.to_pem().view());
  for (const std::string& bad : {std::string(), std::string("garbage"), pem.substr(0, 60), pki().leaf().pem(), std::string("\x30\x00", 2), std::string(4000, '\x30'),
                                 std::string("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
                                 std::string("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")}) {
    const auto key = PrivateKey::parse(bad, "server.key");
    ASSERT_FALSE(key) << bad;
    EXPECT_EQ(key.error().code, Errc::parse) << key.error().text();
    EXPECT_THAT(key.error().text(), HasSubstr("server.key"));
  }
}

TEST(ParseKey, RefusesAPublicKey) {
  const Workspace work;
  work.put("k.pem", pki().key.to_pem().view());
  work.openssl("pkey -in k.pem -pubout -out p.pem");
  EXPECT_FALSE(PrivateKey::parse(work.get("p.pem"), "p.pem"));
}

// SSL_CTX_check_private_key would pass this one: it looks at the public halves only.
TEST(ParseKey, RefusesHalvesThatDoNotBelongTogether) {
  const Workspace work;
  work.put("k.pem", pki().key.to_pem().view());
  work.openssl("ec -in k.pem -outform DER -out k.der");
  std::string der = work.get("k.der");
  der[10] = static_cast<char>(der[10] ^ 1);   // inside the 32 octets of privateKey
  const auto key = PrivateKey::parse(der, "k.der");
  ASSERT_FALSE(key);
  EXPECT_THAT(key.error().text(), HasSubstr("do not belong together"));
}

TEST(EncryptedPem, IsPbes2WithSixHundredThousandRounds) {
  const Workspace work;
  const Secret passphrase("s3cret");
  const PrivateKey key = make_key();
  const Secret sealed = must(key.to_encrypted_pem(passphrase));
  work.put("k.pem", sealed.view());
  const std::string structure = work.openssl("asn1parse -in k.pem");
  for (const char* part : {"PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc", "0927C0"}) EXPECT_THAT(structure, HasSubstr(part));
  work.openssl("pkey -in k.pem -passin pass:s3cret -noout");
  EXPECT_EQ(must(PrivateKey::parse(sealed.view(), "k", &passphrase)).spki_sha256(), key.spki_sha256());
  EXPECT_FALSE(key.to_encrypted_pem(Secret{}));
}

TEST(EncryptedPem, AHostileIterationCountIsRefusedAtOnce) {
  const Workspace work;
  work.put("k.pem", pki().key.to_pem().view());
  work.openssl("pkcs8 -topk8 -outform DER -iter 100000 -passout pass:x -in k.pem -out k.der");
  std::string der = work.get("k.der");
  const std::size_t at = der.find(std::string("\x02\x03\x01\x86\xa0", 5));
  ASSERT_NE(at, std::string::npos);
  der.replace(at, 5, std::string("\x02\x03\x7f\xff\xff", 5));   // 8,388,607: slow, below the limit, so only its neighbours are tried
  der[at + 1] = 3;
  const Secret passphrase("x");
  // 2^31 - 1 needs one octet more; the lengths around it are put right by hand.
  std::string longer = work.get("k.der");
  longer.replace(at, 5, std::string("\x02\x04\x7f\xff\xff\xff", 6));
  for (std::size_t i = 0; i < at; ++i) {
    const auto tag = static_cast<unsigned char>(longer[i]), length = static_cast<unsigned char>(longer[i + 1]);
    const bool encloses = tag == 0x30 && length < 0x80 && i + 2 + length > at && i + 2 + length < longer.size();
    if (encloses) longer[i + 1] = static_cast<char>(length + 1);
  }
  ASSERT_EQ(static_cast<unsigned char>(longer[1]), 0x81U);
  longer[2] = static_cast<char>(static_cast<unsigned char>(longer[2]) + 1);
  const auto key = PrivateKey::parse(longer, "hostile.key", &passphrase);
  ASSERT_FALSE(key);
  EXPECT_THAT(key.error().text(), HasSubstr("iterations"));
}

TEST(KeyMatches, OnlyItsOwnCertificate) {
  EXPECT_TRUE(key_matches(pki().key, pki().leaf()));
  EXPECT_FALSE(key_matches(make_key(), pki().leaf()));
  EXPECT_FALSE(key_matches(make_key(KeyType::ed25519), pki().leaf()));
}

}  // namespace
}  // namespace pgcertd::x509

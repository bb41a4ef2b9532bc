// Covers lib/x509/pkcs11_uri.cpp; tokens are asked by tests/system/token_test.py.
#include <gmock/gmock.h>

#include "unit/x509/pki.hpp"
#include "x509/inspect.hpp"
#include "x509/pkcs11_key.hpp"

namespace pgcertd::x509 {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST(Pkcs11Uri, IsTakenApart) {
  const auto uri = must(parse_pkcs11_uri("pkcs11:token=My%20Token;serial=01ab;id=%01%00;object=root?module-path=/usr/lib/a%3Db.so\n", "root.key"));
  EXPECT_EQ(uri.path, "pkcs11:token=My%20Token;serial=01ab;id=%01%00;object=root;type=private");
  EXPECT_EQ(uri.token, "token=My%20Token;serial=01ab");
  EXPECT_EQ(uri.module_path, "/usr/lib/a=b.so");
  EXPECT_EQ(must(parse_pkcs11_uri("pkcs11:type=private;object=a;token=b", "k")).path, "pkcs11:type=private;object=a;token=b");
  EXPECT_TRUE(must(parse_pkcs11_uri("pkcs11:serial=1;id=%02", "k")).module_path.empty());
}

TEST(Pkcs11Uri, NamesWhatIsWrong) {
  struct Case {
    std::string uri;
    const char* words;
  };
  for (const Case& c : {Case{"pkcs11:", "no token"}, Case{"PKCS11:token=a;object=b", "does not begin"}, Case{"", "does not begin"}, Case{"pkcs11:token=a", "no key"}, Case{"pkcs11:object=a", "no token"},
                        Case{"pkcs11:model=a;object=b", "no token"}, Case{"pkcs11:token=;object=b", "no value"}, Case{"pkcs11:token;object=b", "no value"}, Case{"pkcs11:token=a;;object=b", "no value"},
                        Case{"pkcs11:token=a;object=%4", "escape"}, Case{"pkcs11:token=a;object=%", "escape"}, Case{"pkcs11:token=a;object=%gg", "escape"}, Case{"pkcs11:token=a%00;object=b", "NUL"},
                        Case{"pkcs11:token=a;object=b;object=c", "twice"}, Case{"pkcs11:token=a;object=b;type=cert", "private"}, Case{"pkcs11:token=a;object=b;slot-id=1", "slot-id"},
                        Case{"pkcs11:token=a;object=b?module-name=x", "module-name"}, Case{"pkcs11:token=a;object=b?module-path=/a&module-path=/b", "twice"}, Case{"pkcs11:token=a b;object=c", "%XX"},
                        Case{"pkcs11:token=a;object=b\n\n", "%XX"}, Case{"pkcs11:token=a;object=b\npkcs11:token=c;object=d", "%XX"}, Case{"pkcs11:token=" + std::string(3000, 'a') + ";object=b", "at most"}}) {
    const auto uri = parse_pkcs11_uri(c.uri, "root.key");
    ASSERT_FALSE(uri) << c.uri;
    EXPECT_EQ(uri.error().code, Errc::invalid);
    EXPECT_THAT(uri.error().what, AllOf(HasSubstr("root.key"), HasSubstr(c.words))) << c.uri;
    EXPECT_FALSE(uri.error().remedy.empty());
  }
}

TEST(Pkcs11Uri, RepeatsNoPin) {
  for (const char* uri : {"pkcs11:token=a;object=b?pin-value=4711", "pkcs11:token=a;object=b;pin-value=4711", "pkcs11:pin-value=4711", "pkcs11:token=a;object=b?pin-source=file:4711"}) {
    const auto parsed = parse_pkcs11_uri(uri, "root.key");
    ASSERT_FALSE(parsed) << uri;
    EXPECT_THAT(parsed.error().text() + parsed.error().remedy, Not(HasSubstr("4711")));
    const auto opened = open_pkcs11_key(uri, "root.key", Secret("1234"));
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().what, parsed.error().what);
  }
}

TEST(Pkcs11Uri, IsNoPemAndIsShownAsWhatItIs) {
  const std::string good = "pkcs11:token=a;object=b\n";
  EXPECT_TRUE(is_pkcs11_uri(good));
  EXPECT_FALSE(is_encrypted_key(good));
  EXPECT_FALSE(PrivateKey::parse(good, "root.key"));
  EXPECT_EQ(inspect(good, now).kind, Inspection::Kind::token_key);
  EXPECT_THAT(inspect(good, now).findings, IsEmpty());
  EXPECT_THAT(inspect("pkcs11:token=a;object=b?pin-value=1\n", now).findings, SizeIs(1));
}

TEST(Pkcs11Key, WantsAPin) {
  for (const std::string& pin : {std::string(), std::string("12\0" "34", 5)}) EXPECT_FALSE(open_pkcs11_key("pkcs11:token=a;object=b", "k", Secret(pin))) << pin.size();
  const PrivateKey here = must(PrivateKey::generate(KeyType::ecdsa_p256));
  EXPECT_FALSE(here.in_token());
  EXPECT_TRUE(here.prove());
}

}  // namespace
}  // namespace pgcertd::x509

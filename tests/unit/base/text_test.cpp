#include "base/text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/hex.hpp"
#include "base/result.hpp"

namespace pgcertd {
namespace {

struct PrintableRow {
  std::string hostile;
  std::string shown;
};

TEST(LowerCase, IsOfLettersOfAsciiAlone) {
  EXPECT_EQ(lower_case("DB1.Example.ORG"), "db1.example.org");
  EXPECT_EQ(lower_case("@[`{09-\xc3\x84"), "@[`{09-\xc3\x84");
  EXPECT_EQ(lower_case(""), "");
}

TEST(Printable, ShowsTextAndEscapesWhatHides) {
  const std::vector<PrintableRow> rows{
      {"db1.example.org", "db1.example.org"},
      {"Zürich 東京 😀", "Zürich 東京 😀"},
      {"a\tb\r\nc", "a\\x09b\\x0d\\x0ac"},
      {std::string("a\0b", 3), "a\\x00b"},
      {"\x1b[2J\x7f", "\\x1b[2J\\x7f"},
      {"\xc2\x85", "\\u{85}"},                       // C1 control NEL
      {"evil\xe2\x80\xaegro", "evil\\u{202e}gro"},   // right-to-left override
      {"\xe2\x81\xa6x\xe2\x81\xa9", "\\u{2066}x\\u{2069}"},   // isolates
      {"a\xe2\x80\x8b\x62", "a\\u{200b}b"},          // zero width space
      {"\xef\xbb\xbfx", "\\u{feff}x"},               // byte order mark
      {"\xc2\xad", "\\u{ad}"},                       // soft hyphen
      {"\xd8\x9c", "\\u{61c}"},                      // Arabic letter mark
      {"\xe2\x80\xa8", "\\u{2028}"},                 // line separator
      {"\xf3\xa0\x81\x81", "\\u{e0041}"},            // tag letter
  };
  for (const auto& [hostile, shown] : rows) EXPECT_EQ(printable(hostile), shown);
}

TEST(Printable, EscapesWhatIsNoUtf8ByteByByte) {
  const std::vector<PrintableRow> rows{
      {"\x80", "\\x80"},                                     // continuation alone
      {"\xc0\xaf", "\\xc0\\xaf"},                            // overlong "/"
      {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},                   // overlong, three bytes
      {"\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf"},          // overlong, four bytes
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},                   // surrogate
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},          // above U+10FFFF
      {"\xf5\xbf\xbf\xbf", "\\xf5\\xbf\\xbf\\xbf"},
      {"\xff\xfe", "\\xff\\xfe"},
      {"a\xe2\x82", "a\\xe2\\x82"},                          // cut in the middle
      {"\xc3(", "\\xc3("},                                   // wrong continuation
      {"\xc3", "\\xc3"},
  };
  for (const auto& [hostile, shown] : rows) EXPECT_EQ(printable(hostile), shown);
}

TEST(Printable, CutsAtTheLimitAndNeverInACharacter) {
  EXPECT_EQ(printable("abcdef", 6), "abcdef");
  EXPECT_EQ(printable("abcdefg", 6), "abcdef…");
  EXPECT_EQ(printable("aüb", 2), "a…");
  EXPECT_EQ(printable("a\n", 3), "a…");
  EXPECT_EQ(printable("x", 0), "…");
  EXPECT_EQ(printable("", 0), "");
}

TEST(EditDistance, IsLevenshteins) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("lifetime", "lifetme"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("ab", "ba"), 2U);
  EXPECT_EQ(edit_distance("renew_at", "renew_at"), 0U);
}

TEST(Hex, ReadsBothCasesAndWritesLower) {
  const std::vector<std::uint8_t> bytes{0x00, 0x0f, 0xa5, 0xff};
  EXPECT_EQ(to_hex(bytes), "000fa5ff");
  EXPECT_EQ(*from_hex("000FA5ff"), bytes);
  EXPECT_EQ(to_hex({}), "");
  EXPECT_TRUE(from_hex("")->empty());
  for (const char* text : {"0", "abc", "0g", "0x00", " 00", "00 ", "é"}) EXPECT_FALSE(from_hex(text)) << text;
}

TEST(Error, NamesCallObjectReasonAndContextFromOutside) {
  Error error = errno_error("openat", "server.key", 13);
  EXPECT_EQ(error.text(), "openat \"server.key\": Permission denied");
  EXPECT_EQ(error.code, Errc::permission);
  EXPECT_EQ(error.sys_errno, 13);
  error = std::move(error).within("staging generation 7").within("cluster main");
  EXPECT_EQ(error.text(), "cluster main: staging generation 7: openat \"server.key\": Permission denied");
}

TEST(Error, FindsTheCodeThatFitsErrno) {
  struct Row {
    int number;
    Errc code;
  };
  for (const auto& [number, code] :
       {Row{2, Errc::not_found}, Row{20, Errc::not_found}, Row{1, Errc::permission}, Row{17, Errc::exists}, Row{39, Errc::exists},
        Row{28, Errc::no_space}, Row{122, Errc::no_space}, Row{30, Errc::read_only}, Row{16, Errc::busy}, Row{11, Errc::busy},
        Row{110, Errc::timeout}, Row{111, Errc::network}, Row{104, Errc::network}, Row{113, Errc::network},
        Row{125, Errc::cancelled}, Row{5, Errc::io}})
    EXPECT_EQ(errno_error("call", "object", number).code, code) << number;
}

TEST(Error, EveryCodeHasAWordOfItsOwn) {
  std::vector<std::string_view> words;
  for (int code = 0; code <= static_cast<int>(Errc::internal); ++code) words.push_back(to_string(static_cast<Errc>(code)));
  for (std::size_t i = 0; i < words.size(); ++i)
    for (std::size_t j = i + 1; j < words.size(); ++j) EXPECT_NE(words[i], words[j]);
}

Result<int> half(int number) {
  if (number % 2 != 0) return fail(Errc::invalid, "odd", "take an even one");
  return number / 2;
}
Result<int> quarter(int number) {
  PGCERTD_TRY(const int first, half(number));
  PGCERTD_CHECK(half(first));
  return half(first);
}

TEST(Result, TryAndCheckHandTheErrorOn) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(3).error().what, "odd");
  EXPECT_EQ(quarter(6).error().remedy, "take an even one");
  EXPECT_EQ(within(quarter(3), "quartering").error().text(), "quartering: odd");
  EXPECT_EQ(*within(quarter(8), "quartering"), 2);
}

}  // namespace
}  // namespace pgcertd

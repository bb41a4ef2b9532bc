#include "cli/layout.hpp"

#include <gmock/gmock.h>

#include <sstream>

#include "base/text.hpp"
#include "cli/exit_code.hpp"
#include "cli/suggest.hpp"
#include "cli/table.hpp"

namespace pgcertd::cli {
namespace {

using testing::ElementsAre;

TEST(Layout, MeasuresColumns) {
  struct Row {
    const char* text;
    std::size_t columns;
  };
  for (const Row row : {Row{"", 0}, Row{"abc", 3}, Row{"größe", 5}, Row{"漢字", 4}, Row{"e\u0301", 1}, Row{"…", 1}, Row{"🙂", 2}})
    EXPECT_EQ(display_width(row.text), row.columns) << row.text;
}

TEST(Layout, WrapsAtSpacesAndInsideLongWords) {
  EXPECT_THAT(wrap("one two three", 7), ElementsAre("one two", "three"));
  EXPECT_THAT(wrap("abcdefghij", 4), ElementsAre("abcd", "efgh", "ij"));
  EXPECT_THAT(wrap("漢字漢字", 5), ElementsAre("漢字", "漢字"));
  EXPECT_THAT(wrap("漢", 1), ElementsAre("漢"));  // narrower than one character: it still ends
  EXPECT_THAT(wrap("", 5), ElementsAre(""));
  EXPECT_THAT(wrap(" leading", 4), ElementsAre(" lea", "ding"));
}

TEST(Table, FitsWhateverStandsInIt) {
  for (const std::size_t columns : {1U, 2U, 5U, 8U}) {
    Table table(std::vector<std::string>(columns, "HEADER"), 2);
    table.add(std::vector<Cell>(columns, Cell(std::string(700, 'x'))));
    table.add(std::vector<Cell>(columns, Cell("\x1b[31mred\x07 \xff 漢字漢字漢字漢字漢字漢字", Tone::critical)));
    std::istringstream lines(table.render(Style()));
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(display_width(line), page_width);
      EXPECT_EQ(line.find('\x1b'), std::string::npos);
    }
  }
}

TEST(Table, AlignsColumnsAndEndsNoLineInSpaces) {
  Table table({"A", "BB"});
  table.add({Cell("long", Tone::good), Cell("x")});
  table.add({Cell("s"), Cell("")});
  EXPECT_EQ(table.render(Style()), "A     BB\nlong  x\ns\n");
  EXPECT_EQ(table.render(Style(true)), "\x1b[1mA\x1b[0m     \x1b[1mBB\x1b[0m\n\x1b[32mlong\x1b[0m  x\ns\n");
}

TEST(Style, ColourByTerminalEnvironmentAndChoice) {
  struct Row {
    ColorChoice choice;
    bool terminal, no_color;
    const char* term;
    bool colored;
  };
  for (const Row row :
       {Row{ColorChoice::automatic, true, false, "xterm", true}, Row{ColorChoice::automatic, false, false, "xterm", false},
        Row{ColorChoice::automatic, true, true, "xterm", false}, Row{ColorChoice::automatic, true, false, "dumb", false},
        Row{ColorChoice::always, false, true, "dumb", true}, Row{ColorChoice::never, true, false, "xterm", false}})
    EXPECT_EQ(choose_style(row.choice, row.terminal, row.no_color, row.term).colored(), row.colored);
  EXPECT_FALSE(parse_color_choice("maybe"));
}

TEST(Suggest, OnlyWhatIsNear) {
  const std::vector<std::string> known{"status", "check", "ca"};
  EXPECT_EQ(nearest("statsu", known), "status");
  EXPECT_EQ(nearest("chek", known), "check");
  EXPECT_EQ(nearest("cb", known), "ca");
  EXPECT_EQ(nearest("rollback", known), std::nullopt);
  EXPECT_EQ(nearest("", known), std::nullopt);
  EXPECT_EQ(nearest(std::string(100000, 'x'), known), std::nullopt);
}

TEST(ExitCodes, AreThoseOfTheContract) {
  struct Row {
    Errc code;
    int expected;
  };
  for (const Row row : {Row{Errc::not_found, 3}, Row{Errc::network, 4}, Row{Errc::refused, 5}, Row{Errc::timeout, 6},
                        Row{Errc::permission, 77}, Row{Errc::io, 1}, Row{Errc::parse, 1}, Row{Errc::internal, 1}})
    EXPECT_EQ(static_cast<int>(exit_code(row.code)), row.expected) << to_string(row.code);
}

}  // namespace
}  // namespace pgcertd::cli

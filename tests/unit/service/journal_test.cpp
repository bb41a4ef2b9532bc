// Covers lib/service/journal.*, message_ids.*
#include "service/journal.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <nlohmann/json.hpp>
#include <set>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"
#include "service/message_ids.hpp"
#include "unit/service/support.hpp"

namespace pgcertd::service::test {
namespace {

const TimePoint at = from_unix(1767225600);   // 2026-01-01T00:00:00Z

LogRecord record_of(std::string message) {
  return {
      .level = LogLevel::warning, .message = std::move(message), .event = "rolled-back", .fields = {{"PGCERTD_CLUSTER", "main"}}};
}

LogRecord plain(std::string message) { return {.level = LogLevel::info, .message = std::move(message), .event = {}, .fields = {}}; }

TEST(LogLines, ForPeopleAndForTheManager) {
  EXPECT_EQ(text_line(record_of("main: rolled back"), at), "2026-01-01T00:00:00Z warning  main: rolled back");
  EXPECT_EQ(manager_line(record_of("main: rolled back")), "<4>main: rolled back");
}

TEST(LogLines, StayOneLineWhateverTheMessage) {
  using namespace std::string_literals;
  const std::string hostile = "a\nb\r\x1b[31m\"\\\xff\0c"s + "ü \u202e";
  for (const std::string& line :
       {text_line(record_of(hostile), at), manager_line(record_of(hostile)), json_line(record_of(hostile), at)}) {
    EXPECT_EQ(line.find_first_of("\n\r\x1b"), std::string::npos) << line;
    EXPECT_NE(line.find("ü"), std::string::npos) << line;
  }
}

TEST(LogLines, JsonIsReadByAParser) {
  LogRecord record = record_of("quote \" backslash \\ newline \n byte \xff ü");
  record.fields.emplace_back("PGCERTD_\"ODD\xff", "v\\\"\t");
  const auto json = nlohmann::json::parse(json_line(record, at));
  EXPECT_EQ(json["time"], "2026-01-01T00:00:00Z");
  EXPECT_EQ(json["level"], "warning");
  EXPECT_EQ(json["event"], "rolled-back");
  EXPECT_EQ(json["message"], "quote \" backslash \\ newline \\x0a byte \\xff ü");
  EXPECT_EQ(json["pgcertd_cluster"], "main");
  EXPECT_EQ(json.size(), 6U);
  EXPECT_FALSE(nlohmann::json::parse(json_line(plain("m"), at)).contains("event"));
}

TEST(JournalFields, CarryPriorityIdAndOurFieldsOnly) {
  LogRecord record = record_of("main: rolled back");
  for (const char* bad : {"", "lower", "_TRANSPORT", "1ST", "WITH SPACE", "WITH=SIGN"}) record.fields.emplace_back(bad, "x");
  record.fields.emplace_back(std::string(65, 'A'), "x");
  EXPECT_EQ(journal_fields(record),
            (std::vector<std::string>{"MESSAGE=main: rolled back", "PRIORITY=4", "SYSLOG_IDENTIFIER=pgcertd",
                                      "MESSAGE_ID=4f5f02c932544bae82acc73e4c9610fa", "PGCERTD_EVENT=rolled-back",
                                      "PGCERTD_CLUSTER=main"}));
  EXPECT_EQ(journal_fields(plain("plain")),
            (std::vector<std::string>{"MESSAGE=plain", "PRIORITY=6", "SYSLOG_IDENTIFIER=pgcertd"}));
}

TEST(MessageIds, AreUniqueAndWellFormed) {
  std::set<std::string_view> events, ids;
  for (const MessageRow& row : message_table()) {
    EXPECT_TRUE(events.insert(row.event).second) << row.event;
    EXPECT_TRUE(ids.insert(row.id).second) << row.event;
    EXPECT_EQ(row.id.size(), 32U);
    EXPECT_EQ(row.id.find_first_not_of("0123456789abcdef"), std::string_view::npos) << row.id;
    EXPECT_TRUE(row.text.ends_with('.')) << row.text;
    EXPECT_EQ(message_row(row.event), &row);
    EXPECT_NE(journal_catalog().find(std::string("-- ") + std::string(row.id) + "\nSubject: "), std::string::npos);
  }
  EXPECT_EQ(message_row("no-such-event"), nullptr);
  EXPECT_EQ(message_row(""), nullptr);
}

TEST(StreamIsJournal, ComparesDeviceAndInode) {
  const TempDir dir;
  const UniqueFd file{open(dir.path("stream").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)};
  struct stat seen {};
  ASSERT_EQ(fstat(file.get(), &seen), 0);
  const std::string same = std::to_string(seen.st_dev) + ":" + std::to_string(seen.st_ino);
  EXPECT_TRUE(stream_is_journal(file.get(), same.c_str()));
  for (const char* other : {static_cast<const char*>(nullptr), "", "1:2", "nonsense", "8:"})
    EXPECT_FALSE(stream_is_journal(file.get(), other));
  EXPECT_FALSE(stream_is_journal(file.get(), (same + "0").c_str()));
  EXPECT_FALSE(stream_is_journal(-1, same.c_str()));
}

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(LineSink, KeepsLinesWholeBetweenThreads) {
  const TempDir dir;
  const UniqueFd file{open(dir.path("log").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600)};
  LineSink sink(file.get(), [](const LogRecord& record) { return record.message; });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, letter = static_cast<char>('a' + t)] {
      for (int i = 0; i < 200; ++i) sink.write(plain(std::string(200, letter)));
    });
  }
  for (auto& thread : threads) thread.join();
  std::ifstream lines(dir.path("log"));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_EQ(line, std::string(200, line[0]));
  EXPECT_EQ(count, 800);
}

TEST(LineSink, AClosedDescriptorIsSurvived) {
  LineSink sink(-1, manager_line);
  sink.write(record_of("lost"));
}

// What make_log_sink's sink writes to stderr with this environment.
std::string written(LogFormat format, const char* invocation, bool stderr_is_journal) {
  const TempDir dir;
  const int result = in_child([&] {
    const int file = open(dir.path("stderr").c_str(), O_CREAT | O_WRONLY, 0600);
    struct stat seen {};
    if (dup2(file, STDERR_FILENO) < 0 || fstat(file, &seen) < 0) return 2;
    const std::string stream = stderr_is_journal ? std::to_string(seen.st_dev) + ":" + std::to_string(seen.st_ino) : "1:1";
    const Env journal{"JOURNAL_STREAM", stream.c_str()}, id{"INVOCATION_ID", invocation};
    make_log_sink(format, [] { return at; })->write(record_of("hello"));
    return 0;
  });
  EXPECT_EQ(result, 0);
  return contents(dir.path("stderr"));
}

TEST(MakeLogSink, ChoosesByFormatAndEnvironment) {
  EXPECT_EQ(written(LogFormat::automatic, nullptr, false), "2026-01-01T00:00:00Z warning  hello\n");
  EXPECT_EQ(written(LogFormat::automatic, "abc", false), "<4>hello\n");
  EXPECT_EQ(written(LogFormat::text, "abc", true), "2026-01-01T00:00:00Z warning  hello\n");
  EXPECT_TRUE(written(LogFormat::json, "abc", true).starts_with("{\"time\":"));
}

// A place of our own for the journal's socket, seen by this process alone.
bool make_private_journal_directory() {
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  if (mount("tmpfs", "/run", "tmpfs", 0, "mode=755") != 0) return false;
  return mkdir("/run/systemd", 0755) == 0 && mkdir("/run/systemd/journal", 0755) == 0;
}

constexpr int not_possible = 77;

TEST(JournalSink, SendsFieldsToTheJournalsSocket) {
  const int result = in_child([] {
    if (!make_private_journal_directory()) return not_possible;
    const UniqueFd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
    if (bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return 2;
    JournalSink{}.write(record_of("main: rolled back"));
    char buffer[4096];
    const ssize_t size = recv(socket.get(), buffer, sizeof buffer, 0);
    const std::string sent(buffer, size < 0 ? 0 : static_cast<std::size_t>(size));
    for (const char* field : {"MESSAGE=main: rolled back\n", "PRIORITY=4\n", "MESSAGE_ID=4f5f02c932544bae82acc73e4c9610fa\n",
                              "PGCERTD_CLUSTER=main\n"}) {
      if (sent.find(field) == std::string::npos) return 3;
    }
    return sent.find("CODE_FILE") == std::string::npos ? 0 : 4;
  });
  if (result == not_possible) GTEST_SKIP() << "no right to make a mount namespace";
  EXPECT_EQ(result, 0);
}

TEST(JournalSink, WithoutAJournalTheLineGoesToStderr) {
  const TempDir dir;
  const int result = in_child([&] {
    const int file = open(dir.path("stderr").c_str(), O_CREAT | O_WRONLY, 0600);
    if (dup2(file, STDERR_FILENO) < 0) return 2;
    if (!make_private_journal_directory()) return not_possible;
    JournalSink{}.write(record_of("not lost"));
    return 0;
  });
  if (result == not_possible) GTEST_SKIP() << "no right to make a mount namespace";
  EXPECT_EQ(result, 0);
  EXPECT_EQ(contents(dir.path("stderr")), "<4>not lost\n");
}

}  // namespace
}  // namespace pgcertd::service::test

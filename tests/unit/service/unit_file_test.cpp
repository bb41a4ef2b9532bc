// Covers units/pgcertd.service, pgcertd.sysusers, pgcertd.tmpfiles: judged by systemd's own tools.
#include <array>
#include <cstdio>
#include <sstream>

#include "unit/service/support.hpp"

namespace pgcertd::service::test {
namespace {

constexpr const char* units = PGCERTD_SOURCE_DIR "/units";

struct Output {
  int status = -1;
  std::string text;
};
Output output_of(const std::string& command) {
  Output output;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer;
  while (pipe != nullptr && fgets(buffer.data(), static_cast<int>(buffer.size()), pipe) != nullptr) output.text += buffer.data();
  const int status = pipe == nullptr ? -1 : pclose(pipe);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return output;
}

bool installed(const char* program) { return access(program, X_OK) == 0; }

std::string unit_text() {
  std::ifstream file(std::string(units) + "/pgcertd.service");
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(UnitFile, SystemdUnderstandsEachLine) {
  if (!installed("/usr/bin/systemd-analyze")) GTEST_SKIP() << "systemd-analyze is not installed";
  // verify wants to see the program and the pages: /bin/true stands for the one, and without Documentation= it asks for none.
  const TempDir dir;
  std::string text = unit_text();
  text.replace(text.find("/usr/sbin/pgcertd "), std::string("/usr/sbin/pgcertd ").size(), "/bin/true ");
  text.erase(text.find("Documentation="), text.find('\n', text.find("Documentation=")) - text.find("Documentation="));
  write_file(dir.path("pgcertd.service"), text, 0644);
  const Output verified = output_of("systemd-analyze verify " + dir.path("pgcertd.service"));
  EXPECT_EQ(verified.status, 0) << verified.text;
  EXPECT_EQ(verified.text.find("pgcertd.service:"), std::string::npos) << verified.text;
}

TEST(UnitFile, ExposureStaysLow) {
  if (!installed("/usr/bin/systemd-analyze")) GTEST_SKIP() << "systemd-analyze is not installed";
  const Output judged =
      output_of(std::string("systemd-analyze security --offline=true --no-pager --threshold=20 ") + units + "/pgcertd.service");
  EXPECT_EQ(judged.status, 0) << judged.text.substr(
      judged.text.rfind("Overall") == std::string::npos ? 0 : judged.text.rfind("Overall"));
}

TEST(UnitFile, SettingsStandUnderAReason) {
  // A setting that repeats the one above, or follows it without a blank line, shares its comment.
  std::istringstream lines(unit_text());
  bool explained = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("[Install]")) break;
    if (line.empty() || line.starts_with('[')) explained = line.starts_with('[');
    else if (line.starts_with('#')) explained = true;
    else EXPECT_TRUE(explained) << line;
  }
}

TEST(UnitFile, SysusersAndTmpfilesMakeAStateThatOnlyTheDaemonChanges) {
  if (!installed("/usr/bin/systemd-sysusers") || !installed("/usr/bin/systemd-tmpfiles"))
    GTEST_SKIP() << "systemd's tools are not installed";
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make users below a root directory";
  const TempDir dir;
  fs::create_directories(dir.path("etc"));
  for (const char* file : {"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"}) write_file(dir.path(file), "", 0644);
  const Output users = output_of("systemd-sysusers --root=" + dir.path() + ' ' + units + "/pgcertd.sysusers");
  ASSERT_EQ(users.status, 0) << users.text;
  const Output files = output_of("systemd-tmpfiles --create --root=" + dir.path() + ' ' + units + "/pgcertd.tmpfiles");
  ASSERT_EQ(files.status, 0) << files.text;
  struct { const char* path; mode_t mode; } const rows[] = {{"var/lib/pgcertd", 0711},
                    {"var/lib/pgcertd/clusters", 0711},
                    {"var/lib/pgcertd/pending", 0700},
                    {"var/lib/pgcertd/requests", 0700}};
  for (const auto& row : rows) {
    struct stat seen {};
    ASSERT_EQ(stat(dir.path(row.path).c_str(), &seen), 0) << row.path;
    EXPECT_EQ(seen.st_mode & 07777U, row.mode) << row.path;
    EXPECT_NE(seen.st_uid, 0U) << row.path;
  }
}

}  // namespace
}  // namespace pgcertd::service::test

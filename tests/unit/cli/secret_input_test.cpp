#include "cli/secret_input.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace pgcertd::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class SecretInput : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "pgcertd-secret-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir = pattern;
  }
  void TearDown() override { fs::remove_all(dir); }

  std::string file(const std::string& content, mode_t mode = 0600) {
    const std::string path = dir + "/secret";
    fs::remove(path);
    std::ofstream(path) << content;
    EXPECT_EQ(chmod(path.c_str(), mode), 0);
    return path;
  }
  std::string dir;
};

TEST_F(SecretInput, ReadsTheFirstLineEndOff) {
  struct Row {
    const char* content;
    const char* expected;
  };
  for (const Row row : {Row{"word", "word"}, Row{"word\n", "word"}, Row{"word\r\n", "word"}, Row{"two\nlines\n", "two\nlines"},
                        Row{" spaces count ", " spaces count "}}) {
    const auto secret = read_secret({SecretSource::Kind::file, file(row.content)}, "");
    ASSERT_TRUE(secret) << secret.error().text();
    EXPECT_EQ(secret->view(), row.expected);
  }
}

TEST_F(SecretInput, RefusesWhatOthersMayRead) {
  for (const mode_t mode : {0640U, 0604U, 0660U, 0620U, 0602U}) {
    const auto secret = read_secret({SecretSource::Kind::file, file("word", mode)}, "");
    ASSERT_FALSE(secret) << mode;
    EXPECT_EQ(secret.error().code, Errc::refused);
    EXPECT_THAT(secret.error().remedy, HasSubstr("chmod 600"));
  }
}

TEST_F(SecretInput, RefusesWhatIsNoPassphrase) {
  EXPECT_EQ(read_secret({SecretSource::Kind::file, file("")}, "").error().code, Errc::invalid);
  EXPECT_EQ(read_secret({SecretSource::Kind::file, file("\n")}, "").error().code, Errc::invalid);
  EXPECT_EQ(read_secret({SecretSource::Kind::file, file(std::string(5000, 'x'))}, "").error().code, Errc::invalid);
  EXPECT_EQ(read_secret({SecretSource::Kind::file, dir}, "").error().code, Errc::invalid);
  EXPECT_EQ(read_secret({SecretSource::Kind::file, dir + "/none"}, "").error().code, Errc::not_found);
  EXPECT_TRUE(read_secret({SecretSource::Kind::file, file(std::string(4096, 'x') + "\n")}, ""));
}

TEST_F(SecretInput, CredentialsComeFromTheirDirectory) {
  (void)file("word\n");
  EXPECT_EQ(read_secret({SecretSource::Kind::credential, "secret"}, dir)->view(), "word");
  EXPECT_EQ(read_secret({SecretSource::Kind::credential, "secret"}, "").error().code, Errc::not_found);
}

TEST(SecretSourceText, NamesAPlaceAndNeverTheSecret) {
  EXPECT_EQ(parse_secret_source("file:/a/b")->name, "/a/b");
  EXPECT_EQ(parse_secret_source("credential:ca")->kind, SecretSource::Kind::credential);
  for (const char* bad : {"", "hunter2", "file:", "credential:", "credential:../x", "credential:.hidden", "pkcs11:x"}) {
    const auto source = parse_secret_source(bad);
    ASSERT_FALSE(source) << bad;
    EXPECT_THAT(source.error().text(), Not(HasSubstr("hunter2")));
  }
}

}  // namespace
}  // namespace pgcertd::cli

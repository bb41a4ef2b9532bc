#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "config/load.hpp"

namespace pgcertd {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ReadConfigFiles : public testing::Test {
 protected:
  ReadConfigFiles() {
    std::string name = fs::temp_directory_path() / "pgcertd-config-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "mkdtemp";
    directory = name;
    fs::create_directory(directory / "conf.d");
  }
  ~ReadConfigFiles() override { fs::remove_all(directory); }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(directory / name, std::ios::binary) << bytes;
  }
  [[nodiscard]] auto read() const { return read_config_files(directory / "pgcertd.toml"); }

  fs::path directory;
};

TEST_F(ReadConfigFiles, MainFileThenDropInsInNameOrder) {
  write("pgcertd.toml", "main");
  for (const char* name : {"20-b.toml", "10-a.toml", "9.toml", "ignored.toml.bak", ".hidden.toml", "README", "Z.toml"})
    write(std::string("conf.d/") + name, name);
  const auto files = read();
  ASSERT_TRUE(files) << files.error().text();
  std::string order;
  for (const auto& file : *files) {
    EXPECT_TRUE(fs::exists(file.name));
    order += file.bytes + " ";
  }
  EXPECT_EQ(order, "main 10-a.toml 20-b.toml 9.toml Z.toml ");
}

TEST_F(ReadConfigFiles, WorksWithoutDropIns) {
  fs::remove(directory / "conf.d");
  const std::string bytes = std::string("a\0b", 3) + std::string(200'000, 'x');
  write("pgcertd.toml", bytes);
  const auto files = read();
  ASSERT_TRUE(files);
  ASSERT_EQ(files->size(), 1U);
  EXPECT_EQ(files->front().bytes, bytes);
}

TEST_F(ReadConfigFiles, SaysWhichFileCannotBeReadAndWhy) {
  const auto missing = read();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_THAT(missing.error().text(), HasSubstr("pgcertd.toml\": No such file"));
  EXPECT_THAT(missing.error().remedy, HasSubstr("--config"));

  write("pgcertd.toml", "");
  ASSERT_EQ(::mkfifo((directory / "conf.d/fifo.toml").c_str(), 0600), 0);
  const auto fifo = read();          // and does not wait for a writer
  ASSERT_FALSE(fifo);
  EXPECT_THAT(fifo.error().text(), HasSubstr("fifo.toml\" is no regular file"));
  fs::remove(directory / "conf.d/fifo.toml");

  write("conf.d/big.toml", std::string(5U * 1024 * 1024, '#'));
  EXPECT_THAT(read().error().text(), HasSubstr("larger than 4 MiB"));
  fs::remove(directory / "conf.d/big.toml");

  fs::create_directory(directory / "conf.d/directory.toml");
  EXPECT_THAT(read().error().text(), HasSubstr("no regular file"));
  fs::remove(directory / "conf.d/directory.toml");

  fs::create_symlink("nowhere", directory / "conf.d/link.toml");
  EXPECT_THAT(read().error().text(), HasSubstr("link.toml\": No such file"));
  fs::remove(directory / "conf.d/link.toml");

  fs::remove(directory / "conf.d");
  write("conf.d", "a file");
  EXPECT_THAT(read().error().text(), HasSubstr("opendir"));
}

}  // namespace
}  // namespace pgcertd

// Covers lib/core/permissions.cpp against a real PostgreSQL: owners × modes × ways to the file, and our verdict is the
// server's. PGCERTD_WHOLE_MATRIX=1 tries every mode on every way; else every mode of the key on the direct one, and a part
// of them on the others.
#include "core/permissions.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "files/host.hpp"
#include "postgres/harness.hpp"

namespace pgcertd::testing {
namespace {

namespace fs = std::filesystem;

struct Owner {
  const char* name;
  uid_t uid;
  gid_t gid;
};

enum class Way : std::uint8_t { direct, link, closed_parent, group_parent };

class Permissions : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "other owners need root";
    auto identity = files::identity_of_user(server_account().user);
    ASSERT_TRUE(identity);
    identity_ = *identity;
    scratch_.enable_tls(openssl_self_signed("localhost"));
    pair_ = scratch_.data_directory();
    for (const char* name : {"server.key", "server.crt"}) fs::copy_file(pair_ + "/" + name, scratch_.base() + "/" + name);
  }

  std::vector<Owner> owners() const {
    return {{"the server's user", identity_.uid, identity_.gid},
            {"root with the server's group", 0, identity_.gid},
            {"root with a further group of the server", 0, identity_.groups.empty() ? identity_.gid : identity_.groups.front()},
            {"root:root", 0, 0},
            {"anyone else", 1, identity_.gid}};
  }

  // Puts the file there on that way, and its directory into the state that the way is about.
  std::string place(const char* name, Way way) const {
    const std::string directory = fmt::format("{}/{}-{}", scratch_.base(), name, static_cast<int>(way));
    fs::create_directories(directory);
    const std::string real = directory + "/" + name;
    fs::copy_file(scratch_.base() + "/" + name, real, fs::copy_options::overwrite_existing);
    if (way == Way::link) {
      fs::create_symlink(real, directory + "/link");
      return directory + "/link";
    }
    return real;
  }

  void close_directory(const std::string& path, Way way) const {
    const std::string directory = fs::path(path).parent_path();
    if (way == Way::closed_parent) {
      ASSERT_EQ(chmod(directory.c_str(), 0700), 0);
    }
    if (way != Way::group_parent) return;
    ASSERT_EQ(chown(directory.c_str(), 0, identity_.groups.empty() ? identity_.gid : identity_.groups.front()), 0);
    ASSERT_EQ(chmod(directory.c_str(), 0710), 0);
  }

  // Sends SIGHUP twice: what the log holds from the first's marker to the second's receipt belongs to the first.
  bool server_accepts() {
    const std::size_t before = log_size();
    const std::string marker = hang_up();
    hang_up();
    const std::string log = log_from(before);
    const std::size_t from = log.find(marker), to = log.find("received SIGHUP", from);
    return log.substr(from, to - from).find("SSL configuration was not reloaded") == std::string::npos;
  }

  // As PostgreSQL sees it: a link counts as its target.
  static FileSeen look(const std::string& path) {
    struct stat seen {};
    FileSeen out;
    out.path = path;
    if (::stat(path.c_str(), &seen) != 0) return out;
    out.kind = S_ISREG(seen.st_mode) ? FileSeen::Kind::regular : S_ISDIR(seen.st_mode) ? FileSeen::Kind::directory : FileSeen::Kind::other;
    out.uid = seen.st_uid, out.gid = seen.st_gid, out.mode = seen.st_mode & 07777U;
    return out;
  }

  bool we_accept(const std::string& path, bool is_key) const {
    for (fs::path at = fs::path(path).parent_path(); at != at.root_path(); at = at.parent_path())
      if (!can_search(identity_, look(at))) return false;
    const FileSeen file = look(path);
    return (is_key ? judge_key(identity_, file) : judge_public(identity_, file)) == FileVerdict::ok;
  }

  void compare(const char* name, const char* setting, Way way, unsigned stride) {
    const std::string path = place(name, way);
    scratch_.write(scratch_.data_directory() + "/conf.d/path.conf", fmt::format("{} = '{}'\n", setting, path), 0644);
    close_directory(path, way);
    const bool is_key = std::string_view{setting} == "ssl_key_file";
    for (const Owner& owner : owners())
      for (const mode_t mode : modes(stride)) {
        ASSERT_EQ(chown(path.c_str(), owner.uid, owner.gid), 0);
        ASSERT_EQ(chmod(path.c_str(), mode), 0);
        const bool accepted = server_accepts();
        ++(accepted ? accepted_ : refused_);
        EXPECT_EQ(we_accept(path, is_key), accepted) << fmt::format("{} of {}, mode {:04o}, way {}", name, owner.name, mode, static_cast<int>(way));
      }
  }

  void tell() const {
    fmt::print("{} states accepted, {} refused\n", accepted_, refused_);
    EXPECT_GT(accepted_, 0U);
    EXPECT_GT(refused_, 0U);
  }

  // Every `stride`th, and those that some key may have.
  static std::set<mode_t> modes(unsigned stride) {
    std::set<mode_t> out{0400, 0600, 0440, 0640};
    for (mode_t mode = 0; mode < 01000; mode += stride) out.insert(mode);
    return out;
  }

  static unsigned part() { return std::getenv("PGCERTD_WHOLE_MATRIX") != nullptr ? 1 : 37; }   // prime: meets each bit in each state

  ScratchServer scratch_;
  ServerIdentity identity_;
  std::string pair_;
  unsigned accepted_ = 0, refused_ = 0;

 private:
  [[nodiscard]] std::size_t log_size() const { return fs::file_size(scratch_.base() + "/log"); }
  [[nodiscard]] std::string log_from(std::size_t offset) const {
    std::ifstream in(scratch_.base() + "/log");
    in.seekg(static_cast<std::streamoff>(offset));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Until the server says that it reads the files once more; what it says.
  std::string hang_up() {
    const std::string number = std::to_string(++sequence_);
    std::ofstream(scratch_.data_directory() + "/conf.d/sequence.conf") << "pgcertd.sequence = '" << number << "'\n";
    const std::size_t before = log_size();
    scratch_.reload();
    const std::string line = "\"pgcertd.sequence\" changed to \"" + number + "\"";
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (log_from(before).find(line) == std::string::npos) {
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("the server does not notice SIGHUP");
      usleep(300);
    }
    return line;
  }

  unsigned sequence_ = 0;
};

TEST_F(Permissions, OfTheKeyAtReloadAreJudgedAsTheServerDoes) {
  compare("server.key", "ssl_key_file", Way::direct, 1);
  tell();
}

TEST_F(Permissions, OnOtherWaysToTheKeyToo) {
  for (const Way way : {Way::link, Way::closed_parent, Way::group_parent}) compare("server.key", "ssl_key_file", way, part());
  tell();
}

TEST_F(Permissions, OfTheCertificateAndTheCaToo) {
  compare("server.crt", "ssl_cert_file", Way::direct, part());
  scratch_.write(scratch_.data_directory() + "/conf.d/path.conf", "", 0644);
  compare("server.crt", "ssl_ca_file", Way::link, part());
  tell();
}

TEST_F(Permissions, OfTheKeyAtStartAreJudgedAsTheServerDoes) {
  const std::string key = scratch_.data_directory() + "/server.key";
  scratch_.stop();
  for (const Owner& owner : owners())
    for (const mode_t mode : {0400U, 0600U, 0440U, 0640U, 0644U, 0660U, 0604U}) {
      ASSERT_EQ(chown(key.c_str(), owner.uid, owner.gid), 0);
      ASSERT_EQ(chmod(key.c_str(), mode), 0);
      const bool ours = we_accept(key, true);
      EXPECT_EQ(scratch_.try_start(), ours) << fmt::format("{}, mode {:04o}", owner.name, mode);
      scratch_.stop();
    }
  ASSERT_EQ(unlink(key.c_str()), 0);
  ASSERT_EQ(mkfifo(key.c_str(), 0600), 0);
  EXPECT_FALSE(we_accept(key, true));
  EXPECT_FALSE(scratch_.try_start());
}

}  // namespace
}  // namespace pgcertd::testing

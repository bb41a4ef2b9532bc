// Covers lib/postgres/local_clusters.cpp on staged trees of each layout.
#include "postgres/local_clusters.hpp"
#include "postgres/postmaster.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "postgres/account.hpp"

namespace pgcertd::postgres {
namespace local_clusters_test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class Tree : public testing::Test {
 protected:
  Tree() {
    char name[] = "/tmp/pgcertd-tree-XXXXXX";
    root = mkdtemp(name);
  }
  ~Tree() override { fs::remove_all(root); }

  void write(const std::string& path, const std::string& text) const {
    fs::create_directories(fs::path(root + path).parent_path());
    std::ofstream(root + path) << text;
  }
  void postmaster(const std::string& pid, const std::string& directory, const std::string& command = "postgres\n") const {
    write("/proc/" + pid + "/comm", command);
    fs::create_symlink(directory, root + "/proc/" + pid + "/cwd");
  }
  [[nodiscard]] LocalClusters find(std::vector<std::string> by_hand = {}) const {
    return find_local_clusters({.root = root, .directories = std::move(by_hand)}).value();
  }

  std::string root;
  const std::string me = account_of(geteuid()).value_or(Account{}).user;
};

TEST_F(Tree, DebianAsPgLsclustersShowsIt) {
  write("/etc/postgresql/15/main/postgresql.conf", "data_directory = '/srv/pg/main'\nport = 5433\nunix_socket_directories = '/run/postgresql, /tmp'\nssl = off\ninclude_dir = 'conf.d'\n");
  write("/etc/postgresql/15/main/conf.d/10.conf", "ssl = on\n");
  write("/etc/postgresql/15/main/conf.d/.hidden.conf", "ssl = off\n");
  write("/srv/pg/main/PG_VERSION", "15\n");
  write("/srv/pg/main/postgresql.auto.conf", "port = '5434'\n");
  EXPECT_THAT(find().clusters, ElementsAre(LocalCluster{"main", 15, "/srv/pg/main", "/etc/postgresql/15/main/postgresql.conf", me, 5434, "/run/postgresql", false, true,
                                                        "postgresql@15-main.service"}));
}

TEST_F(Tree, TwoDebianClustersOfOneNameAreToldApart) {
  for (const std::string version : {"15", "16"}) {
    write("/etc/postgresql/" + version + "/main/postgresql.conf", "");
    write("/var/lib/postgresql/" + version + "/main/PG_VERSION", version + "\n");
  }
  const auto found = find().clusters;
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].name, "main");
  EXPECT_EQ(found[1].name, "main-16");
  EXPECT_EQ(found[1].data_directory, "/var/lib/postgresql/16/main");
  EXPECT_EQ(found[1].socket_directory, "/var/run/postgresql");
}

TEST_F(Tree, RedHatsOwnAndPgdgs) {
  write("/var/lib/pgsql/data/PG_VERSION", "13\n");
  write("/var/lib/pgsql/16/data/PG_VERSION", "16\n");
  write("/var/lib/pgsql/16/data/postgresql.conf", "port = 5440\nssl = true\n");
  write("/var/lib/pgsql/backups/note", "");
  const auto found = find().clusters;
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].unit, "postgresql.service");
  EXPECT_EQ(found[0].major, 13);
  EXPECT_EQ(found[1], (LocalCluster{"main-16", 16, "/var/lib/pgsql/16/data", "/var/lib/pgsql/16/data/postgresql.conf", me, 5440, "/var/run/postgresql", false, true, "postgresql-16.service"}));
}

TEST_F(Tree, ARunningPostmasterIsFoundWhereItStands) {
  write("/home/u/Data Dir/PG_VERSION", "17\n");
  write("/home/u/Data Dir/postgresql.conf", "port = 1\n");
  write("/home/u/Data Dir/postmaster.pid", "4711\n/home/u/Data Dir\n1700000000\n6001\n/tmp\nlocalhost\n 1 2\nready   \n");
  postmaster("4711", "/home/u/Data Dir");
  postmaster("4712", "/home/u/Data Dir");            // a backend
  postmaster("4713", "/home/u/Data Dir", "vi\n");    // somebody who stands there
  EXPECT_THAT(find().clusters, ElementsAre(LocalCluster{"data-dir", 17, "/home/u/Data Dir", "/home/u/Data Dir/postgresql.conf", me, 6001, "/tmp", true, false, ""}));
}

TEST_F(Tree, OneThatRunsAndLiesInALayoutIsOne) {
  write("/etc/postgresql/15/main/postgresql.conf", "port = 5432\n");
  write("/var/lib/postgresql/15/main/PG_VERSION", "15\n");
  write("/var/lib/postgresql/15/main/postmaster.pid", "99\n/var/lib/postgresql/15/main\n1\n5499\n/run/pg\n*\n\nready\n");
  postmaster("99", "/var/lib/postgresql/15/main");
  const auto found = find().clusters;
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_TRUE(found[0].running);
  EXPECT_EQ(found[0].port, 5499);
  EXPECT_EQ(found[0].unit, "postgresql@15-main.service");
}

TEST_F(Tree, AStalePidFileIsNoRunningServer) {
  write("/var/lib/pgsql/data/PG_VERSION", "15\n");
  write("/var/lib/pgsql/data/postmaster.pid", "99\n/var/lib/pgsql/data\n1\n5499\n/run/pg\n*\n\nready\n");
  postmaster("99", "/somewhere/else");
  const auto found = find().clusters;
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_FALSE(found[0].running);
  EXPECT_EQ(found[0].port, 5432);
}

TEST_F(Tree, ByHandMeansTheseAndNoOthers) {
  write("/var/lib/pgsql/data/PG_VERSION", "15\n");
  write("/srv/a/PG_VERSION", "14\n");
  const auto found = find({"/srv/a/"}).clusters;
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].data_directory, "/srv/a");
  EXPECT_EQ(find({"/var/lib/pgsql/data"}).clusters.at(0).unit, "postgresql.service");
  for (const char* wrong : {"/nowhere", "srv/a", "/proc"})
    EXPECT_FALSE(find_local_clusters({.root = root, .directories = {wrong}})) << wrong;
}

TEST_F(Tree, WhatIsNoClusterIsPassedOverWithAWord) {
  write("/etc/postgresql/9.6/old/postgresql.conf", "");
  write("/var/lib/postgresql/9.6/old/PG_VERSION", "9.6\n");
  write("/etc/postgresql/15/gone/postgresql.conf", "data_directory = '/gone'\n");
  write("/etc/postgresql/15/loop/postgresql.conf", "include 'postgresql.conf'\nport = 7\n");
  write("/var/lib/postgresql/15/loop/PG_VERSION", "15\n");
  const auto found = find();
  ASSERT_THAT(found.clusters, SizeIs(1));
  EXPECT_EQ(found.clusters[0].port, 7);
  EXPECT_THAT(found.passed_over, SizeIs(2));
}

TEST_F(Tree, AnEmptyHostHasNone) { EXPECT_THAT(find().clusters, IsEmpty()); }

TEST(LocalClusterText, PostmasterFile) {
  EXPECT_FALSE(parse_postmaster_file(""));
  EXPECT_FALSE(parse_postmaster_file("-12\n/d\n"));
  EXPECT_FALSE(parse_postmaster_file("1\n/d\n"));
  EXPECT_FALSE(parse_postmaster_file("99999999999999999999999\n"));
  EXPECT_FALSE(parse_postmaster_file("12x\n"));
  const auto starting = parse_postmaster_file("12\n/d\n1\n");
  ASSERT_TRUE(starting);
  EXPECT_EQ(starting->port, 0);
  EXPECT_EQ(parse_postmaster_file("12\n/d\n1\n99999\n/s\n")->port, 0);
}

TEST(LocalClusterText, NamesFitTheConfiguration) {
  EXPECT_EQ(cluster_word("Main.Data é"), "main-data---");
  EXPECT_EQ(cluster_word(""), "main");
  EXPECT_EQ(cluster_word("///"), "main");
  EXPECT_EQ(cluster_word(std::string(100, 'a')), std::string(63, 'a'));
  LocalCluster cluster;
  cluster.major = 15;
  cluster.port = 5433;
  EXPECT_EQ(free_name("main", cluster, {}), "main");
  EXPECT_EQ(free_name("main", cluster, {"main"}), "main-15");
  EXPECT_EQ(free_name("main", cluster, {"main", "main-15"}), "main-5433");
  EXPECT_EQ(free_name("main", cluster, {"main", "main-15", "main-5433"}), "main-2");
  EXPECT_LE(free_name(std::string(63, 'a'), cluster, {std::string(63, 'a')}).size(), 63U);
}

TEST(LocalClusterText, MajorVersion) {
  EXPECT_EQ(parse_major("15\n"), 15);
  for (const char* wrong : {"", "9\n", "9.6\n", "15beta\n", "1000", "x"}) EXPECT_FALSE(parse_major(wrong)) << wrong;
}

}  // namespace
}  // namespace local_clusters_test
}  // namespace pgcertd::postgres

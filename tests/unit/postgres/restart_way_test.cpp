// Covers lib/postgres/restart_way.cpp: the unit that a process runs in, and the way that the configuration names.
#include "postgres/restart_way.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "unit/support/scratch_dir.hpp"

namespace pgcertd::restart_way_tests {   // of its own: a unity build puts all tests into one unit
namespace {

using postgres::find_restart_way;
using postgres::RestartWay;
using postgres::unit_of_cgroup;

TEST(UnitOfCgroup, IsTheServiceThatHoldsTheProcess) {
  EXPECT_EQ(unit_of_cgroup("0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n"), "postgresql@15-main.service");
  EXPECT_EQ(unit_of_cgroup("0::/system.slice/postgresql.service/workers\n"), "postgresql.service");
  EXPECT_EQ(unit_of_cgroup("12:pids:/system.slice/postgresql.service\n1:name=systemd:/system.slice/postgresql.service\n"), "postgresql.service");
  EXPECT_EQ(unit_of_cgroup("0::/user.slice/user-1000.slice/user@1000.service/app.slice/pg.scope\n"), "");
  EXPECT_EQ(unit_of_cgroup("0::/\n"), "");
  EXPECT_EQ(unit_of_cgroup(""), "");
}

TEST(RestartWay, IsWhatTheConfigurationNames) {
  const RestartWay way = find_restart_way({RestartCommand::Kind::systemd, "pg.service"}, PostgresSeen{});
  EXPECT_EQ(way.kind, RestartWay::Kind::systemd);
  EXPECT_EQ(way.text("/data"), "systemctl restart pg.service");
}

TEST(RestartWay, OfAProcessThatIsNoPostmasterIsNone) {
  const test::ScratchDir scratch;
  PostgresSeen server;
  server.data_directory = scratch.path(), server.server_uid = geteuid();
  const auto none = [&](const char* pid) {
    std::ofstream{scratch.path() + "/postmaster.pid"} << pid;
    const RestartWay way = find_restart_way({}, server);
    EXPECT_FALSE(way.why_not.empty());
    EXPECT_EQ(way.text(server.data_directory), "");
    return way.kind == RestartWay::Kind::none;
  };
  EXPECT_TRUE(none(""));
  EXPECT_TRUE(none("-17\n"));
  EXPECT_TRUE(none((std::to_string(getpid()) + "\n").c_str())) << "this test is no postgres";
  std::filesystem::remove(scratch.path() + "/postmaster.pid");
  EXPECT_EQ(find_restart_way({}, server).kind, RestartWay::Kind::none);
}

}  // namespace
}  // namespace pgcertd::restart_way_tests

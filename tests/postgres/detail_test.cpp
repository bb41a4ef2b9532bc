// Covers lib/postgres/detail.cpp and serial.cpp: pg_hba rules, configuration lines and sessions of a real PostgreSQL.
#include "postgres/detail.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "postgres/serial.hpp"
#include "postgres/server_fixture.hpp"

namespace pgcertd::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;

ServerDetail detail_of(Subject& subject) {
  EXPECT_TRUE(subject.server.observe(nullptr).reachable());
  auto read = subject.server.detail(std::nullopt);
  EXPECT_TRUE(read) << read.error().text();
  return read ? std::move(*read) : ServerDetail{};
}

TEST(Detail, ReadsRulesLinesAndSessions) {
  ScratchServer scratch;
  create_role(scratch, "pgcertd");
  scratch.set_hba("local all all trust\nhost all,\"od d\" +app,x 10.0.0.0/8 ident map=m\nhost nonsense\n");
  scratch.add_config("work_mem = '7MB'\nnonsense_here = 1");
  Subject subject(scratch.conninfo("pgcertd"));
  const ServerDetail seen = detail_of(subject);
  ASSERT_TRUE(seen.hba);
  ASSERT_EQ(seen.hba->size(), 3U);
  const HbaRule& rule = (*seen.hba)[1];
  EXPECT_EQ(rule.line, 2U);
  EXPECT_EQ(rule.type, "host");
  EXPECT_THAT(rule.databases, ElementsAre("all", "od d"));
  EXPECT_THAT(rule.users, ElementsAre("+app", "x"));
  EXPECT_EQ(rule.address + " " + rule.netmask, "10.0.0.0 255.0.0.0");
  EXPECT_EQ(rule.method, "ident");
  EXPECT_THAT(rule.options, ElementsAre("map=m"));
  EXPECT_NE((*seen.hba)[2].error, "");
  ASSERT_TRUE(seen.file_settings);
  const auto line = std::find_if(seen.file_settings->begin(), seen.file_settings->end(), [](const FileSetting& l) { return l.name == "work_mem"; });
  ASSERT_NE(line, seen.file_settings->end());
  EXPECT_EQ(line->value, "7MB");
  EXPECT_EQ(line->in_force, "4096");
  EXPECT_EQ(line->unit + line->vartype + line->context + line->source, "kBintegeruserdefault");
  EXPECT_THAT(*seen.file_settings, Contains(Field("error", &FileSetting::error, ::testing::HasSubstr("unrecognized"))));
  ASSERT_TRUE(seen.sessions);
}

TEST(Detail, WhatMayNotBeReadIsAbsent) {
  ScratchServer scratch;
  scratch.script("CREATE ROLE plain LOGIN");
  Subject subject(scratch.conninfo("plain"));
  const ServerDetail seen = detail_of(subject);
  EXPECT_FALSE(seen.hba);
  EXPECT_FALSE(seen.file_settings);
  EXPECT_FALSE(seen.sessions);
}

TEST(Detail, ASettingThatVanishedFromTheFilesIsReset) {
  ScratchServer scratch({.config = {"work_mem = '7MB'"}});
  create_role(scratch, "pgcertd");
  Subject subject(scratch.conninfo("pgcertd"));
  EXPECT_TRUE(detail_of(subject).reset_by_reload->empty());
  std::string conf = read_file(scratch.config_directory() + "/postgresql.conf");
  conf.erase(conf.find("work_mem"), std::string{"work_mem = '7MB'"}.size());
  scratch.write(scratch.config_directory() + "/postgresql.conf", conf, 0644);
  EXPECT_THAT(*detail_of(subject).reset_by_reload, ElementsAre("work_mem"));
}

TEST(HexOfDecimal, IsTheSerialAsEverybodyElseWritesIt) {
  EXPECT_EQ(postgres::hex_of_decimal("0"), "00");
  EXPECT_EQ(postgres::hex_of_decimal("255"), "ff");
  EXPECT_EQ(postgres::hex_of_decimal("256"), "0100");
  EXPECT_EQ(postgres::hex_of_decimal("00256"), "0100");
  EXPECT_EQ(postgres::hex_of_decimal("340282366920938463463374607431768211455"), std::string(32, 'f'));
  for (const char* wrong : {"", "-1", "12a", " 1"}) EXPECT_EQ(postgres::hex_of_decimal(wrong), "") << wrong;
  EXPECT_EQ(postgres::hex_of_decimal(std::string(81, '1')), "");
}

}  // namespace
}  // namespace pgcertd::testing

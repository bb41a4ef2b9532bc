// Covers lib/postgres/privileges.cpp.
#include "postgres/privileges.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgcertd::postgres {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Privileges, OnlyTlsFilesAreManaged) {
  EXPECT_TRUE(is_managed("ssl_key_file"));
  for (const auto* name : {"ssl_passphrase_command", "archive_command", "SSL", "ssl ", ""}) EXPECT_FALSE(is_managed(name)) << name;
}

TEST(Privileges, RemediesAreStatementsToType) {
  EXPECT_EQ(remedy(Need::reload, "pgcertd", 150000), "GRANT EXECUTE ON FUNCTION pg_catalog.pg_reload_conf() TO \"pgcertd\";");
  EXPECT_THAT(remedy(Need::alter_system, "a\"b", 150000), HasSubstr("ssl_key_file, ssl_ca_file, ssl_crl_file TO \"a\"\"b\";"));
  EXPECT_THAT(remedy(Need::alter_system, "pgcertd", 140010), HasSubstr("conf.d"));
  EXPECT_THAT(remedy(Need::read_all_settings, "pgcertd", 0), HasSubstr("pg_read_all_settings"));
}

TEST(Privileges, SetupFitsTheVersion) {
  const auto modern = setup_sql("pg'certd", 150018);
  EXPECT_THAT(modern, HasSubstr("rolname = 'pg''certd'"));
  EXPECT_THAT(modern, HasSubstr("GRANT ALTER SYSTEM ON PARAMETER"));
  EXPECT_THAT(modern, HasSubstr("pg_ident_file_mappings"));
  EXPECT_THAT(modern, Not(HasSubstr(" SUPERUSER")));
  const auto old = setup_sql("pgcertd", 100023);
  EXPECT_THAT(old, Not(HasSubstr("ON PARAMETER")));
  EXPECT_THAT(old, Not(HasSubstr("pg_ident_file_mappings")));
  EXPECT_THAT(old, HasSubstr("include_dir"));
}

}  // namespace
}  // namespace pgcertd::postgres

// Covers lib/core/setting_value.cpp: texts of configuration files against what pg_settings shows.
#include "core/setting_value.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pgcertd::setting_value_tests {   // of its own: a unity build puts all tests into one unit
namespace {


struct Row {
  const char *vartype, *unit, *in_file, *in_force;
  bool same;
};

class SameValue : public ::testing::TestWithParam<Row> {};

TEST_P(SameValue, IsJudgedAsPostgresqlParsesIt) {
  const Row& r = GetParam();
  EXPECT_EQ(same_value(r.vartype, r.unit, r.in_file, r.in_force), r.same) << r.vartype << " " << r.in_file << " / " << r.in_force << " " << r.unit;
}

INSTANTIATE_TEST_SUITE_P(All, SameValue, ::testing::ValuesIn(std::vector<Row>{
    {"bool", "", "on", "on", true}, {"bool", "", "TRUE", "on", true}, {"bool", "", "t", "on", true}, {"bool", "", "yes", "on", true}, {"bool", "", "1", "on", true}, {"bool", "", "of", "off", true},
    {"bool", "", "f", "off", true}, {"bool", "", "n", "off", true}, {"bool", "", "0", "off", true}, {"bool", "", "off", "on", false}, {"bool", "", "y", "off", false}, {"bool", "", "o", "on", true},
    {"bool", "", "nonsense", "on", true}, {"bool", "", "f", "on", false}, {"bool", "", "n", "on", false}, {"bool", "", "of", "on", false}, {"bool", "", "0", "on", false},
    {"integer", "kB", "4MB", "4096", true}, {"integer", "kB", "7MB", "4096", false}, {"integer", "8kB", "128MB", "16384", true}, {"integer", "8kB", "1GB", "131072", true}, {"integer", "8kB", "16384", "16384", true},
    {"integer", "MB", "1GB", "1024", true}, {"integer", "MB", "1TB", "1048576", true}, {"integer", "B", "1kB", "1024", true}, {"integer", "16MB", "64MB", "4", true}, {"integer", "kB", " 4 MB ", "4096", true},
    {"integer", "ms", "5min", "300000", true}, {"integer", "s", "5min", "300", true}, {"integer", "min", "1h", "60", true}, {"integer", "min", "1d", "1440", true}, {"integer", "ms", "1s", "1000", true},
    {"integer", "ms", "1s", "1001", false}, {"integer", "ms", "1000us", "1", true}, {"integer", "", "0700", "0700", true}, {"integer", "", "0700", "448", true}, {"integer", "", "0x10", "16", true},
    {"integer", "", "-1", "-1", true}, {"integer", "", "-1", "1", false}, {"integer", "", "100", "100", true}, {"integer", "", "100", "101", false}, {"integer", "ms", "1kB", "1", true}, {"integer", "kB", "words", "1", true},
    {"integer", "16MB", "1GB", "64", true}, {"integer", "kB", " 4 MB ", "4097", false}, {"integer", "", "-010", "-8", true}, {"integer", "", "0x10", "17", false}, {"integer", "", "0X10", "17", false},
    {"integer", "", "09", "9", true}, {"integer", "", "", "1", true}, {"integer", "kB", "1.5MB", "1536", true},
    {"real", "", "0.5", "0.5", true}, {"real", "", "0.50", "0.5", true}, {"real", "", "0.51", "0.5", false}, {"real", "ms", "2s", "2000", true}, {"real", "ms", "2.5", "2.5", true}, {"real", "", "1.0000000005", "1", true}, {"real", "", "1.000000002", "1", false},
    {"enum", "", "Replica", "replica", true}, {"enum", "", "ALWAYS", "always", true}, {"enum", "", "ZSTD", "zstd", true}, {"enum", "", "logical", "replica", false}, {"enum", "", "true", "on", true}, {"enum", "", "yes", "off", false},
    {"string", "", "a", "a", true}, {"string", "", "a", "b", false}, {"string", "", "iso, mdy", "ISO, MDY", true}, {"", "", "x", "y", true},
}));

}  // namespace
}  // namespace pgcertd::setting_value_tests

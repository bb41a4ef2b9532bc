// Covers lib/service/process.*
#include "service/process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>

#include "unit/service/support.hpp"

namespace pgcertd::service::test {
namespace {

TEST(HardenProcess, LeavesNoWayToTheKeys) {
  EXPECT_EQ(in_child([] {
    if (!harden_process()) return 1;
    if (prctl(PR_GET_DUMPABLE) != 0) return 2;
    rlimit core{};
    if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_cur != 0 || core.rlim_max != 0) return 3;
    if (umask(0) != 077) return 4;
    int ends[2];
    if (pipe(ends) != 0 || close(ends[0]) != 0) return 5;
    return write(ends[1], "x", 1) < 0 && errno == EPIPE ? 0 : 6;   // and not dead of SIGPIPE
  }), 0);
}

TEST(ParseCapabilities, ReadsTheEffectiveSet) {
  struct { const char* status; Capabilities expected; } const rows[] = {
      {"Name:\tx\nCapPrm:\tffff\nCapEff:\t0000000000000000\nCapBnd:\tffff\n", {}},
      {"CapEff:\t000000000000000d\n", {.chown = true, .fowner = true, .dac_read_search = true, .dac_override = false}},
      {"A:\tb\nCapEff:\t0000000000000001", {.chown = true}},
      {"A:\tb\nCapEff:\t0000000000000002", {.dac_override = true}},
      {"A:\tb\nCapEff:\t0000000000000004", {.dac_read_search = true}},
      {"A:\tb\nCapEff:\t0000000000000008", {.fowner = true}},
      {"A:\tb\nCapEff:\tfffffffffffffff0\n", {}},
  };
  for (const auto& row : rows) EXPECT_EQ(*parse_capabilities(row.status), row.expected) << row.status;
  for (const char* broken : {"", "CapEff:", "CapEff:\t\n", "CapEff:\tzz\n", "xCapEff:\t1\n", "CapEff:\t10000000000000000\n"})
    EXPECT_FALSE(parse_capabilities(broken)) << broken;
}

TEST(Capabilities, AreThoseOfThisProcess) {
  const auto seen = capabilities();
  ASSERT_TRUE(seen) << seen.error().text();
  if (geteuid() != 0) EXPECT_FALSE(seen->dac_override);
  else EXPECT_TRUE(seen->chown);
}

}  // namespace
}  // namespace pgcertd::service::test

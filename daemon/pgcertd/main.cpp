// pgcertd: arguments and the choice of what to run.
#include <malloc.h>

#include <cstdio>

#include "pgcertd/clock.hpp"
#include "pgcertd/daemon.hpp"
#include "pgcertd/once.hpp"
#include "pgcertd/options.hpp"
#include "pgcertd/settings.hpp"
#include "postgres/conninfo.hpp"
#include "service/process.hpp"

namespace {

using namespace pgcertd;
using namespace pgcertd::daemon;

int complain(const Error& error, int code) {
  std::fputs((error.text() + (error.remedy.empty() ? "" : "\n  remedy: " + error.remedy) + "\n").c_str(), stderr);
  return code;
}

int check_config(const Options& options) {
  const auto config = load_settings(options.config);
  if (!config) return complain(config.error(), 1);
  std::printf("%s: the configuration is good: %zu cluster(s), %zu issuer(s)\n", options.config.c_str(), (*config)->clusters.size(), (*config)->issuers.size());
  return 0;
}

int run(const Options& options) {
  if (options.check_config) return check_config(options);
  if (auto hardened = service::harden_process(); !hardened) return complain(hardened.error(), 3);
  postgres::ignore_pg_environment();
  auto config = load_settings(options.config);
  if (!config) return complain(config.error(), 4);
  const auto log = service::make_log_sink(options.log_format, wall_clock);
  auto done = options.once ? run_once(**config, *log) : run_daemon(options.config, *config, *log);
  return done ? *done : complain(done.error(), done.error().code == Errc::busy ? 4 : 3);
}

}  // namespace

int main(int argc, char** argv) {
  // With an arena for each of its threads glibc keeps several times the memory that is in use.
  (void)::mallopt(M_ARENA_MAX, 2);
  const auto parsed = parse_options(argc, argv);
  if (const auto* exit = std::get_if<Exit>(&parsed)) return exit->code;
  return run(std::get<Options>(parsed));
}

#include "pgcertd/options.hpp"

#include <fmt/format.h>
#include <getopt.h>

#include <cstdio>

#include "core/tracks.hpp"
#include "service/message_ids.hpp"

namespace pgcertd::daemon {
namespace {

constexpr const char* help = R"(pgcertd keeps PostgreSQL's TLS certificates alive: it issues, installs, reloads, and
proves with a TLS handshake that the new certificate is served.

Usage: pgcertd [OPTION]...
  --config FILE             configuration (default /etc/pgcertd/pgcertd.toml; then conf.d/*.toml beside it)
  --check-config            check the configuration, print what is wrong, exit 0 or 1
  --once                    passes until every cluster is at rest, then exit:
                            0 ok, 1 warning, 2 critical, 3 unknown, 4 bad configuration or another daemon runs
  --foreground-log=FORMAT   text or json on stderr (default: the journal where it listens, else text)
  --print-tables            needs, stages and problem codes as Markdown
  --print-catalog           the journal's catalog of events
  --version, --help

SIGHUP reads the configuration again; a bad one leaves the running one in force.
See pgcertctl(1) for what an operator can ask of the running daemon.
)";

enum Long : int { config = 1, check_config, once, foreground_log, print_tables, print_catalog, version, usage };

constexpr option options[] = {
    {"config", required_argument, nullptr, config},
    {"check-config", no_argument, nullptr, check_config},
    {"once", no_argument, nullptr, once},
    {"foreground-log", required_argument, nullptr, foreground_log},
    {"print-tables", no_argument, nullptr, print_tables},
    {"print-catalog", no_argument, nullptr, print_catalog},
    {"version", no_argument, nullptr, version},
    {"help", no_argument, nullptr, usage},
    {nullptr, 0, nullptr, 0},
};

Exit print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return {std::fflush(stdout) == 0 ? 0 : 1};
}

Exit wrong(const std::string& text) {
  std::fputs((text + "\nTry 'pgcertd --help'.\n").c_str(), stderr);
  return {2};
}

}  // namespace

std::variant<Options, Exit> parse_options(int argc, char** argv) {
  Options out;
  for (int found = 0; (found = ::getopt_long(argc, argv, "h", options, nullptr)) != -1;) {
    switch (found) {
      case config: out.config = optarg; break;
      case check_config: out.check_config = true; break;
      case once: out.once = true; break;
      case foreground_log:
        if (std::string_view{optarg} == "text") out.log_format = service::LogFormat::text;
        else if (std::string_view{optarg} == "json") out.log_format = service::LogFormat::json;
        else return wrong(fmt::format("pgcertd: --foreground-log takes text or json, not \"{}\"", optarg));
        break;
      case print_tables: return print(tables_markdown());
      case print_catalog: return print(service::journal_catalog());
      case version: return print("pgcertd " PGCERTD_VERSION "\n");
      case usage: case 'h': return print(help);
      default: return Exit{2};   // getopt has named the option
    }
  }
  if (optind < argc) return wrong(fmt::format("pgcertd: \"{}\" is no option", argv[optind]));
  return out;
}

}  // namespace pgcertd::daemon

// pgcertd's command line.
#pragma once

#include <string>
#include <variant>

#include "service/journal.hpp"

namespace pgcertd::daemon {

struct Options {
  std::string config = "/etc/pgcertd/pgcertd.toml";
  bool check_config = false;
  bool once = false;
  service::LogFormat log_format = service::LogFormat::automatic;
};

struct Exit {       // --help, --version, a usage error: nothing more to do
  int code = 0;
};

std::variant<Options, Exit> parse_options(int argc, char** argv);

}  // namespace pgcertd::daemon

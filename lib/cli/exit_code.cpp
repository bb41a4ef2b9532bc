#include "cli/exit_code.hpp"

namespace pgcertd::cli {

ExitCode exit_code(Errc code) noexcept {
  switch (code) {
    case Errc::not_found: return ExitCode::not_found;
    case Errc::network: return ExitCode::unreachable;
    case Errc::refused: return ExitCode::refused;
    case Errc::timeout: return ExitCode::timed_out;
    case Errc::permission: return ExitCode::no_permission;
    default: return ExitCode::failed;
  }
}

}  // namespace pgcertd::cli

// The person at the terminal: passphrases without echo, and yes or no. Both talk to /dev/tty, so that stdin and stdout stay
// free for data; without a terminal they are refused. One thread: signal handlers stand while a passphrase is read.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace pgcertd::cli {

// Ctrl-C, SIGTERM and SIGHUP give the terminal its echo back before they end the program.
Result<Secret> ask_passphrase(std::string_view prompt);
// Asked twice; not empty, and both the same (three tries).
Result<Secret> ask_new_passphrase(std::string_view what);
// True for y or yes.
Result<bool> ask_yes_no(std::string_view question);

bool is_terminal(int fd) noexcept;

}  // namespace pgcertd::cli

#include "cli/terminal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "base/unique_fd.hpp"

namespace pgcertd::cli {
namespace {

constexpr std::size_t longest_answer = 1024;

volatile std::sig_atomic_t caught_signal = 0;
extern "C" void remember_signal(int number) { caught_signal = number; }

// While it lives, signals that would end or stop the program only interrupt a wait with open_mask(): one that comes before the
// wait begins is not lost.
class SignalGuard {
 public:
  SignalGuard() noexcept {
    caught_signal = 0;
    sigset_t held;
    sigemptyset(&held);
    for (const int number : signals) sigaddset(&held, number);
    sigprocmask(SIG_BLOCK, &held, &mask_before_);
    struct sigaction remember = {};
    remember.sa_handler = remember_signal;
    struct sigaction ignore = {};
    ignore.sa_handler = SIG_IGN;  // a program that is stopped here would leave a terminal without echo
    for (std::size_t i = 0; i < signals.size(); ++i)
      sigaction(signals[i], signals[i] == SIGTSTP ? &ignore : &remember, &before_[i]);
  }
  SignalGuard(const SignalGuard&) = delete;
  SignalGuard& operator=(const SignalGuard&) = delete;
  ~SignalGuard() {
    for (std::size_t i = 0; i < signals.size(); ++i) sigaction(signals[i], &before_[i], nullptr);
    sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
  }
  [[nodiscard]] const sigset_t* open_mask() const noexcept { return &mask_before_; }

 private:
  static constexpr std::array<int, 5> signals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
  std::array<struct sigaction, 5> before_{};
  sigset_t mask_before_{};
};

class EchoOff {
 public:
  explicit EchoOff(int fd) noexcept : fd_(fd), known_(tcgetattr(fd, &before_) == 0) {
    if (!known_) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL);
    off_ = tcsetattr(fd_, TCSAFLUSH, &quiet) == 0;
  }
  EchoOff(const EchoOff&) = delete;
  EchoOff& operator=(const EchoOff&) = delete;
  ~EchoOff() {
    if (known_) tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  [[nodiscard]] bool off() const noexcept { return off_; }

 private:
  int fd_;
  termios before_{};
  bool known_;
  bool off_ = false;
};

tl::unexpected<Error> no_terminal(std::string_view question) {
  return fail(Errc::refused, fmt::format("\"{}\" cannot be asked: there is no terminal", question),
              "run it on a terminal, or give the answer as an option");
}

void say(int fd, std::string_view text) {
  // A prompt that cannot be shown is no reason to fail: the answer can still be typed.
  (void)!write(fd, text.data(), text.size());
}

// `mask`: the signals that stay blocked while it waits; null: as they are.
Result<void> wait_for_input(int fd, const sigset_t* mask) {
  pollfd terminal{fd, POLLIN, 0};
  while (ppoll(&terminal, 1, nullptr, mask) < 0) {
    if (errno != EINTR) return fail(errno_error("ppoll", "/dev/tty", errno));
    if (caught_signal != 0) return fail(Errc::cancelled, "the question was interrupted");
  }
  return {};
}

// One line without its end; the rest of a longer one is dropped and refused.
Result<Secret> read_line(int fd, const sigset_t* mask = nullptr) {
  Secret line = Secret::with_size(longest_answer + 1);
  std::size_t used = 0;
  for (;;) {
    PGCERTD_CHECK(wait_for_input(fd, mask));
    char next = 0;
    const ssize_t got = read(fd, &next, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno_error("read", "/dev/tty", errno));
    if (got == 0 && used == 0) return fail(Errc::cancelled, "the terminal was closed before an answer came");
    if (got == 0 || next == '\n') break;
    if (used <= longest_answer) line.data()[used++] = next;
  }
  if (used > longest_answer) return fail(Errc::invalid, fmt::format("the answer is longer than {} bytes", longest_answer));
  line.truncate(used);
  return line;
}

Result<UniqueFd> open_terminal(std::string_view question) {
  UniqueFd tty(open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!tty) return no_terminal(question);
  return tty;
}

}  // namespace

bool is_terminal(int fd) noexcept { return isatty(fd) == 1; }

Result<Secret> ask_passphrase(std::string_view prompt) {
  PGCERTD_TRY(const UniqueFd tty, open_terminal(prompt));
  Result<Secret> answer = fail(Errc::cancelled, "the question was interrupted");
  {
    const SignalGuard guard;
    const EchoOff echo(tty.get());
    if (!echo.off()) return no_terminal(prompt);
    say(tty.get(), fmt::format("{}: ", prompt));
    answer = read_line(tty.get(), guard.open_mask());
    say(tty.get(), "\n");
  }
  // The terminal is as it was and the old handlers stand: now the signal may do what it was sent for.
  if (caught_signal != 0) raise(caught_signal);
  return answer;
}

Result<Secret> ask_new_passphrase(std::string_view what) {
  PGCERTD_TRY(const UniqueFd tty, open_terminal(what));
  for (int tries = 0; tries < 3; ++tries) {
    PGCERTD_TRY(Secret first, ask_passphrase(fmt::format("New passphrase for {}", what)));
    if (first.empty()) {
      say(tty.get(), "An empty passphrase protects nothing.\n");
      continue;
    }
    PGCERTD_TRY(const Secret second, ask_passphrase("The same again"));
    if (first.view() == second.view()) return first;
    say(tty.get(), "The two differ.\n");
  }
  return fail(Errc::invalid, fmt::format("no passphrase for {} after three tries", what));
}

Result<bool> ask_yes_no(std::string_view question) {
  PGCERTD_TRY(const UniqueFd tty, open_terminal(question));
  say(tty.get(), fmt::format("{} [y/N] ", question));
  PGCERTD_TRY(const Secret answer, read_line(tty.get()));
  return answer.view() == "y" || answer.view() == "Y" || answer.view() == "yes";
}

}  // namespace pgcertd::cli

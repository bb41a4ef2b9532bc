#include "postgres/wait.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace pgcertd::postgres {

Cancel::Cancel() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Cancel::trigger() noexcept {
  triggered_.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  (void)!write(event_.get(), &one, sizeof one);   // fails only when it is readable already, or was never made
}

Wake wait_for(int fd, short events, Deadline deadline, const Cancel& cancel) {
  for (;;) {
    if (cancel.triggered()) return Wake::cancelled;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd polled[2] = {{.fd = fd, .events = events, .revents = 0}, {.fd = cancel.fd(), .events = POLLIN, .revents = 0}};
    const int got = poll(polled, 2, static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)));
    if (got < 0 && errno != EINTR) return Wake::timeout;   // ENOMEM: nothing better is known
    if (got > 0 && polled[0].revents != 0 && polled[1].revents == 0) return Wake::ready;
    if (got == 0 && left <= 0) return Wake::timeout;
  }
}

}  // namespace pgcertd::postgres

#include "pgcertd/process_facts.hpp"

#include <sys/resource.h>
#include <sys/timex.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace pgcertd::daemon {

status::ProcessFacts process_facts(TimePoint started_at) {
  status::ProcessFacts facts;
  facts.started_at = started_at;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    facts.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  std::uint64_t size = 0, resident = 0;
  if (std::ifstream statm("/proc/self/statm"); statm >> size >> resident) {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    facts.virtual_bytes = size * page;
    facts.resident_bytes = resident * page;
  }
  std::error_code ignored;   // what cannot be read is left out
  const auto count = [&](const char* directory) {
    const std::filesystem::directory_iterator entries(directory, ignored);
    return ignored ? 0 : static_cast<std::uint64_t>(std::distance(begin(entries), end(entries)));
  };
  facts.open_fds = count("/proc/self/fd");
  facts.threads = count("/proc/self/task");
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) facts.max_fds = limit.rlim_cur;
  timex clock{};
  if (const int state = ::adjtimex(&clock); state >= 0) facts.clock_synchronized = state != TIME_ERROR && (clock.status & STA_UNSYNC) == 0;
  return facts;
}

}  // namespace pgcertd::daemon

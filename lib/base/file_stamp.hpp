// Is a file as it was at an earlier look, by what stat(2) tells of it? The status time changes with whatever is done to a file, but
// only by clock ticks: a change within the tick of the first look does not show. Pure.
#pragma once

#include <sys/stat.h>

namespace pgcertd {

inline bool same_time(const timespec& a, const timespec& b) noexcept { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

inline bool same_stamp(const struct stat& a, const struct stat& b) noexcept {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size && a.st_mode == b.st_mode && a.st_uid == b.st_uid && a.st_gid == b.st_gid && a.st_nlink == b.st_nlink &&
         same_time(a.st_mtim, b.st_mtim) && same_time(a.st_ctim, b.st_ctim);
}

}  // namespace pgcertd

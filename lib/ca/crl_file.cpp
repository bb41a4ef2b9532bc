#include "ca/crl_file.hpp"

#include "ca/ca_directory.hpp"

namespace pgcertd::ca {
namespace {

bool same(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

// The status time changes with whatever is done to the file.
bool unchanged(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size && same(a.st_mtim, b.st_mtim) && same(a.st_ctim, b.st_ctim);
}

}  // namespace

Result<std::optional<x509::Crl>> CrlFile::read() {
  struct stat now {};
  const bool there = ::lstat(path_.c_str(), &now) == 0;
  if (there && known_ && unchanged(now, stamp_)) return known_;
  known_.reset();
  PGCERTD_TRY(known_, read_crl(path_));
  stamp_ = now;
  return known_;
}

}  // namespace pgcertd::ca

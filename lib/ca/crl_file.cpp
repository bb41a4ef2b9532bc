#include "ca/crl_file.hpp"

#include "base/file_stamp.hpp"
#include "ca/ca_directory.hpp"

namespace pgcertd::ca {

Result<std::optional<x509::Crl>> CrlFile::read() {
  struct stat now {};
  const bool there = ::lstat(path_.c_str(), &now) == 0;
  if (there && known_ && same_stamp(now, stamp_)) return known_;
  known_.reset();
  PGCERTD_TRY(known_, read_crl(path_));
  stamp_ = now;
  return known_;
}

}  // namespace pgcertd::ca

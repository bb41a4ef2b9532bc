// CrlFile: a CRL on the disk, parsed again only when the file has changed: of 100,000 entries that takes a tenth of a second, and
// it is asked for at each look. One thread.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

#include "base/result.hpp"
#include "x509/certificate.hpp"

namespace pgcertd::ca {

class CrlFile {
 public:
  explicit CrlFile(std::string path) : path_(std::move(path)) {}
  // nullopt: there is none.
  Result<std::optional<x509::Crl>> read();

 private:
  std::string path_;
  struct stat stamp_ {};
  std::optional<x509::Crl> known_;
};

}  // namespace pgcertd::ca

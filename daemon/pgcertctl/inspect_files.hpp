// What inspect() reads of files: those that are named, or all of a directory, with what only their place tells: the mode of a key, and
// whether a key belongs to the certificate beside it.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "x509/inspect.hpp"

namespace pgcertd::ctl {

struct Inspected {
  std::string path;
  x509::Inspection what;
  std::string certificate_path;        // of a key: the file whose certificate it was compared with; empty: none
};

// A directory stands for the TLS files in it, "-" for standard input. `passphrase` may be null.
Result<std::vector<Inspected>> inspect_targets(const std::vector<std::string>& targets, TimePoint now, const Secret* passphrase);

}  // namespace pgcertd::ctl

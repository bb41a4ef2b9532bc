// What PostgreSQL would say of each TLS file that its settings name, and of the directories on the way; and what to type
// where that is not "ok". Rules: core/permissions.hpp.
#pragma once

#include <string>
#include <vector>

#include "core/observation.hpp"

namespace pgcertd {

struct FileJudgement {
  std::string path;
  std::string setting;          // "ssl_key_file"; of a directory on the way: empty
  FileSeen seen;
  bool ours = false;            // in the current generation: repaired by pgcertd itself
  std::string actual;           // "0644 postgres's", as permissions check shows it
  std::string expected;         // "0600, the server user's; or root's with 0640 at most"
  FileVerdict verdict = FileVerdict::ok;
  std::string remedy;           // commands; empty when ok
};

// Files of the current generation, those of others that the settings name, and each directory that the server's user may
// not search. Empty while the server's user is not known.
std::vector<FileJudgement> judge_tls_files(const Observation& seen);

// The command that makes it acceptable; `user` owns the server.
std::string fix_command(bool is_key, const ServerIdentity& server, const std::string& user, const FileSeen& file, FileVerdict verdict);

}  // namespace pgcertd

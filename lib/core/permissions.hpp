// PostgreSQL's own rules for the owner and mode of its TLS files (be_tls_init, check_ssl_key_file_permissions), pure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace pgcertd {

enum class FileRole : std::uint8_t { certificate, key, root, crl };
std::string_view file_name(FileRole role) noexcept;       // "server.crt" "server.key" "root.crt" "root.crl"

// One file as lstat/fstat showed it (a link counts as its target).
struct FileSeen {
  enum class Kind : std::uint8_t { missing, regular, directory, other };
  std::string path;
  Kind kind = Kind::missing;
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t mode = 0;               // permission bits only
  std::uint64_t size = 0;        // bytes
  std::uint32_t links = 1;
  TimePoint modified{};
  [[nodiscard]] bool is(FileRole role) const { return path.ends_with(file_name(role)); }   // of a generation, where names tell
  bool operator==(const FileSeen&) const = default;
};

// A file and every directory from / that was searched on the way to it.
struct PathSeen {
  FileSeen file;
  std::vector<FileSeen> parents;
  bool operator==(const PathSeen&) const = default;
};

struct ServerIdentity {
  uid_t uid = 0;
  gid_t gid = 0;                 // primary
  std::vector<gid_t> groups;     // supplementary
  bool operator==(const ServerIdentity&) const = default;
};

enum class FileVerdict : std::uint8_t { ok, missing, not_regular, wrong_owner, group_or_world, unreadable };
std::string_view to_string(FileVerdict verdict) noexcept;

// Would this server read the directory entry as a file: owner, group and other bits as the kernel applies them.
bool can_read(const ServerIdentity& server, const FileSeen& file) noexcept;
bool can_search(const ServerIdentity& server, const FileSeen& directory) noexcept;
// The key: owned by the server's user and 0600 at most, or by root and 0640 at most; and readable.
FileVerdict judge_key(const ServerIdentity& server, const FileSeen& key) noexcept;
// Any other TLS file: regular and readable.
FileVerdict judge_public(const ServerIdentity& server, const FileSeen& file) noexcept;
// The one of the two that is meant for it.
FileVerdict judge_file(bool is_key, const ServerIdentity& server, const FileSeen& file) noexcept;

}  // namespace pgcertd

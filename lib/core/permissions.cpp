#include "core/permissions.hpp"

#include <algorithm>

namespace pgcertd {
namespace {

// The kernel looks at one class only: owner, else group, else others (inode_permission).
mode_t bits_for(const ServerIdentity& server, const FileSeen& file) noexcept {
  if (server.uid == file.uid) return (file.mode >> 6U) & 7U;
  const bool member = server.gid == file.gid || std::find(server.groups.begin(), server.groups.end(), file.gid) != server.groups.end();
  return (member ? file.mode >> 3U : file.mode) & 7U;
}

}  // namespace

std::string_view file_name(FileRole role) noexcept {
  switch (role) {
    case FileRole::certificate: return "server.crt";
    case FileRole::key: return "server.key";
    case FileRole::root: return "root.crt";
    case FileRole::crl: return "root.crl";
  }
  return "server.crt";
}

std::string_view to_string(FileVerdict verdict) noexcept {
  switch (verdict) {
    case FileVerdict::ok: return "ok";
    case FileVerdict::missing: return "missing";
    case FileVerdict::not_regular: return "not a regular file";
    case FileVerdict::wrong_owner: return "owned by somebody else than the database user or root";
    case FileVerdict::group_or_world: return "open to group or world";
    case FileVerdict::unreadable: return "not readable by the server";
  }
  return "unreadable";
}

bool can_read(const ServerIdentity& server, const FileSeen& file) noexcept { return server.uid == 0 || (bits_for(server, file) & 4U) != 0; }

bool can_search(const ServerIdentity& server, const FileSeen& directory) noexcept { return server.uid == 0 || (bits_for(server, directory) & 1U) != 0; }

FileVerdict judge_key(const ServerIdentity& server, const FileSeen& key) noexcept {
  if (key.kind == FileSeen::Kind::missing) return FileVerdict::missing;
  if (key.kind != FileSeen::Kind::regular) return FileVerdict::not_regular;
  if (key.uid != server.uid && key.uid != 0) return FileVerdict::wrong_owner;
  // check_ssl_key_file_permissions: S_IRWXG | S_IRWXO for the server's own, S_IWGRP | S_IXGRP | S_IRWXO for root's.
  const mode_t forbidden = key.uid == server.uid ? 077 : 037;
  if ((key.mode & forbidden) != 0) return FileVerdict::group_or_world;
  return can_read(server, key) ? FileVerdict::ok : FileVerdict::unreadable;
}

FileVerdict judge_public(const ServerIdentity& server, const FileSeen& file) noexcept {
  if (file.kind == FileSeen::Kind::missing) return FileVerdict::missing;
  if (file.kind != FileSeen::Kind::regular) return FileVerdict::not_regular;
  return can_read(server, file) ? FileVerdict::ok : FileVerdict::unreadable;
}

FileVerdict judge_file(bool is_key, const ServerIdentity& server, const FileSeen& file) noexcept { return is_key ? judge_key(server, file) : judge_public(server, file); }

}  // namespace pgcertd

#include "core/file_judge.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pgcertd {
namespace {

constexpr std::string_view key_rule = "0600 at most, the server user's; or 0640 at most, root's with the server's group";
constexpr std::string_view public_rule = "a regular file that the server's user can read";
constexpr std::string_view directory_rule = "searchable by the server's user";

std::string actual_text(const FileSeen& file) {
  switch (file.kind) {
    case FileSeen::Kind::missing: return "missing";
    case FileSeen::Kind::other: return "neither a file nor a directory";
    case FileSeen::Kind::regular: case FileSeen::Kind::directory: break;
  }
  return fmt::format("{:04o} {}:{}", file.mode, file.uid, file.gid);
}

// For a shell: names of files are hostile, too.
std::string quoted(const std::string& path) {
  if (path.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == std::string::npos) return path;
  std::string out = "'";
  for (const char c : printable(path, 1000)) out += c == '\'' ? std::string{"'\\''"} : std::string(1, c);
  return out + "'";
}

std::string_view setting_of(FileRole role) {
  switch (role) {
    case FileRole::certificate: return "ssl_cert_file";
    case FileRole::key: return "ssl_key_file";
    case FileRole::root: return "ssl_ca_file";
    case FileRole::crl: return "ssl_crl_file";
  }
  return "ssl_cert_file";
}

struct Collected {
  const Observation& seen;
  std::vector<FileJudgement> out;

  void file(const FileSeen& file, FileRole role, bool ours) {
    const bool is_key = role == FileRole::key;
    const FileVerdict verdict = judge_file(is_key, seen.server.identity(), file);
    out.push_back({file.path, std::string{setting_of(role)}, file, ours, actual_text(file), std::string{is_key ? key_rule : public_rule}, verdict,
                   fix_command(is_key, seen.server.identity(), seen.server.server_user, file, verdict)});
  }
  void directories(const std::vector<FileSeen>& parents, bool ours) {
    for (const FileSeen& one : parents) {
      const bool known = std::any_of(out.begin(), out.end(), [&](const FileJudgement& j) { return j.path == one.path; });
      if (known || can_search(seen.server.identity(), one)) continue;
      out.push_back({one.path, {}, one, ours, actual_text(one), std::string{directory_rule}, FileVerdict::unreadable, "chmod a+x " + quoted(one.path)});
    }
  }
};

}  // namespace

std::string fix_command(bool is_key, const ServerIdentity& server, const std::string& user, const FileSeen& file, FileVerdict verdict) {
  const std::string path = quoted(file.path), owner = user.empty() ? std::to_string(server.uid) : user;
  switch (verdict) {
    case FileVerdict::ok: return {};
    case FileVerdict::missing: return "put the file there, or set the parameter to where it is";
    case FileVerdict::not_regular: return "replace it by a regular file";
    case FileVerdict::wrong_owner: return fmt::format("chown {} {} && chmod 0600 {}", owner, path, path);
    case FileVerdict::group_or_world: return file.uid == server.uid ? "chmod 0600 " + path : "chmod 0640 " + path;
    case FileVerdict::unreadable: break;
  }
  if (!is_key) return "chmod a+r " + path;
  return file.uid == server.uid ? "chmod 0600 " + path : fmt::format("chown {} {} && chmod 0600 {}", owner, path, path);
}

std::vector<FileJudgement> judge_tls_files(const Observation& seen) {
  if (!seen.server.user_known()) return {};
  Collected all{seen, {}};
  if (const GenerationSeen* current = seen.generations.live(); current != nullptr && seen.live.ours) {
    for (const FileSeen& file : current->files)
      for (const FileRole role : {FileRole::certificate, FileRole::key, FileRole::root, FileRole::crl})
        if (file.is(role)) all.file(file, role, true);
    all.directories(seen.generations.parents, true);
  }
  for (const LiveFileSeen& live : seen.live_files) {
    if (live.trouble.empty()) all.file(live.file, live.role, false);
    all.directories(live.parents, false);
  }
  return std::move(all.out);
}

}  // namespace pgcertd

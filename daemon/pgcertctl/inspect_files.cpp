#include "pgcertctl/inspect_files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "core/permissions.hpp"
#include "files/directory.hpp"
#include "pgcertctl/read_input.hpp"

namespace pgcertd::ctl {
namespace {

namespace fs = std::filesystem;

// In a directory, what is no TLS file is passed over: a data directory holds much else.
Result<std::vector<std::string>> files_in(const std::string& path) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator it(path, error), last; !error && it != last; it.increment(error)) {
    std::error_code ignored;  // a file that vanishes meanwhile is none
    if (it->is_regular_file(ignored) && it->file_size(ignored) <= largest_input) files.push_back(it->path().string());
  }
  if (error) return fail(errno_error("readdir", printable(path), error.value()));
  std::sort(files.begin(), files.end());
  return files;
}

// Whoever the server's user is: a key of root's is read through its group, any other by its owner alone.
ServerIdentity reader_of(const struct stat& key) {
  constexpr auto nobody = static_cast<uid_t>(-1);
  return {key.st_uid == 0 ? nobody : key.st_uid, key.st_gid, {}};
}

void judge_mode(Inspected& file) {
  struct stat seen {};
  if (!file.what.holds_private_key || file.what.kind == x509::Inspection::Kind::pkcs12 || ::stat(file.path.c_str(), &seen) != 0 || !S_ISREG(seen.st_mode)) return;
  const FileSeen key = files::file_seen(file.path, seen);
  if (judge_key(reader_of(seen), key) != FileVerdict::group_or_world) return;
  file.what.findings.push_back(fmt::format("its mode is {:04o}: PostgreSQL and libpq refuse a key that is open to group or world (0600, or 0640 at most where root owns it)", key.mode));
}

Result<Inspected> inspect_file(const std::string& path, TimePoint now, const Secret* passphrase) {
  PGCERTD_TRY(const std::string bytes, read_input(path));
  Inspected out{path == "-" ? "standard input" : path, x509::inspect(bytes, now, passphrase), {}};
  if (path != "-") judge_mode(out);
  return out;
}

Result<void> inspect_directory(const std::string& path, TimePoint now, const Secret* passphrase, std::vector<Inspected>& out) {
  PGCERTD_TRY(const auto files, files_in(path));
  const std::size_t before = out.size();
  for (const std::string& file : files) {
    PGCERTD_TRY(Inspected one, inspect_file(file, now, passphrase));
    if (one.what.kind != x509::Inspection::Kind::unknown) out.push_back(std::move(one));
  }
  if (out.size() != before) return {};
  return fail(Errc::not_found, fmt::format("no certificate, key, request or CRL lies in \"{}\"", printable(path)), "name the directory that the server's ssl_cert_file is in");
}

bool is_bare_key(const Inspected& file) { return !file.what.key_spki_sha256.empty() && file.what.certificates.empty(); }
bool is_certificate(const Inspected& file) { return !file.what.certificates.empty() && !file.what.holds_private_key; }

// server.key and server.crt are a pair by their names; two files that were named alone are one because nothing else can be meant.
const Inspected* certificate_for(const Inspected& key, const std::vector<Inspected>& files) {
  const fs::path path(key.path);
  const auto beside = [&](const Inspected& other) {
    const fs::path its(other.path);
    return is_certificate(other) && its.parent_path() == path.parent_path() && its.stem() == path.stem();
  };
  const auto by_name = std::find_if(files.begin(), files.end(), beside);
  if (by_name != files.end()) return &*by_name;
  const auto alone = std::find_if(files.begin(), files.end(), is_certificate);
  return files.size() == 2 && alone != files.end() ? &*alone : nullptr;
}

void judge_pairs(std::vector<Inspected>& files) {
  for (Inspected& key : files) {
    const Inspected* certificate = is_bare_key(key) ? certificate_for(key, files) : nullptr;
    if (certificate == nullptr) continue;
    key.certificate_path = certificate->path;
    if (certificate->what.certificates.front().spki_sha256 == key.what.key_spki_sha256) continue;
    key.what.findings.push_back(fmt::format("it does not belong to the certificate in \"{}\": PostgreSQL refuses the pair (key values mismatch)", printable(certificate->path, 4096)));
  }
}

}  // namespace

Result<std::vector<Inspected>> inspect_targets(const std::vector<std::string>& targets, TimePoint now, const Secret* passphrase) {
  std::vector<Inspected> out;
  for (const std::string& target : targets) {
    std::error_code ignored;  // what cannot be looked at fails when it is opened, with its reason
    if (target != "-" && fs::is_directory(target, ignored)) {
      PGCERTD_CHECK(inspect_directory(target, now, passphrase, out));
      continue;
    }
    PGCERTD_TRY(Inspected one, inspect_file(target, now, passphrase));
    out.push_back(std::move(one));
  }
  judge_pairs(out);
  return out;
}

}  // namespace pgcertd::ctl

#include "files/in_place.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "files/file_io.hpp"
#include "files/resolve.hpp"
#include "x509/certificate.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::files {
namespace {

constexpr std::string_view saved_suffix = ".pgcertd-saved";

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// By inode, so that a bind mount is the same place under another name.
bool is_or_lies_in(const Resolved& directory, const std::string& outer) {
  struct stat seen {};
  if (outer.empty() || ::stat(outer.c_str(), &seen) != 0) return false;
  if (same_file(directory.seen, seen)) return true;
  return std::any_of(directory.inside.begin(), directory.inside.end(), [&](const struct stat& one) { return same_file(one, seen); });
}

// Only what is a certificate or a key makes way for a link.
Result<void> check_content(const Directory& directory, const std::string& name, FileRole role) {
  const std::string path = directory.path_of(name);
  PGCERTD_TRY(const Secret bytes, read_secret(directory, name, role == FileRole::key ? key_limit : certificate_limit));
  const bool fits = role == FileRole::key ? x509::is_encrypted_key(bytes.view()) || x509::PrivateKey::parse(bytes.view(), path).has_value() : x509::parse_certificates(bytes.view(), path).has_value();
  if (fits) return {};
  return fail(Errc::refused, fmt::format("\"{}\" holds no {}, so it is not replaced", path, role == FileRole::key ? "private key" : "certificate"),
              "move it away, or name another file in the server's settings");
}

// A second name for what stands there; an older one is kept. The rename that follows takes the first name away.
Result<void> save(const Directory& directory, const std::string& name) {
  const std::string kept = name + std::string{saved_suffix};
  if (::linkat(directory.fd(), name.c_str(), directory.fd(), kept.c_str(), 0) != 0 && errno != EEXIST) return fail(errno_error("linkat", directory.path_of(kept), errno));
  return directory.sync();
}

Error needs_override(Error error, const std::string& directory) {
  if (error.code == Errc::permission || error.code == Errc::read_only)
    error.remedy = fmt::format("give the unit CAP_DAC_OVERRIDE and ReadWritePaths={} (OPERATING.md shows the drop-in), or set layout = \"managed\"", directory);
  return error;
}

}  // namespace

std::string InPlaceLinks::target(FileRole role) const { return fmt::format("{}/current/{}", places_.cluster_directory, file_name(role)); }

Result<InPlaceLinks::Place> InPlaceLinks::place(const std::string& path, const PostgresSeen& server) const {
  if (!path.starts_with('/') || path.ends_with('/') || path.rfind('/') == 0) return fail(Errc::refused, fmt::format("\"{}\" is no path of a file", path));
  PGCERTD_TRY(const Resolved directory, resolve(parent_of(path)));
  const auto holds = [&](const std::string& outer) { return is_or_lies_in(directory, outer); };
  if (std::any_of(places_.forbidden.begin(), places_.forbidden.end(), holds))
    return fail(Errc::refused, fmt::format("\"{}\" lies where pgcertd keeps keys", path));
  const bool named = std::any_of(places_.allowed_directories.begin(), places_.allowed_directories.end(), holds);
  const bool of_server = holds(server.data_directory) || holds(parent_of(server.config_file));
  // A superuser of the database may name any directory, but only one of the server's own user is the server's.
  const bool owned = server.user_known() && server.server_uid != 0 && directory.seen.st_uid == server.server_uid;
  if (!named && !(of_server && owned))
    return fail(Errc::refused, fmt::format("\"{}\" is outside of the server's data and configuration directories and of allowed_directories", path));
  if (!S_ISDIR(directory.seen.st_mode)) return fail(Errc::refused, fmt::format("\"{}\" is no directory", directory.path));
  PGCERTD_TRY(Directory open, Directory::same(directory.parent.get(), directory.name, directory.path, directory.seen));
  return Place{std::move(open), path.substr(path.rfind('/') + 1)};
}

Result<InPlacePath> InPlaceLinks::look(const Place& at, const std::string& path, FileRole role) const {
  PGCERTD_TRY(const auto seen, at.directory.status(at.name));
  InPlacePath out{path, InPlacePath::State::missing, {}};
  if (!seen) return out;
  out.modified = TimePoint{std::chrono::floor<Duration>(std::chrono::seconds{seen->st_mtim.tv_sec} + std::chrono::nanoseconds{seen->st_mtim.tv_nsec})};
  if (S_ISREG(seen->st_mode)) out.state = InPlacePath::State::file;
  else if (!S_ISLNK(seen->st_mode)) return fail(Errc::refused, fmt::format("\"{}\" is neither a file nor a link", path), "move it away");
  else {
    PGCERTD_TRY(const auto to, at.directory.link_target(at.name));
    const bool ours = seen->st_uid == 0 || seen->st_uid == ::geteuid();
    out.state = ours && to == target(role) ? InPlacePath::State::linked : InPlacePath::State::file;
  }
  return out;
}

Result<InPlaceSeen> InPlaceLinks::observe(const std::string& cert_path, const std::string& key_path, const PostgresSeen& server) {
  InPlaceSeen out;
  const auto refusal = [&](const Error& error) {
    out.refused = error.text();
    return error.code == Errc::refused;
  };
  const auto look_at = [&](const std::string& path, FileRole role) -> Result<InPlacePath> {
    PGCERTD_TRY(const Place at, place(path, server));
    return look(at, path, role);
  };
  auto cert = look_at(cert_path, FileRole::certificate);
  if (!cert) return refusal(cert.error()) ? Result<InPlaceSeen>(std::move(out)) : fail(std::move(cert).error());
  auto key = look_at(key_path, FileRole::key);
  if (!key) return refusal(key.error()) ? Result<InPlaceSeen>(std::move(out)) : fail(std::move(key).error());
  out.certificate = std::move(*cert), out.key = std::move(*key);
  return out;
}

Result<void> InPlaceLinks::link(const std::string& path, FileRole role, const PostgresSeen& server) {
  PGCERTD_TRY(const Place at, place(path, server));
  PGCERTD_TRY(const InPlacePath seen, look(at, path, role));
  if (seen.state == InPlacePath::State::linked) return {};
  PGCERTD_TRY(const auto status, at.directory.status(at.name));
  if (status && S_ISREG(status->st_mode)) PGCERTD_CHECK(check_content(at.directory, at.name, role));
  Result<void> done{};
  if (status) done = save(at.directory, at.name);
  if (done) done = at.directory.set_link(at.name, target(role));
  if (!done) return fail(needs_override(std::move(done).error(), at.directory.path()));
  return {};
}

Result<bool> InPlaceLinks::is_linked(const std::string& path, FileRole role, const PostgresSeen& server) const {
  PGCERTD_TRY(const Place at, place(path, server));
  PGCERTD_TRY(const auto to, at.directory.link_target(at.name));
  return to == target(role);
}

Result<void> InPlaceLinks::give_back(const std::string& path, FileRole role, const PostgresSeen& server) {
  PGCERTD_TRY(const Place at, place(path, server));
  PGCERTD_TRY(const auto to, at.directory.link_target(at.name));
  if (to != target(role)) return {};
  const std::string kept = at.name + std::string{saved_suffix};
  PGCERTD_TRY(const auto saved, at.directory.status(kept));
  if (saved) PGCERTD_CHECK(at.directory.rename(kept, at.name));
  else if (::unlinkat(at.directory.fd(), at.name.c_str(), 0) != 0) return fail(errno_error("unlinkat", at.directory.path_of(at.name), errno));
  return at.directory.sync();
}

}  // namespace pgcertd::files

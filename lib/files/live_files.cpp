#include "files/live_files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "files/file_io.hpp"
#include "files/manifest.hpp"
#include "x509/certificate.hpp"
#include "x509/known_certificates.hpp"
#include "x509/pem.hpp"
#include "x509/private_key.hpp"
#include "x509/verify.hpp"

namespace pgcertd::files {
namespace {

bool lies_in(const Resolved& file, const std::string& directory) {
  struct stat seen {};
  // By inode: a bind mount is the same place under another name. A directory that is not there holds nothing.
  if (directory.empty() || ::stat(directory.c_str(), &seen) != 0) return false;
  return std::any_of(file.inside.begin(), file.inside.end(), [&](const struct stat& one) { return same_file(one, seen); });
}

bool is_tls_file(std::string_view name) {
  for (const FileRole role : {FileRole::certificate, FileRole::key, FileRole::root, FileRole::crl})
    if (name == file_name(role)) return true;
  return false;
}

const FileSeen* first_closed(const ServerIdentity& server, const std::vector<FileSeen>& passed) {
  for (const FileSeen& directory : passed)
    if (!can_search(server, directory)) return &directory;
  return nullptr;
}

Result<void> check_way(const ServerIdentity& server, const Resolved& file) {
  if (const FileSeen* closed = first_closed(server, file.passed))
    return fail(Errc::permission,
                fmt::format("\"{}\": the server's user (uid {}) may not search \"{}\"", file.path, server.uid, closed->path));
  return {};
}

// We may read more than the server may: what it could not read is not read for it.
Result<void> check_readable(const ServerIdentity& server, const Resolved& file) {
  const FileVerdict verdict = judge_public(server, file_seen(file.path, file.seen));
  if (verdict == FileVerdict::not_regular) return fail(Errc::invalid, fmt::format("\"{}\" is no regular file", file.path));
  PGCERTD_CHECK(check_way(server, file));
  if (verdict != FileVerdict::ok) return fail(Errc::permission, fmt::format("\"{}\" is {}", file.path, to_string(verdict)));
  return {};
}

// Our parsers take DER, PostgreSQL does not: what it cannot load is not taken for a working pair.
Result<void> check_pem(const Secret& bytes, const std::string& path) {
  if (x509::looks_like_pem(bytes.view())) return {};
  return fail(Errc::parse, fmt::format("\"{}\" is not PEM, which is all that PostgreSQL reads", path), "convert it: openssl x509 or openssl pkey with -inform DER");
}

// A certificate file may hold a key, which nobody forbids.
Result<Secret> read_certificate_file(const Resolved& file) {
  PGCERTD_TRY(const UniqueFd fd, open_resolved(file));
  return read_all_secret(fd.get(), file.path, certificate_limit);
}

Result<std::vector<x509::Certificate>> read_chain(const Resolved& file) {
  PGCERTD_TRY(const Secret bytes, read_certificate_file(file));
  PGCERTD_CHECK(check_pem(bytes, file.path));
  return x509::known_certificates(bytes.view(), file.path);
}

Result<x509::PrivateKey> read_key(const Resolved& file) {
  PGCERTD_TRY(const UniqueFd fd, open_resolved(file));
  PGCERTD_TRY(const Secret bytes, read_all_secret(fd.get(), file.path, key_limit));
  PGCERTD_CHECK(check_pem(bytes, file.path));
  return x509::PrivateKey::parse(bytes.view(), file.path);
}

}  // namespace

bool LiveFileReader::through_current(const std::string& path, const Resolved& file) const {
  if (!is_tls_file(file.name) || path != places_.cluster_directory + "/current/" + file.name) return false;
  const auto cluster = resolve(places_.cluster_directory);
  if (!cluster) return false;
  const std::string generations = cluster->path + "/generations/";
  if (!file.path.starts_with(generations) || !file.path.ends_with("/" + file.name)) return false;
  const std::size_t rest = file.path.size() - generations.size();
  return rest > file.name.size() + 1 && is_generation_id(file.path.substr(generations.size(), rest - file.name.size() - 1));
}

Result<Resolved> LiveFileReader::locate(const std::string& path) const {
  PGCERTD_TRY(Resolved file, resolve(path));
  bool forbidden = lies_in(file, places_.state_directory);
  for (const std::string& directory : places_.ca_directories) forbidden = forbidden || lies_in(file, directory);
  if (forbidden && !through_current(path, file))
    return fail(Errc::refused,
                fmt::format("\"{}\" lies where pgcertd keeps keys: it is not read because a server's setting names it", path),
                "let the server's ssl_*_file settings name files of its own");
  return file;
}

Result<void> LiveFileReader::check_certificate(const std::string& path, const Resolved& file) const {
  const std::optional<ServerIdentity> server = server_ ? server_() : std::nullopt;
  return !server || through_current(path, file) ? Result<void>{} : check_readable(*server, file);
}

Result<ports::LiveFiles::Read> LiveFileReader::read_certificate(const std::string& cert_path, const std::string& key_path) {
  PGCERTD_TRY(const Resolved file, locate(cert_path));
  PGCERTD_CHECK(check_certificate(cert_path, file));
  PGCERTD_TRY(const Secret bytes, read_certificate_file(file));
  PGCERTD_TRY(const auto chain, x509::known_certificates(bytes.view(), file.path));
  Read out;
  out.chain_pem = x509::to_pem(chain);
  out.key_in_certificate_file = bytes.view().find("PRIVATE KEY-----") != std::string_view::npos;
  const auto key = locate(key_path);
  out.key_encrypted = key && encrypted(*key);
  out.through_current = key && through_current(cert_path, file) && through_current(key_path, *key);
  // Some hosts have a real certificate under that name.
  out.snakeoil = file.path == places_.snakeoil_certificate && chain.front().facts().self_issued;
  return out;
}

bool LiveFileReader::encrypted(const Resolved& key) const {
  if (!check_key(key)) return false;
  const auto fd = open_resolved(key);
  if (!fd) return false;
  const auto bytes = read_all_secret(fd->get(), key.path, key_limit);
  return bytes && x509::is_encrypted_key(bytes->view());
}

Result<PathSeen> LiveFileReader::look(const std::string& path) {
  auto file = locate(path);
  if (file) return PathSeen{file_seen(path, file->seen), std::move(file->passed)};
  if (file.error().code != Errc::not_found) return fail(file.error());
  PathSeen missing;
  missing.file.path = path;
  return missing;
}

Result<std::string> LiveFileReader::read_public(const std::string& path, const ServerIdentity& server) {
  PGCERTD_TRY(const Resolved file, locate(path));
  PGCERTD_CHECK(check_readable(server, file));
  PGCERTD_TRY(const UniqueFd fd, open_resolved(file));
  return read_all(fd.get(), file.path, crl_limit);
}

Result<std::vector<std::string>> LiveFileReader::list(const std::string& path, const ServerIdentity& server) {
  constexpr std::size_t most = 1000;
  PGCERTD_TRY(const Resolved found, locate(path));
  if (!S_ISDIR(found.seen.st_mode)) return fail(Errc::invalid, fmt::format("\"{}\" is no directory", found.path));
  PGCERTD_CHECK(check_way(server, found));
  if (!can_search(server, file_seen(found.path, found.seen))) return fail(Errc::permission, fmt::format("\"{}\" cannot be searched by the server's user", found.path));
  PGCERTD_TRY(const Directory directory, Directory::open(found.path));
  struct stat opened {};
  if (::fstat(directory.fd(), &opened) != 0 || !same_file(opened, found.seen)) return fail(Errc::busy, fmt::format("\"{}\" was replaced while it was opened", found.path));
  PGCERTD_TRY(std::vector<std::string> names, directory.names());
  if (names.size() > most) names.resize(most);
  return names;
}

// We may read more than the server may. Were a key of another service copied for it, its superuser would have that key.
Result<void> LiveFileReader::check_key(const Resolved& key) const {
  const FileSeen seen = file_seen(key.path, key.seen);
  if (seen.kind == FileSeen::Kind::regular && seen.links != 1)
    return fail(Errc::refused, fmt::format("private key \"{}\" has {} links", key.path, seen.links),
                "make it a file of its own: cp --remove-destination");
  const std::optional<ServerIdentity> server = server_ ? server_() : std::nullopt;
  if (!server) {
    if (key.seen.st_uid == ::geteuid()) return {};
    return fail(Errc::refused, fmt::format("private key \"{}\" is not read before the server's user is known", key.path),
                "set server_user in the cluster's configuration");
  }
  const FileVerdict verdict = judge_key(*server, seen);
  if (verdict != FileVerdict::ok)
    return fail(Errc::refused, fmt::format("private key \"{}\" is {}, so the server cannot use it", key.path, to_string(verdict)),
                "give it to the server's user with mode 0600");
  return check_way(*server, key);
}

Result<GenerationContent> LiveFileReader::read_pair(const std::string& cert_path, const std::string& key_path) {
  PGCERTD_TRY(const Resolved cert_file, locate(cert_path));
  PGCERTD_CHECK(check_certificate(cert_path, cert_file));
  PGCERTD_TRY(const Resolved key_file, locate(key_path));
  PGCERTD_TRY(const auto chain, read_chain(cert_file));
  PGCERTD_CHECK(check_key(key_file));
  PGCERTD_TRY(const x509::PrivateKey key, read_key(key_file));
  GenerationContent content;
  content.chain_pem = x509::to_pem(chain);
  content.key_pem = key.to_pem();
  content.origin = Origin::adopted;
  return content;
}

}  // namespace pgcertd::files

#include "files/generation_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "base/file_stamp.hpp"
#include "files/file_io.hpp"
#include "files/manifest.hpp"
#include "x509/certificate.hpp"
#include "x509/known_certificates.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::files {
namespace {

constexpr std::array roles{FileRole::certificate, FileRole::key, FileRole::root, FileRole::crl};
// A change within the clock tick of the first look leaves all stamps as they were; one within the second look's does not
// escape, for that comes later.
constexpr int looks_until_trusted = 2;
constexpr int disk_errors_until_damaged = 3;

bool same_or_both_missing(const std::optional<struct stat>& a, const std::optional<struct stat>& b) { return a && b ? same_stamp(*a, *b) : !a && !b; }

// One reading of one generation; the first thing that is wrong is what is told.
struct Reading {
  const Directory& directory;
  GenerationSeen& seen;
  std::optional<Manifest> manifest{};
  std::optional<Error> passing{};        // why something was not read that may be good

  void wrong(const Error& error) {
    if (is_passing(error) && !passing) passing = error;
    wrong(error.text());
  }
  void wrong(std::string why) {
    if (seen.incomplete_why.empty()) seen.incomplete_why = std::move(why);
  }
  void replaced(std::string why) {
    seen.changed = true;
    wrong(std::move(why));
  }
  [[nodiscard]] bool wants(FileRole role) const {
    return !manifest || role == FileRole::key || role == FileRole::certificate || manifest->sha256.contains(file_name_text(role));
  }
};

void read_manifest(Reading& r) {
  const std::string name{manifest_name};
  const auto text = read_file(r.directory, name, key_limit);
  if (!text) return text.error().code == Errc::not_found ? r.wrong("manifest.json is missing") : r.wrong(text.error());
  auto manifest = parse_manifest(*text, name);
  if (!manifest) return r.wrong(manifest.error().text());
  r.seen.number = manifest->number;
  r.seen.created = manifest->created;
  r.seen.origin = manifest->origin;
  r.manifest = std::move(*manifest);
}

void read_roots(Reading& r, const std::string& bytes) {
  const auto roots = x509::known_certificates(bytes, file_name(FileRole::root));
  if (!roots) return r.wrong(roots.error().text());
  for (const x509::Certificate& root : *roots) r.seen.roots.push_back(root.facts());
}

void read_crls(Reading& r, const std::string& bytes) {
  const auto crls = x509::parse_crls(bytes, file_name(FileRole::crl));
  if (!crls) return r.wrong(crls.error().text());
  for (const x509::Crl& crl : *crls) r.seen.crls.push_back(crl.facts());
}

void read_public(Reading& r, FileRole role, const FileSeen& file) {
  const std::string name = file_name_text(role);
  if (file.kind != FileSeen::Kind::regular) return r.wrong(fmt::format("{} is no regular file", name));
  const auto bytes = read_file(r.directory, name, role == FileRole::crl ? crl_limit : certificate_limit);
  if (!bytes) return r.wrong(bytes.error());
  if (r.manifest && r.manifest->sha256.at(name) != sha256_hex(*bytes)) r.replaced(fmt::format("{} is not as it was written", name));
  if (role == FileRole::root) return read_roots(r, *bytes);
  if (role == FileRole::crl) return read_crls(r, *bytes);
  const auto chain = x509::known_certificates(*bytes, name);
  if (!chain) return r.wrong(chain.error().text());
  for (const x509::Certificate& certificate : *chain) r.seen.chain.push_back(certificate.facts());
}

void read_key(Reading& r, const FileSeen& file) {
  const std::string name = file_name_text(FileRole::key);
  if (file.kind != FileSeen::Kind::regular) return r.wrong(fmt::format("{} is no regular file", name));
  if (file.links != 1) r.wrong(fmt::format("{} has {} links: the key is reachable elsewhere, too", name, file.links));
  const auto bytes = read_secret(r.directory, name, key_limit);
  if (!bytes) {
    r.seen.key_denied = bytes.error().code == Errc::permission;
    return r.wrong(bytes.error());
  }
  const auto spki = x509::known_spki_sha256(bytes->view(), name);
  if (!spki) return r.wrong(spki.error().text());
  r.seen.key_spki_sha256 = *spki;
  if (r.manifest && r.manifest->key_spki_sha256 != *spki) r.replaced(fmt::format("{} is another key than it was", name));
}

struct Contents {
  GenerationSeen seen;
  std::optional<Error> passing;
};

Contents read_contents(const Directory& directory, const std::string& id, const std::optional<struct stat>* stamps) {
  GenerationSeen seen;
  seen.id = id;
  Reading r{directory, seen};
  read_manifest(r);
  for (std::size_t i = 0; i < roles.size(); ++i) {
    const FileRole role = roles[i];
    const FileSeen file = file_seen(directory.path_of(file_name_text(role)), stamps[i]);
    const bool missing = file.kind == FileSeen::Kind::missing;
    if (!r.wants(role) || (!r.manifest && missing)) continue;
    seen.files.push_back(file);
    if (missing) r.wrong(fmt::format("{} is missing", file_name(role)));
    else if (role == FileRole::key) read_key(r, file);
    else read_public(r, role, file);
  }
  seen.complete = r.manifest && seen.incomplete_why.empty();
  return {std::move(seen), std::move(r.passing)};
}

GenerationSeen damaged(const std::string& id, const Error& error) {
  GenerationSeen unknown;
  unknown.id = id;
  unknown.incomplete_why = error.text();
  return unknown;
}

}  // namespace

// A disk that fails again and again has lost it; a shortage of the host never says so.
Result<GenerationSeen> GenerationReader::not_read(const std::string& id, const Error& error) {
  known_.erase(id);
  if (is_passing(error) && (error.sys_errno != EIO || ++disk_errors_[id] < disk_errors_until_damaged)) return fail(error);
  return damaged(id, error);
}

Result<GenerationSeen> GenerationReader::read(const Directory& generations, const std::string& id) {
  Stamps stamps{};
  const auto directory = generations.child(id);
  if (!directory) return not_read(id, directory.error());
  for (std::size_t i = 0; i < stamps.size(); ++i) {
    auto stamp = directory->status(i < roles.size() ? file_name_text(roles[i]) : std::string{manifest_name});
    if (!stamp) return not_read(id, stamp.error());
    stamps[i] = *stamp;
  }
  Known& known = known_[id];
  const bool unchanged = known.looks > 0 && std::equal(stamps.begin(), stamps.end(), known.stamps.begin(), same_or_both_missing);
  if (unchanged && known.looks >= looks_until_trusted) return known.seen;
  ++contents_read_;
  Contents contents = read_contents(*directory, id, stamps.data());
  if (contents.passing) {
    const auto lost = not_read(id, *contents.passing);
    return lost ? Result<GenerationSeen>(std::move(contents.seen)) : lost;
  }
  disk_errors_.erase(id);
  known = {stamps, std::move(contents.seen), unchanged ? known.looks + 1 : 1};
  return known.seen;
}

void GenerationReader::keep_only(const std::vector<std::string>& sorted_ids) {
  const auto gone = [&](const auto& entry) { return !std::binary_search(sorted_ids.begin(), sorted_ids.end(), entry.first); };
  std::erase_if(known_, gone);
  std::erase_if(disk_errors_, gone);
}

}  // namespace pgcertd::files

#include "files/generation_store.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "files/file_io.hpp"
#include "files/manifest.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::files {
namespace {

constexpr std::string_view temporary_prefix = ".tmp-";
constexpr std::string_view link_prefix = "generations/";
constexpr mode_t public_mode = 0644;      // the directory above keeps everybody but the server out
const std::string current_name = "current";
const std::string way_back_name = "way-back";

Result<void> check_id(const std::string& id) {
  if (is_generation_id(id)) return {};
  return fail(Errc::invalid, fmt::format("\"{}\" is no generation's id", id));
}

Result<void> check_server(const ServerIdentity& server) {
  if (server.uid != static_cast<uid_t>(-1) && server.gid != static_cast<gid_t>(-1)) return {};
  return fail(Errc::invalid, "the server's user is not known", "set server_user in the cluster's configuration");
}

// Empty for anything but a link to one of our generations.
Result<std::string> linked_id(const Directory& cluster, const std::string& name) {
  PGCERTD_TRY(const auto target, cluster.link_target(name));
  if (!target || !target->starts_with(link_prefix)) return std::string{};
  std::string id = target->substr(link_prefix.size());
  return is_generation_id(id) ? id : std::string{};
}

// What a crash left behind. It is not live and nobody waits for it: a failure is tried again at the next look.
void sweep(const Directory& generations, const std::vector<std::string>& names) {
  for (const std::string& name : names)
    if (name.starts_with(temporary_prefix)) (void)remove_directory(generations, name, file_name_text(FileRole::key));
}

// Both as the path is written and as it resolves: the server passes through all of them.
std::vector<FileSeen> directories_down_to(const std::string& path) {
  std::vector<std::string> paths{path};
  if (const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
      real && path != real.get())
    paths.emplace_back(real.get());
  std::vector<FileSeen> out;
  for (const std::string& one : paths)
    for (std::size_t end = 1; end != std::string::npos;
         end = end >= one.size() ? std::string::npos : std::min(one.find('/', end + 1), one.size())) {
      const std::string prefix = one.substr(0, end);
      if (std::any_of(out.begin(), out.end(), [&](const FileSeen& seen) { return seen.path == prefix; })) continue;
      struct stat seen {};
      out.push_back(file_seen(prefix, ::stat(prefix.c_str(), &seen) == 0 ? std::optional{seen} : std::nullopt));
    }
  return out;
}

Result<void> write_public(const Directory& directory, FileRole role, const std::string& pem, Manifest& manifest) {
  if (pem.empty()) return {};
  manifest.sha256[file_name_text(role)] = sha256_hex(pem);
  return write_new_file(directory, file_name_text(role), pem, {.mode = public_mode});
}

Result<void> write_generation(const Directory& generations, const std::string& name, const GenerationContent& content,
                              Manifest manifest, const ServerIdentity& server) {
  PGCERTD_TRY(const Directory directory, generations.new_child(name));
  PGCERTD_CHECK(write_new_file(directory, file_name_text(FileRole::key), content.key_pem.view(), {.owner = server}));
  PGCERTD_CHECK(write_public(directory, FileRole::certificate, content.chain_pem, manifest));
  PGCERTD_CHECK(write_public(directory, FileRole::root, content.root_pem, manifest));
  PGCERTD_CHECK(write_public(directory, FileRole::crl, content.crl_pem, manifest));
  PGCERTD_CHECK(write_new_file(directory, std::string{manifest_name}, to_json(manifest), {.mode = public_mode}));
  PGCERTD_CHECK(directory.open_to_group(server));
  return directory.sync();
}

// A published generation must be able to start the server: whole on disk, whatever else is said of it.
Result<void> check_publishable(const Directory& generations, const std::string& id) {
  PGCERTD_CHECK(check_id(id));
  PGCERTD_TRY(const Directory directory, generations.child(id));
  for (const std::string& name : {std::string{manifest_name}, file_name_text(FileRole::certificate), file_name_text(FileRole::key)}) {
    PGCERTD_TRY(const auto seen, directory.status(name));
    if (!seen || !S_ISREG(seen->st_mode)) return fail(Errc::not_found, fmt::format("generation {} has no {}", id, name));
  }
  return {};
}

Result<std::string> read_if_there(const Directory& directory, FileRole role, std::size_t limit) {
  auto bytes = read_file(directory, file_name_text(role), limit);
  if (!bytes && bytes.error().code == Errc::not_found) return std::string{};
  return bytes;
}

Result<void> repair_file(const Directory& directory, FileRole role, const ServerIdentity& server) {
  const std::string name = file_name_text(role), path = directory.path_of(name);
  PGCERTD_TRY(const UniqueFd handle, directory.open_file(name, O_PATH));
  struct stat seen {};
  if (::fstat(handle.get(), &seen) != 0) return fail(errno_error("fstat", path, errno));
  if (!S_ISREG(seen.st_mode) || seen.st_nlink != 1)
    return fail(Errc::refused, fmt::format("\"{}\" is no regular file with one link: its owner and mode are left alone", path),
                "look at what stands there, then ask for a new generation: pgcertctl rotate CLUSTER --force");
  const bool key = role == FileRole::key;
  const mode_t mode = key ? 0600 : public_mode;
  const uid_t owner = key ? server.uid : ::geteuid();
  const gid_t group = key && owner != ::geteuid() ? server.gid : seen.st_gid;
  // The mode first: at no moment may it be open under the new owner.
  if ((seen.st_mode & 07777) != mode) PGCERTD_CHECK(set_mode(handle.get(), mode, path));
  if ((seen.st_uid != owner || seen.st_gid != group) && ::fchownat(handle.get(), "", owner, group, AT_EMPTY_PATH) != 0)
    return fail(needs_chown(errno_error("fchownat", path, errno)));
  // Where we may not read it, the change reaches the disk a little later; the next look repairs what a power cut undid.
  if (const auto fd = directory.open_file(name, O_RDONLY | O_NONBLOCK); fd && ::fsync(fd->get()) != 0)
    return fail(errno_error("fsync", path, errno));
  return {};
}

}  // namespace

GenerationStore::GenerationStore(const std::string& state_directory, std::string cluster_name, ports::Random& random, Access access)
    : state_directory_(state_directory),
      cluster_name_(std::move(cluster_name)),
      directory_(state_directory + "/clusters/" + cluster_name_),
      random_(random),
      access_(access) {}

Result<GenerationStore::Places> GenerationStore::places() const {
  const auto below = [this](const Directory& directory, const std::string& name, mode_t mode) { return access_ == Access::looks ? directory.child(name) : directory.child_made(name, mode); };
  PGCERTD_TRY(const Directory state, Directory::open(state_directory_));
  PGCERTD_TRY(const Directory clusters, below(state, "clusters", 0711));
  PGCERTD_TRY(Directory cluster, below(clusters, cluster_name_, 0750));
  PGCERTD_TRY(Directory generations, below(cluster, "generations", 0750));
  return Places{std::move(cluster), std::move(generations)};
}

Result<GenerationsSeen> GenerationStore::observe() {
  GenerationsSeen seen;
  seen.directory = directory_;
  const auto at = places();
  if (!at && access_ == Access::looks && at.error().code == Errc::not_found) return seen;
  if (!at) return fail(Error(at.error()));
  return observe(*at, std::move(seen));
}

Result<GenerationsSeen> GenerationStore::observe(const Places& at, GenerationsSeen seen) {
  PGCERTD_TRY(std::vector<std::string> ids, at.generations.names());
  if (access_ == Access::keeps) sweep(at.generations, ids);
  PGCERTD_TRY(seen.current, linked_id(at.cluster, current_name));
  PGCERTD_TRY(seen.way_back, linked_id(at.cluster, way_back_name));
  std::erase_if(ids, [](const std::string& name) { return !is_generation_id(name); });
  seen.all.reserve(ids.size());
  for (const std::string& id : ids) {
    PGCERTD_TRY(GenerationSeen generation, reader_.read(at.generations, id));
    seen.all.push_back(std::move(generation));
  }
  reader_.keep_only(ids);
  // Numbers count up; ids alone would follow a clock that was set back.
  std::stable_sort(seen.all.begin(), seen.all.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  seen.parents = directories_down_to(at.generations.path());
  return seen;
}

Result<std::string> GenerationStore::fresh_id(const Directory& generations, TimePoint now) {
  constexpr int tries = 8;
  constexpr std::size_t random_bytes = 4;
  for (int i = 0; i < tries; ++i) {
    std::string id = to_compact_utc(now) + "-" + random_.hex(random_bytes);
    PGCERTD_TRY(const auto taken, generations.status(id));
    if (!taken) return id;
  }
  return fail(Errc::exists, fmt::format("no free name for a generation in \"{}\"", generations.path()));
}

Result<std::string> GenerationStore::stage(const GenerationContent& content, std::uint64_t number, const ServerIdentity& server,
                                           TimePoint now) {
  PGCERTD_CHECK(check_server(server));
  if (content.chain_pem.empty()) return fail(Errc::invalid, "a generation without a certificate");
  PGCERTD_TRY(std::string spki, x509::known_spki_sha256(content.key_pem.view(), file_name(FileRole::key)));
  PGCERTD_TRY(const Places at, places());
  if (const auto names = at.generations.names()) sweep(at.generations, *names);
  PGCERTD_CHECK(at.cluster.open_to_group(server));
  PGCERTD_CHECK(at.generations.open_to_group(server));
  PGCERTD_TRY(std::string id, fresh_id(at.generations, now));
  const std::string temporary = std::string{temporary_prefix} + id;
  const Manifest manifest{
      .origin = content.origin, .number = number, .created = now, .sha256 = {}, .key_spki_sha256 = std::move(spki)};
  Result<void> done = write_generation(at.generations, temporary, content, manifest, server);
  if (done) done = at.generations.rename(temporary, id);
  if (done) done = at.generations.sync();
  if (!done) {
    // The failure is what is told; what cannot be removed now is swept at the next look.
    (void)remove_directory(at.generations, temporary, file_name_text(FileRole::key));
    (void)remove_directory(at.generations, id, file_name_text(FileRole::key));
    return fail(std::move(done).error());
  }
  return id;
}

Result<void> GenerationStore::prepare_way_back(const std::string& id) {
  PGCERTD_TRY(const Places at, places());
  PGCERTD_CHECK(check_publishable(at.generations, id));
  return at.cluster.set_link(way_back_name, std::string{link_prefix} + id);
}

Result<void> GenerationStore::publish(const std::string& id) {
  PGCERTD_TRY(const Places at, places());
  PGCERTD_CHECK(check_publishable(at.generations, id));
  return at.cluster.set_link(current_name, std::string{link_prefix} + id);
}

Result<void> GenerationStore::publish_way_back() {
  PGCERTD_TRY(const Places at, places());
  PGCERTD_TRY(const std::string id, linked_id(at.cluster, way_back_name));
  if (id.empty())
    return fail(Errc::not_found, fmt::format("\"{}\": no way back was made ready", at.cluster.path_of(way_back_name)));
  PGCERTD_CHECK(check_publishable(at.generations, id));
  PGCERTD_CHECK(at.cluster.rename(way_back_name, current_name));
  return at.cluster.sync();
}

Result<GenerationContent> GenerationStore::load(const std::string& id) {
  PGCERTD_CHECK(check_id(id));
  PGCERTD_TRY(const Places at, places());
  PGCERTD_TRY(const Directory directory, at.generations.child(id));
  GenerationContent content;
  PGCERTD_TRY(content.chain_pem, read_file(directory, file_name_text(FileRole::certificate), certificate_limit));
  PGCERTD_TRY(content.key_pem, read_secret(directory, file_name_text(FileRole::key), key_limit));
  PGCERTD_TRY(content.root_pem, read_if_there(directory, FileRole::root, certificate_limit));
  PGCERTD_TRY(content.crl_pem, read_if_there(directory, FileRole::crl, crl_limit));
  // Without a manifest it is as good as one that was issued; observe() says that it is missing.
  const auto text = read_file(directory, std::string{manifest_name}, key_limit);
  if (const auto manifest = text ? parse_manifest(*text, manifest_name) : Result<Manifest>(fail(text.error())))
    content.origin = manifest->origin;
  return content;
}

Result<void> GenerationStore::remove(const std::string& id) {
  PGCERTD_CHECK(check_id(id));
  PGCERTD_TRY(const Places at, places());
  PGCERTD_TRY(const std::string current, linked_id(at.cluster, current_name));
  if (id == current) return fail(Errc::refused, fmt::format("generation {} is current and stays", id));
  PGCERTD_TRY(const std::string way_back, linked_id(at.cluster, way_back_name));
  if (id == way_back && ::unlinkat(at.cluster.fd(), way_back_name.c_str(), 0) != 0 && errno != ENOENT)
    return fail(errno_error("unlinkat", at.cluster.path_of(way_back_name), errno));
  return remove_directory(at.generations, id, file_name_text(FileRole::key));
}

Result<void> GenerationStore::repair(const std::string& id, FileRole role, const ServerIdentity& server) {
  PGCERTD_CHECK(check_id(id));
  PGCERTD_CHECK(check_server(server));
  PGCERTD_TRY(const Places at, places());
  PGCERTD_TRY(const Directory directory, at.generations.child(id));
  PGCERTD_CHECK(repair_file(directory, role, server));
  for (const Directory* parent : {&directory, &at.generations, &at.cluster}) PGCERTD_CHECK(parent->open_to_group(server));
  return {};
}

}  // namespace pgcertd::files

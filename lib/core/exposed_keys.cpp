#include "core/exposed_keys.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pgcertd {
namespace {

// A key of root's may be read by the server's group.
bool exposed(const FileSeen& file) {
  if (file.kind != FileSeen::Kind::regular) return false;
  return (file.mode & 0004U) != 0 || ((file.mode & 0040U) != 0 && file.uid != 0);
}

std::string spki_of(const std::vector<CertFacts>& chain) { return chain.empty() ? std::string{} : chain.front().spki_sha256; }

// One that may not be read is taken for that of its certificate.
std::string spki_of(const GenerationSeen& generation) { return generation.key_spki_sha256.empty() ? spki_of(generation.chain) : generation.key_spki_sha256; }

std::string spki_in_use(const Observation& seen) {
  const GenerationSeen* current = seen.generations.live();
  return seen.live.ours && current != nullptr ? spki_of(*current) : spki_of(seen.live.chain);
}

// As it is named while it is exposed: the same problem goes on.
std::string path_in_use(const Observation& seen) {
  const GenerationSeen* current = seen.generations.live();
  if (!seen.live.ours || current == nullptr) return seen.live.key_path;
  const auto key = std::ranges::find_if(current->files, [](const FileSeen& file) { return file.is(FileRole::key); });
  return key == current->files.end() ? seen.live.key_path : key->path;
}

bool in_some_place(const Observation& seen, const std::string& spki) {
  return spki == spki_in_use(seen) || std::ranges::any_of(seen.generations.all, [&](const GenerationSeen& one) { return spki_of(one) == spki; });
}

void note(ClusterMemory& memory, const std::string& spki, const FileSeen& file, TimePoint now) {
  if (spki.empty() || std::ranges::find(memory.exposed_keys, spki, &ExposedKey::spki_sha256) != memory.exposed_keys.end()) return;
  memory.exposed_keys.push_back({spki, fmt::format("{:04o} {}:{}", file.mode, file.uid, file.gid), now});
}

}  // namespace

void note_exposed_keys(ClusterMemory& memory, const Observation& seen, TimePoint now) {
  for (const GenerationSeen& generation : seen.generations.all)
    for (const FileSeen& file : generation.files)
      if (file.is(FileRole::key) && exposed(file)) note(memory, spki_of(generation), file, now);
  for (const LiveFileSeen& live : seen.live_files) {
    const bool holds_key = live.role == FileRole::key || (live.role == FileRole::certificate && seen.tls_files.key_in_certificate_file);
    if (holds_key && live.trouble.empty() && exposed(live.file)) note(memory, spki_of(seen.live.chain), live.file, now);
  }
  const bool all_seen = !seen.blind && seen.server.known && (seen.live.ours || seen.live.readable);
  if (all_seen) std::erase_if(memory.exposed_keys, [&](const ExposedKey& one) { return !in_some_place(seen, one.spki_sha256); });
}

std::optional<Finding> judge_exposed_key(const Desired& desired, const Observation& seen) {
  const auto& known = seen.memory.exposed_keys;
  const auto found = std::ranges::find(known, spki_in_use(seen), &ExposedKey::spki_sha256);
  if (found == known.end()) return std::nullopt;
  return finding(ProblemCode::key_exposed,
                 fmt::format("the key in use could be read by others at {} (mode, owner:group {}): whoever read it has it still", to_rfc3339(found->at), printable(found->found)),
                 fmt::format("pgcertctl rotate {} --force", desired.cluster.name), path_in_use(seen));
}

}  // namespace pgcertd

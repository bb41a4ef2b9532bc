#include "files/own_pair.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "files/file_io.hpp"

namespace pgcertd::files {
namespace {

const std::string pair_name = "listener.pem";
const std::string pair_fresh = "listener.pem.new";
constexpr std::string_view certificate_begin = "-----BEGIN CERTIFICATE-----";

Result<void> clear_leftover(const Directory& directory) {
  if (::unlinkat(directory.fd(), pair_fresh.c_str(), 0) != 0 && errno != ENOENT) return fail(errno_error("unlinkat", directory.path_of(pair_fresh), errno));
  return {};
}

// The key that is no longer in use must not lie on the disk for whoever reads it block by block.
Result<void> wipe_old(const Result<UniqueFd>& old, const std::string& path) {
  if (!old) return {};
  return overwrite(old->get(), path);
}

}  // namespace

std::string OwnPair::path() const { return state_directory_ + "/http/" + pair_name; }

Result<Directory> OwnPair::directory() const {
  PGCERTD_TRY(const Directory state, Directory::open(state_directory_));
  return state.child_made("http", 0700);
}

Result<std::optional<ports::OwnPair::Pair>> OwnPair::read() {
  PGCERTD_TRY(const Directory at, directory());
  auto bytes = read_secret(at, pair_name, key_limit);
  if (!bytes) return bytes.error().code == Errc::not_found ? Result<std::optional<Pair>>{std::nullopt} : fail(std::move(bytes).error());
  const std::size_t begin = std::min(bytes->view().find(certificate_begin), bytes->size());
  Pair pair{std::string(bytes->view().substr(begin)), Secret(bytes->view().substr(0, begin))};
  return std::optional(std::move(pair));
}

Result<void> OwnPair::write(const std::string& chain_pem, const Secret& key_pem) {
  PGCERTD_TRY(const Directory at, directory());
  PGCERTD_CHECK(clear_leftover(at));
  Secret bytes = Secret::with_size(key_pem.size() + chain_pem.size());
  std::memcpy(bytes.data(), key_pem.view().data(), key_pem.size());
  std::memcpy(bytes.data() + key_pem.size(), chain_pem.data(), chain_pem.size());
  const auto old = at.open_file(pair_name, O_WRONLY | O_NONBLOCK);
  Result<void> done = write_new_file(at, pair_fresh, bytes.view(), {});
  if (done) done = at.rename(pair_fresh, pair_name);
  if (!done) {
    (void)clear_leftover(at);   // the failure itself is what is told
    return done;
  }
  PGCERTD_CHECK(at.sync());
  return within(wipe_old(old, path()), "the former key was replaced, but not overwritten");
}

}  // namespace pgcertd::files

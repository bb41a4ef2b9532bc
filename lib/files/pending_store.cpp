#include "files/pending_store.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

#include "files/file_io.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::files {
namespace {

using nlohmann::json;

const std::string key_name = "key.pem";
const std::string request_name = "request.pem";
const std::string meta_name = "meta.json";
constexpr std::size_t spki_digits = 64;
// A cluster's name has no dot: each worker sweeps what it left itself.
std::string waiting_prefix(const std::string& cluster) { return ".tmp-" + cluster + "."; }
constexpr std::string_view gone_prefix = ".gone-";

bool is_spki(std::string_view name) {
  return name.size() == spki_digits && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<void> check_spki(const std::string& name) {
  if (is_spki(name)) return {};
  return fail(Errc::invalid, fmt::format("\"{}\" is no SHA-256 of a public key", name));
}

std::string to_json(const PendingSeen& request) {
  const json top{{"format", 1},
                 {"cluster", request.cluster},
                 {"spki_sha256", request.spki_sha256},
                 {"created", to_rfc3339(request.created)},
                 {"key_type", to_string(request.key_type)},
                 {"names", {{"dns", request.names.dns}, {"ip", request.names.ip}}}};
  return top.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::optional<PendingSeen> parse_meta(const std::string& text) {
  try {
    const json top = json::parse(text);
    const auto created = parse_rfc3339(top.at("created").get<std::string>());
    if (top.at("format").get<int>() != 1 || !created) return std::nullopt;
    PendingSeen seen;
    seen.cluster = top.at("cluster").get<std::string>();
    seen.spki_sha256 = top.at("spki_sha256").get<std::string>();
    seen.created = *created;
    seen.key_type = parse_key_type(top.at("key_type").get<std::string>()).value_or(KeyType::other);
    seen.names.dns = top.at("names").at("dns").get<std::vector<std::string>>();
    seen.names.ip = top.at("names").at("ip").get<std::vector<std::string>>();
    return seen;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

Result<void> write_entry(const Directory& pending, const std::string& name, const PendingSeen& request, const Secret& key_pem) {
  PGCERTD_TRY(const Directory directory, pending.new_child(name));
  PGCERTD_CHECK(write_new_file(directory, key_name, key_pem.view(), {}));
  PGCERTD_CHECK(write_new_file(directory, request_name, request.request_pem, {}));
  PGCERTD_CHECK(write_new_file(directory, meta_name, to_json(request), {}));
  return directory.sync();
}

// The entry's name is taken away first, and durably: a removal that is cut short, by the power too, leaves no entry without its key.
Result<void> retire(const Directory& pending, const std::string& spki) {
  const std::string gone = std::string{gone_prefix} + spki;
  if (auto renamed = pending.rename(spki, gone); !renamed && renamed.error().code != Errc::not_found) return renamed;
  PGCERTD_CHECK(pending.sync());
  return remove_directory(pending, gone, key_name);
}

// A crash's leftovers. They are in nobody's way: a failure is tried again at the next look.
void sweep(const Directory& pending, const std::string& cluster) {
  const auto names = pending.names();
  if (!names) return;
  for (const std::string& name : *names)
    if (name.starts_with(gone_prefix) || name.starts_with(waiting_prefix(cluster)))
      (void)remove_directory(pending, name, key_name);
}

// None for another cluster's entry, and for one whose meta.json says nothing: nobody can tell whose it is.
Result<std::optional<PendingSeen>> read_entry(const Directory& pending, const std::string& spki, const std::string& cluster) {
  const auto directory = pending.child(spki);
  const auto meta = directory ? read_file(*directory, meta_name, key_limit) : Result<std::string>(fail(directory.error()));
  if (!meta) {
    const bool vanished = meta.error().code == Errc::not_found || meta.error().code == Errc::invalid;
    return vanished ? Result<std::optional<PendingSeen>>{std::nullopt} : fail(meta.error());
  }
  auto seen = parse_meta(*meta);
  if (!seen || seen->cluster != cluster || seen->spki_sha256 != spki) return std::optional<PendingSeen>{};
  PGCERTD_TRY(const auto key, directory->status(key_name));
  auto request = read_file(*directory, request_name, key_limit);
  if (!request && request.error().code != Errc::not_found && request.error().code != Errc::invalid)
    return fail(std::move(request).error());
  if (!key || !S_ISREG(key->st_mode) || key->st_size == 0 || !request || request->empty()) {
    (void)retire(pending, spki);      // of no use either way
    return std::optional<PendingSeen>{};
  }
  seen->request_pem = std::move(*request);
  return seen;
}

}  // namespace

Result<Directory> PendingStore::pending() const {
  PGCERTD_TRY(const Directory state, Directory::open(state_directory_));
  return state.child_made("pending", 0700);
}

Result<std::vector<PendingSeen>> PendingStore::list(const std::string& cluster) {
  PGCERTD_TRY(const Directory directory, pending());
  sweep(directory, cluster);
  PGCERTD_TRY(const auto names, directory.names());
  std::vector<PendingSeen> out;
  for (const std::string& name : names) {
    if (!is_spki(name)) continue;
    PGCERTD_TRY(auto seen, read_entry(directory, name, cluster));
    if (seen) out.push_back(std::move(*seen));
  }
  std::stable_sort(out.begin(), out.end(), [](const PendingSeen& a, const PendingSeen& b) { return a.created < b.created; });
  return out;
}

Result<void> PendingStore::put(const PendingSeen& request, const Secret& key_pem) {
  PGCERTD_CHECK(check_spki(request.spki_sha256));
  PGCERTD_TRY(const std::string spki, x509::known_spki_sha256(key_pem.view(), key_name));
  if (spki != request.spki_sha256)
    return fail(Errc::invalid, fmt::format("the key is not that of request {}", request.spki_sha256));
  std::optional<Secret> encrypted;
  if (passphrase_of_) {
    PGCERTD_TRY(const Secret passphrase, passphrase_of_());
    PGCERTD_TRY(const x509::PrivateKey key, x509::PrivateKey::parse(key_pem.view(), key_name));
    PGCERTD_TRY(Secret pem, key.to_encrypted_pem(passphrase));
    encrypted.emplace(std::move(pem));
  }
  PGCERTD_TRY(const Directory directory, pending());
  sweep(directory, request.cluster);
  const std::string temporary = waiting_prefix(request.cluster) + request.spki_sha256;
  Result<void> done = write_entry(directory, temporary, request, encrypted ? *encrypted : key_pem);
  if (done) done = directory.rename(temporary, request.spki_sha256);
  if (done) done = directory.sync();
  // The failure is what is told; what cannot be removed now is swept at the next look.
  if (!done) (void)remove_directory(directory, temporary, key_name);
  return done;
}

Result<Secret> PendingStore::key(const std::string& spki_sha256) {
  PGCERTD_CHECK(check_spki(spki_sha256));
  PGCERTD_TRY(const Directory directory, pending());
  PGCERTD_TRY(const Directory entry, directory.child(spki_sha256));
  PGCERTD_TRY(Secret pem, read_secret(entry, key_name, key_limit));
  if (!x509::is_encrypted_key(pem.view())) return pem;
  if (!passphrase_of_)
    return fail(Errc::refused, fmt::format("the key of request {} is encrypted, and no passphrase is configured", spki_sha256.substr(0, 16)), "set passphrase in the issuer's section, as it was when the request was made");
  PGCERTD_TRY(const Secret passphrase, passphrase_of_());
  PGCERTD_TRY(const auto key, x509::PrivateKey::parse(pem.view(), fmt::format("the key of request {}", spki_sha256.substr(0, 16)), &passphrase));
  return key.to_pem();
}

bool PendingStore::holds(const std::string& spki_sha256) const {
  if (!is_spki(spki_sha256)) return false;
  const auto directory = pending();
  if (!directory) return true;                         // it cannot be told; a request is not given up for that
  const auto entry = directory->child(spki_sha256);
  return entry.has_value() || entry.error().code != Errc::not_found;
}

Result<void> PendingStore::remove(const std::string& spki_sha256) {
  PGCERTD_CHECK(check_spki(spki_sha256));
  PGCERTD_TRY(const Directory directory, pending());
  return retire(directory, spki_sha256);
}

}  // namespace pgcertd::files

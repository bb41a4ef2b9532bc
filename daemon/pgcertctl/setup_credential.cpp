#include "pgcertctl/setup_credential.hpp"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>

#include "base/hex.hpp"
#include "base/text.hpp"
#include "ca/durable_file.hpp"
#include "cli/secret_input.hpp"
#include "postgres/program.hpp"

namespace pgcertd::ctl {
namespace {

constexpr const char* systemd_creds = "/usr/bin/systemd-creds";
constexpr Duration patience = std::chrono::seconds{30};   // a TPM is slow
// The directories are systemd's own; the name in them says whose it is.
constexpr const char* file_name = "pgcertd-issuing-ca";

bool is_there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Credential at(const std::string& system_directory, bool encrypted) {
  return {fmt::format("{}/credstore{}/{}", system_directory, encrypted ? ".encrypted" : "", file_name), encrypted};
}

// An image that is made elsewhere gets no key of the machine that makes it.
bool may_encrypt() { return is_there("/run/systemd/system") && is_there(systemd_creds); }

std::string name_word() { return fmt::format("--name={}", issuing_credential); }

Result<Secret> random_passphrase() {
  std::array<std::uint8_t, 32> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return fail(errno_error("getrandom", "a passphrase", errno));
  std::string text = to_hex(bytes);
  Secret out(text);
  wipe(text);
  return out;
}

Result<std::string> sealed(const Secret& passphrase) {
  const postgres::Cancel never;
  return postgres::run_program({systemd_creds, "encrypt", name_word(), "-", "-"}, postgres::deadline_in(patience), never, 64U << 10, passphrase.view());
}

Result<Secret> opened(const std::string& path) {
  const postgres::Cancel never;
  auto text = postgres::run_program({systemd_creds, "decrypt", name_word(), path, "-"}, postgres::deadline_in(patience), never);
  if (!text) return fail(Error(text.error()).within(fmt::format("\"{}\" cannot be decrypted on this host", printable(path, 4096))));
  Secret out(*text);
  wipe(*text);
  return out;
}

Result<void> write_private(const std::string& path, std::string_view bytes) {
  const std::string directory = ca::parent_of(path);
  std::error_code failed;   // mkdir says what is wrong
  std::filesystem::create_directories(ca::parent_of(directory), failed);
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail(errno_error("mkdir", directory, errno));
  return ca::write_new_file(path, bytes, 0600);
}

Result<void> keep(const Secret& passphrase, const std::string& system_directory, const std::function<void(const std::string&)>& warn) {
  if (may_encrypt()) {
    const auto bytes = sealed(passphrase);
    if (bytes) return write_private(at(system_directory, true).path, *bytes);
    warn(fmt::format("systemd-creds cannot encrypt here ({}): the passphrase of the issuing CA's key is kept in {}, which only root may read", bytes.error().text(), at(system_directory, false).path));
  }
  return write_private(at(system_directory, false).path, passphrase.view());
}

}  // namespace

std::string Credential::unit_line() const { return fmt::format("LoadCredential{}={}:{}\n", encrypted ? "Encrypted" : "", issuing_credential, path); }

std::optional<Credential> find_credential(const std::string& system_directory) {
  for (const bool encrypted : {true, false})
    if (const Credential one = at(system_directory, encrypted); is_there(one.path)) return one;
  return std::nullopt;
}

Credential credential_for(const std::string& system_directory) {
  const auto there = find_credential(system_directory);
  return there ? *there : at(system_directory, may_encrypt());
}

Result<Secret> issuing_passphrase(const std::string& system_directory, const std::function<void(const std::string&)>& warn) {
  if (const auto there = find_credential(system_directory))
    return there->encrypted ? opened(there->path) : cli::read_secret({SecretSource::Kind::file, there->path}, {});
  PGCERTD_TRY(Secret made, random_passphrase());
  PGCERTD_CHECK(keep(made, system_directory, warn));
  return made;
}

}  // namespace pgcertd::ctl

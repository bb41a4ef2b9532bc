#include "pgcertctl/doctor_issuer.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/text.hpp"
#include "ca/ca_directory.hpp"
#include "ca/read_key.hpp"
#include "core/permissions.hpp"
#include "files/directory.hpp"
#include "files/host.hpp"
#include "service/credentials.hpp"
#include "x509/verify.hpp"

namespace pgcertd::ctl {
namespace {

constexpr const char* restore_remedy = "restore issuing.key from the newest backup of the CA's directory";

Result<void> check_file(const std::string& path, const std::string& daemon) {
  struct stat seen {};
  if (::stat(path.c_str(), &seen) != 0) return fail(errno_error("stat", path, errno));
  const std::string name = printable(path, 4096);
  if ((seen.st_mode & 077U) != 0) return fail(Errc::invalid, fmt::format("\"{}\" has mode {:04o}: others may read the key", name, seen.st_mode & 07777U), "chmod 0600 " + name);
  const auto owner = files::identity_of_owner(daemon);
  if (!owner || can_read(*owner, files::file_seen(path, seen))) return {};   // without a state directory there was no daemon yet
  return fail(Errc::invalid, fmt::format("\"{}\" belongs to uid {}: the daemon, uid {}, may not read it", name, seen.st_uid, owner->uid), fmt::format("chown {} {}", owner->uid, name));
}

// What opens the key, as far as this program may have it: a credential is given to the daemon's unit alone, a PIN to the token alone.
Result<std::optional<Secret>> passphrase_of(const IssuerConfig& issuer, const ca::CaDirectorySeen& seen) {
  if (!seen.key_encrypted) return std::optional<Secret>{};
  if (!issuer.passphrase) return fail(Errc::invalid, "issuing.key is encrypted, and no passphrase is configured", fmt::format("set passphrase in [issuer.{}]", issuer.name));
  PGCERTD_TRY(Secret secret, service::read_secret(issuer.passphrase));
  return std::optional(std::move(secret));
}

bool daemon_alone_can_tell(const IssuerConfig& issuer, const ca::CaDirectorySeen& seen) {
  return seen.key_in_token || (seen.key_encrypted && issuer.passphrase.kind == SecretSource::Kind::credential);
}

Result<void> check_key(const IssuerConfig& issuer, const ca::CaDirectorySeen& seen, const std::string& daemon) {
  const ca::IssuingDirectory directory{issuer.directory};
  if (!seen.key_present) return fail(Errc::not_found, fmt::format("\"{}\" is gone: nothing can be signed", printable(directory.key(), 4096)), restore_remedy);
  PGCERTD_CHECK(check_file(directory.key(), daemon));
  if (daemon_alone_can_tell(issuer, seen)) return {};
  PGCERTD_TRY(const auto passphrase, passphrase_of(issuer, seen));
  PGCERTD_TRY(const x509::PrivateKey key, ca::read_key(directory.key(), passphrase ? &*passphrase : nullptr, fmt::format("set passphrase in [issuer.{}]", issuer.name)));
  PGCERTD_TRY(const x509::Certificate certificate, ca::read_certificate(directory.certificate()));
  if (x509::key_matches(key, certificate)) return {};
  return fail(Errc::invalid, fmt::format("\"{}\" does not belong to issuing.crt", printable(directory.key(), 4096)), "restore both from the same backup of the CA's directory");
}

std::string_view key_words(const IssuerConfig& issuer, const ca::CaDirectorySeen& seen) {
  if (seen.key_in_token) return "its key is in a token, and is the daemon's to try";
  return daemon_alone_can_tell(issuer, seen) ? "its key is encrypted, and opens for the daemon alone" : "its key can sign";
}

}  // namespace

Checked examine_issuer(const IssuerConfig& issuer, const std::string& daemon) {
  const std::string what = "issuer " + issuer.name;
  const auto not_ours = [&] { return Checked{what, Verdict::unknown, "its directory may not be looked at by this user", "run it as root"}; };
  const auto seen = ca::look_at(issuer.directory);
  if (!seen && seen.error().code == Errc::permission) return not_ours();
  if (!seen && ca::waits_for_root(issuer.directory)) return {what, Verdict::waits, seen.error().text(), seen.error().remedy};
  if (!seen) return bad(what, seen.error());
  if (!seen->registry_error.empty()) return {what, Verdict::bad, seen->registry_error, "restore registry.db from the newest backup of the CA's directory"};
  const auto key = check_key(issuer, *seen, daemon);
  if (!key && key.error().code == Errc::permission) return not_ours();
  if (!key) return bad(what, key.error());
  return good(what, fmt::format("issuing CA until {}, {} certificates, {}", to_rfc3339(seen->certificate.not_after), seen->issued, key_words(issuer, *seen)));
}

}  // namespace pgcertd::ctl

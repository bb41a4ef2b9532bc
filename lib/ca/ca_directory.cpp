#include "ca/ca_directory.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

#include "ca/durable_file.hpp"
#include "store/registry.hpp"
#include "x509/known_certificates.hpp"
#include "x509/private_key.hpp"
#include "x509/pkcs11_key.hpp"

namespace pgcertd::ca {

namespace {

bool is_there(const std::string& path) {
  struct stat seen {};
  return ::lstat(path.c_str(), &seen) == 0;
}

}  // namespace

bool waits_for_root(const std::string& path) {
  return !is_there(IssuingDirectory{path}.certificate()) && is_there(IssuingDirectory{path}.request());
}

bool has_issuing_key(const std::string& path) { return is_there(IssuingDirectory{path}.key()); }

namespace {

Result<CaDirectorySeen::Kind> kind_of(const std::string& path) {
  struct stat seen {};
  if (::stat(path.c_str(), &seen) != 0) return fail(errno_error("stat", path, errno));
  if (is_there(IssuingDirectory{path}.certificate())) return CaDirectorySeen::Kind::issuing;
  if (waits_for_root(path))
    return fail(Errc::not_found, fmt::format("\"{}\" waits for its first certificate: the root has not signed its request yet", path), std::string(to_the_root_remedy));
  if (is_there(RootDirectory{path}.certificate())) return CaDirectorySeen::Kind::root;
  return fail(Errc::invalid, fmt::format("\"{}\" is no CA directory: it holds neither issuing.crt nor root.crt", path),
              "name a directory that `pgcertctl ca init` made");
}

RootKeySeen look_at_key(const std::string& path, CaDirectorySeen::Kind kind) {
  RootKeySeen seen{.kind = kind, .present = is_there(path)};
  if (const auto key = read_secret_file(path)) seen.encrypted = x509::is_encrypted_key(key->view()), seen.in_token = x509::is_pkcs11_uri(key->view());
  return seen;
}

void look_at_registry(const std::string& path, CaDirectorySeen& seen) {
  auto registry = store::Registry::open(path);
  const auto counts = registry ? registry->counts() : Result<store::RegistryCounts>(fail(registry.error()));
  if (!counts) {
    seen.registry_error = counts.error().text();
    return;
  }
  seen.issued = counts->issued;
  seen.revoked = counts->revoked;
  seen.issued_by_profile = counts->issued_by_profile;
  seen.revoked_by_reason = counts->revoked_by_reason;
}

// A CRL that cannot be read counts as missing here; who signs the next one judges it.
void look_at_crl(const std::string& path, std::optional<CrlFacts>& facts, std::string& pem) {
  const auto crl = read_crl(path);
  if (!crl || !*crl) return;
  facts = (*crl)->facts();
  pem = (*crl)->pem();
}

}  // namespace

std::string_view to_string(CaDirectorySeen::Kind kind) noexcept { return kind == CaDirectorySeen::Kind::root ? "root" : "issuing"; }

Result<x509::Certificate> read_certificate(const std::string& path) {
  PGCERTD_TRY(const std::string bytes, read_file(path));
  PGCERTD_TRY(auto certificates, x509::known_certificates(bytes, path));
  if (certificates.size() != 1)
    return fail(Errc::invalid, fmt::format("\"{}\" holds {} certificates: it should be one", path, certificates.size()));
  return std::move(certificates.front());
}

Result<std::optional<x509::Crl>> read_crl(const std::string& path) {
  auto bytes = read_file(path);
  if (!bytes && bytes.error().code == Errc::not_found) return std::optional<x509::Crl>();
  if (!bytes) return fail(bytes.error());
  PGCERTD_TRY(auto crls, x509::take_crls(std::move(*bytes), path));
  if (crls.size() != 1) return fail(Errc::invalid, fmt::format("\"{}\" holds {} CRLs: it should be one", path, crls.size()));
  return std::optional(std::move(crls.front()));
}

Result<RootKeySeen> look_at_root_key(const std::string& path) {
  PGCERTD_TRY(const auto kind, kind_of(path));
  return look_at_key(RootDirectory{path}.key(), kind);
}

Result<CaDirectorySeen> look_at(const std::string& path) {
  CaDirectorySeen seen;
  PGCERTD_TRY(seen.kind, kind_of(path));
  const bool is_root = seen.kind == CaDirectorySeen::Kind::root;
  const RootDirectory root{path};
  const IssuingDirectory issuing{path};
  PGCERTD_TRY(const auto certificate, read_certificate(is_root ? root.certificate() : issuing.certificate()));
  PGCERTD_TRY(const auto anchor, read_certificate(issuing.root_certificate()));
  seen.certificate = certificate.facts();
  seen.certificate_pem = certificate.pem();
  seen.root = anchor.facts();
  seen.root_pem = anchor.pem();
  look_at_crl(is_root ? root.crl() : issuing.crl(), seen.crl, seen.crl_pem);
  look_at_crl(issuing.root_crl(), seen.root_crl, seen.root_crl_pem);
  const RootKeySeen key = look_at_key(is_root ? root.key() : issuing.key(), seen.kind);
  seen.key_present = key.present, seen.key_encrypted = key.encrypted, seen.key_in_token = key.in_token;
  look_at_registry(issuing.registry(), seen);
  return seen;
}

}  // namespace pgcertd::ca

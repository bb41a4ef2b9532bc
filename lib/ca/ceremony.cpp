#include "ca/ceremony.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <vector>

#include "base/text.hpp"
#include "ca/ca_directory.hpp"
#include "ca/chained_log.hpp"
#include "ca/crl_times.hpp"
#include "ca/durable_file.hpp"
#include "ca/new_directory.hpp"
#include "ca/read_key.hpp"
#include "core/signing_policy.hpp"
#include "store/registry.hpp"
#include "x509/pkcs11_key.hpp"
#include "x509/request.hpp"
#include "x509/sign.hpp"

namespace pgcertd::ca {
namespace {

struct MadeCa {
  x509::PrivateKey key;
  x509::Certificate certificate;
  x509::Crl crl;
};

std::string without_trailing_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

Result<void> check_directories(const std::string& root, const std::string& issuing) {
  if (root.empty()) return fail(Errc::invalid, "no directory for the root CA is named", "pgcertctl ca init --root-dir DIRECTORY");
  if (issuing.empty()) return {};
  std::error_code error;
  const auto a = std::filesystem::weakly_canonical(root, error);
  const auto b = std::filesystem::weakly_canonical(issuing, error);
  const auto inside = [](const std::filesystem::path& inner, const std::filesystem::path& outer) {
    return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
  };
  if (inside(a, b) || inside(b, a))
    return fail(Errc::invalid, fmt::format("root \"{}\" and issuing CA \"{}\" need directories apart", root, issuing),
                "the root's directory is to be taken away, the issuing CA's stays");
  return {};
}

// RFC 5280 ub-common-name; control characters have no place in a name that people compare.
Result<void> check_common_name(const std::string& name) {
  if (name.size() > 64) return fail(Errc::invalid, fmt::format("common name of {} bytes: 64 at most", name.size()));
  for (const char c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return fail(Errc::invalid, "a common name may hold no control characters");
  return {};
}

Result<void> check_lifetime(std::string_view what, Duration lifetime, TimePoint now) {
  if (lifetime >= std::chrono::hours{1} && lifetime < no_expiry - now) return {};
  return fail(Errc::invalid, fmt::format("a lifetime of {} for the {} is impossible", to_text(lifetime), what),
              "at least 1h, and an end before 9999-12-31");
}

Result<void> check_passphrases(const InitOptions& options) {
  if (options.root_passphrase && options.root_without_passphrase)
    return fail(Errc::invalid, "a passphrase for the root's key and no passphrase are asked for at once");
  if (!options.root_passphrase && !options.root_without_passphrase)
    return fail(Errc::invalid, "the root's key has no passphrase", "give one, or ask for none by name: --no-passphrase");
  for (const auto* passphrase : {&options.root_passphrase, &options.issuing_passphrase})
    if (*passphrase && (*passphrase)->empty()) return fail(Errc::invalid, "a passphrase is empty");
  return {};
}

Result<void> check(const InitOptions& options, TimePoint now) {
  PGCERTD_CHECK(check_directories(options.root_dir, options.issuing_dir));
  PGCERTD_CHECK(check_passphrases(options));
  for (const std::string* uri : {&options.root_key_uri, &options.issuing_key_uri})
    if (!uri->empty()) PGCERTD_CHECK(x509::parse_pkcs11_uri(*uri, "--root-key or --issuing-key"));
  PGCERTD_CHECK(x509::check_ca_key(options.root_key_type));
  PGCERTD_CHECK(check_common_name(options.root_common_name));
  PGCERTD_CHECK(check_lifetime("root CA", options.root_lifetime, now));
  PGCERTD_CHECK(check_lifetime("root's CRL", options.root_crl_lifetime, now));
  if (options.issuing_dir.empty()) return {};
  PGCERTD_CHECK(x509::check_ca_key(options.issuing_key_type));
  PGCERTD_CHECK(check_common_name(options.issuing_common_name));
  PGCERTD_CHECK(check_lifetime("issuing CA", options.issuing_lifetime, now));
  PGCERTD_CHECK(check_lifetime("issuing CA's CRL", options.issuing_crl_lifetime, now));
  if (!options.root_common_name.empty() && options.root_common_name == options.issuing_common_name)
    return fail(Errc::invalid, "root and issuing CA have the same common name: verifiers would take the one for the other");
  return {};
}

// Two CAs with one name and different keys confuse verifiers and hashed directories: a default name is never used twice.
std::string common_name(const std::string& wanted, std::string_view fallback, const x509::PrivateKey& key) {
  return wanted.empty() ? fmt::format("{} {}", fallback, key.spki_sha256().substr(0, 8)) : wanted;
}

Result<x509::PrivateKey> new_key(const std::string& uri, const std::optional<Secret>& pin, KeyType type) {
  if (uri.empty()) return x509::PrivateKey::generate(type);
  return open_in_token(uri, "--root-key or --issuing-key", pin ? &*pin : nullptr);
}

Result<void> write_key(const std::string& path, const x509::PrivateKey& key, const std::string& uri, const std::optional<Secret>& passphrase) {
  if (!uri.empty()) return write_new_file(path, uri + "\n", 0600);
  if (!passphrase) return write_new_file(path, key.to_pem().view(), 0600);
  PGCERTD_TRY(const Secret pem, key.to_encrypted_pem(*passphrase));
  return write_new_file(path, pem.view(), 0600);
}

// The serial is on the disk before anything is signed with it.
template <class Sign>
Result<x509::Certificate> sign_recorded(store::Registry& registry, const x509::PrivateKey& key, const std::string& profile,
                                        TimePoint now, Sign sign) {
  PGCERTD_TRY(const std::string serial, x509::new_serial());
  PGCERTD_CHECK(registry.record_serial(serial, key.spki_sha256(), profile, now));
  PGCERTD_TRY(x509::Certificate certificate, sign(serial));
  PGCERTD_CHECK(registry.record_certificate(serial, certificate.der(), certificate.facts().not_after, now));
  return certificate;
}

Result<x509::Crl> first_crl(store::Registry& registry, const x509::PrivateKey& key, const x509::Certificate& ca, Duration lifetime,
                            TimePoint now) {
  PGCERTD_TRY(const std::uint64_t number, registry.next_crl_number(1));
  return x509::make_crl(key, ca, fmt::to_string(number), crl_this_update(now, lifetime), now + lifetime, {});
}

Result<MadeCa> make_root_ca(const RootDirectory& directory, store::Registry& registry, ChainedLog& log, const InitOptions& options, TimePoint now) {
  PGCERTD_TRY(x509::PrivateKey key, new_key(options.root_key_uri, options.root_passphrase, options.root_key_type));
  const std::string name = common_name(options.root_common_name, "pgcertd root CA", key);
  const x509::Validity validity = x509::leaf_validity(now, options.root_lifetime, {});
  PGCERTD_TRY(x509::Certificate root, sign_recorded(registry, key, "root-ca", now, [&](const std::string& serial) {
                return x509::make_root(key, name, serial, validity);
              }));
  PGCERTD_TRY(x509::Crl crl, first_crl(registry, key, root, options.root_crl_lifetime, now));
  PGCERTD_CHECK(write_key(directory.key(), key, options.root_key_uri, options.root_passphrase));
  PGCERTD_CHECK(write_new_file(directory.certificate(), root.pem(), 0644));
  PGCERTD_CHECK(write_new_file(directory.crl(), crl.pem(), 0644));
  PGCERTD_CHECK(write_new_file(directory.policy(), default_policy_text(), 0644));
  PGCERTD_CHECK(log.append(now, fmt::format("made the root {} (SHA-256 {}) and its CRL 1", root.facts().subject, root.facts().fingerprint_sha256)));
  return MadeCa{.key = std::move(key), .certificate = std::move(root), .crl = std::move(crl)};
}

Result<MadeCa> make_issuing(const IssuingDirectory& directory, store::Registry& root_registry, ChainedLog& root_log, const MadeCa& root,
                            const InitOptions& options, TimePoint now) {
  PGCERTD_TRY(x509::PrivateKey key, new_key(options.issuing_key_uri, options.issuing_passphrase, options.issuing_key_type));
  const std::string name = common_name(options.issuing_common_name, "pgcertd issuing CA", key);
  const x509::Validity validity = x509::leaf_validity(now, options.issuing_lifetime, {root.certificate.facts()});
  PGCERTD_TRY(x509::Certificate issuing, sign_recorded(root_registry, key, "issuing-ca", now, [&](const std::string& serial) {
                return x509::make_issuing_ca(root.key, root.certificate, key, name, serial, validity);
              }));
  PGCERTD_CHECK(root_log.append(now, signed_entry("an issuing CA", issuing.facts())));
  PGCERTD_TRY(store::Registry registry, store::Registry::create(directory.registry()));
  PGCERTD_TRY(x509::Crl crl, first_crl(registry, key, issuing, options.issuing_crl_lifetime, now));
  PGCERTD_CHECK(write_key(directory.key(), key, options.issuing_key_uri, options.issuing_passphrase));
  PGCERTD_CHECK(write_new_file(directory.certificate(), issuing.pem(), 0644));
  PGCERTD_CHECK(write_new_file(directory.crl(), crl.pem(), 0644));
  PGCERTD_CHECK(write_new_file(directory.root_certificate(), root.certificate.pem(), 0644));
  PGCERTD_CHECK(write_new_file(directory.root_crl(), root.crl.pem(), 0644));
  return MadeCa{.key = std::move(key), .certificate = std::move(issuing), .crl = std::move(crl)};
}

InitReport report_of(const InitOptions& options, const std::string& root_dir, const MadeCa& root,
                     const std::optional<MadeCa>& issuing) {
  const RootDirectory place{root_dir};
  return InitReport{.root = root.certificate.facts(),
                    .issuing = issuing ? std::optional(issuing->certificate.facts()) : std::nullopt,
                    .root_certificate = place.certificate(),
                    .root_key = place.key(),
                    .root_key_encrypted = options.root_passphrase.has_value(),
                    .issuing_key_encrypted = issuing && options.issuing_passphrase.has_value(),
                    .root_crl = root.crl.facts(),
                    .issuing_crl = issuing ? std::optional(issuing->crl.facts()) : std::nullopt};
}

}  // namespace

Result<InitReport> init_ca(const InitOptions& options, TimePoint now) {
  PGCERTD_CHECK(check(options, now));
  const std::string root_dir = without_trailing_slash(options.root_dir);
  const std::string issuing_dir = without_trailing_slash(options.issuing_dir);
  if (!issuing_dir.empty()) PGCERTD_CHECK(NewDirectory::check_free(issuing_dir));
  PGCERTD_TRY(NewDirectory root_place, NewDirectory::make(root_dir));
  std::optional<NewDirectory> issuing_place;
  if (!issuing_dir.empty()) {
    PGCERTD_TRY(NewDirectory place, NewDirectory::make(issuing_dir));
    issuing_place.emplace(std::move(place));
  }

  std::optional<InitReport> report;
  {
    // In a scope of its own: the registry is closed before its directory moves.
    const RootDirectory directory{root_place.path()};
    PGCERTD_TRY(store::Registry registry, store::Registry::create(directory.registry()));
    PGCERTD_TRY(ChainedLog log, ChainedLog::open(directory.log()));
    PGCERTD_TRY(const MadeCa root, make_root_ca(directory, registry, log, options, now));
    std::optional<MadeCa> issuing;
    if (issuing_place) {
      PGCERTD_TRY(MadeCa made, make_issuing(IssuingDirectory{issuing_place->path()}, registry, log, root, options, now));
      issuing.emplace(std::move(made));
    }
    report = report_of(options, root_dir, root, issuing);
  }

  if (issuing_place) PGCERTD_CHECK(issuing_place->give_to_owner_of_place());
  PGCERTD_CHECK(root_place.publish());
  if (issuing_place) {
    PGCERTD_CHECK(issuing_place->publish());
    issuing_place->keep();
  }
  root_place.keep();
  return std::move(*report);
}

namespace {

Result<x509::Certificate> root_to_pin(const std::string& pem, TimePoint now) {
  PGCERTD_TRY(auto certificates, x509::parse_certificates(pem, "the root's certificate"));
  if (certificates.size() != 1) return fail(Errc::invalid, fmt::format("{} certificates were given as the root's: it is one", certificates.size()), "give root.crt out of the root's directory");
  const CertFacts& facts = certificates.front().facts();
  if (!facts.is_ca || !facts.self_signed) return fail(Errc::invalid, fmt::format("\"{}\" is no root CA", printable(facts.subject, 200)), "give root.crt out of the root's directory");
  if (now >= facts.not_after) return fail(Errc::invalid, fmt::format("the root CA \"{}\" ended at {}", printable(facts.subject, 200), to_rfc3339(facts.not_after)), "make a new root: pgcertctl ca init");
  return std::move(certificates.front());
}

Result<void> check(const IssuingOptions& options, TimePoint now) {
  if (options.passphrase && options.passphrase->empty()) return fail(Errc::invalid, "a passphrase is empty");
  if (!options.key_uri.empty()) PGCERTD_CHECK(x509::parse_pkcs11_uri(options.key_uri, "--issuing-key"));
  PGCERTD_CHECK(x509::check_ca_key(options.key_type));
  PGCERTD_CHECK(check_common_name(options.common_name));
  return check_lifetime("issuing CA", options.lifetime, now);
}

// For people, and for the root's side, which reads the life that is wished for.
std::string request_head(const std::string& name, const IssuingOptions& options, const x509::PrivateKey& key) {
  return fmt::format("Issuing-CA: {}\nLifetime: {}\nKey-SHA-256: {}\n", printable(name, 200), to_text(options.lifetime), key.spki_sha256());
}

Result<IssuingReport> fill_waiting(const IssuingDirectory& directory, const IssuingOptions& options, const x509::Certificate& root) {
  PGCERTD_TRY(const x509::PrivateKey key, new_key(options.key_uri, options.passphrase, options.key_type));
  const std::string name = common_name(options.common_name, "pgcertd issuing CA", key);
  if (root.facts().common_name == name) return fail(Errc::invalid, "root and issuing CA have the same common name: verifiers would take the one for the other");
  PGCERTD_TRY(const std::string request, x509::make_ca_request_pem(key, name));
  PGCERTD_TRY(const x509::RequestFacts facts, x509::parse_request(request, "request"));
  IssuingReport report{.root = root.facts(), .subject = facts.subject, .spki_sha256 = key.spki_sha256(), .request = request_head(name, options, key) + request, .key_encrypted = options.passphrase.has_value()};
  PGCERTD_CHECK(store::Registry::create(directory.registry()));
  PGCERTD_CHECK(write_key(directory.key(), key, options.key_uri, options.passphrase));
  PGCERTD_CHECK(write_new_file(directory.root_certificate(), root.pem(), 0644));
  PGCERTD_CHECK(write_new_file(directory.request(), report.request, 0644));
  return report;
}

}  // namespace

Result<IssuingReport> begin_issuing_ca(const IssuingOptions& options, TimePoint now) {
  PGCERTD_CHECK(check(options, now));
  PGCERTD_TRY(const x509::Certificate root, root_to_pin(options.root_pem, now));
  PGCERTD_TRY(NewDirectory place, NewDirectory::make(without_trailing_slash(options.directory)));
  PGCERTD_TRY(IssuingReport report, fill_waiting(IssuingDirectory{place.path()}, options, root));
  PGCERTD_CHECK(place.give_to_owner_of_place());
  PGCERTD_CHECK(place.publish());
  place.keep();
  return report;
}

}  // namespace pgcertd::ca

#include "ca/issuing_ca.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "base/text.hpp"
#include "ca/ca_answer.hpp"
#include "ca/crl_times.hpp"
#include "ca/durable_file.hpp"
#include "ca/read_key.hpp"
#include "ca/waiting_ca.hpp"
#include "core/client_certificates.hpp"
#include "core/trust.hpp"
#include "x509/bundle.hpp"
#include "x509/request.hpp"
#include "x509/sign.hpp"
#include "x509/verify.hpp"

namespace pgcertd::ca {
namespace {

// RFC 5280 5.3.1, as far as a leaf may be revoked for it; a hold could be lifted again, which a CRL of ours never does.
constexpr std::array<std::string_view, 7> reasons{"",           "unspecified",          "keyCompromise",     "affiliationChanged",
                                                  "superseded", "cessationOfOperation", "privilegeWithdrawn"};

// Longer than a CRL waits for its successor, and short enough that the entries do not pile up.
constexpr Duration canary_lifetime = std::chrono::hours{48};
constexpr const char* canary_role = "pgcertd-canary";
constexpr std::size_t clients_shown = 1000;

Error with_remedy(Error error, std::string remedy) {
  if (error.remedy.empty()) error.remedy = std::move(remedy);
  return error;
}

Result<void> check_directory(const IssuingDirectory& directory) {
  struct stat seen {};
  const std::string remedy = fmt::format("pgcertctl ca init --root-dir DIRECTORY --issuing-dir {}", directory.path);
  if (::stat(directory.path.c_str(), &seen) != 0) return fail(with_remedy(errno_error("stat", directory.path, errno), remedy));
  if (!S_ISDIR(seen.st_mode)) return fail(Errc::invalid, fmt::format("\"{}\" is no directory", directory.path), remedy);
  if (::lstat(directory.certificate().c_str(), &seen) == 0) return {};
  if (errno != ENOENT) return fail(errno_error("lstat", directory.certificate(), errno));
  if (::lstat(RootDirectory{directory.path}.key().c_str(), &seen) == 0)
    return fail(Errc::invalid, fmt::format("\"{}\" is a root's directory, not an issuing CA's", directory.path),
                "name the directory that was given to --issuing-dir; the root's key belongs off this host");
  PGCERTD_TRY(const auto waiting, look_for_waiting(directory.path));
  if (waiting) return fail(Errc::not_found, fmt::format("the issuing CA in \"{}\" waits for its first certificate from the root {}", directory.path, printable(waiting->root.subject, 200)), std::string(to_the_root_remedy));
  return fail(Errc::invalid, fmt::format("\"{}\" is no CA directory: it holds no issuing.crt", directory.path), remedy);
}

Result<void> check_certificate(const IssuingDirectory& directory, const x509::Certificate& ca, const x509::Certificate& root) {
  const CertFacts& facts = ca.facts();
  const std::string path = directory.certificate();
  if (!facts.is_ca || !facts.crl_sign)
    return fail(Errc::invalid, fmt::format("\"{}\" is no CA's certificate", path), "restore it from a backup");
  PGCERTD_CHECK(within(x509::check_ca_key(facts.key_type), path));
  // At its first moment, so that an expired CA can still be opened, and say so.
  const auto verdict = x509::verify_chain({ca}, {root}, x509::Purpose::any, std::max(facts.not_before, root.facts().not_before));
  if (!verdict.ok)
    return fail(Errc::invalid,
                fmt::format("\"{}\" was not signed by \"{}\": {}", path, directory.root_certificate(), verdict.error),
                "restore both from the same backup of the CA's directory");
  return {};
}

Result<x509::RequestFacts> check_request(const LeafRequest& request) {
  PGCERTD_TRY(const auto facts, x509::parse_request(request.request_pem, "request"));
  if (!facts.signature_ok) return fail(Errc::invalid, "the request's signature is wrong: it proves no possession of the key");
  if (facts.spki_sha256 != request.spki_sha256)
    return fail(Errc::invalid, fmt::format("the request is for the key {}, not for {}", facts.spki_sha256, request.spki_sha256));
  if (facts.key_type == KeyType::other)
    return fail(Errc::refused, fmt::format("no certificate is issued for a key of the kind {}", facts.key_name));
  if (request.role.empty() && request.names.dns.empty() && request.names.ip.empty())
    return fail(Errc::invalid, "a certificate without a name helps no client", "set names in the cluster's section");
  if (request.role.empty()) PGCERTD_CHECK(x509::check_names(request.names));
  if (request.lifetime <= Duration::zero())
    return fail(Errc::invalid, fmt::format("a lifetime of {} is impossible", to_text(request.lifetime)));
  return facts;
}

std::string profile_of(const LeafRequest& request, const std::string& crl_url) {
  if (!request.role.empty())
    return fmt::format("client role={} lifetime={} crl={}{}{}", request.role, to_text(request.lifetime), crl_url, request.renews.empty() ? "" : " renews=", request.renews);
  return fmt::format("server dns={} ip={} lifetime={} crl={}", fmt::join(request.names.dns, ","), fmt::join(request.names.ip, ","),
                     to_text(request.lifetime), crl_url);
}

// A key whose certificate was revoked may be in other hands: it never gets another one.
Result<void> check_renewal(const LeafRequest& request, const std::optional<store::RegistryEntry>& former) {
  const bool same = former && former->spki_sha256 == request.spki_sha256 && former->profile.starts_with(fmt::format("client role={} lifetime=", request.role));
  if (!same) return fail(Errc::refused, fmt::format("serial {} is no certificate of this issuer for this role and key", request.renews), "issue into another directory, without --renew");
  if (!former->revoked_at) return {};
  return fail(Errc::refused, fmt::format("serial {} was revoked: its key is not used again", request.renews), "issue into another directory, without --renew: that makes a new key");
}

// RFC 5280 3.3: an entry stays until a CRL after the certificate's end has carried it.
bool is_listed(std::optional<TimePoint> not_after, TimePoint now) { return !not_after || now < *not_after + std::chrono::days{2}; }

x509::RevokedEntry entry_for(const store::Revocation& one) { return {.serial = one.serial, .revoked_at = one.revoked_at, .reason = one.reason}; }

// Entries of a published CRL that the registry does not know are of a registry that was lost or restored.
Result<void> check_nothing_unrevoked(const x509::Crl& published, std::uint64_t known, const std::string& path) {
  if (known >= published.facts().revoked) return {};
  return fail(
      Errc::invalid,
      fmt::format("\"{}\" (number {}) revokes {} certificates of which the registry knows {}: a new CRL would un-revoke the rest",
                  path, published.facts().number, published.facts().revoked, known),
      "restore registry.db from the newest backup of the CA's directory");
}

Result<TimePoint> this_update_after(const std::optional<x509::Crl>& published, const std::string& path, TimePoint now, Duration lifetime) {
  const TimePoint at = next_this_update(published ? std::optional(published->facts().this_update) : std::nullopt, now, lifetime);
  if (at <= now) return at;
  return fail(Errc::busy,
              fmt::format("\"{}\" was signed at {}, which lies ahead", path, to_rfc3339(published->facts().this_update)),
              "check the clock; if it is right and was ahead before, remove that file");
}

}  // namespace

IssuingCa::IssuingCa(IssuingDirectory directory, x509::Certificate certificate, x509::Certificate root, x509::PrivateKey key,
                     store::Registry registry, Duration crl_lifetime, std::string crl_url)
    : directory_(std::move(directory)), certificate_(std::move(certificate)), root_(std::move(root)), key_(std::move(key)),
      registry_(std::move(registry)), crl_lifetime_(crl_lifetime), crl_url_(std::move(crl_url)), crl_file_(directory_.crl()), root_crl_file_(directory_.root_crl()) {}

Result<IssuingCa> IssuingCa::open(const std::string& path, const Secret* passphrase, Duration crl_lifetime, std::string crl_url) {
  IssuingDirectory directory{path};
  PGCERTD_CHECK(check_directory(directory));
  PGCERTD_TRY(x509::Certificate certificate, read_certificate(directory.certificate()));
  PGCERTD_TRY(x509::Certificate root, read_certificate(directory.root_certificate()));
  PGCERTD_CHECK(check_certificate(directory, certificate, root));
  PGCERTD_TRY(store::Registry registry, store::Registry::open(directory.registry()));
  PGCERTD_TRY(x509::PrivateKey key, read_key(directory.key(), passphrase, "set passphrase in the issuer's section: file:PATH or credential:NAME"));
  if (!x509::key_matches(key, certificate))
    return fail(Errc::invalid, fmt::format("\"{}\" and \"{}\" do not belong together", directory.key(), directory.certificate()),
                "restore both from the same backup of the CA's directory");
  return IssuingCa(std::move(directory), std::move(certificate), std::move(root), std::move(key), std::move(registry), crl_lifetime,
                   std::move(crl_url));
}

Result<void> IssuingCa::check_usable(TimePoint now) const {
  for (const auto* ca : {&certificate_, &root_}) {
    const std::string_view which = ca == &root_ ? "root CA" : "issuing CA";
    const CertFacts& facts = ca->facts();
    if (now >= facts.not_after)
      return fail(Errc::timeout, fmt::format("the {}'s certificate expired at {}", which, to_rfc3339(facts.not_after)),
                  std::string(to_the_root_remedy));
    if (now < facts.not_before)
      return fail(Errc::timeout, fmt::format("the {}'s certificate is not valid before {}", which, to_rfc3339(facts.not_before)),
                  "check this host's clock");
  }
  return {};
}

bool IssuingCa::matches_disk() const {
  const auto same = [](const std::string& path, const x509::Certificate& loaded) {
    const auto seen = read_certificate(path);
    return seen && seen->facts().fingerprint_sha256 == loaded.facts().fingerprint_sha256;
  };
  return registry_.matches_disk() && same(directory_.certificate(), certificate_) && same(directory_.root_certificate(), root_);
}

Result<Issued> IssuingCa::issue(const LeafRequest& request, TimePoint now) {
  PGCERTD_CHECK(check_request(request));
  const std::string profile = profile_of(request, crl_url_);
  PGCERTD_TRY(const auto entry, registry_.find(request.spki_sha256, profile));
  PGCERTD_TRY(auto before, known(entry, now));
  if (before) return std::move(*before);
  PGCERTD_TRY(const bool compromised, registry_.is_compromised(request.spki_sha256));
  if (compromised) return fail(Errc::refused, fmt::format("a certificate of this key ({}) was revoked because the key is in other hands: it gets no other", request.spki_sha256), "make a new key");
  if (!request.renews.empty()) {
    PGCERTD_TRY(const auto former, registry_.find(request.renews));
    PGCERTD_CHECK(check_renewal(request, former));
  }
  PGCERTD_CHECK(check_usable(now));
  PGCERTD_TRY(const x509::Certificate leaf, sign(request, profile, now));
  return issued_from(leaf, now, now);
}

Result<x509::Certificate> IssuingCa::sign(const LeafRequest& request, const std::string& profile, TimePoint now) {
  const x509::Validity validity = x509::leaf_validity(now, request.lifetime, {certificate_.facts(), root_.facts()});
  const bool clamped = validity.not_after < std::chrono::floor<std::chrono::seconds>(now + request.lifetime);
  if (clamped && request.outlive && validity.not_after <= *request.outlive)
    return fail(Errc::refused,
                fmt::format("a new certificate would end with its chain at {}, no later than the one in use ({})",
                            to_rfc3339(validity.not_after), to_rfc3339(*request.outlive)),
                std::string(to_the_root_remedy));
  return sign_as(request, profile, validity, now);
}

Result<x509::Certificate> IssuingCa::sign_as(const LeafRequest& request, const std::string& profile, x509::Validity validity, TimePoint now) {
  PGCERTD_TRY(const std::string serial, x509::new_serial());
  const auto signed_leaf = [&] {
    if (!request.role.empty()) return x509::sign_client(key_, certificate_, request.request_pem, {.serial = serial, .role = request.role, .validity = validity, .crl_url = crl_url_});
    return x509::sign_leaf(key_, certificate_, request.request_pem, {.serial = serial, .names = request.names, .validity = validity, .crl_url = crl_url_, .client_auth = false});
  };
  PGCERTD_TRY(x509::Certificate leaf, signed_leaf());
  // In one transaction: until it is on the disk the certificate has not left this function, so a crash before it leaves none unknown.
  PGCERTD_CHECK(registry_.record_signed({{serial, request.spki_sha256, profile}}, {{serial, leaf.der(), leaf.facts().not_after}}, now));
  return leaf;
}

Result<std::optional<Issued>> IssuingCa::find(const std::string& spki_sha256, TimePoint now) {
  PGCERTD_TRY(const auto entry, registry_.find_by_spki(spki_sha256));
  return known(entry, now);
}

Result<std::optional<Issued>> IssuingCa::known(const std::optional<store::RegistryEntry>& entry, TimePoint now) {
  if (!entry) return std::optional<Issued>();
  if (entry->revoked_at)
    return fail(Errc::refused,
                fmt::format("the certificate {} for this key was revoked at {}", entry->serial, to_rfc3339(*entry->revoked_at)),
                "a new key is needed");
  PGCERTD_TRY(const x509::Certificate leaf, x509::Certificate::from_der(entry->der));
  const bool ours = leaf.facts().authority_key_id == certificate_.facts().subject_key_id && now < leaf.facts().not_after;
  if (!ours) return std::optional<Issued>();
  PGCERTD_TRY(Issued issued, issued_from(leaf, entry->issued_at.value_or(entry->recorded_at), now));
  return std::optional(std::move(issued));
}

Result<Issued> IssuingCa::issued_from(const x509::Certificate& leaf, TimePoint issued_at, TimePoint now) {
  return Issued{
      .chain_pem = x509::to_pem({leaf, certificate_}), .root_pem = root_.pem(), .crl_pem = crl_set_pem(now), .issued_at = issued_at};
}

Result<std::optional<x509::Crl>> IssuingCa::root_crl() { return root_crl_file_.read(); }

Result<std::optional<x509::Crl>> IssuingCa::published_crl() {
  PGCERTD_TRY(auto crl, crl_file_.read());
  // Of a former issuing CA in the same directory.
  if (crl && crl->facts().authority_key_id != certificate_.facts().subject_key_id) crl.reset();
  return crl;
}

Result<x509::Crl> IssuingCa::current_crl(TimePoint now) {
  PGCERTD_TRY(const auto published, published_crl().map_error([](Error error) {
    return with_remedy(std::move(error), "restore it from a backup of the CA's directory");
  }));
  bool complete = false;
  if (published) {
    PGCERTD_TRY(complete, holds_all_revocations(*published, now));
  }
  const bool shown = !canaries_wanted_ || (canaries_ && published && published->facts().fingerprint_sha256 == canaries_->crl_fingerprint);
  if (complete && shown && !crl_is_due(published->facts(), crl_lifetime_, now)) return *published;
  return sign_next_crl(published, now);
}

// A revocation is final, and entries only leave: once complete, it is until a row is added.
Result<bool> IssuingCa::holds_all_revocations(const x509::Crl& published, TimePoint now) {
  PGCERTD_TRY(const std::uint64_t count, registry_.revoked_count());
  Complete found{published.facts().fingerprint_sha256, count};
  if (found == complete_) return true;
  bool all = true;
  PGCERTD_CHECK(registry_.for_each_revoked([&](const store::Revocation& one) -> Result<void> {
    all = all && (!is_listed(one.not_after, now) || published.contains(one.serial));
    return {};
  }));
  if (all) complete_ = std::move(found);
  return all;
}

Result<x509::Crl> IssuingCa::sign_next_crl(const std::optional<x509::Crl>& published, TimePoint now) {
  return canaries_wanted_ ? sign_crl_with_canary(published, now) : sign_crl(published, now);
}

Result<x509::Crl> IssuingCa::renew_crl(TimePoint now) {
  PGCERTD_TRY(const auto published, published_crl());
  return sign_next_crl(published, now);
}

Result<void> IssuingCa::check_of_root(const x509::Crl& crl, TimePoint now) {
  const std::string name = fmt::format("CRL {} of the root CA", printable(crl.facts().number, 80));
  if (const std::string fault = crl_fault(crl.facts(), now); !fault.empty()) return fail(Errc::refused, name + " is not installed: " + fault);
  PGCERTD_TRY(const auto installed, root_crl());
  if (!installed) return {};
  if (const std::string fault = crls_follow({installed->facts()}, {crl.facts()}); !fault.empty()) return fail(Errc::refused, name + " is not installed: " + fault);
  return {};
}

// A registry that lost them would otherwise never sign again: its next CRL would un-revoke them.
Result<std::string> IssuingCa::import_own(const x509::Crl& crl, TimePoint now) {
  PGCERTD_TRY(const auto published, published_crl());
  PGCERTD_CHECK(registry_.adopt_revocations([&crl](const store::SeeRevocation& adopt) {
    return x509::for_each_revoked(crl, [&adopt](const x509::RevokedEntry& entry) { return adopt({.serial = entry.serial, .revoked_at = entry.revoked_at, .reason = entry.reason}); });
  }, now));
  PGCERTD_TRY(const std::uint64_t number, number_of(crl, "the CRL"));
  PGCERTD_TRY(const std::uint64_t highest, registry_.crl_number());
  if (number > highest) PGCERTD_CHECK(registry_.next_crl_number(number));
  if (!published || crls_follow({published->facts()}, {crl.facts()}).empty()) PGCERTD_CHECK(replace_file(directory_.crl(), crl.pem(), 0644));
  PGCERTD_TRY(const x509::Crl renewed, renew_crl(now));
  return fmt::format("{} revocations of the issuing CA were taken over from CRL {}; CRL {} is published", crl.facts().revoked, number, renewed.facts().number);
}

Result<std::string> IssuingCa::import_crls(const std::string& bytes, TimePoint now) {
  PGCERTD_TRY(const x509::Bundle bundle, x509::parse_bundle(bytes, "the CRL"));
  return import_parsed(bundle.crls, now);
}

Result<std::string> IssuingCa::import_parsed(const std::vector<x509::Crl>& crls, TimePoint now) {
  if (crls.empty()) return fail(Errc::parse, "there is no CRL in it", "pgcertctl inspect FILE shows what it is");
  const bool has_own = std::any_of(crls.begin(), crls.end(), [this](const x509::Crl& crl) { return x509::crl_signed_by(crl, certificate_); });
  std::vector<const x509::Crl*> of_root;
  for (const x509::Crl& crl : crls) {
    if (x509::crl_signed_by(crl, certificate_)) continue;
    if (!x509::crl_signed_by(crl, root_))
      return fail(Errc::refused, fmt::format("a CRL in the name of \"{}\" was signed by neither this issuer's root CA nor its issuing CA", printable(crl.facts().issuer, 200)),
                  "pgcertctl inspect FILE shows whose it is; name its issuer with --issuer");
    // Beside a CRL of this CA, an older one of the root is what a cluster had installed.
    if (const auto good = check_of_root(crl, now); good) of_root.push_back(&crl);
    else if (!has_own) return fail(good.error());
  }
  std::vector<std::string> done;
  for (const x509::Crl& crl : crls) {
    if (!x509::crl_signed_by(crl, certificate_)) continue;
    PGCERTD_TRY(std::string words, import_own(crl, now));
    done.push_back(std::move(words));
  }
  for (const x509::Crl* crl : of_root) {
    PGCERTD_CHECK(replace_file(directory_.root_crl(), crl->pem(), 0644));
    done.push_back(fmt::format("CRL {} of the root CA is published, valid until {}", printable(crl->facts().number, 80), to_rfc3339(*crl->facts().next_update)));
  }
  return fmt::format("{}", fmt::join(done, "; "));
}

Result<std::string> IssuingCa::own_request() const { return x509::make_ca_request_pem(key_, certificate_.facts().common_name); }

Result<std::string> IssuingCa::import_answer(const std::string& bytes, TimePoint now) {
  PGCERTD_TRY(const x509::Bundle bundle, x509::parse_bundle(bytes, "what came back"));
  PGCERTD_TRY(const x509::Certificate answer, answer_for(bundle, key_.spki_sha256()));
  const CertFacts &facts = answer.facts(), &mine = certificate_.facts();
  PGCERTD_CHECK(check_answer(answer, mine.subject, root_, now));
  if (facts.fingerprint_sha256 != mine.fingerprint_sha256 && facts.not_after < mine.not_after)
    return fail(Errc::refused, fmt::format("the certificate that came back ends at {}, before the one in use: it is an old one", to_rfc3339(facts.not_after)), "take the file of the last visit");
  std::string done = fmt::format("the issuing CA's certificate {} is in force, until {}", facts.serial, to_rfc3339(facts.not_after));
  if (!bundle.crls.empty()) {
    PGCERTD_TRY(const std::string crls, import_parsed(bundle.crls, now));
    done += "; " + crls;
  }
  PGCERTD_CHECK(replace_file(directory_.certificate(), answer.pem(), 0644));
  certificate_ = answer;
  return done;
}

// Made anew for each CRL: that a server refuses it shows that it has loaded just this one, or one after it.
Result<x509::Crl> IssuingCa::sign_crl_with_canary(const std::optional<x509::Crl>& published, TimePoint now) {
  PGCERTD_CHECK(check_usable(now));
  PGCERTD_TRY(const KeyedLeaf good, make_canary(now));
  PGCERTD_TRY(const KeyedLeaf bad, make_canary(now));
  PGCERTD_CHECK(registry_.revoke(bad.leaf.facts().serial, {}, now));
  PGCERTD_TRY(x509::Crl crl, sign_crl(published, now));
  canaries_ = std::make_shared<const Canaries>(Canaries{canary_of(good), canary_of(bad), crl.facts().fingerprint_sha256, good.leaf.facts().not_after});
  return crl;
}

Result<IssuingCa::KeyedLeaf> IssuingCa::make_canary(TimePoint now) {
  PGCERTD_TRY(x509::PrivateKey key, x509::PrivateKey::generate(KeyType::ecdsa_p256));
  LeafRequest request;
  request.role = canary_role;
  request.spki_sha256 = key.spki_sha256();
  PGCERTD_TRY(request.request_pem, x509::make_client_request_pem(key, request.role));
  const x509::Validity validity = x509::leaf_validity(now, canary_lifetime, {certificate_.facts(), root_.facts()});
  PGCERTD_TRY(x509::Certificate leaf, sign_as(request, store::uncounted_profile, validity, now));
  return KeyedLeaf{std::move(leaf), std::move(key)};
}

Canary IssuingCa::canary_of(const KeyedLeaf& made) const { return {x509::to_pem({made.leaf, certificate_}), made.key.to_pem()}; }

std::shared_ptr<const Canaries> IssuingCa::canaries(TimePoint now) {
  if (!canaries_wanted_ || !canaries_ || now >= canaries_->good_until) return nullptr;
  return canaries_;
}

Result<void> IssuingCa::check_retired(const std::vector<std::string>& serials, TimePoint now) {
  for (const std::string& serial : serials) {
    PGCERTD_TRY(const auto entry, registry_.find(serial));
    if (entry && entry->revoked_at && !is_listed(entry->not_after, now)) continue;
    return fail(Errc::refused,
                fmt::format("serial {} is revoked in the CRL that is installed, and {}: a new CRL would let it in again", serial, entry ? "not in the issuer's" : "the registry does not know it"),
                "take the entries over from the installed one, as root: pgcertctl crl import STATE/clusters/CLUSTER/current/root.crl");
  }
  return {};
}

Result<std::vector<ClientCertSeen>> IssuingCa::read_clients(TimePoint ending_after) {
  PGCERTD_TRY(const auto entries, registry_.clients(ending_after, clients_shown));
  std::vector<ClientCertSeen> out;
  for (const auto& entry : entries) {
    PGCERTD_TRY(const auto leaf, x509::Certificate::from_der(entry.der));
    out.push_back({leaf.facts().common_name, entry.serial, leaf.facts().not_before, leaf.facts().not_after, entry.revoked_at.has_value()});
  }
  return out;
}

// Out of the registry only when it changed, or when one of them is over: then others may come in its place.
Result<std::vector<ClientCertSeen>> IssuingCa::clients(TimePoint now) {
  const TimePoint ending_after = now - client_told_after_end;
  PGCERTD_TRY(const store::Database::Mark mark, registry_.mark());
  const auto over = [&](const ClientCertSeen& client) { return client.not_after <= ending_after; };
  if (!clients_ || clients_->mark != mark || ending_after < clients_->since || std::ranges::any_of(clients_->seen, over)) {
    PGCERTD_TRY(auto seen, read_clients(ending_after));
    clients_ = Clients{mark, ending_after, std::move(seen)};
  }
  return clients_->seen;
}

Result<IssuingCa::Revoked> IssuingCa::list_revoked(const std::optional<x509::Crl>& published, TimePoint now) {
  Revoked out;
  std::uint64_t known = 0;
  PGCERTD_CHECK(registry_.for_each_revoked([&](const store::Revocation& one) -> Result<void> {
    ++out.rows;
    if (published && published->contains(one.serial)) ++known;
    return is_listed(one.not_after, now) ? out.list.add(entry_for(one)) : Result<void>();
  }));
  if (published) PGCERTD_CHECK(check_nothing_unrevoked(*published, known, directory_.crl()));
  return out;
}

Result<x509::Crl> IssuingCa::sign_crl(const std::optional<x509::Crl>& published, TimePoint now) {
  PGCERTD_CHECK(check_usable(now));
  PGCERTD_TRY(Revoked revoked, list_revoked(published, now));
  PGCERTD_TRY(const std::uint64_t before, published ? number_of(*published, directory_.crl()) : Result<std::uint64_t>(0));
  PGCERTD_TRY(const TimePoint this_update, this_update_after(published, directory_.crl(), now, crl_lifetime_));
  PGCERTD_TRY(const std::uint64_t number, registry_.next_crl_number(before + 1));
  PGCERTD_TRY(x509::Crl crl, x509::sign_crl(key_, certificate_, fmt::to_string(number), this_update, now + crl_lifetime_, std::move(revoked.list)));
  PGCERTD_CHECK(replace_file(directory_.crl(), crl.pem(), 0644));
  complete_ = {crl.facts().fingerprint_sha256, revoked.rows};
  return crl;
}

std::span<const std::string_view> revocation_reasons() noexcept { return std::span(reasons).subspan(1); }

Result<void> IssuingCa::revoke(const std::string& serial, const std::string& reason, TimePoint now) {
  // Before it is recorded for good: a reason that cannot be encoded would stop every CRL after it.
  if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end())
    return fail(Errc::invalid, fmt::format("\"{}\" is no reason for a revocation", reason),
                fmt::format("one of: {}", fmt::join(revocation_reasons(), " ")));
  PGCERTD_CHECK(registry_.revoke(serial, reason == "unspecified" ? std::string() : reason, now));
  PGCERTD_CHECK(current_crl(now));
  return {};
}

// A verifier that checks CRLs refuses everybody when one of them is missing: all, or none.
Result<std::vector<x509::Crl>> IssuingCa::crl_set(TimePoint now) {
  auto own = current_crl(now);
  if (!own) {
    // What lies there may still be good: its own end decides.
    const auto published = published_crl();
    if (!published || !*published) return fail(own.error());
    own = **published;
  }
  PGCERTD_TRY(const auto of_root, root_crl());
  if (!of_root)
    return fail(Errc::not_found, fmt::format("there is no CRL of the root CA: \"{}\"", directory_.root_crl()), "sign one with the root's key and put it there");
  const CrlFacts& facts = own->facts();
  if (facts.this_update > now || !facts.next_update || now >= *facts.next_update)
    return fail(Errc::timeout, fmt::format("the issuing CA's CRL is not valid now, and no new one can be signed"), "pgcertctl status tells why");
  const auto verdict = x509::verify_chain({certificate_}, {root_}, x509::Purpose::any, now, {*of_root, *own});
  if (!verdict.ok) return fail(Errc::invalid, "the CRLs do not cover the issuing CA: " + verdict.error, "sign a new CRL of the root CA");
  return std::vector<x509::Crl>{*of_root, *own};
}

std::string IssuingCa::crl_set_pem(TimePoint now) {
  std::string pem;
  if (const auto set = crl_set(now))
    for (const x509::Crl& crl : *set) pem += crl.pem();
  return pem;
}

}  // namespace pgcertd::ca

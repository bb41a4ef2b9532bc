#include "engine/preflight.hpp"

#include <fmt/format.h>

#include <array>

#include "x509/known_certificates.hpp"
#include "x509/verify.hpp"

namespace pgcertd::engine {
namespace {

using Check = std::string (*)(const PreflightInput&);

std::string complete(const PreflightInput& in) { return in.generation.complete ? "" : "it is not complete: " + in.generation.incomplete_why; }

std::string pair_loads(const PreflightInput& in) {
  if (!in.judgement.key_matches) return "certificate and key do not belong together " + in.judgement.load_error;
  return in.judgement.loads ? "" : "PostgreSQL could not load it: " + in.judgement.load_error;
}

std::string owner_and_mode(const PreflightInput& in) {
  if (!in.seen.server.user_known()) return "the server's user is not known";
  for (const FileSeen& file : in.generation.files) {
    const bool is_key = file.is(FileRole::key);
    const FileVerdict verdict = judge_file(is_key, in.seen.server.identity(), file);
    if (verdict != FileVerdict::ok) return fmt::format("PostgreSQL would refuse {}: {} (uid {}, mode {:04o})", file.path, to_string(verdict), file.uid, file.mode);
  }
  return {};
}

std::string parents(const PreflightInput& in) {
  for (const FileSeen& directory : in.seen.generations.parents)
    if (!can_search(in.seen.server.identity(), directory)) return fmt::format("the server's user may not search {} (mode {:04o})", directory.path, directory.mode);
  return {};
}

std::string chain(const PreflightInput& in) {
  if (in.generation.origin != Origin::issued || in.judgement.chain_ok) return {};
  return "a verify-full client would refuse the chain: " + in.judgement.chain_error;
}

std::string names(const PreflightInput& in) {
  if (in.generation.origin != Origin::issued || in.judgement.missing_names.empty()) return {};
  return "it does not hold the name " + in.judgement.missing_names.front();
}

std::string strength(const PreflightInput& in) { return in.generation.origin == Origin::issued && in.judgement.weak ? in.judgement.weak_why : ""; }

std::string revoked(const PreflightInput& in) { return in.generation.origin != Origin::adopted && in.generation.origin != Origin::refreshed && in.judgement.revoked ? "its issuer has revoked it" : ""; }

// A refreshed one carries the live pair on, however that stands: its CRLs must not wait for it.
bool pair_is_new(const PreflightInput& in) { return in.generation.origin == Origin::issued || in.generation.origin == Origin::rolled_back; }

std::string dates(const PreflightInput& in) {
  if (!pair_is_new(in)) return {};
  const CertFacts& leaf = in.generation.chain.front();
  if (in.now < leaf.not_before) return "it is valid only from " + to_rfc3339(leaf.not_before);
  const TimePoint end = std::min(leaf.not_after, in.judgement.chain_not_after);
  if (in.now >= end) return "it expired at " + to_rfc3339(end);
  if (in.generation.origin == Origin::rolled_back) return {};
  const TimePoint renewal = renewal_time(leaf, in.desired, in.judgement.chain_not_after);
  return renewal < end ? "" : "it would expire before its next renewal";
}

// Where the server's settings name them, a generation without them would not load.
std::string trust_files(const PreflightInput& in) {
  if (!trust_in_force(in.seen)) return {};
  if (in.generation.roots.empty()) return "ssl_ca_file names its root.crt, and it has none";
  return in.generation.crls.empty() ? "ssl_crl_file names its root.crl, and it has none" : "";
}

// The set that is installed already may have ended; that is told of elsewhere, and no reason against a new pair.
bool crls_are_installed(const PreflightInput& in) {
  const GenerationSeen* live = in.seen.generations.live();
  return live != nullptr && trust_in_force(in.seen) && live->crls == in.generation.crls;
}

// The certificates known good: with CRL_CHECK_ALL each CA of the path needs a good CRL.
std::string crls_of_authorities(const PreflightInput& in, const std::vector<x509::Certificate>& roots, const std::vector<x509::Crl>& parsed) {
  // An offline root has no issuing CA here: what it signed is what is known good.
  const bool offline = in.seen.issuer.issuing_pem.empty();
  const auto issuing = x509::known_certificates(offline ? in.content.chain_pem : in.seen.issuer.issuing_pem, "issuing CA");
  if (!issuing) return {};
  if (in.seen.issuer.canaries) {
    const auto canary = x509::known_certificates(in.seen.issuer.canaries->good.chain_pem, "canary");
    if (!canary) return canary.error().text();
    const auto verdict = x509::verify_chain(*canary, roots, x509::Purpose::client, in.now, parsed);
    return verdict.ok ? "" : "a good client certificate would be refused: " + verdict.error;
  }
  const auto verdict = x509::verify_chain(*issuing, roots, x509::Purpose::any, in.now, parsed);
  return verdict.ok ? "" : fmt::format("the CRLs do not cover the {}: ", offline ? "server's certificate" : "issuing CA") + verdict.error;
}

std::string crls(const PreflightInput& in) {
  if (in.content.crl_pem.empty() || in.content.root_pem.empty() || crls_are_installed(in)) return {};
  const auto chain_certificates = x509::known_certificates(in.content.chain_pem, "server.crt");
  const auto roots = x509::known_certificates(in.content.root_pem, "root.crt");
  const auto parsed = x509::parse_crls(in.content.crl_pem, "root.crl");
  if (!chain_certificates || !roots) return "server.crt or root.crt does not parse";
  if (!parsed) return parsed.error().text();
  if (in.generation.origin == Origin::refreshed) return crls_of_authorities(in, *roots, *parsed);
  const auto verdict = x509::verify_chain(*chain_certificates, *roots, x509::Purpose::any, in.now, *parsed);
  return verdict.ok ? "" : "the CRLs do not cover the path: " + verdict.error;
}

constexpr std::array<Check, 11> checks{complete, pair_loads, owner_and_mode, parents, chain, names, strength, revoked, dates, trust_files, crls};

template <class Parse>
std::string file_error(ports::LiveFiles& files, const PostgresSeen& server, const std::string& setting, Parse parse) {
  const std::string path = server.file_setting(setting);
  if (path.empty()) return {};
  const auto bytes = files.read_public(path, server.identity());
  // What we may not look at is no reason against a rotation: the handshake will tell.
  if (!bytes) return bytes.error().code == Errc::not_found ? fmt::format("{} names a file that is not there: {}", setting, path) : std::string{};
  if (bytes->find("-----BEGIN ") == std::string::npos) return fmt::format("{} ({}) is not PEM", setting, path);
  const auto parsed = parse(*bytes, path);
  return parsed ? "" : fmt::format("{} cannot be loaded: {}", setting, parsed.error().text());
}

}  // namespace

std::string preflight(const PreflightInput& in) {
  for (const Check check : checks)
    if (std::string why = check(in); !why.empty()) return why;
  return {};
}

std::string foreign_files_error(ports::LiveFiles& files, const PostgresSeen& server) {
  if (!server.known) return {};
  const auto certificates = [](const std::string& bytes, const std::string& path) { return x509::known_certificates(bytes, path); };
  const auto lists = [](const std::string& bytes, const std::string& path) { return x509::parse_crls(bytes, path); };
  if (std::string why = file_error(files, server, "ssl_ca_file", certificates); !why.empty()) return why;
  return file_error(files, server, "ssl_crl_file", lists);
}

}  // namespace pgcertd::engine

#include "pgcertctl/waiting_files.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "ca/ca_directory.hpp"
#include "ca/waiting_ca.hpp"

namespace pgcertd::ctl {
namespace {

using nlohmann::json;

Error without_daemon(Error unreachable) {
  unreachable.remedy += ". The daemon makes and keeps the requests; an issuing CA's first one is issuing.csr in its directory";
  return unreachable;
}

Result<std::vector<IssuerConfig>> local_issuers(const std::string& named, const Error& unreachable, const Session& session) {
  const auto config = session.config();
  std::vector<IssuerConfig> out;
  if (config)
    for (const auto& [name, issuer] : config->issuers)
      if (issuer.type == IssuerType::local && (named.empty() || named == name)) out.push_back(issuer);
  if (out.empty()) return fail(without_daemon(unreachable));
  session.warn(unreachable.text() + "; this is what the files show: the issuing CAs' own requests, and none of clusters");
  return out;
}

json waiting_json(const ca::WaitingCa& waiting) { return {{"spki_sha256", waiting.spki_sha256}, {"cluster", nullptr}, {"since", to_rfc3339(waiting.since)}}; }

Result<json> issuer_json(const IssuerConfig& issuer) {
  json out{{"name", issuer.name}, {"type", "local"}, {"pending_requests", json::array()}, {"certificate", nullptr}, {"root_crl", nullptr}};
  PGCERTD_TRY(const auto waiting, ca::look_for_waiting(issuer.directory));
  if (waiting) {
    out["pending_requests"].push_back(waiting_json(*waiting));
    return out;
  }
  PGCERTD_TRY(const auto seen, ca::look_at(issuer.directory));
  out["certificate"] = {{"not_after", to_rfc3339(seen.certificate.not_after)}, {"renew_at", nullptr}};
  if (seen.root_crl && seen.root_crl->next_update) out["root_crl"] = {{"next_update", to_rfc3339(*seen.root_crl->next_update)}};
  return out;
}

}  // namespace

Result<std::vector<Asked>> waiting_in_files(const std::string& named, const Error& unreachable, const Session& session) {
  PGCERTD_TRY(const auto issuers, local_issuers(named, unreachable, session));
  std::vector<Asked> out;
  for (const IssuerConfig& issuer : issuers) {
    PGCERTD_TRY(const auto waiting, within(ca::look_for_waiting(issuer.directory), "issuer " + issuer.name));
    if (waiting) out.push_back({issuer.name, {}, waiting->request_pem, waiting->spki_sha256, waiting->subject, to_rfc3339(waiting->since)});
  }
  if (out.empty()) return fail(without_daemon(unreachable));
  return out;
}

Result<json> issuers_in_files(const Error& unreachable, const Session& session) {
  PGCERTD_TRY(const auto issuers, local_issuers({}, unreachable, session));
  json all = json::array();
  for (const IssuerConfig& issuer : issuers) {
    PGCERTD_TRY(json one, within(issuer_json(issuer), "issuer " + issuer.name));
    all.push_back(std::move(one));
  }
  return json{{"issuers", std::move(all)}};
}

}  // namespace pgcertd::ctl

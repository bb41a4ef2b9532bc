// Certificates of clients, CRLs and what waits for the root, out of the daemon's status.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/json_fields.hpp"
#include "cli/layout.hpp"
#include "cli/table.hpp"
#include "cli/views.hpp"
#include "core/crl_set.hpp"

namespace pgcertd::cli {
namespace {

using nlohmann::json;

void add_crl(Table& table, const std::string& where, const std::string& whose, const json& crl, TimePoint now) {
  if (!crl.is_object()) table.add({where, whose, "none", "", ""});
  else table.add({where, whose, text_at(crl, "number"), moment_at(crl, "next_update", now), text_at(crl, "revoked")});
}

void add_notice(std::string& out, const std::string& whose, const json& crl) {
  const std::string notice = crl_size_notice(static_cast<std::uint64_t>(std::max<std::int64_t>(0, number_at(crl, "revoked"))));
  if (!notice.empty()) out += paragraph(fmt::format("{}: {}", printable(whose, 200), notice), 0);
}

Tone tone_of(const std::string& client_state) {
  if (client_state == "good") return Tone::good;
  return client_state == "older" ? Tone::plain : Tone::warning;
}

}  // namespace

json clients_of(const json& status) {
  json out = json::array();
  for (const json& issuer : array_at(status, "issuers"))
    for (json client : array_at(issuer, "client_certificates")) {
      client["issuer"] = text_at(issuer, "name");
      out.push_back(std::move(client));
    }
  return out;
}

std::string clients_view(const json& status, TimePoint now, const Style& style) {
  Table table({"ROLE", "SERIAL", "VALID UNTIL", "STATE", "ISSUER"});
  for (const json& client : clients_of(status)) {
    table.add({text_at(client, "role"), text_at(client, "serial"), moment_at(client, "not_after", now), {text_at(client, "state"), tone_of(text_at(client, "state"))}, text_at(client, "issuer")});
  }
  return table.empty() ? std::string("no certificate for a client is in date\n") : table.render(style);
}

json crls_of(const json& status) {
  json out{{"published", json::array()}, {"installed", json::array()}};
  for (const json& issuer : array_at(status, "issuers")) out["published"].push_back({{"issuer", text_at(issuer, "name")}, {"crl", at(issuer, "crl")}, {"root_crl", at(issuer, "root_crl")}});
  for (const json& cluster : array_at(status, "clusters"))
    for (json crl : array_at(cluster, "crl")) {
      crl["cluster"] = text_at(cluster, "name");
      out["installed"].push_back(std::move(crl));
    }
  return out;
}

std::string crls_view(const json& status, TimePoint now, const Style& style) {
  Table table({"WHERE", "OF", "NUMBER", "ENDS", "ENTRIES"});
  std::string notices;
  for (const json& issuer : array_at(status, "issuers")) {
    add_crl(table, "published", text_at(issuer, "name"), at(issuer, "crl"), now);
    add_notice(notices, text_at(issuer, "name"), at(issuer, "crl"));
    add_crl(table, "published", text_at(issuer, "name") + ", root", at(issuer, "root_crl"), now);
  }
  for (const json& cluster : array_at(status, "clusters"))
    for (const json& crl : array_at(cluster, "crl")) {
      add_crl(table, "cluster " + text_at(cluster, "name"), text_at(crl, "issuer"), crl, now);
      add_notice(notices, "cluster " + text_at(cluster, "name"), crl);
    }
  return table.render(style) + notices;
}

json requests_of(const json& status) {
  json out = json::array();
  for (const json& issuer : array_at(status, "issuers")) {
    const json& waiting = array_at(issuer, "pending_requests");
    if (!at(issuer, "certificate").is_object() && waiting.empty()) continue;
    out.push_back({{"issuer", text_at(issuer, "name")}, {"pending_requests", waiting}, {"not_after", at(issuer, {"certificate", "not_after"})}, {"renew_at", at(issuer, {"certificate", "renew_at"})}, {"root_crl_next_update", at(issuer, {"root_crl", "next_update"})}});
  }
  return out;
}

std::string requests_view(const json& status, TimePoint now, const Style& style) {
  Table waiting({"REQUEST FOR", "ISSUER", "SINCE", "KEY'S SHA-256"});
  for (const json& issuer : array_at(status, "issuers"))
    for (const json& one : array_at(issuer, "pending_requests")) {
      const std::string cluster = text_at(one, "cluster");
      waiting.add({cluster.empty() ? std::string("the issuing CA") : cluster, text_at(issuer, "name"), moment_at(one, "since", now), text_at(one, "spki_sha256").substr(0, 16)});
    }
  Table table({"ISSUING CA OF", "RENEW FROM", "ENDS", "ROOT'S CRL ENDS"});
  for (const json& one : requests_of(status)) {
    if (!at(one, "not_after").is_string()) continue;   // no issuing CA, or none yet
    const auto from = time_at(one, "renew_at");
    table.add({text_at(one, "issuer"), {moment_at(one, "renew_at", now), from && *from <= now ? Tone::warning : Tone::plain}, moment_at(one, "not_after", now), moment_at(one, "root_crl_next_update", now)});
  }
  if (waiting.empty() && table.empty()) return "nothing waits for a root's key\n";
  const std::string first = waiting.empty() ? std::string("no request waits\n") : waiting.render(style);
  return table.empty() ? first : first + "\n" + table.render(style);
}

}  // namespace pgcertd::cli

// What people read, made from the JSON of the daemon (docs: HTTP interface). Pure: the time is an argument. Every text in it may
// have been chosen by a stranger and is shown through printable(); a missing or odd field shows as "-".
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/time.hpp"
#include "cli/style.hpp"

namespace pgcertd::cli {

// /v1/status: one cluster in full, several as a table; problems with their remedies; issuers.
std::string status_view(const nlohmann::json& status, TimePoint now, const Style& style);
// /v1/clusters/NAME in full.
std::string cluster_view(const nlohmann::json& reply, TimePoint now, const Style& style);
// /v1/runway: how long each cluster survives without the root's key, the next visits of it, and every date.
std::string runway_view(const nlohmann::json& runway, TimePoint now, const Style& style);
// Problems of a cluster that an audit shows, each with place, effect on clients and remedy; JSON: the array of them. A server that
// was not asked has one that says so: an audit never finds nothing where nothing was seen.
std::string audit_view(const std::string& cluster, const nlohmann::json& findings, TimePoint now, const Style& style);
nlohmann::json audit_findings(const nlohmann::json& reply);
// `permissions` of /v1/clusters/NAME: expected and actual, and commands for what is wrong. Also wrong: no file is known.
bool permissions_object(const nlohmann::json& files);
std::string permissions_view(const std::string& cluster, const nlohmann::json& files, const Style& style);
// One of /v1/events, as one line and a line end.
std::string chain_view(const nlohmann::json& reply);   // of events --verify
std::string event_line(const nlohmann::json& event, TimePoint now, const Style& style);
// The answer to a dry run: whether it would rotate, what would be done first, and why.
std::string plan_view(const nlohmann::json& reply, TimePoint now, const Style& style);

// Certificates of clients and CRLs, as `client list` and `crl show` print them, as JSON and as text.
nlohmann::json clients_of(const nlohmann::json& status);
std::string clients_view(const nlohmann::json& status, TimePoint now, const Style& style);
nlohmann::json crls_of(const nlohmann::json& status);
std::string crls_view(const nlohmann::json& status, TimePoint now, const Style& style);

// Issuing CAs and when each needs the root: `request list`.
nlohmann::json requests_of(const nlohmann::json& status);
std::string requests_view(const nlohmann::json& status, TimePoint now, const Style& style);

}  // namespace pgcertd::cli

#include "pgcertd/control_issuer.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "pgcertd/clock.hpp"
#include "pgcertd/control_command.hpp"
#include "x509/certificate.hpp"
#include "x509/request.hpp"

namespace pgcertd::daemon {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto signing_patience = 30s;
constexpr std::size_t longest_serial = 40;   // 20 octets (RFC 5280 4.1.2.2)

// One request with what it needs: its body, the issuer that it is for, and where it is logged.
struct IssuerCall {
  const Fleet& fleet;
  const http::ControlRequest& request;
  json body;
  std::string name;
  std::shared_ptr<QueuedIssuer> issuer;

  [[nodiscard]] std::string text(const char* key) const {
    const auto found = body.find(key);
    return found != body.end() && found->is_string() ? found->get<std::string>() : std::string{};
  }
  [[nodiscard]] Result<bool> flag(const char* key) const {
    const auto found = body.find(key);
    if (found == body.end()) return false;
    if (found->is_boolean()) return found->get<bool>();
    return fail(Errc::invalid, fmt::format("\"{}\" is neither true nor false", key));
  }
  void log(const char* event, const std::string& message, const std::string& serial = {}) const {
    fleet.log().write({LogLevel::notice, fmt::format("{}; asked for by uid {}", message, request.uid), event, {{"PGCERTD_ISSUER", name}, {"PGCERTD_SERIAL", serial}}});
    Event record{0, wall_clock(), {}, event, message, {{"issuer", name}, {"uid", std::to_string(request.uid)}}};
    if (!serial.empty()) record.fields["serial"] = serial;
    // It is done, and stands in the journal: a disk that is full must not make it look undone.
    if (auto kept = fleet.history().append(std::move(record)); !kept) fleet.log().write({LogLevel::warning, printable(kept.error().text()), "", {}});
  }
};

http::ControlReply refusal(const Error& error) {
  const int status = error.code == Errc::not_found ? 404 : error.code == Errc::invalid || error.code == Errc::parse ? 400 : 0;
  return status == 0 ? problem(error) : problem(status, "Not done", error.text(), error.remedy);
}

bool is_serial(const std::string& text) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return !text.empty() && text.size() <= longest_serial && std::ranges::all_of(text, hex);
}

// The one that is named, or the only one there is.
Result<std::string> choose_issuer(const Fleet& fleet, const std::string& named) {
  const auto names = fleet.issuer_names();
  if (!named.empty() && std::ranges::find(names, named) == names.end())
    return fail(Errc::not_found, fmt::format("no issuer \"{}\" is configured", printable(named, 63)), fmt::format("one of: {}", fmt::join(names, " ")));
  if (!named.empty()) return named;
  if (names.size() != 1) return fail(Errc::invalid, "several issuers are configured", fmt::format("name the one it is for: --issuer {}", fmt::join(names, "|")));
  return names.front();
}

// On the issuer's thread, waited for. Who answered is the call's issuer from then on.
Result<std::string> perform(IssuerCall& call, const QueuedIssuer::Order& order) {
  const auto until = std::chrono::steady_clock::now() + signing_patience;
  auto answer = ask_or_successor(
      signing_patience, [&] { return call.issuer = call.fleet.find_issuer(call.name); },
      [&](QueuedIssuer& issuer) -> Result<std::string> {
        auto asked = issuer.start(order);
        if (asked.wait_until(until) == std::future_status::ready) return asked.get();
        return fail(Errc::timeout, "the issuer is busy; it is done when it gets to it", "pgcertctl status");
      });
  if (answer) return std::move(*answer);
  return fail(Errc::busy, "the issuer ended: the configuration changed, or the daemon stops", "ask again");
}

Result<std::vector<std::string>> serials_of_role(IssuerCall& call, const std::string& role) {
  std::vector<std::string> serials;
  for (const ClientCertSeen& client : call.issuer->observe(wall_clock()).clients)
    if (client.role == role && !client.revoked) serials.push_back(client.serial);
  if (serials.empty())
    return fail(Errc::not_found, fmt::format("issuer {} has no certificate for the role \"{}\" that is not revoked and not over for long", call.name, printable(role, 80)), "pgcertctl client list");
  return serials;
}

Result<std::vector<std::string>> serials_wanted(IssuerCall& call) {
  if (const std::string role = call.text("role"); !role.empty()) return serials_of_role(call, role);
  std::string serial = call.text("serial");
  if (!is_serial(serial)) return fail(Errc::invalid, fmt::format("\"{}\" is no serial number: up to 40 hexadecimal digits", printable(serial, 80)));
  return std::vector{std::move(serial)};
}

// Once the server has loaded the CRL: else a session that was ended would be back at once.
std::string end_sessions_of(const IssuerCall& call, const std::string& cluster, const std::vector<std::string>& serials) {
  constexpr const char* busy = "the cluster's worker is busy";
  engine::Command command;
  command.kind = engine::Command::Kind::terminate;
  command.serials = serials;
  command.uid = call.request.uid;
  const auto told = ask_or_successor(signing_patience, [&] { return call.fleet.find(cluster); }, [&](ClusterWorker& worker) -> std::string {
    if (worker.look().wait_for(signing_patience) != std::future_status::ready) return busy;
    auto answer = worker.command(command);
    const auto ended = answer.within(signing_patience);
    if (!ended) return answer.withdraw() ? busy : "the sessions are being ended";
    return *ended ? **ended : fmt::format("{} ({})", ended->error().text(), ended->error().remedy);
  });
  return told.value_or("the configuration is being changed");
}

http::ControlReply revoke(IssuerCall& call) {
  const auto serials = serials_wanted(call);
  if (!serials) return refusal(serials.error());
  const auto terminate = call.flag("terminate");
  if (!terminate) return refusal(terminate.error());
  const std::string reason = call.text("reason");
  const auto revoked = perform(call, [serials = *serials, reason](ports::Issuer& issuer, TimePoint now) -> Result<std::string> {
    for (const std::string& serial : serials) PGCERTD_CHECK(issuer.revoke(serial, reason, now));
    return std::string();
  });
  if (!revoked) return refusal(revoked.error());
  const std::string message = fmt::format("serial {} of issuer {} is revoked ({}), and the CRL says so", fmt::join(*serials, ", "), call.name, reason);
  for (const std::string& serial : *serials) call.log("certificate-revoked", fmt::format("serial {} of issuer {} is revoked ({})", serial, call.name, reason), serial);
  json ended = json::object();
  std::string words = message;
  if (*terminate)
    for (const std::string& cluster : call.fleet.clusters_of(call.name)) {
      const std::string told = end_sessions_of(call, cluster, *serials);
      ended[cluster] = told;
      words += fmt::format("; cluster {}: {}", cluster, told);
    }
  return done(words, {{"serials", *serials}, {"sessions", ended}});
}

Result<LeafRequest> client_request(const IssuerCall& call) {
  LeafRequest out;
  out.role = call.text("role");
  out.request_pem = call.text("request");
  out.renews = call.text("renews");
  if (out.role.empty()) return fail(Errc::invalid, "no role is named");
  if (!out.renews.empty() && !is_serial(out.renews)) return fail(Errc::invalid, fmt::format("\"{}\" is no serial number: up to 40 hexadecimal digits", printable(out.renews, 80)));
  PGCERTD_TRY(out.lifetime, parse_duration(call.text("lifetime").empty() ? "90d" : call.text("lifetime")));
  PGCERTD_TRY(const auto facts, x509::parse_request(out.request_pem, "request"));
  out.spki_sha256 = facts.spki_sha256;
  return out;
}

json certificate_json(const Issued& issued, const CertFacts& leaf, const IssuerSeen& seen) {
  return {{"chain", issued.chain_pem}, {"root", issued.root_pem}, {"crl", issued.crl_pem}, {"serial", leaf.serial}, {"not_after", to_rfc3339(leaf.not_after)},
          {"root_sha256", seen.root ? seen.root->fingerprint_sha256 : ""}};
}

// An issuer that a change of the configuration ends signs nothing more: its successor is asked, and is the call's from then on.
IssuerAnswer submit(IssuerCall& call, const LeafRequest& request) {
  for (;;) {
    IssuerAnswer answer = call.issuer->submit(request, wall_clock());
    auto successor = call.fleet.find_issuer(call.name);
    const bool signed_or_not = std::holds_alternative<Issued>(answer) || std::holds_alternative<Refused>(answer);
    if (signed_or_not || !successor || successor == call.issuer) return answer;
    call.issuer = std::move(successor);
  }
}

http::ControlReply issue_client(IssuerCall& call) {
  const auto request = client_request(call);
  if (!request) return refusal(request.error());
  const IssuerAnswer answer = submit(call, *request);
  if (const auto* refused = std::get_if<Refused>(&answer)) return refusal(refused->why);
  const auto* issued = std::get_if<Issued>(&answer);
  if (issued == nullptr) return problem(504, "No answer", "the issuer has not signed it yet", "ask again");
  const auto chain = x509::parse_certificates(issued->chain_pem, "the certificate");
  if (!chain) return problem(chain.error());
  const CertFacts& leaf = chain->front().facts();
  const std::string message = fmt::format("issuer {} gave the role \"{}\" the certificate {}, valid until {}", call.name, printable(request->role, 80), leaf.serial, to_rfc3339(leaf.not_after));
  call.log("client-certificate-issued", message, leaf.serial);
  call.issuer->poke();
  return done(message, certificate_json(*issued, leaf, call.issuer->observe(wall_clock())));
}

http::ControlReply refresh_crl(IssuerCall& call) {
  const auto renewed = perform(call, [](ports::Issuer& issuer, TimePoint now) -> Result<std::string> {
    PGCERTD_CHECK(issuer.renew_crl(now));
    return std::string();
  });
  if (!renewed) return refusal(renewed.error());
  const IssuerSeen seen = call.issuer->observe(wall_clock());
  const std::string message = fmt::format("issuer {} has published CRL {}", call.name, seen.crl ? seen.crl->number : "");
  call.log("crl-signed", message);
  return done(message);
}

http::ControlReply import_crl(IssuerCall& call) {
  const auto imported = perform(call, [bytes = call.text("crl")](ports::Issuer& issuer, TimePoint now) { return issuer.import_crls(bytes, now); });
  if (!imported) return refusal(imported.error());
  call.log("crl-imported", fmt::format("issuer {}: {}", call.name, *imported));
  return done(*imported);
}

http::ControlReply export_request(IssuerCall& call) {
  // Shared: an issuer that is busy writes it when nobody waits any more.
  const auto list = std::make_shared<json>(json::array());
  const auto asked = perform(call, [list](ports::Issuer& issuer, TimePoint now) -> Result<std::string> {
    PGCERTD_TRY(const auto requests, issuer.requests(now));
    for (const RequestFile& one : requests)
      list->push_back({{"cluster", one.seen.cluster}, {"spki_sha256", one.seen.spki_sha256}, {"subject", printable(one.subject, 1000)}, {"since", to_rfc3339(one.seen.since)}, {"request", one.text}});
    return std::string();
  });
  if (!asked) return refusal(asked.error());
  return {200, json{{"issuer", call.name}, {"requests", *list}}.dump()};
}

http::ControlReply import_answer(IssuerCall& call) {
  const auto imported = perform(call, [bytes = call.text("bundle")](ports::Issuer& issuer, TimePoint now) { return issuer.import_answer(bytes, now); });
  if (!imported) return refusal(imported.error());
  call.log("root-answered", fmt::format("issuer {}: {}", call.name, *imported));
  return done(*imported);
}

struct Row {
  std::string_view path;
  http::ControlReply (*answer)(IssuerCall& call);
};
constexpr std::array rows{Row{"/v1/revoke", revoke}, Row{"/v1/clients", issue_client}, Row{"/v1/crl/refresh", refresh_crl}, Row{"/v1/crl/import", import_crl},
                          Row{"/v1/requests/export", export_request}, Row{"/v1/requests/import", import_answer}};

}  // namespace

std::optional<http::ControlReply> answer_issuer(const Fleet& fleet, const http::ControlRequest& request) {
  const auto row = std::ranges::find(rows, request.path, &Row::path);
  if (row == rows.end()) return std::nullopt;
  IssuerCall call{fleet, request, json::parse(request.body, nullptr, false), {}, nullptr};
  if (!call.body.is_object()) return problem(400, "Bad request", "the body is no JSON object");
  const auto name = choose_issuer(fleet, call.text("issuer"));
  if (!name) return refusal(name.error());
  call.name = *name;
  call.issuer = fleet.find_issuer(*name);
  if (!call.issuer) return problem(503, "Busy", "the configuration is being changed", "ask again");
  return row->answer(call);
}

}  // namespace pgcertd::daemon

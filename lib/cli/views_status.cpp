#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/json_fields.hpp"
#include "cli/layout.hpp"
#include "cli/moments.hpp"
#include "cli/table.hpp"
#include "cli/views.hpp"

namespace pgcertd::cli {
namespace {

using nlohmann::json;

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

std::string severity_word(const json& object, std::string_view key) {
  const std::string word = text_at(object, key);
  return word.empty() ? "unknown" : printable(word, 16);
}

std::string joined(const json& list) {
  std::string out;
  for (const json& item : list)
    if (const std::string text = text_of(item); !text.empty()) out += (out.empty() ? "" : ", ") + text;
  return or_dash(out);
}

// Only rows that say something: a cluster that has just been found has few facts.
void add_fact(Table& table, std::string_view name, const std::string& value, Tone tone = Tone::plain) {
  if (!value.empty() && value != "-") table.add({Cell(name, Tone::faint), Cell(value, tone)});
}

void add_server(Table& table, const json& cluster) {
  const json& server = at(cluster, "server");
  const bool reachable = flag_at(server, "reachable");
  std::string words = "PostgreSQL " + or_dash(text_at(server, "version"));
  words += reachable ? "" : ", not reachable";
  words += flag_at(server, "ssl") ? ", ssl on" : ", ssl off";
  if (flag_at(server, "pending_restart")) words += ", restart pending";
  add_fact(table, "server", words, reachable ? Tone::plain : Tone::warning);
  add_fact(table, "data directory", text_at(server, "data_directory"));
}

void add_certificate(Table& table, const json& certificate, TimePoint now) {
  if (!certificate.is_object()) {
    add_fact(table, "certificate", "none", Tone::warning);
    return;
  }
  add_fact(table, "certificate", text_at(certificate, "path"));
  add_fact(table, "names", joined(array_at(certificate, "names")));
  add_fact(table, "issued by", text_at(certificate, "issuer"));
  add_fact(table, "key", text_at(certificate, "key_type"));
  add_fact(table, "serial", text_at(certificate, "serial"));
  add_fact(table, "ends", moment_at(certificate, "not_after", now));
  add_fact(table, "renewal", moment_at(certificate, "renew_at", now));
}

void add_served(Table& table, const json& cluster, TimePoint now) {
  for (const json& served : array_at(cluster, "served")) {
    if (!at(served, "matches_file").is_boolean()) {  // no certificate came
      add_fact(table, "served",
               fmt::format("{}: {}, {}", text_at(served, "endpoint"), or_dash(text_at(served, "outcome")),
                           or_dash(text_at(served, "verify"))),
               Tone::critical);
      continue;
    }
    const bool same = flag_at(served, "matches_file");
    const std::string verify = text_at(served, "verify");
    const bool good = same && verify == "ok";
    const std::string words =
        fmt::format("{}: {}, {}, verify {}, ends {}", text_at(served, "endpoint"), or_dash(text_at(served, "tls_version")),
                    same ? "same as the file" : "DIFFERENT from the file", or_dash(verify), moment_at(served, "not_after", now));
    add_fact(table, "served", words, good ? Tone::plain : Tone::critical);
  }
}

void add_crls(Table& table, const json& cluster, TimePoint now) {
  for (const json& crl : array_at(cluster, "crl"))
    add_fact(table, "CRL",
             fmt::format("number {}, {} revoked, next update {}", or_dash(text_at(crl, "number")), number_at(crl, "revoked"),
                         moment_at(crl, "next_update", now)));
}

void add_rotation(Table& table, const json& cluster, TimePoint now) {
  const json& rotation = at(cluster, "rotation");
  if (!rotation.is_object()) return;
  const std::string need = text_at(rotation, "need");
  add_fact(table, "rotation",
           fmt::format("{}, generation {}{}", or_dash(text_at(rotation, "stage")), number_at(rotation, "generation"),
                       need.empty() || need == "none" ? "" : ", needed: " + need));
  add_fact(table, "last success", moment_at(rotation, "last_success_at", now));
  const json& error = at(rotation, "last_error");
  add_fact(table, "last error", with_relative_times(error.is_object() ? text_at(error, "message") : text_of(error), now), Tone::critical);
  add_fact(table, "paused until", moment_at(rotation, "paused_until", now), Tone::warning);
  add_fact(table, "next step", text_at(rotation, "next_step"));
  add_fact(table, "next look", moment_at(rotation, "next_at", now));
}

std::string limit_words(const std::string& limit) {
  if (limit == "issuing_ca") return "the issuing CA";
  if (limit == "root_ca") return "the root CA";
  if (limit == "root_crl") return "the root's CRL";
  if (limit == "leaf") return "the server certificate";
  return or_dash(limit);
}

void add_runway(Table& table, const json& cluster, TimePoint now) {
  const json& runway = at(cluster, "runway");
  const std::string ends = moment_at(runway, "ends_at", now);
  if (ends == "-") return;
  add_fact(table, "runway", fmt::format("ends {}, limited by {}", ends, limit_words(text_at(runway, "limited_by"))));
  add_fact(table, "root needed", moment_at(runway, "needed_at", now));
}

std::string cluster_facts(const json& cluster, TimePoint now, const Style& style) {
  Table table({}, 2);
  add_server(table, cluster);
  add_certificate(table, at(cluster, "certificate"), now);
  add_served(table, cluster, now);
  add_crls(table, cluster, now);
  add_rotation(table, cluster, now);
  add_runway(table, cluster, now);
  return table.render(style);
}

std::string problem_text(const json& problem, const std::string& cluster, TimePoint now, const Style& style) {
  const std::string severity = severity_word(problem, "severity");
  std::string out = style.paint(severity_tone(severity), upper(severity)) + " " +
                    style.paint(Tone::strong, printable(text_at(problem, "code"), 40));
  if (!cluster.empty()) out += " " + printable(cluster, 63);
  out += "\n" + paragraph(with_relative_times(printable(text_at(problem, "message"), 1000), now), 4);
  if (const auto since = time_at(problem, "since")) out += paragraph("since " + moment_text(since, now), 4);
  const std::string remedy = text_at(problem, "remedy");
  if (!remedy.empty()) out += paragraph("remedy: " + printable(remedy, 1000), 4);
  if (const std::string code = text_at(problem, "code"); !code.empty()) out += paragraph("more: pgcertctl explain " + printable(code, 40), 4);
  return out;
}

std::string problems_text(const json& owner, const std::string& name, TimePoint now, const Style& style) {
  std::string out;
  for (const json& problem : array_at(owner, "problems")) out += problem_text(problem, name, now, style);
  return out;
}

std::string title(const std::string& name, const std::string& severity, const Style& style) {
  return style.paint(Tone::strong, printable(name, 63)) + " " + style.paint(severity_tone(severity), upper(severity)) + "\n";
}

std::string cluster_table(const json& clusters, TimePoint now, const Style& style) {
  Table table({"CLUSTER", "STATUS", "CERTIFICATE ENDS", "RENEWAL"});
  for (const json& cluster : clusters) {
    const std::string severity = severity_word(cluster, "status");
    table.add({Cell(or_dash(text_at(cluster, "name")), Tone::strong), Cell(severity, severity_tone(severity)),
               Cell(moment_text(served_end(cluster), now)), Cell(moment_at(at(cluster, "certificate"), "renew_at", now))});
  }
  return table.render(style);
}

std::string issuer_text(const json& issuer, TimePoint now, const Style& style) {
  Table table({}, 2);
  const bool key = flag_at(issuer, "key_available");
  const json& waiting = array_at(issuer, "pending_requests");
  add_fact(table, "type", text_at(issuer, "type") + (key ? ", key available" : ", key not available"));
  add_fact(table, "CA ends", moment_at(at(issuer, "certificate"), "not_after", now));
  add_fact(table, "root ends", moment_at(at(issuer, "root"), "not_after", now));
  add_fact(table, "root SHA-256", text_at(issuer, {"root", "fingerprint_sha256"}));
  if (at(issuer, "crl").is_object())
    add_fact(table, "CRL",
             fmt::format("number {}, {} revoked, next update {}", or_dash(text_at(issuer, {"crl", "number"})),
                         number_at(at(issuer, "crl"), "revoked"), moment_at(at(issuer, "crl"), "next_update", now)));
  if (!waiting.empty()) add_fact(table, "waiting", fmt::format("{} request(s) for a signature", waiting.size()), Tone::warning);
  return "issuer " + style.paint(Tone::strong, printable(text_at(issuer, "name"), 63)) + "\n" + table.render(style);
}

}  // namespace

std::string cluster_view(const json& reply, TimePoint now, const Style& style) {
  const json& cluster = cluster_of(reply);
  const std::string name = text_at(cluster, "name");
  std::string out = title(name, severity_word(cluster, "status"), style) + cluster_facts(cluster, now, style);
  const std::string problems = problems_text(cluster, {}, now, style);
  return problems.empty() ? out : out + "\n" + problems;
}

std::string status_view(const json& status, TimePoint now, const Style& style) {
  const std::string severity = severity_word(status, "status");
  std::string out = style.paint(severity_tone(severity), upper(severity)) + "  pgcertd " +
                    printable(or_dash(text_at(status, "version")), 12) + ", as of " +
                    printable(moment_at(status, "generated_at", now)) + "\n\n";
  const json& clusters = array_at(status, "clusters");
  if (clusters.empty()) out += "no cluster is configured\n";
  if (clusters.size() == 1)
    out +=
        title(text_at(clusters[0], "name"), severity_word(clusters[0], "status"), style) + cluster_facts(clusters[0], now, style);
  if (clusters.size() > 1) out += cluster_table(clusters, now, style);
  std::string problems = problems_text(status, {}, now, style);
  for (const json& cluster : clusters) problems += problems_text(cluster, text_at(cluster, "name"), now, style);
  for (const json& issuer : array_at(status, "issuers")) problems += problems_text(issuer, text_at(issuer, "name"), now, style);
  if (!problems.empty()) out += "\n" + problems;
  for (const json& issuer : array_at(status, "issuers")) out += "\n" + issuer_text(issuer, now, style);
  return out;
}

namespace {

std::string visits_text(const json& runway, TimePoint now, const Style& style) {
  Table table({"VISIT OF THE ROOT", "AT THE LATEST", "FOR"});
  for (const json& visit : array_at(runway, "visits")) {
    std::string what;
    for (const json& one : array_at(visit, "what"))
      if (one.is_string()) what += (what.empty() ? "" : "; ") + printable(one.get<std::string>(), 200);
    table.add({Cell(moment_at(visit, "from", now), Tone::strong), Cell(moment_at(visit, "until", now)), Cell(what)});
  }
  return table.empty() ? "no visit of the root is foreseen\n" : table.render(style);
}

std::string dates_text(const json& runway, TimePoint now, const Style& style) {
  Table table({"DATE", "WHAT"});
  for (const json& one : array_at(runway, "dates")) table.add({Cell(moment_at(one, "at", now)), Cell(text_at(one, "what"))});
  return table.empty() ? std::string{} : "\n" + table.render(style);
}

}  // namespace

std::string runway_view(const json& runway, TimePoint now, const Style& style) {
  Table table({"CLUSTER", "ENDS WITHOUT THE ROOT", "ROOT NEEDED", "LIMITED BY"});
  for (const json& cluster : array_at(runway, "runway"))
    table.add({Cell(or_dash(text_at(cluster, "cluster")), Tone::strong), Cell(moment_at(cluster, "ends_at", now)), Cell(moment_at(cluster, "needed_at", now)), Cell(limit_words(text_at(cluster, "limited_by")))});
  if (table.empty()) return "no cluster is configured\n";
  return table.render(style) + "\n" + visits_text(runway, now, style) + dates_text(runway, now, style);
}

}  // namespace pgcertd::cli

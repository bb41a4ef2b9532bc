#include "pgcertctl/facts_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace pgcertd::ctl {
namespace {

cli::Tone tone_of_end(TimePoint end, TimePoint now) { return end < now ? cli::Tone::critical : cli::Tone::plain; }

}  // namespace

std::string moment_text(TimePoint at, TimePoint now) {
  return at >= no_expiry ? "never" : fmt::format("{} ({})", to_rfc3339(at), relative_text(at, now));
}

std::string names_text(const Names& names) {
  return fmt::format("{}", fmt::join(all_names(names), ", "));
}

void add_row(cli::Table& table, std::string_view name, const std::string& value, cli::Tone tone) {
  if (!value.empty()) table.add({cli::Cell(name, cli::Tone::faint), cli::Cell(value, tone)});
}

void add_rows(cli::Table& table, const CertFacts& facts, TimePoint now) {
  add_row(table, "subject", facts.subject);
  add_row(table, "issuer", facts.self_signed ? facts.issuer + " (self-signed)" : facts.issuer);
  add_row(table, "names", names_text(facts.names));
  add_row(table, "kind", facts.is_ca ? "CA" : "");
  add_row(table, "begins", moment_text(facts.not_before, now), facts.not_before > now ? cli::Tone::critical : cli::Tone::plain);
  add_row(table, "ends", moment_text(facts.not_after, now), tone_of_end(facts.not_after, now));
  add_row(table, "key", facts.key_name);
  add_row(table, "signature", facts.signature_algorithm);
  add_row(table, "serial", facts.serial);
  add_row(table, "SHA-256", facts.fingerprint_sha256);
}

void add_rows(cli::Table& table, const CrlFacts& facts, TimePoint now) {
  add_row(table, "issuer", facts.issuer);
  add_row(table, "CRL number", facts.number);
  add_row(table, "this update", moment_text(facts.this_update, now));
  if (facts.next_update) add_row(table, "next update", moment_text(*facts.next_update, now), tone_of_end(*facts.next_update, now));
  add_row(table, "revoked", std::to_string(facts.revoked));
  add_row(table, "SHA-256", facts.fingerprint_sha256);
}

std::string aloud(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 4) out += (i == 0 ? "" : " ") + hex.substr(i, 4);
  return out;
}

}  // namespace pgcertd::ctl

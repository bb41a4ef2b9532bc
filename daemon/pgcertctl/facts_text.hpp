// Facts of certificates and CRLs as name-and-value rows for people.
#pragma once

#include <string>
#include <string_view>

#include "cli/table.hpp"
#include "core/cert.hpp"

namespace pgcertd::ctl {

// A hash in groups of four digits, as two people read it to each other.
std::string aloud(const std::string& hex);

// "2026-01-01T00:00:00Z (in 3 days)"; "never" for no_expiry.
std::string moment_text(TimePoint at, TimePoint now);
std::string names_text(const Names& names);
// A row, unless there is nothing to say.
void add_row(cli::Table& table, std::string_view name, const std::string& value, cli::Tone tone = cli::Tone::plain);
void add_rows(cli::Table& table, const CertFacts& facts, TimePoint now);
void add_rows(cli::Table& table, const CrlFacts& facts, TimePoint now);

}  // namespace pgcertd::ctl

// The tables that plan() walks: one cause, one row; the order of rows is the order of judgement. The docs are printed
// from them (pgcertd --print-tables) and a test compares.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/finding.hpp"

namespace pgcertd {

enum class Track : std::uint8_t { leaf, trust, files, settings };
std::string_view to_string(Track track) noexcept;

// Why a new leaf is wanted. The first row that fits is the need.
enum class Need : std::uint8_t {
  absent, mismatch, expired, not_yet_valid, untrusted, wrong_names, revoked, weak, signer_changed, asked, due, none,
};
std::string_view to_string(Need need) noexcept;

// How far a new leaf is. The first row that fits is the stage.
enum class Stage : std::uint8_t { published, staged, issued, requested, refused, proved, nothing };
std::string_view to_string(Stage stage) noexcept;

struct NeedRow {
  Need need;
  std::string_view meaning;
  std::optional<ProblemCode> problem;   // that stands while the need does
};
std::span<const NeedRow> need_table() noexcept;

struct StageRow {
  Stage stage;
  std::string_view meaning;
  std::string_view step;                // what is done next
};
std::span<const StageRow> stage_table() noexcept;

// Markdown of the needs, stages and problem codes, as docs/TABLES.md holds it.
std::string tables_markdown();

}  // namespace pgcertd

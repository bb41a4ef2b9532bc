#include "cli/style.hpp"

#include <fmt/format.h>

namespace pgcertd::cli {
namespace {

std::string_view sgr(Tone tone) noexcept {
  switch (tone) {
    case Tone::good: return "32";
    case Tone::warning: return "33";
    case Tone::critical: return "1;31";
    case Tone::strong: return "1";
    case Tone::faint: return "2";
    case Tone::plain: break;
  }
  return {};
}

}  // namespace

std::optional<ColorChoice> parse_color_choice(std::string_view text) noexcept {
  if (text == "auto") return ColorChoice::automatic;
  if (text == "always") return ColorChoice::always;
  if (text == "never") return ColorChoice::never;
  return std::nullopt;
}

std::string Style::paint(Tone tone, std::string_view text) const {
  const std::string_view code = sgr(tone);
  if (!colored_ || code.empty() || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

Style choose_style(ColorChoice choice, bool is_terminal, bool no_color, std::string_view term) noexcept {
  if (choice != ColorChoice::automatic) return Style(choice == ColorChoice::always);
  return Style(is_terminal && !no_color && term != "dumb");
}

Tone severity_tone(std::string_view severity) noexcept {
  if (severity == "ok") return Tone::good;
  if (severity == "critical") return Tone::critical;
  return Tone::warning;
}

}  // namespace pgcertd::cli

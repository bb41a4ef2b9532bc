// Style: colour for people. On a terminal only, unless --color says otherwise; NO_COLOR is obeyed. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgcertd::cli {

enum class Tone : std::uint8_t { plain, good, warning, critical, strong, faint };

enum class ColorChoice : std::uint8_t { automatic, always, never };
std::optional<ColorChoice> parse_color_choice(std::string_view text) noexcept;  // "auto" "always" "never"

class Style {
 public:
  explicit Style(bool colored = false) noexcept : colored_(colored) {}
  [[nodiscard]] std::string paint(Tone tone, std::string_view text) const;
  [[nodiscard]] bool colored() const noexcept { return colored_; }

 private:
  bool colored_;
};

// `no_color`: the environment's NO_COLOR is set and not empty. `term`: TERM, "dumb" has no colours.
Style choose_style(ColorChoice choice, bool is_terminal, bool no_color, std::string_view term) noexcept;

// Tone of "ok", "warning", "critical"; "unknown" and anything else are a warning.
Tone severity_tone(std::string_view severity) noexcept;

}  // namespace pgcertd::cli

// The few pieces that every part of the status page is made of. Everything from outside goes through html(). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "core/finding.hpp"

namespace pgcertd::status {

// Printable, cut at `limit` bytes, and safe as text and inside a double-quoted attribute.
std::string html(std::string_view hostile, std::size_t limit = 300);
// <time>: the date with its distance from now, or a dash.
std::string when(const std::optional<TimePoint>& at, TimePoint now);
std::string day_text(TimePoint at);                            // "2026-03-31", or "no end"
std::string icon(Severity severity, int pixels);               // decorative; always beside a word
std::string pill(Severity severity);                           // icon, word, colour
std::string_view word(Severity severity);                      // "Healthy"
std::string plural(std::uint64_t n, std::string_view noun);    // "1 cluster", "2 clusters"
// One row of a <dl>; `value_html` is markup already.
std::string fact(std::string_view term, const std::string& value_html);
std::string mono(std::string_view hostile);

}  // namespace pgcertd::status

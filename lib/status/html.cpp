#include "status/html.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace pgcertd::status {
namespace {

// Shape as well as colour tells the severity apart.
std::string_view shape(Severity severity) {
  switch (severity) {
    case Severity::ok: return R"(<circle cx="12" cy="12" r="11"/><path class="sign" d="M7 12.5l3.4 3.4L17 9"/>)";
    case Severity::warning: return R"(<path d="M12 1.6 23.4 21.8H.6z"/><path class="sign" d="M12 8.6v6.2M12 18v.4"/>)";
    case Severity::critical:
      return R"(<path d="M7.4 1h9.2L23 7.4v9.2L16.6 23H7.4L1 16.6V7.4z"/><path class="sign" d="M8 8l8 8M16 8l-8 8"/>)";
    case Severity::unknown: break;
  }
  return R"(<rect x="1" y="1" width="22" height="22" rx="6"/>)"
         R"(<path class="sign" d="M9 9.4a3 3 0 1 1 4.3 2.7c-.9.5-1.3 1-1.3 2.2M12 17.6v.4"/>)";
}

}  // namespace

std::string html(std::string_view hostile, std::size_t limit) {
  std::string out;
  for (const char c : printable(hostile, limit)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string day_text(TimePoint at) { return at >= no_expiry ? "no end" : to_rfc3339(at).substr(0, 10); }

std::string when(const std::optional<TimePoint>& at, TimePoint now) {
  if (!at || *at == TimePoint{}) return "–";
  if (*at >= no_expiry) return "no end";
  const std::string iso = to_rfc3339(*at);
  return fmt::format(R"(<time datetime="{}">{} {} UTC</time> <span class="rel">· {}</span>)", iso, iso.substr(0, 10),
                     iso.substr(11, 5), relative_text(*at, now));
}

std::string icon(Severity severity, int pixels) {
  return fmt::format(
      R"(<svg class="icon {}" width="{}" height="{}" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{}</svg>)",
      to_string(severity), pixels, pixels, shape(severity));
}

std::string pill(Severity severity) {
  return fmt::format(R"(<span class="pill {}">{}{}</span>)", to_string(severity), icon(severity, 14), word(severity));
}

std::string_view word(Severity severity) {
  switch (severity) {
    case Severity::ok: return "Healthy";
    case Severity::warning: return "Warning";
    case Severity::critical: return "Critical";
    case Severity::unknown: break;
  }
  return "Unknown";
}

std::string plural(std::uint64_t n, std::string_view noun) { return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s"); }

std::string fact(std::string_view term, const std::string& value_html) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", term, value_html);
}

std::string mono(std::string_view hostile) { return fmt::format("<code>{}</code>", html(hostile)); }

}  // namespace pgcertd::status

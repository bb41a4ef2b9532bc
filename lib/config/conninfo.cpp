#include "config/conninfo.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "config/cross_checks.hpp"

namespace pgcertd::config {
namespace {

// PQconninfoOptions of libpq up to PostgreSQL 18.
constexpr std::array<std::string_view, 51> keywords{
    "application_name", "channel_binding", "client_encoding", "connect_timeout", "dbname", "fallback_application_name",
    "gssdelegation", "gssencmode", "gsslib", "host", "hostaddr", "keepalives", "keepalives_count", "keepalives_idle",
    "keepalives_interval", "krbsrvname", "load_balance_hosts", "max_protocol_version", "min_protocol_version", "oauth_client_id",
    "oauth_client_secret", "oauth_issuer", "oauth_scope", "options", "passfile", "password", "port", "replication", "require_auth",
    "requirepeer", "scram_client_key", "scram_server_key", "service", "servicefile", "ssl_max_protocol_version",
    "ssl_min_protocol_version", "sslcert", "sslcertmode", "sslcompression", "sslcrl", "sslcrldir", "sslkey", "sslkeylogfile",
    "sslmode", "sslnegotiation", "sslpassword", "sslrootcert", "sslsni", "target_session_attrs", "tcp_user_timeout", "user"};

struct Forbidden {
  std::string_view keyword;
  std::string_view why;
  std::string_view remedy;
};
constexpr std::string_view use_password = "write password = \"credential:NAME\" in the cluster's table";
constexpr std::array<Forbidden, 9> forbidden{{
    {"password", "a password must not stand in the configuration", use_password},
    {"passfile", "password files are not read", use_password},
    {"service", "service files are not read",
     "write host, port, dbname and user here, and password = \"credential:NAME\" in the cluster's table"},
    {"servicefile", "service files are not read",
     "write host, port, dbname and user here, and password = \"credential:NAME\" in the cluster's table"},
    {"sslpassword", "a passphrase must not stand in the configuration",
     "log in by peer, or write password = \"credential:NAME\" in the cluster's table"},
    {"oauth_client_secret", "a secret must not stand in the configuration", use_password},
    {"scram_client_key", "a secret must not stand in the configuration", use_password},
    {"scram_server_key", "a secret must not stand in the configuration", use_password},
    {"sslkeylogfile", "it would write the session's keys to a file", "remove it"},
}};

tl::unexpected<Error> syntax(std::string_view why) {
  return fail(Errc::parse, fmt::format("no conninfo: {}", why),
              "write it like host=/run/postgresql port=5432 dbname=postgres user=pgcertd");
}

bool space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The grammar of conninfo_parse() in libpq.
class KeywordValues {
 public:
  explicit KeywordValues(std::string_view text) : rest_(text) {}

  Result<ConninfoValues> run() {
    ConninfoValues out;
    for (skip_space(); !rest_.empty(); skip_space()) {
      const auto end = std::ranges::find_if(rest_, [](char c) { return c == '=' || space(c); });
      const std::string keyword(rest_.begin(), end);
      rest_.remove_prefix(keyword.size());
      skip_space();
      // The word is not repeated: it may be the second one of a password.
      if (!rest_.starts_with('=')) return syntax("a keyword has no \"=\", or a value with a space has no quotes");
      if (keyword.empty()) return syntax("a keyword is missing before \"=\"");
      rest_.remove_prefix(1);
      skip_space();
      PGCERTD_TRY(out[keyword], rest_.starts_with('\'') ? quoted() : plain());
    }
    return out;
  }

 private:
  void skip_space() {
    while (!rest_.empty() && space(rest_.front())) rest_.remove_prefix(1);
  }
  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  Result<std::string> plain() {
    std::string out;
    while (!rest_.empty() && !space(rest_.front())) {
      const char c = take();
      if (c != '\\') out += c;
      else if (!rest_.empty()) out += take();
    }
    return out;
  }
  Result<std::string> quoted() {
    take();
    std::string out;
    while (!rest_.empty()) {
      const char c = take();
      if (c == '\'') return out;
      if (c != '\\') out += c;
      else if (!rest_.empty()) out += take();
    }
    return syntax("a quoted value does not end");
  }

  std::string_view rest_;
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

Result<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1, low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0 || high + low == 0) return syntax("a %-escape in the URI is broken");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

// postgresql://user@host:port,host:port/dbname?keyword=value&…, as conninfo_uri_parse_options() in libpq walks over it.
class Uri {
 public:
  explicit Uri(std::string_view rest) : rest_(rest) {}

  Result<ConninfoValues> run() {
    if (const auto at = rest_.find_first_of("@/"); at != std::string_view::npos && rest_[at] == '@') PGCERTD_CHECK(user());
    PGCERTD_CHECK(hosts());
    if (accept('/')) PGCERTD_CHECK(store("dbname", until("?")));
    if (accept('?')) PGCERTD_CHECK(parameters());
    return out_;
  }

 private:
  std::string_view until(std::string_view ends) {
    const std::string_view taken = rest_.substr(0, rest_.find_first_of(ends));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  bool accept(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  Result<void> store(const std::string& keyword, std::string_view encoded) {
    PGCERTD_TRY(std::string value, percent_decoded(encoded));
    if (!encoded.empty()) out_[keyword] = std::move(value);
    return {};
  }

  Result<void> user() {
    PGCERTD_CHECK(store("user", until(":@")));
    if (accept(':')) PGCERTD_CHECK(store("password", until("@")));
    accept('@');
    return {};
  }

  Result<void> hosts() {
    std::string names, ports;
    for (;;) {
      const bool bracket = accept('[');
      names += until(bracket ? "]" : ":/?,");
      if (bracket && !accept(']')) return syntax("a bracket of an IPv6 address in the URI is not closed");
      if (accept(':')) ports += until("/?,");
      else if (!rest_.empty() && std::string_view("/?,").find(rest_.front()) == std::string_view::npos)
        return syntax("something stands between host and port of the URI");
      if (!accept(',')) break;
      names += ',';
      ports += ',';
    }
    PGCERTD_CHECK(store("host", names));
    return store("port", ports);
  }

  Result<void> parameters() {
    while (!rest_.empty()) {
      PGCERTD_TRY(std::string keyword, percent_decoded(until("=&")));
      if (!accept('=')) return syntax("a parameter of the URI has no \"=\"");
      PGCERTD_TRY(std::string value, percent_decoded(until("&")));
      accept('&');
      // For users of JDBC.
      if (keyword == "ssl" && value == "true") {
        keyword = "sslmode";
        value = "require";
      }
      out_[keyword] = std::move(value);
    }
    return {};
  }

  std::string_view rest_;
  ConninfoValues out_;
};

bool is_uri(std::string_view text) { return text.starts_with("postgresql://") || text.starts_with("postgres://"); }

Result<void> check_secret(const std::string& keyword, const std::string& value) {
  if (const auto row = std::ranges::find(forbidden, keyword, &Forbidden::keyword); row != forbidden.end())
    return fail(Errc::refused, fmt::format("{}: {}", keyword, row->why), std::string(row->remedy));
  // libpq may read such a name as a conninfo of its own, with a password in it.
  if (keyword == "dbname" && (is_uri(value) || value.find('=') != std::string::npos))
    return fail(Errc::refused, "dbname holds a conninfo of its own", "write the keywords beside it");
  return {};
}

Result<void> check_keyword(const std::string& keyword) {
  if (std::ranges::find(keywords, keyword) != keywords.end()) return {};
  const std::vector<std::string> all(keywords.begin(), keywords.end());
  return fail(Errc::invalid, fmt::format("\"{}\" is no keyword of libpq", printable(keyword.substr(0, 30))),
              fmt::format("the nearest one is {}", nearest(keyword, all)));
}

// Of a socket's directory. Links are the running daemon's matter: it compares what it finds there.
std::string one_spelling(std::string_view directory) {
  std::vector<std::string_view> parts;
  while (!directory.empty()) {
    const std::string_view part = directory.substr(0, directory.find('/'));
    directory.remove_prefix(std::min(part.size() + 1, directory.size()));
    if (part == ".." && !parts.empty()) parts.pop_back();
    else if (!part.empty() && part != "." && part != "..") parts.push_back(part);
  }
  if (parts.size() > 1 && parts[0] == "var" && parts[1] == "run") parts.erase(parts.begin());
  return fmt::format("/{}", fmt::join(parts, "/"));
}

}  // namespace

Result<ConninfoValues> conninfo_values(const std::string& text) {
  if (is_uri(text)) return Uri(std::string_view(text).substr(text.find("://") + 3)).run();
  return KeywordValues(text).run();
}

Result<std::string> checked_conninfo(const std::string& text) {
  PGCERTD_TRY(const ConninfoValues values, conninfo_values(text));
  if (values.empty()) return syntax("it is empty");
  // Secrets first: behind one, what looks like a keyword may be a piece of it.
  for (const auto& [keyword, value] : values) PGCERTD_CHECK(check_secret(keyword, value));
  for (const auto& [keyword, value] : values) PGCERTD_CHECK(check_keyword(keyword));
  return text;
}

std::string server_address(const ConninfoValues& values) {
  const auto value = [&](const char* keyword) {
    const auto found = values.find(keyword);
    return found == values.end() ? std::string{} : found->second;
  };
  std::string host = value("hostaddr").empty() ? value("host") : value("hostaddr");
  std::string port = value("port").empty() ? "5432" : value("port");
  if (host.empty()) host = "/run/postgresql";
  host = host.starts_with('/') ? one_spelling(host) : lower_case(host);
  port.erase(0, std::min(port.find_first_not_of("0 "), port.size()));
  return host + " port " + port;
}

}  // namespace pgcertd::config

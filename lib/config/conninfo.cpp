#include "config/conninfo.hpp"

#include <fmt/format.h>

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
    {"service", "service files are not read", "write host, port, dbname and user here, and password = \"credential:NAME\" in the cluster's table"},
    {"servicefile", "service files are not read", "write host, port, dbname and user here, and password = \"credential:NAME\" in the cluster's table"},
    {"sslpassword", "a passphrase must not stand in the configuration", "log in by peer, or write password = \"credential:NAME\" in the cluster's table"},
    {"oauth_client_secret", "a secret must not stand in the configuration", use_password},
    {"scram_client_key", "a secret must not stand in the configuration", use_password},
    {"scram_server_key", "a secret must not stand in the configuration", use_password},
    {"sslkeylogfile", "it would write the session's keys to a file", "remove it"},
}};

tl::unexpected<Error> syntax(std::string_view why) {
  return fail(Errc::parse, fmt::format("no conninfo: {}", why), "write it like host=/run/postgresql port=5432 dbname=postgres user=pgcertd");
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
      if (!rest_.starts_with('=')) return syntax(fmt::format("\"=\" is missing after \"{}\"", printable(keyword.substr(0, 30))));
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

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto at = text.find(separator);
    out.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

// "host:port" or "[v6]:port", as they stand in the URI.
Result<std::pair<std::string, std::string>> host_of(std::string_view text) {
  std::size_t end = std::min(text.find(':'), text.size());
  std::string_view name = text.substr(0, end);
  if (text.starts_with('[')) {
    end = text.find(']');
    if (end == std::string_view::npos) return syntax("a bracket of an IPv6 address in the URI is not closed");
    name = text.substr(1, end++ - 1);
  }
  const std::string_view after = text.substr(end);
  if (!after.empty() && !after.starts_with(':')) return syntax("something stands between host and port of the URI");
  PGCERTD_TRY(std::string host, percent_decoded(name));
  return std::pair{std::move(host), std::string(after.substr(after.empty() ? 0 : 1))};
}

Result<void> add_hosts(std::string_view text, ConninfoValues& out) {
  std::string hosts, ports, comma;
  for (const std::string_view one : split(text, ',')) {
    PGCERTD_TRY(const auto found, host_of(one));
    hosts += comma + found.first;
    ports += comma + found.second;
    comma = ",";
  }
  if (!hosts.empty()) out["host"] = hosts;
  if (!ports.empty()) out["port"] = ports;
  return {};
}

Result<void> add_user(std::string_view text, ConninfoValues& out) {
  const auto colon = text.find(':');
  PGCERTD_TRY(out["user"], percent_decoded(text.substr(0, colon)));
  if (colon != std::string_view::npos && colon + 1 < text.size()) {
    PGCERTD_TRY(out["password"], percent_decoded(text.substr(colon + 1)));
  }
  return {};
}

Result<void> add_parameters(std::string_view text, ConninfoValues& out) {
  for (const std::string_view one : split(text, '&')) {
    const auto equals = one.find('=');
    if (equals == std::string_view::npos) return syntax("a parameter of the URI has no \"=\"");
    PGCERTD_TRY(const std::string key, percent_decoded(one.substr(0, equals)));
    PGCERTD_TRY(out[key], percent_decoded(one.substr(equals + 1)));
  }
  return {};
}

// postgresql://user@host:port,host:port/dbname?keyword=value&…
Result<ConninfoValues> uri(std::string_view rest) {
  ConninfoValues out;
  if (const auto at = rest.find_first_of("@/"); at != std::string_view::npos && rest[at] == '@') {
    PGCERTD_CHECK(add_user(rest.substr(0, at), out));
    rest.remove_prefix(at + 1);
  }
  const auto question = rest.find('?');
  const std::string_view way = rest.substr(0, question);
  const auto slash = way.find('/');
  PGCERTD_CHECK(add_hosts(way.substr(0, slash), out));
  if (slash != std::string_view::npos && slash + 1 < way.size()) {
    PGCERTD_TRY(out["dbname"], percent_decoded(way.substr(slash + 1)));
  }
  if (question != std::string_view::npos && question + 1 < rest.size()) PGCERTD_CHECK(add_parameters(rest.substr(question + 1), out));
  return out;
}

bool is_uri(std::string_view text) { return text.starts_with("postgresql://") || text.starts_with("postgres://"); }

Result<void> check_keyword(const std::string& keyword, const std::string& value) {
  if (const auto row = std::ranges::find(forbidden, keyword, &Forbidden::keyword); row != forbidden.end())
    return fail(Errc::refused, fmt::format("{}: {}", keyword, row->why), std::string(row->remedy));
  if (std::ranges::find(keywords, keyword) == keywords.end()) {
    const std::vector<std::string> all(keywords.begin(), keywords.end());
    return fail(Errc::invalid, fmt::format("\"{}\" is no keyword of libpq", printable(keyword.substr(0, 30))),
                fmt::format("the nearest one is {}", nearest(keyword, all)));
  }
  // libpq may read such a name as a conninfo of its own, with a password in it.
  if (keyword == "dbname" && (is_uri(value) || value.find('=') != std::string::npos))
    return fail(Errc::refused, "dbname holds a conninfo of its own", "write the keywords beside it");
  return {};
}

}  // namespace

Result<ConninfoValues> conninfo_values(const std::string& text) {
  if (is_uri(text)) return uri(std::string_view(text).substr(text.find("://") + 3));
  return KeywordValues(text).run();
}

Result<std::string> checked_conninfo(const std::string& text) {
  PGCERTD_TRY(const ConninfoValues values, conninfo_values(text));
  if (values.empty()) return syntax("it is empty");
  for (const auto& [keyword, value] : values) PGCERTD_CHECK(check_keyword(keyword, value));
  return text;
}

std::string server_address(const ConninfoValues& values) {
  const auto value = [&](const char* keyword) {
    const auto found = values.find(keyword);
    return found == values.end() ? std::string{} : found->second;
  };
  std::string host = value("hostaddr").empty() ? value("host") : value("hostaddr");
  const std::string port = value("port").empty() ? "5432" : value("port");
  if (host.empty()) host = "/run/postgresql";
  if (host.starts_with("/var/run/")) host.erase(0, 4);
  while (host.size() > 1 && host.ends_with('/')) host.pop_back();
  return host + " port " + port;
}

}  // namespace pgcertd::config

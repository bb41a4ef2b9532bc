// Any text as what a server or its files tell: configuration lines, listen addresses, endpoints, error messages.
#include <algorithm>

#include "fuzz.hpp"
#include "postgres/conf_text.hpp"
#include "postgres/discovery.hpp"
#include "postgres/endpoints.hpp"
#include "postgres/failure.hpp"
#include "postgres/privileges.hpp"

using namespace pgcertd;
using fuzz::require;

namespace {

void conf_lines(std::string_view text) {
  std::map<std::string, std::string> managed;
  for (const postgres::ConfLine& line : postgres::parse_conf(text)) {
    const auto quoted = postgres::quote_conf(line.value);
    if (!quoted) continue;
    require(postgres::parse_conf(line.name + " = " + *quoted) == std::vector{line});
    if (postgres::is_managed(line.name)) managed[line.name] = line.value;
  }
  const auto own = postgres::own_file_text(managed, text);
  require(own && postgres::parse_own_file(*own) == managed);
  require(postgres::own_file_cluster(*own) == printable(text));
  (void)postgres::winning_include_dir(postgres::parse_conf(text), {"ssl", "ssl_cert_file"});
}

void endpoint(const std::string& text) {
  const auto parsed = postgres::parse_endpoint(text);
  if (!parsed) {
    fuzz::require_printable(parsed.error().text());
    return;
  }
  const auto again = postgres::parse_endpoint(parsed->text());
  require(again && again->host == parsed->host && again->port == parsed->port);
}

void listen_addresses(std::string_view text) {
  PostgresSeen server;
  server.known = true;
  server.port = 5432;
  server.listen_addresses = postgres::split_listen_addresses(text);
  const auto found = postgres::endpoints_of(server, {std::string(text)}, {"127.0.0.1", "10.0.0.5", "::1", "2001:db8::5"});
  for (std::size_t i = 0; i < found.size(); ++i) require(std::count(found.begin(), found.end(), found[i]) == 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  conf_lines(text);
  endpoint(std::string(text));
  listen_addresses(text);
  const std::string line = postgres::one_line(text);
  fuzz::require_printable(line);
  const std::string state = postgres::sqlstate_in(text);
  require(state.empty() || state.size() == 5);
  (void)postgres::fault_of(state);
  return 0;
}

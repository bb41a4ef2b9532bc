#include "config/print.hpp"

#include <fmt/format.h>

#include "config/schema.hpp"

namespace pgcertd {
namespace {

template <class Owner>
void add_section(const std::string& header, std::span<const config::Row<Owner>> rows, const Owner& owner, std::string& out) {
  out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", header);
  for (const auto& row : rows) out += fmt::format("{} = {}\n", row.key, row.print(owner));
}

}  // namespace

std::string to_toml(const Config& config) {
  std::string out;
  add_section("daemon", config::daemon_rows(), config.daemon, out);
  add_section("http", config::http_rows(), config.http, out);
  for (const auto& [name, issuer] : config.issuers) add_section("issuer." + name, config::issuer_rows(), issuer, out);
  for (const auto& [name, crl] : config.crls) add_section("crl." + name, config::crl_rows(), crl, out);
  for (const auto& [name, cluster] : config.clusters) add_section("cluster." + name, config::cluster_rows(), cluster, out);
  return out;
}

}  // namespace pgcertd

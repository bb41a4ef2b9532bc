#include "config/idle_keys.hpp"

#include <algorithm>
#include <array>

#include "config/schema.hpp"

namespace pgcertd {
namespace {

constexpr std::array<std::string_view, 2> idle{
    "http.issuer",
    "http.client_ca",
};

struct Section {
  std::string documented, actual;
};

template <class Owner>
void add(const Section& section, std::span<const config::Row<Owner>> rows, const Owner& owner, std::vector<std::string>& out) {
  const Owner untouched{};
  for (const auto& row : rows) {
    const std::string key = "." + std::string(row.key);
    if (std::ranges::find(idle, section.documented + key) != idle.end() && row.print(owner) != row.print(untouched))
      out.push_back(section.actual + key);
  }
}

}  // namespace

std::span<const std::string_view> idle_keys() noexcept { return idle; }

std::vector<std::string> idle_keys_in(const Config& config) {
  std::vector<std::string> out;
  add({"daemon", "daemon"}, config::daemon_rows(), config.daemon, out);
  add({"http", "http"}, config::http_rows(), config.http, out);
  for (const auto& [name, issuer] : config.issuers) add({"issuer.NAME", "issuer." + name}, config::issuer_rows(), issuer, out);
  for (const auto& [name, crl] : config.crls) add({"crl.NAME", "crl." + name}, config::crl_rows(), crl, out);
  for (const auto& [name, cluster] : config.clusters)
    add({"cluster.NAME", "cluster." + name}, config::cluster_rows(), cluster, out);
  return out;
}

}  // namespace pgcertd

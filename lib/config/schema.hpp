// The keys of each section as rows: one key, one row, read and printed from the same place. Their order is that of the docs.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/tree.hpp"
#include "core/config.hpp"

namespace pgcertd::config {

// One value on its way into Config, and where its issues go.
struct Field {
  const Node& node;
  std::string key;                // "cluster.main.names"
  std::vector<ConfigIssue>& issues;

  void reject(std::string message, std::string remedy = {}) const;
  void reject(const Error& error) const { reject(error.what, error.remedy); }
  // False, and an issue, when the value is of another type.
  [[nodiscard]] bool is(Node::Kind wanted) const;
};

template <class Owner>
struct Row {
  std::string_view key;
  void (*read)(const Field&, Owner&);
  std::string (*print)(const Owner&);     // the value in TOML
};

std::span<const Row<DaemonConfig>> daemon_rows() noexcept;
std::span<const Row<HttpConfig>> http_rows() noexcept;
std::span<const Row<IssuerConfig>> issuer_rows() noexcept;
std::span<const Row<CrlSourceConfig>> crl_rows() noexcept;
std::span<const Row<ClusterConfig>> cluster_rows() noexcept;

}  // namespace pgcertd::config

// What the tests of postgres::Server share: one made for a scratch server, and the role of `pgcertctl setup sql`.
#pragma once

#include <memory>
#include <string>

#include "postgres/harness.hpp"
#include "postgres/privileges.hpp"
#include "postgres/server.hpp"

namespace pgcertd::testing {

inline postgres::ServerOptions options_for(const std::string& conninfo) {
  postgres::ServerOptions out;
  out.conninfo = conninfo;
  out.cluster_directory = "/var/lib/pgcertd/clusters/main";
  return out;
}

struct Subject {
  std::shared_ptr<postgres::Cancel> cancel = std::make_shared<postgres::Cancel>();
  postgres::Server server;
  explicit Subject(postgres::ServerOptions options) : server(std::move(options), cancel) {}
  explicit Subject(const std::string& conninfo) : Subject(options_for(conninfo)) {}
};

inline void create_role(const ScratchServer& scratch, const std::string& role) { scratch.script(postgres::setup_sql(role, 150000)); }

}  // namespace pgcertd::testing

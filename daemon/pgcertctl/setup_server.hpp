// What `setup` asks of a server, as its superuser through the local socket: the role with its grants, a setting.
// As root each conversation is a child process with the rights of the user who may log in so.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "postgres/local_clusters.hpp"

namespace pgcertd::ctl {

// Runs `work` as `user` with all its groups, in a child process unless that is who we are. What it gives or why it failed.
Result<std::string> as_user(const std::string& user, const std::function<Result<std::string>()>& work);

struct Login {
  postgres::LocalCluster cluster;
  std::string superuser;          // role; the data directory's owner logs in as it
  std::string role;               // pgcertd's
  std::string daemon_user;        // of the system
};

// Has the role all that setup_sql() grants? Errc::network when the server cannot be reached.
Result<bool> role_is_complete(const Login& login);
Result<void> make_role(const Login& login);
// The daemon's own way in. The remedy of a refusal is the line for pg_hba.conf, with the file's path.
Result<void> try_login(const Login& login);

// Each statement by itself, by the superuser.
Result<void> run_statements(const Login& login, const std::vector<std::string>& statements);
// Drops the role with what it was granted. Errc::refused where it owns something.
Result<void> drop_role(const Login& login);
Result<bool> role_exists(const Login& login);

// SHOW NAME, by the superuser.
Result<std::string> show(const Login& login, const std::string& name);
// 'text' with its quotes doubled.
std::string sql_literal(std::string_view text);

}  // namespace pgcertd::ctl

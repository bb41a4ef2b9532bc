#include "pgcertctl/setup_server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "base/fd_io.hpp"
#include "base/text.hpp"
#include "base/unique_fd.hpp"
#include "pgcertctl/setup_files.hpp"
#include "postgres/account.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/privileges.hpp"
#include "postgres/session.hpp"

namespace pgcertd::ctl {
namespace {

using namespace std::chrono_literals;
using postgres::Rows;

constexpr std::size_t longest_answer = 64U << 10;

// A Result as bytes through a pipe: the code, what, remedy, each ended by a zero; first byte 255 for a value.
std::string packed(const Result<std::string>& result) {
  if (result) return '\xff' + *result;
  return static_cast<char>(result.error().code) + result.error().text() + '\0' + result.error().remedy;
}

Result<std::string> unpacked(std::string text, const std::string& user) {
  if (text.empty()) return fail(Errc::internal, fmt::format("the process that ran as \"{}\" ended without a word", user));
  if (text.front() == '\xff') return text.substr(1);
  const auto code = static_cast<Errc>(text.front());
  const auto middle = text.find('\0', 1);
  if (middle == std::string::npos) return fail(code, text.substr(1));
  return fail(code, text.substr(1, middle - 1), text.substr(middle + 1));
}

Result<void> become(const postgres::Account& account) {
  if (::initgroups(account.user.c_str(), account.gid) != 0) return fail(errno_error("initgroups", account.user, errno));
  if (::setresgid(account.gid, account.gid, account.gid) != 0) return fail(errno_error("setresgid", account.user, errno));
  if (::setresuid(account.uid, account.uid, account.uid) != 0) return fail(errno_error("setresuid", account.user, errno));
  return {};
}

[[noreturn]] void run_child(int out, const postgres::Account& account, const std::function<Result<std::string>()>& work) {
  Result<std::string> result = std::string();
  if (const auto changed = become(account); !changed) result = fail(Error(changed.error()));
  else result = work();
  (void)write_fully(out, packed(result), "pipe");   // without it the parent says that nothing came
  ::_exit(0);
}

postgres::Expected<postgres::Session> open(const Login& login, const std::string& role) {
  return postgres::Session::open({.conninfo = conninfo_of(login.cluster, role), .server_user = login.cluster.owner, .statement_timeout = 30s},
                                 std::make_shared<postgres::Cancel>());
}

Result<std::vector<Rows>> query(postgres::Session& session, const std::string& sql) {
  auto rows = session.query(sql);
  if (!rows) return fail(std::move(rows.error().error));
  return std::move(*rows);
}

// `work` in a superuser's session, run as the owner of the data directory.
Result<std::string> as_superuser(const Login& login, const std::function<Result<std::string>(postgres::Session&)>& work) {
  if (login.cluster.socket_directory.empty())
    return fail(Errc::invalid, fmt::format("cluster \"{}\" has no Unix socket to log in through", login.cluster.name), "set unix_socket_directories in postgresql.conf");
  return as_user(login.cluster.owner, [&]() -> Result<std::string> {
    auto session = open(login, login.superuser);
    if (!session) {
      const bool down = session.error().fault == ServerFault::down;
      return fail(session.error().error.code, session.error().error.text(),
                  down ? "start PostgreSQL, then run this again" : "let its owner log in locally as a superuser, name that role with --superuser");
    }
    return work(*session);
  });
}

std::string completeness_sql(const std::string& role, int version_num) {
  const std::string name = sql_literal(role);
  std::string out = fmt::format("SELECT pg_catalog.pg_has_role({0}, 'pg_read_all_settings', 'USAGE') AND pg_catalog.pg_has_role({0}, 'pg_read_all_stats', 'USAGE')", name);
  for (const char* function : {"pg_reload_conf()", "pg_show_all_file_settings()", "pg_hba_file_rules()"})
    out += fmt::format(" AND pg_catalog.has_function_privilege({}, 'pg_catalog.{}', 'EXECUTE')", name, function);
  for (const char* view : {"pg_file_settings", "pg_hba_file_rules"})
    out += fmt::format(" AND pg_catalog.has_table_privilege({}, 'pg_catalog.{}', 'SELECT')", name, view);
  if (version_num >= 150000)
    for (const auto parameter : postgres::managed_parameters) out += fmt::format(" AND pg_catalog.has_parameter_privilege({}, '{}', 'ALTER SYSTEM')", name, parameter);
  return out + " AS complete";
}

std::string hba_remedy(const Login& login, const std::string& hba, const std::string& ident) {
  const std::string role = postgres::quote_identifier(login.role);
  const bool same = login.role == login.daemon_user;
  std::string out = fmt::format("above other lines for local connections in {} write the line\n    local all {} peer{}", hba, role, same ? "" : " map=pgcertd");
  if (!same) out += fmt::format("\n  and in {}\n    pgcertd {} {}", ident, login.daemon_user, role);
  return out + "\n  then SELECT pg_reload_conf() as a superuser, and run this again";
}

}  // namespace

Result<std::string> as_user(const std::string& user, const std::function<Result<std::string>()>& work) {
  const auto account = postgres::account_of(user);
  if (!account) return fail(Errc::not_found, fmt::format("there is no user \"{}\"", printable(user, 80)));
  if (account->uid == ::geteuid()) return work();
  if (::geteuid() != 0) return fail(Errc::permission, fmt::format("acting as user \"{}\" needs root", user), "run it with sudo");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(errno_error("pipe2", user, errno));
  UniqueFd reader(ends[0]), writer(ends[1]);
  const pid_t child = ::fork();   // this program has one thread
  if (child < 0) return fail(errno_error("fork", user, errno));
  if (child == 0) run_child(writer.get(), *account, work);
  writer.reset();
  std::string answer(longest_answer, '\0');
  const auto size = read_fully(reader.get(), answer.data(), answer.size(), "pipe");
  reader.reset();   // who writes more than that is not waited for
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {}
  if (!size) return fail(Error(size.error()));
  answer.resize(*size);
  return unpacked(std::move(answer), user);
}

Result<bool> role_is_complete(const Login& login) {
  PGCERTD_TRY(const std::string answer, as_superuser(login, [&](postgres::Session& session) -> Result<std::string> {
    PGCERTD_TRY(const auto there, query(session, fmt::format("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = {} AND rolcanlogin", sql_literal(login.role))));
    if (there.at(0).rows.empty()) return std::string("f");
    PGCERTD_TRY(const auto grants, query(session, completeness_sql(login.role, session.server_version_num())));
    return grants.at(0).text(0, "complete");
  }));
  return answer == "t";
}

Result<void> make_role(const Login& login) {
  const auto done = as_superuser(login, [&](postgres::Session& session) -> Result<std::string> {
    PGCERTD_CHECK(query(session, postgres::setup_sql(login.role, static_cast<std::uint32_t>(session.server_version_num()))));
    return std::string();
  });
  if (!done) return fail(Error(done.error()).within("making role " + login.role));
  return {};
}

Result<void> try_login(const Login& login) {
  const auto done = as_user(login.daemon_user, [&]() -> Result<std::string> {
    const auto session = open(login, login.role);
    if (session) return std::string("in");
    if (session.error().fault == ServerFault::auth_failed) return session.error().error.text();
    return fail(Error(session.error().error));
  });
  if (!done) return fail(Error(done.error()));
  if (*done == "in") return {};
  const auto hba = show(login, "hba_file"), ident = show(login, "ident_file");
  return fail(Errc::refused, fmt::format("user {} cannot log in as role {}: {}", login.daemon_user, login.role, *done),
              hba_remedy(login, hba ? *hba : "pg_hba.conf", ident ? *ident : "pg_ident.conf"));
}

std::string sql_literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

Result<void> run_statements(const Login& login, const std::vector<std::string>& statements) {
  const auto done = as_superuser(login, [&](postgres::Session& session) -> Result<std::string> {
    for (const std::string& statement : statements) PGCERTD_CHECK(within(query(session, statement), statement));
    return std::string();
  });
  if (!done) return fail(Error(done.error()));
  return {};
}

Result<bool> role_exists(const Login& login) {
  PGCERTD_TRY(const std::string answer, as_superuser(login, [&](postgres::Session& session) -> Result<std::string> {
    PGCERTD_TRY(const auto rows, query(session, fmt::format("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = {}", sql_literal(login.role))));
    return std::string(rows.at(0).rows.empty() ? "f" : "t");
  }));
  return answer == "t";
}

Result<void> drop_role(const Login& login) {
  const std::string role = postgres::quote_identifier(login.role);
  const auto done = as_superuser(login, [&](postgres::Session& session) -> Result<std::string> {
    PGCERTD_TRY(const auto owned, query(session, fmt::format("SELECT 1 FROM pg_catalog.pg_shdepend AS d JOIN pg_catalog.pg_roles AS r ON r.oid = d.refobjid"
                                                             " WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND d.deptype = 'o' AND r.rolname = {} LIMIT 1",
                                                             sql_literal(login.role))));
    // DROP OWNED would drop it, too.
    if (!owned.at(0).rows.empty())
      return fail(Errc::refused, fmt::format("role {} owns something in this cluster", login.role), fmt::format("REASSIGN OWNED BY {} TO another role, in each database; then run this again", role));
    PGCERTD_CHECK(query(session, "DROP OWNED BY " + role));
    PGCERTD_CHECK(query(session, "DROP ROLE " + role));
    return std::string();
  });
  if (!done) return fail(Error(done.error()).within("dropping role " + login.role));
  return {};
}

Result<std::string> show(const Login& login, const std::string& name) {
  return as_superuser(login, [&](postgres::Session& session) -> Result<std::string> {
    PGCERTD_TRY(const auto rows, query(session, fmt::format("SELECT pg_catalog.current_setting({}) AS value", sql_literal(name))));
    return rows.at(0).text(0, "value");
  });
}

}  // namespace pgcertd::ctl

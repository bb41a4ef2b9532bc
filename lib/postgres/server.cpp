#include "postgres/server.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.hpp"
#include "postgres/account.hpp"
#include "postgres/cold_start.hpp"
#include "postgres/conf_file.hpp"
#include "postgres/conf_text.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/detail.hpp"
#include "postgres/discovery.hpp"
#include "postgres/postmaster.hpp"
#include "postgres/privileges.hpp"
#include "postgres/rows.hpp"

namespace pgcertd::postgres {
namespace {

std::string role_of(const std::string& conninfo) {
  const auto parsed = parse_conninfo(conninfo, {});
  const auto user = parsed ? parsed->values.find("user") : std::map<std::string, std::string>::const_iterator{};
  if (parsed && user != parsed->values.end()) return user->second;
  const auto account = account_of(geteuid());
  return account ? account->user : "pgcertd";
}

Result<void> check_change(const SettingsChange& change) {
  for (const auto& [name, value] : change.values) {
    if (!is_managed(name)) return fail(Errc::internal, fmt::format("\"{}\" is no parameter that pgcertd sets", printable(name)));
    if (name == "ssl" && value && *value != "on" && *value != "off") return fail(Errc::internal, fmt::format("ssl cannot be \"{}\"", printable(*value)));
    if (value) PGCERTD_CHECK(quote_conf(*value));
  }
  return {};
}

// Whatever stops in the middle leaves a server that starts: paths before ssl = on, everything else after ssl.
std::vector<std::string> in_order(const SettingsChange& change) {
  std::vector<std::string> out;
  for (const auto& entry : change.values)
    if (entry.first != "ssl") out.push_back(entry.first);
  if (const auto ssl = change.values.find("ssl"); ssl != change.values.end()) out.insert(ssl->second == "on" ? out.end() : out.begin(), "ssl");
  return out;
}

std::vector<std::string> names_of(const SettingsChange& change) {
  std::vector<std::string> out;
  for (const auto& entry : change.values) out.push_back(entry.first);
  return out;
}

// Arguments and environment of the postmaster win over every file.
Result<void> check_sources(const SettingsChange& change, const PostgresSeen& seen) {
  for (const auto& [name, value] : change.values) {
    const auto found = seen.settings.find(name);
    if (found == seen.settings.end() || (found->second.source != "command line" && found->second.source != "environment variable")) continue;
    if (value == found->second.value) continue;
    return fail(Errc::refused, fmt::format("{} is set on the command line of postgres, which no file overrides", name),
                fmt::format("take {} out of the options that start the server (pg_ctl -o, the unit, Patroni) and restart it", name));
  }
  return {};
}

void forget_hidden(PostgresSeen& seen, const PostgresSeen* remembered) {
  if (remembered == nullptr || !remembered->known) return;
  if (seen.data_directory.empty()) seen.data_directory = remembered->data_directory;
  if (seen.config_file.empty()) seen.config_file = remembered->config_file;
  if (seen.system_identifier.empty()) seen.system_identifier = remembered->system_identifier;
}

bool differs(const std::string& a, const std::string& b) { return !a.empty() && !b.empty() && a != b; }

}  // namespace

Server::Server(ServerOptions options, std::shared_ptr<const Cancel> cancel)
    : options_(std::move(options)), cancel_(std::move(cancel)), role_(role_of(options_.conninfo)) {}

void Server::rest() { session_.reset(); }

// The session of before, or a new one. A new one must reach the cluster that was seen last.
Expected<Session*> Server::session() {
  if (session_ && !session_->broken()) return &*session_;
  session_.reset();
  SessionOptions to{.conninfo = options_.conninfo,
                    .password = options_.password,
                    .server_user = options_.server_user,
                    .server_uid = {},
                    .connect_timeout = options_.connect_timeout,
                    .statement_timeout = options_.statement_timeout};
  if (to.server_user.empty() && last_) to.server_user = last_->server_user;
  if (const auto account = account_of(to.server_user)) to.server_uid = account->uid;
  else to.server_user.clear();   // a name that the system does not know cannot be compared with a peer's
  auto opened = Session::open(to, cancel_);
  if (!opened) return tl::unexpected(std::move(opened).error());
  session_.emplace(std::move(*opened));
  return &*session_;
}

Expected<PostgresSeen> Server::look_once() {
  auto at = session();
  if (!at) return tl::unexpected(std::move(at).error());
  return discover(**at);
}

Expected<void> Server::check_cluster(const PostgresSeen& seen, const PostgresSeen* remembered) {
  const PostgresSeen* before = remembered != nullptr && remembered->known ? remembered : last_ ? &*last_ : nullptr;
  if (before != nullptr && differs(before->system_identifier, seen.system_identifier))
    return failure(ServerFault::wrong_cluster, Errc::refused,
                   fmt::format("conninfo reaches the cluster {}, not {}", seen.system_identifier, before->system_identifier),
                   "correct conninfo; for a server that was set up anew remove its entry with the state of the old one");
  const auto peer = session_ ? session_->peer_uid() : std::nullopt;
  if (peer && seen.server_uid != static_cast<uid_t>(-1) && *peer != seen.server_uid)
    return failure(ServerFault::wrong_peer, Errc::refused,
                   fmt::format("the socket belongs to user id {}, and \"{}\" to {}", *peer, seen.data_directory, seen.server_uid),
                   "find out who listens there (ss -xlp), or set server_user for the cluster");
  return {};
}

Expected<PostgresSeen> Server::look(const PostgresSeen* remembered) {
  const bool kept = session_.has_value();
  auto seen = look_once();
  // A session that was kept may have died with its server since; the fresh one tells.
  if (!seen && kept && session_ && session_->broken() && !cancel_->triggered()) seen = look_once();
  if (!seen) return seen;
  forget_hidden(*seen, remembered);
  identify(*seen);
  if (auto same = check_cluster(*seen, remembered); !same) return tl::unexpected(std::move(same).error());
  return seen;
}

PostgresSeen Server::observe(const PostgresSeen* remembered) {
  auto seen = look(remembered);
  if (!seen) return when_down(std::move(seen).error(), remembered);
  last_ = *seen;
  return std::move(*seen);
}

Result<ServerDetail> Server::detail(std::optional<TimePoint> rotated_at) {
  auto at = session();
  if (!at) return fail(std::move(at).error().error);
  auto read = read_detail(**at, rotated_at);
  if (!read) return fail(std::move(read).error().error);
  return std::move(*read);
}

PostgresSeen Server::when_down(Failure why, const PostgresSeen* remembered) {
  session_.reset();
  PostgresSeen out;
  std::string text = why.error.text();
  if (remembered != nullptr && remembered->known) {
    out = *remembered;
  } else if (last_) {
    out = *last_;
  } else if (!options_.data_directory.empty() && why.fault != ServerFault::wrong_peer && why.fault != ServerFault::insecure) {
    auto cold = read_cold({.data_directory = options_.data_directory, .debian_config_root = options_.debian_config_root, .binary_directories = {}},
                          deadline_in(options_.cold_timeout), *cancel_);
    if (cold) out = std::move(*cold);
    else text += "; " + cold.error().text();
    identify(out);
  }
  out.fault = why.fault;
  out.fault_text = why.error.remedy.empty() ? text : fmt::format("{} ({})", text, why.error.remedy);
  if (out.known) last_ = out;
  return out;
}

void Server::identify(PostgresSeen& seen) const {
  auto account = options_.server_user.empty() ? std::nullopt : account_of(options_.server_user);
  if (!account) account = owner_of(seen.data_directory.empty() ? options_.data_directory : seen.data_directory);
  if (!account) return;
  seen.server_user = account->user;
  seen.server_uid = account->uid;
  seen.server_gid = account->gid;
  if (options_.groups_of) seen.server_groups = options_.groups_of(account->user);
}

Result<void> Server::run(const std::string& sql, const std::string& remedy) {
  auto at = session();
  if (!at) return fail(std::move(at).error().error);
  auto done = (*at)->query(sql);
  if (done) return {};
  Error error = std::move(done).error().error;
  if (error.code == Errc::permission) error.remedy = remedy;
  return fail(std::move(error));
}

Result<void> Server::alter_system(const SettingsChange& change) {
  const std::string grant = remedy(Need::alter_system, role_, last_->version_num);
  if (!last_->reachable()) return fail(Errc::network, fmt::format("ALTER SYSTEM: {}", last_->fault_text), "start PostgreSQL");
  if (!last_->privileges.alter_system && !last_->privileges.superuser)
    return fail(Errc::permission, fmt::format("role \"{}\" may not run ALTER SYSTEM for the ssl parameters", printable(role_)), grant);
  for (const auto& name : in_order(change)) {
    const auto& value = change.values.at(name);
    std::string sql = "ALTER SYSTEM RESET " + name;
    if (value) {
      auto at = session();
      if (!at) return fail(std::move(at).error().error);
      auto literal = (*at)->literal(*value);
      if (!literal) return fail(std::move(literal).error().error);
      sql = fmt::format("ALTER SYSTEM SET {} = {}", name, *literal);
    } else if (!last_->auto_conf.contains(name)) {
      continue;
    }
    PGCERTD_CHECK(within(run(sql, grant), sql.substr(0, sql.find('='))));
    if (value) last_->auto_conf[name] = *value;
    else last_->auto_conf.erase(name);
  }
  return {};
}

Result<void> Server::change_settings(const SettingsChange& change) {
  PGCERTD_CHECK(check_change(change));
  if (!last_) (void)observe(nullptr);   // what it says is looked at in the next line
  if (!last_) return fail(Errc::network, "changing settings: the server was never seen", "start PostgreSQL");
  PGCERTD_CHECK(check_sources(change, *last_));
  const bool in_auto_conf = std::ranges::any_of(change.values, [this](const auto& entry) { return last_->auto_conf.contains(entry.first); });
  const auto file = ConfFile::find(last_->config_file, names_of(change), options_.allowed_directories, options_.cluster_directory);
  // postgresql.auto.conf has the last word: what stands there can only be changed there.
  if (file && !in_auto_conf) return file->apply(change);
  PGCERTD_CHECK(alter_system(change));
  if (!file) return {};
  SettingsChange stale;   // lines of ours that would come to light again when those are reset
  for (const auto& entry : change.values) stale.values[entry.first] = std::nullopt;
  return file->apply(stale);
}

Result<void> Server::reload_by_sql() { return within(run("SELECT pg_catalog.pg_reload_conf()", remedy(Need::reload, role_, last_ ? last_->version_num : 0)), "reload"); }

// By the moment of its beginning, too: a pid may have become somebody else's.
Result<std::uint64_t> Server::terminate(const std::vector<CertSession>& sessions) {
  if (sessions.empty()) return 0;
  std::string which;
  for (const CertSession& one : sessions) fmt::format_to(std::back_inserter(which), "{}({}, {})", which.empty() ? "" : ", ", one.pid, one.began.time_since_epoch().count());
  auto at = session();
  if (!at) return fail(std::move(at).error().error);
  // In the list of results, never in WHERE: there it may be called for each row of the view before the others decide.
  auto ended = (*at)->query(fmt::format("SELECT pg_catalog.count(*) FILTER (WHERE done) AS ended FROM (SELECT pg_catalog.pg_terminate_backend(a.pid) AS done"
                                        " FROM (VALUES {}) AS seen (pid, began) JOIN pg_catalog.pg_stat_activity AS a ON a.pid = seen.pid"
                                        " AND pg_catalog.floor(pg_catalog.date_part('epoch', a.backend_start) * 1000)::pg_catalog.int8 = seen.began OFFSET 0) AS each_one",
                                        which));
  if (ended && ended->size() == 1) return number<std::uint64_t>(ended->front().text(0, "ended"));
  if (ended) return fail(Errc::parse, "the server answered pg_terminate_backend with something else");
  Error error = std::move(ended).error().error;
  if (error.code == Errc::permission) error.remedy = fmt::format("GRANT pg_signal_backend TO {};", quote_identifier(role_));
  return fail(std::move(error).within("ending sessions"));
}

bool Server::may_signal() const { return last_ && !last_->data_directory.empty() && last_->server_uid == geteuid(); }

Result<void> Server::reload_by_signal() const {
  if (!may_signal())
    return fail(Errc::permission, "reload by signal: the daemon is not the server's own user", "set reload = \"sql\", or run the daemon as the server's user");
  return within(signal_reload(last_->data_directory), "reload by signal");
}

Result<void> Server::reload() {
  if (!last_) (void)observe(nullptr);   // only to learn where the server is; the ways below say what is wrong
  switch (options_.reload.kind) {
    case ReloadMethod::Kind::sql: return reload_by_sql();
    case ReloadMethod::Kind::signal: return reload_by_signal();
    case ReloadMethod::Kind::systemd:
      if (!options_.reload_unit) return fail(Errc::invalid, "reload by systemd: not available here", "set reload = \"sql\"");
      return within(options_.reload_unit(options_.reload.unit), "reload of " + options_.reload.unit);
    case ReloadMethod::Kind::automatic: break;
  }
  auto by_sql = reload_by_sql();
  if (by_sql || !may_signal()) return by_sql;
  return reload_by_signal();
}

}  // namespace pgcertd::postgres

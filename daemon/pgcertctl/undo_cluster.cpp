#include "pgcertctl/undo_cluster.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <set>
#include <thread>

#include "base/text.hpp"
#include "files/in_place.hpp"
#include "postgres/account.hpp"
#include "postgres/conf_file.hpp"
#include "postgres/endpoints.hpp"
#include "postgres/privileges.hpp"
#include "postgres/probe.hpp"
#include "store/state_store.hpp"
#include "x509/certificate.hpp"

namespace pgcertd::ctl {
namespace {

using namespace std::chrono_literals;
using Values = std::map<std::string, std::string>;

constexpr auto patience = 10s;
constexpr std::size_t longest_certificate = 1U << 20;

// What the server says now, of each setting that pgcertd may have changed.
Result<Values> values_now(const Login& login) {
  Values out;
  for (const std::string_view name : postgres::managed_parameters) {
    PGCERTD_TRY(out[std::string{name}], show(login, std::string{name}));
  }
  return out;
}

std::vector<std::string> leading_here(const UndoCluster& undo, const Values& values) {
  std::vector<std::string> out;
  for (const auto& [name, value] : values)
    if (value.starts_with(undo.directory() + "/")) out.push_back(name);
  return out;
}

PostgresSeen server_of(const postgres::LocalCluster& cluster) {
  PostgresSeen out;
  out.data_directory = cluster.data_directory, out.config_file = cluster.config_file, out.port = cluster.port;
  if (const auto account = postgres::account_of(cluster.owner)) out.server_uid = account->uid, out.server_gid = account->gid;
  return out;
}

files::InPlaceLinks links_of(const UndoCluster& undo) {
  files::InPlacePlaces places{undo.directory(), undo.ca_directories, undo.allowed_directories};
  places.forbidden.push_back(undo.state_directory);
  return files::InPlaceLinks(std::move(places));
}

struct LinkedPath {
  std::string path;
  FileRole role;
};

std::string full_path(const Login& login, const std::string& setting) { return setting.starts_with('/') ? setting : login.cluster.data_directory + "/" + setting; }

// Paths of layout in-place where our links stand: those of the settings now, and of before where the layout has changed since.
std::vector<LinkedPath> linked_paths(const UndoCluster& undo, const Values& now) {
  std::vector<LinkedPath> out;
  const auto links = links_of(undo);
  const PostgresSeen server = server_of(undo.login.cluster);
  for (const auto& [setting, role] : {std::pair{"ssl_cert_file", FileRole::certificate}, std::pair{"ssl_key_file", FileRole::key}}) {
    std::set<std::string> paths{full_path(undo.login, now.at(setting))};
    if (const auto before = undo.memory.original_files.find(setting); before != undo.memory.original_files.end()) paths.insert(before->second);
    for (const std::string& path : paths)
      if (const auto linked = links.is_linked(path, role, server); linked && *linked) out.push_back({path, role});
  }
  return out;
}

// nullopt: no line of ours and none of postgresql.auto.conf, so that the other files say it.
SettingsChange former_settings(const UndoCluster& undo, const std::vector<std::string>& ours) {
  SettingsChange out;
  for (const std::string& name : ours) out.values[name] = std::nullopt;
  if (!undo.memory.original_auto_conf) return out;
  for (const auto& [name, value] : *undo.memory.original_auto_conf)
    if (name == "ssl" || out.values.contains(name)) out.values[name] = value;
  return out;
}

std::string shown(const SettingsChange& change) {
  std::string out;
  for (const auto& [name, value] : change.values)
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, value ? fmt::format("= '{}'", printable(*value, 4096)) : std::string("as it was before"));
  return out;
}

// Whatever stops in the middle leaves a server that starts: ssl goes off before its files change, and on after that.
std::vector<std::string> statements_for(const SettingsChange& change, bool ssl_on) {
  std::vector<std::string> out;
  const auto add = [&](const std::string& name, const std::optional<std::string>& value) {
    out.push_back(value ? fmt::format("ALTER SYSTEM SET {} = {}", name, sql_literal(*value)) : "ALTER SYSTEM RESET " + name);
  };
  const auto ssl = change.values.find("ssl");
  if (ssl != change.values.end() && !ssl_on) add("ssl", ssl->second);
  for (const auto& [name, value] : change.values)
    if (name != "ssl") add(name, value);
  if (ssl != change.values.end() && ssl_on) add("ssl", ssl->second);
  out.emplace_back("SELECT pg_catalog.pg_reload_conf()");
  return out;
}

bool wait_until(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(100ms);
  }
  return true;
}

// The leaf in the file that the setting names, read as the server reads it.
Result<std::string> leaf_in_file(const Login& login, const std::string& setting) {
  const std::string path = full_path(login, setting);
  PGCERTD_TRY(const std::string text, as_user(login.cluster.owner, [&] { return postgres::read_text_file(path, longest_certificate); }));
  PGCERTD_TRY(const auto chain, x509::parse_certificates(text, path));
  return chain.front().facts().fingerprint_sha256;
}

std::vector<std::string> words_of(std::string list) {
  std::vector<std::string> out;
  std::erase(list, ' ');
  for (std::size_t from = 0; from <= list.size();) {
    const auto end = std::min(list.find(',', from), list.size());
    if (end > from) out.push_back(list.substr(from, end - from));
    from = end + 1;
  }
  return out;
}

// The first place where a client could meet the server; nullopt: it listens on its socket only.
Result<std::optional<std::string>> endpoint_of(const Login& login) {
  PostgresSeen server = server_of(login.cluster);
  PGCERTD_TRY(const std::string addresses, show(login, "listen_addresses"));
  server.listen_addresses = words_of(addresses);
  const auto all = postgres::endpoints_of(server, {}, postgres::interface_addresses());
  return all.empty() ? std::nullopt : std::optional(all.front());
}

// The server serves what its settings name by now. A reload that it refuses leaves the old certificate, and says it nowhere else.
Result<void> prove(const Login& login) {
  PGCERTD_TRY(const auto endpoint, endpoint_of(login));
  if (!endpoint) return {};
  PGCERTD_TRY(const std::string ssl, show(login, "ssl"));
  std::string expected;
  if (ssl == "on") {
    PGCERTD_TRY(const std::string path, show(login, "ssl_cert_file"));
    PGCERTD_TRY(expected, leaf_in_file(login, path));
  }
  postgres::HandshakeProbe probe({}, std::make_shared<postgres::Cancel>());
  const bool proved = wait_until([&] {
    const ProbeSeen seen = probe.probe(*endpoint, TimePoint{});
    return (seen.chain.empty() ? std::string{} : seen.chain.front().fingerprint_sha256) == expected;
  });
  if (proved) return {};
  return fail(Errc::invalid, fmt::format("{} did not load the former settings: a handshake shows another certificate", *endpoint),
              "look for \"SSL configuration was not reloaded\" in the server's log, mend what it names, run this again");
}

Result<void> in_force(const Login& login, const std::function<bool(const Values&)>& wanted) {
  Result<Values> now = Values{};
  const bool seen = wait_until([&] { return (now = values_now(login)) && wanted(*now); });
  if (seen) return {};
  if (!now) return fail(std::move(now).error());
  return fail(Errc::invalid, "the former settings are not in force after a reload", "SELECT * FROM pg_file_settings WHERE error IS NOT NULL; mend it, run this again");
}

// Everything but the conf.d file; that one is the last to go, since postgresql.auto.conf goes before it.
Result<void> change(const UndoCluster& undo, const SettingsChange& settings) {
  const bool ssl_on = undo.memory.original_auto_conf && undo.memory.original_ssl_on;
  const auto names = [&] {
    std::vector<std::string> out;
    for (const auto& entry : settings.values) out.push_back(entry.first);
    return out;
  }();
  const auto& cluster = undo.login.cluster;
  if (const auto file = postgres::ConfFile::find(cluster.config_file, names, undo.allowed_directories, undo.directory())) {
    SettingsChange none;
    for (const std::string& name : names) none.values[name] = std::nullopt;
    PGCERTD_CHECK(file->apply(none));
  }
  PGCERTD_CHECK(run_statements(undo.login, statements_for(settings, ssl_on)));
  PGCERTD_CHECK(in_force(undo.login, [&](const Values& now) { return leading_here(undo, now).empty(); }));
  return prove(undo.login);
}

// The settings as they were a moment ago: a server that works is not left with files that it cannot load.
void back_again(const UndoCluster& undo, const Values& before, const std::vector<std::string>& ours, const std::vector<LinkedPath>& linked) {
  auto links = links_of(undo);
  for (const LinkedPath& one : linked) (void)links.link(one.path, one.role, server_of(undo.login.cluster));   // the first failure is what is told
  SettingsChange again;
  for (const std::string& name : ours) again.values[name] = before.at(name);
  again.values["ssl"] = before.at("ssl");
  (void)run_statements(undo.login, statements_for(again, before.at("ssl") == "on"));
}

// A later setup begins anew: what it finds then is what an undo gives back.
Result<void> forget_originals(const UndoCluster& undo) {
  if (undo.memory == ClusterMemory{}) return {};
  const auto done = as_user(undo.login.daemon_user, [&]() -> Result<std::string> {
    PGCERTD_TRY(const auto store, store::StateStore::open(undo.state_directory + "/pgcertd.db"));
    PGCERTD_TRY(ClusterMemory memory, store->load(undo.login.cluster.name));
    memory.original_auto_conf.reset(), memory.original_files.clear(), memory.linked_at.reset(), memory.settings_changed_at.reset();
    memory.original_ssl_on = false;
    PGCERTD_CHECK(store->save(undo.login.cluster.name, memory, {}));
    return std::string();
  });
  if (!done) return fail(Error(done.error()));
  return {};
}

}  // namespace

Result<StepSeen> look_at_settings(const UndoCluster& undo) {
  PGCERTD_TRY(const Values now, values_now(undo.login));
  const auto ours = leading_here(undo, now);
  const auto linked = linked_paths(undo, now);
  if (ours.empty() && linked.empty()) return StepSeen{true, "no setting of this cluster leads to a file of pgcertd"};
  std::string words = ours.empty() ? std::string{} : shown(former_settings(undo, ours));
  for (const LinkedPath& one : linked) words += fmt::format("{}{} as it was before", words.empty() ? "" : ", ", printable(one.path, 4096));
  return StepSeen{false, words};
}

Result<void> give_settings_back(const UndoCluster& undo) {
  PGCERTD_TRY(const Values before, values_now(undo.login));
  const auto ours = leading_here(undo, before);
  const auto linked = linked_paths(undo, before);
  auto links = links_of(undo);
  Result<void> done{};
  for (const LinkedPath& one : linked)
    if (done) done = links.give_back(one.path, one.role, server_of(undo.login.cluster));
  if (done) done = change(undo, former_settings(undo, ours));
  if (done) return forget_originals(undo);
  back_again(undo, before, ours, linked);
  return done;
}

}  // namespace pgcertd::ctl

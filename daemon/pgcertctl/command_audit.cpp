// What the daemon thinks of settings, pg_hba.conf, sessions and files: audit, permissions.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/control_client.hpp"
#include "cli/views.hpp"
#include "pgcertctl/commands.hpp"

namespace pgcertd::ctl {
namespace {

using nlohmann::json;

Result<std::vector<std::string>> clusters_of(const cli::ControlClient& client, const std::string& asked) {
  if (!asked.empty()) {
    PGCERTD_CHECK(cli::check_cluster_name(asked));
    return std::vector{asked};
  }
  PGCERTD_TRY(const json reply, client.get("/v1/clusters"));
  std::vector<std::string> names;
  for (const json& cluster : reply.value("clusters", json::array())) names.push_back(cluster.value("name", ""));
  return names;
}

// `look`: the daemon looks at everything before, which includes that it repairs what it installed.
Result<json> record_of(const cli::ControlClient& client, const std::string& cluster, bool look) {
  if (look) PGCERTD_CHECK(client.post(fmt::format("/v1/clusters/{}/look", cluster), json::object()));
  return client.get("/v1/clusters/" + cluster);
}

struct Which {
  std::string cluster;   // empty: all
  bool look;
};

// Prints for each cluster what `pick` takes out of its record; the exit code says whether `wrong` said so of one of them.
template <class Pick, class Show, class Wrong>
int for_each_cluster(const Session& session, const Which& which, const Pick& pick, const Show& show, const Wrong& wrong) {
  const cli::ControlClient client = session.client();
  const auto names = clusters_of(client, which.cluster);
  if (!names) return session.report(names.error());
  json all = json::object();
  bool found = false;
  for (const std::string& name : *names) {
    const Result<json> reply = record_of(client, name, which.look);
    if (!reply) return session.report(reply.error());
    json items = pick(*reply);
    for (const json& item : items) found = found || wrong(item);
    if (!session.json()) session.print(show(name, items, session.style()));
    all[name] = std::move(items);
  }
  if (session.json()) session.print_json(json{{"clusters", std::move(all)}});
  return code(found ? cli::ExitCode::failed : cli::ExitCode::done);
}

}  // namespace

int run(const Audit& command, const Session& session) {
  return for_each_cluster(session, {command.cluster, true}, cli::audit_findings, cli::audit_view, [](const json&) { return true; });
}

int run(const Permissions& command, const Session& session) {
  const auto files = [](const json& reply) { return reply.value("cluster", json::object()).value("permissions", json::array()); };
  return for_each_cluster(session, {command.cluster, command.fix}, files, cli::permissions_view, [](const json& file) { return file.value("verdict", "") != "ok"; });
}

}  // namespace pgcertd::ctl

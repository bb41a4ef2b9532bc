// What the daemon thinks of settings, pg_hba.conf, sessions and files: audit, permissions.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
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

struct Asking {
  json (*pick)(const json& reply);
  std::string (*show)(const std::string& cluster, const json& items, const Session& session);
  bool (*objects)(const json& items);
};

// One cluster that cannot be told of hides no other one.
int for_each_cluster(const Session& session, const Which& which, const Asking& asking) {
  const cli::ControlClient client = session.client();
  const auto names = clusters_of(client, which.cluster);
  if (!names) return session.report(names.error());
  json all = json::object();
  int worst = code(cli::ExitCode::done);
  for (const std::string& name : *names) {
    const Result<json> reply = record_of(client, name, which.look);
    if (!reply) {
      worst = std::max(worst, session.report(Error(reply.error()).within(printable(name, 63))));
      continue;
    }
    json items = asking.pick(*reply);
    if (asking.objects(items)) worst = std::max(worst, code(cli::ExitCode::failed));
    if (!session.json()) session.print(asking.show(name, items, session));
    all[name] = std::move(items);
  }
  if (session.json()) session.print_json(json{{"clusters", std::move(all)}});
  return worst;
}

std::string shown_audit(const std::string& cluster, const json& findings, const Session& session) { return cli::audit_view(cluster, findings, session.now(), session.style()); }
std::string shown_permissions(const std::string& cluster, const json& files, const Session& session) { return cli::permissions_view(cluster, files, session.style()); }
json permissions_of(const json& reply) { return reply.value("cluster", json::object()).value("permissions", json::array()); }

}  // namespace

int run(const Audit& command, const Session& session) {
  return for_each_cluster(session, {command.cluster, true}, {cli::audit_findings, shown_audit, [](const json& findings) { return !findings.empty(); }});
}

int run(const Permissions& command, const Session& session) {
  return for_each_cluster(session, {command.cluster, command.fix}, {permissions_of, shown_permissions, cli::permissions_object});
}

}  // namespace pgcertd::ctl

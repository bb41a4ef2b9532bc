#include "pgcertctl/direct_look.hpp"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "engine/observer.hpp"
#include "engine/publisher.hpp"
#include "engine/view.hpp"
#include "files/generation_store.hpp"
#include "files/host.hpp"
#include "files/in_place.hpp"
#include "files/live_files.hpp"
#include "issuer/file_look.hpp"
#include "postgres/endpoints.hpp"
#include "postgres/probe.hpp"
#include "postgres/server.hpp"
#include "service/credentials.hpp"
#include "status/json.hpp"
#include "store/state_store.hpp"

namespace pgcertd::ctl {
namespace {

// An observer asks for none of these; each would change something.
struct NoRandom final : ports::Random {
  std::string hex(std::size_t) override { return {}; }
};
struct NoKeys final : ports::Keys {
  Result<ports::NewKey> make(KeyType, const Names&) override { return fail(Errc::refused, "no key is made by somebody who only looks"); }
};
// Requests that wait are swept by who reads them: they are the daemon's to tell.
struct NoPending final : ports::PendingKeys {
  Result<std::vector<PendingSeen>> list(const std::string&) override { return std::vector<PendingSeen>{}; }
  Result<void> put(const PendingSeen&, const Secret&) override { return fail(Errc::refused, "nothing is kept by somebody who only looks"); }
  Result<Secret> key(const std::string&) override { return fail(Errc::not_found, "no pending key was looked at"); }
  Result<void> remove(const std::string&) override { return {}; }
};
struct NoStore final : ports::Store {
  Result<ClusterMemory> load(const std::string&) override { return ClusterMemory{}; }
  Result<void> save(const std::string&, const ClusterMemory&, const std::vector<Event>&) override { return {}; }
  Result<std::vector<Event>> events(std::int64_t, std::size_t) override { return std::vector<Event>{}; }
  Result<void> prune(TimePoint, std::uint64_t) override { return {}; }
};

files::LivePlaces live_places(const Config& config, const std::string& cluster) {
  files::LivePlaces places;
  places.state_directory = config.daemon.state_directory;
  places.cluster_directory = places.state_directory + "/clusters/" + cluster;
  for (const auto& [name, issuer] : config.issuers)
    if (!issuer.directory.empty()) places.ca_directories.push_back(issuer.directory);
  return places;
}

postgres::ServerOptions server_options(const Config& config, const ClusterConfig& cluster) {
  postgres::ServerOptions options;
  options.conninfo = cluster.conninfo;
  if (cluster.password) options.password = [source = cluster.password] { return service::read_secret(source); };
  options.data_directory = cluster.data_directory;
  options.server_user = cluster.server_user;
  options.cluster_directory = live_places(config, cluster.name).cluster_directory;
  options.groups_of = [](const std::string& user) {
    const auto identity = files::identity_of_user(user);
    return identity ? identity->groups : std::vector<gid_t>{};
  };
  return options;
}

// What the daemon remembers of it (fixed names, a pause, what was proved). None where it never ran.
Result<ClusterMemory> memory_of(const Config& config, const std::string& cluster) {
  const auto store = store::StateStore::open_to_read(config.daemon.state_directory + "/pgcertd.db");
  if (!store && store.error().code == Errc::not_found) return ClusterMemory{};
  if (!store) return fail(Error(store.error()));
  return (*store)->load(cluster);
}

Desired desired_of(const Config& config, const ClusterConfig& cluster, const ClusterMemory& memory) {
  Desired desired;
  desired.cluster = cluster;
  desired.names = cluster.names;
  if (desired.names == Names{}) desired.names = memory.names_at_first_issue;
  if (const auto host = files::host_fqdn(); host && desired.names == Names{}) desired.names.dns = {*host};
  if (const auto issuer = config.issuers.find(cluster.issuer); issuer != config.issuers.end()) {
    desired.issuer_type = issuer->second.type;
    desired.request_lead = issuer->second.request_lead;
    desired.runway_warning = issuer->second.runway_warning;
    desired.runway_critical = issuer->second.runway_critical;
  }
  desired.check_interval = config.daemon.check_interval;
  if (const auto daemon = files::identity_of_owner(config.daemon.state_directory)) desired.own_uid = daemon->uid;
  return desired;
}

Result<ClusterView> look_at(const Config& config, const ClusterConfig& cluster, TimePoint now) {
  PGCERTD_TRY(const ClusterMemory memory, memory_of(config, cluster.name));
  const Desired desired = desired_of(config, cluster, memory);
  const auto cancel = std::make_shared<postgres::Cancel>();
  NoRandom random;
  NoKeys keys;
  NoPending pending;
  NoStore store;
  files::GenerationStore generations(config.daemon.state_directory, cluster.name, random, files::GenerationStore::Access::looks);
  postgres::Server server(server_options(config, cluster), cancel);
  postgres::HandshakeProbe probe({}, cancel);
  issuer::FileLook issuer(config.issuers.at(cluster.issuer));
  files::LiveFileReader live(live_places(config, cluster.name), [&]() -> std::optional<ServerIdentity> {
    const PostgresSeen* seen = server.last();
    auto identity = seen == nullptr || seen->server_user.empty() ? Result<ServerIdentity>(fail(Errc::not_found, "")) : files::identity_of_user(seen->server_user);
    return identity ? std::optional{std::move(*identity)} : std::nullopt;
  });
  files::InPlacePlaces places{live_places(config, cluster.name).cluster_directory, live_places(config, cluster.name).ca_directories, config.daemon.allowed_directories};
  files::InPlaceLinks in_place(std::move(places));
  engine::Observer observer({generations, pending, live, in_place, keys, server, probe, issuer, store,
                             [](const PostgresSeen& seen, const std::vector<std::string>& configured) { return postgres::endpoints_of(seen, configured, postgres::interface_addresses()); }});
  const Observation seen = observer.observe(desired, memory, now);
  return engine::make_view(desired, seen, plan(desired, seen, now), now);
}

}  // namespace

Result<nlohmann::json> direct_status(const Config& config, TimePoint now) {
  std::vector<std::string> names;
  for (const auto& [name, cluster] : config.clusters) names.push_back(name);
  engine::Publisher publisher;
  publisher.configure(names, {}, true, now, {}, now);
  for (const auto& [name, cluster] : config.clusters) {
    PGCERTD_TRY(ClusterView view, look_at(config, cluster, now));
    publisher.publish(std::move(view), TaskView{"cluster:" + name, now, config.daemon.check_interval, 0}, 0, now);
  }
  return nlohmann::json::parse(status::status_json(*publisher.snapshot(), {.version = PGCERTD_VERSION, .revision = {}, .compiler = {}, .boot_id = {}}));
}

}  // namespace pgcertd::ctl

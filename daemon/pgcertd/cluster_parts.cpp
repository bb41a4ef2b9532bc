#include "pgcertd/cluster_parts.hpp"

#include <unistd.h>

#include "engine/key_maker.hpp"
#include "files/generation_store.hpp"
#include "files/host.hpp"
#include "files/in_place.hpp"
#include "files/live_files.hpp"
#include "files/pending_store.hpp"
#include "pgcertd/clock.hpp"
#include "pgcertd/fault.hpp"
#include "pgcertd/system_random.hpp"
#include "postgres/endpoints.hpp"
#include "postgres/probe.hpp"
#include "postgres/server.hpp"
#include "service/calendar.hpp"
#include "service/credentials.hpp"
#include "service/units.hpp"
#include "store/state_store.hpp"

namespace pgcertd::daemon {
namespace {

using namespace std::chrono_literals;

constexpr Duration unit_deadline = 30s;
constexpr Duration restart_deadline = 90s;
// Far enough for the next window of every week.
constexpr Duration windows_ahead = std::chrono::days{8};

std::string cluster_directory(const Config& config, const std::string& cluster) { return config.daemon.state_directory + "/clusters/" + cluster; }

postgres::ServerOptions server_options(const Config& config, const ClusterConfig& cluster, const std::shared_ptr<const postgres::Cancel>& cancel) {
  postgres::ServerOptions options;
  options.conninfo = cluster.conninfo;
  if (cluster.password) options.password = [source = cluster.password] { return service::read_secret(source); };
  options.data_directory = cluster.data_directory;
  options.server_user = cluster.server_user;
  options.reload = cluster.reload;
  options.allowed_directories = config.daemon.allowed_directories;
  options.cluster_directory = cluster_directory(config, cluster.name);
  options.groups_of = [](const std::string& user) {
    const auto identity = files::identity_of_user(user);
    return identity ? identity->groups : std::vector<gid_t>{};
  };
  options.restart = cluster.restart_command;
  options.restart_unit = [cancel](const std::string& unit) { return service::restart_unit(unit, restart_deadline, cancel->fd()); };
  options.reload_unit = [cancel](const std::string& unit) { return service::reload_unit(unit, unit_deadline, cancel->fd()); };
  return options;
}

files::PendingStore::PassphraseOf passphrase_of_pending(const Config& config, const std::string& name) {
  const auto issuer = config.issuers.find(name);
  if (issuer == config.issuers.end() || issuer->second.type != IssuerType::offline || !issuer->second.passphrase) return {};
  return [source = issuer->second.passphrase] { return service::read_secret(source); };
}

files::LivePlaces live_places(const Config& config, const std::string& cluster) {
  files::LivePlaces places;
  places.state_directory = config.daemon.state_directory;
  places.cluster_directory = cluster_directory(config, cluster);
  for (const auto& [name, issuer] : config.issuers)
    if (!issuer.directory.empty()) places.ca_directories.push_back(issuer.directory);
  return places;
}

files::InPlacePlaces in_place_places(const Config& config, const std::string& cluster) {
  const files::LivePlaces live = live_places(config, cluster);
  files::InPlacePlaces places{live.cluster_directory, live.ca_directories, config.daemon.allowed_directories};
  places.forbidden.push_back(live.state_directory);
  return places;
}

}  // namespace

files::PendingStore pending_store(const Config& config, const std::string& issuer) { return files::PendingStore(config.daemon.state_directory, passphrase_of_pending(config, issuer)); }

Desired desired_of(const Config& config, const ClusterConfig& cluster, const std::string& host_fqdn) {
  Desired desired;
  desired.cluster = cluster;
  desired.names = cluster.names;
  if (desired.names == Names{} && !host_fqdn.empty()) desired.names.dns = {host_fqdn};
  if (const auto issuer = config.issuers.find(cluster.issuer); issuer != config.issuers.end()) {
    desired.issuer_type = issuer->second.type;
    desired.request_lead = issuer->second.request_lead;
    desired.runway_warning = issuer->second.runway_warning;
    desired.runway_critical = issuer->second.runway_critical;
  }
  desired.check_interval = config.daemon.check_interval;
  desired.own_uid = ::geteuid();
  return desired;
}

struct ClusterParts::Impl {
  Impl(const Config& config, Desired wish, ports::Issuer& issuer_port, LogSink& log, engine::OtherCrlsOf other_crls, Claims& claims, std::unique_ptr<store::StateStore> opened)
      : desired(std::move(wish)), store(std::move(opened)), generations(config.daemon.state_directory, desired.cluster.name, random),
        pending(pending_store(config, desired.cluster.issuer)), live(live_places(config, desired.cluster.name), [this] { return server_identity(); }), in_place(in_place_places(config, desired.cluster.name)),
        keys([this] { return cancel->triggered(); }), postgres(server_options(config, desired.cluster, cancel), cancel), probe({}, cancel), clock(config.daemon.clock_bound), faults(faults_from_environment()) {
    engine::ClusterPorts all{generations, pending, live, in_place, keys, postgres, probe, issuer_port, *store,
                             [](const PostgresSeen& server, const std::vector<std::string>& configured) {
                               return postgres::endpoints_of(server, configured, postgres::interface_addresses());
                             },
                             [this] { return cancel->triggered(); },
                             [this](std::optional<TimePoint> known_past) { return look_at_clocks(clock, known_past); },
                             [windows = parse_weekly_windows(desired.cluster.restart_window)](TimePoint now) {
                               return windows ? service::intervals_of(*windows, now, windows_ahead) : std::vector<Interval>{};
                             },
                             std::move(other_crls),
                             [&claims, name = desired.cluster.name](const PostgresSeen& server, bool in_use) { return claims.claim(name, server, in_use); }};
    if (faults.hook) traced = std::make_unique<engine::TracedPorts>(all, faults.hook);
    reconciler = std::make_unique<engine::Reconciler>(traced ? traced->ports() : all, log);
    reconciler->skip_preflight(faults.skip_preflight);
  }

  // As the server's own user with all its groups, by the look at it that this tick began with: the account database may be slow.
  [[nodiscard]] std::optional<ServerIdentity> server_identity() const {
    const PostgresSeen* server = postgres.last();
    return server != nullptr && server->user_known() ? std::optional{server->identity()} : std::nullopt;
  }

  Desired desired;
  std::shared_ptr<postgres::Cancel> cancel = std::make_shared<postgres::Cancel>();
  SystemRandom random;
  std::unique_ptr<store::StateStore> store;
  files::GenerationStore generations;
  files::PendingStore pending;
  files::LiveFileReader live;
  files::InPlaceLinks in_place;
  engine::KeyMaker keys;
  postgres::Server postgres;
  postgres::HandshakeProbe probe;
  ClockGuard clock;
  Faults faults;
  std::unique_ptr<engine::TracedPorts> traced;
  std::unique_ptr<engine::Reconciler> reconciler;
};

ClusterParts::ClusterParts(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ClusterParts::~ClusterParts() = default;

Result<std::unique_ptr<ClusterParts>> ClusterParts::make(const Config& config, Desired desired, ports::Issuer& issuer, LogSink& log, engine::OtherCrlsOf other_crls, Claims& claims) {
  PGCERTD_TRY(auto store, store::StateStore::open(config.daemon.state_directory + "/pgcertd.db"));
  // Its reconciler says what is wrong with the store.
  if (const auto memory = store->load(desired.cluster.name)) claims.remember(desired.cluster.name, *memory, cluster_directory(config, desired.cluster.name));
  return std::unique_ptr<ClusterParts>(new ClusterParts(std::make_unique<Impl>(config, std::move(desired), issuer, log, std::move(other_crls), claims, std::move(store))));
}

engine::Reconciler& ClusterParts::reconciler() { return *impl_->reconciler; }
const Desired& ClusterParts::desired() const { return impl_->desired; }
void ClusterParts::cancel() noexcept { impl_->cancel->trigger(); }

}  // namespace pgcertd::daemon

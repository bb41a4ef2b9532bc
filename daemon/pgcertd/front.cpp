#include "pgcertd/front.hpp"

#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "pgcertd/system_random.hpp"
#include "pgcertd/clock.hpp"
#include "pgcertd/control.hpp"
#include "pgcertd/host.hpp"
#include "pgcertd/process_facts.hpp"
#include "x509/certificate.hpp"

namespace pgcertd::daemon {
namespace {

status::BuildInfo build_info() { return {PGCERTD_VERSION, "", "g++ " __VERSION__, SystemRandom{}.hex(8)}; }

std::optional<std::string> crl_der(const std::string& pem) {
  const auto crls = x509::parse_crls(pem, "crl");
  return crls && !crls->empty() ? std::optional{crls->front().der()} : std::nullopt;
}

Result<Rights> rights_of(const DaemonConfig& config) {
  Rights rights{::geteuid(), {}};
  if (config.control_group.empty()) return rights;
  PGCERTD_TRY(rights.group, http::group_id(config.control_group));
  return rights;
}

}  // namespace

Front::Front(engine::Publisher& publisher, service::Heartbeats& heartbeats, const Fleet& fleet, History& history, std::function<bool()> alive)
    : publisher_(publisher), heartbeats_(heartbeats), fleet_(fleet), history_(history) {
  const TimePoint started = wall_clock();
  http::Source source;
  source.snapshot = [this] { return publisher_.snapshot(); };
  source.newest_event = [this] { return history_.newest(); };
  source.events = [this](std::int64_t since, std::size_t limit) { return history_.read(since, limit); };
  source.alive = std::move(alive);
  source.process = [started] { return process_facts(started); };
  source.pki = [this](const std::string& name) { return pki(name); };
  source.now = wall_clock;
  routes_ = std::make_shared<http::Routes>(std::move(source), build_info());
}

std::optional<std::string> Front::pki(const std::string& name) const {
  const SnapshotPtr snapshot = publisher_.snapshot();
  for (const IssuerView& issuer : snapshot->issuers) {
    if (name == "root.crt" && !issuer.seen.root_pem.empty()) return issuer.seen.root_pem;
    if (name == "root.crl" && !issuer.seen.root_crl_pem.empty()) return crl_der(issuer.seen.root_crl_pem);
    if (name == issuer.seen.name + ".crl" && !issuer.seen.crl_pem.empty()) return crl_der(issuer.seen.crl_pem);
  }
  return std::nullopt;
}

Result<void> Front::open_control(const Config& config) {
  if (control_) return {};
  PGCERTD_TRY(const Rights rights, rights_of(config.daemon));
  control_ = std::make_unique<http::ControlListener>(config.daemon.runtime_directory + "/control.sock", config.daemon.control_group, routes_,
                                                     [this, rights](const http::ControlRequest& request) { return answer_control(fleet_, rights, request); });
  if (auto started = control_->start(); !started) {
    control_.reset();
    return within(std::move(started), "the control socket");
  }
  return {};
}

Result<std::vector<Front::Listening>> Front::listen(const std::vector<std::string>& addresses, const Way& way) const {
  std::vector<Listening> out;
  for (const std::string& address : addresses) {
    auto listener = std::make_unique<http::PublicListener>(http::ListenOptions{address, way.names, {}, way.secure ? tls_ : nullptr}, routes_);
    PGCERTD_CHECK(within(listener->start(), "HTTP on " + address));
    out.push_back({address, std::move(listener)});
  }
  return out;
}

// What stays as it is stays open, whatever becomes of the certificate. The rest closes once what comes instead is open; before that
// only where it stands in its way, and where that does not help it is opened again.
Result<void> Front::open_listeners(const std::vector<std::string>& addresses, const Way& way) {
  const auto stays = [&](const Listening& one) { return way == way_ && std::ranges::find(addresses, one.address) != addresses.end(); };
  const auto going = std::stable_partition(listeners_.begin(), listeners_.end(), stays);   // from here on they go
  std::vector<std::string> missing, closed;
  std::ranges::copy_if(addresses, std::back_inserter(missing), [&](const std::string& address) {
    return std::none_of(listeners_.begin(), going, [&](const Listening& one) { return one.address == address; });
  });
  auto opened = listen(missing, way);
  if (!opened && going != listeners_.end()) {
    std::transform(going, listeners_.end(), std::back_inserter(closed), [](const Listening& one) { return one.address; });
    listeners_.erase(going, listeners_.end());
    opened = listen(missing, way);
  }
  if (!opened) {
    for (const std::string& address : closed)
      if (auto again = listen({address}, way_)) std::ranges::move(*again, std::back_inserter(listeners_));
    return fail(std::move(opened).error());
  }
  std::erase_if(listeners_, [&](const Listening& one) { return !stays(one); });
  std::ranges::move(*opened, std::back_inserter(listeners_));
  way_ = way;
  return {};
}

// The new keeper is whole before the old one goes: a client_ca that cannot be read leaves what is served as it is.
Result<void> Front::keep_certificate(const Config& config, const Names& names) {
  if (!tls_) tls_ = std::make_shared<http::ServerTls>();
  PGCERTD_TRY(auto keeper, ListenerWorker::make(config, names, tls_, {publisher_, heartbeats_, fleet_.log(), history_, [this](const std::string& name) -> std::shared_ptr<ports::Issuer> { return fleet_.issuer_now(name); }}));
  stop_keeper();
  PGCERTD_CHECK(keeper->start());
  const std::lock_guard lock(keeper_mutex_);
  keeper_ = std::move(keeper);
  return {};
}

void Front::wake_keeper() {
  const std::lock_guard lock(keeper_mutex_);
  if (keeper_) keeper_->wake();
}

Result<void> Front::apply(const Config& config) {
  PGCERTD_CHECK(open_control(config));
  const bool secure = !config.http.issuer.empty() && !config.http.listen.empty();
  std::vector<std::string> hosts = config.http.hosts;
  if (secure) {
    PGCERTD_TRY(const Names names, listener_names(config.http, host_fqdn()));
    PGCERTD_CHECK(keep_certificate(config, names));
    hosts = all_names(names);
  }
  auto opened = open_listeners(config.http.listen, {hosts, secure});
  keep_what_is_open();
  return opened;
}

// Also where the new addresses were refused: what is open then is served as before, and its certificate ends one day.
void Front::keep_what_is_open() {
  if (!way_.secure) {
    stop_keeper();
    publisher_.forget_listener(wall_clock());
    return;
  }
  std::vector<std::string> endpoints;
  for (const Listening& one : listeners_) endpoints.push_back(one.listener->endpoint());
  if (keeper_) keeper_->prove_at(std::move(endpoints));   // one that could not begin was told of
}

void Front::stop_keeper() {
  std::unique_ptr<ListenerWorker> old;   // ends after the lock: its thread may wait for an issuer that wakes it
  const std::lock_guard lock(keeper_mutex_);
  old.swap(keeper_);
}

void Front::stop() {
  stop_keeper();
  listeners_.clear();
  control_.reset();
}

}  // namespace pgcertd::daemon

#include "pgcertd/listener_worker.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "ca/durable_file.hpp"
#include "engine/key_maker.hpp"
#include "files/own_pair.hpp"
#include "http/message.hpp"
#include "pgcertd/clock.hpp"
#include "pgcertd/cluster_parts.hpp"
#include "x509/sign.hpp"

namespace pgcertd::daemon {
namespace {

using namespace std::chrono_literals;

const std::string own_task = "http";

bool is_wildcard(const std::string& host) { return host == "0.0.0.0" || host == "::"; }
bool is_loopback(const std::string& host) { return host.starts_with("127.") || host == "::1" || host == "localhost"; }

Result<std::string> read_client_ca(const std::string& path) {
  if (path.empty()) return std::string{};
  auto pem = ca::read_file(path);
  if (pem)
    if (auto good = http::check_client_ca(*pem); !good) pem = fail(std::move(good).error());
  if (!pem && pem.error().remedy.empty()) {
    Error error = std::move(pem).error();
    error.remedy = "name a PEM file that pgcertd may read, with the certificate of the CA of these clients";
    pem = fail(std::move(error));
  }
  return within(std::move(pem), "http.client_ca");
}

}  // namespace

Result<Names> listener_names(const HttpConfig& http, const std::string& host_fqdn) {
  std::vector<std::string> texts;
  const auto add = [&](const std::string& name) {
    if (!name.empty() && !is_wildcard(name) && std::ranges::find(texts, name) == texts.end()) texts.push_back(name);
  };
  bool reached_from_elsewhere = false;
  for (const std::string& address : http.listen) {
    const std::string host = http::bare_host(address);
    add(host);
    if (is_loopback(host)) add("localhost");
    else reached_from_elsewhere = true;
  }
  for (const std::string& host : http.hosts) add(http::bare_host(host));
  if (reached_from_elsewhere) add(host_fqdn);
  if (texts.empty()) return fail(Errc::invalid, "the certificate of the HTTP listener would have no name: it listens at every address, and the host has no full name", "set http.hosts to the names by which clients reach it");
  return within(x509::names_from(texts), "names of the HTTP listener");
}

struct ListenerWorker::Parts {
  Parts(const Config& config, const Names& names, std::string client_ca_pem, std::shared_ptr<http::ServerTls> served_by)
      : client_ca(std::move(client_ca_pem)), tls(std::move(served_by)), interval(config.daemon.check_interval), issuer(config.http.issuer),
        pending(pending_store(config, config.http.issuer)), pair(config.daemon.state_directory), keys([] { return false; }), clock(config.daemon.clock_bound),
        keeper(listener_wish(config.issuers.at(config.http.issuer), names, config.daemon.check_interval), !client_ca.empty(),
               {keys, pending, pair, [this](const std::string& chain, const Secret& key) { return tls->use(chain, key, client_ca); }, [this] { return shown(); },
                [this](std::optional<TimePoint> known_past) { return look_at_clocks(clock, known_past); }}) {}

  [[nodiscard]] std::map<std::string, Result<std::string>> shown() const {
    std::map<std::string, Result<std::string>> out;
    for (const std::string& endpoint : endpoints) out.emplace(endpoint, http::shown_leaf(endpoint));
    return out;
  }

  const std::string client_ca;
  const std::shared_ptr<http::ServerTls> tls;
  const Duration interval;
  const std::string issuer;
  std::vector<std::string> endpoints;           // of the tick that runs
  files::PendingStore pending;
  files::OwnPair pair;
  engine::KeyMaker keys;
  ClockGuard clock;
  engine::ListenerKeeper keeper;
};

ListenerWorker::ListenerWorker(std::unique_ptr<Parts> parts, ListenerHooks hooks) : parts_(std::move(parts)), hooks_(std::move(hooks)) {}

Result<std::unique_ptr<ListenerWorker>> ListenerWorker::make(const Config& config, const Names& names, std::shared_ptr<http::ServerTls> tls, ListenerHooks hooks) {
  PGCERTD_TRY(std::string client_ca, read_client_ca(config.http.client_ca));
  return std::unique_ptr<ListenerWorker>(new ListenerWorker(std::make_unique<Parts>(config, names, std::move(client_ca), std::move(tls)), std::move(hooks)));
}

ListenerWorker::~ListenerWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

Result<void> ListenerWorker::start() {
  PGCERTD_CHECK(within(parts_->keeper.begin(wall_clock()), "the certificate of the HTTP listener"));
  thread_ = std::thread([this] { run(); });
  return {};
}

void ListenerWorker::prove_at(std::vector<std::string> endpoints) {
  const std::lock_guard lock(mutex_);
  endpoints_ = std::move(endpoints);
  woken_ = true;
  changed_.notify_all();
}

void ListenerWorker::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

void ListenerWorker::tick() {
  const auto issuer = hooks_.issuer(parts_->issuer);
  const TimePoint now = wall_clock();
  next_ = now + parts_->interval;
  if (!issuer) return;   // the daemon begins: it wakes us
  engine::ListenerKeeper::Tick done = parts_->keeper.tick(*issuer, now);
  if (done.failed) ++errors_;
  if (const auto& pair = done.view.certificate; pair && pair->renew_at && *pair->renew_at > now) next_ = std::min(next_, *pair->renew_at);
  for (Event& event : done.events) {
    hooks_.log.write({LogLevel::notice, event.message, event.kind, {{"PGCERTD_SERIAL", event.fields["serial"]}}});
    if (auto kept = hooks_.history.append(std::move(event)); !kept) hooks_.log.write({LogLevel::warning, printable(kept.error().text()), "", {}});
  }
  hooks_.publisher.publish(std::move(done.view), TaskView{own_task, now, parts_->interval, errors_}, now);
}

void ListenerWorker::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      hooks_.heartbeats.idle(own_task);
      const Duration left = std::max<Duration>(next_ - wall_clock(), 0ms);
      changed_.wait_for(lock, std::min(left, parts_->interval), [this] { return stopping_ || woken_; });
      if (stopping_) break;
      woken_ = false;
      parts_->endpoints = endpoints_;
    }
    hooks_.heartbeats.beat(own_task, std::chrono::steady_clock::now());
    tick();
  }
  hooks_.heartbeats.forget(own_task);
}

}  // namespace pgcertd::daemon

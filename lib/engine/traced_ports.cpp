#include "engine/traced_ports.hpp"

#include <utility>

namespace pgcertd::engine {
namespace {

// Announces, calls, announces. Works for Result<T>, where the hook may put an error in place of the call.
template <class Call>
auto traced(const CallHook& hook, const std::string& name, Call call) -> decltype(call()) {
  if (auto error = hook(name, CallPhase::before)) return fail(std::move(*error));
  auto result = call();
  (void)hook(name, CallPhase::after);
  return result;
}

// For ports whose failures are data: a fault hook cannot replace the call, only crash around it.
template <class Call>
auto announced(const CallHook& hook, const std::string& name, Call call) -> decltype(call()) {
  (void)hook(name, CallPhase::before);
  auto result = call();
  (void)hook(name, CallPhase::after);
  return result;
}

struct TracedGenerations final : ports::Generations {
  ports::Generations& inner;
  const CallHook& hook;
  TracedGenerations(ports::Generations& i, const CallHook& h) : inner(i), hook(h) {}
  Result<GenerationsSeen> observe() override { return traced(hook, "generations.observe", [&] { return inner.observe(); }); }
  Result<std::string> stage(const GenerationContent& content, std::uint64_t number, const ServerIdentity& server, TimePoint now) override {
    return traced(hook, "generations.stage", [&] { return inner.stage(content, number, server, now); });
  }
  Result<void> prepare_way_back(const std::string& id) override { return traced(hook, "generations.prepare_way_back", [&] { return inner.prepare_way_back(id); }); }
  Result<void> publish(const std::string& id) override { return traced(hook, "generations.publish", [&] { return inner.publish(id); }); }
  Result<void> publish_way_back() override { return traced(hook, "generations.publish_way_back", [&] { return inner.publish_way_back(); }); }
  Result<GenerationContent> load(const std::string& id) override { return traced(hook, "generations.load", [&] { return inner.load(id); }); }
  Result<void> remove(const std::string& id) override { return traced(hook, "generations.remove", [&] { return inner.remove(id); }); }
  Result<void> repair(const std::string& id, FileRole role, const ServerIdentity& server) override {
    return traced(hook, "generations.repair", [&] { return inner.repair(id, role, server); });
  }
};

struct TracedPending final : ports::PendingKeys {
  ports::PendingKeys& inner;
  const CallHook& hook;
  TracedPending(ports::PendingKeys& i, const CallHook& h) : inner(i), hook(h) {}
  Result<std::vector<PendingSeen>> list(const std::string& cluster) override { return traced(hook, "pending.list", [&] { return inner.list(cluster); }); }
  Result<void> put(const PendingSeen& request, const Secret& key) override { return traced(hook, "pending.put", [&] { return inner.put(request, key); }); }
  Result<Secret> key(const std::string& spki) override { return traced(hook, "pending.key", [&] { return inner.key(spki); }); }
  Result<void> remove(const std::string& spki) override { return traced(hook, "pending.remove", [&] { return inner.remove(spki); }); }
};

struct TracedLive final : ports::LiveFiles {
  ports::LiveFiles& inner;
  const CallHook& hook;
  TracedLive(ports::LiveFiles& i, const CallHook& h) : inner(i), hook(h) {}
  Result<Read> read_certificate(const std::string& cert, const std::string& key) override {
    return traced(hook, "live.read_certificate", [&] { return inner.read_certificate(cert, key); });
  }
  Result<PathSeen> look(const std::string& path) override {
    return traced(hook, "live.look", [&] { return inner.look(path); });
  }
  Result<std::string> read_public(const std::string& path, const ServerIdentity& server) override {
    return traced(hook, "live.read_public", [&] { return inner.read_public(path, server); });
  }
  Result<std::vector<std::string>> list(const std::string& path, const ServerIdentity& server) override {
    return traced(hook, "live.list", [&] { return inner.list(path, server); });
  }
  Result<GenerationContent> read_pair(const std::string& cert, const std::string& key) override {
    return traced(hook, "live.read_pair", [&] { return inner.read_pair(cert, key); });
  }
};

struct TracedInPlace final : ports::InPlace {
  ports::InPlace& inner;
  const CallHook& hook;
  TracedInPlace(ports::InPlace& i, const CallHook& h) : inner(i), hook(h) {}
  Result<InPlaceSeen> observe(const std::string& cert, const std::string& key, const PostgresSeen& server) override {
    return traced(hook, "in_place.observe", [&] { return inner.observe(cert, key, server); });
  }
  Result<void> link(const std::string& path, FileRole role, const PostgresSeen& server) override {
    return traced(hook, "in_place.link", [&] { return inner.link(path, role, server); });
  }
};

struct TracedKeys final : ports::Keys {
  ports::Keys& inner;
  const CallHook& hook;
  TracedKeys(ports::Keys& i, const CallHook& h) : inner(i), hook(h) {}
  Result<ports::NewKey> make(KeyType type, const Names& names) override { return traced(hook, "keys.make", [&] { return inner.make(type, names); }); }
};

struct TracedPostgres final : ports::Postgres {
  ports::Postgres& inner;
  const CallHook& hook;
  TracedPostgres(ports::Postgres& i, const CallHook& h) : inner(i), hook(h) {}
  PostgresSeen observe(const PostgresSeen* remembered) override { return announced(hook, "postgres.observe", [&] { return inner.observe(remembered); }); }
  Result<ServerDetail> detail(std::optional<TimePoint> rotated_at) override { return traced(hook, "postgres.detail", [&] { return inner.detail(rotated_at); }); }
  Result<void> change_settings(const SettingsChange& change) override { return traced(hook, "postgres.change_settings", [&] { return inner.change_settings(change); }); }
  Result<void> reload() override { return traced(hook, "postgres.reload", [&] { return inner.reload(); }); }
  RestartOutlook restart_outlook(const std::string& key_path) override { return announced(hook, "postgres.restart_outlook", [&] { return inner.restart_outlook(key_path); }); }
  Result<void> restart() override { return traced(hook, "postgres.restart", [&] { return inner.restart(); }); }
  Result<std::uint64_t> terminate(const std::vector<CertSession>& sessions) override { return traced(hook, "postgres.terminate", [&] { return inner.terminate(sessions); }); }
  void rest() override { inner.rest(); }
};

struct TracedProbe final : ports::Probe {
  ports::Probe& inner;
  const CallHook& hook;
  TracedProbe(ports::Probe& i, const CallHook& h) : inner(i), hook(h) {}
  ProbeSeen probe(const std::string& endpoint, TimePoint now) override { return announced(hook, "probe.probe", [&] { return inner.probe(endpoint, now); }); }
  ports::Presented present(const std::string& endpoint, const Canary& canary) override { return announced(hook, "probe.present", [&] { return inner.present(endpoint, canary); }); }
  void rest() override { inner.rest(); }
};

struct TracedIssuer final : ports::Issuer {
  ports::Issuer& inner;
  const CallHook& hook;
  TracedIssuer(ports::Issuer& i, const CallHook& h) : inner(i), hook(h) {}
  IssuerSeen observe(TimePoint now) override { return announced(hook, "issuer.observe", [&] { return inner.observe(now); }); }
  void want_canaries() override { inner.want_canaries(); }
  Result<void> check_retired(const std::vector<std::string>& serials, TimePoint now) override { return traced(hook, "issuer.check_retired", [&] { return inner.check_retired(serials, now); }); }
  IssuerAnswer lookup(const std::string& spki, TimePoint now) override { return announced(hook, "issuer.lookup", [&] { return inner.lookup(spki, now); }); }
  IssuerAnswer submit(const LeafRequest& request, TimePoint now) override {
    if (auto error = hook("issuer.submit", CallPhase::before)) return Refused{std::move(*error)};
    IssuerAnswer answer = inner.submit(request, now);
    (void)hook("issuer.submit", CallPhase::after);
    return answer;
  }
};

struct TracedStore final : ports::Store {
  ports::Store& inner;
  const CallHook& hook;
  TracedStore(ports::Store& i, const CallHook& h) : inner(i), hook(h) {}
  Result<ClusterMemory> load(const std::string& cluster) override { return traced(hook, "store.load", [&] { return inner.load(cluster); }); }
  Result<void> save(const std::string& cluster, const ClusterMemory& memory, const std::vector<Event>& events) override {
    return traced(hook, "store.save", [&] { return inner.save(cluster, memory, events); });
  }
  Result<std::vector<Event>> events(std::int64_t after, std::size_t limit) override { return traced(hook, "store.events", [&] { return inner.events(after, limit); }); }
  Result<void> prune(TimePoint older, std::uint64_t keep) override { return traced(hook, "store.prune", [&] { return inner.prune(older, keep); }); }
};

}  // namespace

struct TracedPorts::Impl {
  CallHook hook;
  EndpointsOf endpoints_of;
  std::function<bool()> stopping;
  ClockDoubtOf clock_doubt;
  RestartWindowsOf restart_windows;
  OtherCrlsOf other_crls;
  HeldBy held_by;
  TracedGenerations generations;
  TracedPending pending;
  TracedLive live;
  TracedInPlace in_place;
  TracedKeys keys;
  TracedPostgres postgres;
  TracedProbe probe;
  TracedIssuer issuer;
  TracedStore store;
  Impl(const ClusterPorts& p, CallHook h)
      : hook(std::move(h)), endpoints_of(p.endpoints_of), stopping(p.stopping), clock_doubt(p.clock_doubt), restart_windows(p.restart_windows), other_crls(p.other_crls), held_by(p.held_by), generations(p.generations, hook), pending(p.pending, hook), live(p.live, hook), in_place(p.in_place, hook), keys(p.keys, hook),
        postgres(p.postgres, hook), probe(p.probe, hook), issuer(p.issuer, hook), store(p.store, hook) {}
};

TracedPorts::TracedPorts(const ClusterPorts& inner, CallHook hook) : impl_(std::make_unique<Impl>(inner, std::move(hook))) {}
TracedPorts::~TracedPorts() = default;

ClusterPorts TracedPorts::ports() const {
  return {impl_->generations, impl_->pending, impl_->live, impl_->in_place, impl_->keys, impl_->postgres, impl_->probe, impl_->issuer, impl_->store, impl_->endpoints_of, impl_->stopping, impl_->clock_doubt, impl_->restart_windows, impl_->other_crls, impl_->held_by};
}

}  // namespace pgcertd::engine

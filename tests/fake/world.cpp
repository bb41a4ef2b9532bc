#include "fake/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "x509/request.hpp"
#include "x509/sign.hpp"
#include "x509/verify.hpp"

namespace pgcertd::fake {
namespace {

using namespace std::chrono_literals;

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  return std::move(*result);
}

// What parsing gives, remembered for the process: a simulation looks at the same few files some hundred thousand times.
template <class Value, class Make>
const Value& remembered(const std::string& bytes, Make make) {
  static std::unordered_map<std::string, Value> known;
  const auto found = known.find(bytes);
  return found != known.end() ? found->second : known.emplace(bytes, make(bytes)).first->second;
}

const std::vector<CertFacts>& facts(const std::string& pem) {
  return remembered<std::vector<CertFacts>>(pem, [](const std::string& bytes) {
    std::vector<CertFacts> out;
    if (auto chain = x509::parse_certificates(bytes, "fake"))
      for (const auto& certificate : *chain) out.push_back(certificate.facts());
    return out;
  });
}

const std::string& spki_of(const std::string& key_pem) {
  return remembered<std::string>(key_pem, [](const std::string& bytes) {
    auto key = x509::PrivateKey::parse(bytes, "fake");
    return key ? key->spki_sha256() : std::string{};
  });
}

bool loads(const PairOnDisk& pair) {
  return remembered<bool>(pair.chain_pem + '\0' + pair.key_pem, [&](const std::string&) { return x509::loads_as_server(pair.chain_pem, Secret{pair.key_pem}).has_value(); });
}

std::string fingerprint(const std::string& chain_pem) {
  const auto chain = facts(chain_pem);
  return chain.empty() ? "" : chain.front().fingerprint_sha256;
}

}  // namespace

TestCa TestCa::make(TimePoint from, Duration life, const std::string& name) {
  auto root_key = must(x509::PrivateKey::generate(KeyType::ecdsa_p256));
  auto issuing_key = must(x509::PrivateKey::generate(KeyType::ecdsa_p256));
  auto root = must(x509::make_root(root_key, name + " Root", must(x509::new_serial()), {from, from + life}));
  auto issuing = must(x509::make_issuing_ca(root_key, root, issuing_key, name + " Issuing", must(x509::new_serial()), {from, from + life}));
  return {std::move(root_key), std::move(issuing_key), std::move(root), std::move(issuing)};
}

x509::Certificate TestCa::leaf(const std::string& request_pem, const Names& names, TimePoint issue, Duration lifetime) const {
  const auto validity = x509::leaf_validity(issue, lifetime, {issuing.facts(), root.facts()});
  return must(x509::sign_leaf(issuing_key, issuing, request_pem, {must(x509::new_serial()), names, validity, "", false}));
}

namespace {

Result<void> writable(const World& w) {
  if (w.disk_error) return fail(*w.disk_error);
  return {};
}

struct FakeGenerations final : ports::Generations {
  World& w;
  explicit FakeGenerations(World& world) : w(world) {}
  Result<GenerationsSeen> observe() override {
    GenerationsSeen seen{World::directory, w.current, w.way_back, {}, {}};
    for (const auto& [id, g] : w.generations) {
      GenerationSeen one;
      one.id = id, one.number = g.number, one.created = g.created, one.origin = g.origin, one.complete = !g.chain_pem.empty();
      one.chain = facts(g.chain_pem);
      one.key_spki_sha256 = spki_of(g.key_pem);
      const std::string dir = fmt::format("{}/generations/{}/", World::directory, id);
      one.files = {{dir + "server.crt", FileSeen::Kind::regular, 0, 0, 0644, g.chain_pem.size(), 1}, {dir + "server.key", FileSeen::Kind::regular, g.key_uid, 26, g.key_mode, g.key_pem.size(), 1}};
      seen.all.push_back(std::move(one));
    }
    std::sort(seen.all.begin(), seen.all.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
    return seen;
  }
  Result<std::string> stage(const GenerationContent& content, std::uint64_t number, const ServerIdentity& server, TimePoint now) override {
    PGCERTD_CHECK(writable(w));
    std::string id = fmt::format("{}-{:04x}", to_compact_utc(now), w.next_id++);
    w.generations[id] = {id, number, now, content.origin, content.chain_pem, std::string{content.key_pem.view()}, content.root_pem, content.crl_pem, 0600, server.uid};
    return id;
  }
  Result<void> prepare_way_back(const std::string& id) override {
    PGCERTD_CHECK(writable(w));
    w.way_back = id;
    return {};
  }
  Result<void> publish(const std::string& id) override {
    PGCERTD_CHECK(writable(w));
    if (!w.generations.contains(id)) return fail(Errc::not_found, "no generation " + id);
    w.current = id;
    return {};
  }
  Result<void> publish_way_back() override {   // a rename needs no room
    if (w.way_back.empty()) return fail(Errc::not_found, "no way back");
    w.current = std::exchange(w.way_back, "");
    return {};
  }
  Result<GenerationContent> load(const std::string& id) override {
    const auto found = w.generations.find(id);
    if (found == w.generations.end()) return fail(Errc::not_found, "no generation " + id);
    const GenerationOnDisk& g = found->second;
    return GenerationContent{g.chain_pem, Secret{g.key_pem}, g.root_pem, g.crl_pem, g.origin};
  }
  Result<void> remove(const std::string& id) override {
    if (id == w.current) return fail(Errc::refused, "the current generation is never removed");
    w.generations.erase(id);
    return {};
  }
  Result<void> repair(const std::string& id, FileRole, const ServerIdentity& server) override {
    w.generations[id].key_mode = 0600;
    w.generations[id].key_uid = server.uid;
    return {};
  }
};

struct FakePending final : ports::PendingKeys {
  World& w;
  explicit FakePending(World& world) : w(world) {}
  Result<std::vector<PendingSeen>> list(const std::string&) override {
    std::vector<PendingSeen> out;
    for (const auto& [spki, p] : w.pending) out.push_back(p.seen);
    return out;
  }
  Result<void> put(const PendingSeen& request, const Secret& key) override {
    PGCERTD_CHECK(writable(w));
    w.pending[request.spki_sha256] = {request, std::string{key.view()}};
    return {};
  }
  Result<Secret> key(const std::string& spki) override {
    const auto found = w.pending.find(spki);
    if (found == w.pending.end()) return fail(Errc::not_found, "no pending key");
    return Secret{found->second.key_pem};
  }
  Result<void> remove(const std::string& spki) override {
    w.pending.erase(spki);
    return {};
  }
};

struct FakeLive final : ports::LiveFiles {
  World& w;
  explicit FakeLive(World& world) : w(world) {}
  Result<std::vector<std::string>> list(const std::string& path, const ServerIdentity&) override { return fail(Errc::not_found, path + " is not there"); }
  [[nodiscard]] std::optional<PairOnDisk> pair_at(const std::string& cert) const {
    if (w.links.contains(cert)) return std::nullopt;   // as the real one: not through a link into STATE
    if (cert == std::string{World::directory} + "/current/server.crt") {
      const auto g = w.generations.find(w.current);
      if (g == w.generations.end()) return std::nullopt;
      return PairOnDisk{g->second.chain_pem, g->second.key_pem};
    }
    const auto found = w.foreign.find(cert);
    return found == w.foreign.end() ? std::nullopt : std::optional{found->second};
  }
  Result<Read> read_certificate(const std::string& cert, const std::string&) override {
    const auto pair = pair_at(cert);
    if (!pair) return fail(Errc::not_found, cert + " is not there");
    return Read{pair->chain_pem, cert.starts_with(World::directory), cert.find("snakeoil") != std::string::npos, false, w.encrypted.contains(cert)};
  }
  Result<PathSeen> look(const std::string& path) override {
    const bool there = w.foreign.contains(path.substr(0, path.rfind('.')) + ".crt");
    return PathSeen{{path, there ? FileSeen::Kind::regular : FileSeen::Kind::missing, w.server_uid, 26, 0600, 1, 1}, {}};
  }
  Result<std::string> read_public(const std::string& path, const ServerIdentity&) override { return fail(Errc::not_found, path); }
  Result<GenerationContent> read_pair(const std::string& cert, const std::string&) override {
    const auto pair = pair_at(cert);
    if (!pair) return fail(Errc::not_found, cert + " is not there");
    if (w.encrypted.contains(cert)) return fail(Errc::refused, "its key needs a passphrase");
    return GenerationContent{pair->chain_pem, Secret{pair->key_pem}, "", "", Origin::adopted};
  }
};

struct FakeInPlace final : ports::InPlace {
  World& w;
  explicit FakeInPlace(World& world) : w(world) {}
  [[nodiscard]] InPlacePath look(const std::string& path) const {
    if (w.links.contains(path)) return {path, InPlacePath::State::linked, w.now};
    return {path, w.foreign.contains(path.substr(0, path.rfind('.')) + ".crt") ? InPlacePath::State::file : InPlacePath::State::missing, {}};
  }
  Result<InPlaceSeen> observe(const std::string& cert, const std::string& key, const PostgresSeen&) override {
    if (!w.links_allowed || !cert.starts_with("/data/")) return InPlaceSeen{{}, {}, cert + " is outside"};
    return InPlaceSeen{look(cert), look(key), {}};
  }
  Result<void> link(const std::string& path, FileRole, const PostgresSeen&) override {
    PGCERTD_CHECK(writable(w));
    w.links.insert(path);
    return {};
  }
};

struct FakeKeys final : ports::Keys {
  Result<ports::NewKey> make(KeyType type, const Names& names) override {
    auto made = must(x509::PrivateKey::generate(type));
    return ports::NewKey{made.to_pem(), must(x509::make_request_pem(made, names)), made.spki_sha256()};
  }
};

struct FakePostgres final : ports::Postgres {
  World& w;
  explicit FakePostgres(World& world) : w(world) {}
  PostgresSeen observe(const PostgresSeen* remembered) override {
    PostgresSeen seen;
    if (!w.server_up) {
      if (remembered != nullptr) seen = *remembered;
      seen.fault = ServerFault::down;
      return seen;
    }
    seen.fault = ServerFault::none, seen.known = true, seen.version_num = 150018, seen.version = "15.18", seen.system_identifier = "1";
    seen.data_directory = "/data", seen.server_uid = w.server_uid, seen.server_gid = 26, seen.listen_addresses = {"127.0.0.1"};
    seen.privileges = {true, true, true, true, false};
    for (const auto& [name, value] : w.in_force) seen.settings[name] = {value, "configuration file", "", 0, false};
    seen.auto_conf = w.auto_conf;
    seen.postmaster_start = w.started;
    return seen;
  }
  Result<ServerDetail> detail(std::optional<TimePoint>) override {
    if (!w.server_up) return fail(Errc::network, "the server is down");
    return w.detail;
  }
  Result<void> change_settings(const SettingsChange& change) override {
    if (!w.server_up) return fail(Errc::network, "the server is down");
    for (const auto& [name, value] : change.values)
      if (value) w.auto_conf[name] = *value;
      else w.auto_conf.erase(name);
    return {};
  }
  Result<void> reload() override {
    if (!w.server_up) return fail(Errc::network, "the server is down");
    w.reload();
    return {};
  }
  RestartOutlook restart_outlook(const std::string&) override { return w.outlook; }
  Result<void> restart() override {
    if (!w.server_up) return fail(Errc::network, "the server is down");
    w.restart();
    return {};
  }
  Result<std::uint64_t> terminate(const std::vector<CertSession>&) override { return 0; }
  void rest() override {}
};

struct FakeProbe final : ports::Probe {
  World& w;
  explicit FakeProbe(World& world) : w(world) {}
  ProbeSeen probe(const std::string& endpoint, TimePoint now) override {
    ProbeSeen seen;
    seen.endpoint = endpoint, seen.probed_at = now;
    if (!w.server_up) return seen;
    seen.outcome = w.context ? ProbeOutcome::served : ProbeOutcome::ssl_refused;
    if (w.context) {
      seen.chain = facts(w.context->chain_pem);
      seen.chain_pem = {w.context->chain_pem};
    }
    return seen;
  }
};

struct FakeIssuer final : ports::Issuer {
  World& w;
  const TestCa& ca;
  FakeIssuer(World& world, const TestCa& test_ca) : w(world), ca(test_ca) {}
  IssuerSeen observe(TimePoint) override {
    IssuerSeen seen;
    seen.name = "local", seen.available = w.issuer_available, seen.why = w.issuer_available ? "" : "its key is away", seen.key_available = w.issuer_available;
    seen.issuing = ca.issuing.facts(), seen.root = ca.root.facts();
    seen.root_pem = ca.root.pem(), seen.issuing_pem = ca.issuing.pem();
    return seen;
  }
  IssuerAnswer lookup(const std::string& spki, TimePoint) override {
    const auto found = w.registry.find(spki);
    return found == w.registry.end() ? IssuerAnswer{Unknown{}} : IssuerAnswer{found->second};
  }
  IssuerAnswer submit(const LeafRequest& request, TimePoint now) override {
    if (!w.issuer_available) return Refused{make_error(Errc::busy, "the issuer's key is away")};
    const auto leaf = ca.leaf(request.request_pem, request.names, now, request.lifetime);
    return w.registry.emplace(request.spki_sha256, Issued{leaf.pem() + ca.issuing.pem(), ca.root.pem(), "", now}).first->second;
  }
};

struct FakeStore final : ports::Store {
  World& w;
  explicit FakeStore(World& world) : w(world) {}
  Result<ClusterMemory> load(const std::string&) override { return w.memory; }
  Result<void> save(const std::string&, const ClusterMemory& memory, const std::vector<Event>& events) override {
    PGCERTD_CHECK(writable(w));
    w.memory = memory;
    w.events.insert(w.events.end(), events.begin(), events.end());
    return {};
  }
  Result<std::vector<Event>> events(std::int64_t, std::size_t) override { return w.events; }
  Result<void> prune(TimePoint, std::uint64_t) override { return {}; }
};


}  // namespace

struct WorldPorts {
  FakeGenerations generations;
  FakePending pending;
  FakeLive live;
  FakeInPlace in_place;
  FakeKeys keys;
  FakePostgres postgres;
  FakeProbe probe;
  FakeIssuer issuer;
  FakeStore store;
  WorldPorts(World& w, const TestCa& ca) : generations(w), pending(w), live(w), in_place(w), keys(), postgres(w), probe(w), issuer(w, ca), store(w) {}
};

World::World(const TestCa& ca, TimePoint start) : ports_(std::make_unique<WorldPorts>(*this, ca)) {
  now = start;
  in_force = postgresql_conf;
}

World::~World() = default;

engine::ClusterPorts World::ports() {
  return {ports_->generations, ports_->pending, ports_->live, ports_->in_place, ports_->keys, ports_->postgres, ports_->probe, ports_->issuer, ports_->store,
          [](const PostgresSeen& server, const std::vector<std::string>&) {
            return server.listen_addresses.empty() ? std::vector<std::string>{} : std::vector<std::string>{"127.0.0.1:5432"};
          }};
}

std::map<std::string, std::string> World::settings_on_disk() const {
  std::map<std::string, std::string> settings = postgresql_conf;
  for (const auto& [name, value] : auto_conf) settings[name] = value;
  return settings;
}

std::optional<PairOnDisk> World::files_named_by(const std::map<std::string, std::string>& settings, bool at_start) const {
  // A passphrase is asked for at the start only, and only where there is a command for it.
  const bool opens = at_start && settings.contains("ssl_passphrase_command");
  const auto at = [&](const std::string& path) -> std::optional<PairOnDisk> {
    if (path.starts_with(std::string{directory} + "/current/") || links.contains(path)) {
      const auto g = generations.find(current);
      if (g == generations.end()) return std::nullopt;
      if (g->second.key_mode != 0600 || g->second.key_uid != server_uid) return std::nullopt;
      return PairOnDisk{g->second.chain_pem, g->second.key_pem};
    }
    const auto found = foreign.find(path.substr(0, path.rfind('.')) + ".crt");
    if (found == foreign.end() || (encrypted.contains(found->first) && !opens)) return std::nullopt;
    return found->second;
  };
  const auto cert = at(settings.at("ssl_cert_file")), key = at(settings.at("ssl_key_file"));
  if (!cert || !key) return std::nullopt;
  PairOnDisk pair{cert->chain_pem, key->key_pem};
  return loads(pair) ? std::optional{std::move(pair)} : std::nullopt;
}

void World::reload() {
  ++reloads;
  in_force = settings_on_disk();
  if (in_force["ssl"] != "on") {
    context.reset();
    return;
  }
  auto loaded = files_named_by(in_force, false);
  if (!loaded) return;   // PostgreSQL keeps the old context and says nothing
  const std::string next = fingerprint(loaded->chain_pem);
  if (refuses_new_leaf && context && fingerprint(context->chain_pem) != next) return;
  if (refuses_new_leaf && !context) return;
  context = std::move(loaded);
  if (served.empty() || served.back() != next) served.push_back(next);
}

bool World::can_start() const {
  const auto settings = settings_on_disk();
  return settings.at("ssl") != "on" || files_named_by(settings, true).has_value();
}

void World::restart() {
  ++restarts;
  server_up = can_start();
  if (!server_up) return;
  started = now;
  in_force = settings_on_disk();
  context = in_force["ssl"] == "on" ? files_named_by(in_force, true) : std::nullopt;
  if (context) served.push_back(fingerprint(context->chain_pem));
}

std::string World::served_fingerprint() const { return context ? fingerprint(context->chain_pem) : ""; }

std::string World::current_fingerprint() const {
  const auto g = generations.find(current);
  return g == generations.end() ? "" : fingerprint(g->second.chain_pem);
}

}  // namespace pgcertd::fake

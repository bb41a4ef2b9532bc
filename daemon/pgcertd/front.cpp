#include "pgcertd/front.hpp"

#include <unistd.h>

#include "pgcertd/system_random.hpp"
#include "pgcertd/clock.hpp"
#include "pgcertd/control.hpp"
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

Front::Front(const engine::Publisher& publisher, const Fleet& fleet, History& history, std::function<bool()> alive) : publisher_(publisher), fleet_(fleet), history_(history) {
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

Result<void> Front::apply(const Config& config) {
  if (!control_) {
    PGCERTD_TRY(const Rights rights, rights_of(config.daemon));
    control_ = std::make_unique<http::ControlListener>(config.daemon.runtime_directory + "/control.sock", config.daemon.control_group, routes_,
                                                       [this, rights](const http::ControlRequest& request) { return answer_control(fleet_, rights, request); });
    if (auto started = control_->start(); !started) {
      control_.reset();
      return within(std::move(started), "the control socket");
    }
  }
  if (served_ == config.http && listeners_.size() == config.http.listen.size()) return {};
  listeners_.clear();
  served_ = config.http;
  for (const std::string& address : config.http.listen) {
    auto listener = std::make_unique<http::PublicListener>(http::ListenOptions{address, config.http.hosts, {}}, routes_);
    PGCERTD_CHECK(within(listener->start(), "HTTP on " + address));
    listeners_.push_back(std::move(listener));
  }
  return {};
}

void Front::stop() {
  listeners_.clear();
  control_.reset();
}

}  // namespace pgcertd::daemon

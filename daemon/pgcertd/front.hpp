// Front: everything that listens: the configured HTTP addresses and the control socket, reading the publisher's snapshot.
// Loop thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/publisher.hpp"
#include "http/control.hpp"
#include "http/listener.hpp"
#include "pgcertd/fleet.hpp"

namespace pgcertd::daemon {

class Front {
 public:
  Front(const engine::Publisher& publisher, const Fleet& fleet, History& history, std::function<bool()> alive);

  // Opens what `config` names and closes what it does not name any more.
  Result<void> apply(const Config& config);
  void stop();

 private:
  [[nodiscard]] std::optional<std::string> pki(const std::string& name) const;

  const engine::Publisher& publisher_;
  const Fleet& fleet_;
  History& history_;
  std::shared_ptr<http::Routes> routes_;
  HttpConfig served_;
  std::vector<std::unique_ptr<http::PublicListener>> listeners_;
  std::unique_ptr<http::ControlListener> control_;
};

}  // namespace pgcertd::daemon

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
#include "store/state_store.hpp"

namespace pgcertd::daemon {

class Front {
 public:
  Front(const engine::Publisher& publisher, const Fleet& fleet, std::function<bool()> alive);

  // Opens what `config` names and closes what it does not name any more.
  Result<void> apply(const Config& config);
  void stop();

 private:
  std::vector<Event> events(std::int64_t since, std::size_t limit);
  [[nodiscard]] std::optional<std::string> pki(const std::string& name) const;

  const engine::Publisher& publisher_;
  const Fleet& fleet_;
  std::mutex store_mutex_;
  std::unique_ptr<store::StateStore> store_;       // a connection of its own, so that no worker waits
  std::string state_path_;
  std::shared_ptr<http::Routes> routes_;
  HttpConfig served_;
  std::vector<std::unique_ptr<http::PublicListener>> listeners_;
  std::unique_ptr<http::ControlListener> control_;
};

}  // namespace pgcertd::daemon

// Front: everything that listens: the configured HTTP addresses and the control socket, reading the publisher's snapshot.
// Loop thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/publisher.hpp"
#include "http/control.hpp"
#include "http/listener.hpp"
#include "pgcertd/fleet.hpp"
#include "pgcertd/listener_worker.hpp"

namespace pgcertd::daemon {

class Front {
 public:
  Front(engine::Publisher& publisher, service::Heartbeats& heartbeats, const Fleet& fleet, History& history, std::function<bool()> alive);

  // Opens what `config` names and closes what it does not name any more.
  Result<void> apply(const Config& config);
  void stop();
  // There is something new to read. Any thread.
  void stir() { routes_->stir(); }
  // An issuer has news. Any thread.
  void wake_keeper();

 private:
  Result<void> open_control(const Config& config);
  // How the listeners are served: those of the same way stay open when the configuration changes.
  struct Way {
    std::vector<std::string> names;
    bool secure = false;
    bool operator==(const Way&) const = default;
  };
  struct Listening {
    std::string address;
    std::unique_ptr<http::PublicListener> listener;
  };
  // All of them, or none.
  [[nodiscard]] Result<std::vector<Listening>> listen(const std::vector<std::string>& addresses, const Way& way) const;
  Result<void> open_listeners(const std::vector<std::string>& addresses, const Way& way);
  void keep_what_is_open();
  void stop_keeper();
  Result<void> keep_certificate(const Config& config, const Names& names);
  [[nodiscard]] std::optional<std::string> pki(const std::string& name) const;

  engine::Publisher& publisher_;
  service::Heartbeats& heartbeats_;
  const Fleet& fleet_;
  History& history_;
  std::shared_ptr<http::Routes> routes_;
  Way way_;
  std::shared_ptr<http::ServerTls> tls_;                            // null: plain HTTP
  std::vector<Listening> listeners_;
  std::mutex keeper_mutex_;                                         // guards the pointer: wake_keeper() may come at any time
  std::unique_ptr<ListenerWorker> keeper_;
  std::unique_ptr<http::ControlListener> control_;
};

}  // namespace pgcertd::daemon

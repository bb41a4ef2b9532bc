// Server: one PostgreSQL server behind ports::Postgres. Keeps one session between calls and opens it again when it broke.
// Used by its cluster's worker alone; Cancel may be triggered by any thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "ports/postgres.hpp"
#include "postgres/cancel.hpp"
#include "postgres/restart_way.hpp"
#include "postgres/session.hpp"

namespace pgcertd::postgres {

struct ServerOptions {
  std::string conninfo{};
  PasswordSource password{};                        // may be empty
  std::string data_directory{};                     // configured; may be empty
  std::string server_user{};                        // configured; may be empty
  ReloadMethod reload{};
  RestartCommand restart{};
  std::vector<std::string> allowed_directories{};
  std::string cluster_directory{};                  // STATE/clusters/NAME, where `current` lives
  Duration connect_timeout = std::chrono::seconds{5};
  Duration statement_timeout = std::chrono::seconds{5};
  Duration restart_timeout = std::chrono::seconds{90};
  Duration cold_timeout = std::chrono::seconds{10};  // all `postgres -C` together
  std::function<Result<void>(const std::string& unit)> reload_unit{};   // reload = "systemd:UNIT"
  std::function<Result<void>(const std::string& unit)> restart_unit{};  // restart_command = "systemd:UNIT"
  std::function<std::vector<gid_t>(const std::string& user)> groups_of{};   // supplementary; empty: none are known
  std::string debian_config_root = "/etc/postgresql";
};

class Server final : public ports::Postgres {
 public:
  Server(ServerOptions options, std::shared_ptr<const Cancel> cancel);

  PostgresSeen observe(const PostgresSeen* remembered) override;
  Result<ServerDetail> detail(std::optional<TimePoint> rotated_at) override;
  Result<void> change_settings(const SettingsChange& change) override;
  Result<void> reload() override;
  Result<std::uint64_t> terminate(const std::vector<CertSession>& sessions) override;
  RestartOutlook restart_outlook(const std::string& key_path) override;
  Result<void> restart() override;
  void rest() override;
  // What was seen last, whether or not it could be reached then; nullptr before the first look and for an unknown server.
  [[nodiscard]] const PostgresSeen* last() const { return last_ ? &*last_ : nullptr; }

 private:
  [[nodiscard]] RestartWay restart_way() const;
  Expected<Session*> session();
  Expected<PostgresSeen> look(const PostgresSeen* remembered);
  Expected<PostgresSeen> look_once();
  Expected<void> check_cluster(const PostgresSeen& seen, const PostgresSeen* remembered);
  PostgresSeen when_down(Failure why, const PostgresSeen* remembered);
  void identify(PostgresSeen& seen) const;
  Result<void> run(const std::string& sql, const std::string& remedy);
  Result<void> alter_system(const SettingsChange& change);
  Result<void> reload_by_sql();
  Result<void> reload_by_signal() const;
  [[nodiscard]] bool may_signal() const;

  ServerOptions options_;
  std::shared_ptr<const Cancel> cancel_;
  std::optional<Session> session_;
  std::optional<PostgresSeen> last_;   // what actions go by; `known` always
  std::string role_;                   // for remedies: the role of conninfo
};

}  // namespace pgcertd::postgres

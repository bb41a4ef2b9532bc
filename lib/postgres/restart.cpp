// Server's restart: what it would meet, and how it is done.
#include <fmt/format.h>
#include <unistd.h>

#include "base/text.hpp"
#include "postgres/conf_file.hpp"
#include "postgres/passphrase.hpp"
#include "postgres/program.hpp"
#include "postgres/rows.hpp"
#include "postgres/server.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::postgres {
namespace {

constexpr Duration passphrase_timeout = std::chrono::seconds{10};

std::string restart_sql(int version_num) {
  return fmt::format(
      "SELECT {} AS backups, pg_catalog.pg_is_in_recovery() AS recovery,"
      " EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver WHERE status = 'streaming') AS streaming;"
      " SELECT name FROM pg_catalog.pg_settings WHERE pending_restart ORDER BY name LIMIT 100",
      version_num >= 150000   ? "EXISTS (SELECT FROM pg_catalog.pg_stat_progress_basebackup)"
      : version_num >= 130000 ? "(pg_catalog.pg_is_in_backup() OR EXISTS (SELECT FROM pg_catalog.pg_stat_progress_basebackup))"
                              : "(pg_catalog.pg_is_in_backup() OR EXISTS (SELECT FROM pg_catalog.pg_stat_replication WHERE state = 'backup'))");
}

// Opens the key with what the server would take at its start. The daemon is the server's user: it reads what the server reads.
Result<std::string> open_key(const PostgresSeen& server, const std::string& key_path, const Cancel& cancel) {
  PGCERTD_TRY(const Secret passphrase, run_passphrase_command(server.setting("ssl_passphrase_command"), server.data_directory, deadline_in(passphrase_timeout), cancel));
  PGCERTD_TRY(std::string bytes, read_text_file(key_path, 64U << 10));
  const auto key = x509::PrivateKey::parse(bytes, key_path, &passphrase);
  wipe(bytes);
  if (!key) return fail(key.error());
  return key->spki_sha256();
}

}  // namespace

RestartWay Server::restart_way() const { return find_restart_way(options_.restart, *last_); }

RestartOutlook Server::restart_outlook(const std::string& key_path) {
  RestartOutlook out;
  auto at = session();
  auto rows = at ? (*at)->query(restart_sql((*at)->server_version_num())) : Expected<std::vector<Rows>>(tl::unexpected(at.error()));
  if (!rows || rows->size() != 2 || rows->front().rows.empty() || !last_) {
    out.blockers.emplace_back("whether a backup or recovery is running could not be asked");
    return out;
  }
  const Rows& facts = rows->front();
  if (yes(facts, 0, "backups")) out.blockers.emplace_back("a base backup is being taken");
  if (yes(facts, 0, "recovery") && !yes(facts, 0, "streaming")) out.blockers.emplace_back("a standby recovers and does not stream yet");
  for (std::size_t i = 0; i < rows->back().rows.size(); ++i) out.pending_settings.push_back(printable(rows->back().text(i, "name"), 63));
  const RestartWay way = restart_way();
  out.method = way.text(last_->data_directory);
  out.why_not = way.why_not;
  if (last_->server_uid != geteuid() || last_->setting("ssl_passphrase_command").empty()) return out;
  if (auto spki = open_key(*last_, key_path, *cancel_)) out.key_spki_sha256 = std::move(*spki);
  else out.passphrase_error = printable(spki.error().what);
  return out;
}

Result<void> Server::restart() {
  if (!last_) return fail(Errc::network, "restart: the server was never seen", "start PostgreSQL");
  const RestartWay way = restart_way();
  if (way.kind == RestartWay::Kind::none) return fail(Errc::permission, "restart: " + way.why_not, "restart PostgreSQL by hand");
  // What is written now need not be written while clients wait. Without the right the restart is only slower.
  if (auto at = session()) (void)(*at)->query("CHECKPOINT");
  rest();
  if (way.kind == RestartWay::Kind::systemd) {
    if (!options_.restart_unit) return fail(Errc::invalid, "restart by systemd: not available here", "set restart_command = \"pg_ctl\"");
    return within(options_.restart_unit(way.unit), "restart of " + way.unit);
  }
  const Cancel undisturbed;   // a stop of the daemon in the middle would leave the server down
  const std::string seconds = std::to_string(std::chrono::floor<std::chrono::seconds>(options_.restart_timeout).count());
  auto ran = run_program({way.pg_ctl, "restart", "-D", last_->data_directory, "-m", "fast", "-w", "-t", seconds, "-s", "-l", way.log},
                         deadline_in(options_.restart_timeout + std::chrono::seconds{5}), undisturbed);
  if (!ran) return fail(std::move(ran).error());
  return {};
}

}  // namespace pgcertd::postgres

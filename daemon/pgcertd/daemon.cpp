#include "pgcertd/daemon.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <set>

#include "base/text.hpp"
#include "engine/publisher.hpp"
#include "pgcertd/clock.hpp"
#include "pgcertd/fault.hpp"
#include "pgcertd/fleet.hpp"
#include "pgcertd/front.hpp"
#include "pgcertd/host.hpp"
#include "service/event_loop.hpp"
#include "service/file_watch.hpp"
#include "service/notify.hpp"
#include "store/state_lock.hpp"
#include "x509/pkcs11_key.hpp"

namespace pgcertd::daemon {
namespace {

using namespace std::chrono_literals;

// Longer than every deadline of a pass together, so that a server that hangs is no reason to restart the daemon.
constexpr Duration longest_pass = 180s;
constexpr Duration housekeeping = 6h;
constexpr std::uint64_t events_kept = 100'000;

// What must be seen when it changes: the files that the server reads, and where `current` points.
std::vector<std::string> paths_of(const ClusterView& view) {
  std::vector<std::string> paths;
  for (const char* setting : {"ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file"})
    if (const std::string path = view.server.file_setting(setting); path.starts_with('/')) paths.push_back(path);
  for (const FileSeen& file : view.files) paths.push_back(file.path);
  return paths;
}

// What was opened, locked or granted with the first configuration: it would go on as it was. Empty: none of it has changed.
std::string fixed_but_changed(const DaemonConfig& before, const DaemonConfig& next) {
  if (next.state_directory != before.state_directory || next.runtime_directory != before.runtime_directory) return "state_directory and runtime_directory";
  return next.control_group != before.control_group ? "control_group" : "";
}

class Daemon {
 public:
  Daemon(std::string config_path, ConfigPtr config, LogSink& log, std::unique_ptr<service::EventLoop> loop)
      : config_path_(std::move(config_path)), config_(std::move(config)), log_(log), loop_(std::move(loop)),
        fleet_(publisher_, heartbeats_, log_, history_, [this](const ClusterView& view) { ticked(view); }),
        front_(publisher_, heartbeats_, fleet_, history_, [this] { return heartbeats_.stale(std::chrono::steady_clock::now(), worker_limit_).empty(); }) {}

  // Nobody's thread may wake what is gone already.
  ~Daemon() { end(); }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  Result<int> run();

 private:
  Result<void> prepare();
  void end();
  void reload();
  void ticked(const ClusterView& view);     // on a worker's thread
  void watch(const std::string& cluster, const std::vector<std::string>& paths);
  void tidy();
  void look_at_history();
  void tell_head();
  void publish_config(bool ok, std::optional<Finding> refused = {});
  void publish_own();
  void say(LogLevel level, const std::string& event, const std::string& message) { log_.write({level, message, event, {}}); }

  const std::string config_path_;
  ConfigPtr config_;
  LogSink& log_;
  service::SystemdNotifier notifier_;
  const Duration worker_limit_ = faults_from_environment().worker_limit.value_or(longest_pass);
  service::Heartbeats heartbeats_;
  engine::Publisher publisher_{[this] { front_.stir(); }};
  std::unique_ptr<service::EventLoop> loop_;
  std::unique_ptr<service::FileWatch> watch_;
  std::map<std::string, std::vector<std::string>> watched_;
  std::set<std::string> unwatched_;
  TimePoint config_loaded_at_{};
  std::string status_;
  bool config_ok_ = true;
  std::optional<Finding> config_refused_, log_broken_;
  History history_{[this] { front_.stir(); }};
  ClockGuard clock_{config_->daemon.clock_bound};
  Fleet fleet_;
  Front front_;                             // last: it ends before what it reads
};

void Daemon::publish_config(bool ok, std::optional<Finding> refused) {
  config_ok_ = ok;
  config_refused_ = std::move(refused);
  publish_own();
}

void Daemon::publish_own() {
  std::vector<Finding> own;
  for (const auto* found : {&config_refused_, &log_broken_})
    if (*found) own.push_back(**found);
  publisher_.configure(names_of(config_->clusters), names_of(config_->issuers), config_ok_, config_loaded_at_, std::move(own), wall_clock());
}

Result<void> Daemon::prepare() {
  PGCERTD_CHECK(loop_->on_signal(SIGTERM, [this] { loop_->stop(); }));
  PGCERTD_CHECK(loop_->on_signal(SIGINT, [this] { loop_->stop(); }));
  PGCERTD_CHECK(loop_->on_signal(SIGHUP, [this] { reload(); }));
  loop_->on_clock_set([this] {
    say(LogLevel::warning, "clock-jumped", "the wall clock was set; everything is planned anew");
    fleet_.poke_all();
  });
  PGCERTD_TRY(watch_, service::FileWatch::create(*loop_, [this](const std::string& cluster, const std::string&) { fleet_.poke(cluster); }));
  if (const auto interval = service::watchdog_interval())
    PGCERTD_CHECK(loop_->every(*interval / 2, [this] {
      for (const std::string& worker : service::ping_while_alive(heartbeats_, notifier_, std::chrono::steady_clock::now(), worker_limit_))
        say(LogLevel::error, "worker-stale", worker + " does not move; the watchdog is not fed");
    }));
  return {};
}

void Daemon::ticked(const ClusterView& view) {
  loop_->post([this, cluster = view.name, paths = paths_of(view)] {
    watch(cluster, paths);
    const SnapshotPtr snapshot = publisher_.snapshot();
    const std::string text = fmt::format("{} cluster(s), {}", snapshot->clusters.size(), to_string(snapshot->status));
    if (text == status_) return;
    status_ = text;
    notifier_.status(text);
  });
}

void Daemon::watch(const std::string& cluster, const std::vector<std::string>& paths) {
  if (watched_[cluster] == paths) return;
  if (auto set = watch_->set_paths(cluster, paths)) {
    watched_[cluster] = paths;
    unwatched_.erase(cluster);
  } else if (unwatched_.insert(cluster).second) {   // tried again at each pass, told once
    say(LogLevel::warning, "watch-failed", printable(set.error().text()) + ": a change of its files is seen at the next pass only");
  }
}

// The workers first: a command that waits for one of them, and so its listener, ends with it.
void Daemon::end() {
  fleet_.stop();
  front_.stop();
}

void Daemon::reload() {
  notifier_.reloading();
  auto next = load_settings(config_path_);
  if (const std::string fixed = next ? fixed_but_changed(config_->daemon, (*next)->daemon) : ""; !fixed.empty())
    next = fail(Errc::invalid, fixed + " cannot change while pgcertd runs", "restart pgcertd");
  if (!next) {
    say(LogLevel::error, "config-refused", "the configuration stays as it was: " + printable(next.error().text(), 4096));
    publish_config(false, finding(ProblemCode::config_invalid, printable(next.error().text(), 4096), next.error().remedy, config_path_));
    notifier_.ready("the new configuration was refused");
    return;
  }
  config_ = *next;
  x509::forget_refused_pins();
  config_loaded_at_ = wall_clock();
  publish_config(true);
  auto applied = fleet_.apply(config_);
  if (applied) applied = front_.apply(*config_);
  if (!applied) {
    say(LogLevel::error, "config-refused", printable(applied.error().text()));
    publish_config(false, finding(ProblemCode::config_invalid, printable(applied.error().text()), applied.error().remedy, config_path_));
  } else {
    say(LogLevel::notice, "config-loaded", fmt::format("configuration loaded from {}", config_path_));
  }
  fleet_.poke_all();
  status_.clear();
  notifier_.ready(fmt::format("{} cluster(s)", config_->clusters.size()));
}

// An end that was cut off shows only by a head that stands elsewhere: so it goes to the journal.
void Daemon::tell_head() {
  const auto head = history_.head();
  if (!head || head->event == 0) return;
  log_.write({LogLevel::info, fmt::format("the chain of events ends with event {}, {}", head->event, head->hash), "chain-head",
              {{"PGCERTD_CHAIN_EVENT", std::to_string(head->event)}, {"PGCERTD_CHAIN_HASH", head->hash}}});
  publisher_.chain_head(head->event, head->hash, wall_clock());
}

void Daemon::look_at_history() {
  const auto verdict = history_.verify({});
  if (!verdict) return say(LogLevel::warning, "", printable(verdict.error().text()));   // the state directory's own problem
  const bool stood = log_broken_.has_value();
  log_broken_.reset();
  if (!verdict->fault.empty()) log_broken_ = finding(ProblemCode::log_broken, "the chain of events is broken: " + printable(verdict->fault), "pgcertctl events --verify, then compare with journalctl -u pgcertd -o verbose");
  if (log_broken_ && !stood) say(LogLevel::error, "chain-broken", log_broken_->message);
  if (log_broken_.has_value() != stood) publish_own();
  tell_head();
}

// Old events go; once at the start and every few hours, and not at a time that may be wrong.
void Daemon::tidy() {
  if (look_at_clocks(clock_)) return (void)loop_->set_timer("tidy", wall_clock() + config_->daemon.clock_bound, [this] { tidy(); });
  if (auto pruned = history_.prune(wall_clock() - config_->daemon.event_retention, events_kept); !pruned) say(LogLevel::warning, "", printable(pruned.error().text()));
  look_at_history();
  (void)loop_->set_timer("tidy", wall_clock() + housekeeping, [this] { tidy(); });   // without it events stay longer, nothing else
}

Result<int> Daemon::run() {
  PGCERTD_CHECK(prepare());
  config_loaded_at_ = wall_clock();
  publish_config(true);
  history_.use(config_->daemon.state_directory);
  tidy();
  fleet_.also_wake([this] { front_.wake_keeper(); });
  PGCERTD_CHECK(front_.apply(*config_));
  PGCERTD_CHECK(fleet_.apply(config_));
  front_.wake_keeper();
  say(LogLevel::notice, "daemon-started", fmt::format("pgcertd {} watches {} cluster(s)", PGCERTD_VERSION, config_->clusters.size()));
  notifier_.ready(fmt::format("{} cluster(s)", config_->clusters.size()));
  const auto ran = loop_->run();
  notifier_.stopping();
  end();
  tell_head();
  say(LogLevel::notice, "daemon-stopped", "pgcertd stops; PostgreSQL goes on serving what it serves");
  if (!ran) return fail(ran.error());
  return 0;
}

Result<void> make_runtime_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return fail(errno_error("mkdir", path, errno));
  return {};
}

}  // namespace

Result<int> run_daemon(const std::string& config_path, ConfigPtr config, LogSink& log) {
  PGCERTD_CHECK(make_state_directory(config->daemon.state_directory));
  PGCERTD_CHECK(make_runtime_directory(config->daemon.runtime_directory));
  PGCERTD_TRY(const store::StateLock lock, store::lock_state(config->daemon.state_directory));
  PGCERTD_TRY(auto loop, service::EventLoop::create());
  Daemon daemon(config_path, std::move(config), log, std::move(loop));
  return daemon.run();
}

}  // namespace pgcertd::daemon

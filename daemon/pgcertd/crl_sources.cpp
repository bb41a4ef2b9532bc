#include "pgcertd/crl_sources.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>

#include "ca/durable_file.hpp"
#include "engine/crl_source.hpp"
#include "fetch/http_fetch.hpp"
#include "pgcertd/clock.hpp"

namespace pgcertd::daemon {
namespace {

std::string directory_of(const Config& config) { return config.daemon.state_directory + "/crls"; }

Result<void> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return fail(errno_error("mkdir", path, errno));
}

engine::CrlSource source_of(const Config& config, const CrlSourceConfig& source, ports::Fetch& fetch) {
  const std::string directory = directory_of(config), path = directory + "/" + source.name + ".pem";
  const auto keep = [directory, path](const std::string& pem) -> Result<void> {
    PGCERTD_CHECK(make_directory(directory));
    return ca::replace_file(path, pem, 0600);
  };
  return {source, fetch, keep, ca::read_file(path).value_or("")};
}

}  // namespace

// One source with its thread.
class CrlSources::Worker {
 public:
  Worker(CrlSources& owner, const Config& config, const CrlSourceConfig& source)
      : owner_(owner), config_(source), fetch_([this] { return stopping_.load(); }), source_(source_of(config, source, fetch_)), task_("crl:" + source.name) {
    owner_.publish(source_.seen());
    thread_ = std::thread([this] { run(); });
  }
  ~Worker() {
    stopping_ = true;
    {
      const std::lock_guard lock(mutex_);
      wake_.notify_all();
    }
    thread_.join();
    owner_.heartbeats_.forget(task_);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  [[nodiscard]] const CrlSourceConfig& config() const { return config_; }

 private:
  void run() {
    while (!stopping_) {
      owner_.heartbeats_.beat(task_, std::chrono::steady_clock::now());
      const std::string trouble = source_.seen().trouble;
      const TimePoint next = source_.tick(wall_clock());
      if (stopping_) return;
      if (source_.seen().trouble != trouble) tell();
      owner_.publish(source_.seen());
      owner_.heartbeats_.idle(task_);
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, std::max<Duration>(next - wall_clock(), Duration{0}), [this] { return stopping_.load(); });
    }
  }
  void tell() const {
    const std::string& trouble = source_.seen().trouble;
    owner_.log_.write({trouble.empty() ? LogLevel::info : LogLevel::warning, fmt::format("crl.{}: {}", config_.name, trouble.empty() ? "fetched" : trouble), trouble.empty() ? "crl-fetched" : "crl-fetch-failed", {}});
  }

  CrlSources& owner_;
  const CrlSourceConfig config_;
  std::atomic<bool> stopping_ = false;
  fetch::HttpFetch fetch_;
  engine::CrlSource source_;           // the thread's alone, once it runs
  const std::string task_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread thread_;
};

CrlSources::CrlSources(service::Heartbeats& heartbeats, LogSink& log, std::function<void()> changed) : heartbeats_(heartbeats), log_(log), changed_(std::move(changed)) {}
CrlSources::~CrlSources() { stop(); }

void CrlSources::publish(const OtherCrls& seen) {
  {
    const std::lock_guard lock(mutex_);
    auto& place = shelf_[seen.name];
    const bool same = place && place->crls == seen.crls && place->trouble == seen.trouble;
    place = std::make_shared<const OtherCrls>(seen);
    if (same) return;
  }
  changed_();
}

void CrlSources::apply(const Config& config) {
  for (auto it = workers_.begin(); it != workers_.end();) {
    const auto wanted = config.crls.find(it->first);
    if (wanted != config.crls.end() && wanted->second == it->second->config()) {
      ++it;
      continue;
    }
    const std::string name = it->first;
    it = workers_.erase(it);
    const std::lock_guard lock(mutex_);
    shelf_.erase(name);
  }
  for (const auto& [name, source] : config.crls)
    if (!workers_.contains(name)) workers_[name] = std::make_unique<Worker>(*this, config, source);
}

void CrlSources::fetch_all(const Config& config) {
  for (const auto& [name, source] : config.crls) {
    fetch::HttpFetch fetch;
    engine::CrlSource one = source_of(config, source, fetch);
    (void)one.tick(wall_clock());   // when to look again is for one that stays
    publish(one.seen());
  }
}

void CrlSources::stop() { workers_.clear(); }

std::vector<std::shared_ptr<const OtherCrls>> CrlSources::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<const OtherCrls>> out;
  for (const auto& [name, seen] : shelf_) out.push_back(seen);
  return out;
}

}  // namespace pgcertd::daemon

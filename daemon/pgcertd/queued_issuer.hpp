// QueuedIssuer: an issuer with a thread of its own. Clusters submit and look; a CA that hangs holds up none of them.
// Only its thread has the issuer behind it sign, so that serials and CRL numbers have one writer. Thread-safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/last_few.hpp"
#include "core/clock_guard.hpp"
#include "core/config.hpp"
#include "core/trust.hpp"
#include "engine/publisher.hpp"
#include "ports/issuer.hpp"
#include "service/heartbeat.hpp"

namespace pgcertd::daemon {

struct IssuerSettings {
  IssuerConfig config;
  Duration check_interval{};
  Duration longest_leaf{};        // of the clusters that use it
  Duration clock_bound{};
};

class QueuedIssuer final : public ports::Issuer {
 public:
  // `answered` is called, on the issuer's thread, when something that was pending has an answer.
  QueuedIssuer(IssuerSettings settings, std::unique_ptr<ports::Issuer> inner, engine::Publisher& publisher, service::Heartbeats& heartbeats,
               std::function<void()> answered);
  ~QueuedIssuer() override;

  IssuerSeen observe(TimePoint now) override;
  IssuerAnswer lookup(const std::string& spki_sha256, TimePoint now) override;
  IssuerAnswer submit(const LeafRequest& request, TimePoint now) override;
  void want_canaries() override;
  // Straight to the issuer behind, which is rare: only where entries have left a CRL.
  Result<void> check_retired(const std::vector<std::string>& serials, TimePoint now) override { return inner_->check_retired(serials, now); }
  // Done on the issuer's thread; a broken promise when that ends before. Its text says what was done.
  using Order = std::function<Result<std::string>(ports::Issuer& issuer, TimePoint now)>;
  std::future<Result<std::string>> start(Order order);

  // Its CRLs, for clusters of other issuers; nullptr before the first look, and where it has none.
  [[nodiscard]] std::shared_ptr<const OtherCrls> published() const;

  void poke();
  void stop();   // returns at once
  void join();   // as ClusterWorker's

 private:
  struct Asked {
    Order order;
    std::promise<Result<std::string>> done;
    Result<std::string> result{};
  };

  void run();
  void look();
  std::deque<Asked> do_what_waits();                         // with their results
  std::optional<LeafRequest> next_request();                 // waits for one, a poke, or the next look
  void answer(const LeafRequest& request);
  [[nodiscard]] std::optional<IssuerAnswer> known(const std::string& id);   // under mutex_

  const IssuerSettings settings_;
  const std::unique_ptr<ports::Issuer> inner_;      // others than the thread only ask it, and say that canaries are wanted
  engine::Publisher& publisher_;
  service::Heartbeats& heartbeats_;
  const std::function<void()> answered_;
  const std::string task_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<IssuerSeen> seen_;
  std::shared_ptr<const OtherCrls> published_;
  std::map<std::string, TimePoint> queued_;         // by id_of() the request → since when
  std::deque<LeafRequest> queue_;
  std::deque<LeafRequest> waiting_;                 // answered with Pending; submitted again after the next look
  std::deque<Asked> asked_;
  std::vector<ProblemSince> problems_;              // the thread's alone
  ClockGuard clock_;                                // the thread's alone
  std::uint64_t sign_failures_ = 0;                 // the thread's alone
  std::uint64_t errors_ = 0;                        // looks at an issuer that could not sign; the thread's alone
  LastFew<std::string, IssuerAnswer> answers_;
  bool poked_ = false, stopping_ = false, ended_ = false;
  std::atomic<bool> canaries_wanted_ = false;
  std::thread thread_;
};

}  // namespace pgcertd::daemon

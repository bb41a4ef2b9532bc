#include "pgcertd/queued_issuer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/view.hpp"
#include "pgcertd/clock.hpp"

namespace pgcertd::daemon {
namespace {

using namespace std::chrono_literals;

// A local CA answers in milliseconds: waiting a moment saves the cluster a round. Longer is what Pending is for.
constexpr auto look_again = 2s;
constexpr std::size_t answers_kept = 64;

// What a cluster acts on, beside answers to its requests.
bool concerns_clusters(const IssuerSeen& before, const IssuerSeen& now) {
  return before.available != now.available || before.clients != now.clients || before.crl_set != now.crl_set || before.canaries != now.canaries || before.root_pem != now.root_pem ||
         before.issuing_pem != now.issuing_pem;
}

// By the key, as clusters look it up; a client's by what it is asked for, too: a renewal has the same key, and so may another role.
std::string id_of(const LeafRequest& request) { return request.role.empty() ? request.spki_sha256 : fmt::format("{} {} {}", request.spki_sha256, request.role, request.renews); }

std::shared_ptr<const OtherCrls> published_by(const IssuerSeen& seen) {
  if (seen.crl_set.empty()) return nullptr;
  return std::make_shared<const OtherCrls>(OtherCrls{"issuer " + seen.name, seen.crl_set_pem, seen.crl_set, {}, {}});
}

}  // namespace

QueuedIssuer::QueuedIssuer(IssuerSettings settings, std::unique_ptr<ports::Issuer> inner, engine::Publisher& publisher, service::Heartbeats& heartbeats,
                           std::function<void()> answered)
    : settings_(std::move(settings)), inner_(std::move(inner)), publisher_(publisher), heartbeats_(heartbeats), answered_(std::move(answered)),
      task_("issuer:" + settings_.config.name), clock_(settings_.clock_bound), answers_(answers_kept) {
  thread_ = std::thread([this] { run(); });
}

QueuedIssuer::~QueuedIssuer() {
  stop();
  join();
}

void QueuedIssuer::join() {
  if (thread_.joinable()) thread_.join();
}

void QueuedIssuer::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

void QueuedIssuer::poke() {
  const std::lock_guard lock(mutex_);
  poked_ = true;
  changed_.notify_all();
}

IssuerSeen QueuedIssuer::observe(TimePoint) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, look_again, [&] { return seen_.has_value() || stopping_; });
  if (seen_) return *seen_;
  IssuerSeen unknown;
  unknown.name = settings_.config.name;
  unknown.why = "it has not answered yet";
  return unknown;
}

std::optional<IssuerAnswer> QueuedIssuer::known(const std::string& id) {
  if (auto said = answers_.find(id)) return said;
  if (const auto found = queued_.find(id); found != queued_.end()) return IssuerAnswer{Pending{found->second}};
  return std::nullopt;
}

IssuerAnswer QueuedIssuer::lookup(const std::string& spki, TimePoint) {
  const std::lock_guard lock(mutex_);
  return known(spki).value_or(IssuerAnswer{Unknown{}});
}

IssuerAnswer QueuedIssuer::submit(const LeafRequest& request, TimePoint now) {
  std::unique_lock lock(mutex_);
  const std::string id = id_of(request);
  // What a client was given may have been revoked since: the issuer says of each that is asked for whether it may be given out again.
  if (const auto said = answers_.find(id); said && (std::holds_alternative<Refused>(*said) || !request.role.empty())) answers_.forget(id);
  if (!known(id)) {
    queued_[id] = now;
    queue_.push_back(request);
    changed_.notify_all();
  }
  const auto answered = [&] { return !queued_.contains(id) || std::ranges::any_of(waiting_, [&](const LeafRequest& one) { return id_of(one) == id; }); };
  changed_.wait_for(lock, look_again, [&] { return stopping_ || answered(); });
  return known(id).value_or(IssuerAnswer{Unknown{}});
}

std::shared_ptr<const OtherCrls> QueuedIssuer::published() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

// Asked at each look of each cluster: the issuer is woken for the first one only.
void QueuedIssuer::want_canaries() {
  if (canaries_wanted_.exchange(true)) return;
  inner_->want_canaries();
  poke();
}

std::future<Result<std::string>> QueuedIssuer::start(Order order) {
  const std::lock_guard lock(mutex_);
  if (ended_) return std::promise<Result<std::string>>().get_future();
  auto answer = asked_.emplace_back(Asked{std::move(order), {}, {}}).done.get_future();
  poked_ = true;
  changed_.notify_all();
  return answer;
}

// A CRL that carries a wrong time would lock every client out.
std::deque<QueuedIssuer::Asked> QueuedIssuer::do_what_waits() {
  std::deque<Asked> todo;
  {
    const std::lock_guard lock(mutex_);
    todo.swap(asked_);
  }
  for (Asked& one : todo) {
    const bool doubt = look_at_clocks(clock_).has_value();
    one.result = doubt ? fail(Errc::refused, "the wall clock jumped: nothing is signed until it is believed again", "pgcertctl status tells when that is; then ask again")
                       : one.order(*inner_, wall_clock());
  }
  return todo;
}

// Nothing is signed at a time that may be wrong: what was seen before stands, and requests wait.
void QueuedIssuer::look() {
  if (look_at_clocks(clock_)) return;
  const TimePoint now = wall_clock();
  IssuerSeen seen = inner_->observe(now);
  if (seen_) keep_last_known(seen, *seen_);   // written by this thread alone
  IssuerView view = engine::make_issuer_view(settings_.config, seen, settings_.longest_leaf, problems_, now);
  problems_.clear();
  for (const StandingProblem& p : view.problems) problems_.push_back({p.finding.code, p.finding.object, p.since});
  view.sign_failures = sign_failures_;
  if (!seen.available) ++errors_;
  publisher_.publish(std::move(view), TaskView{task_, now, settings_.check_interval, errors_}, now);
  bool news = false;
  {
    const std::lock_guard lock(mutex_);
    news = seen_ && concerns_clusters(*seen_, seen);
    if (!published_ || published_->crls != seen.crl_set) published_ = published_by(seen);
    seen_ = std::move(seen);
    changed_.notify_all();
  }
  if (news) answered_();   // they would see it at their next pass only
}

void QueuedIssuer::answer(const LeafRequest& request) {
  const std::string id = id_of(request);
  IssuerAnswer answer = look_at_clocks(clock_) ? IssuerAnswer{Pending{wall_clock()}} : inner_->submit(request, wall_clock());
  if (std::holds_alternative<Refused>(answer)) ++sign_failures_;
  const std::lock_guard lock(mutex_);
  if (std::holds_alternative<Pending>(answer)) {
    queued_[id] = std::get<Pending>(answer).since;
    waiting_.push_back(request);
    changed_.notify_all();
    return;
  }
  queued_.erase(id);
  answers_.keep(id, std::move(answer));
  changed_.notify_all();
}

std::optional<LeafRequest> QueuedIssuer::next_request() {
  std::unique_lock lock(mutex_);
  if (queue_.empty()) {
    heartbeats_.idle(task_);
    changed_.wait_for(lock, settings_.check_interval, [&] { return stopping_ || poked_ || !queue_.empty(); });
  }
  poked_ = false;
  if (stopping_) return std::nullopt;
  if (queue_.empty()) {
    queue_.swap(waiting_);
    return std::nullopt;
  }
  LeafRequest request = std::move(queue_.front());
  queue_.pop_front();
  return request;
}

// Looks, answers what was submitted, and looks again: what it has just issued is part of what it shows.
void QueuedIssuer::run() {
  const auto over = [this] {
    const std::lock_guard lock(mutex_);
    return stopping_;
  };
  while (!over()) {
    heartbeats_.beat(task_, std::chrono::steady_clock::now());
    auto done = do_what_waits();
    look();
    // Told only when the new CRL is published: whoever is answered may fetch it.
    for (Asked& one : done) one.done.set_value(std::move(one.result));
    if (!done.empty()) answered_();
    while (const auto request = next_request()) {
      heartbeats_.beat(task_, std::chrono::steady_clock::now());
      answer(*request);
      answered_();
      const std::lock_guard lock(mutex_);
      if (queue_.empty()) break;
    }
  }
  heartbeats_.forget(task_);
  const std::lock_guard lock(mutex_);
  ended_ = true;
  asked_.clear();
}

}  // namespace pgcertd::daemon

#include "http/routes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <exception>
#include <limits>
#include <optional>

#include "base/text.hpp"
#include "base/time.hpp"
#include "http/server_loop.hpp"
#include "status/health.hpp"
#include "status/json.hpp"
#include "status/metrics.hpp"
#include "status/openapi.hpp"
#include "status/page.hpp"
#include "status/problem_pages.hpp"

namespace pgcertd::http {
namespace {

constexpr std::size_t events_at_once = 1000;
constexpr const char* process_metrics = "/metrics of the process";
constexpr Duration longest_wait = std::chrono::seconds{60};
constexpr const char* page_policy =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct Context {
  const Source& source;
  const status::BuildInfo& build;
  const Request& request;
  const Routes& routes;
  const Snapshot* snapshot;      // not null where the route needs one
  std::string name;              // what stands behind a prefix
};

struct Route {
  const char* path;              // a prefix where it ends with '/', but for "/"
  const char* handler;           // label of http_requests_total
  bool needs_snapshot;
  bool tagged;                   // its answer is a function of the snapshot: ETag and 304
  Reply (*answer)(const Context&);
};

Reply text_reply(bool ok, const char* bad) {
  if (!ok) return problem_reply(503, bad);
  return {.status = 200, .content_type = "text/plain; charset=utf-8", .body = "ok\n"};
}

Reply json_reply(std::string body) { return {.status = 200, .content_type = "application/json", .body = std::move(body)}; }

Reply page(const Context& c) {
  const TimePoint now = c.source.now();
  return {.status = 200,
          .content_type = "text/html; charset=utf-8",
          .body = *c.routes.rendered("/", c.snapshot->version, to_unix(now), [&] { return status::page_html(*c.snapshot, c.build, now); }),
          .headers = {{"Content-Security-Policy", page_policy}}};
}

Reply livez(const Context& c) { return text_reply(c.source.alive(), "the daemon's loop does not turn"); }
Reply readyz(const Context& c) { return text_reply(c.snapshot && c.snapshot->first_pass_done, "the first pass is not done yet"); }

Reply no_cluster(const Snapshot& snapshot, const std::string& name) {
  const bool awaited = std::ranges::find(snapshot.awaited, name) != snapshot.awaited.end();
  return awaited ? problem_reply(503, fmt::format("cluster {} was not looked at yet", name))
                 : problem_reply(404, fmt::format("there is no cluster {}", printable(name, 63)));
}

Reply health(const Context& c) {
  const std::string fail_on = c.request.parameter("fail_on"), cluster = c.request.parameter("cluster");
  if (!fail_on.empty() && fail_on != "warn" && fail_on != "fail") return problem_reply(400, "fail_on is warn or fail");
  const auto found = status::health(*c.snapshot, c.build, cluster, fail_on == "warn");
  if (!found) return no_cluster(*c.snapshot, cluster);
  return {.status = found->healthy ? 200 : 503, .content_type = "application/health+json", .body = found->body};
}

Reply metrics(const Context& c) {
  const auto looked = c.routes.rendered("/metrics", c.snapshot->version, 0, [&] { return status::snapshot_metrics_text(*c.snapshot, c.build); });
  const std::string requests = c.routes.request_metrics();
  // To ask the kernel costs more than all the rest: once a second will do.
  const auto process = c.routes.rendered(process_metrics, 0, to_unix(c.source.now()), [&] { return status::process_metrics_text(c.source.process()); });
  std::string body;
  body.reserve(looked->size() + requests.size() + process->size());
  body.append(*looked).append(requests).append(*process);
  return {.status = 200, .content_type = "text/plain; version=0.0.4; charset=utf-8", .body = std::move(body)};
}

Reply whole(const Context& c) {
  return json_reply(*c.routes.rendered("/v1/status", c.snapshot->version, 0, [&] { return status::status_json(*c.snapshot, c.build); }));
}
Reply clusters(const Context& c) { return json_reply(status::clusters_json(*c.snapshot)); }
Reply rotations(const Context& c) { return json_reply(status::rotations_json(*c.snapshot)); }
Reply runway(const Context& c) { return json_reply(status::runway_json(*c.snapshot)); }
Reply status_schema(const Context&) {
  Reply reply = json_reply(status::status_schema_json());
  reply.content_type = "application/schema+json";
  return reply;
}
Reply openapi(const Context& c) { return json_reply(status::openapi_json(c.build)); }

Reply cluster(const Context& c) {
  auto body = status::cluster_json(*c.snapshot, c.name);
  return body ? json_reply(std::move(*body)) : no_cluster(*c.snapshot, c.name);
}

// A number from 0 on; nullopt: it is something else.
std::optional<std::int64_t> number_of(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

Reply events(const Context& c) {
  const std::string since = c.request.parameter("since"), last = c.request.parameter("last");
  const auto id = since.empty() ? 0 : number_of(since);
  if (!id) return problem_reply(400, "since is the id of an event");
  const auto count = last.empty() ? std::numeric_limits<std::int64_t>::max() : number_of(last);
  if (!count) return problem_reply(400, "last is how many events there may be");
  const auto wait = c.request.parameter("wait").empty() ? Result<Duration>(Duration{0}) : parse_duration(c.request.parameter("wait"));
  if (!wait || *wait < Duration{0} || *wait > longest_wait) return problem_reply(400, fmt::format("wait is a time of {} at most, as 10s", to_text(longest_wait)));
  const std::int64_t first = last.empty() ? *id : std::max(*id, c.source.newest_event() - *count);
  const std::vector<Event> found = c.source.events(first, events_at_once);
  Reply reply = json_reply(status::events_json(found));
  if (found.empty() && c.request.patient) reply.hold = *wait;
  return reply;
}

bool pki_name(std::string_view name) {
  const std::size_t dot = name.find('.');
  if (dot == 0 || dot == std::string_view::npos || dot > 63) return false;
  const auto fits = [](char ch) { return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '_' || ch == '-'; };
  const std::string_view stem = name.substr(0, dot), ending = name.substr(dot);
  return std::all_of(stem.begin(), stem.end(), fits) && (ending == ".crl" || name == "root.crt");
}

std::string content_tag(std::string_view bytes) {
  std::uint64_t hash = 14695981039346656037U;   // FNV-1a: tells versions apart, protects nothing
  for (const char ch : bytes) hash = (hash ^ static_cast<unsigned char>(ch)) * 1099511628211U;
  return fmt::format("\"{:016x}-{}\"", hash, bytes.size());
}

Reply pki(const Context& c) {
  auto bytes = pki_name(c.name) ? c.source.pki(c.name) : std::nullopt;
  if (!bytes) return problem_reply(404, "there is no such certificate or CRL");
  const bool certificate = c.name == "root.crt";
  Reply reply{.status = 200,
              .content_type = certificate ? "application/pem-certificate-chain" : "application/pkix-crl",
              .body = std::move(*bytes)};
  reply.headers = {{"Cache-Control", certificate ? "public, max-age=3600" : "public, max-age=300"},
                   {"ETag", content_tag(reply.body)}};
  return reply;
}

Reply problems(const Context& c) {
  auto body = status::problem_page(c.name.empty() ? "README" : c.name);
  if (!body) return problem_reply(404, fmt::format("there is no problem {}", printable(c.name, 63)));
  Reply reply{.status = 200, .content_type = "text/html; charset=utf-8", .body = std::move(*body)};
  reply.headers = {{"Content-Security-Policy", page_policy}, {"ETag", content_tag(reply.body)}};
  return reply;
}

constexpr std::array table{
    Route{"/", "page", true, false, page},
    Route{"/livez", "livez", false, false, livez},
    Route{"/readyz", "readyz", false, false, readyz},
    Route{"/health", "health", true, false, health},
    Route{"/metrics", "metrics", true, false, metrics},
    Route{"/v1/status", "status", true, true, whole},
    Route{"/v1/clusters", "clusters", true, true, clusters},
    Route{"/v1/clusters/", "cluster", true, true, cluster},
    Route{"/v1/rotations", "rotations", true, true, rotations},
    Route{"/v1/events", "events", false, false, events},
    Route{"/v1/runway", "runway", true, true, runway},
    Route{"/problems", "problems", false, false, problems},
    Route{"/problems/", "problems", false, false, problems},
    Route{"/pki/", "pki", false, false, pki},
    Route{"/v1/status.schema.json", "schema", false, false, status_schema},
    Route{"/openapi.json", "openapi", false, false, openapi},
};

bool is_prefix(std::string_view path) { return path.size() > 1 && path.ends_with('/'); }

const Route* find(const std::string& path) {
  for (const Route& route : table)
    if (is_prefix(route.path) ? path.starts_with(route.path) && path.size() > std::string_view(route.path).size()
                              : path == route.path)
      return &route;
  return nullptr;
}

// RFC 9110 13.1.2, with weak comparison.
bool tag_matches(std::string_view list, std::string_view tag) {
  if (list == "*") return true;
  const auto opaque = [](std::string_view t) { return t.starts_with("W/") ? t.substr(2) : t; };
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    std::string_view one = list.substr(at, end - at);
    one.remove_prefix(std::min(one.find_first_not_of(' '), one.size()));
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (opaque(one) == opaque(tag)) return true;
    at = end + 1;
  }
  return false;
}

void dress(Reply& reply, const Request& request) {
  const auto has = [&](std::string_view name) {
    return std::any_of(reply.headers.begin(), reply.headers.end(), [&](const auto& h) { return h.first == name; });
  };
  const auto standard = [&](const char* name, const char* value) {
    if (!has(name)) reply.headers.emplace_back(name, value);
  };
  for (const auto& [name, value] : standard_headers) standard(name, value);
  standard("Cache-Control", reply.status == 200 ? "no-cache" : "no-store");
  standard("Vary", "Accept-Encoding");
  for (const auto& [name, value] : reply.headers)
    if (name == "ETag" && reply.status == 200 && tag_matches(request.if_none_match, value)) {
      reply.status = 304;
      reply.body.clear();
      return;
    }
}

}  // namespace

Routes::Routes(Source source, status::BuildInfo build) : source_(std::move(source)), build_(std::move(build)) {
  for (const Route& route : table) counters_.http_requests[{route.handler, "200"}] = 0;
}

Reply Routes::answer(const Request& request) {
  Reply reply;
  const Route* route = find(request.path);
  try {
    const SnapshotPtr snapshot = source_.snapshot();
    if (!route) {
      reply = problem_reply(404, fmt::format("nothing is at {}", printable(request.path, 200)));
    } else if (route->needs_snapshot && !snapshot) {
      reply = problem_reply(503, "nothing is known yet");
    } else {
      reply = route->answer(
          {source_, build_, request, *this, snapshot.get(), request.path.substr(std::string_view(route->path).size())});
      // Weak: the same answer may be sent compressed.
      if (route->tagged && reply.status == 200)
        reply.headers.emplace_back("ETag", fmt::format("W/\"{}-{}\"", build_.boot_id, snapshot->version));
    }
  } catch (const std::exception&) {
    reply = problem_reply(500, "the answer could not be made");
  }
  reply.handler = route ? route->handler : "other";
  dress(reply, request);
  if (reply.hold == std::chrono::milliseconds{0}) count(reply.handler, reply.status);   // else it is still to be answered
  return reply;
}

void Routes::stir() {
  const std::lock_guard lock(loops_mutex_);
  for (ServerLoop* loop : loops_) loop->stir();
}

void Routes::join(ServerLoop& loop) {
  const std::lock_guard lock(loops_mutex_);
  loops_.push_back(&loop);
}

void Routes::leave(const ServerLoop& loop) {
  const std::lock_guard lock(loops_mutex_);
  std::erase(loops_, &loop);
}

void Routes::count(const std::string& handler, int code) {
  const std::lock_guard lock(mutex_);
  ++counters_.http_requests[{handler, std::to_string(code)}];
}

std::shared_ptr<const std::string> Routes::rendered(const char* path, std::uint64_t version, std::int64_t second, const std::function<std::string()>& render) const {
  const std::lock_guard lock(rendered_mutex_);   // one renders, the others wait for it instead of doing the same
  if (auto known = lying_ready(path, version, second)) return known;
  auto text = std::make_shared<const std::string>(render());
  rendered_.insert_or_assign(path, Rendered{version, second, text});
  return text;
}

std::shared_ptr<const std::string> Routes::lying_ready(std::string_view path, std::uint64_t version, std::int64_t second) const {
  const auto known = rendered_.find(path);
  return known != rendered_.end() && known->second.version == version && known->second.second == second ? known->second.text : nullptr;
}

std::string Routes::request_metrics() const {
  const std::lock_guard lock(mutex_);
  return status::request_metrics_text(counters_);
}

bool Routes::is_ready(std::string_view target) const {
  if (target != "/metrics" && target != "/v1/status" && target != "/") return false;
  SnapshotPtr snapshot;
  try {
    snapshot = source_.snapshot();
  } catch (const std::exception&) {
    return false;   // answer() says what is to be said of it
  }
  const std::unique_lock lock(rendered_mutex_, std::try_to_lock);
  if (!lock) return false;   // somebody renders
  if (!snapshot || !lying_ready(target, snapshot->version, target == "/" ? to_unix(source_.now()) : 0)) return false;
  return target != "/metrics" || lying_ready(process_metrics, 0, to_unix(source_.now()));
}

status::Counters Routes::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

}  // namespace pgcertd::http

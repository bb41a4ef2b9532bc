// Serves a made-up state through the real routes and the real listener, for tests that look at the page in a browser: preview STATE.
// Prints its port and stays until its input ends.
#include <cstdio>
#include <functional>
#include <map>
#include <string>

#include "http/listener.hpp"
#include "unit/http/support.hpp"

namespace {

using namespace pgcertd;

Snapshot warning() {
  Snapshot s = sample::healthy();
  s.status = s.clusters[0].status = Severity::warning;
  s.clusters[0].problems = {sample::problem(ProblemCode::hba_plaintext, "pg_hba.conf line 97 lets 10.0.0.0/8 in without TLS", "change host to hostssl in line 97", "97", days{3})};
  return s;
}

Snapshot down() {
  Snapshot s = sample::healthy();
  ClusterView& c = s.clusters[0];
  s.status = c.status = Severity::critical;
  c.server.fault = ServerFault::down;
  c.server.fault_text = "connection refused";
  c.served.clear();
  c.sessions.reset();
  c.problems = {sample::problem(ProblemCode::server_unreachable, "PostgreSQL does not answer: connection refused", "systemctl status postgresql@15-main", "", minutes{12})};
  return s;
}

Snapshot twelve() {
  Snapshot s = sample::healthy();
  s.clusters.clear();
  for (int i = 1; i <= 12; ++i) s.clusters.push_back(sample::cluster("cluster-" + std::to_string(i)));
  return s;
}

const std::map<std::string, std::function<Snapshot()>> states{{"healthy", sample::healthy}, {"warning", warning}, {"critical", sample::critical},
                                                              {"down", down},               {"twelve", twelve},   {"hostile", sample::hostile}};

}  // namespace

int main(int argc, char** argv) {
  const auto state = states.find(argc == 2 ? argv[1] : "");
  if (state == states.end()) {
    for (const auto& [name, make] : states) std::printf("%s\n", name.c_str());
    return 2;
  }
  http::test::World world;
  world.snapshot = std::make_shared<const Snapshot>(state->second());
  http::PublicListener listener({.address = "127.0.0.1:0"}, world.routes());
  if (auto started = listener.start(); !started) {
    std::fputs(started.error().text().c_str(), stderr);
    return 1;
  }
  std::printf("%d\n", listener.port());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

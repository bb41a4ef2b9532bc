// The least that a daemon of this shape needs: an sd-event loop with a timer, and cpp-httplib with a pool of threads that answers a
// constant body, of 4 KiB where no size is given. For tests/bench/run and tests/bench/http: plain_httpd PORT THREADS [BYTES]
#include <httplib.h>
#include <libpq-fe.h>
#include <openssl/ssl.h>
#include <systemd/sd-event.h>

#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

constexpr std::uint64_t pause_us = 10'000'000;

int tick(sd_event_source* source, std::uint64_t now, void*) {
  (void)sd_event_source_set_time(source, now + pause_us);
  return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

std::string body(std::size_t size) {
  std::string out;
  while (out.size() < size) out += "pgcertd_not_after_seconds{cluster=\"main\",path=\"/etc/x\"} 1.7e9\n";
  out.resize(size);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) return 2;
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  (void)::pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  SSL_CTX* context = SSL_CTX_new(TLS_method());   // the libraries of the daemon are loaded here, too
  if (context == nullptr || PQlibVersion() == 0) return 1;
  const std::string text = body(argc == 4 ? std::strtoul(argv[3], nullptr, 10) : 4096);
  httplib::Server server;
  server.new_task_queue = [threads = std::atoi(argv[2])] { return new httplib::ThreadPool(static_cast<std::size_t>(threads)); };
  server.set_keep_alive_max_count(1'000'000);
  server.set_tcp_nodelay(true);
  server.Get("/metrics", [&](const httplib::Request&, httplib::Response& response) { response.set_content(text, "text/plain"); });
  std::thread listener([&] { (void)server.listen("127.0.0.1", std::atoi(argv[1])); });
  sd_event* loop = nullptr;
  std::uint64_t now = 0;
  (void)sd_event_default(&loop);
  (void)sd_event_add_signal(loop, nullptr, SIGTERM, nullptr, nullptr);
  (void)sd_event_now(loop, CLOCK_MONOTONIC, &now);
  (void)sd_event_add_time(loop, nullptr, CLOCK_MONOTONIC, now + pause_us, 0, tick, nullptr);
  (void)sd_event_loop(loop);
  server.stop();
  listener.join();
  SSL_CTX_free(context);
  return 0;
}

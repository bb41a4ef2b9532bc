// A bare cpp-httplib server that answers one constant of a given size, beside which tests/bench/http measures ours:
// bare_httplib PORT BYTES THREADS. Ends with its input.
#include <httplib.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string body(std::strtoul(argv[2], nullptr, 10), 'x');
  const std::size_t threads = std::strtoul(argv[3], nullptr, 10);
  httplib::Server server;
  server.new_task_queue = [threads] { return new httplib::ThreadPool(threads); };   // the library's interface: it deletes it
  server.set_keep_alive_max_count(100);
  server.set_tcp_nodelay(true);   // as ours: else each answer waits for a delayed acknowledgement
  server.Get("/", [&body](const httplib::Request&, httplib::Response& response) { response.set_content(body, "text/plain"); });
  std::thread end([&server] {
    while (std::getchar() != EOF) {
    }
    server.stop();
  });
  const bool listened = server.listen("127.0.0.1", std::atoi(argv[1]));
  end.join();
  return listened ? 0 : 1;
}

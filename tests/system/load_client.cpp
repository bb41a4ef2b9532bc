// Reconnecting verify-full clients, as pgbench -C makes them: each connection notes the certificate that it was shown.
//   load_client CONNINFO THREADS [--break]
// Runs until stdin ends, then prints JSON: connections made and failed, the last failure, and each serial with the times
// (milliseconds of the wall clock) at which it was first and last seen. --break makes the loop blind to failures of its own
// kind: it counts a connection as made without making one, which the test that uses this program must notice.
#include <libpq-fe.h>
#include <openssl/bn.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Seen {
  std::int64_t first = 0, last = 0;
  std::uint64_t times = 0;
};

struct Tally {
  std::mutex mutex;
  std::uint64_t made = 0, failed = 0;
  std::string last_failure;
  std::map<std::string, Seen> serials;
};

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string served_serial(PGconn* connection) {
  auto* ssl = static_cast<SSL*>(PQsslStruct(connection, "OpenSSL"));
  if (ssl == nullptr) return {};
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(ssl), X509_free);
  if (!certificate) return {};
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate.get()), nullptr), BN_free);
  const std::unique_ptr<char, void (*)(char*)> text(BN_bn2hex(number.get()), [](char* p) { OPENSSL_free(p); });
  std::string out(text.get());
  for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
  return out;
}

void connect_once(const char* conninfo, Tally& tally) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(conninfo), PQfinish);
  std::string failure;
  if (PQstatus(connection.get()) != CONNECTION_OK) failure = PQerrorMessage(connection.get());
  if (failure.empty()) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), "SELECT 1"), PQclear);
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) failure = PQerrorMessage(connection.get());
  }
  const std::string serial = failure.empty() ? served_serial(connection.get()) : std::string{};
  if (failure.empty() && serial.empty()) failure = "connected without TLS";
  const std::lock_guard lock(tally.mutex);
  if (!failure.empty()) {
    ++tally.failed;
    tally.last_failure = failure;
    return;
  }
  ++tally.made;
  Seen& seen = tally.serials[serial];
  seen.last = now_ms();
  if (seen.times++ == 0) seen.first = seen.last;
}

void print(const Tally& tally) {
  std::string failure;
  for (const char c : tally.last_failure) failure += c == '"' || c == '\\' || static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  std::printf("{\"made\":%llu,\"failed\":%llu,\"last_failure\":\"%s\",\"serials\":{", static_cast<unsigned long long>(tally.made),
              static_cast<unsigned long long>(tally.failed), failure.c_str());
  const char* comma = "";
  for (const auto& [serial, seen] : tally.serials) {
    std::printf("%s\"%s\":{\"first\":%lld,\"last\":%lld,\"times\":%llu}", comma, serial.c_str(), static_cast<long long>(seen.first),
                static_cast<long long>(seen.last), static_cast<unsigned long long>(seen.times));
    comma = ",";
  }
  std::printf("}}\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: load_client CONNINFO THREADS [--break]\n");
    return 2;
  }
  const bool broken = argc > 3 && std::strcmp(argv[3], "--break") == 0;
  Tally tally;
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (int i = std::atoi(argv[2]); i > 0; --i)
    threads.emplace_back([&] {
      while (!over) {
        if (!broken) {
          connect_once(argv[1], tally);
          continue;
        }
        const std::lock_guard lock(tally.mutex);
        ++tally.made;
      }
    });
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {}
  over = true;
  for (std::thread& thread : threads) thread.join();
  print(tally);
  return 0;
}

// The least that one process needs for a rotation: rotate_floor DATA-DIRECTORY CA-DIRECTORY PORT SOCKET-DIRECTORY N
// A key, its certificate, both durable in their places, a reload asked for over a connection that stays, and handshakes until the new
// certificate is served: nothing is recorded, checked or undone. Run as the server's user. Prints one line of JSON in milliseconds.
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

#include "bench/plain.hpp"

using namespace plain;

namespace {

using Clock = std::chrono::steady_clock;
using File = std::unique_ptr<std::FILE, FreeWith<std::fclose>>;
using Context = std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, FreeWith<SSL_free>>;
using Connection = std::unique_ptr<PGconn, FreeWith<PQfinish>>;

File open_file(const std::string& path) {
  File file(std::fopen(path.c_str(), "r"));
  if (!file) give_up("no " + path);
  return file;
}

Cert served(SSL_CTX* context, int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  constexpr std::array<unsigned char, 8> ssl_request{0, 0, 0, 8, 4, 210, 22, 47};
  char answer = 0;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::write(fd, ssl_request.data(), ssl_request.size()) != 8 || ::read(fd, &answer, 1) != 1 || answer != 'S')
    give_up("no TLS at the server");
  const Session session(SSL_new(context));
  if (SSL_set_fd(session.get(), fd) != 1 || SSL_connect(session.get()) != 1) give_up("the handshake fails");
  Cert certificate(SSL_get1_peer_certificate(session.get()));
  (void)::close(fd);
  return certificate;
}

PlainCa read_ca(const std::string& directory) {
  PlainCa ca;
  ca.key.reset(PEM_read_PrivateKey(open_file(directory + "/ca.key").get(), nullptr, nullptr, nullptr));
  ca.certificate.reset(PEM_read_X509(open_file(directory + "/ca.crt").get(), nullptr, nullptr, nullptr));
  return ca;
}

void rotate(const PlainCa& ca, const std::string& data, PGconn* server, SSL_CTX* context, int port) {
  const auto [key, leaf] = plain_issue(ca);
  const Bio key_pem(BIO_new(BIO_s_mem())), leaf_pem(BIO_new(BIO_s_mem()));
  (void)PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  (void)PEM_write_bio_X509(leaf_pem.get(), leaf.get());
  put_durably(data, "server.key", pem_of(key_pem));
  put_durably(data, "server.crt", pem_of(leaf_pem));
  PQclear(PQexec(server, "SELECT pg_reload_conf()"));
  while (X509_cmp(served(context, port).get(), leaf.get()) != 0) {
  }
}

double cpu_ms() {
  rusage used{};
  (void)::getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 + static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) give_up("usage: rotate_floor DATA-DIRECTORY CA-DIRECTORY PORT SOCKET-DIRECTORY N");
  const std::string data = argv[1];
  const int port = std::atoi(argv[3]), rounds = std::atoi(argv[5]);
  const PlainCa ca = read_ca(argv[2]);
  const Context context(SSL_CTX_new(TLS_client_method()));
  const Connection server(PQconnectdb(("host=" + std::string(argv[4]) + " port=" + argv[3] + " user=postgres dbname=postgres").c_str()));
  if (PQstatus(server.get()) != CONNECTION_OK) give_up(PQerrorMessage(server.get()));
  std::vector<double> took;
  const double cpu = cpu_ms();
  for (int i = 0; i < rounds; ++i) {
    const auto begun = Clock::now();
    rotate(ca, data, server.get(), context.get(), port);
    took.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begun).count());
  }
  std::nth_element(took.begin(), took.begin() + rounds / 2, took.end());
  std::printf("{\"wall\":%.2f,\"cpu\":%.2f}\n", took[static_cast<std::size_t>(rounds / 2)], (cpu_ms() - cpu) / rounds);
}

// lib/http/tls.cpp: what one client may do to the thread that serves all.
#include "http/tls.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <csignal>

#include "http/listener.hpp"
#include "http/tls_ptr.hpp"
#include "unit/http/support.hpp"

namespace pgcertd::http {
namespace {

std::string text_of(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

// A pair that signs itself, good for a day.
std::shared_ptr<ServerTls> server_tls() {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr certificate(X509_new());
  (void)X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  (void)X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 86400);
  (void)X509_set_pubkey(certificate.get(), key.get());
  (void)X509_sign(certificate.get(), key.get(), EVP_sha256());
  const BioPtr chain(BIO_new(BIO_s_mem())), pem(BIO_new(BIO_s_mem()));
  (void)PEM_write_bio_X509(chain.get(), certificate.get());
  (void)PEM_write_bio_PrivateKey(pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  auto tls = std::make_shared<ServerTls>();
  const auto used = tls->use(text_of(chain.get()), Secret{text_of(pem.get())}, "");
  EXPECT_TRUE(used) << used.error().text();
  return tls;
}

class Flood : public testing::Test {
 protected:
  Flood() {
    (void)std::signal(SIGPIPE, SIG_IGN);
    listener_ = std::make_unique<PublicListener>(ListenOptions{.address = "127.0.0.1:0", .tls = server_tls()}, world_.routes());
    EXPECT_TRUE(listener_->start());
  }
  // The first bytes of the answer to a request after so many changes of keys; empty: the connection was ended.
  std::string after_key_updates(int count) {
    const test::Client to(listener_->port());
    const SslContextPtr context(SSL_CTX_new(TLS_client_method()));
    const SslPtr ssl(SSL_new(context.get()));
    (void)SSL_set_fd(ssl.get(), to.fd());
    if (SSL_connect(ssl.get()) != 1) return "no handshake";
    for (int i = 0; i < count; ++i)
      if (SSL_key_update(ssl.get(), SSL_KEY_UPDATE_NOT_REQUESTED) != 1 || SSL_do_handshake(ssl.get()) != 1) return {};
    const std::string request = test::get("/livez");
    (void)SSL_write(ssl.get(), request.data(), static_cast<int>(request.size()));
    char answer[15];
    return SSL_read(ssl.get(), answer, sizeof answer) == sizeof answer ? std::string(answer, sizeof answer) : "";
  }

  test::World world_;
  std::unique_ptr<PublicListener> listener_;
};

TEST_F(Flood, ChangesOfKeysAreTakenAsFarAsTheyMakeSense) {
  EXPECT_EQ(after_key_updates(0), "HTTP/1.1 200 OK");
  EXPECT_EQ(after_key_updates(8), "HTTP/1.1 200 OK");
  EXPECT_EQ(after_key_updates(5000), "");
  EXPECT_EQ(after_key_updates(0), "HTTP/1.1 200 OK");
}

}  // namespace
}  // namespace pgcertd::http

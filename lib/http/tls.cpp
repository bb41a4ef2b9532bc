#include "http/tls.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <vector>

#include "http/tls_ptr.hpp"

namespace pgcertd::http {

struct ServerTls::Context {
  SslContextPtr handle;
};
struct TlsSession::State {
  SslPtr ssl;
  std::size_t idle_records = 0;        // since the handshake: those that brought nothing to read
};

namespace {

Error openssl_failure(std::string_view call, std::string_view object) {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return make_error(Errc::crypto, fmt::format("{} \"{}\": {}", call, object, reason ? reason : "no reason given"));
}

BioPtr memory(std::string_view bytes) { return BioPtr(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()))); }

int no_passphrase(char*, int, int, void*) { return -1; }

Result<std::vector<CertificatePtr>> certificates(const std::string& pem, std::string_view what) {
  const BioPtr bio = memory(pem);
  std::vector<CertificatePtr> out;
  ERR_clear_error();
  while (X509* one = PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)) out.emplace_back(one);
  const bool at_the_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!out.empty() && at_the_end) {
    ERR_clear_error();
    return out;
  }
  return fail(openssl_failure("PEM_read_bio_X509", what));
}

Result<void> set_pair(SSL_CTX* context, const std::string& chain_pem, const Secret& key_pem) {
  PGCERTD_TRY(const auto chain, certificates(chain_pem, "the listener's chain"));
  if (SSL_CTX_use_certificate(context, chain.front().get()) != 1) return fail(openssl_failure("SSL_CTX_use_certificate", "the listener's certificate"));
  for (std::size_t i = 1; i < chain.size(); ++i)
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) return fail(openssl_failure("SSL_CTX_add1_chain_cert", "the listener's chain"));
  const BioPtr bio = memory(key_pem.view());
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return fail(openssl_failure("SSL_CTX_use_PrivateKey", "the listener's key"));
  return {};
}

// The file may hold an issuing CA alone: what it names is trusted, whoever signed that.
Result<void> demand_clients(SSL_CTX* context, const std::string& ca_pem) {
  PGCERTD_TRY(const auto authorities, certificates(ca_pem, "client_ca"));
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  for (const CertificatePtr& ca : authorities)
    if (X509_STORE_add_cert(store, ca.get()) != 1 || SSL_CTX_add_client_CA(context, ca.get()) != 1) return fail(openssl_failure("X509_STORE_add_cert", "client_ca"));
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return {};
}

Result<SslContextPtr> new_context(const std::string& chain_pem, const Secret& key_pem, const std::string& client_ca_pem) {
  ERR_clear_error();
  SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) return fail(openssl_failure("SSL_CTX_new", "TLS"));
  // Whom client_ca lets in is asked at each connection anew: no session is taken up again.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  (void)SSL_CTX_set_num_tickets(context.get(), 0);
  // A read ends with the record that it was for, whatever kind that was: else one who floods it with others would have the thread for itself.
  (void)SSL_CTX_clear_mode(context.get(), SSL_MODE_AUTO_RETRY);
  // Hundreds of idle connections must not hold two buffers each.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  PGCERTD_CHECK(set_pair(context.get(), chain_pem, key_pem));
  if (!client_ca_pem.empty()) PGCERTD_CHECK(demand_clients(context.get(), client_ca_pem));
  return context;
}

// Changes of keys and wishes to negotiate again: no honest client sends as many in one of our short connections.
constexpr std::size_t most_idle_records = 32;

// Called for each record that is read or written. The library answers some by itself and goes on reading: only this ends that.
void count_record(int written, int, int type, const void*, std::size_t, SSL* ssl, void* state) {
  auto& idle = static_cast<TlsSession::State*>(state)->idle_records;
  if (written != 0 || type != SSL3_RT_HEADER || SSL_is_init_finished(ssl) == 0) return;
  if (++idle > most_idle_records) SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
}

TlsStep step_of(SSL* ssl, int result) {
  if (result > 0) return TlsStep::done;
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ: return TlsStep::wants_read;
    case SSL_ERROR_WANT_WRITE: return TlsStep::wants_write;
    default: return TlsStep::over;
  }
}

}  // namespace

TlsSession::TlsSession(std::unique_ptr<State> state) : state_(std::move(state)) {
  SSL_set_msg_callback(state_->ssl.get(), count_record);
  SSL_set_msg_callback_arg(state_->ssl.get(), state_.get());
}
TlsSession::~TlsSession() { ERR_clear_error(); }

TlsStep TlsSession::handshake() {
  ERR_clear_error();
  return step_of(state_->ssl.get(), SSL_accept(state_->ssl.get()));
}

TlsStep TlsSession::read(char* to, std::size_t size, std::size_t& got) {
  ERR_clear_error();
  const TlsStep step = step_of(state_->ssl.get(), SSL_read_ex(state_->ssl.get(), to, size, &got));
  if (step == TlsStep::done && state_->idle_records > 0) --state_->idle_records;   // its own record
  return step;
}

TlsStep TlsSession::write(const char* from, std::size_t size, std::size_t& put) {
  ERR_clear_error();
  return step_of(state_->ssl.get(), SSL_write_ex(state_->ssl.get(), from, size, &put));
}

void TlsSession::close_notify() {
  ERR_clear_error();
  (void)SSL_shutdown(state_->ssl.get());   // whether the client answers is its own matter
}

Result<void> check_client_ca(const std::string& pem) {
  PGCERTD_CHECK(certificates(pem, "client_ca"));
  return {};
}

Result<void> ServerTls::use(const std::string& chain_pem, const Secret& key_pem, const std::string& client_ca_pem) {
  PGCERTD_TRY(SslContextPtr fresh, new_context(chain_pem, key_pem, client_ca_pem));
  auto context = std::make_shared<const Context>(Context{std::move(fresh)});
  const std::lock_guard lock(mutex_);
  context_ = std::move(context);
  return {};
}

std::unique_ptr<TlsSession> ServerTls::accept(int fd) const {
  std::shared_ptr<const Context> context;
  {
    const std::lock_guard lock(mutex_);
    context = context_;
  }
  if (!context) return nullptr;
  SslPtr ssl(SSL_new(context->handle.get()));   // holds the context itself
  if (!ssl || SSL_set_fd(ssl.get(), fd) != 1) return nullptr;
  return std::make_unique<TlsSession>(std::make_unique<TlsSession::State>(TlsSession::State{.ssl = std::move(ssl)}));
}

}  // namespace pgcertd::http

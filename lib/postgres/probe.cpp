#include "postgres/probe.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/text.hpp"
#include "postgres/endpoints.hpp"
#include "postgres/ssl_ptr.hpp"
#include "postgres/wire.hpp"
#include "x509/asn1.hpp"
#include "x509/known_certificates.hpp"

namespace pgcertd::postgres {
namespace {

// Int32 length 8, Int32 code 80877103, as the protocol has it.
constexpr std::array<char, 8> ssl_request{0, 0, 0, 8, 0x04, static_cast<char>(0xd2), 0x16, 0x2f};
constexpr std::size_t handshake_limit = 1U << 20;   // what a server may send before it is taken for a hostile one
constexpr Duration goodbye_patience = std::chrono::seconds{1};

struct Verdict {
  ProbeOutcome outcome;
  std::string detail;
};

std::string openssl_text() {
  std::string out;
  while (const unsigned long code = ERR_get_error()) {
    if (!out.empty()) continue;   // the first is the cause; the queue is emptied all the same
    const char* reason = ERR_reason_error_string(code);
    out = reason != nullptr ? reason : fmt::format("OpenSSL error {:x}", code);
  }
  return out;
}

Verdict ended(const Wire& wire, WireEnd end, std::string_view doing, ProbeOutcome when_broken) {
  switch (end) {
    case WireEnd::cancelled: return {ProbeOutcome::timeout, fmt::format("{}: the daemon is stopping", doing)};
    case WireEnd::timeout: return {ProbeOutcome::timeout, fmt::format("{}: no answer in time", doing)};
    case WireEnd::closed: return {when_broken, fmt::format("{}: the connection was closed", doing)};
    default: break;
  }
  return {wire.saved_errno() == ETIMEDOUT ? ProbeOutcome::timeout : when_broken, fmt::format("{}: {}", doing, std::strerror(wire.saved_errno()))};
}

// The answer to SSLRequest: `served` means that TLS may begin. Exactly one byte is read (CVE-2021-23222).
Verdict ask_for_tls(Wire& wire) {
  if (const auto end = wire.send(ssl_request); end != WireEnd::ok) return ended(wire, end, "SSLRequest", ProbeOutcome::unreachable);
  char answer = 0;
  std::size_t got = 0;
  if (const auto end = wire.receive({&answer, 1}, got); end != WireEnd::ok)
    return ended(wire, end, "answer to SSLRequest", ProbeOutcome::unreachable);
  if (answer == 'E') return {ProbeOutcome::handshake_failed, "the server answered SSLRequest with an error"};
  if (answer != 'S' && answer != 'N')
    return {ProbeOutcome::not_postgres, fmt::format("the answer to SSLRequest begins with \"{}\"", printable({&answer, 1}))};
  if (wire.pending()) return {ProbeOutcome::not_postgres, "more than one byte answers SSLRequest"};
  if (answer == 'N') return {ProbeOutcome::ssl_refused, "TLS is off, or its files were not loaded"};
  return {ProbeOutcome::served, {}};
}

// Everything is let through: what is weak, old or expired must be seen, not refused.
SslContextPtr make_context() {
  SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context) return context;
  SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_min_proto_version(context.get(), 0);
  SSL_CTX_set_max_proto_version(context.get(), 0);
  SSL_CTX_set_cipher_list(context.get(), "ALL:@SECLEVEL=0");
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context.get(), SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_IGNORE_UNEXPECTED_EOF);
  return context;
}

// One for all probes: to make it takes longer than a handshake's own arithmetic. Not made, for want of memory: the next probe tries again.
SSL_CTX* shared_context() {
  static std::mutex mutex;
  static SslContextPtr context;
  const std::lock_guard lock(mutex);
  if (!context) context = make_context();
  return context.get();
}

// TLS over memory, so that every byte goes through Wire with its deadline.
class Tls {
 public:
  Tls(Wire& wire, const std::string& host) : wire_(wire) {
    if (SSL_CTX* const context = shared_context(); context != nullptr) ssl_.reset(SSL_new(context));
    BIO* in = BIO_new(BIO_s_mem());
    BIO* out = BIO_new(BIO_s_mem());
    if (!ssl_ || in == nullptr || out == nullptr) {
      BIO_free(in);
      BIO_free(out);
      ssl_.reset();
      return;
    }
    SSL_set_bio(ssl_.get(), in, out);   // takes both
    if (!is_numeric(host)) SSL_set_tlsext_host_name(ssl_.get(), host.c_str());
    SSL_set_connect_state(ssl_.get());
  }

  Verdict handshake() {
    if (!ssl_) return {ProbeOutcome::handshake_failed, openssl_text()};
    std::size_t received = 0;
    for (;;) {
      ERR_clear_error();
      const int done = SSL_do_handshake(ssl_.get());
      const int why = SSL_get_error(ssl_.get(), done);
      const std::string reason = done == 1 ? std::string() : openssl_text();
      // Also after a failure: the alert that OpenSSL wrote tells the server what was wrong.
      if (const auto end = flush(); end != WireEnd::ok && done != 1) return ended(wire_, end, "TLS handshake", ProbeOutcome::handshake_failed);
      if (done == 1) return {ProbeOutcome::served, {}};
      if (why != SSL_ERROR_WANT_READ) return {ProbeOutcome::handshake_failed, "TLS handshake: " + reason};
      if (received > handshake_limit) return {ProbeOutcome::handshake_failed, "TLS handshake: the server sends without end"};
      if (const auto end = feed(received); end != WireEnd::ok) return ended(wire_, end, "TLS handshake", ProbeOutcome::handshake_failed);
    }
  }

  // Certificate and key of the client, before the handshake.
  bool present(const Canary& canary) {
    if (!ssl_) return false;
    const BioPtr chain(BIO_new_mem_buf(canary.chain_pem.data(), static_cast<int>(canary.chain_pem.size())));
    const auto secret = canary.key_pem.view();
    const BioPtr key_bytes(BIO_new_mem_buf(secret.data(), static_cast<int>(secret.size())));
    const KeyPtr key(key_bytes ? PEM_read_bio_PrivateKey(key_bytes.get(), nullptr, nullptr, nullptr) : nullptr);
    const CertificatePtr leaf(chain ? PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr) : nullptr);
    if (!leaf || !key || SSL_use_certificate(ssl_.get(), leaf.get()) != 1 || SSL_use_PrivateKey(ssl_.get(), key.get()) != 1) return false;
    for (;;) {
      const CertificatePtr above(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
      if (!above) break;
      if (SSL_add1_chain_cert(ssl_.get(), above.get()) != 1) return false;
    }
    ERR_clear_error();   // the end of the chain stands in the queue
    return true;
  }

  // TLS 1.3 refuses a client's certificate after the handshake: our good-bye is answered by an alert, or by one, or by silence.
  ports::Presented wait_for_verdict() {
    close();
    std::size_t received = 0;
    char byte = 0;
    while (received <= handshake_limit) {
      ERR_clear_error();
      const int got = SSL_read(ssl_.get(), &byte, 1);
      const int why = SSL_get_error(ssl_.get(), got);
      if (why == SSL_ERROR_ZERO_RETURN) return {ports::Presented::End::accepted, {}};
      if (why == SSL_ERROR_SSL) return refused_or_unknown(openssl_text());
      if (why != SSL_ERROR_WANT_READ) return {ports::Presented::End::unknown, "the server sends data"};
      const WireEnd end = feed(received);
      if (end == WireEnd::closed) return {ports::Presented::End::accepted, {}};
      if (end != WireEnd::ok) return {};
    }
    return {};
  }

  static ports::Presented refused_or_unknown(const std::string& reason) {
    const bool alert = reason.find("alert") != std::string::npos;
    return {alert ? ports::Presented::End::refused : ports::Presented::End::unknown, printable(reason)};
  }

  void close() {
    if (!ssl_ || SSL_is_init_finished(ssl_.get()) == 0) return;
    ERR_clear_error();
    (void)SSL_shutdown(ssl_.get());   // 0: ours is sent, and the peer's is not waited for here
    ERR_clear_error();
    (void)flush();                    // a peer that is gone needs no good-bye
  }

  [[nodiscard]] const SSL* ssl() const { return ssl_.get(); }

 private:
  WireEnd flush() {
    char buffer[4096];
    for (int bytes = 0; (bytes = BIO_read(SSL_get_wbio(ssl_.get()), buffer, sizeof buffer)) > 0;)
      if (const auto end = wire_.send({buffer, static_cast<std::size_t>(bytes)}); end != WireEnd::ok) return end;
    return WireEnd::ok;
  }

  WireEnd feed(std::size_t& received) {
    char buffer[16384];
    std::size_t got = 0;
    if (const auto end = wire_.receive(buffer, got); end != WireEnd::ok) return end;
    received += got;
    return BIO_write(SSL_get_rbio(ssl_.get()), buffer, static_cast<int>(got)) == static_cast<int>(got) ? WireEnd::ok : WireEnd::failed;
  }

  Wire& wire_;
  SslPtr ssl_;
};

std::string der_of(const X509* certificate) {
  unsigned char* bytes = nullptr;
  const int length = i2d_X509(certificate, &bytes);
  if (length <= 0) return {};
  std::string out(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(length));
  OPENSSL_free(bytes);
  return out;
}

// What CertificateRequest names: PostgreSQL sends the subjects of its ssl_ca_file.
std::vector<std::string> client_cas(const SSL* ssl) {
  std::vector<std::string> names;
  const STACK_OF(X509_NAME)* asked = SSL_get0_peer_CA_list(ssl);
  for (int i = 0; asked != nullptr && i < sk_X509_NAME_num(asked); ++i) names.push_back(x509::name_text(sk_X509_NAME_value(asked, i)));
  return names;
}

Verdict read_chain(const SSL* ssl, ProbeSeen& seen) {
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i) {
    const auto certificate = x509::known_certificate(der_of(sk_X509_value(chain, i)));
    if (!certificate) return {ProbeOutcome::handshake_failed, fmt::format("certificate {} of the served chain: {}", i, certificate.error().text())};
    seen.chain.push_back(certificate->facts());
    seen.chain_pem.push_back(certificate->pem());
  }
  seen.tls_version = SSL_get_version(ssl);
  seen.cipher = SSL_get_cipher_name(ssl);
  seen.client_cas = client_cas(ssl);
  if (seen.chain.empty()) return {ProbeOutcome::handshake_failed, "the server sent no certificate"};
  return {ProbeOutcome::served, {}};
}

// As far as TLS may begin.
Verdict reach(Wire& wire, const Endpoint& endpoint, Deadline deadline, const Cancel& cancel) {
  const auto addresses = resolve(endpoint.host, endpoint.port, deadline, cancel);
  if (!addresses) {
    const bool late = addresses.error().code == Errc::timeout || addresses.error().code == Errc::cancelled;
    return {late ? ProbeOutcome::timeout : ProbeOutcome::unreachable, addresses.error().text()};
  }
  if (const auto end = wire.connect(*addresses); end != WireEnd::ok) return ended(wire, end, "connect", ProbeOutcome::unreachable);
  return ask_for_tls(wire);
}

Verdict look(Wire& wire, const Endpoint& endpoint, Deadline deadline, const Cancel& cancel, ProbeSeen& seen) {
  if (auto answer = reach(wire, endpoint, deadline, cancel); answer.outcome != ProbeOutcome::served) return answer;
  Tls tls(wire, endpoint.host);
  auto verdict = tls.handshake();
  if (verdict.outcome == ProbeOutcome::served) verdict = read_chain(tls.ssl(), seen);
  tls.close();
  return verdict;
}

ports::Presented show(Wire& wire, const Endpoint& endpoint, const Canary& canary, Deadline deadline, const Cancel& cancel) {
  if (const auto answer = reach(wire, endpoint, deadline, cancel); answer.outcome != ProbeOutcome::served) return {ports::Presented::End::unknown, printable(answer.detail)};
  Tls tls(wire, endpoint.host);
  if (!tls.present(canary)) return {};
  if (const auto verdict = tls.handshake(); verdict.outcome != ProbeOutcome::served) return Tls::refused_or_unknown(verdict.detail);
  return tls.wait_for_verdict();
}

}  // namespace

ports::Presented HandshakeProbe::present(const std::string& endpoint, const Canary& canary) {
  const auto parsed = parse_endpoint(endpoint);
  if (!parsed) return {};
  const auto deadline = std::chrono::steady_clock::now() + options_.timeout;
  Wire wire(deadline, *cancel_);
  auto presented = show(wire, *parsed, canary, deadline, *cancel_);
  take_leave(wire.say_goodbye(goodbye_patience));
  return presented;
}

HandshakeProbe::HandshakeProbe(ProbeOptions options, std::shared_ptr<const Cancel> cancel)
    : options_(options), cancel_(std::move(cancel)) {}

HandshakeProbe::~HandshakeProbe() { rest(); }

void HandshakeProbe::take_leave(Goodbye goodbye) {
  const std::lock_guard lock(mutex_);
  std::erase_if(leaving_, [](Goodbye& one) { return one.over(); });
  if (!goodbye.over()) leaving_.push_back(std::move(goodbye));
}

void HandshakeProbe::rest() {
  std::vector<Goodbye> leaving;
  {
    const std::lock_guard lock(mutex_);
    leaving.swap(leaving_);
  }
  for (Goodbye& one : leaving) one.wait(*cancel_);
}

ProbeSeen HandshakeProbe::probe(const std::string& endpoint, TimePoint now) {
  const auto start = std::chrono::steady_clock::now();
  ProbeSeen seen;
  seen.endpoint = endpoint;
  seen.probed_at = now;
  const auto parsed = parse_endpoint(endpoint);
  if (!parsed) {
    seen.detail = parsed.error().text();
    return seen;
  }
  const auto deadline = start + options_.timeout;
  Wire wire(deadline, *cancel_);
  auto verdict = look(wire, *parsed, deadline, *cancel_, seen);
  seen.took = std::chrono::ceil<Duration>(std::chrono::steady_clock::now() - start);
  take_leave(wire.say_goodbye(goodbye_patience));
  if (verdict.outcome != ProbeOutcome::served) {
    seen.chain.clear();
    seen.chain_pem.clear();
  }
  seen.outcome = verdict.outcome;
  seen.detail = printable(verdict.detail);
  return seen;
}

}  // namespace pgcertd::postgres

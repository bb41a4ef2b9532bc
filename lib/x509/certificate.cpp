#include "x509/certificate.hpp"

#include <fmt/format.h>
#include <openssl/pem.h>

#include "x509/asn1.hpp"
#include "x509/facts.hpp"
#include "x509/handles.hpp"
#include "x509/openssl_error.hpp"
#include "x509/pem_block.hpp"

namespace pgcertd::x509 {
namespace {

Result<std::vector<Certificate>> single(std::string_view der, std::string_view name) {
  PGCERTD_TRY(Certificate certificate, within(Certificate::from_der(der), fmt::format("reading \"{}\"", name)));
  return std::vector{std::move(certificate)};
}

}  // namespace

Result<Certificate> adopt(X509Ptr x509) {
  PGCERTD_TRY(CertFacts facts, cert_facts(x509.get()));
  return Certificate(std::make_shared<const Certificate::Handle>(Certificate::Handle{std::move(x509), std::move(facts)}));
}

Result<Certificate> Certificate::from_der(std::string_view der) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_size(der, "certificate"));
  auto x509 = from_der_bytes<X509Ptr>(der, d2i_X509);
  if (!x509) return fail(Errc::parse, "d2i_X509: not one certificate in DER (" + drain_errors() + ")");
  return adopt(std::move(x509));
}

const CertFacts& Certificate::facts() const { return handle_->facts; }
std::string Certificate::der() const { return to_der(handle_->x509.get(), i2d_X509); }
std::string Certificate::pem() const { return pem_text("CERTIFICATE", der()); }

Result<std::vector<Certificate>> parse_certificates(std::string_view bytes, std::string_view name) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_size(bytes, name));
  if (!bytes.empty() && !looks_like_pem(bytes)) return single(bytes, name);
  const BioPtr bio = read_only_bio(bytes);
  if (!bio) return fail(openssl_error("BIO_new_mem_buf", name));
  std::vector<Certificate> out;
  // As SSL_CTX_use_certificate_chain_file: TRUSTED CERTIFICATE counts as the first block only, later ones are passed over.
  const auto next = [&] {
    return X509Ptr(out.empty() ? PEM_read_bio_X509_AUX(bio.get(), nullptr, no_passphrase, nullptr) : PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
  };
  while (auto handle = next()) {
    PGCERTD_CHECK(check_room_for_block(out.size(), name));
    PGCERTD_TRY(Certificate certificate, within(adopt(std::move(handle)), fmt::format("certificate {} of \"{}\"", out.size() + 1, name)));
    out.push_back(std::move(certificate));
    ERR_clear_error();
  }
  PGCERTD_CHECK(check_end_of_blocks(out.size(), "certificate", name));
  return out;
}

std::string to_pem(const std::vector<Certificate>& chain) {
  std::string out;
  for (const Certificate& certificate : chain) out += certificate.pem();
  return out;
}

}  // namespace pgcertd::x509

#include "x509/signed_request.hpp"

#include <fmt/format.h>

#include <array>

#include "base/text.hpp"
#include "x509/asn1.hpp"
#include "x509/handles.hpp"
#include "x509/key_kind.hpp"
#include "x509/openssl_error.hpp"
#include "x509/request_object.hpp"
#include "x509/verify.hpp"

namespace pgcertd::x509 {
namespace {

constexpr std::string_view cms_begin = "-----BEGIN CMS-----";

Result<std::string> request_der(std::string_view request_pem, std::string_view name) {
  PGCERTD_TRY(const X509ReqPtr request, read_request(request_pem, name));
  return to_der(request.get(), i2d_X509_REQ);
}

CertStackPtr stack_of(const std::vector<Certificate>& certificates, std::size_t from) {
  CertStackPtr stack(sk_X509_new_null());
  for (std::size_t i = from; stack && i < certificates.size(); ++i)
    if (sk_X509_push(stack.get(), certificates[i].handle().x509.get()) == 0) return nullptr;
  return stack;
}

Result<std::string> content_of(CMS_ContentInfo* cms, std::string_view name) {
  const ASN1_OCTET_STRING* const* const content = CMS_get0_content(cms);
  if (content == nullptr || *content == nullptr) return fail(Errc::refused, fmt::format("the signature (CMS) in \"{}\" carries nothing that it is over", name));
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(*content)), static_cast<std::size_t>(ASN1_STRING_length(*content)));
}

// The certificates that travel in it, the signer's first.
Result<std::vector<Certificate>> signer_chain(CMS_ContentInfo* cms) {
  const CertStackPtr signers(CMS_get0_signers(cms));
  const CertsPtr all(CMS_get1_certs(cms));
  if (!signers || sk_X509_num(signers.get()) != 1 || !all) return fail(Errc::refused, "the request's signature (CMS) is not by exactly one certificate that stands in it");
  X509* const signer = sk_X509_value(signers.get(), 0);
  std::vector<Certificate> chain;
  PGCERTD_TRY(Certificate leaf, Certificate::from_der(to_der(signer, i2d_X509)));
  chain.push_back(std::move(leaf));
  for (int i = 0; i < sk_X509_num(all.get()); ++i) {
    X509* const one = sk_X509_value(all.get(), i);
    if (X509_cmp(one, signer) == 0) continue;
    PGCERTD_TRY(Certificate other, Certificate::from_der(to_der(one, i2d_X509)));
    chain.push_back(std::move(other));
  }
  return chain;
}

// The signature only: the chain is judged at a time that is an argument.
Result<void> verify_signature(CMS_ContentInfo* cms) {
  const BioPtr out(BIO_new(BIO_s_null()));
  if (out && CMS_verify(cms, nullptr, nullptr, nullptr, out.get(), CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) == 1) return {};
  return fail(Errc::refused, fmt::format("the request's signature by the certificate in use is wrong ({})", drain_errors()), "make the request again on its host, and compare the key's SHA-256 by voice");
}

}  // namespace

Result<std::string> sign_request(std::string_view request_pem, const std::vector<Certificate>& chain, const PrivateKey& key) {
  const CleanErrorQueue clean;
  if (chain.empty() || !key_matches(key, chain.front())) return fail(Errc::invalid, "the key that is to sign the request is not the certificate's");
  PGCERTD_TRY(const std::string der, request_der(request_pem, "request"));
  const BioPtr content = read_only_bio(der);
  const CertStackPtr others = stack_of(chain, 1);
  if (!content || !others) return fail(openssl_error("CMS_sign", "request"));
  const CmsPtr cms(CMS_sign(chain.front().handle().x509.get(), key.handle().key.get(), others.get(), content.get(), CMS_BINARY));
  if (!cms) return fail(openssl_error("CMS_sign", key.key_name()));
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_CMS(bio.get(), cms.get()) != 1) return fail(openssl_error("PEM_write_bio_CMS", "request"));
  return bio_text(bio.get());
}

Result<std::optional<RequestProof>> verify_request_proof(std::string_view bytes, std::string_view name, const std::vector<Certificate>& roots, TimePoint at) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_size(bytes, name));
  if (bytes.find(cms_begin) == std::string_view::npos) return std::optional<RequestProof>{};
  PGCERTD_TRY(const std::string der, request_der(bytes, name));
  const BioPtr bio = read_only_bio(bytes.substr(bytes.find(cms_begin)));
  const CmsPtr cms(bio ? PEM_read_bio_CMS(bio.get(), nullptr, no_passphrase, nullptr) : nullptr);
  if (!cms) return fail(openssl_error("PEM_read_bio_CMS", name, Errc::parse));
  PGCERTD_TRY(const std::string content, content_of(cms.get(), name));
  if (content != der) return fail(Errc::refused, fmt::format("the signature (CMS) in \"{}\" is over another request", name), "take the file as its host exported it");
  PGCERTD_CHECK(verify_signature(cms.get()));
  PGCERTD_TRY(const auto chain, signer_chain(cms.get()));
  const ChainVerdict verdict = verify_chain(chain, roots, Purpose::server, at);
  if (!verdict.ok)
    return fail(Errc::refused, fmt::format("the request in \"{}\" is signed by \"{}\" (serial {}), which does not verify under this root: {}", name, printable(chain.front().facts().subject, 200), chain.front().facts().serial, verdict.error),
                "if that certificate has ended, let the host export the request without it, and compare the key's SHA-256 by voice");
  return std::optional(RequestProof{chain.front().facts()});
}

}  // namespace pgcertd::x509

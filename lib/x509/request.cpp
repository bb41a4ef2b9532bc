#include "x509/request.hpp"

#include <fmt/format.h>
#include <openssl/pem.h>

#include "x509/asn1.hpp"
#include "x509/extensions.hpp"
#include "x509/handles.hpp"
#include "x509/key_kind.hpp"
#include "x509/openssl_error.hpp"
#include "x509/request_object.hpp"
#include "x509/sign.hpp"

namespace pgcertd::x509 {
namespace {

Result<void> ask_for_names(X509_REQ* request, const Names& names) {
  PGCERTD_TRY(const GeneralNamesPtr general, general_names(names));
  STACK_OF(X509_EXTENSION)* extensions = nullptr;
  const int added = X509V3_add1_i2d(&extensions, NID_subject_alt_name, general.get(), 0, X509V3_ADD_DEFAULT);
  const ExtensionsPtr owner(extensions);
  if (added != 1 || X509_REQ_add_extensions(request, extensions) != 1) return fail(openssl_error("X509_REQ_add_extensions", "request"));
  return {};
}

Result<X509ReqPtr> begin_request(const X509_NAME* subject, const PrivateKey& key) {
  X509ReqPtr request(X509_REQ_new());
  if (!request || X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 || X509_REQ_set_subject_name(request.get(), subject) != 1 ||
      !copy_public_key(X509_REQ_get_X509_PUBKEY(request.get()), key.handle().public_key.get()))
    return fail(openssl_error("X509_REQ_new", "request"));
  return request;
}

Result<std::string> signed_pem(X509_REQ* request, const PrivateKey& key) {
  EVP_PKEY* pair = key.handle().key.get();
  if (X509_REQ_sign(request, pair, signing_digest(pair)) <= 0) return fail(openssl_error("X509_REQ_sign", key.key_name()));
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509_REQ(bio.get(), request) != 1) return fail(openssl_error("PEM_write_bio_X509_REQ", "request"));
  return bio_text(bio.get());
}

Result<void> ask_for_ca(X509_REQ* request) {
  const BasicConstraintsPtr constraints(BASIC_CONSTRAINTS_new());
  if (!constraints) return fail(openssl_error("BASIC_CONSTRAINTS_new", "request"));
  constraints->ca = der_true;
  STACK_OF(X509_EXTENSION)* extensions = nullptr;
  const int added = X509V3_add1_i2d(&extensions, NID_basic_constraints, constraints.get(), 1, X509V3_ADD_DEFAULT);
  const ExtensionsPtr owner(extensions);
  if (added != 1 || X509_REQ_add_extensions(request, extensions) != 1) return fail(openssl_error("X509_REQ_add_extensions", "request"));
  return {};
}

void read_extensions(RequestFacts& facts, X509_REQ* request) {
  const ExtensionsPtr extensions(X509_REQ_get_extensions(request));
  if (!extensions) return;
  const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions.get(), NID_subject_alt_name, nullptr, nullptr)));
  if (names) facts.names = names_of(names.get());
  const BasicConstraintsPtr constraints(static_cast<BASIC_CONSTRAINTS*>(X509V3_get_d2i(extensions.get(), NID_basic_constraints, nullptr, nullptr)));
  facts.asks_for_ca = constraints && constraints->ca != 0;
}

}  // namespace

Result<X509ReqPtr> read_request(std::string_view bytes, std::string_view name) {
  PGCERTD_CHECK(check_size(bytes, name));
  if (!looks_like_pem(bytes)) {
    auto request = from_der_bytes<X509ReqPtr>(bytes, d2i_X509_REQ);
    if (!request) return fail(Errc::parse, fmt::format("\"{}\" is no certificate request, in PEM or in DER ({})", name, drain_errors()));
    return request;
  }
  const BioPtr bio = read_only_bio(bytes);
  X509ReqPtr request(bio ? PEM_read_bio_X509_REQ(bio.get(), nullptr, no_passphrase, nullptr) : nullptr);
  if (!request) return fail(openssl_error("PEM_read_bio_X509_REQ", name, Errc::parse));
  return request;
}

RequestFacts request_facts(X509_REQ* request) {
  RequestFacts facts;
  facts.subject = name_text(X509_REQ_get_subject_name(request));
  facts.common_name = common_name_of(X509_REQ_get_subject_name(request));
  facts.spki_sha256 = spki_sha256(X509_REQ_get_X509_PUBKEY(request));
  EVP_PKEY* key = X509_REQ_get0_pubkey(request);
  KeyKind kind = key_kind(key);
  facts.key_type = kind.type;
  facts.key_name = std::move(kind.name);
  facts.signature_ok = key && X509_REQ_verify(request, key) == 1;
  read_extensions(facts, request);
  return facts;
}

Result<std::string> make_request_pem(const PrivateKey& key, const Names& names) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_names(names));
  PGCERTD_TRY(const X509NamePtr subject, leaf_subject(names));
  PGCERTD_TRY(const X509ReqPtr request, begin_request(subject.get(), key));
  PGCERTD_CHECK(ask_for_names(request.get(), names));
  return signed_pem(request.get(), key);
}

Result<std::string> make_client_request_pem(const PrivateKey& key, std::string_view role) {
  const CleanErrorQueue clean;
  PGCERTD_TRY(const X509NamePtr subject, client_subject(role));
  PGCERTD_TRY(const X509ReqPtr request, begin_request(subject.get(), key));
  return signed_pem(request.get(), key);
}

Result<std::string> make_ca_request_pem(const PrivateKey& key, std::string_view common_name) {
  const CleanErrorQueue clean;
  PGCERTD_TRY(const X509NamePtr subject, ca_subject(common_name));
  PGCERTD_TRY(const X509ReqPtr request, begin_request(subject.get(), key));
  PGCERTD_CHECK(ask_for_ca(request.get()));
  return signed_pem(request.get(), key);
}

Result<RequestFacts> parse_request(std::string_view bytes, std::string_view name) {
  const CleanErrorQueue clean;
  PGCERTD_TRY(const X509ReqPtr request, read_request(bytes, name));
  return request_facts(request.get());
}

}  // namespace pgcertd::x509

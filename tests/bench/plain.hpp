// The least that libcrypto and the kernel need for a certificate and for a file that outlives a power cut: what tests/bench sets
// pgcertd's own parts beside.
#pragma once

#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

namespace plain {

[[noreturn]] inline void give_up(const std::string& why) {
  (void)std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* pointer) const { Free(pointer); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, FreeWith<X509_free>>;
using Bio = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;

inline Cert plain_certificate(EVP_PKEY* subject, EVP_PKEY* ca_key, X509* ca) {
  static long serial = 1;
  Cert out(X509_new());
  (void)X509_set_version(out.get(), X509_VERSION_3);
  (void)ASN1_INTEGER_set(X509_get_serialNumber(out.get()), ++serial);
  (void)X509_gmtime_adj(X509_getm_notBefore(out.get()), -60);
  (void)X509_gmtime_adj(X509_getm_notAfter(out.get()), 86400L * 90);
  (void)X509_set_pubkey(out.get(), subject);
  (void)X509_NAME_add_entry_by_txt(X509_get_subject_name(out.get()), "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("db1.example.org"), -1, -1, 0);
  (void)X509_set_issuer_name(out.get(), X509_get_subject_name(ca == nullptr ? out.get() : ca));
  X509V3_CTX context;
  X509V3_set_ctx(&context, ca == nullptr ? out.get() : ca, out.get(), nullptr, nullptr, 0);
  const auto add = [&](int nid, const char* value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    (void)X509_add_ext(out.get(), extension, -1);
    X509_EXTENSION_free(extension);
  };
  add(NID_basic_constraints, ca == nullptr ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add(NID_subject_key_identifier, "hash");
  if (ca != nullptr) {
    add(NID_authority_key_identifier, "keyid");
    add(NID_subject_alt_name, "DNS:db1.example.org,IP:10.0.0.5");
    add(NID_ext_key_usage, "serverAuth");
  }
  (void)X509_sign(out.get(), ca_key, EVP_sha256());
  return out;
}

struct PlainCa {
  Key key{EVP_EC_gen("P-256")};
  Cert certificate = plain_certificate(key.get(), key.get(), nullptr);
};

inline std::pair<Key, Cert> plain_issue(const PlainCa& ca) {
  Key key(EVP_EC_gen("P-256"));
  Cert leaf = plain_certificate(key.get(), ca.key.get(), ca.certificate.get());
  if (X509_verify(leaf.get(), ca.key.get()) != 1) give_up("the plain certificate does not verify");
  return {std::move(key), std::move(leaf)};
}

inline std::string pem_of(const Bio& bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

inline void put_durably(const std::string& directory, const std::string& name, const std::string& bytes) {
  const std::string path = directory + "/" + name, fresh = path + ".new";
  const int fd = ::open(fresh.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0 || ::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) || ::fsync(fd) != 0) give_up("write " + fresh);
  (void)::close(fd);
  if (::rename(fresh.c_str(), path.c_str()) != 0) give_up("rename " + fresh);
  const int parent = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (::fsync(parent) != 0) give_up("fsync " + directory);
  (void)::close(parent);
}

}  // namespace plain

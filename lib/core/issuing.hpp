// What passes between a cluster and its issuer: submit(request) → Issued | Pending | Refused, and the issuer's own state.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/shared_text.hpp"
#include "base/time.hpp"
#include "core/cert.hpp"

namespace pgcertd {

// Idempotent by (issuer, spki_sha256, profile): asking again finds the same certificate.
struct LeafRequest {
  std::string cluster;
  std::string spki_sha256;
  std::string request_pem;            // PKCS#10, proves possession of the key
  Names names;
  Duration lifetime{};
  std::optional<TimePoint> outlive;   // not_after of the one in use: refuse a certificate that would end earlier
  std::string role{};                 // not empty: a client's certificate for this role, without names
  std::string renews{};               // serial of the one that this is to follow with the same key; empty: the key's first
  std::string proof_pem{};            // CMS over the request by the key of the certificate in use; empty: none, a first enrolment
};

// A request that waits for the root: a cluster's (issuer type offline), or the issuing CA's own.
struct RequestSeen {
  std::string cluster;                // empty: the issuing CA's own
  std::string spki_sha256;
  TimePoint since{};
  bool operator==(const RequestSeen&) const = default;
};
// The same as it is carried to whoever signs it.
struct RequestFile {
  RequestSeen seen;
  std::string subject;
  std::string text;                   // PEM: the request, then its proof where there is one
};

// A client's certificate that an issuer gave out.
struct ClientCertSeen {
  std::string role;
  std::string serial;                 // hex, lower case
  TimePoint not_before{}, not_after{};
  bool revoked = false;
  bool operator==(const ClientCertSeen&) const = default;
};

// Two client certificates that are no one's, kept to show with a handshake whether a server has loaded a CRL: one is good, the
// other stands in the CRL of that number. Their keys never leave the daemon.
struct Canary {
  std::string chain_pem;              // leaf first, then intermediates
  Secret key_pem;
};
struct Canaries {
  Canary good, revoked;
  std::string crl_fingerprint;        // of the CRL in which `revoked` stands for the first time
  TimePoint good_until{};
};

struct Issued {
  std::string chain_pem;              // leaf first, then intermediates, without the root
  std::string root_pem;               // trust anchors
  std::string crl_pem;                // a CRL for each CA in the path, or empty when the set is not complete
  TimePoint issued_at{};
};
struct Pending {
  TimePoint since{};
};
struct Refused {
  Error why;                          // Errc::refused or invalid: final; any other code may heal
};
struct Unknown {};                    // this issuer has never seen the request
// It will never be another answer: a database that could not be read says nothing of the request.
[[nodiscard]] inline bool is_final(const Refused& refused) { return refused.why.code == Errc::refused || refused.why.code == Errc::invalid; }
using IssuerAnswer = std::variant<Unknown, Pending, Issued, Refused>;

struct IssuerSeen {
  std::string name;
  bool available = false;             // a submission now would be answered
  std::string why;                    // the reason and remedy where it is not
  std::string remedy;
  bool key_available = false;
  std::optional<CertFacts> issuing;   // the CA that signs leaves; for self-signed nothing
  std::optional<CertFacts> root;
  std::string root_pem;               // trust anchors as clients need them; empty for self-signed
  std::string issuing_pem;            // the issuing CA's certificate, for "signer changed" and trust checks
  std::optional<CrlFacts> crl;        // the issuing CA's own
  std::optional<CrlFacts> root_crl;
  SharedText crl_pem;                 // the issuing CA's CRL, to see whether the leaf in use is revoked and to publish; or empty
  SharedText root_crl_pem;            // the root's, to publish; or empty
  // A CRL of every CA in the path, the root's first, all of them good at the moment of looking; or empty, and why.
  SharedText crl_set_pem;
  std::vector<CrlFacts> crl_set;
  std::string crl_set_why;
  std::string crl_fault, crl_remedy;  // why no new CRL of the issuing CA can be signed; empty: it can
  std::vector<RequestSeen> requests;            // what waits for the root, oldest first
  std::vector<ClientCertSeen> clients;          // not expired for longer than they are told of, newest first
  std::shared_ptr<const Canaries> canaries;     // once they are wanted
  std::uint64_t issued = 0;           // certificates in the registry, canaries not counted
  std::uint64_t revoked = 0;
  std::map<std::string, std::uint64_t> issued_by_profile, revoked_by_reason;   // "server"; RFC 5280's names
};

// What an issuer that is not available does not show any more stands as it was seen last: a CA whose directory was unmounted ends
// no later than before. Not its set of CRLs, which is for those who install it.
void keep_last_known(IssuerSeen& seen, const IssuerSeen& before);

}  // namespace pgcertd

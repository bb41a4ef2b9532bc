// IssuingCa: an issuing CA's directory with its key in memory. Every serial is in the registry before it is signed, every
// CRL number before it is used; nothing that was revoked is ever published as not revoked. One object a thread.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "ca/ca_directory.hpp"
#include "ca/crl_file.hpp"
#include "core/issuing.hpp"
#include "store/registry.hpp"
#include "x509/certificate.hpp"
#include "x509/private_key.hpp"
#include "x509/sign.hpp"

namespace pgcertd::ca {

// What IssuingCa::revoke() takes, by its names in RFC 5280 5.3.1.
std::span<const std::string_view> revocation_reasons() noexcept;

class IssuingCa {
 public:
  // `passphrase` may be null. An expired CA opens; it refuses to sign.
  static Result<IssuingCa> open(const std::string& directory, const Secret* passphrase, Duration crl_lifetime, std::string crl_url);

  // Idempotent by (SPKI, profile). The end is clamped to the chain; refused when it was clamped and would not outlive
  // request.outlive. A failing CRL does not stop it: Issued::crl_pem is empty then.
  Result<Issued> issue(const LeafRequest& request, TimePoint now);
  // The newest certificate for this key; nullopt: none, or one that a former issuing CA signed. Errc::refused: revoked.
  Result<std::optional<Issued>> find(const std::string& spki_sha256, TimePoint now);
  // Signs a new one when the published one is missing, a day old, or lacks a revocation.
  Result<x509::Crl> current_crl(TimePoint now);
  // Signs a new one, whatever the age of the published one.
  Result<x509::Crl> renew_crl(TimePoint now);
  // For a new certificate of its own, by the same key and name.
  Result<std::string> own_request() const;
  // What the root's side sent back: a certificate that answers own_request(), under the same root, that ends later than the one in
  // use; and CRLs, as import_crls() takes them. Nothing is changed unless all of it is good.
  Result<std::string> import_answer(const std::string& bytes, TimePoint now);
  // Of the root: checked as the CRL gate says, then published. Of this CA: its entries are taken over into a registry that was
  // lost or restored. Nothing is changed unless all of them are good. Says what was done.
  Result<std::string> import_crls(const std::string& bytes, TimePoint now);
  // As it lies on the disk; nullopt: none of this CA.
  [[nodiscard]] Result<std::optional<x509::Crl>> published_crl();
  // Durable in the registry first, then published. The first revocation of a serial stands. `reason` as RFC 5280 names it.
  Result<void> revoke(const std::string& serial, const std::string& reason, TimePoint now);

  // A CRL of every CA in the path, the root's first, all good at `now`; else why there is none.
  Result<std::vector<x509::Crl>> crl_set(TimePoint now);
  // From then on each CRL that is signed revokes a new canary.
  void want_canaries() { canaries_wanted_ = true; }
  // In the current CRL; nullptr where none is wanted or no CRL can be signed.
  std::shared_ptr<const Canaries> canaries(TimePoint now);
  // An error that names a serial which is unknown here, or whose entry belongs into the CRL still.
  Result<void> check_retired(const std::vector<std::string>& serials, TimePoint now);
  // Certificates for clients that have not been over for longer than they are told of, newest first.
  Result<std::vector<ClientCertSeen>> clients(TimePoint now);

  [[nodiscard]] const x509::Certificate& certificate() const { return certificate_; }
  [[nodiscard]] const x509::Certificate& root() const { return root_; }
  [[nodiscard]] Result<std::optional<x509::Crl>> root_crl();
  // An error with its remedy when the CA cannot sign at `now`.
  [[nodiscard]] Result<void> check_usable(TimePoint now) const;
  // False when certificate, anchor or registry on disk are no longer those that were opened.
  [[nodiscard]] bool matches_disk() const;
  // An error when a key in a token can no longer be used: it was taken away, or its session ended.
  [[nodiscard]] Result<void> prove_key() const { return key_.prove(); }
  Result<store::RegistryCounts> counts() { return registry_.counts(); }

 private:
  IssuingCa(IssuingDirectory directory, x509::Certificate certificate, x509::Certificate root, x509::PrivateKey key,
            store::Registry registry, Duration crl_lifetime, std::string crl_url);
  Result<x509::Certificate> sign(const LeafRequest& request, const std::string& profile, TimePoint now);
  Result<Issued> issued_from(const x509::Certificate& leaf, TimePoint issued_at, TimePoint now);
  Result<std::optional<Issued>> known(const std::optional<store::RegistryEntry>& entry, TimePoint now);
  Result<x509::Crl> sign_next_crl(const std::optional<x509::Crl>& published, TimePoint now);
  Result<x509::Crl> sign_crl(const std::optional<x509::Crl>& published, TimePoint now);
  struct Revoked {
    x509::RevokedList list;
    std::uint64_t rows = 0;      // of the registry, of which some may have left the list
  };
  Result<Revoked> list_revoked(const std::optional<x509::Crl>& published, TimePoint now);
  struct KeyedLeaf {
    x509::Certificate leaf;
    x509::PrivateKey key;
  };
  Result<KeyedLeaf> make_canary(TimePoint now);
  Result<x509::Crl> sign_crl_with_canary(const std::optional<x509::Crl>& published, TimePoint now);
  Result<x509::Certificate> sign_as(const LeafRequest& request, const std::string& profile, x509::Validity validity, TimePoint now);
  Canary canary_of(const KeyedLeaf& made) const;
  std::string crl_set_pem(TimePoint now);
  Result<void> check_of_root(const x509::Crl& crl, TimePoint now);
  Result<bool> holds_all_revocations(const x509::Crl& published, TimePoint now);
  Result<std::string> import_parsed(const std::vector<x509::Crl>& crls, TimePoint now);
  Result<std::vector<ClientCertSeen>> read_clients(TimePoint ending_after);
  Result<std::string> import_own(const x509::Crl& crl, TimePoint now);

  IssuingDirectory directory_;
  x509::Certificate certificate_, root_;
  x509::PrivateKey key_;
  store::Registry registry_;
  Duration crl_lifetime_;
  std::string crl_url_;
  CrlFile crl_file_, root_crl_file_;
  struct Complete {
    std::string crl_fingerprint;
    std::uint64_t revoked = 0;   // rows of the registry
    bool operator==(const Complete&) const = default;
  };
  Complete complete_;            // what was last found to hold every revocation
  struct Clients {
    store::Database::Mark mark;  // of the registry when they were read
    TimePoint since{};           // those that ended before are left out
    std::vector<ClientCertSeen> seen;
  };
  std::optional<Clients> clients_;
  bool canaries_wanted_ = false;
  std::shared_ptr<const Canaries> canaries_;
};

}  // namespace pgcertd::ca

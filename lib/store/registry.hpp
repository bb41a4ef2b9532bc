// Registry: what a CA signed, revoked and numbered, in the one file registry.db of its directory. A serial is recorded
// before it is signed, by the root together with what it signed and before that leaves its room; a revocation is final,
// and no row is ever removed (triggers hold both). One object a thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "store/database.hpp"

namespace pgcertd::store {

struct RegistryEntry {
  std::string serial;                  // hex, lower case
  std::string spki_sha256;
  std::string profile;                 // what was asked for: "root-ca", "server dns=… lifetime=…"
  TimePoint recorded_at{};
  std::string der;                     // empty: recorded, and then never signed
  std::optional<TimePoint> issued_at;
  std::optional<TimePoint> not_after;
  std::optional<TimePoint> revoked_at;
  std::string reason;                  // of the revocation, as RFC 5280 names it; may be empty
  bool operator==(const RegistryEntry&) const = default;
};

// Certificates that are nobody's: they show that a CRL is in force.
inline constexpr const char* uncounted_profile = "canary";

struct Revocation {
  std::string serial;                  // hex, lower case
  TimePoint revoked_at{};
  std::string reason;                  // as RFC 5280 names it; may be empty
  std::optional<TimePoint> not_after{};   // of the certificate, where it is known
};
using SeeRevocation = std::function<Result<void>(const Revocation&)>;

struct RegistryCounts {
  std::uint64_t issued = 0;            // with a certificate
  std::uint64_t revoked = 0;
  std::map<std::string, std::uint64_t> issued_by_profile;    // "server", "client"
  std::map<std::string, std::uint64_t> revoked_by_reason;    // as RFC 5280 names it
};

class Registry {
 public:
  // Errc::exists when there is one.
  static Result<Registry> create(const std::string& path);
  // Errc::not_found when there is none; a damaged, empty or foreign file is an error.
  static Result<Registry> open(const std::string& path);
  // A missing or empty file becomes a new one: only where nothing is lost with an old one (self-signed leaves).
  static Result<Registry> open_or_create(const std::string& path);

  Result<void> record_serial(const std::string& serial, const std::string& spki_sha256, const std::string& profile, TimePoint now);
  // Serials with their certificates, many at the cost of one: all, or an error and none.
  struct NewSerial {
    std::string serial, spki_sha256, profile;
  };
  struct NewCertificate {
    std::string serial, der;
    TimePoint not_after{};
  };
  Result<void> record_signed(const std::vector<NewSerial>& serials, const std::vector<NewCertificate>& certificates, TimePoint now);
  // Refused for a serial that was never recorded, or that has its certificate already.
  Result<void> record_certificate(const std::string& serial, const std::string& der, TimePoint not_after, TimePoint now);

  Result<std::optional<RegistryEntry>> find(const std::string& serial);
  // The newest with a certificate.
  Result<std::optional<RegistryEntry>> find(const std::string& spki_sha256, const std::string& profile);
  Result<std::optional<RegistryEntry>> find_by_spki(const std::string& spki_sha256);
  // Whether a certificate of this key was revoked for keyCompromise: the key is in other hands.
  Result<bool> is_compromised(const std::string& spki_sha256);
  Result<std::vector<RegistryEntry>> list();           // oldest first
  // Oldest first, expired ones too, until one is refused. One by one, as there may be a million.
  Result<void> for_each_revoked(const SeeRevocation& see);
  // Counted once after each change: they are asked for at each look, and a million rows take half a second.
  Result<std::uint64_t> revoked_count();               // of the same
  Result<RegistryCounts> counts();                     // without those whose profile begins with `uncounted_profile`
  Result<Database::Mark> mark() { return database_.mark(); }
  // Of profile "client …", with an end after that moment, newest first. Of more than `limit` the newest of each profile that are not
  // revoked are in it before all others.
  Result<std::vector<RegistryEntry>> clients(TimePoint ending_after, std::size_t limit);

  // Errc::not_found for an unknown serial. Revoking again changes nothing.
  Result<void> revoke(const std::string& serial, const std::string& reason, TimePoint now);

  // Takes over revocations of which only a published CRL is left, as `give` hands them on: all of them or none. An unknown serial gets
  // a row without a certificate; one that is revoked already stays as it is.
  Result<void> adopt_revocations(const std::function<Result<void>(const SeeRevocation&)>& give, TimePoint now);

  // A CRL number greater than every one before and at least `at_least`; durable when it is returned.
  Result<std::uint64_t> next_crl_number(std::uint64_t at_least);
  Result<std::uint64_t> crl_number();                  // the highest given out; 0: none

  // False when the path no longer names the file that was opened.
  [[nodiscard]] bool matches_disk() const;

 private:
  Registry(Database database, dev_t device, ino_t inode) : database_(std::move(database)), device_(device), inode_(inode) {}
  static Result<Registry> finish(Database database);
  Result<void> mark_revoked(const std::string& serial, const std::string& reason, TimePoint at);
  Result<void> insert_serial(const NewSerial& serial, TimePoint now);
  Result<void> add_certificates(const std::vector<NewCertificate>& certificates, TimePoint now);
  struct Counted {
    Database::Mark mark;
    RegistryCounts counts;
    std::uint64_t revoked = 0;
  };
  Result<Counted> counted();
  Result<std::vector<RegistryEntry>> select(const std::string& condition, const std::vector<std::string>& values);

  Database database_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::optional<Counted> counted_;
};

}  // namespace pgcertd::store

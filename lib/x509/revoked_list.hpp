// RevokedList: what a CRL is to revoke, written down entry by entry as it will stand there, so that a million of them take no more
// memory than the CRL itself. One thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace pgcertd::x509 {

struct RevokedEntry {
  std::string serial;
  TimePoint revoked_at{};
  std::string reason;             // "keyCompromise", or empty
};

class RevokedList {
 public:
  // An error for a serial or a reason that no CRL can carry; the list is as before.
  Result<void> add(const RevokedEntry& entry);
  [[nodiscard]] std::size_t size() const { return size_; }
  // revokedCertificates without its header: sorted by serial, each serial once, with the first entry that was added. Empties the list.
  std::string take();

 private:
  std::string der_, last_serial_;
  std::string time_;              // of the last entry, in DER
  TimePoint time_at_{};
  std::size_t size_ = 0;
  bool sorted_ = true;            // and no serial twice
};

// CRLReason of RFC 5280 5.3.1 by its name; and the name, or nothing for a code that no CRL of ours has.
Result<int> reason_code(std::string_view name);
std::string reason_name(int code);

}  // namespace pgcertd::x509

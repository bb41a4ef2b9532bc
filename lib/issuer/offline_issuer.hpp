// OfflineIssuer: the root's key stands in a safe elsewhere. Requests wait here until somebody has carried them there and brought
// certificates and CRLs back; those are taken only for a request that waits, and only under the pinned root. Thread-safe: one lock
// around the book of requests.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "ports/issuer.hpp"
#include "store/request_book.hpp"
#include "x509/certificate.hpp"

namespace pgcertd::issuer {

// Whether the key of a request still waits: what a cluster has dropped is not asked for any more.
using StillWaits = std::function<bool(const std::string& spki_sha256)>;

class OfflineIssuer final : public ports::Issuer {
 public:
  OfflineIssuer(IssuerConfig config, std::string book_path, StillWaits still_waits);
  IssuerSeen observe(TimePoint now) override;
  IssuerAnswer lookup(const std::string& spki_sha256, TimePoint now) override;
  IssuerAnswer submit(const LeafRequest& request, TimePoint now) override;
  Result<std::vector<RequestFile>> requests(TimePoint now) override;
  Result<std::string> import_answer(const std::string& bytes, TimePoint now) override;
  Result<std::string> import_crls(const std::string& bytes, TimePoint now) override { return import_answer(bytes, now); }

 private:
  // What is open for one call.
  struct Place {
    x509::Certificate root;
    store::RequestBook* book;
  };
  Result<Place> place();
  Result<std::vector<store::BookedRequest>> waiting(const Place& at);
  Result<Issued> issued_from(const Place& at, const store::BookedRequest& booked, TimePoint now);
  Result<IssuerAnswer> answer_of(const std::string& spki_sha256, TimePoint now);
  Result<void> describe(IssuerSeen& seen, TimePoint now);

  const IssuerConfig config_;
  const std::string book_path_;
  const StillWaits still_waits_;
  std::mutex mutex_;
  std::optional<store::RequestBook> book_;
};

}  // namespace pgcertd::issuer

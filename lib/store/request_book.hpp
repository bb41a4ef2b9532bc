// RequestBook: requests that are carried to a root elsewhere, the certificates that came back for them, and the CRLs beside those,
// in one file. An import is whole or not there. Rows are never removed: they are the marks by which an old bundle is known. One
// object a thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "core/issuing.hpp"
#include "store/database.hpp"

namespace pgcertd::store {

struct BookedRequest {
  LeafRequest request;                       // outlive as it was when it was handed in last
  TimePoint since{};
  std::string chain_pem;                     // leaf first; empty: it waits
  std::string fingerprint_sha256;            // of the leaf
  std::optional<TimePoint> answered_at;
  std::optional<TimePoint> not_before;       // of the leaf
};

struct BookedAnswer {
  std::string spki_sha256, chain_pem, fingerprint_sha256;
  TimePoint not_before{};
};

struct BookedCrl {
  std::string authority_key_id;              // hex, of the CA that signed it
  std::string pem;
};

class RequestBook {
 public:
  // A missing or empty file becomes a new one: what is lost with it is asked for again.
  static Result<RequestBook> open_or_create(const std::string& path);

  // The first time is kept; handed in again, it takes the newer proof and outlive.
  Result<void> put(const LeafRequest& request, TimePoint now);
  Result<std::optional<BookedRequest>> find(const std::string& spki_sha256);
  Result<std::vector<BookedRequest>> waiting();                                  // oldest first
  Result<std::optional<BookedRequest>> newest_answer(const std::string& cluster);   // by notBefore
  Result<std::vector<BookedCrl>> crls();
  // All of it, or an error and nothing.
  Result<void> accept(const std::vector<BookedAnswer>& answers, const std::vector<BookedCrl>& crls, TimePoint now);
  Result<std::uint64_t> answered();

 private:
  explicit RequestBook(Database database) : database_(std::move(database)) {}
  Result<std::vector<BookedRequest>> select(const std::string& condition, const std::string& value);
  Database database_;
};

}  // namespace pgcertd::store

// What came back from an offline root, judged before anything of it is taken: pure, over what is known of the requests.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "store/request_book.hpp"
#include "x509/bundle.hpp"

namespace pgcertd::issuer {

// Looks a request up, and the newest certificate that its cluster has taken.
struct KnownRequest {
  store::BookedRequest booked;
  bool key_waits = false;
  std::optional<store::BookedRequest> newest;
};

struct ImportSeen {
  x509::Certificate root;                                  // the pinned one
  std::vector<x509::Crl> crls;                             // taken before, one a CA
  std::vector<std::pair<std::string, KnownRequest>> requests;   // by SPKI: those that the bundle's certificates are for
};

struct Import {
  std::vector<store::BookedAnswer> answers;
  std::vector<store::BookedCrl> crls;
  std::vector<std::string> words;                          // what is done, and what is left as it is
};

// Errc::refused with the reason: a certificate for another host, key, name or life than was asked for, an old bundle, another root,
// a CRL that is none of this root's or older than the one taken before.
Result<Import> judge_import(const ImportSeen& seen, const x509::Bundle& bundle, TimePoint now);

}  // namespace pgcertd::issuer

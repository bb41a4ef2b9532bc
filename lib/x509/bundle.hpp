// Bundle: certificates and CRLs that came back from a CA in one file, as PEM in any order, as PKCS#7 (RFC 2315; PEM or DER), or
// as one object in DER. Bytes in, objects out; nothing is verified here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "x509/certificate.hpp"

namespace pgcertd::x509 {

struct Bundle {
  std::vector<Certificate> certificates;
  std::vector<Crl> crls;
};

// The line that tells how many objects follow; text before the first block is passed over by every reader of PEM (RFC 7468 5.2).
std::string bundle_head(std::size_t objects);

// Errc::parse: a block that is broken or cut off, or nothing of either kind, or fewer objects than
// its head tells.
Result<Bundle> parse_bundle(std::string_view bytes, std::string_view name);

}  // namespace pgcertd::x509

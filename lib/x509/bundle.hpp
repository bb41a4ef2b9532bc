// Bundle: certificates and CRLs that came back from a CA in one file, as PEM in any order, as PKCS#7 (RFC 2315; PEM or DER), or
// as one object in DER. Bytes in, objects out; nothing is verified here.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "x509/certificate.hpp"

namespace pgcertd::x509 {

struct Bundle {
  std::vector<Certificate> certificates;
  std::vector<Crl> crls;
};

// Errc::parse: a block that is broken or cut off, or nothing of either kind.
Result<Bundle> parse_bundle(std::string_view bytes, std::string_view name);

}  // namespace pgcertd::x509

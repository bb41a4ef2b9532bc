// Any bytes for `pgcertctl inspect`: it says what they are, in words that are safe to print.
#include "fuzz.hpp"
#include "x509/inspect.hpp"

using namespace pgcertd;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using Kind = x509::Inspection::Kind;
  const auto seen = x509::inspect(fuzz::text_of(data, size), from_unix(1767225600));
  require(!x509::to_string(seen.kind).empty());
  // What looks like a certificate and is none has a finding in its place.
  require(seen.kind != Kind::certificate || seen.certificates.size() == 1 || !seen.findings.empty());
  require(seen.kind != Kind::chain || seen.certificates.size() > 1);
  require(seen.kind != Kind::private_key || seen.holds_private_key);
  for (const std::string& finding : seen.findings) fuzz::require_printable(finding);
  return 0;
}

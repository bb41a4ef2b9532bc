#include "core/client_auth.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.hpp"

namespace pgcertd {
namespace {

using Verdict = ClientAuthVerdict;

// Whether the last certificate that the client sends leads to a CA that the server named: then its chain is whole.
bool leads_to_trusted(const ClientAuthSeen& seen) {
  return std::ranges::any_of(seen.sent, [&seen](const CertFacts& facts) { return std::ranges::find(seen.trusted, facts.issuer) != seen.trusted.end(); });
}

std::string trusted_text(const ClientAuthSeen& seen) { return printable(fmt::format("{}", fmt::join(seen.trusted, "; ")), 1000); }

Verdict wanted(const ClientAuthSeen& seen) {
  if (seen.sent.empty())
    return {"no-certificate", "the server wants a client certificate for this role, and none was sent",
            "name the client's files: --cert FILE --key FILE (sslcert and sslkey of libpq)"};
  return {"not-asked", "pg_hba.conf wants a client certificate, and the server asks for none: it has no ssl_ca_file in force",
          "set ssl_ca_file on the server and reload it"};
}

Verdict failed(const ClientAuthSeen& seen) {
  if (seen.sent.empty()) return {"authentication-failed", seen.end.text, "read the server's log: it has the cause"};
  const std::string name = printable(seen.sent.front().common_name);
  if (seen.sent.front().common_name != seen.role)
    return {"name-mismatch", fmt::format("the certificate's common name is \"{}\", the role is \"{}\"", name, printable(seen.role)),
            "use a certificate with the role as its CN, or map the name in pg_ident.conf (map= in the row of pg_hba.conf)"};
  return {"authentication-failed", fmt::format("the server refused the role although the certificate's common name is \"{}\": {}", name, seen.end.text),
          "look for clientname=DN or map= in the row of pg_hba.conf; the server's log has the cause"};
}

Verdict unknown_ca(const ClientAuthSeen& seen) {
  if (seen.trusted.empty()) return {"ca-not-trusted", "the server does not trust the certificate's issuer", "look at the server's ssl_ca_file"};
  if (!leads_to_trusted(seen))
    return {"ca-not-trusted", fmt::format("the certificate was issued by \"{}\", and the server trusts: {}", printable(seen.sent.back().issuer), trusted_text(seen)),
            "use a certificate of one of these, put the missing intermediate into the client's certificate file, or add the CA to the server's ssl_ca_file"};
  return {"chain-or-crl", "the issuer is among those that the server trusts, and the path still does not verify: a CA above it is missing there, or the CRL of one of its CAs",
          "pgcertctl audit on the server: ssl_ca_file needs the whole path, ssl_crl_file a CRL of each CA in it"};
}

Verdict expired(const ClientAuthSeen& seen, TimePoint now) {
  const auto over = std::ranges::find_if(seen.sent, [now](const CertFacts& facts) { return facts.not_after <= now; });
  if (over != seen.sent.end())
    return {"certificate-expired", fmt::format("\"{}\" has ended at {}", printable(over->subject), to_rfc3339(over->not_after)), "issue a new client certificate"};
  return {"crl-expired", "the server says that something has expired, and the certificates sent have not: a CRL in its ssl_crl_file or ssl_crl_dir has, or a CA of its ssl_ca_file",
          "renew the CRL on the server and reload it"};
}

Verdict bad(const ClientAuthSeen& seen, TimePoint now) {
  const auto early = std::ranges::find_if(seen.sent, [now](const CertFacts& facts) { return facts.not_before > now; });
  if (early != seen.sent.end())
    return {"certificate-not-yet-valid", fmt::format("\"{}\" begins at {}", printable(early->subject), to_rfc3339(early->not_before)), "compare the clocks, or wait"};
  return {"certificate-refused", "the server refuses the certificate: " + seen.end.text, "the server's log has the cause; a CRL of the future is one"};
}

struct AlertRow {
  std::string_view text;     // in the reason strings of OpenSSL
  Verdict (*verdict)(const ClientAuthSeen&, TimePoint);
};

constexpr AlertRow alerts[] = {
    {"unknown ca", [](const ClientAuthSeen& seen, TimePoint) { return unknown_ca(seen); }},
    {"certificate expired", expired},
    {"certificate revoked",
     [](const ClientAuthSeen&, TimePoint) { return Verdict{"certificate-revoked", "the certificate, or a CA above it, stands in a CRL of the server", "issue a new client certificate"}; }},
    {"unsupported certificate",
     [](const ClientAuthSeen&, TimePoint) { return Verdict{"wrong-purpose", "the certificate is not for clients (extendedKeyUsage without clientAuth)", "issue a certificate for clients"}; }},
    {"bad certificate", bad},
};

Verdict alerted(const ClientAuthSeen& seen, TimePoint now) {
  for (const AlertRow& row : alerts)
    if (!seen.sent.empty() && seen.end.text.find(row.text) != std::string::npos) return row.verdict(seen, now);
  return {"handshake-refused", seen.end.text, "the server's log has the cause"};
}

}  // namespace

std::optional<ClientAuthVerdict> explain_client_auth(const ClientAuthSeen& seen, TimePoint now) {
  using Kind = LoginEnd::Kind;
  switch (seen.end.kind) {
    case Kind::unknown: return std::nullopt;
    case Kind::admitted: return Verdict{"admitted", {}, {}};
    case Kind::refused_by_hba: return Verdict{"pg-hba", "pg_hba.conf refuses this user over TLS", "add a row for it, or ask as another role"};
    case Kind::certificate_wanted: return wanted(seen);
    case Kind::authentication_failed: return failed(seen);
    case Kind::alert: return alerted(seen, now);
    case Kind::own_side: return Verdict{"own-files", seen.end.text, "libpq wants a key that only its owner reads (0600), and that belongs to the certificate"};
  }
  return std::nullopt;
}

}  // namespace pgcertd

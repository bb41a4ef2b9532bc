// Extensions built as objects, never from configuration strings: a name with a comma or an @section stays one name.
// For this room only.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.hpp"
#include "core/cert.hpp"
#include "x509/openssl_ptr.hpp"

namespace pgcertd::x509 {

// dNSName and iPAddress entries; names that were not checked before are an error, not a surprise.
Result<GeneralNamesPtr> general_names(const Names& names);
// A leaf's subject: CN = the first name, or no RDN at all where it is longer than ub-common-name (64).
Result<X509NamePtr> leaf_subject(const Names& names);
Result<X509NamePtr> ca_subject(std::string_view common_name);
Result<X509NamePtr> client_subject(std::string_view role);     // CN = the role, as PostgreSQL compares it

enum class Critical : bool { no, yes };
Result<void> add_extension(X509* to, int nid, void* value, Critical critical);
Result<void> add_basic_constraints_ca(X509* to, bool path_length_zero);
Result<void> add_basic_constraints_leaf(X509* to);
Result<void> add_key_usage(X509* to, std::initializer_list<int> bits);   // bit numbers of RFC 5280 4.2.1.3
enum class KeyPurpose : std::uint8_t { server, server_and_client, client };
Result<void> add_extended_key_usage(X509* to, KeyPurpose purpose);
Result<void> add_subject_key_id(X509* to);
Result<void> add_subject_alt_name(X509* to, const Names& names, Critical critical);
Result<void> add_crl_url(X509* to, std::string_view url);
// By key id only: issuer and serial would break when a CA is renewed with its key. None where the CA has no key id.
Result<AuthorityKeyIdPtr> authority_key_id(X509* ca);

}  // namespace pgcertd::x509

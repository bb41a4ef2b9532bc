// What the root's side sends back for an issuing CA's request, as the CA's side judges it. Pure but for OpenSSL.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/time.hpp"
#include "x509/bundle.hpp"
#include "x509/certificate.hpp"

namespace pgcertd::ca {

// The certificate for the key with that SHA-256. Errc::refused: none of them is.
Result<x509::Certificate> answer_for(const x509::Bundle& bundle, const std::string& spki_sha256);
// Errc::refused: no CA's, another subject than asked for, or not under this root at `now`.
Result<void> check_answer(const x509::Certificate& answer, const std::string& subject, const x509::Certificate& root, TimePoint now);

}  // namespace pgcertd::ca

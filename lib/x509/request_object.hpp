// PKCS#10 as OpenSSL's object, for signing and inspecting. For this room only.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "x509/openssl_ptr.hpp"
#include "x509/request.hpp"

namespace pgcertd::x509 {

Result<X509ReqPtr> read_request(std::string_view bytes, std::string_view name);
RequestFacts request_facts(X509_REQ* request);

}  // namespace pgcertd::x509

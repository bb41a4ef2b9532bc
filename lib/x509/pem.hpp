// Whether bytes are PEM at all, as our parsers tell it from DER. PostgreSQL reads nothing else.
#pragma once

#include <string_view>

namespace pgcertd::x509 {

bool looks_like_pem(std::string_view bytes);

}  // namespace pgcertd::x509

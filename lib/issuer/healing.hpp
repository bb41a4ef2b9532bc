// For this room only.
#pragma once

#include "base/error.hpp"

namespace pgcertd::issuer {

// A place that cannot be opened says nothing of the request: such an answer must not be taken for a final one.
inline Error healing(Error error) {
  if (error.code == Errc::refused || error.code == Errc::invalid) error.code = Errc::not_found;
  return error;
}

}  // namespace pgcertd::issuer

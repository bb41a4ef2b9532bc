#include "engine/key_maker.hpp"

#include "x509/request.hpp"

namespace pgcertd::engine {

Result<ports::NewKey> KeyMaker::make(KeyType type, const Names& names) {
  PGCERTD_TRY(const x509::PrivateKey key, x509::PrivateKey::generate(type, cancelled_));
  PGCERTD_TRY(std::string request, x509::make_request_pem(key, names));
  return ports::NewKey{key.to_pem(), std::move(request), key.spki_sha256()};
}

}  // namespace pgcertd::engine

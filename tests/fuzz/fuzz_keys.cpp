// Any bytes as a private key, with and without a passphrase: refused, or a key that is written and read back as the same.
#include <set>

#include "fuzz.hpp"
#include "x509/sign.hpp"
#include "x509/verify.hpp"

using namespace pgcertd;
using fuzz::require;

namespace {

// A certificate of another key.
const x509::Certificate& stranger() {
  static const x509::Certificate made = [] {
    const auto key = x509::PrivateKey::generate(KeyType::ecdsa_p256);
    return x509::make_root(*key, "fuzz", "4a", {from_unix(1767225600), from_unix(1767312000)}).value();
  }();
  return made;
}

void judge(const x509::PrivateKey& key) {
  const Secret pem = key.to_pem();
  require(!pem.empty());
  const auto again = x509::PrivateKey::parse(pem.view(), "again");
  require(again && again->spki_sha256() == key.spki_sha256() && again->type() == key.type());
  require(!x509::is_encrypted_key(pem.view()));
  require(!x509::key_matches(key, stranger()));
  // A TLS context costs more than all else here: once for each key.
  static std::set<std::string> loaded;
  if (loaded.insert(key.spki_sha256()).second) require(!x509::loads_as_server(stranger().pem(), pem));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::text_of(data, size);
  const Secret passphrase("fuzz");
  const auto bare = x509::PrivateKey::parse(bytes, "server.key");
  if (bare)
    judge(*bare);
  else
    fuzz::require_printable(bare.error().text());
  if (!bare && x509::is_encrypted_key(bytes))
    if (const auto opened = x509::PrivateKey::parse(bytes, "server.key", &passphrase)) judge(*opened);
  return 0;
}

// KeyMaker: ports::Keys over lib/x509. Any thread.
#pragma once

#include <functional>

#include "ports/keys.hpp"

namespace pgcertd::engine {

class KeyMaker final : public ports::Keys {
 public:
  // `cancelled` is asked while an RSA key is searched for, so that a stop does not wait for it.
  explicit KeyMaker(std::function<bool()> cancelled) : cancelled_(std::move(cancelled)) {}
  Result<ports::NewKey> make(KeyType type, const Names& names) override;

 private:
  std::function<bool()> cancelled_;
};

}  // namespace pgcertd::engine

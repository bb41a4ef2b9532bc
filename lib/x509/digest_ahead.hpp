// DigestAhead: the digest of a large tbsCertList, taken in a thread of its own while the entries are walked: each takes about as long as
// the other. For this room only.
#pragma once

#include <openssl/evp.h>

#include <future>
#include <string>
#include <string_view>

namespace pgcertd::x509 {

class DigestAhead {
 public:
  DigestAhead() = default;   // of nothing

  // `bytes` must outlive it. Where they are few, or no thread can be had, it is one of nothing, too.
  DigestAhead(std::string_view bytes, const EVP_MD* digest);

  // Waits for it. Empty: whoever needs it has to take it himself. Any thread.
  [[nodiscard]] std::string get() const;

 private:
  std::shared_future<std::string> taken_;   // its end waits for the thread
};

}  // namespace pgcertd::x509

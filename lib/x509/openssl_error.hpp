// OpenSSL's error queue, which belongs to the thread, as text. Each public function of the room opens with a
// CleanErrorQueue, so that an old error is never taken for a new one and none is left for libpq or libssl to find.
#pragma once

#include <openssl/err.h>

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace pgcertd::x509 {

class CleanErrorQueue {
 public:
  CleanErrorQueue() { ERR_clear_error(); }
  ~CleanErrorQueue() { ERR_clear_error(); }
  CleanErrorQueue(const CleanErrorQueue&) = delete;
  CleanErrorQueue& operator=(const CleanErrorQueue&) = delete;
};

// The reason of the oldest entry, which is the one that PostgreSQL logs ("key values mismatch"); the queue is emptied.
std::string first_reason();
// Each entry once, oldest first, "; " between; the queue is emptied.
std::string drain_errors();
// "CALL \"OBJECT\": reasons", from the queue.
Error openssl_error(std::string_view call, std::string_view object, Errc code = Errc::crypto);

}  // namespace pgcertd::x509

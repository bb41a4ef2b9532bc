// Port to what is fetched over HTTP: from configured URLs only, within bounds of time and size. Blocks; any thread.
#pragma once

#include <string>

#include "base/result.hpp"

namespace pgcertd::ports {

// What was learnt of the last answer, so that an unchanged file is not sent again (RFC 9110 13.1).
struct FetchRequest {
  std::string url;
  std::string etag{}, last_modified{};
};

struct FetchAnswer {
  bool not_modified = false;      // then there is no body
  std::string body;
  std::string etag, last_modified;
};

class Fetch {
 public:
  virtual ~Fetch() = default;
  virtual Result<FetchAnswer> get(const FetchRequest& request) = 0;
};

}  // namespace pgcertd::ports

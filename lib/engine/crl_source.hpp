// CrlSource: the CRLs of another CA, fetched from configured URLs and kept. What is fetched takes the place of what is kept only when
// it is whole, in date and follows it; else that stays, and the trouble is told. One thread.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "core/config.hpp"
#include "core/trust.hpp"
#include "ports/fetch.hpp"

namespace pgcertd::engine {

class CrlSource {
 public:
  using Keep = std::function<Result<void>(const std::string& pem)>;
  // `kept`: what was kept before, as PEM; may be empty or spoiled.
  CrlSource(CrlSourceConfig config, ports::Fetch& fetch, Keep keep, const std::string& kept);

  // Fetches, and says when to do so again.
  TimePoint tick(TimePoint now);
  [[nodiscard]] const OtherCrls& seen() const { return seen_; }

 private:
  struct Validators {
    std::string etag, last_modified;
  };
  Result<void> fetch_from(const std::string& url, TimePoint now);
  Result<void> accept(const std::string& bytes, TimePoint now);
  [[nodiscard]] TimePoint next_look(TimePoint now) const;

  const CrlSourceConfig config_;
  ports::Fetch& fetch_;
  const Keep keep_;
  OtherCrls seen_;
  std::map<std::string, Validators> validators_;   // by URL
  std::uint32_t failures_ = 0;                     // in a row
};

}  // namespace pgcertd::engine

#include "issuer/make_issuer.hpp"

#include <fmt/format.h>

namespace pgcertd::issuer {
namespace {

// An issuer whose answers would come from the root's visits, which this version does not take part in.
class OfflineIssuer final : public ports::Issuer {
 public:
  explicit OfflineIssuer(std::string name) : name_(std::move(name)) {}
  IssuerSeen observe(TimePoint) override {
    const Error error = why();
    IssuerSeen seen;
    seen.name = name_;
    seen.why = error.what;
    seen.remedy = error.remedy;
    return seen;
  }
  IssuerAnswer lookup(const std::string&, TimePoint) override { return Unknown{}; }
  IssuerAnswer submit(const LeafRequest&, TimePoint) override { return Refused{why()}; }

 private:
  // Errc::not_found: a later version may answer the same request.
  [[nodiscard]] Error why() const {
    return make_error(
        Errc::not_found,
        fmt::format("issuer {}: type \"offline\" needs requests that are carried to the root, which this version cannot do", name_),
        "use type = \"local\" with an issuing CA, or type = \"self-signed\"");
  }
  const std::string name_;
};

}  // namespace

std::unique_ptr<ports::Issuer> make_issuer(const IssuerConfig& config, const std::string& state_directory, KeyOf key_of,
                                           SecretResolver resolve) {
  switch (config.type) {
    case IssuerType::local: {
      IssuerConfig complete = config;
      if (complete.directory.empty()) complete.directory = state_directory + "/ca";
      return std::make_unique<LocalIssuer>(std::move(complete), std::move(resolve));
    }
    case IssuerType::self_signed:
      return std::make_unique<SelfSignedIssuer>(config.name, fmt::format("{}/self-signed-{}.db", state_directory, config.name),
                                                std::move(key_of));
    case IssuerType::offline: break;
  }
  return std::make_unique<OfflineIssuer>(config.name);
}

}  // namespace pgcertd::issuer

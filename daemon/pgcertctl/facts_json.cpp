#include "pgcertctl/facts_json.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace pgcertd::ctl {
namespace {

using Json = nlohmann::ordered_json;

Json moment(TimePoint at) { return to_rfc3339(at); }

Json names(const Names& all) {
  Json list = Json::array();
  for (const std::string& name : all.dns) list.push_back(printable(name));
  for (const std::string& name : all.ip) list.push_back(printable(name));
  return list;
}

}  // namespace

Json to_json(const CertFacts& facts) {
  return {{"serial", facts.serial},
          {"fingerprint_sha256", facts.fingerprint_sha256},
          {"spki_sha256", facts.spki_sha256},
          {"subject", printable(facts.subject)},
          {"issuer", printable(facts.issuer)},
          {"names", names(facts.names)},
          {"not_before", moment(facts.not_before)},
          {"not_after", moment(facts.not_after)},
          {"key_type", facts.key_name},
          {"signature_algorithm", printable(facts.signature_algorithm)},
          {"is_ca", facts.is_ca},
          {"self_signed", facts.self_signed}};
}

Json to_json(const CrlFacts& facts) {
  return {{"issuer", printable(facts.issuer)},
          {"number", facts.number.empty() ? Json(nullptr) : Json(printable(facts.number))},
          {"this_update", moment(facts.this_update)},
          {"next_update", facts.next_update ? moment(*facts.next_update) : Json(nullptr)},
          {"revoked", facts.revoked},
          {"fingerprint_sha256", facts.fingerprint_sha256}};
}

}  // namespace pgcertd::ctl

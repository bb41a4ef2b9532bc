// Facts of certificates and CRLs as JSON, with the names that the HTTP interface gives them. Text is made printable.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "core/cert.hpp"

namespace pgcertd::ctl {

nlohmann::ordered_json to_json(const CertFacts& facts);
nlohmann::ordered_json to_json(const CrlFacts& facts);

}  // namespace pgcertd::ctl

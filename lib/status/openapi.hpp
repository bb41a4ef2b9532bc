// /openapi.json: the HTTP interface as OpenAPI 3.1. Pure.
#pragma once

#include <string>

#include "status/facts.hpp"

namespace pgcertd::status {

std::string openapi_json(const BuildInfo& build);
// JSON Schema 2020-12 of /v1/status.
std::string status_schema_json();

}  // namespace pgcertd::status

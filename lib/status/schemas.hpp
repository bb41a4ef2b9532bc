// The shapes of the JSON answers as JSON Schema 2020-12, which OpenAPI 3.1 uses. A test holds them against a real daemon's
// answers, and no property may come that they do not name. Private to this room.
#pragma once

#include <string_view>

namespace pgcertd::status {

// An object: its members are the schemas by name; references are "#/components/schemas/NAME".
std::string_view schemas_text() noexcept;

}  // namespace pgcertd::status

#include "core/generation.hpp"

namespace pgcertd {

std::string_view to_string(Origin origin) noexcept {
  switch (origin) {
    case Origin::issued: return "issued";
    case Origin::adopted: return "adopted";
    case Origin::rolled_back: return "rolled-back";
    case Origin::refreshed: return "refreshed";
  }
  return "issued";
}

std::optional<Origin> parse_origin(std::string_view text) noexcept {
  for (const Origin origin : {Origin::issued, Origin::adopted, Origin::rolled_back, Origin::refreshed})
    if (to_string(origin) == text) return origin;
  return std::nullopt;
}

const GenerationSeen* GenerationsSeen::find(const std::string& id) const {
  for (const GenerationSeen& generation : all)
    if (generation.id == id) return &generation;
  return nullptr;
}

}  // namespace pgcertd

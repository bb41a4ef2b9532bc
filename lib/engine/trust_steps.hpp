// The executor's steps about anchors and CRLs. Private to the executor's files.
#pragma once

#include <string>

#include "engine/step.hpp"

namespace pgcertd::engine {

// Once the server's settings name our anchors and CRLs, no generation may lack them: it would not load. The issuer's set is the
// newest; where it has none, what is installed stays, whatever its age.
Result<void> add_trust(Step& s, GenerationContent& content);
// The live pair once more, with the newest set; refused where an entry would be gone before its certificate's end.
Result<void> refresh(Step& s);
void note_trust_trouble(Step& s, const std::string& message, const std::string& remedy);
// "1, 7": of the root, then of the issuing CA.
std::string crl_numbers(const GenerationSeen& generation);

}  // namespace pgcertd::engine

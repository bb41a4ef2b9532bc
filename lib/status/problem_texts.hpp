// The texts of docs/problems, as the build has put them into the program. Private to this room.
#pragma once

#include <span>
#include <string_view>

namespace pgcertd::status {

struct ProblemText {
  std::string_view name;        // of the file, without ".md"
  std::string_view markdown;
};
std::span<const ProblemText> problem_texts() noexcept;

}  // namespace pgcertd::status

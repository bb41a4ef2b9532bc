// Checked: what doctor found of one thing.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "cli/remedy.hpp"

namespace pgcertd::ctl {

enum class Verdict : std::uint8_t { good, bad, waits, unknown };   // waits: for a person, as it should

struct Checked {
  std::string what;
  Verdict verdict = Verdict::good;
  std::string words, remedy;
};

inline Checked good(std::string what, std::string words) { return {std::move(what), Verdict::good, std::move(words), {}}; }
inline Checked bad(std::string what, const Error& error) { return {std::move(what), Verdict::bad, error.text(), cli::remedy_of(error)}; }

}  // namespace pgcertd::ctl

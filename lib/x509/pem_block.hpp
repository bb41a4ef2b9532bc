// PEM without a BIO: blocks as OpenSSL writes them are read and written at once, with no copy beside the result; whatever else a file
// may hold is left to OpenSSL. For this room only.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pgcertd::x509 {

// As PEM_write_bio does: lines of 64.
std::string pem_text(std::string_view label, std::string_view der);
// How much that is, but for the lines at its ends.
constexpr std::size_t pem_size(std::size_t der) { return (der + 47) / 48 * 65; }

// How many bytes at the front are lines that begin no block, and that OpenSSL passes over.
std::size_t text_before_block(std::string_view bytes);

struct PemBlock {
  std::string der;
  std::size_t size = 0;          // of the text that it was read from
};
// The block that `bytes` begin with: of this label, without headers, in full lines of 64. nullopt: it is not of that form.
std::optional<PemBlock> read_pem_block(std::string_view bytes, std::string_view label);

// What the one block says that `bytes` are, taken from them: decoded where it stands, so that a large one needs no room beside it.
// nullopt: they are something else, and still say it.
std::optional<std::string> take_only_block(std::string& bytes, std::string_view label);

// More blocks than any bundle has are refused: each costs a signature check.
Result<void> check_room_for_block(std::size_t read, std::string_view name);
// When OpenSSL finds no more: because there are none, and not because the next is broken; and there was one at all.
Result<void> check_end_of_blocks(std::size_t read, std::string_view what, std::string_view name);

}  // namespace pgcertd::x509

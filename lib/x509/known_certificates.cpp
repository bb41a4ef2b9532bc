#include "x509/known_certificates.hpp"

#include <cstddef>
#include <string>

#include "base/last_few.hpp"

namespace pgcertd::x509 {
namespace {

constexpr std::size_t most = 32;

// A server's certificate file may hold its key, too, which must not stay in memory: only what is certificates and nothing else is kept.
bool is_public(std::string_view bytes, std::size_t certificates) {
  constexpr std::string_view begin = "-----BEGIN ";
  std::size_t blocks = 0;
  for (auto at = bytes.find(begin); at != std::string_view::npos; at = bytes.find(begin, at + begin.size())) ++blocks;
  return blocks == certificates && bytes.find("PRIVATE KEY") == std::string_view::npos;
}

// A bundle of the whole web's roots is no text of ours, and not read at each look.
constexpr std::size_t largest = 32U << 10U;

}  // namespace

Result<std::vector<Certificate>> known_certificates(std::string_view bytes, std::string_view name) {
  // By the bytes and not their hash: a comparison is cheaper, and nobody can make two that collide.
  static LastFew<std::string, std::vector<Certificate>> known(most);
  if (auto said = known.find(bytes)) return std::move(*said);
  auto read = parse_certificates(bytes, name);   // an error is not remembered: it names the file
  if (read && bytes.size() <= largest && is_public(bytes, read->size())) known.keep(std::string(bytes), *read);
  return read;
}

Result<Certificate> known_certificate(std::string_view der) {
  static LastFew<std::string, Certificate> known(most);
  if (auto said = known.find(der)) return std::move(*said);
  auto read = Certificate::from_der(der);
  if (read && der.size() <= largest) known.keep(std::string(der), *read);
  return read;
}

}  // namespace pgcertd::x509

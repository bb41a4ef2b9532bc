// Any text as conninfo, read by our own parser and by libpq: where both read it they read the same, and what we let into a
// configuration holds no secret and reaches nobody over the network without verify-full.
#include <libpq-fe.h>

#include <map>
#include <memory>
#include <optional>

#include "config/conninfo.hpp"
#include "fuzz.hpp"
#include "postgres/conninfo.hpp"

using namespace pgcertd;
using fuzz::require;

namespace {

using Values = std::map<std::string, std::string>;

std::optional<Values> as_libpq_reads_it(const std::string& text) {
  char* reason = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(text.c_str(), &reason),
                                                                             PQconninfoFree);
  PQfreemem(reason);
  if (!options) return std::nullopt;
  Values out;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option)
    if (option->val != nullptr) out[option->keyword] = option->val;
  return out;
}

void judge(const postgres::Conninfo& conninfo) {
  const auto parameters = conninfo.parameters();
  require(!conninfo.targets.empty() && !parameters.contains("password") && !parameters.contains("service"));
  require(parameters.at("requirepeer") == "postgres");
  for (const auto& target : conninfo.targets)
    if (target.kind == postgres::Target::Kind::remote)
      require(parameters.contains("sslmode") && parameters.at("sslmode") == "verify-full");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  const auto ours = config::conninfo_values(text);
  const bool checked = config::checked_conninfo(text).has_value();
  const auto theirs = as_libpq_reads_it(text);
  if (checked && theirs) {
    for (const char* secret : {"password", "passfile", "service", "sslpassword"}) require(!theirs->contains(secret));
    require(text.find('\0') != std::string::npos || *theirs == *ours);
  }
  if (ours)
    (void)config::server_address(*ours);
  else
    fuzz::require_printable(ours.error().text());
  const auto conninfo = postgres::parse_conninfo(text, "postgres");
  if (conninfo)
    judge(*conninfo);
  else
    fuzz::require_printable(conninfo.error().error.text());
  return 0;
}

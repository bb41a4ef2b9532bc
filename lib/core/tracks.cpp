#include "core/tracks.hpp"

#include <fmt/format.h>

#include <array>

#include "core/ssl_parameters.hpp"

namespace pgcertd {
namespace {

using P = ProblemCode;

constexpr std::array needs{
    NeedRow{Need::absent, "there is no certificate of ours that could be served", P::cert_missing},
    NeedRow{Need::mismatch, "certificate and key do not belong together, or PostgreSQL could not load them", P::cert_key_mismatch},
    NeedRow{Need::expired, "its notAfter, or that of a CA above it, is past", P::cert_expired},
    NeedRow{Need::not_yet_valid, "its notBefore lies in the future", P::cert_not_yet_valid},
    NeedRow{Need::untrusted, "it does not lead to the issuer's root", P::cert_untrusted},
    NeedRow{Need::wrong_names, "a configured name is missing from it", P::cert_name_mismatch},
    NeedRow{Need::revoked, "its issuer has revoked it", P::cert_revoked},
    NeedRow{Need::weak, "its key or signature is too weak, or of another type than configured", P::cert_weak},
    NeedRow{Need::signer_changed, "the issuer signs with another CA now", std::nullopt},
    NeedRow{Need::asked, "an operator asked for a new one", std::nullopt},
    NeedRow{Need::due, "its renewal time has come", std::nullopt},
    NeedRow{Need::none, "nothing is wanted", std::nullopt},
};

constexpr std::array stages{
    StageRow{Stage::published, "a generation is current but no handshake has proved it", "prove it, reload once more, or roll back"},
    StageRow{Stage::staged, "a new generation is complete on disk", "preflight, then swap `current`"},
    StageRow{Stage::issued, "the certificate for a waiting key is there", "write the generation"},
    StageRow{Stage::requested, "a key waits for its certificate", "ask the issuer again"},
    StageRow{Stage::refused, "the last try was refused", "wait for the back-off, then make a new key"},
    StageRow{Stage::proved, "what is served is what is current", "wait for the renewal time"},
    StageRow{Stage::nothing, "nothing has been done yet", "make a key and a request"},
};

}  // namespace

std::string_view to_string(Track track) noexcept {
  switch (track) {
    case Track::leaf: return "leaf";
    case Track::trust: return "trust";
    case Track::files: return "files";
    case Track::settings: return "settings";
  }
  return "leaf";
}

std::string_view to_string(Need need) noexcept {
  switch (need) {
    case Need::absent: return "absent";
    case Need::mismatch: return "mismatch";
    case Need::expired: return "expired";
    case Need::not_yet_valid: return "not_yet_valid";
    case Need::untrusted: return "untrusted";
    case Need::wrong_names: return "wrong_names";
    case Need::revoked: return "revoked";
    case Need::weak: return "weak";
    case Need::signer_changed: return "signer_changed";
    case Need::asked: return "asked";
    case Need::due: return "due";
    case Need::none: return "none";
  }
  return "none";
}

std::string_view to_string(Stage stage) noexcept {
  switch (stage) {
    case Stage::published: return "published";
    case Stage::staged: return "staged";
    case Stage::issued: return "issued";
    case Stage::requested: return "requested";
    case Stage::refused: return "refused";
    case Stage::proved: return "proved";
    case Stage::nothing: return "nothing";
  }
  return "nothing";
}

std::span<const NeedRow> need_table() noexcept { return needs; }
std::span<const StageRow> stage_table() noexcept { return stages; }

std::string tables_markdown() {
  std::string out = "# Needs, stages and problem codes\n\nPrinted by `pgcertd --print-tables`; the order of rows is the order of judgement.\n\n";
  out += "## Needs: why a new certificate is wanted\n\n| need | meaning | problem while it stands |\n|---|---|---|\n";
  for (const NeedRow& r : needs)
    out += fmt::format("| `{}` | {} | {} |\n", to_string(r.need), r.meaning, r.problem ? fmt::format("`{}`", to_string(*r.problem)) : "");
  out += "\n## Stages: how far a new certificate is\n\n| stage | meaning | next step |\n|---|---|---|\n";
  for (const StageRow& r : stages) out += fmt::format("| `{}` | {} | {} |\n", to_string(r.stage), r.meaning, r.step);
  out += "\n## Problem codes\n\n| code | severity at most | meaning | effect on clients |\n|---|---|---|---|\n";
  for (const ProblemRow& r : problem_table())
    out += fmt::format("| `{}` | {} | {} | {} |\n", r.name, to_string(r.severity), r.meaning, r.effect);
  out += "\n## ssl parameters of PostgreSQL 10 and later\n\nAll take a reload; `ssl_library` only tells.\n\n| parameter | since | until | default |\n|---|---|---|---|\n";
  for (const SslParameter& p : ssl_parameters())
    out += fmt::format("| `{}` | {} | {} | {} |\n", p.name, p.since, p.until == 0 ? "" : fmt::to_string(p.until), p.default_value.empty() ? "" : fmt::format("`{}`", p.default_value));
  return out;
}

}  // namespace pgcertd

// Judges a pair as PostgreSQL would load it and as a verify-full client would see it: bytes to LeafJudgement. Pure.
#pragma once

#include <string>

#include "base/secret.hpp"
#include "base/shared_text.hpp"
#include "core/observation.hpp"
#include "core/plan.hpp"

namespace pgcertd::engine {

struct Anchors {
  std::string root_pem;     // trust anchors; empty: the chain cannot be judged and counts as good
  std::string issuing_pem;  // the issuing CA, to tell an incomplete chain from an untrusted one
  SharedText crl_pem;       // the issuer's CRL, or empty
  bool operator==(const Anchors&) const = default;
};

LeafJudgement judge_leaf(const std::string& chain_pem, const Secret& key_pem, const Anchors& anchors, const Names& wanted, TimePoint now);

}  // namespace pgcertd::engine

// Preflight: would PostgreSQL load this staged generation, and would a verify-full client accept it, now and at its next
// renewal? Pure but for what it is given; a refusal here touches nothing live.
#pragma once

#include <string>

#include "core/observation.hpp"
#include "core/plan.hpp"
#include "engine/leaf_judge.hpp"
#include "ports/files.hpp"

namespace pgcertd::engine {

struct PreflightInput {
  const Desired& desired;
  const Observation& seen;
  const GenerationSeen& generation;
  const GenerationContent& content;
  const LeafJudgement& judgement;
  TimePoint now;
};

// Empty: it may be published. Else the first reason against it.
std::string preflight(const PreflightInput& in);
// A reload reads ssl_ca_file and ssl_crl_file too, and one bad file there blocks the new certificate. Empty: they are good.
std::string foreign_files_error(ports::LiveFiles& files, const PostgresSeen& server);

}  // namespace pgcertd::engine

// Audit: settings, files and sessions of one server that work today and are weak, in the way, or a trap; pg_hba.conf is in
// core/hba.hpp. Each finding names the place, the effect and the remedy.
#pragma once

#include <string>
#include <vector>

#include "core/finding.hpp"
#include "core/observation.hpp"
#include "core/plan.hpp"

namespace pgcertd {

std::vector<Finding> audit(const Desired& desired, const Observation& seen);

// What a reload would apply beside the TLS files, one text a change: "work_mem = '1GB' (postgresql.conf:12)". Empty where
// nothing would, or where the files cannot be seen.
std::vector<std::string> pending_changes(const ClusterMemory& memory, const PostgresSeen& server, const ServerDetail& detail);
// Were pg_hba's files written after the server last loaded them? Else their digest is that of the rules in force.
bool written_since_load(const PostgresSeen& server, const ServerDetail& detail);
std::uint64_t digest_of(const std::vector<HbaRule>& rules) noexcept;

// True for the codes that `pgcertctl audit` shows.
bool is_audit_code(ProblemCode code) noexcept;

}  // namespace pgcertd

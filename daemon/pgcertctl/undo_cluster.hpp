// One cluster's part of `setup --undo`: PostgreSQL has the settings and files again that it had before pgcertd, which a handshake
// shows; otherwise it keeps pgcertd's, and the undo fails.
#pragma once

#include "core/memory.hpp"
#include "pgcertctl/setup_steps.hpp"

namespace pgcertd::ctl {

struct UndoCluster {
  Login login;
  ClusterMemory memory;                          // empty where nothing is remembered
  std::string state_directory;
  std::vector<std::string> ca_directories, allowed_directories;

  [[nodiscard]] std::string directory() const { return state_directory + "/clusters/" + login.cluster.name; }
};

Result<StepSeen> look_at_settings(const UndoCluster& undo);
Result<void> give_settings_back(const UndoCluster& undo);

}  // namespace pgcertd::ctl

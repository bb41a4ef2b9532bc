// The steps of `setup`, each of which can look whether it is done already, so that running it again goes on where it stopped.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/load.hpp"
#include "pgcertctl/session.hpp"
#include "pgcertctl/setup_server.hpp"

namespace pgcertd::ctl {

// What a look at a step shows: nothing to do and why, or what there is to do.
struct StepSeen {
  bool done = false;
  std::string words;
};

struct Step {
  std::string title;
  std::function<Result<StepSeen>()> look;
  std::function<Result<void>()> act;
};

struct Host {
  Setup command;
  std::string config_path;
  std::vector<ConfigFile> files;               // as they are; none: there is no configuration yet
  Config config;                               // what they say, or the defaults with command.state_directory
  std::vector<Login> logins;                   // the clusters, under the names that the configuration has or will have
  std::string system_directory;                // empty: systemd is not used on this host
};

// Reads the configuration and finds the clusters. A configuration that is wrong is an error: it is mended first.
Result<Host> look_at_host(const Setup& command, const Globals& globals, std::vector<std::string>& notes);
std::vector<Step> setup_steps(const Host& host, const Session& session);

Result<Config> config_of(const std::vector<ConfigFile>& files);
// As it is now: the steps before have written files.
Result<Config> config_now(const Host& host);
// Nothing is written that would make the configuration as a whole wrong: paths that clash, a server named twice.
Result<void> write_config(const std::string& config_path, const std::string& path, const std::string& text);

std::string cluster_file(const Host& host, const std::string& cluster);
std::string issuer_file(const Host& host);
std::string root_file(const Host& host);
std::string unit_file(const Host& host);
std::string polkit_file(const Host& host);

}  // namespace pgcertd::ctl

// The files that `setup` writes, and how it knows them again: the first line holds a digest of what follows, so that a file
// which somebody has changed since, or wrote himself, is not overwritten.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/config.hpp"
#include "postgres/local_clusters.hpp"

namespace pgcertd::ctl {

enum class FileState : std::uint8_t { absent, ours, changed, foreign };   // changed: ours, with other content since
FileState state_of_text(std::string_view text);
Result<FileState> state_of_file(const std::string& path);

// `text` below the line that marks it. `comment` begins a comment of its language.
std::string marked(std::string_view text, std::string_view comment);

// Written with mode 0644, whole or not at all, its directories made. A file that is not ours, or changed, is Errc::exists.
Result<void> write_own(const std::string& path, const std::string& marked_text);

std::string main_config_text(const std::string& state_directory);
// `names`: written as they are; empty: the daemon takes the host's own full name.
std::string cluster_config_text(const postgres::LocalCluster& cluster, const std::string& role, const std::vector<std::string>& names);
// The issuer of a host whose configuration names none; it is named as its type.
std::string issuer_config_text(const IssuerConfig& issuer);
// `credentials`: lines of the unit. Empty when the unit needs nothing more than it has.
std::string unit_drop_in_text(const Config& config, const std::vector<postgres::LocalCluster>& clusters, const std::string& credentials);
std::string polkit_rule_text(const std::vector<std::string>& units, const std::string& user);
// The units that a rule of ours names.
std::vector<std::string> units_in_rule(std::string_view text);

// keyword='value' as libpq reads it, where the value needs quotes.
std::string conninfo_of(const postgres::LocalCluster& cluster, const std::string& role);

}  // namespace pgcertd::ctl

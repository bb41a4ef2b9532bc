// Lines of PostgreSQL's configuration files (postgresql.conf, conf.d, postgresql.auto.conf), read and written. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pgcertd::postgres {

struct ConfLine {
  std::string name;               // lower case
  std::string value;              // unquoted
  bool operator==(const ConfLine&) const = default;
};

// In the order of the file; include directives are lines like others. What PostgreSQL would refuse is left out.
std::vector<ConfLine> parse_conf(std::string_view text);

// A value in quotes, as write_auto_conf_file() of PostgreSQL does it. Control characters are refused.
Result<std::string> quote_conf(std::string_view value);

// The include_dir of postgresql.conf in which a file `file_name` would have the last word on `names`: the last one, with no
// other include and none of the names after it. As written there (perhaps relative); nullopt: there is none.
std::optional<std::string> winning_include_dir(const std::vector<ConfLine>& lines, const std::vector<std::string>& names);

// pgcertd's own file in that directory: its lines, and its text for given lines.
std::map<std::string, std::string> parse_own_file(std::string_view text);
Result<std::string> own_file_text(const std::map<std::string, std::string>& values, std::string_view cluster_directory);
// The cluster directory that the file's heading names; empty for a file that pgcertd did not write.
std::string own_file_cluster(std::string_view text);

}  // namespace pgcertd::postgres

#include "postgres/restart_way.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "base/text.hpp"
#include "postgres/conf_file.hpp"
#include "postgres/postmaster.hpp"

namespace pgcertd::postgres {
namespace {

std::string link_at(const std::string& path) {
  std::array<char, 4096> buffer{};
  const ssize_t got = readlink(path.c_str(), buffer.data(), buffer.size());
  return got > 0 && static_cast<std::size_t>(got) < buffer.size() ? std::string(buffer.data(), static_cast<std::size_t>(got)) : std::string{};
}

std::string unit_of_process(const std::string& pid) {
  const auto text = read_text_file(fmt::format("/proc/{}/cgroup", pid), 64U << 10);
  return text ? unit_of_cgroup(*text) : std::string{};
}

// A number that was given to another process since is not restarted.
bool is_postgres(pid_t pid) {
  const auto name = read_text_file(fmt::format("/proc/{}/comm", pid), 64);
  return name && *name == "postgres\n";
}

RestartWay none(std::string why) {
  RestartWay way;
  way.why_not = std::move(why);
  return way;
}

RestartWay by_unit(std::string unit) {
  RestartWay way;
  way.kind = RestartWay::Kind::systemd;
  way.unit = std::move(unit);
  return way;
}

// What pg_ctl starts is a child of ours, and would end with our own unit.
RestartWay by_pg_ctl(pid_t pid, const PostgresSeen& server) {
  if (server.server_uid != geteuid()) return none("pg_ctl works only for a daemon that is the server's own user: set restart_command = \"systemd:UNIT\"");
  if (const std::string own = unit_of_process("self"); !own.empty())
    return none(fmt::format("a server that pg_ctl starts would belong to {}, and end with it: set restart_command = \"systemd:UNIT\"", own));
  const std::string program = link_at(fmt::format("/proc/{}/exe", pid));
  if (!program.starts_with('/') || !program.ends_with("/postgres")) return none("the program of the running server cannot be found");
  RestartWay way;
  way.kind = RestartWay::Kind::pg_ctl;
  way.pg_ctl = program.substr(0, program.size() - std::string_view{"postgres"}.size()) + "pg_ctl";
  const std::string error_output = link_at(fmt::format("/proc/{}/fd/2", pid));
  way.log = error_output.starts_with('/') && !error_output.ends_with(" (deleted)") ? error_output : "/dev/null";
  return way;
}

}  // namespace

std::string unit_of_cgroup(const std::string& text) {
  // The last component that is a service: a unit may have groups of its own below it.
  std::string unit;
  std::size_t from = 0;
  while (from < text.size()) {
    const std::size_t end = std::min(text.find_first_of("/\n", from), text.size());
    const std::string part = text.substr(from, end - from);
    if (part.ends_with(".service") && !part.starts_with("user@")) unit = part;
    from = end + 1;
  }
  return unit;
}

std::string RestartWay::text(const std::string& data_directory) const {
  switch (kind) {
    case Kind::systemd: return "systemctl restart " + printable(unit);
    case Kind::pg_ctl: return fmt::format("{} restart -m fast -D {}", printable(pg_ctl), printable(data_directory));
    case Kind::none: break;
  }
  return {};
}

RestartWay find_restart_way(const RestartCommand& command, const PostgresSeen& server) {
  if (command.kind == RestartCommand::Kind::systemd) return by_unit(command.unit);
  const auto pid = postmaster_pid(server.data_directory);
  if (!pid || !is_postgres(*pid)) return none("the running postmaster cannot be found: set restart_command = \"systemd:UNIT\"");
  if (command.kind == RestartCommand::Kind::automatic)
    if (std::string unit = unit_of_process(std::to_string(*pid)); !unit.empty()) return by_unit(std::move(unit));
  return by_pg_ctl(*pid, server);
}

}  // namespace pgcertd::postgres

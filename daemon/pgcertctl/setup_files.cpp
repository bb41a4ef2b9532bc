#include "pgcertctl/setup_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/text.hpp"
#include "ca/durable_file.hpp"
#include "files/manifest.hpp"

namespace pgcertd::ctl {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view mark = " Written by pgcertctl setup, which changes and removes it only while this digest fits: ";

Result<std::string> text_of(const std::string& path) { return ca::read_file(path); }

tl::unexpected<Error> not_ours(const std::string& path, FileState state) {
  const bool changed = state == FileState::changed;
  return fail(Errc::exists, fmt::format("\"{}\" {}", printable(path, 4096), changed ? "was changed since pgcertctl setup wrote it" : "is not a file of pgcertctl setup"),
              "look at it; move it away if it is not needed, then run this again");
}

bool needs_quotes(std::string_view value) { return value.empty() || value.find_first_of(" \t\n'\\") != std::string_view::npos; }

std::string conninfo_value(std::string_view value) {
  if (!needs_quotes(value)) return std::string(value);
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

// A basic string of TOML, which is one of JavaScript too.
std::string text_literal(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    else if (c == '"' || c == '\\') out += {'\\', c};
    else out += c;
  }
  return out + "\"";
}

// systemd.syntax(7): quoted, and a percent sign begins a specifier.
std::string unit_path(std::string_view path) {
  std::string out;
  for (const char c : text_literal(path)) out += c == '%' ? "%%" : std::string(1, c);
  return out;
}

bool inside(const std::string& path, const std::string& directory) { return path == directory || path.starts_with(directory + "/"); }

}  // namespace

FileState state_of_text(std::string_view text) {
  const auto end = text.find('\n');
  const std::string_view first = text.substr(0, end);
  const auto at = first.find(mark);
  if (end == std::string_view::npos || at == std::string_view::npos || at > 2) return FileState::foreign;
  return first.substr(at + mark.size()) == files::sha256_hex(text.substr(end + 1)) ? FileState::ours : FileState::changed;
}

Result<FileState> state_of_file(const std::string& path) {
  const auto text = text_of(path);
  if (!text && text.error().code == Errc::not_found) return FileState::absent;
  if (!text) return fail(Error(text.error()));
  return state_of_text(*text);
}

std::string marked(std::string_view text, std::string_view comment) { return fmt::format("{}{}{}\n{}", comment, mark, files::sha256_hex(text), text); }

Result<void> write_own(const std::string& path, const std::string& marked_text) {
  PGCERTD_TRY(const FileState state, state_of_file(path));
  if (state == FileState::foreign || state == FileState::changed) return not_ours(path, state);
  std::error_code failed;
  fs::create_directories(fs::path(path).parent_path(), failed);
  if (failed) return fail(errno_error("mkdir", fs::path(path).parent_path().string(), failed.value()));
  return ca::replace_file(path, marked_text, 0644);
}

std::string conninfo_of(const postgres::LocalCluster& cluster, const std::string& role) {
  const std::string host = cluster.socket_directory.empty() ? "127.0.0.1" : cluster.socket_directory;
  return fmt::format("host={} port={} dbname=postgres user={}", conninfo_value(host), cluster.port, conninfo_value(role));
}

std::string main_config_text(const std::string& state_directory) {
  return marked(fmt::format("# All settings and their defaults: man pgcertd.toml. Clusters stand in conf.d/.\n\n"
                            "[daemon]\nstate_directory = {}\n",
                            text_literal(state_directory)),
                "#");
}

std::string issuer_config_text(const IssuerConfig& issuer) {
  std::string out = fmt::format("[issuer.{0}]\ntype = \"{0}\"\n", issuer.name);
  if (!issuer.directory.empty()) out += fmt::format("directory = {}\n", text_literal(issuer.directory));
  if (issuer.passphrase) out += fmt::format("# What systemd gives to the unit under this name opens the key.\npassphrase = {}\n", text_literal("credential:" + issuer.passphrase.name));
  if (!issuer.root_certificate.empty()) out += fmt::format("root_certificate = {}\n", text_literal(issuer.root_certificate));
  return marked(out, "#");
}

std::string cluster_config_text(const postgres::LocalCluster& cluster, const std::string& role, const std::vector<std::string>& names) {
  std::string out = fmt::format("# PostgreSQL {} in {}\n\n[cluster.{}]\nconninfo = {}\ndata_directory = {}\n", cluster.major, printable(cluster.data_directory, 4096),
                                cluster.name, text_literal(conninfo_of(cluster, role)), text_literal(cluster.data_directory));
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + text_literal(name);
  out += "# Names that clients write into host=; without this line the host's own full name.\n";
  out += names.empty() ? "#names = [\"db1.example.org\", \"10.0.0.5\"]\n" : fmt::format("# This host has no fully qualified name: add the names that clients use.\nnames = [{}]\n", list);
  // The confined daemon does not see another user's processes, and could not find out by itself.
  if (!cluster.unit.empty()) out += fmt::format("# How it is restarted, where restart allows it.\nrestart_command = {}\n", text_literal("systemd:" + cluster.unit));
  return marked(out, "#");
}

std::string unit_drop_in_text(const Config& config, const std::vector<postgres::LocalCluster>& clusters, const std::string& credentials) {
  std::set<std::string> writable{config.daemon.state_directory};
  for (const auto& [name, issuer] : config.issuers)
    if (!issuer.directory.empty()) writable.insert(issuer.directory);
  for (const std::string& path : config.daemon.allowed_directories) writable.insert(path);
  const std::set<std::string> all = writable;
  std::erase_if(writable, [&](const std::string& path) {
    const auto within = [&](const std::string& other) { return other != path && inside(path, other); };
    return inside(path, "/var/lib/pgcertd") || std::ranges::any_of(all, within);
  });
  std::string out = credentials;
  for (const std::string& path : writable) out += fmt::format("ReadWritePaths={}\n", unit_path(path));
  if (std::ranges::any_of(clusters, [](const auto& cluster) { return inside(cluster.socket_directory, "/tmp") || inside(cluster.socket_directory, "/var/tmp"); }))
    out += "# A server's socket is in /tmp.\nPrivateTmp=no\n";
  return out.empty() ? out : marked("[Service]\n" + out, "#");
}

std::string polkit_rule_text(const std::vector<std::string>& units, const std::string& user) {
  std::string list;
  for (const std::string& unit : units) list += fmt::format("{}{}", list.empty() ? "" : ", ", text_literal(unit));
  return marked(fmt::format("// The daemon may reload and restart just these units, as reload and restart of its configuration say.\n"
                            "polkit.addRule(function(action, subject) {{\n"
                            "  var units = [{}];\n"
                            "  var verb = action.lookup(\"verb\");\n"
                            "  if (action.id == \"org.freedesktop.systemd1.manage-units\" && subject.user == {} &&\n"
                            "      units.indexOf(action.lookup(\"unit\")) >= 0 && (verb == \"reload\" || verb == \"restart\"))\n"
                            "    return polkit.Result.YES;\n"
                            "}});\n",
                            list, text_literal(user)),
                "//");
}

std::vector<std::string> units_in_rule(std::string_view text) {
  std::vector<std::string> out;
  const auto begin = text.find("units = [");
  const auto end = text.find(']', std::min(begin, text.size()));
  if (begin == std::string_view::npos || end == std::string_view::npos) return out;
  std::string_view list = text.substr(begin, end - begin);
  for (auto open = list.find('"'); open != std::string_view::npos; open = list.find('"')) {
    const auto close = list.find('"', open + 1);
    if (close == std::string_view::npos) break;
    out.emplace_back(list.substr(open + 1, close - open - 1));
    list.remove_prefix(close + 1);
  }
  return out;
}

}  // namespace pgcertd::ctl

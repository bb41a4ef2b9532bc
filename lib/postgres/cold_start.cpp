#include "postgres/cold_start.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "base/text.hpp"
#include "postgres/conf_file.hpp"
#include "postgres/conf_text.hpp"
#include "postgres/discovery.hpp"
#include "postgres/program.hpp"

namespace pgcertd::postgres {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 6> wanted_since_10{"ssl", "ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file", "ssl_ciphers"};
constexpr std::array<std::string_view, 2> wanted_since_11{"ssl_passphrase_command", "ssl_passphrase_command_supports_reload"};

struct Asker {
  std::string binary, config_directory;
  Deadline deadline;
  const Cancel& cancel;

  // -C stands first: only then PostgreSQL lets root ask.
  [[nodiscard]] Result<std::string> ask(std::string_view name, const std::string& directory) const {
    PGCERTD_TRY(auto out, run_program({binary, "-C", std::string(name), "-D", directory}, deadline, cancel));
    while (out.ends_with('\n')) out.pop_back();
    return out;
  }
  [[nodiscard]] Result<std::string> ask(std::string_view name) const { return ask(name, config_directory); }
};

Result<int> major_version(const std::string& data_directory) {
  PGCERTD_TRY(const auto text, read_text_file(data_directory + "/PG_VERSION", 64));
  int major = 0;
  std::from_chars(text.data(), text.data() + text.size(), major);
  if (major < 10 || major > 999)
    return fail(Errc::parse, fmt::format("\"{}/PG_VERSION\" says \"{}\"", data_directory, printable(text, 20)), "set data_directory to the data directory of a PostgreSQL 10 or later");
  return major;
}

Result<std::string> find_binary(int major, const std::vector<std::string>& first) {
  auto directories = first;
  directories.insert(directories.end(), {fmt::format("/usr/lib/postgresql/{}/bin", major), fmt::format("/usr/pgsql-{}/bin", major),
                                         "/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"});
  for (const auto& directory : directories)
    if (const auto path = directory + "/postgres"; access(path.c_str(), X_OK) == 0) return path;
  return fail(Errc::not_found, fmt::format("no program \"postgres\" of version {} was found", major),
              fmt::format("install the server's package (postgresql-{}), or start the server once so that pgcertd can ask it", major));
}

bool same_directory(const std::string& a, const std::string& b) {
  std::error_code failed;
  return fs::equivalent(a, b, failed) && !failed;
}

// The directory with postgresql.conf: the data directory, or Debian's whose data_directory is it.
Result<std::string> find_config(const ColdStart& what, int major, const Asker& asker) {
  std::error_code failed;
  if (fs::exists(what.data_directory + "/postgresql.conf", failed)) return what.data_directory;
  const fs::path root = fs::path(what.debian_config_root) / std::to_string(major);
  for (const auto& entry : fs::directory_iterator(root, failed)) {
    if (!fs::exists(entry.path() / "postgresql.conf", failed)) continue;
    const auto named = asker.ask("data_directory", entry.path().string());
    if (named && same_directory(*named, what.data_directory)) return entry.path().string();
  }
  return fail(Errc::not_found, fmt::format("no postgresql.conf for \"{}\", neither there nor below {}", what.data_directory, root.string()),
              "start the server once so that pgcertd can ask it");
}

// ControlFileData begins with the identifier, in the machine's byte order, in all versions. Empty when it may not be read.
std::string identifier_from_control_file(const std::string& data_directory) {
  const auto text = read_text_file(data_directory + "/global/pg_control", 64U << 10);
  std::uint64_t identifier = 0;
  if (!text || text->size() < sizeof identifier) return {};
  std::memcpy(&identifier, text->data(), sizeof identifier);
  return std::to_string(identifier);
}

void read_auto_conf(PostgresSeen& out) {
  const auto text = read_text_file(out.data_directory + "/postgresql.auto.conf");
  if (!text) return;
  for (const auto& line : parse_conf(*text))
    if (line.name.starts_with("ssl")) out.auto_conf[line.name] = line.value;
}

Result<void> read_network(const Asker& asker, PostgresSeen& out) {
  PGCERTD_TRY(const auto port, asker.ask("port"));
  std::from_chars(port.data(), port.data() + port.size(), out.port);
  PGCERTD_TRY(const auto addresses, asker.ask("listen_addresses"));
  out.listen_addresses = split_listen_addresses(addresses);
  return {};
}

Result<void> read_ssl(const Asker& asker, int major, PostgresSeen& out) {
  std::vector<std::string_view> names(wanted_since_10.begin(), wanted_since_10.end());
  if (major >= 11) names.insert(names.end(), wanted_since_11.begin(), wanted_since_11.end());
  for (const auto name : names) {
    PGCERTD_TRY(out.settings[std::string(name)].value, asker.ask(name));
  }
  return {};
}

}  // namespace

Result<PostgresSeen> read_cold(const ColdStart& what, Deadline deadline, const Cancel& cancel) {
  PGCERTD_TRY(const int major, major_version(what.data_directory));
  PGCERTD_TRY(auto binary, find_binary(major, what.binary_directories));
  Asker asker{.binary = std::move(binary), .config_directory = {}, .deadline = deadline, .cancel = cancel};
  PGCERTD_TRY(asker.config_directory, find_config(what, major, asker));
  PostgresSeen out;
  out.known = true;
  out.data_directory = what.data_directory;
  out.config_file = asker.config_directory + "/postgresql.conf";
  PGCERTD_TRY(const auto version, asker.ask("server_version_num"));
  std::from_chars(version.data(), version.data() + version.size(), out.version_num);
  out.version = version_text(out.version_num);
  PGCERTD_CHECK(read_network(asker, out));
  PGCERTD_CHECK(read_ssl(asker, major, out));
  out.system_identifier = identifier_from_control_file(what.data_directory);
  read_auto_conf(out);
  return out;
}

}  // namespace pgcertd::postgres

#include "postgres/local_clusters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/text.hpp"
#include "postgres/account.hpp"
#include "postgres/conf_file.hpp"
#include "postgres/conf_text.hpp"
#include "postgres/postmaster.hpp"
#include "postgres/rows.hpp"

namespace pgcertd::postgres {
namespace {

namespace fs = std::filesystem;
using Settings = std::map<std::string, std::string>;

constexpr int include_depth = 10;                 // PostgreSQL's own limit
constexpr std::size_t small_file = 64U << 10;
constexpr const char* default_socket_directory = "/var/run/postgresql";   // as Debian and RHEL build PostgreSQL

std::vector<std::string> sorted_names(const std::string& directory) {
  std::vector<std::string> out;
  std::error_code failed;   // a directory that is not there or not ours to read has no entries
  for (fs::directory_iterator at(directory, failed), end; !failed && at != end; at.increment(failed)) out.push_back(at->path().filename().string());
  std::ranges::sort(out);
  return out;
}

struct Place {
  std::string data_directory, config_file, name, unit;
};

class Finder {
 public:
  explicit Finder(const HostPlaces& places) : places_(places) {}

  Result<LocalClusters> run() {
    if (!places_.directories.empty()) return by_hand();
    debian();
    red_hat();
    running();
    for (const Place& place : found_) {
      if (auto cluster = look(place)) add(std::move(*cluster));
      else out_.passed_over.push_back(cluster.error().text());
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string on_disk(const std::string& path) const { return places_.root + path; }

  // The path without links, as processes of that root see it; as it was where it does not exist.
  [[nodiscard]] std::string real(const std::string& path) const {
    std::error_code failed;
    std::string full = fs::canonical(on_disk(path), failed).string();
    const std::string root = places_.root.empty() ? std::string() : fs::canonical(places_.root, failed).string();
    if (failed || !full.starts_with(root)) return path;
    return full.substr(root.size());
  }

  void propose(Place place) {
    place.data_directory = real(place.data_directory);
    const bool known = std::ranges::any_of(found_, [&](const Place& other) { return other.data_directory == place.data_directory; });
    if (!known && !place.data_directory.empty()) found_.push_back(std::move(place));
  }

  // /etc/postgresql/VERSION/NAME/postgresql.conf, as pg_lsclusters reads it.
  void debian() {
    const std::string top = "/etc/postgresql";
    for (const std::string& version : sorted_names(on_disk(top)))
      for (const std::string& name : sorted_names(on_disk(fmt::format("{}/{}", top, version)))) {
        const std::string config = fmt::format("{}/{}/{}/postgresql.conf", top, version, name);
        const auto text = read_text_file(on_disk(config));
        if (!text) continue;
        Settings settings;
        collect(parse_conf(*text), config, settings, include_depth);
        const std::string fallback = fmt::format("/var/lib/postgresql/{}/{}", version, name);
        propose({settings.contains("data_directory") ? settings["data_directory"] : fallback, config, name, fmt::format("postgresql@{}-{}.service", version, name)});
      }
  }

  // RHEL's own package has /var/lib/pgsql/data; PGDG's have /var/lib/pgsql/VERSION/data and a unit each.
  void red_hat() {
    const std::string top = "/var/lib/pgsql";
    if (fs::exists(on_disk(top + "/data/PG_VERSION"))) propose({top + "/data", {}, "main", "postgresql.service"});
    for (const std::string& version : sorted_names(on_disk(top)))
      if (parse_major(version) && fs::exists(on_disk(fmt::format("{}/{}/data/PG_VERSION", top, version))))
        propose({fmt::format("{}/{}/data", top, version), {}, "main", fmt::format("postgresql-{}.service", version)});
  }

  // A postmaster stands in its data directory, and its postmaster.pid names it; its children stand there too.
  void running() {
    for (const std::string& pid : sorted_names(on_disk("/proc"))) {
      if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
      const auto command = read_text_file(on_disk("/proc/" + pid + "/comm"), small_file);
      if (!command || (*command != "postgres\n" && *command != "postmaster\n")) continue;
      const std::string directory = working_directory(pid);
      if (directory.empty() || pid_of(directory) != pid) continue;
      propose({directory, {}, fs::path(directory).filename().string(), {}});
    }
  }

  [[nodiscard]] std::string working_directory(const std::string& pid) const {
    std::error_code failed;   // it has ended, or is not ours to look at
    return fs::read_symlink(on_disk("/proc/" + pid + "/cwd"), failed).string();
  }

  [[nodiscard]] std::optional<PostmasterFile> postmaster_file(const std::string& directory) const {
    const auto text = read_text_file(on_disk(directory + "/postmaster.pid"), small_file);
    return text ? parse_postmaster_file(*text) : std::nullopt;
  }

  [[nodiscard]] std::string pid_of(const std::string& directory) const {
    const auto file = postmaster_file(directory);
    return file ? std::to_string(file->pid) : std::string();
  }

  Result<LocalClusters> by_hand() {
    for (std::string directory : places_.directories) {
      while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
      if (!directory.starts_with('/'))
        return fail(Errc::invalid, fmt::format("\"{}\" is no absolute path of a data directory", printable(directory)), "name it from / on");
      PGCERTD_TRY(LocalCluster cluster, look(place_of(directory)));
      add(std::move(cluster));
    }
    return std::move(out_);
  }

  // What the layouts know of a directory that was named by hand.
  Place place_of(const std::string& directory) {
    debian();
    red_hat();
    const std::string path = real(directory);
    for (const Place& place : found_)
      if (place.data_directory == path) return place;
    return {path, {}, fs::path(path).filename().string(), {}};
  }

  Result<LocalCluster> look(const Place& place) {
    LocalCluster out;
    out.data_directory = place.data_directory;
    PGCERTD_TRY(const std::string version, read_text_file(on_disk(place.data_directory + "/PG_VERSION"), small_file));
    const auto major = parse_major(version);
    if (!major)
      return fail(Errc::invalid, fmt::format("\"{}\" is no data directory of PostgreSQL 10 or later: PG_VERSION says \"{}\"", place.data_directory, printable(version, 20)),
                  "name a data directory: SHOW data_directory");
    out.major = *major;
    out.config_file = place.config_file.empty() ? place.data_directory + "/postgresql.conf" : place.config_file;
    out.unit = place.unit;
    out.name = cluster_word(place.name);
    if (const auto owner = owner_of(on_disk(place.data_directory))) out.owner = owner->user;
    from_files(out);
    from_postmaster(out);
    return out;
  }

  void add(LocalCluster cluster) {
    std::vector<std::string> taken;
    for (const LocalCluster& other : out_.clusters) taken.push_back(other.name);
    cluster.name = free_name(cluster.name, cluster, taken);
    out_.clusters.push_back(std::move(cluster));
  }

  // What the files say; postgresql.auto.conf has the last word.
  void from_files(LocalCluster& cluster) const {
    Settings settings;
    for (const std::string& file : {cluster.config_file, cluster.data_directory + "/postgresql.auto.conf"})
      if (const auto text = read_text_file(on_disk(file))) collect(parse_conf(*text), file, settings, include_depth);
    if (const auto port = settings.find("port"); port != settings.end())
      std::from_chars(port->second.data(), port->second.data() + port->second.size(), cluster.port);
    const auto sockets = settings.find("unix_socket_directories");
    const std::string all = sockets == settings.end() ? default_socket_directory : sockets->second;
    cluster.socket_directory = all.substr(0, all.find(','));
    while (cluster.socket_directory.ends_with(' ')) cluster.socket_directory.pop_back();
    const auto ssl = settings.find("ssl");
    cluster.ssl = ssl != settings.end() && (ssl->second == "on" || ssl->second == "true" || ssl->second == "yes" || ssl->second == "1");
  }

  // What the running server wrote itself goes before its files, which may have changed since.
  void from_postmaster(LocalCluster& cluster) const {
    const auto file = postmaster_file(cluster.data_directory);
    if (!file || working_directory(std::to_string(file->pid)) != cluster.data_directory) return;
    cluster.running = true;
    if (file->port != 0) cluster.port = file->port;
    if (file->port != 0) cluster.socket_directory = file->socket_directory;
  }

  // Lines in their order, includes in their place; a later line overrides.
  void collect(const std::vector<ConfLine>& lines, const std::string& file, Settings& into, int depth) const {
    if (depth == 0) return;
    for (const ConfLine& line : lines) {
      const std::string path = line.value.starts_with('/') ? line.value : fs::path(file).parent_path().string() + "/" + line.value;
      if (line.name == "include" || line.name == "include_if_exists") include(path, into, depth);
      else if (line.name == "include_dir") {
        for (const std::string& name : sorted_names(on_disk(path)))
          if (name.ends_with(".conf") && !name.starts_with('.')) include(fmt::format("{}/{}", path, name), into, depth);
      } else into[line.name] = line.value;
    }
  }

  void include(const std::string& path, Settings& into, int depth) const {
    if (const auto text = read_text_file(on_disk(path))) collect(parse_conf(*text), path, into, depth - 1);
  }

  const HostPlaces& places_;
  std::vector<Place> found_;
  LocalClusters out_;
};

}  // namespace

std::optional<int> parse_major(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  int major = 0;
  return whole_number(text, major) && major >= 10 && major < 1000 ? std::optional(major) : std::nullopt;
}

std::string cluster_word(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 63)) {
    const bool upper = c >= 'A' && c <= 'Z', fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    out += upper ? static_cast<char>(c - 'A' + 'a') : fits ? c : '-';
  }
  return out.find_first_not_of('-') == std::string::npos ? "main" : out;
}

std::string free_name(const std::string& wanted, const LocalCluster& cluster, const std::vector<std::string>& taken) {
  const auto is_free = [&](const std::string& name) { return std::ranges::find(taken, name) == taken.end(); };
  const std::string stem = wanted.substr(0, 50);
  for (const std::string& name : {wanted, fmt::format("{}-{}", stem, cluster.major), fmt::format("{}-{}", stem, cluster.port)})
    if (is_free(name)) return name;
  for (int number = 2;; ++number)
    if (std::string name = fmt::format("{}-{}", stem, number); is_free(name)) return name;
}

Result<LocalClusters> find_local_clusters(const HostPlaces& places) { return Finder(places).run(); }

}  // namespace pgcertd::postgres

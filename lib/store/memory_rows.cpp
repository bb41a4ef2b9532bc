#include "store/memory_rows.hpp"

#include <fmt/format.h>

#include <charconv>
#include <concepts>

namespace pgcertd::store {
namespace {

template <class T>
concept Number = std::integral<T> && !std::same_as<T, bool>;

std::string encode(const std::string& value) { return value; }
std::string encode(bool value) { return value ? "1" : "0"; }
std::string encode(Number auto value) { return fmt::to_string(value); }
std::string encode(Duration value) { return fmt::to_string(value.count()); }
std::string encode(TimePoint value) { return encode(value.time_since_epoch()); }
std::string encode(ProblemCode value) { return std::string(to_string(value)); }
std::string encode(ServerFault value) { return std::string(to_string(value)); }

enum class Decoded { good, malformed, unknown };     // unknown: a word of a newer version

Decoded decode(const std::string& text, std::string& value) {
  value = text;
  return Decoded::good;
}
Decoded decode(const std::string& text, bool& value) {
  value = text == "1";
  return text == "1" || text == "0" ? Decoded::good : Decoded::malformed;
}
Decoded decode(const std::string& text, Number auto& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? Decoded::good : Decoded::malformed;
}
Decoded decode(const std::string& text, Duration& value) {
  Duration::rep count = 0;
  const Decoded result = decode(text, count);
  value = Duration{count};
  return result;
}
Decoded decode(const std::string& text, TimePoint& value) {
  Duration since{};
  const Decoded result = decode(text, since);
  value = TimePoint{since};
  return result;
}
Decoded decode(const std::string& text, ProblemCode& value) {
  const auto code = parse_problem_code(text);
  if (!code) return Decoded::unknown;
  value = *code;
  return Decoded::good;
}
Decoded decode(const std::string& text, ServerFault& value) {
  for (int i = 0; i <= static_cast<int>(ServerFault::other); ++i) {
    value = static_cast<ServerFault>(i);
    if (to_string(value) == text) return Decoded::good;
  }
  return Decoded::unknown;                           // left at `other`
}

template <class T>
concept Scalar = requires(const T& value) { encode(value); };

// Both archives keep a path; field() below enters and leaves it.
class Path {
 public:
  std::size_t enter(std::string_view name) {
    const std::size_t before = path_.size();
    if (before != 0) path_ += '.';
    path_ += name;
    return before;
  }
  void leave(std::size_t before) { path_.resize(before); }
  [[nodiscard]] bool at_root() const { return path_.empty(); }

 protected:
  std::string path_;
};

class Writer : public Path {
 public:
  MemoryRows out;

  void seen(std::string_view name) {
    if (at_root()) out.roots.emplace(name);
  }
  template <Scalar T>
  void scalar(T& value) { out.rows[path_] = encode(value); }
  template <class T>
  void presence(std::optional<T>& value) {
    if (value) out.rows[path_ + "?"] = "1";
  }
  template <class C>
  std::size_t count(const C& container) {
    out.rows[path_ + "#"] = fmt::to_string(container.size());
    return container.size();
  }
  static bool take_unknown() { return false; }
};

class Reader : public Path {
 public:
  explicit Reader(const std::map<std::string, std::string>& rows) : rows_(rows) {}
  std::string malformed;                             // the first key whose value is not what it should be

  static void seen(std::string_view) {}
  template <Scalar T>
  void scalar(T& value) {
    const auto row = rows_.find(path_);
    if (row == rows_.end()) return;
    const Decoded result = decode(row->second, value);
    if (result == Decoded::malformed && malformed.empty()) malformed = path_;
    if (result == Decoded::unknown) unknown_ = true;
  }
  template <class T>
  void presence(std::optional<T>& value) {
    if (rows_.contains(path_ + "?")) value.emplace();
    else value.reset();
  }
  template <class C>
  std::size_t count(const C&) {
    const auto row = rows_.find(path_ + "#");
    if (row == rows_.end()) return 0;
    std::size_t count = 0;
    // More elements than rows cannot be: a damaged count must not become a loop without end.
    if (decode(row->second, count) == Decoded::good && count <= rows_.size()) return count;
    if (malformed.empty()) malformed = path_ + "#";
    return 0;
  }
  bool take_unknown() { return std::exchange(unknown_, false); }

 private:
  const std::map<std::string, std::string>& rows_;
  bool unknown_ = false;
};

template <class A, class T>
void visit(A& archive, std::optional<T>& value);
template <class A, class T>
void visit(A& archive, std::vector<T>& values);
template <class A, class T>
void visit(A& archive, std::map<std::string, T>& values);

template <class A, Scalar T>
void visit(A& archive, T& value) { archive.scalar(value); }

template <class A, class T>
void field(A& archive, std::string_view name, T& value) {
  archive.seen(name);
  const std::size_t before = archive.enter(name);
  visit(archive, value);
  archive.leave(before);
}

template <class A>
void visit(A& a, Names& v) {
  field(a, "dns", v.dns);
  field(a, "ip", v.ip);
}
template <class A>
void visit(A& a, Proved& v) {
  field(a, "generation", v.generation);
  field(a, "fingerprint_sha256", v.fingerprint_sha256);
  field(a, "at", v.at);
}
template <class A>
void visit(A& a, RestartAttempt& v) {
  field(a, "fingerprint_sha256", v.fingerprint_sha256);
  field(a, "postmaster_start", v.postmaster_start);
  field(a, "at", v.at);
  field(a, "tries", v.tries);
  field(a, "method", v.method);
}
template <class A>
void visit(A& a, PublishAttempt& v) {
  field(a, "generation", v.generation);
  field(a, "previous", v.previous);
  field(a, "at", v.at);
  field(a, "reloads", v.reloads);
  field(a, "first_reload_at", v.first_reload_at);
  field(a, "last_reload_at", v.last_reload_at);
}
template <class A>
void visit(A& a, RefusedLeaf& v) {
  field(a, "key", v.key);
  field(a, "reason", v.reason);
  field(a, "at", v.at);
}
template <class A>
void visit(A& a, Failure& v) {
  field(a, "stage", v.stage);
  field(a, "message", v.message);
  field(a, "remedy", v.remedy);
  field(a, "rolled_back", v.rolled_back);
  field(a, "at", v.at);
}
template <class A>
void visit(A& a, TakeoverGrant& v) {
  field(a, "to", v.to);
  field(a, "at", v.at);
}
template <class A>
void visit(A& a, Pause& v) {
  field(a, "until", v.until);
  field(a, "reason", v.reason);
}
template <class A>
void visit(A& a, StagePassed& v) {
  field(a, "stage", v.stage);
  field(a, "at", v.at);
}
template <class A>
void visit(A& a, ProblemSince& v) {
  field(a, "code", v.code);
  field(a, "object", v.object);
  field(a, "since", v.since);
}
template <class A>
void visit(A& a, Setting& v) {
  field(a, "value", v.value);
  field(a, "source", v.source);
  field(a, "sourcefile", v.sourcefile);
  field(a, "sourceline", v.sourceline);
  field(a, "pending_restart", v.pending_restart);
}
template <class A>
void visit(A& a, TrustTrouble& v) {
  field(a, "message", v.message);
  field(a, "remedy", v.remedy);
  field(a, "at", v.at);
  field(a, "tries", v.tries);
}
template <class A>
void visit(A& a, Repair& v) {
  field(a, "file", v.file);
  field(a, "found", v.found);
  field(a, "at", v.at);
}
template <class A>
void visit(A& a, ExposedKey& v) {
  field(a, "spki_sha256", v.spki_sha256);
  field(a, "found", v.found);
  field(a, "at", v.at);
}
template <class A>
void visit(A& a, Privileges& v) {
  field(a, "read_all_settings", v.read_all_settings);
  field(a, "reload", v.reload);
  field(a, "alter_system", v.alter_system);
  field(a, "read_file_settings", v.read_file_settings);
  field(a, "superuser", v.superuser);
}
template <class A>
void visit(A& a, PostgresSeen& v) {
  field(a, "fault", v.fault);
  field(a, "fault_text", v.fault_text);
  field(a, "known", v.known);
  field(a, "version_num", v.version_num);
  field(a, "version", v.version);
  field(a, "system_identifier", v.system_identifier);
  field(a, "data_directory", v.data_directory);
  field(a, "config_file", v.config_file);
  field(a, "hba_file", v.hba_file);
  field(a, "port", v.port);
  field(a, "listen_addresses", v.listen_addresses);
  field(a, "settings", v.settings);
  field(a, "auto_conf", v.auto_conf);
  field(a, "in_recovery", v.in_recovery);
  field(a, "privileges", v.privileges);
  field(a, "postmaster_start", v.postmaster_start);
  field(a, "config_loaded", v.config_loaded);
  field(a, "server_user", v.server_user);
  field(a, "server_uid", v.server_uid);
  field(a, "server_gid", v.server_gid);
  field(a, "server_groups", v.server_groups);
}
template <class A>
void visit(A& a, ClusterMemory& v) {
  field(a, "generation_number", v.generation_number);
  field(a, "proved", v.proved);
  field(a, "publish", v.publish);
  field(a, "refused", v.refused);
  field(a, "last_failure", v.last_failure);
  field(a, "consecutive_failures", v.consecutive_failures);
  field(a, "retry_at", v.retry_at);
  field(a, "rotate_asked_at", v.rotate_asked_at);
  field(a, "rollback_asked_at", v.rollback_asked_at);
  field(a, "takeover", v.takeover);
  field(a, "pause", v.pause);
  field(a, "server", v.server);
  field(a, "original_auto_conf", v.original_auto_conf);
  field(a, "original_ssl_on", v.original_ssl_on);
  field(a, "original_files", v.original_files);
  field(a, "linked_at", v.linked_at);
  field(a, "names_at_first_issue", v.names_at_first_issue);
  field(a, "problems", v.problems);
  field(a, "rotations_proved", v.rotations_proved);
  field(a, "rotations_failed", v.rotations_failed);
  field(a, "rotations_rolled_back", v.rotations_rolled_back);
  field(a, "stage_failures", v.stage_failures);
  field(a, "reloads", v.reloads);
  field(a, "last_attempt_at", v.last_attempt_at);
  field(a, "last_success_at", v.last_success_at);
  field(a, "last_rotation_took", v.last_rotation_took);
  field(a, "stages_passed", v.stages_passed);
  field(a, "rotations_by_duration", v.rotations_by_duration);
  field(a, "rotations_took", v.rotations_took);
  field(a, "repairs", v.repairs);
  field(a, "exposed_keys", v.exposed_keys);
  field(a, "repairs_ever", v.repairs_ever);
  field(a, "foreign_changes", v.foreign_changes);
  field(a, "crl_proved", v.crl_proved);
  field(a, "trust_trouble", v.trust_trouble);
  field(a, "restart", v.restart);
  field(a, "restarts", v.restarts);
  field(a, "saved_at", v.saved_at);
  field(a, "hba_in_force", v.hba_in_force);
}

template <class A, class T>
void visit(A& archive, std::optional<T>& value) {
  archive.presence(value);
  if (value) visit(archive, *value);
}

// An element with a word that only a newer version knows is left out.
template <class A, class T>
void visit(A& archive, std::vector<T>& values) {
  const std::size_t count = archive.count(values);
  std::size_t kept = 0;
  values.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    (void)archive.take_unknown();                    // of a field before this list
    field(archive, fmt::to_string(i), values[kept]);
    if (archive.take_unknown()) values[kept] = T{};
    else ++kept;
  }
  values.resize(kept);
}

template <class A, class T>
void visit(A& archive, std::map<std::string, T>& values) {
  std::vector<std::pair<std::string, T>> pairs(values.begin(), values.end());
  pairs.resize(archive.count(pairs));
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const std::size_t before = archive.enter(fmt::to_string(i));
    field(archive, "key", pairs[i].first);
    field(archive, "value", pairs[i].second);
    archive.leave(before);
  }
  values = std::map<std::string, T>(pairs.begin(), pairs.end());
}

}  // namespace

MemoryRows to_rows(ClusterMemory memory) {
  Writer writer;
  visit(writer, memory);
  return std::move(writer.out);
}

Result<ClusterMemory> from_rows(const std::map<std::string, std::string>& rows) {
  Reader reader(rows);
  ClusterMemory memory;
  visit(reader, memory);
  if (reader.malformed.empty()) return memory;
  const auto row = rows.find(reader.malformed);
  return fail(
      Errc::parse,
      fmt::format("remembered \"{}\" has the impossible value \"{}\"", reader.malformed, row == rows.end() ? "" : row->second),
      "restore the state database from a backup, or move it away: what it held is then learnt anew");
}

std::string_view root_of(std::string_view key) noexcept { return key.substr(0, key.find_first_of(".#?")); }

}  // namespace pgcertd::store

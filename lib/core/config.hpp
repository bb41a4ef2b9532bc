// Config: the typed whole of pgcertd.toml and its drop-ins. Immutable once loaded; replaced whole on reload.
// Made by lib/config only, so that what is in one is known to be possible. Durations in milliseconds.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "core/cert.hpp"

namespace pgcertd {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

struct DaemonConfig {
  std::string state_directory = "/var/lib/pgcertd";
  std::string runtime_directory = "/run/pgcertd";
  Duration check_interval = minutes{1};
  std::string control_group;
  std::vector<std::string> allowed_directories;
  Duration event_retention = days{400};
  Duration clock_bound = minutes{5};
  bool operator==(const DaemonConfig&) const = default;
};

struct HttpConfig {
  std::vector<std::string> listen{"127.0.0.1:9847"};
  std::vector<std::string> hosts;
  std::string issuer;
  std::string client_ca;
  bool operator==(const HttpConfig&) const = default;
};

// Where a secret is found; never the secret itself.
struct SecretSource {
  enum class Kind : std::uint8_t { none, file, credential };
  Kind kind = Kind::none;
  std::string name;               // the path, or the credential's name
  explicit operator bool() const { return kind != Kind::none; }
  bool operator==(const SecretSource&) const = default;
};

enum class IssuerType : std::uint8_t { local, offline, self_signed };

struct IssuerConfig {
  std::string name;
  IssuerType type = IssuerType::local;
  std::string directory;          // default: STATE/ca; self-signed has none
  SecretSource passphrase;
  Duration crl_lifetime = days{30};
  std::string crl_url;
  std::string root_certificate;
  Duration request_lead = days{30};
  Duration runway_warning = days{60};
  Duration runway_critical = days{14};
  bool operator==(const IssuerConfig&) const = default;
};

struct CrlSourceConfig {
  std::string name;
  std::vector<std::string> urls;
  bool operator==(const CrlSourceConfig&) const = default;
};

enum class TakeoverPolicy : std::uint8_t { ask, always };
enum class Layout : std::uint8_t { managed, in_place };
enum class ClientCaPolicy : std::uint8_t { automatic, merge, off };
enum class ForeignChangePolicy : std::uint8_t { report, replace };
enum class ReloadGuard : std::uint8_t { report, wait, off };
enum class RestartPolicy : std::uint8_t { never, when_required, window };

struct ReloadMethod {
  enum class Kind : std::uint8_t { automatic, sql, systemd, signal };
  Kind kind = Kind::automatic;
  std::string unit;               // systemd only
  bool operator==(const ReloadMethod&) const = default;
};

struct RestartCommand {
  enum class Kind : std::uint8_t { automatic, systemd, pg_ctl };
  Kind kind = Kind::automatic;
  std::string unit;
  bool operator==(const RestartCommand&) const = default;
};

struct ClusterConfig {
  std::string name;
  std::string conninfo;
  SecretSource password;
  std::string data_directory;
  std::string server_user;
  std::string issuer;             // default: the only issuer, where there is one
  Names names;                    // empty: the host's FQDN, fixed at the first issue
  KeyType key_type = KeyType::ecdsa_p256;
  Duration lifetime = days{90};
  double renew_at = 0.667;        // fraction of the lifetime, counted from the moment of issue
  TakeoverPolicy takeover = TakeoverPolicy::ask;
  Layout layout = Layout::managed;
  bool enable_ssl = true;
  ClientCaPolicy client_ca = ClientCaPolicy::automatic;
  std::uint64_t crl_max_entries = 1'000'000;
  ForeignChangePolicy on_foreign_change = ForeignChangePolicy::report;
  ReloadMethod reload;
  ReloadGuard reload_guard = ReloadGuard::report;
  RestartPolicy restart = RestartPolicy::never;
  std::string restart_window;
  RestartCommand restart_command;
  std::vector<std::string> endpoints;   // "host:port" or "[v6]:port", besides what listen_addresses says
  bool operator==(const ClusterConfig&) const = default;
};

struct Config {
  DaemonConfig daemon;
  HttpConfig http;
  std::map<std::string, IssuerConfig> issuers;
  std::map<std::string, CrlSourceConfig> crls;
  std::map<std::string, ClusterConfig> clusters;
  bool operator==(const Config&) const = default;
};

}  // namespace pgcertd

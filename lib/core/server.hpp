// PostgresSeen: one look at a PostgreSQL server through SQL, or what is remembered of it when it is down.
// SslSettings are the GUCs that TLS files depend on, with where each value came from.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "core/cert.hpp"
#include "core/permissions.hpp"

namespace pgcertd {

// Why a server did not answer. Order is the order of judgement: the first that fits.
enum class ServerFault : std::uint8_t {
  none,
  down,                  // connection refused, or no socket
  starting,              // SQLSTATE 57P03: starting up, shutting down, in recovery without hot standby
  too_many_connections,  // SQLSTATE 53300
  auth_failed,           // SQLSTATE 28P01, 28000: wrong password, no role, no pg_hba line
  timeout,
  not_postgres,          // something else answers there
  wrong_cluster,         // system_identifier differs from the one remembered
  wrong_peer,            // the socket's owner is not the data directory's owner
  insecure,              // TCP beyond loopback without verify-full
  other,
};
std::string_view to_string(ServerFault fault) noexcept;

// One row of pg_settings.
struct Setting {
  std::string value;
  std::string source;          // "configuration file", "default", …
  std::string sourcefile;      // empty without pg_read_all_settings or for a default
  std::uint32_t sourceline = 0;
  bool pending_restart = false;
  bool operator==(const Setting&) const = default;
};

// What the role may do; each missing one has a GRANT as its remedy (lib/core/privileges.hpp).
struct Privileges {
  bool read_all_settings = false;
  bool reload = false;               // EXECUTE on pg_reload_conf()
  bool alter_system = false;         // every ssl parameter that the managed layout sets
  bool read_file_settings = false;   // pg_file_settings
  bool superuser = false;
  bool operator==(const Privileges&) const = default;
};

struct PostgresSeen {
  ServerFault fault = ServerFault::down;
  std::string fault_text;            // the server's or libpq's own words, printable
  // All below: as last seen; valid (possibly remembered) when `known`.
  bool known = false;
  std::uint32_t version_num = 0;     // 150018
  std::string version;               // "15.18"
  std::string system_identifier;
  std::string data_directory;
  std::string config_file, hba_file;
  std::uint16_t port = 5432;
  std::vector<std::string> listen_addresses;   // as set: "*", "localhost", "10.0.0.5"
  std::map<std::string, Setting> settings;     // every name that begins with "ssl"
  std::map<std::string, std::string> auto_conf;  // ssl* rows of postgresql.auto.conf, as written there
  bool in_recovery = false;
  Privileges privileges;
  TimePoint postmaster_start{};
  TimePoint config_loaded{};
  // Owner of the data directory, or configured; gid is the owner's primary group.
  std::string server_user;
  uid_t server_uid = static_cast<uid_t>(-1);
  gid_t server_gid = static_cast<gid_t>(-1);
  std::vector<gid_t> server_groups;            // supplementary

  [[nodiscard]] bool user_known() const { return server_uid != static_cast<uid_t>(-1); }
  [[nodiscard]] ServerIdentity identity() const { return {server_uid, server_gid, server_groups}; }
  [[nodiscard]] bool reachable() const { return fault == ServerFault::none; }
  [[nodiscard]] bool ssl_on() const;
  // Value of an ssl* setting, empty when unknown.
  [[nodiscard]] const std::string& setting(const std::string& name) const;
  // The same with a relative path resolved in the data directory (PostgreSQL's own rule); empty stays empty.
  [[nodiscard]] std::string file_setting(const std::string& name) const;
  bool operator==(const PostgresSeen&) const = default;
};

// What one handshake with one endpoint showed.
enum class ProbeOutcome : std::uint8_t {
  served,          // a certificate
  ssl_refused,     // 'N': TLS is off, or its files were not loaded
  unreachable,     // refused, no route
  timeout,
  not_postgres,    // another answer, or more bytes than one after SSLRequest (CVE-2021-23222)
  handshake_failed,
};
std::string_view to_string(ProbeOutcome outcome) noexcept;

struct ProbeSeen {
  std::string endpoint;              // "127.0.0.1:5432", "[::1]:5432"
  bool own = true;                   // the server listens there itself; else the configuration names it, and it may be anything
  TimePoint probed_at{};
  Duration took{};
  ProbeOutcome outcome = ProbeOutcome::unreachable;
  std::string detail;                // why, printable
  std::vector<CertFacts> chain;      // leaf first, as sent
  std::vector<std::string> chain_pem;  // the same certificates in PEM, for verification and `probe`
  std::string tls_version;           // "TLSv1.3"
  std::string cipher;
  std::vector<std::string> client_cas;   // subjects of the CAs whose client certificates it asks for (its ssl_ca_file); empty: it asks for none
  std::string verify;                // "ok", or why the chain does not verify under the issuer's roots; empty: not judged
  bool operator==(const ProbeSeen&) const = default;
};

// A change of ssl* GUCs, as one step: a value, or nullopt for "back to what it was without us" (RESET).
struct SettingsChange {
  std::map<std::string, std::optional<std::string>> values;
  bool operator==(const SettingsChange&) const = default;
};

}  // namespace pgcertd

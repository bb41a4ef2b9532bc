// ServerDetail: what a full pass asks a PostgreSQL server beside its ssl settings: pg_hba rules, lines of the configuration
// files, who is connected how. Values; as the views pg_hba_file_rules, pg_file_settings, pg_stat_ssl and pg_stat_activity
// show them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace pgcertd {

// One row of pg_hba_file_rules: the file as it is on disk, which need not be what the server has loaded.
struct HbaRule {
  std::string file;                    // empty before PostgreSQL 16: the server's hba_file
  std::uint32_t line = 0;
  std::string type;                    // local host hostssl hostnossl hostgssenc hostnogssenc
  std::vector<std::string> databases, users;
  std::string address, netmask;        // address: all, samehost, samenet, a name, or numbers with a netmask
  std::string method;
  std::vector<std::string> options;    // "clientcert=verify-ca"
  std::string error;                   // of a line that does not parse
  bool operator==(const HbaRule&) const = default;
};

// One row of pg_file_settings with what is in force for it.
struct FileSetting {
  std::string name, value;
  std::string sourcefile;
  std::uint32_t sourceline = 0;
  bool applied = false;                // the last one of its name, and without an error
  std::string error;
  // Of pg_settings; empty vartype: unknown there (an extension's, or nonsense).
  std::string in_force, source, unit, vartype, context;
  bool operator==(const FileSetting&) const = default;
};

// Client sessions that have this in common.
struct SessionGroup {
  bool tcp = false;                    // else a Unix socket
  bool loopback = false;               // from 127.0.0.0/8 or ::1
  std::string tls_version, cipher;     // empty: plaintext
  std::uint64_t count = 0;
  std::uint64_t before_rotation = 0;   // of these, older than the last proved rotation
  TimePoint oldest{};
  bool operator==(const SessionGroup&) const = default;
};

// A session that presented a client certificate.
struct CertSession {
  std::int32_t pid = 0;
  std::string role, client_dn, issuer_dn;
  std::string serial;                  // hex, lower case; empty before PostgreSQL 12
  TimePoint began{};
  bool operator==(const CertSession&) const = default;
};

// Where a standby's WAL receiver gets its WAL from (pg_stat_wal_receiver.conninfo, in which passwords are masked).
struct Upstream {
  std::string host;                    // a directory for a Unix socket
  std::string sslmode;
  bool operator==(const Upstream&) const = default;
};

struct ServerDetail {
  bool asked = false;                                        // else nothing is known of the rest, nor of the right to read it
  // What may not be read is not judged: nullopt.
  std::optional<std::vector<HbaRule>> hba;
  std::optional<TimePoint> hba_modified;                     // when the newest of its files was written; filled by the observer
  std::optional<std::vector<FileSetting>> file_settings;
  std::optional<std::vector<std::string>> reset_by_reload;   // set by a file once, in no file any more
  std::optional<std::vector<SessionGroup>> sessions;         // nullopt: the role sees only its own
  std::vector<CertSession> cert_sessions;                    // the oldest 1000 at most
  std::optional<Upstream> upstream;                          // while a WAL receiver runs
  bool operator==(const ServerDetail&) const = default;
};

}  // namespace pgcertd

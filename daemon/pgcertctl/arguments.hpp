// The command line of pgcertctl as values. CLI11 stands behind parse_arguments() only.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.hpp"
#include "cli/style.hpp"
#include "core/cert.hpp"

namespace pgcertd::ctl {

struct Globals {
  std::string config = "/etc/pgcertd/pgcertd.toml";
  bool config_named = false;  // --config was given: an error in it is not passed over
  std::string socket;         // empty: control.sock in the configured runtime_directory
  bool json = false;
  bool yes = false;
  cli::ColorChoice color = cli::ColorChoice::automatic;
  std::optional<Duration> timeout;
};

struct Status {
  std::string cluster;
};
struct Check {
  std::string cluster;
  std::optional<Duration> warning, critical;
  std::vector<std::string> only;
  bool direct = false;
};
struct Rotate {
  std::string cluster;
  bool dry_run = false, wait = false, force = false;
};
struct Rollback {
  std::string cluster;
  bool wait = false;
};
struct Pause {
  std::string cluster, duration, reason;
};
struct Resume {
  std::string cluster;
};
struct Takeover {
  std::string cluster;
};
struct Revoke {
  std::string role;
  bool terminate = false;
  std::string target;                          // a serial, or a file with the certificate
  std::string reason, issuer;
};
struct Audit {
  std::string cluster;
};
struct Permissions {
  std::string cluster;
  bool fix = false;
};
struct Events {
  bool follow = false;
  bool verify = false;
  std::string head;                    // with verify: a hash that must be part of the chain
};
struct Runway {};
struct Inspect {
  std::vector<std::string> targets;
  std::string passphrase;
};
struct Probe {
  std::string target, root, name;
  std::string user, database, certificate, key;   // user empty: the server is not asked whether it lets anybody in
};
struct DoctorCommand {};
struct Explain {
  std::string code;
};
struct ClientIssue {
  std::string role, directory, format = "libpq", passphrase, issuer, lifetime = "90d";
  KeyType key_type = KeyType::ecdsa_p256;
  bool with_crl = false, renew = false;
};
struct ClientList {};
struct TrustExport {
  std::string output;   // empty: standard output
};
struct CrlShow {};
struct CrlRefresh {
  std::string issuer;
};
struct CrlImport {
  std::string file, issuer;
};
struct Setup {
  std::vector<std::string> data_directories;   // empty: what is found
  std::string user = "pgcertd", superuser, state_directory = "/var/lib/pgcertd", system_directory;
  std::string root_dir = "/root/pgcertd-root", passphrase;
  std::string issuer = "local", root_cert;     // its type where the configuration names none; of a root that is elsewhere
  bool no_passphrase = false, dry_run = false, undo = false;
};
struct SetupSql {
  std::string role = "pgcertd";
  int postgresql = 15;
};
struct CaInit {
  std::string root_key, issuing_key;           // pkcs11: URIs; empty: made here
  std::string root_dir, issuing_dir, passphrase, issuing_passphrase, common_name, issuing_common_name;
  std::string root_cert, output;               // of a root that is elsewhere, and where the request to it goes
  KeyType key_type = KeyType::ecdsa_p384, issuing_key_type = KeyType::ecdsa_p256;
  long days = 15 * 365, issuing_days = 2 * 365;
  bool no_passphrase = false;
};
// Each use of the root's key names its directory and where its passphrase is; empty: asked at the terminal.
struct RootUse {
  std::string root_dir, passphrase;
};
struct CaSign {
  RootUse root;
  std::vector<std::string> requests;
  std::string output, profile = "server", role;
  std::vector<std::string> names;              // empty: those of the request
  std::string policy;                          // empty: policy.toml in the root's directory
  long days = 0;                               // 0: as asked for, or by policy
};
struct CaCrl {
  RootUse root;
  std::string output;
  long days = 396;
};
struct CaSession {
  RootUse root;
  std::vector<std::string> requests;
  std::string output = "back.pem", record, policy;
  long days = 0, issuing_days = 0, crl_days = 396;   // 0: as asked for, or by policy
};
struct CaPasswd {
  RootUse root;
  std::string new_passphrase;
  bool no_passphrase = false;
};
struct CaVerifyLog {
  std::string root_dir;
};
struct RequestList {};
struct RequestShow {
  std::string issuer;
};
struct RequestExport {
  std::string issuer, output;
};
struct RequestImport {
  std::string file, issuer;
};
struct CaShow {
  std::string directory;   // empty: those of the configuration's issuers
};
struct ConfigCheck {};
struct ConfigShow {};
struct Version {};
using Command = std::variant<std::monostate, Status, Check, Rotate, Rollback, Pause, Resume, Takeover, Revoke, Audit, Permissions, Events, Runway, Inspect, Probe,
                             DoctorCommand, Explain, ClientIssue, ClientList, TrustExport, CrlShow, CrlRefresh, CrlImport, Setup, SetupSql, CaInit, CaSign, CaCrl, CaSession, CaPasswd, CaVerifyLog, RequestList, RequestShow, RequestExport, RequestImport, CaShow, ConfigCheck, ConfigShow, Version>;

struct Invocation {
  Globals globals;
  Command command;
};

// What there is to print and the exit code where there is nothing to run: --help, --version, a wrong argument.
struct Ending {
  int exit_code = 0;
  std::string out, err;
};
std::variant<Invocation, Ending> parse_arguments(int argc, const char* const* argv);

}  // namespace pgcertd::ctl

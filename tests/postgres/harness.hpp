// ScratchServer: a real PostgreSQL for one test, in a directory of its own, on loopback and a private Unix socket.
// Invariant: whatever the test does, the destructor leaves no process and no file. One thread a server.
//
// As root the server runs as user postgres (setpriv), else as the current user. initdb runs once a process; each server is
// a copy of that template, so all share one system_identifier unless Options::fresh asks for an initdb of its own.
// Everything here throws std::runtime_error, with the server's log at hand, where a test could not go on.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcertd::testing {

using std::chrono::milliseconds;

// Polls until `done` says yes or the deadline passes; what it said last is returned.
bool eventually(const std::function<bool()>& done, milliseconds within = milliseconds{10'000});

// Runs a program (found by PATH, no shell) and returns its standard output; throws when it does not exit with 0.
std::string run(const std::vector<std::string>& argv);

std::string read_file(const std::string& path);

struct KeyPair {
  std::string certificate_pem;
  std::string key_pem;
};
// A self-signed RSA certificate whose time is over.
KeyPair openssl_expired(const std::string& common_name);
// A self-signed P-256 certificate by the openssl program. `extra`: further arguments of `openssl req -x509`.
KeyPair openssl_self_signed(const std::string& common_name, const std::vector<std::string>& extra = {});

// A free TCP port of 127.0.0.1 at this moment.
std::uint16_t free_port();

// A directory below /tmp that goes with its owner; mode 0755, owned by the current user.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory();
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// The account that servers of this process run as.
struct ServerAccount {
  std::string user;
  uid_t uid = 0;
  gid_t gid = 0;
};
const ServerAccount& server_account();

class ScratchServer {
 public:
  struct Options {
    std::vector<std::string> config{};          // further lines of postgresql.conf: "log_connections = on"
    std::string listen_addresses = "127.0.0.1";
    std::string log_min_messages = "warning";
    std::string hba{};                          // pg_hba.conf; default: trust for local and loopback
    bool start = true;
    bool fresh = false;                         // an initdb, and so a system_identifier, of its own
    bool separate_config = false;               // postgresql.conf outside the data directory with a conf.d, as Debian has it
    std::vector<std::string> command_line{};    // further arguments of postgres: "-c", "ssl=off"
  };
  ScratchServer() : ScratchServer(Options{}) {}
  explicit ScratchServer(Options options);
  ScratchServer(const ScratchServer&) = delete;
  ScratchServer& operator=(const ScratchServer&) = delete;
  ~ScratchServer();

  // --- life ---
  void start();                                 // returns when it accepts connections; throws with the log when it does not
  bool try_start();                             // false when it ended instead, as with a bad key file
  void stop();                                  // fast shutdown, waited for; nothing when it is down
  void restart() { stop(); start(); }
  void kill();                                  // SIGKILL to the postmaster and its children
  void freeze();                                // SIGSTOP of the postmaster: connections hang
  void thaw();
  [[nodiscard]] bool running() const { return pid_ > 0; }
  [[nodiscard]] pid_t pid() const { return pid_; }

  // --- where it is ---
  [[nodiscard]] const std::string& base() const { return base_.path(); }          // 0755
  [[nodiscard]] std::string data_directory() const { return base_ / "data"; }
  [[nodiscard]] std::string config_directory() const;                             // the data directory unless separate_config
  [[nodiscard]] std::string socket_directory() const { return base_ / "s"; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string conninfo(const std::string& user = "postgres") const;      // Unix socket, dbname=postgres
  [[nodiscard]] std::string tcp_conninfo(const std::string& user = "postgres") const;  // 127.0.0.1, without sslmode

  // --- asking it, as superuser over the Unix socket; each call is a session of its own ---
  std::vector<std::vector<std::string>> rows(const std::string& sql) const;       // null is ""
  std::string sql(const std::string& sql) const;                                  // first column of the first row, or ""
  void script(const std::string& sql) const;                                      // several statements, as psql -c

  // --- its log: one line an element, without prefix ---
  std::vector<std::string> new_log_lines();                                       // since the last call
  [[nodiscard]] std::string log() const;                                          // all of it
  [[nodiscard]] bool log_has(std::string_view text, milliseconds within = milliseconds{5'000}) const;

  // --- its files; owned by the server's account ---
  // `path` is absolute or relative to the data directory.
  void write(const std::string& path, std::string_view content, mode_t mode = 0600) const;
  void add_config(const std::string& line) const;                                 // appended to postgresql.conf
  void set_hba(const std::string& text) const;
  void reload() const;                                                            // SIGHUP, and no wait
  // Writes server.crt and server.key into the data directory, switches ssl on and waits until a handshake would be offered.
  void enable_tls(const KeyPair& pair);

 private:
  void make_data_directory() const;
  void write_config() const;
  bool spawn_and_wait();
  void reap(milliseconds within, int signal);

  Options options_;
  ScratchDirectory base_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
  bool frozen_ = false;
  std::size_t log_read_ = 0;
};

}  // namespace pgcertd::testing

#include "postgres/harness.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "base/unique_fd.hpp"

extern char** environ;

namespace pgcertd::testing {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

[[noreturn]] void give_up(const std::string& why) { throw std::runtime_error(why); }

void require(bool ok, std::string_view call, std::string_view object) {
  if (!ok) give_up(fmt::format("{} {}: {}", call, object, std::strerror(errno)));
}

std::string bin(const std::string& program) {
  if (const char* directory = std::getenv("PGCERTD_TEST_PGBIN")) return std::string(directory) + "/" + program;
  return "/usr/lib/postgresql/15/bin/" + program;
}

// The command as the server's account, ended with this process if that dies first.
std::vector<std::string> as_server(std::vector<std::string> argv, bool die_with_us) {
  std::vector<std::string> out{"setpriv"};
  if (die_with_us) out.insert(out.end(), {"--pdeathsig", "INT"});
  if (geteuid() == 0) out.insert(out.end(), {"--reuid", server_account().user, "--regid", std::to_string(server_account().gid), "--init-groups"});
  if (out.size() == 1) return argv;
  out.insert(out.end(), argv.begin(), argv.end());
  return out;
}

// Environment without PG*, in English.
std::vector<std::string> clean_environment() {
  std::vector<std::string> out{"LC_ALL=C"};
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (std::strncmp(*entry, "PG", 2) != 0 && std::strncmp(*entry, "LC_ALL=", 7) != 0) out.emplace_back(*entry);
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (auto& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Starts a program with stdout and stderr on the given descriptors and nothing on stdin. Signals are as at login.
pid_t spawn(std::vector<std::string> argv, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  posix_spawn_file_actions_addchdir_np(&actions, "/");
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  auto environment = clean_environment();
  pid_t pid = -1;
  const int failed = posix_spawnp(&pid, argv[0].c_str(), &actions, &attributes, pointers(argv).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) give_up(fmt::format("posix_spawnp {}: {}", argv[0], std::strerror(failed)));
  return pid;
}

std::string drain(int fd) {
  std::string out;
  char buffer[4096];
  for (;;) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return out;
    out.append(buffer, static_cast<std::size_t>(got));
  }
}

// initdb once; removed when the process ends.
const std::string& template_directory() {
  static const ScratchDirectory holder;
  static const std::string path = [] {
    require(chown(holder.path().c_str(), server_account().uid, server_account().gid) == 0, "chown", holder.path());
    const std::string data = holder / "data";
    run(as_server({bin("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale", "C"}, false));
    return data;
  }();
  return path;
}

using ConnectionPtr = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using ResultPtr = std::unique_ptr<PGresult, decltype(&PQclear)>;

ResultPtr execute(const std::string& conninfo, const std::string& sql) {
  ConnectionPtr connection(PQconnectdb((conninfo + " client_encoding=UTF8 connect_timeout=10").c_str()), &PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) give_up(PQerrorMessage(connection.get()));
  ResultPtr result(PQexec(connection.get(), sql.c_str()), &PQclear);
  const auto status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) give_up(sql + ": " + PQresultErrorMessage(result.get()));
  return result;
}

}  // namespace

bool eventually(const std::function<bool()>& done, milliseconds within) {
  const auto deadline = Clock::now() + within;
  while (!done()) {
    if (Clock::now() >= deadline) return done();
    std::this_thread::sleep_for(milliseconds{5});
  }
  return true;
}

std::string run(const std::vector<std::string>& argv) {
  int ends[2];
  require(pipe2(ends, O_CLOEXEC) == 0, "pipe2", argv[0]);
  UniqueFd reader(ends[0]), writer(ends[1]);
  char error_path[] = "/tmp/pgcertd-test-err-XXXXXX";
  UniqueFd errors(mkostemp(error_path, O_CLOEXEC));
  unlink(error_path);
  const pid_t pid = spawn(argv, writer.get(), errors.get());
  writer.reset();
  std::string out = drain(reader.get());
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    lseek(errors.get(), 0, SEEK_SET);
    give_up(fmt::format("{}: status {}\n{}{}", fmt::join(argv, " "), status, out, drain(errors.get())));
  }
  return out;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) give_up("cannot read " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

KeyPair openssl_expired(const std::string& common_name) {
  const ScratchDirectory directory;
  run({"openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + common_name, "-keyout", directory / "key", "-out", directory / "csr"});
  std::ofstream(directory / "ca.cnf") << "[ca]\ndefault_ca=d\n[d]\ndatabase=" << directory / "index" << "\nnew_certs_dir=" << directory / "."
                                      << "\nrand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n";
  std::ofstream(directory / "index").close();
  run({"openssl", "ca", "-batch", "-selfsign", "-config", directory / "ca.cnf", "-in", directory / "csr", "-keyfile", directory / "key",
       "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-notext", "-out", directory / "crt"});
  return {.certificate_pem = read_file(directory / "crt"), .key_pem = read_file(directory / "key")};
}

KeyPair openssl_self_signed(const std::string& common_name, const std::vector<std::string>& extra) {
  const ScratchDirectory directory;
  std::vector<std::string> argv{"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                                "-subj", "/CN=" + common_name, "-days", "2", "-keyout", directory / "key", "-out", directory / "crt"};
  argv.insert(argv.end(), extra.begin(), extra.end());
  run(argv);
  return {.certificate_pem = read_file(directory / "crt"), .key_pem = read_file(directory / "key")};
}

std::uint16_t free_port() {
  // Below those that the kernel gives to outgoing connections: a server that is restarted must find it free again.
  static std::mt19937 random(std::random_device{}());
  std::uniform_int_distribution<std::uint16_t> any(12'000, 31'999);
  for (;;) {
    const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const std::uint16_t port = any(random);
    address.sin_port = htons(port);
    if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return port;
  }
}

ScratchDirectory::ScratchDirectory() {
  char path[] = "/tmp/pgcertd-XXXXXX";   // short: a Unix socket's path holds 107 bytes
  require(mkdtemp(path) != nullptr, "mkdtemp", path);
  path_ = path;
  require(chmod(path, 0755) == 0, "chmod", path);
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;   // a destructor can only try
  fs::remove_all(path_, ignored);
}

const ServerAccount& server_account() {
  static const ServerAccount account = [] {
    const passwd* entry = geteuid() == 0 ? getpwnam("postgres") : getpwuid(geteuid());
    if (entry == nullptr) give_up("no account to run PostgreSQL as: root needs user postgres");
    return ServerAccount{.user = entry->pw_name, .uid = entry->pw_uid, .gid = entry->pw_gid};
  }();
  return account;
}

ScratchServer::ScratchServer(Options options) : options_(std::move(options)), port_(free_port()) {
  require(chown(base().c_str(), server_account().uid, server_account().gid) == 0, "chown", base());
  make_data_directory();
  write_config();
  if (options_.start) start();
}

ScratchServer::~ScratchServer() {
  try {
    stop();
  } catch (const std::exception& failure) {
    fmt::print(stderr, "ScratchServer: {}\n", failure.what());
    if (pid_ > 0) ::kill(pid_, SIGKILL);
  }
}

void ScratchServer::make_data_directory() const {
  if (options_.fresh)
    run(as_server({bin("initdb"), "-D", data_directory(), "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale", "C"}, false));
  else
    run({"cp", "-a", "--reflink=auto", template_directory(), data_directory()});
  for (const auto& path : {socket_directory(), config_directory(), config_directory() + "/conf.d"}) {
    fs::create_directories(path);
    require(chown(path.c_str(), server_account().uid, server_account().gid) == 0, "chown", path);
  }
  // Outside the data directory the configuration may be read by everybody, as on Debian.
  if (options_.separate_config) fs::rename(data_directory() + "/postgresql.conf", config_directory() + "/postgresql.conf");
}

void ScratchServer::write_config() const {
  std::string text = fmt::format(
      "port = {}\nlisten_addresses = '{}'\nunix_socket_directories = '{}'\nlog_min_messages = {}\nlog_line_prefix = ''\n"
      "fsync = off\nlog_destination = stderr\nlogging_collector = off\nshared_buffers = 16MB\nmax_wal_size = 64MB\n"
      "cluster_name = ''\nlog_timezone = UTC\ntimezone = UTC\n",
      port_, options_.listen_addresses, socket_directory(), options_.log_min_messages);
  if (options_.separate_config)
    text += fmt::format("data_directory = '{0}'\nhba_file = '{0}/pg_hba.conf'\nident_file = '{0}/pg_ident.conf'\n", data_directory());
  for (const auto& line : options_.config) text += line + "\n";
  text += "include_dir = 'conf.d'\n";
  write(config_directory() + "/postgresql.conf", text, 0644);
  set_hba(options_.hba.empty() ? "local all all trust\nhost all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n" : options_.hba);
}

std::string ScratchServer::config_directory() const { return options_.separate_config ? base_ / "etc" : data_directory(); }

bool ScratchServer::spawn_and_wait() {
  const std::string log_path = base_ / "log";
  const UniqueFd log_fd(open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  require(log_fd.get() >= 0, "open", log_path);
  std::vector<std::string> argv{bin("postgres"), "-D", config_directory()};
  argv.insert(argv.end(), options_.command_line.begin(), options_.command_line.end());
  pid_ = spawn(as_server(std::move(argv), true), log_fd.get(), log_fd.get());
  const std::string pid_path = data_directory() + "/postmaster.pid";
  const bool settled = eventually([&] {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return true;
    }
    // The eighth line of postmaster.pid tells the state, as pg_ctl reads it; the first whose it is.
    std::ifstream in(pid_path);
    std::string line, first;
    for (int number = 1; std::getline(in, line); ++number) {
      if (number == 1) first = line;
      if (number == 8) return first == std::to_string(pid_) && line.starts_with("ready");
    }
    return false;
  }, milliseconds{60'000});
  if (!settled) give_up("PostgreSQL neither started nor ended\n" + log());
  return pid_ > 0;
}

bool ScratchServer::try_start() {
  if (running()) return true;
  return spawn_and_wait();
}

void ScratchServer::start() {
  for (int attempt = 0; attempt < 5; ++attempt) {
    const std::size_t before = log().size();
    if (try_start()) return;
    const std::string said = log().substr(before);
    if (said.find("could not bind") == std::string::npos) give_up("PostgreSQL did not start\n" + said);
    port_ = free_port();   // somebody took it since
    add_config(fmt::format("port = {}", port_));
  }
  give_up("PostgreSQL found no free port\n" + log());
}

void ScratchServer::reap(milliseconds within, int signal) {
  const pid_t pid = pid_;
  ::kill(pid, signal);
  if (!eventually([&] { return waitpid(pid, nullptr, WNOHANG) == pid; }, within)) {
    ::kill(-pid, SIGKILL);
    ::kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
  pid_ = -1;
}

void ScratchServer::stop() {
  if (!running()) return;
  thaw();
  reap(milliseconds{20'000}, SIGINT);
}

void ScratchServer::kill() {
  if (!running()) return;
  const pid_t group = pid_;
  reap(milliseconds{5'000}, SIGKILL);
  // Children leave by themselves when the postmaster is gone, and hold its shared memory until then.
  ::kill(-group, SIGKILL);
  eventually([&] { return ::kill(-group, 0) != 0; });
  frozen_ = false;
}

void ScratchServer::freeze() {
  require(::kill(pid_, SIGSTOP) == 0, "kill", "SIGSTOP");
  frozen_ = true;
}

void ScratchServer::thaw() {
  if (frozen_) ::kill(pid_, SIGCONT);
  frozen_ = false;
}

std::string ScratchServer::conninfo(const std::string& user) const {
  return fmt::format("host={} port={} dbname=postgres user={}", socket_directory(), port_, user);
}

std::string ScratchServer::tcp_conninfo(const std::string& user) const {
  return fmt::format("host=127.0.0.1 port={} dbname=postgres user={}", port_, user);
}

std::vector<std::vector<std::string>> ScratchServer::rows(const std::string& sql) const {
  const auto result = execute(conninfo(), sql);
  std::vector<std::vector<std::string>> out(static_cast<std::size_t>(PQntuples(result.get())));
  for (int row = 0; row < PQntuples(result.get()); ++row)
    for (int column = 0; column < PQnfields(result.get()); ++column)
      out[static_cast<std::size_t>(row)].emplace_back(PQgetvalue(result.get(), row, column));
  return out;
}

std::string ScratchServer::sql(const std::string& sql) const {
  const auto all = rows(sql);
  return all.empty() || all[0].empty() ? std::string() : all[0][0];
}

void ScratchServer::script(const std::string& sql) const { execute(conninfo(), sql); }

std::string ScratchServer::log() const {
  const std::string path = base_ / "log";
  return fs::exists(path) ? read_file(path) : std::string();
}

std::vector<std::string> ScratchServer::new_log_lines() {
  const std::string text = log();
  std::istringstream fresh(text.substr(std::min(log_read_, text.size())));
  log_read_ = text.size();
  std::vector<std::string> out;
  for (std::string line; std::getline(fresh, line);) out.push_back(line);
  return out;
}

bool ScratchServer::log_has(std::string_view text, milliseconds within) const {
  return eventually([&] { return log().find(text) != std::string::npos; }, within);
}

void ScratchServer::write(const std::string& path, std::string_view content, mode_t mode) const {
  const std::string full = path.starts_with("/") ? path : data_directory() + "/" + path;
  const UniqueFd fd(open(full.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  require(fd.get() >= 0, "open", full);
  require(::write(fd.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()), "write", full);
  require(fchown(fd.get(), server_account().uid, server_account().gid) == 0, "fchown", full);
  require(fchmod(fd.get(), mode) == 0, "fchmod", full);
}

void ScratchServer::add_config(const std::string& line) const {
  const std::string path = config_directory() + "/postgresql.conf";
  write(path, read_file(path) + line + "\n", 0644);
}

void ScratchServer::set_hba(const std::string& text) const { write("pg_hba.conf", text, 0600); }

void ScratchServer::reload() const { require(::kill(pid_, SIGHUP) == 0, "kill", "SIGHUP"); }

void ScratchServer::enable_tls(const KeyPair& pair) {
  write("server.crt", pair.certificate_pem, 0600);
  write("server.key", pair.key_pem, 0600);
  add_config("ssl = on");
  if (!running()) return start();
  reload();
  if (!eventually([&] { return sql("SHOW ssl") == "on"; })) give_up("ssl did not come on\n" + log());
}

}  // namespace pgcertd::testing

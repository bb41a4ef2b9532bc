// client issue, client list, trust export: what clients need. A client's key is made here and goes nowhere else.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.hpp"
#include "ca/durable_file.hpp"
#include "cli/moments.hpp"
#include "cli/views.hpp"
#include "pgcertctl/commands.hpp"
#include "pgcertctl/facts_json.hpp"
#include "pgcertctl/named_secret.hpp"
#include "x509/certificate.hpp"
#include "x509/pkcs12.hpp"
#include "x509/private_key.hpp"
#include "x509/request.hpp"
#include "x509/verify.hpp"

namespace pgcertd::ctl {
namespace {

using nlohmann::json;

struct OutputFile {
  std::string name;
  Secret bytes;
  mode_t mode = 0644;
};

// Where the files go. One that was made for them and stays empty is taken away again.
class Place {
 public:
  static Result<Place> make(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) == 0) return Place(path);
    if (errno != EEXIST) return fail(errno_error("mkdir", printable(path, 4096), errno));
    return Place({});
  }
  Place(Place&& other) noexcept : made_(std::exchange(other.made_, {})) {}
  Place& operator=(Place&&) = delete;
  ~Place() {
    if (!made_.empty()) (void)::rmdir(made_.c_str());   // with a file in it, it stays
  }

 private:
  explicit Place(std::string made) : made_(std::move(made)) {}
  std::string made_;   // empty: it was there before
};

// Before anything is asked for: what is there already is somebody's.
Result<void> check_free(const std::string& directory, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    struct stat seen {};
    const std::string path = fmt::format("{}/{}", directory, name);
    if (::lstat(path.c_str(), &seen) == 0)
      return fail(Errc::exists, fmt::format("\"{}\" is there already", printable(path, 4096)), "name another directory with -o, or move the files of the former certificate away");
  }
  return {};
}

// The client's own file, whoever renews it: root gives the new one to the owner that the former had.
Result<void> replace_for_owner(const std::string& path, const OutputFile& file) {
  struct stat former {};
  const bool known = ::lstat(path.c_str(), &former) == 0;
  if (known && !S_ISREG(former.st_mode)) return fail(Errc::refused, fmt::format("\"{}\" is no regular file, and is not replaced", printable(path, 4096)), "give -o the directory that the file itself is in");
  PGCERTD_CHECK(ca::replace_file(path, file.bytes.view(), file.mode));
  if (!known || ::geteuid() != 0 || former.st_uid == 0) return {};
  return ::lchown(path.c_str(), former.st_uid, former.st_gid) == 0 ? Result<void>{} : fail(errno_error("lchown", printable(path, 4096), errno));
}

// Also before: a certificate that nobody can be given is not issued.
Result<void> check_writable(const std::string& directory, const std::vector<std::string>& names) {
  for (const std::string& name : names) PGCERTD_CHECK(within(ca::check_replaceable(fmt::format("{}/{}", directory, name)), "nothing was issued"));
  return {};
}

Result<void> replace_files(const std::string& directory, const std::vector<OutputFile>& files) {
  for (const OutputFile& file : files) PGCERTD_CHECK(replace_for_owner(directory + "/" + file.name, file));
  return {};
}

// All of them or none.
Result<void> write_new_files(const std::string& directory, const std::vector<OutputFile>& files) {
  for (auto at = files.begin(); at != files.end(); ++at) {
    const auto written = ca::write_new_file(directory + "/" + at->name, at->bytes.view(), at->mode);
    if (written) continue;
    for (auto before = files.begin(); before != at; ++before) (void)::unlink((directory + "/" + before->name).c_str());   // the failure itself is what is told
    return fail(written.error());
  }
  return {};
}

// A role may be named as no file can.
std::string file_stem(const std::string& role) {
  std::string out;
  for (const char c : role) out += (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ? c : '_';
  return out.empty() ? std::string("client") : out;
}

std::string text_of(const json& reply, const char* key) { return reply.value(key, std::string{}); }

// What one format is made of. libpq's names are those that it looks for in ~/.postgresql.
struct Format {
  std::string_view name;
  std::vector<std::string> (*names)(const ClientIssue& command);
  Result<std::vector<OutputFile>> (*files)(const ClientIssue& command, const x509::PrivateKey& key, const json& reply);
};

Result<std::vector<OutputFile>> libpq_files(const ClientIssue&, const x509::PrivateKey& key, const json& reply) {
  std::vector<OutputFile> files;
  files.push_back({"postgresql.key", key.to_pem(), 0600});
  files.push_back({"postgresql.crt", Secret(text_of(reply, "chain")), 0644});
  return files;
}

// pgjdbc takes the key as PKCS#8 in DER.
Result<std::vector<OutputFile>> jdbc_files(const ClientIssue&, const x509::PrivateKey& key, const json& reply) {
  std::vector<OutputFile> files;
  files.push_back({"postgresql.pk8", key.to_der(), 0600});
  files.push_back({"postgresql.crt", Secret(text_of(reply, "chain")), 0644});
  return files;
}

Result<Secret> passphrase_of(const ClientIssue& command) {
  if (command.passphrase.empty())
    return fail(Errc::invalid, "a PKCS#12 file needs a passphrase", "--passphrase file:PATH, a file of mode 0600 with the passphrase");
  return named_secret(command.passphrase);
}

Result<std::vector<OutputFile>> pkcs12_files(const ClientIssue& command, const x509::PrivateKey& key, const json& reply) {
  PGCERTD_TRY(const Secret passphrase, passphrase_of(command));
  PGCERTD_TRY(const auto chain, x509::parse_certificates(text_of(reply, "chain"), "the certificate"));
  PGCERTD_TRY(Secret bundle, x509::to_pkcs12(key, chain, command.role, passphrase));
  std::vector<OutputFile> files;
  files.push_back({file_stem(command.role) + ".p12", std::move(bundle), 0600});
  return files;
}

const std::array formats{
    Format{"libpq", [](const ClientIssue&) { return std::vector<std::string>{"postgresql.key", "postgresql.crt"}; }, libpq_files},
    Format{"jdbc", [](const ClientIssue&) { return std::vector<std::string>{"postgresql.pk8", "postgresql.crt"}; }, jdbc_files},
    Format{"pkcs12", [](const ClientIssue& c) { return std::vector<std::string>{file_stem(c.role) + ".p12"}; }, pkcs12_files},
};

const Format& format_of(const ClientIssue& command) {
  for (const Format& format : formats)
    if (format.name == command.format) return format;
  return formats.front();
}

struct Former {
  x509::PrivateKey key;
  std::string serial;       // of the certificate that it has; empty: the key is new
};

Result<void> check_role(const CertFacts& leaf, const std::string& path, const ClientIssue& command) {
  if (leaf.common_name == command.role) return {};
  return fail(Errc::refused, fmt::format("\"{}\" is a certificate of \"{}\", not of the role \"{}\"", printable(path, 4096), printable(leaf.common_name, 80), printable(command.role, 80)), "name the role and the directory that belong together");
}

Result<Former> former_bundle(const ClientIssue& command) {
  const std::string path = command.directory + "/" + file_stem(command.role) + ".p12";
  PGCERTD_TRY(const std::string bytes, ca::read_file(path));
  PGCERTD_TRY(const Secret passphrase, passphrase_of(command));
  PGCERTD_TRY(x509::OpenedPkcs12 bundle, x509::open_pkcs12(bytes, path, passphrase));
  PGCERTD_CHECK(check_role(bundle.certificate.facts(), path, command));
  return Former{std::move(bundle.key), bundle.certificate.facts().serial};
}

// The same key again: libpq and pgjdbc read key and certificate one after the other, and each mixture of old and new must match.
Result<Former> former_pair(const ClientIssue& command) {
  const std::string certificate = command.directory + "/postgresql.crt", key_path = command.directory + (command.format == "jdbc" ? "/postgresql.pk8" : "/postgresql.key");
  PGCERTD_TRY(const std::string bytes, ca::read_file(certificate));
  PGCERTD_TRY(const auto chain, x509::parse_certificates(bytes, certificate));
  PGCERTD_CHECK(check_role(chain.front().facts(), certificate, command));
  PGCERTD_TRY(const Secret pem, ca::read_secret_file(key_path));
  PGCERTD_TRY(x509::PrivateKey key, x509::PrivateKey::parse(pem.view(), key_path));
  if (!x509::key_matches(key, chain.front()))
    return fail(Errc::refused, fmt::format("\"{}\" and \"{}\" do not belong together", printable(key_path, 4096), printable(certificate, 4096)), "issue into another directory, without --renew");
  return Former{std::move(key), chain.front().facts().serial};
}

Result<Former> key_for(const ClientIssue& command) {
  if (command.renew) return within(command.format == "pkcs12" ? former_bundle(command) : former_pair(command), "--renew");
  PGCERTD_TRY(x509::PrivateKey key, x509::PrivateKey::generate(command.key_type));
  return Former{std::move(key), {}};
}

Result<json> ask_for_certificate(const ClientIssue& command, const Former& former, const Session& session) {
  PGCERTD_TRY(const std::string request, x509::make_client_request_pem(former.key, command.role));
  return session.client().post("/v1/clients", {{"role", command.role}, {"request", request}, {"lifetime", command.lifetime}, {"issuer", command.issuer}, {"renews", former.serial}});
}

// What a client trusts already; read before anything is asked for.
Result<std::string> anchors_before(const ClientIssue& command) {
  const std::string path = command.directory + "/root.crt";
  auto bytes = command.renew ? ca::read_file(path) : Result<std::string>(std::string{});
  if (!bytes && bytes.error().code == Errc::not_found) return std::string{};
  if (bytes && !bytes->empty()) PGCERTD_CHECK(x509::parse_certificates(*bytes, path));
  return bytes;
}

// It stays: a root that somebody added there is of another server.
Result<std::string> anchors_for(std::string before, const std::string& ours) {
  if (before.empty()) return ours;
  PGCERTD_TRY(const auto there, x509::parse_certificates(before, "root.crt"));
  PGCERTD_TRY(const auto wanted, x509::parse_certificates(ours, "the issuer's root"));
  std::string out = std::move(before);
  for (const x509::Certificate& root : wanted) {
    const auto same = [&](const x509::Certificate& one) { return one.facts().fingerprint_sha256 == root.facts().fingerprint_sha256; };
    if (std::ranges::any_of(there, same)) continue;
    out += (out.ends_with('\n') ? "" : "\n") + root.pem();
  }
  return out;
}

struct Written {
  json reply;
  std::vector<std::string> paths;
};

std::vector<std::string> names_of(const ClientIssue& command) {
  std::vector<std::string> names = format_of(command).names(command);
  names.emplace_back("root.crt");
  if (command.with_crl) names.emplace_back("root.crl");
  return names;
}

Result<std::vector<OutputFile>> files_of(const ClientIssue& command, const Former& former, const std::string& anchors, const json& reply) {
  PGCERTD_TRY(std::vector<OutputFile> files, format_of(command).files(command, former.key, reply));
  PGCERTD_TRY(const std::string trusted, anchors_for(anchors, text_of(reply, "root")));
  files.push_back({"root.crt", Secret(trusted), 0644});
  if (command.with_crl && text_of(reply, "crl").empty()) return fail(Errc::not_found, "the issuer has no complete set of CRLs now (pgcertctl crl show)");
  if (command.with_crl) files.push_back({"root.crl", Secret(text_of(reply, "crl")), 0644});
  // A key that stays keeps its file, whose owner is the client and not whoever renews.
  if (!former.serial.empty()) std::erase_if(files, [](const OutputFile& file) { return file.name.ends_with(".key") || file.name.ends_with(".pk8"); });
  return files;
}

Result<Written> write_issued(const ClientIssue& command, const Former& former, const std::string& anchors, json reply) {
  PGCERTD_TRY(const std::vector<OutputFile> files, files_of(command, former, anchors, reply));
  PGCERTD_CHECK(command.renew ? replace_files(command.directory, files) : write_new_files(command.directory, files));
  Written out{std::move(reply), {}};
  for (const OutputFile& file : files) out.paths.push_back(command.directory + "/" + file.name);
  return out;
}

Result<Written> issue(const ClientIssue& command, const Session& session) {
  if (command.format == "pkcs12") PGCERTD_CHECK(passphrase_of(command));
  PGCERTD_TRY(const Place place, Place::make(command.directory));
  if (!command.renew) PGCERTD_CHECK(check_free(command.directory, names_of(command)));
  PGCERTD_CHECK(check_writable(command.directory, names_of(command)));
  PGCERTD_TRY(const std::string anchors, anchors_before(command));
  PGCERTD_TRY(const Former former, key_for(command));
  PGCERTD_TRY(json reply, ask_for_certificate(command, former, session));
  const std::string serial = text_of(reply, "serial");
  auto written = write_issued(command, former, anchors, std::move(reply));
  if (written) return written;
  Error error = std::move(written).error().within(fmt::format("certificate {} was issued and is not written", printable(serial, 64)));
  error.remedy = fmt::format("pgcertctl revoke {} --reason superseded, and issue it again", printable(serial, 64));
  return fail(std::move(error));
}

std::string issued_text(const Written& written, const ClientIssue& command) {
  std::string out = fmt::format("role        {}\nserial      {}\nvalid until {}\nroot        {} (SHA-256)\n", printable(command.role, 80), text_of(written.reply, "serial"),
                                text_of(written.reply, "not_after"), text_of(written.reply, "root_sha256"));
  for (const std::string& path : written.paths) out += fmt::format("            {}\n", printable(path, 4096));
  if (command.format == "libpq")
    out += fmt::format("\nThe client connects with\n  psql 'host=HOST dbname=DB user={0} sslmode=verify-full sslrootcert={1}/root.crt sslcert={1}/postgresql.crt sslkey={1}/postgresql.key'\n", printable(command.role, 80),
                       printable(command.directory, 4096));
  out += fmt::format("\npg_hba.conf asks for the certificate with\n  hostssl  DB  {0}  ADDRESS  cert\nor, for a role of another name, with map=certs there and in pg_ident.conf\n  certs  {0}  OTHERROLE\n", printable(command.role, 80));
  if (command.with_crl) out += "root.crl ends: libpq refuses every server then, so renew it in time (pgcertctl crl show)\n";
  return out;
}

}  // namespace

int run(const ClientIssue& command, const Session& session) {
  const auto written = issue(command, session);
  if (!written) return session.report(written.error());
  if (session.json())
    session.print_json(json{{"role", command.role}, {"serial", text_of(written->reply, "serial")}, {"not_after", text_of(written->reply, "not_after")},
                            {"root_sha256", text_of(written->reply, "root_sha256")}, {"files", written->paths}});
  else
    session.print(cli::with_relative_times(issued_text(*written, command), session.now()));
  return code(cli::ExitCode::done);
}

int run(const ClientList&, const Session& session) {
  const auto status = session.client().get("/v1/status");
  if (!status) return session.report(status.error());
  if (session.json()) session.print_json(cli::clients_of(*status));
  else session.print(cli::clients_view(*status, session.now(), session.style()));
  return code(cli::ExitCode::done);
}

namespace {

nlohmann::ordered_json trust_json(const std::string& bundle, const std::vector<x509::Certificate>& roots, const std::string& output) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const x509::Certificate& root : roots) list.push_back(to_json(root.facts()));
  return {{"roots", std::move(list)}, {"pem", bundle}, {"file", output.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(printable(output, 4096))}};
}

}  // namespace

int run(const TrustExport& command, const Session& session) {
  const auto bundle = session.client().get_text("/pki/root.crt");
  if (!bundle) return session.report(bundle.error());
  const auto roots = x509::parse_certificates(*bundle, "the trust bundle");
  if (!roots) return session.report(roots.error());
  for (const x509::Certificate& root : *roots) session.warn(fmt::format("{}  SHA-256 {}", printable(root.facts().subject, 200), root.facts().fingerprint_sha256));
  if (!command.output.empty())
    if (const auto written = ca::replace_file(command.output, *bundle, 0644); !written) return session.report(written.error());
  if (session.json()) session.print_json(trust_json(*bundle, *roots, command.output));
  else if (command.output.empty()) session.print(*bundle);
  return code(cli::ExitCode::done);
}

}  // namespace pgcertd::ctl

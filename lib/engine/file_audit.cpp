#include "engine/file_audit.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.hpp"
#include "x509/certificate.hpp"
#include "x509/parameters.hpp"
#include "x509/pem.hpp"
#include "x509/verify.hpp"

namespace pgcertd::engine {
namespace {

struct NamedFile {
  const char* setting;
  FileRole role;
};
constexpr std::array named_files{NamedFile{"ssl_cert_file", FileRole::certificate}, NamedFile{"ssl_key_file", FileRole::key}, NamedFile{"ssl_ca_file", FileRole::root},
                                 NamedFile{"ssl_crl_file", FileRole::crl}};

Result<std::string> read_named(ports::LiveFiles& files, const PostgresSeen& server, const std::string& setting) {
  const std::string path = server.file_setting(setting);
  if (path.empty()) return fail(Errc::not_found, setting + " is empty");
  return files.read_public(path, server.identity());
}

// Nothing where it is not set or may not be read: that is told of elsewhere. An error: it could not be read just now.
Result<std::vector<x509::Certificate>> read_ca_file(ports::LiveFiles& files, const PostgresSeen& server) {
  const auto bytes = read_named(files, server, "ssl_ca_file");
  if (!bytes && is_passing(bytes.error())) return fail(bytes.error());
  if (!bytes) return std::vector<x509::Certificate>{};
  return x509::parse_certificates(*bytes, "ssl_ca_file").value_or(std::vector<x509::Certificate>{});
}

// OpenSSL completes a chain from the trust store of the context, which is ssl_ca_file.
bool completed_by_ca_file(ports::LiveFiles& files, const PostgresSeen& server, const LiveSet& live) {
  if (live.chain.empty() || live.chain.back().self_issued) return false;
  const auto anchors = read_ca_file(files, server).value_or(std::vector<x509::Certificate>{});
  return std::any_of(anchors.begin(), anchors.end(), [&](const x509::Certificate& c) { return c.facts().subject == live.chain.back().issuer && !c.facts().self_issued; });
}

// The CAs that a client's certificate may come from.
Result<std::vector<x509::Certificate>> authorities_of(ports::LiveFiles& files, const PostgresSeen& server) {
  PGCERTD_TRY(auto all, read_ca_file(files, server));
  std::erase_if(all, [](const x509::Certificate& c) { return !c.facts().is_ca && !c.facts().self_signed; });
  return all;
}

std::string common_name_of(const std::string& rfc2253) {
  const auto at = rfc2253.find("CN=");
  return at == std::string::npos ? rfc2253 : rfc2253.substr(at + 3, rfc2253.find(',', at) - at - 3);
}

bool stands_in(const std::vector<x509::Crl>& crls, const CertSession& session) {
  return std::any_of(crls.begin(), crls.end(), [&](const x509::Crl& crl) {
    // pg_stat_ssl writes names as /CN=…/O=…, in another order; serials of two CAs may be equal, with equal names too they are not.
    return crl.contains(session.serial) && session.issuer_dn.find("/CN=" + common_name_of(crl.facts().issuer)) != std::string::npos;
  });
}

void add_crls(std::vector<x509::Crl>& all, const std::string& pem, const char* name) {
  if (pem.empty()) return;
  if (const auto parsed = x509::parse_crls(pem, name)) all.insert(all.end(), parsed->begin(), parsed->end());
}

void add_installed(CrlSet& out, const x509::Crl& crl, const std::string& path, const std::vector<x509::Certificate>& authorities) {
  InstalledCrl& one = out.crls.emplace_back(InstalledCrl{crl.facts(), {}, path});
  for (const x509::Certificate& authority : authorities)
    if (x509::crl_signed_by(crl, authority)) one.signers.push_back(authority.facts().subject_key_id);
}

Result<void> read_crl_file(CrlSet& out, ports::LiveFiles& files, const PostgresSeen& server, const std::vector<x509::Certificate>& authorities) {
  const auto bytes = read_named(files, server, "ssl_crl_file");
  if (!bytes && is_passing(bytes.error())) return fail(bytes.error());
  const auto crls = bytes ? x509::parse_crls(*bytes, "ssl_crl_file") : Result<std::vector<x509::Crl>>(fail(bytes.error()));
  if (!crls || !x509::looks_like_pem(*bytes)) {
    out.trouble = crls ? "it is not PEM" : crls.error().what;
    return {};
  }
  for (const x509::Crl& crl : *crls) add_installed(out, crl, out.path, authorities);
  return {};
}

// HASH.r0, HASH.r1 and so on, as far as there is no gap (OpenSSL's get_cert_by_subject in by_dir.c).
class CrlDirectory {
 public:
  CrlDirectory(ports::LiveFiles& files, const PostgresSeen& server, std::string path) : files_(files), server_(server), path_(std::move(path)) {
    if (auto names = files.list(path_, server.identity())) names_ = std::move(*names);
    else trouble_ = printable(names.error().text());
  }

  void add_to(CrlSet& out, const std::vector<x509::Certificate>& authorities) const {
    for (const x509::Certificate& authority : authorities) {
      const std::size_t before = out.crls.size();
      const std::string hash = x509::name_hash(authority);
      for (int i = 0; has(file_of(hash, i)); ++i)
        for (const x509::Crl& crl : read(file_of(hash, i)))
          if (crl.facts().issuer == authority.facts().subject) add_installed(out, crl, path_ + "/" + file_of(hash, i), authorities);
      if (out.crls.size() == before) out.astray.emplace(authority.facts().subject_key_id, why_not(authority, hash));
    }
  }

 private:
  static std::string file_of(const std::string& hash, int number) { return hash + ".r" + std::to_string(number); }
  [[nodiscard]] bool has(const std::string& name) const { return std::find(names_.begin(), names_.end(), name) != names_.end(); }

  [[nodiscard]] std::vector<x509::Crl> read(const std::string& name) const {
    const auto bytes = files_.read_public(path_ + "/" + name, server_.identity());
    if (!bytes || !x509::looks_like_pem(*bytes)) return {};
    return x509::parse_crls(*bytes, name).value_or(std::vector<x509::Crl>{});
  }

  [[nodiscard]] std::string why_not(const x509::Certificate& authority, const std::string& hash) const {
    if (!trouble_.empty()) return trouble_;
    if (has(file_of(hash, 0))) return file_of(hash, 0) + " holds no CRL of it in PEM";
    for (const std::string& name : names_) {
      if (name.starts_with(hash + ".r")) return name + " is passed over, as " + file_of(hash, 0) + " is missing";
      for (const x509::Crl& crl : read(name))
        if (crl.facts().issuer == authority.facts().subject) return printable(name, 80) + " holds it, and OpenSSL looks for " + file_of(hash, 0);
    }
    return {};
  }

  ports::LiveFiles& files_;
  const PostgresSeen& server_;
  const std::string path_;
  std::vector<std::string> names_;
  std::string trouble_;
};

// An error: it could not be looked at just now.
Result<std::optional<CrlSet>> read_crls(ports::LiveFiles& files, const PostgresSeen& server) {
  CrlSet out;
  out.path = server.file_setting("ssl_crl_file");
  out.directory = server.file_setting("ssl_crl_dir");
  const bool file_is_set = !out.path.empty();
  if (!file_is_set && out.directory.empty()) return std::optional<CrlSet>{};
  PGCERTD_TRY(const auto authorities, authorities_of(files, server));
  for (const x509::Certificate& authority : authorities) out.authorities.push_back(authority.facts());
  if (file_is_set) {
    const auto looked = files.look(out.path);
    if (looked && looked->file.kind == FileSeen::Kind::missing) return std::optional<CrlSet>{};   // told as a file that is missing
    if (looked) out.modified = looked->file.modified;
    PGCERTD_CHECK(read_crl_file(out, files, server, authorities));
  } else {
    out.path = out.directory;
  }
  if (!out.directory.empty()) CrlDirectory(files, server, out.directory).add_to(out, authorities);
  return std::optional{std::move(out)};
}

}  // namespace

TlsFilesSeen look_into_files(ports::LiveFiles& files, const PostgresSeen& server, const LiveSet& live) {
  TlsFilesSeen out;
  if (const std::string& list = server.setting("ssl_ciphers"); !list.empty()) out.weak_ciphers = x509::weak_ciphers(list);
  if (const auto bytes = read_named(files, server, "ssl_dh_params_file")) out.dh_bits = x509::dh_bits(*bytes);
  if (const auto read = files.read_certificate(live.cert_path, live.key_path)) {
    out.key_in_certificate_file = read->key_in_certificate_file;
    out.key_encrypted = read->key_encrypted;
  }
  out.completed_by_ca_file = completed_by_ca_file(files, server, live);
  return out;
}

std::vector<LiveFileSeen> look_at_files(ports::LiveFiles& files, const PostgresSeen& server, const LiveSet& live, const std::string& cluster_directory) {
  std::vector<LiveFileSeen> out;
  for (const NamedFile& named : named_files) {
    const std::string path = server.file_setting(named.setting);
    const bool pair = named.role == FileRole::certificate || named.role == FileRole::key;
    if (path.empty() || path.starts_with(cluster_directory + "/") || (pair && (live.ours || !server.ssl_on()))) continue;
    LiveFileSeen seen;
    seen.role = named.role;
    if (auto looked = files.look(path)) seen.file = std::move(looked->file), seen.parents = std::move(looked->parents);
    else seen.file.path = path, seen.trouble = printable(looked.error().text());
    out.push_back(std::move(seen));
  }
  return out;
}

std::optional<CrlSet> CrlLook::look(ports::LiveFiles& files, const PostgresSeen& server) {
  std::vector<FileSeen> stamps;
  for (const char* setting : {"ssl_ca_file", "ssl_crl_file"})
    if (const auto looked = files.look(server.file_setting(setting))) stamps.push_back(looked->file);
  const bool unchanged = stamps.size() == 2 && stamps == stamps_ && server.setting("ssl_crl_dir").empty();
  if (unchanged && looks_ > 1) return known_;
  auto read = read_crls(files, server);
  if (!read) {
    looks_ = 0;   // what is known stays until the next look
    return known_;
  }
  looks_ = unchanged ? looks_ + 1 : 1;
  stamps_ = std::move(stamps);
  known_ = std::move(*read);
  return known_;
}

std::optional<TimePoint> hba_modified(ports::LiveFiles& files, const PostgresSeen& server, const ServerDetail& detail) {
  std::set<std::string> paths{server.hba_file};
  for (const HbaRule& rule : detail.hba.value_or(std::vector<HbaRule>{})) paths.insert(rule.file);
  std::optional<TimePoint> newest;
  for (const std::string& path : paths)
    if (const auto looked = path.empty() ? Result<PathSeen>(fail(Errc::not_found, "no path")) : files.look(path); looked && looked->file.kind == FileSeen::Kind::regular)
      newest = newest ? std::max(*newest, looked->file.modified) : looked->file.modified;
  return newest;
}

std::vector<CertSession> revoked_sessions(ports::LiveFiles& files, const Observation& seen) {
  std::vector<CertSession> out;
  if (!seen.detail || seen.detail->cert_sessions.empty()) return out;
  std::vector<x509::Crl> crls;
  add_crls(crls, seen.issuer.crl_pem, "the issuer's CRL");
  if (const auto bytes = read_named(files, seen.server, "ssl_crl_file")) add_crls(crls, *bytes, "ssl_crl_file");
  for (const CertSession& session : seen.detail->cert_sessions)
    if (!session.serial.empty() && stands_in(crls, session)) out.push_back(session);
  return out;
}

}  // namespace pgcertd::engine

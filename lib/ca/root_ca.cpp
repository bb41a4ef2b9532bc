#include "ca/root_ca.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"
#include "ca/crl_times.hpp"
#include "ca/durable_file.hpp"
#include "ca/read_key.hpp"
#include "x509/sign.hpp"
#include "x509/verify.hpp"

namespace pgcertd::ca {
namespace {

constexpr const char* root_key_remedy = "bring the medium that holds the root's directory, and name that directory with --root-dir";

Result<void> check_directory(const std::string& directory) {
  PGCERTD_TRY(const RootKeySeen seen, look_at_root_key(directory));
  if (seen.kind != CaDirectorySeen::Kind::root)
    return fail(Errc::invalid, fmt::format("\"{}\" is an issuing CA's directory, not a root's", printable(directory, 4096)), root_key_remedy);
  if (!seen.present) return fail(Errc::not_found, fmt::format("\"{}\" has no root.key: it was taken away, as it should be", printable(directory, 4096)), root_key_remedy);
  return {};
}

// A clock that was set back would sign what has ended already, or CRLs that nobody takes.
Result<void> check_clock(const ChainedLog& log, TimePoint now) {
  if (log.entries().empty() || now >= log.entries().back().at) return {};
  return fail(Errc::refused, fmt::format("this machine's clock says {}, and the root was used at {}", to_rfc3339(now), to_rfc3339(log.entries().back().at)),
              "set the clock of this machine; date -u shows it");
}

Result<void> check_wish(const x509::RequestFacts& facts, const SigningWish& wish) {
  if (!facts.signature_ok) return fail(Errc::refused, "the request's signature is wrong: its sender does not prove that it holds the key", "make the request again");
  if (wish.lifetime <= Duration::zero()) return fail(Errc::invalid, fmt::format("a lifetime of {} is impossible", to_text(wish.lifetime)));
  if (wish.profile == SigningProfile::issuing) return {};
  if (facts.asks_for_ca) return fail(Errc::refused, fmt::format("the request asks for a CA's certificate, and {}'s was to be signed", described(wish.profile)), "look who made it; an issuing CA's is signed with --profile issuing");
  if (wish.profile == SigningProfile::client)
    return wish.common_name.empty() ? fail(Errc::invalid, "a client's certificate needs a role", "name it with --role, or let it be the request's common name") : Result<void>{};
  if (wish.names.dns.empty() && wish.names.ip.empty()) return fail(Errc::invalid, "a server's certificate needs a name", "name them with --names, or let the request carry them");
  return x509::check_names(wish.names);
}

std::string registry_profile(const SigningWish& wish) {
  if (wish.profile == SigningProfile::issuing) return "issuing-ca";
  if (wish.profile == SigningProfile::client) return "client role=" + wish.common_name;
  return fmt::format("server dns={} ip={}", fmt::join(wish.names.dns, ","), fmt::join(wish.names.ip, ","));
}

Result<store::Registry::NewSerial> new_serial_for(const SigningOrder& order) {
  PGCERTD_TRY(const x509::RequestFacts facts, x509::parse_request(order.request_pem, "request"));
  PGCERTD_CHECK(check_wish(facts, order.wish));
  PGCERTD_TRY(std::string serial, x509::new_serial());
  return store::Registry::NewSerial{std::move(serial), facts.spki_sha256, registry_profile(order.wish)};
}

}  // namespace

RootCa::RootCa(RootDirectory directory, x509::Certificate certificate, x509::PrivateKey key, store::Registry registry, ChainedLog log)
    : directory_(std::move(directory)), certificate_(std::move(certificate)), key_(std::move(key)), registry_(std::move(registry)), log_(std::move(log)) {}

Result<RootCa> RootCa::open(const std::string& path, const Secret* passphrase, TimePoint now) {
  PGCERTD_CHECK(check_directory(path));
  RootDirectory directory{path};
  PGCERTD_TRY(ChainedLog log, ChainedLog::open(directory.log()));
  PGCERTD_CHECK(check_clock(log, now));
  PGCERTD_TRY(x509::Certificate certificate, read_certificate(directory.certificate()));
  PGCERTD_TRY(store::Registry registry, store::Registry::open(directory.registry()));
  PGCERTD_TRY(x509::PrivateKey key, read_key(directory.key(), passphrase, "give it with --passphrase, or type it at a terminal"));
  if (!x509::key_matches(key, certificate))
    return fail(Errc::invalid, fmt::format("\"{}\" and \"{}\" do not belong together", directory.key(), directory.certificate()), "restore both from the other medium");
  return RootCa(std::move(directory), std::move(certificate), std::move(key), std::move(registry), std::move(log));
}

Result<x509::Certificate> RootCa::sign(const std::string& request_pem, const SigningWish& wish, TimePoint now) {
  PGCERTD_TRY(auto made, sign_all({{{}, request_pem, wish}}, now));
  return std::move(made.front());
}

Result<std::vector<x509::Certificate>> RootCa::sign_all(const std::vector<SigningOrder>& orders, TimePoint now) {
  if (orders.empty()) return std::vector<x509::Certificate>{};
  std::vector<store::Registry::NewSerial> serials;
  for (const SigningOrder& order : orders) {
    auto serial = new_serial_for(order);
    if (!serial) return order.file.empty() ? fail(std::move(serial).error()) : fail(std::move(serial).error().within(printable(order.file, 4096)));
    serials.push_back(std::move(*serial));
  }
  std::vector<x509::Certificate> made;
  std::vector<store::Registry::NewCertificate> certificates;
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < orders.size(); ++i) {
    PGCERTD_TRY(x509::Certificate one, sign_one(orders[i], serials[i].serial, now));
    certificates.push_back({serials[i].serial, one.der(), one.facts().not_after});
    lines.push_back(signed_entry(described(orders[i].wish.profile), one.facts()));
    made.push_back(std::move(one));
  }
  // In one transaction: until it is on the disk no certificate has left this function, so a crash before it leaves none unknown.
  PGCERTD_CHECK(registry_.record_signed(serials, certificates, now));
  PGCERTD_CHECK(log_.append_all(now, lines));
  return made;
}

Result<x509::Certificate> RootCa::sign_one(const SigningOrder& order, const std::string& serial, TimePoint now) const {
  const x509::Validity validity = x509::leaf_validity(now, order.wish.lifetime, {certificate_.facts()});
  const SigningWish& wish = order.wish;
  if (wish.profile == SigningProfile::issuing) return x509::sign_issuing_ca(key_, certificate_, order.request_pem, wish.common_name, serial, validity);
  if (wish.profile == SigningProfile::client) return x509::sign_client(key_, certificate_, order.request_pem, {.serial = serial, .role = wish.common_name, .validity = validity, .crl_url = {}});
  return x509::sign_leaf(key_, certificate_, order.request_pem, {.serial = serial, .names = wish.names, .validity = validity, .crl_url = {}, .client_auth = false});
}

Result<bool> RootCa::has_signed(const std::string& spki_sha256) {
  PGCERTD_TRY(const auto entry, registry_.find_by_spki(spki_sha256));
  return entry.has_value();
}

Result<x509::Crl> RootCa::renew_crl(Duration lifetime, TimePoint now) {
  PGCERTD_CHECK(check_replaceable(directory_.crl()));   // before a number is used up
  PGCERTD_TRY(const auto before, crl());
  x509::RevokedList revoked;
  PGCERTD_CHECK(registry_.for_each_revoked([&revoked](const store::Revocation& one) { return revoked.add({.serial = one.serial, .revoked_at = one.revoked_at, .reason = one.reason}); }));
  PGCERTD_TRY(const std::uint64_t at_least, before ? number_of(*before, directory_.crl()) : Result<std::uint64_t>(0));
  PGCERTD_TRY(const std::uint64_t number, registry_.next_crl_number(at_least + 1));
  const TimePoint this_update = next_this_update(before ? std::optional(before->facts().this_update) : std::nullopt, now, lifetime);
  if (this_update > now) return fail(Errc::refused, fmt::format("the CRL in \"{}\" begins at {}, which lies ahead", directory_.crl(), to_rfc3339(before->facts().this_update)), "set the clock of this machine");
  PGCERTD_TRY(x509::Crl made, x509::sign_crl(key_, certificate_, fmt::to_string(number), this_update, now + lifetime, std::move(revoked)));
  PGCERTD_CHECK(log_.append(now, fmt::format("signed CRL {} with {} entries until {}", number, made.facts().revoked, to_rfc3339(now + lifetime))));
  PGCERTD_CHECK(replace_file(directory_.crl(), made.pem(), 0644));
  return made;
}

Result<ChainedLog> open_log(const std::string& directory) {
  PGCERTD_TRY(const CaDirectorySeen seen, look_at(directory));
  if (seen.kind != CaDirectorySeen::Kind::root) return fail(Errc::invalid, fmt::format("\"{}\" is an issuing CA's directory: it has no such log", printable(directory, 4096)), root_key_remedy);
  return ChainedLog::open(RootDirectory{directory}.log());
}

Result<void> change_passphrase(const std::string& directory, const Secret* old_passphrase, const Secret* new_passphrase, TimePoint now) {
  PGCERTD_CHECK(check_directory(directory));
  const RootDirectory place{directory};
  PGCERTD_TRY(ChainedLog log, ChainedLog::open(place.log()));
  PGCERTD_CHECK(check_clock(log, now));
  PGCERTD_TRY(const RootKeySeen seen, look_at_root_key(directory));
  if (seen.in_token) return fail(Errc::refused, "the root's key is in a token, which has a PIN of its own", "pkcs11-tool --module MODULE --login --change-pin");
  PGCERTD_TRY(const x509::PrivateKey key, read_key(place.key(), old_passphrase, "give the passphrase that it has now"));
  if (new_passphrase == nullptr) {
    PGCERTD_CHECK(replace_file(place.key(), key.to_pem().view(), 0600));
  } else {
    PGCERTD_TRY(const Secret pem, key.to_encrypted_pem(*new_passphrase));
    PGCERTD_CHECK(replace_file(place.key(), pem.view(), 0600));
  }
  return log.append(now, new_passphrase == nullptr ? "took the passphrase of the root's key away" : "changed the passphrase of the root's key");
}

}  // namespace pgcertd::ca

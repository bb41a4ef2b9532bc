// Covers lib/core/audit.cpp: each finding of the audit with its fact and without it, and what a reload would apply.
#include "core/audit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/core/case.hpp"

namespace pgcertd::audit_tests {   // of its own: a unity build puts all tests into one unit
namespace {

using namespace pgcertd::testing;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using P = ProblemCode;

std::vector<Finding> audited(const Bend& bend) {
  Case c;
  c.seen.detail.emplace();
  bend(c);
  return audit(c.desired, c.seen);
}

std::vector<std::string> codes(const Bend& bend) {
  std::vector<std::string> out;
  for (const Finding& f : audited(bend)) out.push_back(std::string{to_string(f.code)} + (f.object.empty() ? "" : " " + f.object));
  return out;
}

FileSetting line(const std::string& name, const std::string& value, const std::string& in_force, bool applied = true) {
  FileSetting l;
  l.name = name, l.value = value, l.in_force = in_force, l.applied = applied;
  l.sourcefile = "/etc/postgresql.conf", l.sourceline = 12, l.source = "configuration file", l.vartype = "string", l.context = "sighup";
  return l;
}

TEST(Audit, AHealthyServerHasNothing) {
  EXPECT_THAT(codes([](Case&) {}), IsEmpty());
  EXPECT_THAT(codes([](Case& c) { c.seen.detail.reset(); }), IsEmpty());
}

TEST(Audit, OldProtocolVersionsAreTold) {
  const auto least = [](const std::string& value) { return codes([&](Case& c) { c.seen.server.settings["ssl_min_protocol_version"].value = value; }); };
  for (const char* low : {"TLSv1", "TLSv1.1", ""}) EXPECT_THAT(least(low), ElementsAre("tls-version-low ssl_min_protocol_version")) << low;
  for (const char* good : {"TLSv1.2", "TLSv1.3"}) EXPECT_THAT(least(good), IsEmpty()) << good;
}

TEST(Audit, FindingsNameWhereTheSettingComesFrom) {
  const auto findings = audited([](Case& c) { c.seen.server.settings["ssl_min_protocol_version"] = {"TLSv1", "configuration file", "/etc/postgresql/15/main/conf.d/old.conf", 3, false}; });
  EXPECT_THAT(findings.front().message, HasSubstr("(/etc/postgresql/15/main/conf.d/old.conf:3)"));
}

TEST(Audit, WeakCiphersAndDhParametersAreTold) {
  EXPECT_THAT(codes([](Case& c) { c.seen.tls_files.weak_ciphers = {"NULL-SHA"}; }), ElementsAre("settings-weak ssl_ciphers"));
  const auto findings = audited([](Case& c) { c.seen.tls_files.weak_ciphers = {"NULL-SHA"}, c.seen.server.settings["ssl_ciphers"].value = "ALL"; });
  EXPECT_THAT(findings.front().message, HasSubstr("ssl_ciphers lets in NULL-SHA")) << "from no file";
  EXPECT_THAT(codes([](Case& c) { c.seen.tls_files.dh_bits = 2047; }), ElementsAre("settings-weak ssl_dh_params_file"));
  EXPECT_THAT(codes([](Case& c) { c.seen.tls_files.dh_bits = 2048; }), IsEmpty());
}

TEST(Audit, APassphraseNeedsACommandThatSupportsReload) {
  const auto with = [](const std::string& command, const std::string& reload) {
    return audited([&](Case& c) {
      c.seen.tls_files.key_encrypted = true;
      c.seen.server.settings["ssl_passphrase_command"].value = command, c.seen.server.settings["ssl_passphrase_command_supports_reload"].value = reload;
    });
  };
  EXPECT_THAT(with("cat /p", "on"), IsEmpty());
  ASSERT_EQ(with("cat /p", "off").size(), 1U);
  EXPECT_EQ(with("cat /p", "off").front().code, P::key_encrypted);
  EXPECT_THAT(with("cat /p", "off").front().remedy, HasSubstr("supports_reload = 'on'"));
  EXPECT_THAT(with("", "on").front().message, HasSubstr("no ssl_passphrase_command"));
}

TEST(Audit, FilesThatWorkAndAreATrapAreTold) {
  EXPECT_THAT(codes([](Case& c) { c.seen.tls_files.key_in_certificate_file = true; }), ElementsAre("key-exposed /s/clusters/main/current/server.crt"));
  EXPECT_THAT(codes([](Case& c) { c.seen.tls_files.completed_by_ca_file = true; }), ElementsAre("cert-chain-incomplete /s/clusters/main/current/server.crt"));
  EXPECT_THAT(codes([](Case& c) { c.seen.live.snakeoil = true; }), ElementsAre("settings-weak /s/clusters/main/current/server.crt"));
  EXPECT_THAT(codes([](Case& c) { c.seen.live.snakeoil = true, c.seen.server.settings["ssl"].value = "off"; }), IsEmpty());
}

TEST(Audit, AKeyInTheDataDirectoryIsCopiedWithIt) {
  const auto in_data = [](const Bend& bend) {
    return codes([&](Case& c) {
      c.seen.server.data_directory = "/data", c.seen.live.key_path = "/data/server.key", c.seen.live.ours = false;
      bend(c);
    });
  };
  EXPECT_THAT(in_data([](Case&) {}), ElementsAre("settings-weak /data/server.key"));
  EXPECT_THAT(in_data([](Case& c) { c.seen.live.ours = true; }), IsEmpty());
  EXPECT_THAT(in_data([](Case& c) { c.seen.live.key_path = "/database/server.key"; }), IsEmpty());
  EXPECT_THAT(in_data([](Case& c) { c.seen.server.settings["ssl"].value = "off"; }), IsEmpty());
  EXPECT_THAT(in_data([](Case& c) { c.seen.server.data_directory.clear(), c.seen.live.key_path = "/server.key"; }), IsEmpty());
}

TEST(Audit, CertificatesByHostNameAreNotManaged) {
  const auto sni = [](std::uint32_t version, const std::string& value) { return codes([&](Case& c) { c.seen.server.version_num = version, c.seen.server.settings["ssl_sni"].value = value; }); };
  EXPECT_THAT(sni(190000, "on"), ElementsAre("endpoint-unmanaged ssl_sni"));
  EXPECT_THAT(sni(190000, "off"), IsEmpty());
  EXPECT_THAT(sni(189999, "on"), IsEmpty());
}

TEST(Audit, LinesWithoutEffectAreShadowed) {
  const auto with = [](const FileSetting& l, const Bend& bend = [](Case&) {}) {
    return codes([&](Case& c) {
      c.seen.detail->file_settings = {l};
      bend(c);
    });
  };
  EXPECT_THAT(with(line("ssl_ciphers", "HIGH", "LOW", false)), ElementsAre("settings-shadowed /etc/postgresql.conf:12"));
  EXPECT_THAT(with(line("ssl_ciphers", "HIGH", "HIGH", false)), IsEmpty());
  EXPECT_THAT(with(line("ssl_ciphers", "HIGH", "LOW", true)), IsEmpty()) << "it will be applied";
  EXPECT_THAT(with(line("work_mem", "1MB", "2MB", false)), IsEmpty()) << "no business of ours";
  for (const char* set_by_us : {"ssl", "ssl_cert_file", "ssl_key_file"}) {
    EXPECT_THAT(with(line(set_by_us, "x", "y", false)), IsEmpty());
    EXPECT_THAT(with(line(set_by_us, "x", "y", false), [](Case& c) { c.seen.live.ours = false; }), ElementsAre("settings-shadowed /etc/postgresql.conf:12"));
  }
  EXPECT_THAT(with(line("ssl_ciphers", "HIGH", "LOW", false), [](Case& c) { c.seen.server.settings["ssl_ciphers"].pending_restart = true; }), IsEmpty());
  FileSetting bad = line("ssl_ciphers", "HIGH", "HIGH", false);
  bad.error = "setting could not be applied";
  EXPECT_THAT(with(bad), ElementsAre("settings-shadowed /etc/postgresql.conf:12"));
}

TEST(Audit, HasItsOwnCodes) {
  EXPECT_TRUE(is_audit_code(P::settings_weak));
  EXPECT_TRUE(is_audit_code(P::file_owner));
  EXPECT_FALSE(is_audit_code(P::cert_expired));
}

TEST(Audit, PlaintextSessionsOfOtherHostsAreCounted) {
  const auto with = [](const SessionGroup& group) { return audited([&](Case& c) { c.seen.detail->sessions = {group, group}; }); };
  EXPECT_EQ(audited([](Case& c) { c.seen.detail->sessions = {{true, false, "", "", 1, 0, {}}}; }).size(), 1U) << "one is too many";
  const SessionGroup plain{true, false, "", "", 3, 0, {}};
  ASSERT_EQ(with(plain).size(), 1U);
  EXPECT_THAT(with(plain).front().message, HasSubstr("6 session(s)"));
  EXPECT_THAT(with({true, true, "", "", 3, 0, {}}), IsEmpty()) << "over loopback";
  EXPECT_THAT(with({false, false, "", "", 3, 0, {}}), IsEmpty()) << "over a socket";
  EXPECT_THAT(with({true, false, "TLSv1.3", "", 3, 0, {}}), IsEmpty());
  EXPECT_THAT(with({true, false, "", "", 0, 0, {}}), IsEmpty());
}

TEST(Audit, RevokedSessionsAreTold) {
  const auto findings = audited([](Case& c) { c.seen.revoked_sessions = {{4711, "app", "/CN=app", "/CN=ca", "ab", t0}}; });
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings.front().severity, Severity::critical);
  EXPECT_EQ(findings.front().remedy, "SELECT pg_terminate_backend(4711);");
}

TEST(Audit, AStandbyThatTrustsAnyPrimaryIsTold) {
  const auto from = [](const std::string& host, const std::string& sslmode) { return codes([&](Case& c) { c.seen.detail->upstream = Upstream{host, sslmode}; }); };
  for (const char* loose : {"disable", "allow", "prefer", "require", ""}) EXPECT_THAT(from("db1", loose), ElementsAre("settings-weak primary_conninfo")) << loose;
  for (const char* tight : {"verify-ca", "verify-full"}) EXPECT_THAT(from("db1", tight), IsEmpty()) << tight;
  EXPECT_THAT(from("/run/postgresql", "prefer"), IsEmpty());
  const auto message = [](const std::string& sslmode) { return audited([&](Case& c) { c.seen.detail->upstream = Upstream{"db1", sslmode}; }).back().message; };
  EXPECT_THAT(message("require"), HasSubstr("whom it talks to"));
  EXPECT_THAT(message("prefer"), HasSubstr("in plaintext"));
}

TEST(Audit, SaysNothingOfAServerThatCannotBeAsked) {
  EXPECT_THAT(codes([](Case& c) { c.seen.tls_files.dh_bits = 512, c.seen.server.fault = ServerFault::down; }), IsEmpty());
}

TEST(Audit, RowsOfPgHbaAreJudgedToo) {
  EXPECT_THAT(codes([](Case& c) { c.seen.detail->hba = {{"", 7, "host", {"all"}, {"all"}, "all", "", "scram-sha-256", {}, ""}}; }), ElementsAre("hba-plaintext pg_hba.conf:7"));
}

std::vector<std::string> pending(const Bend& bend) {
  Case c;
  c.seen.detail.emplace();
  c.seen.server.config_loaded = t0;
  bend(c);
  return pending_changes(c.seen.memory, c.seen.server, *c.seen.detail);
}

TEST(PendingChanges, AreLinesThatAReloadWouldApply) {
  const auto with = [](const FileSetting& l) { return pending([&](Case& c) { c.seen.detail->file_settings = {l}; }); };
  EXPECT_THAT(with(line("work_mem", "a", "b")), ElementsAre("work_mem = 'a' (/etc/postgresql.conf:12)"));
  EXPECT_THAT(with(line("work_mem", "a", "a")), IsEmpty());
  EXPECT_THAT(with(line("work_mem", "a", "b", false)), IsEmpty()) << "overridden, or wrong";
  EXPECT_THAT(with(line("ssl_ciphers", "a", "b")), IsEmpty()) << "what pgcertd changes itself";
  for (const char* context : {"sighup", "user", "superuser", "backend", "superuser-backend", "postmaster", "internal", ""}) {
    FileSetting l = line("work_mem", "a", "b");
    l.context = context;
    EXPECT_EQ(with(l).empty(), l.context == "postmaster" || l.context == "internal" || l.context.empty()) << context;
  }
  for (const char* source : {"configuration file", "default", "session", "command line", "database"}) {
    FileSetting l = line("work_mem", "a", "b");
    l.source = source;
    EXPECT_EQ(with(l).empty(), l.source != "configuration file" && l.source != "default") << source;
  }
}

TEST(HbaDigest, ChangesWithEachPartOfARow) {
  const HbaRule row{"f", 7, "host", {"all"}, {"app"}, "10.0.0.0", "255.0.0.0", "md5", {"map=x"}, ""};
  const auto differs = [&](const std::function<void(HbaRule&)>& change) {
    HbaRule other = row;
    change(other);
    return digest_of({row}) != digest_of({other});
  };
  EXPECT_TRUE(differs([](HbaRule& r) { r.type = "hostssl"; }));
  EXPECT_TRUE(differs([](HbaRule& r) { r.databases = {"all", "x"}; }));
  EXPECT_TRUE(differs([](HbaRule& r) { r.users = {"ap", "p"}; }));
  EXPECT_TRUE(differs([](HbaRule& r) { r.address = "10.0.0.1"; }));
  EXPECT_TRUE(differs([](HbaRule& r) { r.netmask = "255.255.0.0"; }));
  EXPECT_TRUE(differs([](HbaRule& r) { r.method = "trust"; }));
  EXPECT_TRUE(differs([](HbaRule& r) { r.options.clear(); }));
  EXPECT_TRUE(differs([](HbaRule& r) { r.error = "x"; }));
  EXPECT_FALSE(differs([](HbaRule& r) { r.line = 8; })) << "moved down by a comment";
}

TEST(PendingChanges, AreSettingsThatVanishedAndRowsThatWereWritten) {
  EXPECT_THAT(pending([](Case& c) { c.seen.detail->reset_by_reload = {"work_mem"}; }), ElementsAre("work_mem back to its default"));
  const HbaRule row{"", 7, "host", {"all"}, {"app"}, "all", "", "md5", {"map=x"}, ""};
  const auto written = [&](Duration after_load, const Bend& bend = [](Case&) {}) {
    return pending([&](Case& c) {
      c.seen.detail->hba = {row}, c.seen.detail->hba_modified = t0 + after_load;
      bend(c);
    }).size();
  };
  EXPECT_EQ(written(0ms), 0U);
  EXPECT_EQ(written(1ms), 1U);
  EXPECT_EQ(written(1ms, [&](Case& c) { c.seen.memory.hba_in_force = digest_of({row}); }), 0U) << "written back as it was";
  EXPECT_EQ(written(1ms, [&](Case& c) { c.seen.memory.hba_in_force = digest_of({}); }), 1U);
  EXPECT_EQ(written(1ms, [](Case& c) { c.seen.detail->hba.reset(); }), 0U);
  EXPECT_EQ(written(0ms, [](Case& c) { c.seen.detail->hba_modified.reset(); }), 0U);
}

TEST(ReloadGuard, WaitsOnlyWhereItIsToldAndNotUntilTheCertificateEnds) {
  const auto step = [](ReloadGuard guard, const Bend& bend = [](Case&) {}) {
    Case c;
    c.desired.cluster.reload_guard = guard;
    c.seen.detail.emplace(), c.seen.detail->reset_by_reload = {"work_mem"};
    c.seen.memory.rotate_asked_at = c.now;
    c.seen.generations.all.push_back(generation("g2", 2, leaf("f2", c.now)));
    c.seen.candidates = {{"g2", good(), ""}};
    bend(c);
    return c.step();
  };
  EXPECT_EQ(step(ReloadGuard::wait), "rest");
  EXPECT_EQ(step(ReloadGuard::report), "publish");
  EXPECT_EQ(step(ReloadGuard::off), "publish");
  EXPECT_EQ(step(ReloadGuard::wait, [](Case& c) { c.seen.detail->reset_by_reload->clear(); }), "publish");
  EXPECT_EQ(step(ReloadGuard::wait, [](Case& c) { c.seen.detail.reset(); }), "publish");
  EXPECT_EQ(step(ReloadGuard::wait, [](Case& c) { c.seen.server.fault = ServerFault::down; }), "publish");
  const auto left = [&](Duration d) {
    return step(ReloadGuard::wait, [&](Case& c) {
      c.current().chain.front().not_before = c.now + d - days{100}, c.current().chain.front().not_after = c.now + d;
    });
  };
  EXPECT_EQ(left(days{10}), "rest");
  EXPECT_EQ(left(days{10} - 1ms), "publish");
  const auto first = [](Case& c) { c.seen.generations.current.clear(), c.seen.generations.all.erase(c.seen.generations.all.begin()); };
  EXPECT_EQ(step(ReloadGuard::wait, first), "rest") << "what is not there does not end";
  EXPECT_EQ(step(ReloadGuard::report, first), "publish");
}

TEST(ReloadGuard, IsToldWhileAReloadIsAhead) {
  const auto told = [](const Bend& bend) {
    Case c;
    c.seen.detail.emplace(), c.seen.detail->reset_by_reload = {"work_mem"};
    c.seen.memory.rotate_asked_at = c.now;
    bend(c);
    return c.has(P::reload_guarded);
  };
  EXPECT_TRUE(told([](Case&) {}));
  const auto waits = [](ReloadGuard guard) {
    Case c;
    c.desired.cluster.reload_guard = guard;
    c.seen.detail.emplace(), c.seen.detail->reset_by_reload = {"work_mem"}, c.seen.memory.rotate_asked_at = c.now;
    const auto findings = c.plan().findings;
    const auto it = std::find_if(findings.begin(), findings.end(), [](const Finding& f) { return f.code == P::reload_guarded; });
    return it != findings.end() && it->message.ends_with("the rotation waits for it");
  };
  EXPECT_TRUE(waits(ReloadGuard::wait));
  EXPECT_FALSE(waits(ReloadGuard::report));
  EXPECT_FALSE(told([](Case& c) { c.seen.memory.rotate_asked_at.reset(); })) << "no reload is wanted";
  EXPECT_TRUE(told([](Case& c) { c.seen.memory.rotate_asked_at.reset(), c.publish_second(); }));
  EXPECT_FALSE(told([](Case& c) { c.desired.cluster.reload_guard = ReloadGuard::off; }));
  EXPECT_FALSE(told([](Case& c) { c.seen.detail.reset(); }));
}

TEST(ForeignChange, APairThatWorksStaysUntilConsent) {
  const auto replaced = [](const Bend& bend) {
    Case c;
    c.current().changed = true, c.current().complete = false, c.current().incomplete_why = "server.crt is not as it was written";
    c.current().chain = {leaf("fe")};
    bend(c);
    return c;
  };
  const Case plain = replaced([](Case&) {});
  EXPECT_EQ(plain.step(), "rest");
  EXPECT_TRUE(plain.has(P::takeover_needed));
  EXPECT_THAT(plain.plan().findings.at(1).message, HasSubstr("the certificate was f1 and is fe"));
  const Case other_key = replaced([](Case& c) { c.current().chain = {leaf("f1")}; });
  EXPECT_THAT(other_key.plan().findings.at(1).message, Not(HasSubstr("the certificate was")));
  EXPECT_EQ(replaced([](Case& c) { c.desired.cluster.on_foreign_change = ForeignChangePolicy::replace; }).plan().need, Need::mismatch);
  EXPECT_EQ(replaced([](Case& c) { c.consent(); }).plan().need, Need::mismatch);
  Case untouched;
  untouched.desired.cluster.on_foreign_change = ForeignChangePolicy::replace;
  EXPECT_EQ(untouched.plan().need, Need::none);
  const auto free = [&](const Bend& bend) {
    const Case c = replaced(bend);
    return !holds_foreign_pair(c.desired, c.seen, c.now);
  };
  EXPECT_FALSE(free([](Case&) {}));
  EXPECT_TRUE(free([](Case& c) { c.current().changed = false; }));
  EXPECT_TRUE(free([](Case& c) { c.current().chain.clear(); }));
  EXPECT_TRUE(free([](Case& c) { c.seen.current.reset(); }));
  EXPECT_TRUE(free([](Case& c) { c.seen.live.ours = false; }));
  EXPECT_TRUE(free([](Case& c) { c.seen.current->loads = false; }));
  EXPECT_TRUE(free([](Case& c) { c.seen.current->key_matches = false; }));
  EXPECT_TRUE(free([](Case& c) { c.current().chain.front().not_after = c.now; }));
  EXPECT_TRUE(free([](Case& c) { c.seen.generations.current.clear(); }));
  EXPECT_TRUE(free([](Case& c) { c.seen.memory.proved.clear(); })) << "it is still to be proved, or rolled back";
}

TEST(ForeignChange, BeforeItsProofAGenerationIsRolledBack) {
  const auto step = [](const Bend& bend) {
    Case c;
    c.publish_second(1, 1s);
    c.seen.generations.all.back().changed = true, c.seen.generations.all.back().complete = false;
    c.seen.generations.all.back().chain = {leaf("fe")}, c.seen.probes = {served(leaf("fe"))};
    bend(c);
    return c.step();
  };
  EXPECT_EQ(step([](Case&) {}), "roll-back") << "though a handshake shows it";
  EXPECT_EQ(step([](Case& c) { c.seen.generations.all.back().changed = false; }), "mark-proved");
  EXPECT_EQ(step([](Case& c) { c.seen.server.fault = ServerFault::down; }), "roll-back");
  EXPECT_EQ(step([](Case& c) { c.seen.server.fault = ServerFault::down, c.seen.memory.proved.clear(); }), "rest") << "its settings wait for the server";
}

TEST(ForeignChange, HalfOfItIsGivenTimeToBecomeWhole) {
  const auto step = [](Duration ago, const Bend& bend = [](Case&) {}) {
    Case c;
    c.current().changed = true, c.current().complete = false, c.current().incomplete_why = "server.key is another key than it was";
    c.seen.current->key_matches = false;
    c.current().files.front().modified = c.now - 1h, c.current().files.back().modified = c.now - ago;
    bend(c);
    const Plan p = c.plan();
    return std::string{p.action ? name(*p.action) : p.at_rest ? "rest" : "soon"};
  };
  EXPECT_EQ(step(0ms), "soon");
  EXPECT_EQ(step(3s - 1ms), "soon");
  EXPECT_EQ(step(3s), "make-request") << "it stays spoiled";
  EXPECT_EQ(step(-1ms), "make-request") << "a clock that went back holds nothing up";
  EXPECT_EQ(step(1s, [](Case& c) { c.current().changed = false; }), "make-request");
  EXPECT_EQ(step(1s, [](Case& c) { c.consent(); }), "make-request");
  EXPECT_EQ(step(1s, [](Case& c) { c.desired.cluster.on_foreign_change = ForeignChangePolicy::replace; }), "make-request");
  EXPECT_NE(step(1s, [](Case& c) { c.seen.memory.proved.clear(); }), "soon");
  Case c;
  c.current().changed = true, c.current().files.back().modified = c.now - 1s;
  EXPECT_EQ(c.plan().wake_at, c.now + 2s);
}

}  // namespace
}  // namespace pgcertd::audit_tests

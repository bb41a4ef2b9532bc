// Covers lib/core/judge.cpp: each finding with its fact, without it, and at the bounds of its times.
#include <gtest/gtest.h>

#include "unit/core/case.hpp"

namespace pgcertd::testing {
namespace {

using P = ProblemCode;

std::optional<Severity> told(P code, const Bend& bend) {
  Case c;
  bend(c);
  return c.severity(code);
}

const Finding* found(const std::vector<Finding>& findings, P code) {
  for (const Finding& f : findings)
    if (f.code == code) return &f;
  return nullptr;
}

std::string part(std::string Finding::*of, P code, const Bend& bend, const char* otherwise = "") {
  Case c;
  bend(c);
  const Plan p = c.plan();
  const Finding* f = found(p.findings, code);
  return f == nullptr ? otherwise : f->*of;
}

std::string message(P code, const Bend& bend) { return part(&Finding::message, code, bend); }
std::string remedy(P code, const Bend& bend) { return part(&Finding::remedy, code, bend); }
std::string object(P code, const Bend& bend) { return part(&Finding::object, code, bend, "(none)"); }

constexpr std::optional<Severity> none, warning = Severity::warning, critical = Severity::critical;

TEST(Judge, AServerThatTurnsUsAwayStillServesOthers) {
  for (int i = 1; i <= static_cast<int>(ServerFault::other); ++i) {
    const auto fault = static_cast<ServerFault>(i);
    const bool serves = fault == ServerFault::starting || fault == ServerFault::too_many_connections || fault == ServerFault::auth_failed;
    EXPECT_EQ(told(P::server_unreachable, [&](Case& c) { c.seen.server.fault = fault; }), serves ? warning : critical) << to_string(fault);
  }
  EXPECT_EQ(told(P::server_unreachable, [](Case&) {}), none);
}

TEST(Judge, OfAServerThatAnotherClusterHasNothingElseIsTold) {
  const auto held = [](Case& c) {
    c.foreign();
    c.seen.held_by = "main2";
  };
  EXPECT_EQ(told(P::config_invalid, held), warning);
  EXPECT_EQ(told(P::takeover_needed, held), none);
  EXPECT_EQ(with(Case{}, [](Case& c) { c.tls_off(), c.seen.held_by = "main2"; }).step(), "rest");
  EXPECT_NE(with(Case{}, [](Case& c) { c.tls_off(); }).step(), "rest");
}

TEST(Judge, MissingPrivilegesAreToldUnlessThereIsAnotherWay) {
  EXPECT_EQ(object(P::privilege_missing, [](Case& c) { c.seen.server.privileges.read_all_settings = false; }), "pg_read_all_settings");
  const auto no_reload = [](Case& c) { c.seen.server.privileges.reload = false; };
  EXPECT_EQ(object(P::privilege_missing, no_reload), "pg_reload_conf");
  const auto may_read = [](bool hba, bool file_settings, bool sessions) {
    return [=](Case& c) {
      ServerDetail& detail = c.seen.detail.emplace();
      detail.asked = true;
      if (hba) detail.hba.emplace();
      if (file_settings) detail.file_settings.emplace();
      if (sessions) detail.sessions.emplace();
    };
  };
  EXPECT_EQ(told(P::privilege_missing, may_read(true, true, true)), none);
  EXPECT_EQ(object(P::privilege_missing, may_read(false, true, true)), "pg_hba_file_rules");
  EXPECT_EQ(object(P::privilege_missing, may_read(true, false, true)), "pg_file_settings");
  EXPECT_EQ(object(P::privilege_missing, may_read(true, true, false)), "pg_read_all_stats");
  EXPECT_EQ(told(P::privilege_missing, [&](Case& c) { no_reload(c), c.desired.own_uid = c.seen.server.server_uid; }), none);
  EXPECT_EQ(told(P::privilege_missing, [&](Case& c) { no_reload(c), c.desired.cluster.reload.kind = ReloadMethod::Kind::systemd; }), none);
  EXPECT_EQ(told(P::privilege_missing, [](Case& c) { c.current().key_denied = true; }), warning);
}

TEST(Judge, FilesAreJudgedForAKnownServerOnly) {
  const auto open_key = [](Case& c) { c.current().files.back().mode = 0644; };
  EXPECT_NE(told(P::file_permissions, open_key), none);
  EXPECT_EQ(told(P::file_permissions, [&](Case& c) { open_key(c), c.seen.server.server_uid = static_cast<uid_t>(-1); }), none);
  EXPECT_EQ(told(P::file_owner, [&](Case& c) { open_key(c), c.seen.server.server_uid = static_cast<uid_t>(-1); }), none);
  EXPECT_NE(told(P::file_missing, [](Case& c) { c.current().files.back().kind = FileSeen::Kind::missing, c.seen.server.server_uid = static_cast<uid_t>(-1); }), none);
  EXPECT_EQ(told(P::file_permissions, [](Case& c) { c.current().files.back().kind = FileSeen::Kind::missing; }), none);
  EXPECT_EQ(told(P::key_exposed, [](Case& c) { c.current().files.front().mode = 0200; }), none) << "a certificate that cannot be read exposes nothing";
  EXPECT_EQ(told(P::key_exposed, [](Case& c) { c.current().files.back().mode = 0; }), none);
  EXPECT_NE(told(P::file_permissions, [](Case& c) { c.current().files.back().mode = 0; }), none);
}

TEST(Judge, AGenerationThatIsNotAsPublishedIsTold) {
  const auto spoilt = [](Case& c) { c.current().complete = false, c.current().incomplete_why = "server.crt has another digest"; };
  EXPECT_NE(told(P::file_changed, spoilt), none);
  EXPECT_EQ(told(P::file_changed, [&](Case& c) { spoilt(c), c.current().complete = true; }), none);
  EXPECT_EQ(told(P::file_changed, [&](Case& c) { spoilt(c), c.current().key_denied = true; }), none);
  EXPECT_EQ(told(P::file_changed, [&](Case& c) { spoilt(c), c.current().incomplete_why.clear(); }), none);
}

TEST(Judge, MoreThanThreeRepairsOfOneFileInADayAreAFight) {
  const auto repaired = [](std::initializer_list<Duration> ago, const char* last = "server.key") {
    return told(P::file_contended, [&](Case& c) {
      for (const Duration d : ago) c.seen.memory.repairs.push_back({"server.key", "0644 26:26", c.now - d});
      c.seen.memory.repairs.back().file = last;
    });
  };
  EXPECT_EQ(repaired({1h, 2h, 3h, 4h}, "server.crt"), none);
  EXPECT_EQ(repaired({1h, 2h, 3h}), none);
  EXPECT_NE(repaired({1h, 2h, 3h, 24h - 1ms}), none);
  EXPECT_EQ(repaired({1h, 2h, 3h, 24h}), none);
}

TEST(Judge, TheNeedsProblemStandsUnlessSomethingWorks) {
  EXPECT_NE(told(P::cert_missing, [](Case& c) { c.seen.generations.current.clear(); }), none);
  EXPECT_EQ(told(P::cert_missing, [](Case& c) { c.current().origin = Origin::adopted; }), none) << "a copy of what worked";
  const auto foreign = [](const Bend& bend) {
    return told(P::cert_missing, [&](Case& c) {
      c.foreign(), c.desired.cluster.takeover = TakeoverPolicy::always;
      bend(c);
    });
  };
  EXPECT_EQ(foreign([](Case&) {}), none);
  EXPECT_NE(foreign([](Case& c) { c.seen.server.known = false; }), none);
  EXPECT_NE(foreign([](Case& c) { c.seen.live.ours = true; }), none);
  EXPECT_NE(foreign([](Case& c) { c.seen.live.readable = false; }), none);
  EXPECT_NE(foreign([](Case& c) { c.seen.server.settings["ssl"].value = "off"; }), none);
  EXPECT_NE(told(P::cert_expired, [](Case& c) { c.now = c.current().chain.front().not_after; }), none);
}

TEST(Judge, AnEndpointOfTheConfigurationMayBeSomethingElses) {
  const auto at = [](bool own, const Bend& bend) {
    return [=](Case& c) {
      c.seen.probes.push_back(served(leaf("f9")));
      c.seen.probes.back().endpoint = "10.0.0.9:6432", c.seen.probes.back().own = own;
      c.seen.probes.back().chain.front().authority_key_id = "bb";
      bend(c);
    };
  };
  EXPECT_EQ(object(P::endpoint_unmanaged, at(false, [](Case&) {})), "10.0.0.9:6432");
  EXPECT_EQ(told(P::endpoint_unmanaged, at(false, [](Case&) {})), warning);
  EXPECT_EQ(told(P::served_stale, at(false, [](Case&) {})), none);
  EXPECT_EQ(told(P::served_stale, at(true, [](Case&) {})), critical);
  for (const Bend& known : {Bend([](Case& c) { c.seen.probes.back().chain.front().authority_key_id = "aa"; }), Bend([](Case& c) { c.seen.memory.proved.push_back({"g0", "f9", t0}); })}) {
    EXPECT_EQ(told(P::served_stale, at(false, known)), critical);
    EXPECT_EQ(told(P::endpoint_unmanaged, at(false, known)), none);
  }
}

TEST(Judge, WhoReplacesACertificateByHandReloadsAfterIt) {
  const auto replaced = [](Duration ago, bool ours) {
    return told(P::served_stale, [=](Case& c) {
      if (ours) {
        c.current().changed = true, c.current().files.front().modified = c.now - ago, c.current().chain = {leaf("f2")};
      } else {
        c.foreign();
        c.seen.live_files = {{FileRole::certificate, {"/etc/pki/db.crt", FileSeen::Kind::regular, 26, 26, 0644, 100, 1, c.now - ago}, {}, {}}};
        c.seen.probes = {served(leaf("fe"))};
      }
    });
  };
  for (const bool ours : {true, false}) {
    EXPECT_EQ(replaced(roll_back_after - 1ms, ours), none) << ours;
    EXPECT_EQ(replaced(roll_back_after, ours), critical) << ours;
    EXPECT_EQ(replaced(-1ms, ours), critical) << "a time that lies ahead says nothing";
  }
}

TEST(Judge, WithoutANameNothingIsIssuedAndThatIsTold) {
  const auto nameless = [](const Bend& bend) {
    return told(P::rotation_failing, [&](Case& c) {
      c.desired.names = {};
      bend(c);
    });
  };
  EXPECT_EQ(nameless([](Case& c) { c.current().origin = Origin::adopted; }), critical) << "a copy of what was there before is served on";
  EXPECT_EQ(nameless([](Case& c) { c.seen.generations.current.clear(); }), critical);
  EXPECT_EQ(told(P::rotation_failing, [](Case& c) { c.current().origin = Origin::adopted; }), none) << "it has names";
}

// With so much life and so much of it left.
Bend life(Duration all, Duration left) {
  return [=](Case& c) {
    CertFacts& l = c.current().chain.front();
    l.not_before = c.now + left - all, l.not_after = c.now + left;
    c.seen.current->chain_not_after = no_expiry;
  };
}

TEST(Judge, ACertificateExpiresInItsLastTenthWhenThatIsLessThanFourteenDays) {
  EXPECT_EQ(told(P::cert_expiring, life(days{100}, days{10})), none);
  EXPECT_NE(told(P::cert_expiring, life(days{100}, days{10} - 1ms)), none);
  EXPECT_EQ(told(P::cert_expiring, life(days{3650}, days{14})), none);
  EXPECT_NE(told(P::cert_expiring, life(days{3650}, days{14} - 1ms)), none);
  EXPECT_NE(told(P::cert_expiring, life(10s, 1ms)), none);
  EXPECT_EQ(told(P::cert_expiring, life(10s, 0ms)), none) << "then it is expired";
  EXPECT_EQ(told(P::cert_expiring, life(0ms, 5ms)), none) << "no life at all";
  EXPECT_NE(told(P::cert_expiring, [](Case& c) { c.seen.current->chain_not_after = c.now + 2h; }), none) << "the chain ends with it";
  EXPECT_EQ(told(P::cert_expiring, [](Case& c) { c.seen.generations.current.clear(); }), none);
}

TEST(Judge, ARenewalIsOverdueAnHourAfterItsMoment) {
  const auto overdue = [](Duration late, const Bend& bend = [](Case&) {}) {
    return told(P::cert_renewal_overdue, [&](Case& c) {
      c.now = *c.plan().renew_at + late;
      bend(c);
    });
  };
  EXPECT_EQ(overdue(1h), none);
  EXPECT_NE(overdue(1h + 1ms), none);
  EXPECT_EQ(overdue(2h, [](Case& c) { c.seen.memory.pause = Pause{c.now + 1ms, ""}; }), none);
  EXPECT_NE(overdue(2h, [](Case& c) { c.seen.memory.pause = Pause{c.now, ""}; }), none);
  // A life of 100 minutes: a tenth of it is less than the hour.
  const auto brief = [](Duration late) {
    return told(P::cert_renewal_overdue, [&](Case& c) {
      CertFacts& l = c.current().chain.front();
      l.not_before = c.now, l.not_after = c.now + 100min, c.seen.current->chain_not_after = l.not_after;
      c.now = *c.plan().renew_at + late;
    });
  };
  EXPECT_EQ(brief(10min), none);
  EXPECT_NE(brief(10min + 1ms), none);
}

TEST(Judge, WhatIsServedIsComparedWithTheFile) {
  EXPECT_EQ(object(P::served_stale, [](Case& c) { c.seen.probes = {served(leaf("f0"))}; }), "127.0.0.1:5432");
  EXPECT_EQ(told(P::served_stale, [](Case& c) { c.seen.probes.front().chain.clear(); }), none);
  // Without our own files it is the live one that counts.
  const auto foreign = [](const std::string& shown) {
    return told(P::served_stale, [&](Case& c) {
      c.foreign();
      c.seen.probes = {served(leaf(shown))};
    });
  };
  EXPECT_EQ(foreign("ff"), none);
  EXPECT_NE(foreign("fe"), none);
  EXPECT_EQ(told(P::served_stale, [](Case& c) { c.foreign(), c.seen.live.chain.clear(), c.seen.probes = {served(leaf("fe"))}; }), none) << "nothing to compare with";
  EXPECT_EQ(told(P::served_stale, [](Case& c) { c.current().chain.clear(), c.seen.probes = {served(leaf("f0"))}, c.seen.live.chain.clear(); }), none);
}

TEST(Judge, WhatIsServedMustVerifyWhereItIsOurs) {
  const auto unverified = [](const Bend& bend) {
    return told(P::served_unverifiable, [&](Case& c) {
      c.seen.probes.front().verify = "unable to get local issuer certificate";
      bend(c);
    });
  };
  EXPECT_NE(unverified([](Case&) {}), none);
  EXPECT_EQ(unverified([](Case& c) { c.seen.probes.front().verify = "ok"; }), none);
  EXPECT_EQ(unverified([](Case& c) { c.seen.probes.front().verify.clear(); }), none) << "not judged";
  EXPECT_EQ(unverified([](Case& c) { c.seen.live.ours = false; }), none);
  EXPECT_EQ(unverified([](Case& c) { c.current().origin = Origin::adopted; }), none);
  EXPECT_EQ(unverified([](Case& c) { c.seen.generations.current.clear(); }), none);
}

TEST(Judge, RefusedTlsIsToldOnceAndNotWhileAProofIsAwaited) {
  EXPECT_EQ(object(P::ssl_off, [](Case& c) { c.seen.probes = {refused_tls()}; }), "127.0.0.1:5432");
  EXPECT_EQ(object(P::ssl_off, [](Case& c) { c.tls_off(); }), "");
  EXPECT_EQ(told(P::ssl_off, [](Case& c) { c.publish_second(1, 1s), c.seen.probes = {refused_tls()}; }), none);
  EXPECT_EQ(object(P::ssl_off, [](Case& c) { c.tls_off(), c.seen.server.fault = ServerFault::too_many_connections; }), "127.0.0.1:5432");
  EXPECT_EQ(told(P::ssl_off, [](Case&) {}), none);
  EXPECT_EQ(remedy(P::ssl_off, [](Case& c) { c.tls_off(), c.seen.memory.pause = Pause{c.now + 1h, "audit"}; }), "pgcertctl resume main") << "settings stay as they are in a pause";
  Case c;
  c.tls_off();
  EXPECT_NE(found(c.plan().findings, P::ssl_off)->remedy.find("pgcertctl"), std::string::npos);
  c.desired.cluster.enable_ssl = false;
  EXPECT_EQ(found(c.plan().findings, P::ssl_off)->remedy, "set enable_ssl = true");
  c.seen.server.settings["ssl"].value = "on", c.seen.live.ours = true;
  EXPECT_EQ(found(c.plan().findings, P::ssl_off)->remedy, "set enable_ssl = true");
}

TEST(Judge, AProbeThatFailsIsToldWhileTheServerAnswers) {
  for (const ProbeOutcome outcome : {ProbeOutcome::unreachable, ProbeOutcome::timeout, ProbeOutcome::not_postgres, ProbeOutcome::handshake_failed}) {
    EXPECT_NE(told(P::probe_failed, [&](Case& c) { c.seen.probes.front().outcome = outcome; }), none);
    EXPECT_EQ(told(P::probe_failed, [&](Case& c) { c.seen.probes.front().outcome = outcome, c.seen.server.fault = ServerFault::down; }), none);
  }
}

TEST(Judge, SettingsThatDoNotComeIntoForceAreShadowed) {
  const auto shadowed = [](const Bend& bend) {
    return told(P::settings_shadowed, [&](Case& c) {
      c.tls_off(), c.seen.memory.settings_tries = 2;
      bend(c);
    });
  };
  EXPECT_NE(shadowed([](Case&) {}), none);
  EXPECT_EQ(shadowed([](Case& c) { c.seen.memory.settings_tries = 1; }), none);
  EXPECT_EQ(shadowed([](Case& c) { c.seen.server.fault = ServerFault::down; }), none);
  EXPECT_EQ(shadowed([](Case& c) { c.seen.live.ours = true, c.seen.server.settings["ssl"].value = "on"; }), none);
  EXPECT_NE(shadowed([](Case& c) { c.seen.live.ours = true; }), none);
  EXPECT_NE(shadowed([](Case& c) { c.seen.server.settings["ssl"].value = "on"; }), none);
  EXPECT_NE(shadowed([](Case& c) { c.seen.server.settings.erase("ssl_cert_file"); }), none);
  const std::string where = message(P::settings_shadowed, [](Case& c) {
    c.tls_off(), c.seen.memory.settings_tries = 2;
    c.seen.server.settings["ssl_cert_file"] = {"x", "configuration file", "/etc/postgresql.conf", 7, false};
  });
  EXPECT_NE(where.find("/etc/postgresql.conf:7"), std::string::npos) << where;
}

TEST(Judge, APauseStandsUntilItsEnd) {
  EXPECT_NE(told(P::rotation_paused, [](Case& c) { c.seen.memory.pause = Pause{c.now + 1ms, ""}; }), none);
  EXPECT_EQ(told(P::rotation_paused, [](Case& c) { c.seen.memory.pause = Pause{c.now, ""}; }), none);
}

TEST(Judge, FailuresAreToldByTheirNumberAndUrgency) {
  const auto failed = [](std::uint32_t times, bool rolled_back, bool urgent = false) {
    return [=](Case& c) {
      c.seen.memory.consecutive_failures = times;
      c.seen.memory.last_failure = Failure{"verify", "no", "look at the log", rolled_back, c.now};
      if (urgent) c.now = t0 + days{88};
    };
  };
  EXPECT_EQ(told(P::rotation_failing, failed(1, true)), none) << "a first rollback has its own code";
  EXPECT_NE(told(P::reload_not_applied, failed(1, true)), none);
  EXPECT_EQ(told(P::rotation_failing, failed(2, true)), warning);
  EXPECT_EQ(told(P::rotation_failing, failed(1, false)), warning);
  EXPECT_EQ(told(P::reload_not_applied, failed(1, false)), none);
  EXPECT_EQ(told(P::rotation_failing, failed(1, false, true)), critical);
  EXPECT_EQ(told(P::rotation_failing, [&](Case& c) { failed(1, false)(c), c.now = t0 + days{91}; }), critical) << "expired is urgent too";
  EXPECT_NE(message(P::rotation_failing, failed(1, false)).find("the last try"), std::string::npos);
  EXPECT_NE(message(P::rotation_failing, failed(2, false)).find("2 tries in a row"), std::string::npos);
  Case c;
  failed(1, false)(c);
  EXPECT_EQ(found(c.plan().findings, P::rotation_failing)->remedy, "look at the log");
  c.seen.memory.last_failure->remedy.clear();
  EXPECT_EQ(found(c.plan().findings, P::rotation_failing)->remedy, "pgcertctl rotate main --dry-run");
}

TEST(Judge, ARequestThatWaitsLongIsTold) {
  const auto waits = [](Duration since) { return told(P::awaiting_signature, [&](Case& c) { c.seen.answers = {{"spki", Pending{c.now - since}}}; }); };
  EXPECT_EQ(waits(1min), none);
  EXPECT_NE(waits(1min + 1ms), none);
  EXPECT_NE(message(P::awaiting_signature, [](Case& c) { c.seen.answers = {{"0123456789abcdef01", Pending{c.now - 1h}}}; }).find("request 0123456789abcdef waits"), std::string::npos);
  EXPECT_EQ(told(P::awaiting_signature, [](Case& c) { c.seen.answers = {{"spki", Issued{}}}; }), none);
  EXPECT_NE(told(P::issuer_failed, [](Case& c) { c.seen.issuer.available = false; }), none);
}

TEST(Judge, ShortRunwaysAreToldByTheirBounds) {
  const auto left = [](Duration d) { return told(P::runway_short, [&](Case& c) { c.seen.issuer.issuing->not_after = c.now + d; }); };
  EXPECT_EQ(left(days{60}), none);
  EXPECT_EQ(left(days{60} - 1ms), warning);
  EXPECT_EQ(left(days{14}), warning);
  EXPECT_EQ(left(days{14} - 1ms), critical);
  // With an offline issuer the leaf's own end is one of the limits.
  const auto offline = [](const Bend& bend) {
    return told(P::runway_short, [&](Case& c) {
      c.desired.issuer_type = IssuerType::offline, c.seen.issuer.issuing.reset(), c.now = t0 + days{60};
      bend(c);
    });
  };
  EXPECT_EQ(offline([](Case&) {}), warning);
  EXPECT_EQ(offline([](Case& c) { c.current().chain.clear(); }), none);
  EXPECT_EQ(offline([](Case& c) { c.seen.generations.current.clear(); }), none);
}

TEST(Judge, AProofIsAwaitedOnlyForThePublishedGeneration) {
  const auto stale = [](const Bend& bend) {
    return told(P::served_stale, [&](Case& c) {
      c.publish_second(1, 1s);
      bend(c);
    });
  };
  EXPECT_EQ(stale([](Case&) {}), none);
  EXPECT_NE(stale([](Case& c) { c.seen.memory.publish.reset(); }), none);
  EXPECT_NE(stale([](Case& c) { c.seen.memory.publish->generation = "g1"; }), none);
  EXPECT_EQ(stale([](Case& c) { c.seen.memory.publish->first_reload_at.reset(); }), none) << "counted from the publishing";
}

TEST(Takeover, IsAskedOnlyForWhatIsOnWorksAndIsNotOurs) {
  const auto asks = [](const Bend& bend) {
    Case c;
    c.foreign();
    bend(c);
    return needs_takeover(c.desired, c.seen);
  };
  EXPECT_TRUE(asks([](Case&) {}));
  EXPECT_FALSE(asks([](Case& c) { c.seen.server.known = false; }));
  EXPECT_FALSE(asks([](Case& c) { c.seen.live.ours = true; }));
  EXPECT_TRUE(asks([](Case& c) { c.seen.live.chain.clear(); })) << "served, though its file cannot be read";
  EXPECT_TRUE(asks([](Case& c) { c.seen.issuer.issuing.reset(); }));
  EXPECT_TRUE(asks([](Case& c) { c.seen.live.chain.front().authority_key_id = "aa"; })) << "named like ours, but it does not verify";
  EXPECT_TRUE(asks([](Case& c) { c.seen.live.judgement.chain_ok = true; })) << "of another signer";
  EXPECT_EQ(object(P::takeover_needed, [](Case& c) { c.foreign(); }), "/etc/pki/db.crt");
  EXPECT_NE(message(P::takeover_needed, [](Case& c) { c.foreign(), c.seen.live.chain.clear(); }).find("/etc/pki/db.crt"), std::string::npos);
}

// The issuer's own.
std::optional<Severity> issuer_told(P code, const std::function<void(IssuerSeen&, TimePoint)>& bend, Duration longest = days{90}) {
  const Case c;
  IssuerSeen issuer = c.seen.issuer;
  issuer.issuing->not_before = c.now - days{100}, issuer.issuing->not_after = c.now + days{630};
  issuer.root->not_before = c.now - days{100}, issuer.root->not_after = c.now + days{5000};
  bend(issuer, c.now);
  const auto findings = judge_issuer({}, issuer, longest, c.now);
  const Finding* f = found(findings, code);
  return f == nullptr ? std::nullopt : std::optional{f->severity};
}

TEST(JudgeIssuer, TheIssuingCaExpiresInItsLastThirdOrTwoLeavesBeforeItsEnd) {
  const auto left = [](Duration life_of, Duration d, Duration longest = days{90}) {
    return issuer_told(P::issuing_ca_expiring, [&](IssuerSeen& i, TimePoint now) { i.issuing->not_before = now + d - life_of, i.issuing->not_after = now + d; }, longest);
  };
  EXPECT_EQ(left(days{900}, days{300}), none);
  EXPECT_EQ(left(days{900}, days{300} - 1ms), warning);
  EXPECT_EQ(left(days{300}, days{180}), none) << "two leaves of 90 days outweigh a third of 300";
  EXPECT_EQ(left(days{300}, days{180} - 1ms), warning);
  EXPECT_EQ(left(days{900}, days{30}), warning);
  EXPECT_EQ(left(days{900}, days{30} - 1ms), critical);
  EXPECT_EQ(issuer_told(P::issuing_ca_expiring, [](IssuerSeen& i, TimePoint) { i.issuing.reset(); }), none);
  EXPECT_EQ(issuer_told(P::issuing_ca_expiring, [](IssuerSeen& i, TimePoint now) { i.issuing->not_before = now - days{9'000'000}, i.issuing->not_after = no_expiry; }), none);
}

TEST(JudgeIssuer, TheRootExpiresALifeOfTheIssuingCaBeforeItsEnd) {
  const auto left = [](Duration d) {
    return issuer_told(P::root_ca_expiring, [&](IssuerSeen& i, TimePoint now) {
      i.issuing->not_before = now, i.issuing->not_after = now + days{700};
      i.root->not_before = now + d - days{1500}, i.root->not_after = now + d;
    });
  };
  EXPECT_EQ(left(days{700}), none);
  EXPECT_EQ(left(days{700} - 1ms), warning);
  EXPECT_EQ(issuer_told(P::root_ca_expiring, [](IssuerSeen& i, TimePoint now) { i.root->not_after = now + days{1}, i.issuing.reset(); }), none);
  EXPECT_EQ(issuer_told(P::root_ca_expiring, [](IssuerSeen& i, TimePoint) { i.root.reset(); }), none);
}

TEST(JudgeIssuer, TheRootsCrlExpiresInItsLastQuarter) {
  const auto left = [](Duration d) {
    return issuer_told(P::root_crl_expiring, [&](IssuerSeen& i, TimePoint now) {
      i.root_crl = CrlFacts{};
      i.root_crl->this_update = now + d - days{400}, i.root_crl->next_update = now + d;
    });
  };
  EXPECT_EQ(left(days{100}), none);
  EXPECT_EQ(left(days{100} - 1ms), warning);
  EXPECT_EQ(left(days{40}), warning);
  EXPECT_EQ(left(days{40} - 1ms), critical);
  EXPECT_EQ(issuer_told(P::root_crl_expiring, [](IssuerSeen& i, TimePoint) { i.root_crl = CrlFacts{}; }), none);
  EXPECT_EQ(issuer_told(P::issuer_failed, [](IssuerSeen& i, TimePoint) { i.available = false; }), warning);
}

}  // namespace
}  // namespace pgcertd::testing

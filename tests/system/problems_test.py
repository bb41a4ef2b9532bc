#!/usr/bin/env python3
"""Every problem code of the contract on a real server or real files: it is told everywhere, and goes when its cause goes.

Most codes are reached where the behaviour that they belong to is tested; the table says where. What is left is reached here.
"""
import contextlib
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import unittest

import pki
from harness import NO_PRELOAD, ROOT, SANITIZED, HostTest, PGCERTCTL, as_user, poll, quiet_run

FAKETIME = next(iter(sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
HERE = pathlib.Path(__file__).resolve().parent
# Where each code is reached, below tests/.
REACHED = {
    "awaiting-signature": "system/offline_test.py", "cert-chain-incomplete": "system/cases_test.py", "cert-expired": "system/cases_test.py", "cert-expiring": "system/cases_test.py",
    "cert-key-mismatch": "system/cases_test.py", "cert-missing": "system/problems_test.py", "cert-name-mismatch": "system/cases_test.py", "cert-not-yet-valid": "system/cases_test.py",
    "cert-renewal-overdue": "system/problems_test.py", "cert-revoked": "system/problems_test.py", "cert-unreadable": "system/problems_test.py", "cert-untrusted": "system/problems_test.py",
    "cert-weak": "system/cases_test.py", "client-cert-expiring": "system/problems_test.py", "clock-jump": "system/clock_test.py", "config-invalid": "system/daemon_test.py",
    "crl-expired": "system/crl_test.py", "crl-expiring": "system/crl_test.py", "crl-missing": "system/crl_test.py", "crl-not-loaded": "system/crl_test.py", "crl-oversize": "system/large_crl_test.py",
    "crl-untrusted": "system/crl_test.py", "endpoint-unmanaged": "system/problems_test.py", "file-changed": "system/audit_test.py", "file-contended": "system/audit_test.py",
    "file-missing": "system/problems_test.py", "file-owner": "system/audit_test.py", "file-permissions": "system/cases_test.py", "hba-auth-weak": "system/audit_test.py",
    "hba-clientcert-without-ca": "system/audit_test.py", "hba-plaintext": "system/audit_test.py", "hba-rejected": "system/audit_test.py", "issuer-failed": "system/bad_input_test.py",
    "issuing-ca-expiring": "system/problems_test.py", "key-encrypted": "system/versions_test.py", "key-exposed": "system/audit_test.py", "log-broken": "system/problems_test.py",
    "privilege-missing": "system/server_faults_test.py", "probe-failed": "system/problems_test.py", "reload-guarded": "system/audit_test.py", "reload-not-applied": "system/refused_test.py",
    "restart-required": "system/restart_test.py", "root-ca-expiring": "system/problems_test.py", "root-crl-expiring": "system/problems_test.py", "rotation-failing": "system/refused_test.py",
    "rotation-paused": "system/daemon_test.py", "runway-short": "system/problems_test.py", "served-stale": "system/cases_test.py", "served-unverifiable": "system/problems_test.py",
    "server-unreachable": "system/http_test.py", "session-revoked": "system/client_test.py", "sessions-plaintext": "system/problems_test.py", "settings-shadowed": "system/audit_test.py",
    "settings-weak": "system/audit_test.py", "ssl-off": "system/cases_test.py", "state-unwritable": "system/disk_test.py", "takeover-needed": "system/cases_test.py", "tls-version-low": "system/audit_test.py",
}


class Table(unittest.TestCase):
    def test_each_code_is_reached_somewhere(self):
        codes = set(re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs/TABLES.md").read_text(encoding="utf-8").split("## Problem codes")[1].split("## ")[0], re.M))
        self.assertEqual(set(REACHED), codes)
        for code, place in REACHED.items():
            with self.subTest(code):
                source = (HERE.parent / place).read_text(encoding="utf-8")
                if place.endswith("problems_test.py"):
                    source = source.partition("class Table")[2]
                self.assertRegex(source, rf'\b{code}\b|\b{code.replace("-", "_")}\b')


class Told(HostTest):
    def problems(self, daemon):
        """Every problem that stands, of the clusters and of the whole."""
        status = daemon.status() or {"problems": [], "clusters": []}
        return {p["code"]: p for p in status["problems"] + [p for c in status["clusters"] for p in c["problems"]]}

    def assertTold(self, host, daemon, code):
        """In the status, the metrics, the plugin and the page."""
        problem = poll(lambda: self.problems(daemon).get(code), f"problem {code}", context=lambda: f"{self.problems(daemon)}\n{daemon.log()[-3000:]}")
        self.assertTrue(problem["message"] and problem["remedy"], problem)
        with contextlib.suppress(AssertionError):   # some stand for seconds only; then what follows tells nothing
            self.assertRegex(host.http("/metrics")[1], rf'pgcertd_problem\{{[^}}]*code="{code}",severity="{problem["severity"]}"\}} 1')
            self.assertIn(f'href="/problems/{code}"', host.http("/")[1])
            done = host.ctl("check", "--only", code)
            self.assertEqual(done.returncode, {"warning": 1, "critical": 2}[problem["severity"]], done.stdout)
            self.assertIn(code, done.stdout)
            return problem
        self.assertNotIn(code, self.problems(daemon), "it stands, but not everywhere")
        return problem

    def assertGoes(self, host, daemon, code):
        poll(lambda: daemon.status() and code not in self.problems(daemon), f"problem {code} to go", context=lambda: f"{self.problems(daemon)}\n{daemon.log()[-3000:]}")
        self.assertNotIn(f'code="{code}"', host.http("/metrics")[1])
        self.assertEqual(host.ctl("check", "--only", code).returncode, 0)

    def offline(self, host, *arguments):
        return quiet_run(*as_user(host.daemon_user), PGCERTCTL, *arguments, "--root-dir", host.directory / "offline" / "root")


class Certificate(Told):
    def test_missing_while_nobody_can_issue(self):
        host = self.host(ca=False)
        daemon = host.start()
        self.assertTold(host, daemon, "cert-missing")
        host.make_ca()
        host.configure()
        daemon.hangup()
        daemon.wait_proved()
        self.assertGoes(host, daemon, "cert-missing")

    def test_overdue_while_the_ca_is_away(self):
        host = self.host()
        host.configure(cluster='lifetime = "90s"\nrenew_at = 0.1')
        daemon = host.start()
        daemon.wait_proved()
        away = host.ca.with_name("away")
        host.ca.rename(away)
        self.assertTold(host, daemon, "cert-renewal-overdue")
        away.rename(host.ca)
        self.assertGoes(host, daemon, "cert-renewal-overdue")

    def test_revoked_while_rotation_rests(self):
        host = self.host()
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        self.assertEqual(host.ctl("pause", "main", "--for", "1h", "--reason", "a look").returncode, 0)
        done = host.ctl("--yes", "revoke", serial, "--reason", "superseded")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTold(host, daemon, "cert-revoked")
        self.assertEqual(host.ctl("resume", "main").returncode, 0)
        daemon.wait_proved(but=serial)
        self.assertGoes(host, daemon, "cert-revoked")

    def test_untrusted_and_unverifiable_under_another_root(self):
        host = self.host()
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        self.assertEqual(host.ctl("pause", "main", "--for", "1h", "--reason", "a look").returncode, 0)
        (host.directory / "offline" / "root").rename(host.directory / "offline" / "old-root")
        host.ca.rename(host.ca.with_name("old-ca"))
        host.ca = host.directory / "ca"
        shutil.rmtree(host.ca.parent / "ca-parent")
        host.make_ca()
        host.configure()
        daemon.hangup()
        for code in ("cert-untrusted", "served-unverifiable"):
            self.assertTold(host, daemon, code)
        self.assertEqual(host.ctl("resume", "main").returncode, 0)
        daemon.wait_proved(but=serial)
        for code in ("cert-untrusted", "served-unverifiable"):
            self.assertGoes(host, daemon, code)

    def test_a_file_that_is_no_certificate(self):
        """PostgreSQL goes on with what it loaded, and would not start again."""
        pair = pki.Authority("somebody").issue()
        host = self.host()
        host.postgres.put("server.key", pair.key_pem())
        host.postgres.put("server.crt", pair.chain_pem())
        host.postgres.configure("ssl = on")
        host.postgres.sql("SELECT pg_reload_conf()")
        daemon = host.start()
        daemon.wait_problem("takeover-needed")
        host.postgres.put("server.crt", b"-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n")
        self.assertTold(host, daemon, "cert-unreadable")
        host.postgres.put("server.crt", pair.chain_pem())
        self.assertGoes(host, daemon, "cert-unreadable")

    def test_a_file_that_is_not_there(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        host.postgres.sql("ALTER SYSTEM SET ssl_dh_params_file = '/nonexistent/dh.pem'")
        host.postgres.sql("ALTER SYSTEM SET ssl_crl_file = '/nonexistent/x.crl'")
        host.postgres.sql("SELECT pg_reload_conf()")
        self.assertTold(host, daemon, "file-missing")
        host.postgres.sql("ALTER SYSTEM RESET ssl_crl_file")
        host.postgres.sql("ALTER SYSTEM RESET ssl_dh_params_file")
        host.postgres.sql("SELECT pg_reload_conf()")
        self.assertGoes(host, daemon, "file-missing")


class Authority(Told):
    def test_an_issuing_ca_that_ends_within_two_leaves(self):
        host = self.host(ca=False)
        host.make_ca("--issuing-days", "150")
        host.configure()
        daemon = host.start()
        daemon.wait_proved()
        self.assertTold(host, daemon, "issuing-ca-expiring")
        host.configure(cluster='lifetime = "20d"')
        daemon.hangup()
        self.assertGoes(host, daemon, "issuing-ca-expiring")

    def test_a_root_that_ends_with_its_issuing_ca(self):
        host = self.host(ca=False)
        host.make_ca("--days", "700", "--issuing-days", "700")
        host.configure()
        daemon = host.start()
        daemon.wait_proved()
        self.assertTold(host, daemon, "root-ca-expiring")
        (host.directory / "offline" / "root").rename(host.directory / "offline" / "old-root")
        host.ca.rename(host.ca.with_name("old-ca"))
        host.ca = host.directory / "ca"
        host.make_ca()
        host.configure()
        daemon.hangup()
        self.assertGoes(host, daemon, "root-ca-expiring")

    @unittest.skipIf(FAKETIME is None, "faketime is not installed")
    @unittest.skipIf(SANITIZED, NO_PRELOAD)
    def test_a_root_whose_crl_nears_its_end(self):
        host = self.host(ca=False)
        host.make_ca(wrapper=["env", f"LD_PRELOAD={FAKETIME}", "FAKETIME=-345d"])
        host.configure()
        daemon = host.start()
        daemon.wait_proved()
        for code in ("root-crl-expiring", "runway-short"):
            self.assertTold(host, daemon, code)
        fresh = host.directory / "root.crl"
        fresh.write_bytes((host.directory / "offline" / "root" / "root.crl").read_bytes())
        self.offline(host, "ca", "crl")
        fresh.write_bytes((host.directory / "offline" / "root" / "root.crl").read_bytes())
        done = host.ctl("crl", "import", fresh)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for code in ("root-crl-expiring", "runway-short"):
            self.assertGoes(host, daemon, code)


class Around(Told):
    def test_an_endpoint_with_a_certificate_of_somebody_else(self):
        host, other = self.host(), self.host()
        theirs = other.start()
        theirs.wait_proved()
        host.configure(cluster=f'endpoints = ["127.0.0.1:{other.postgres.port}"]')
        daemon = host.start()
        daemon.wait_proved()
        problem = self.assertTold(host, daemon, "endpoint-unmanaged")
        self.assertEqual({p["code"] for p in daemon.cluster()["problems"]}, {"endpoint-unmanaged"})
        self.assertNotIn(f'pgcertd_served_matches_file{{cluster="main",endpoint="127.0.0.1:{other.postgres.port}"}}', host.http("/metrics")[1])
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
        host.configure()
        daemon.hangup()
        self.assertGoes(host, daemon, "endpoint-unmanaged")

    def test_an_endpoint_that_nobody_answers_at(self):
        host = self.host()
        host.configure(cluster='endpoints = ["127.0.0.1:1"]')
        daemon = host.start()
        daemon.wait_proved()
        self.assertTold(host, daemon, "probe-failed")
        host.configure()
        daemon.hangup()
        self.assertGoes(host, daemon, "probe-failed")

    def test_a_client_certificate_that_ends_soon(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        host.configure(daemon='check_interval = "1s"')
        daemon.hangup()
        done = host.ctl("client", "issue", "alice", "-o", host.directory / "alice", "--lifetime", "40s")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTold(host, daemon, "client-cert-expiring")
        renewed = host.ctl("client", "issue", "alice", "-o", host.directory / "alice", "--renew")
        self.assertEqual(renewed.returncode, 0, renewed.stdout + renewed.stderr)
        self.assertGoes(host, daemon, "client-cert-expiring")

    def test_a_session_from_another_address_without_tls(self):
        host = self.host()
        addresses = [a for a in subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split() if ":" not in a and not a.startswith("127.")]
        if not addresses:
            self.skipTest("this machine has no address but loopback")
        host.postgres.configure("listen_addresses = '*'")
        with open(host.postgres.data / "pg_hba.conf", "a", encoding="utf-8") as file:
            file.write(f"host all all {addresses[0]}/32 trust\n")
        host.postgres.restart()
        daemon = host.start()
        daemon.wait_proved()
        session = subprocess.Popen(["psql", "-X", f"host={addresses[0]} port={host.postgres.port} user=postgres dbname=postgres sslmode=disable"], stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(session.wait)
        self.addCleanup(session.kill)
        try:
            self.assertTold(host, daemon, "sessions-plaintext")
        finally:
            session.communicate(b"\\q\n", timeout=30)
        self.assertGoes(host, daemon, "sessions-plaintext")

    def test_a_history_that_somebody_changed(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        done = host.ctl("events", "--verify")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        head = re.search(r"^([0-9a-f]{64})$", done.stdout, re.M).group(1)
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
        self.assertIn("is part of it", host.ctl("events", "--verify", "--head", head).stdout)
        self.assertEqual(host.ctl("events", "--verify", "--head", "00" * 32).returncode, 1)
        daemon.stop()
        self.assertRegex(daemon.log(), r"the chain of events ends with event \d+, [0-9a-f]{64}")
        database = host.state / "pgcertd.db"
        saved = database.read_bytes()
        with contextlib.closing(sqlite3.connect(database)) as db:
            db.execute("UPDATE event SET message = 'nothing happened' WHERE kind = 'rotation-proved'")
            db.commit()
        daemon = host.start()
        poll(host.http_answers, "the daemon")
        problem = self.assertTold(host, daemon, "log-broken")
        self.assertEqual(problem["severity"], "critical")
        done = host.ctl("events", "--verify")
        self.assertEqual(done.returncode, 1)
        self.assertIn("rotation-proved", done.stdout)
        daemon.stop()
        for tail in ("-wal", "-shm"):
            pathlib.Path(f"{database}{tail}").unlink(missing_ok=True)
        database.write_bytes(saved)
        daemon = host.start()
        poll(host.http_answers, "the daemon")
        self.assertGoes(host, daemon, "log-broken")


class Direct(HostTest):
    """The plugin without the daemon, and under its name among those of Nagios."""

    def check(self, host, *arguments, daemon_user=True):
        done = subprocess.run([*(as_user(host.daemon_user, host.capabilities) if daemon_user else []), PGCERTCTL, "--config", host.config, "check", "--direct", *arguments], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout

    def test_what_it_sees_by_itself(self):
        host = self.host()
        self.assertEqual(self.check(host, "main")[0], 2, "TLS is off")
        self.assertIn("ssl-off", self.check(host, "main", "--only", "ssl-off")[1])
        daemon = host.start()
        daemon.wait_proved()
        daemon.stop()
        code, line = self.check(host, "main", "-w", "14d", "-c", "3d")
        self.assertEqual(code, 0, line)
        self.assertRegex(line, r"^PGCERTD OK - main: certificate ends .* \| 'main_certificate_left'=\d+s;1209600:;259200:")
        self.assertEqual(self.check(host, "main", "-c", "100d")[0], 2)
        self.assertEqual(self.check(host, "nothere")[0], 3)
        before = {p: p.stat().st_mtime_ns for p in host.state.rglob("*")}
        self.check(host)
        self.assertEqual({p: p.stat().st_mtime_ns for p in host.state.rglob("*")}, before, "it changes nothing")
        # Renewed by hand, and never reloaded.
        generation = max((host.state / "clusters/main/generations").iterdir())
        other = self.host(server=False)
        self.assertEqual(host.served_serial(), host.served_serial())
        (generation / "server.crt").write_bytes(pathlib.Path(host.root_certificate).read_bytes())
        os.utime(generation / "server.crt", (0, 0))   # not a moment ago
        code, line = self.check(host, "main", "--only", "served-stale")
        self.assertEqual((code, "served-stale" in line), (2, True), line)
        host.postgres.stop("fast")
        code, line = self.check(host, "main")
        self.assertEqual((code, "server-unreachable" in line), (2, True), line)
        del other

    def test_the_plugin_by_its_own_name(self):
        host = self.host()
        host.start().wait_proved()
        link = host.directory / "check_pgcertd"
        link.symlink_to(PGCERTCTL)
        done = subprocess.run([link, "--config", host.config, "main", "-w", "1d"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"^PGCERTD OK - main: .*'main_problems'=0")


if __name__ == "__main__":
    unittest.main()

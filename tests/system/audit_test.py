"""Settings, pg_hba.conf, files and sessions of a real server, judged: `audit`, `permissions`, and what drift does."""
import json
import os
import subprocess
import time
import unittest

from harness import AS_ROOT, HostTest, PG_BIN, poll, quiet_run

CLEAN = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n"


class Audit(HostTest):
    def findings(self, host, *more):
        done = host.ctl("--json", "audit", "main", *more)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        found = json.loads(done.stdout)["clusters"]["main"]
        self.assertEqual(done.returncode, 1 if found else 0)
        return [(f["code"], f.get("object") or "", f["message"], f["remedy"]) for f in found]

    def codes(self, host):
        return {(code, place) for code, place, _, _ in self.findings(host)}

    def hba(self, host, text, reload=True):
        (host.postgres.data / "pg_hba.conf").write_text(CLEAN + text)
        if reload:
            host.postgres.sql("SELECT pg_reload_conf()")

    def set(self, host, **settings):
        for name, value in settings.items():
            host.postgres.sql(f"ALTER SYSTEM SET {name} = '{value}'" if value is not None else f"ALTER SYSTEM RESET {name}")
        host.postgres.sql("SELECT pg_reload_conf()")

    def managed(self, cluster="", **options):
        host = self.host(**options)
        if cluster:
            host.configure(cluster=cluster)
        self.hba(host, "")
        host.start().wait_proved()
        return host

    def test_a_managed_server_with_a_clean_hba_has_no_finding(self):
        host = self.managed()
        done = host.ctl("audit")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertEqual(done.stdout, "main: nothing to object to\n")
        self.assertEqual(host.daemons[-1].cluster()["problems"], [])

    def test_a_server_that_cannot_be_asked_is_not_found_well(self):
        host = self.managed()
        host.postgres.stop()
        done = host.ctl("audit")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("main: could not be looked at", done.stdout)
        self.assertIn("remedy: start PostgreSQL", done.stdout)
        self.assertIn("server-unreachable", {code for code, _ in self.codes(host)})
        host.postgres.start()
        self.assertEqual(self.findings(host), [])

    def test_files_of_a_server_that_was_never_seen_are_not_found_well(self):
        host = self.host(server=False)
        host.start().wait_problem("server-unreachable")
        for command in (("permissions", "check"), ("permissions", "fix", "main"), ("audit", "main")):
            done = host.ctl(*command)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("could not be looked at", done.stdout)
            self.assertIn("remedy: ", done.stdout)

    def test_rows_of_pg_hba(self):
        host = self.managed(cluster='client_ca = "off"')
        self.hba(host, "host all all 10.0.0.0/8 scram-sha-256\n"          # 3: plaintext
                       "hostssl all all 10.0.0.0/8 trust\n"                 # 4: trust over the network
                       "hostssl all all 10.0.0.0/8 md5\n"                   # 5: md5
                       "host all app 0.0.0.0/0 scram-sha-256\n"             # 6: before the row that would reject it
                       "hostnossl all all 0.0.0.0/0 reject\n"               # 7
                       "host all all 192.168.0.0/16 scram-sha-256\n"        # 8: covered by 7
                       "hostssl all all 0.0.0.0/0 cert\n")                  # 9: no ssl_ca_file
        found = self.findings(host)
        self.assertEqual({(c, p) for c, p, _, _ in found},
                         {("hba-plaintext", "pg_hba.conf:3"), ("hba-auth-weak", "pg_hba.conf:4"), ("hba-auth-weak", "pg_hba.conf:5"),
                          ("hba-plaintext", "pg_hba.conf:6"), ("hba-clientcert-without-ca", "pg_hba.conf:9")})
        late = next(f for f in found if f[1] == "pg_hba.conf:6")
        self.assertIn("pg_hba.conf:7", late[2])
        self.assertIn("above", late[3])
        done = host.ctl("audit", "main")
        for words in ("effect: ", "remedy: ", "host all all 10.0.0.0"):
            self.assertIn(words, done.stdout)
        self.assertTrue(all(len(line) <= 80 for line in done.stdout.splitlines()), done.stdout)
        self.hba(host, "")
        self.assertEqual(self.findings(host), [])

    def test_rows_that_the_server_refuses(self):
        host = self.managed()
        for row, words in (("hostssl all all 10.0.0.0/8 nonsense", "nonsense"), ("hostssl all all 10.0.0.0/8 scram-sha-256 clientcert=1", "PostgreSQL 14"),
                           ("host all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca", "hostssl")):
            with self.subTest(row):
                before = host.postgres.log().count("was not reloaded")
                self.hba(host, row + "\n")
                poll(lambda: host.postgres.log().count("was not reloaded") > before, "the server to refuse it")
                rejected = [f for f in self.findings(host) if f[0] == "hba-rejected"]
                self.assertEqual([f[1] for f in rejected], ["pg_hba.conf:3"])
                self.assertIn(words, rejected[0][2])

    def test_settings(self):
        host = self.managed()
        dh = host.postgres.data / "weak.pem"
        dh.write_text(quiet_run("openssl", "dhparam", "-dsaparam", "1024"))
        os.chown(dh, host.server_user.pw_uid, host.server_user.pw_gid)
        self.set(host, ssl_min_protocol_version="TLSv1", ssl_ciphers="HIGH:aNULL:NULL", ssl_dh_params_file="weak.pem")
        found = self.findings(host)
        self.assertEqual({(c, p) for c, p, _, _ in found}, {("tls-version-low", "ssl_min_protocol_version"), ("settings-weak", "ssl_ciphers"), ("settings-weak", "ssl_dh_params_file")})
        self.assertIn("postgresql.auto.conf", next(f for f in found if f[0] == "tls-version-low")[2])
        self.assertIn("1024 bits", next(f for f in found if f[1] == "ssl_dh_params_file")[2])
        for _, _, _, remedy in found:                                       # what is to be typed is typed
            for statement in remedy.split(";"):
                if statement.strip():
                    host.postgres.sql(statement)
        poll(lambda: self.findings(host) == [], "the remedies to help")
        host.postgres.configure("ssl_min_protocol_version = 'TLSv1.1'\nssl_min_protocol_version = 'TLSv1.2'")
        self.assertEqual([c for c, _ in self.codes(host)], ["settings-shadowed"], "the first of two lines in one file")
        self.set(host, ssl_min_protocol_version="TLSv1.3")
        shadowed = self.findings(host)
        self.assertEqual([f[0] for f in shadowed], ["settings-shadowed", "settings-shadowed"])
        self.assertIn("postgresql.conf:", shadowed[0][1])
        self.assertIn("'TLSv1.3' is in force", shadowed[0][2])

    def test_a_pair_of_somebody_else(self):
        host = self.host()
        self.hba(host, "")
        data, user = host.postgres.data, host.server_user
        quiet_run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=old", "-days", "30", "-keyout", data / "server.key", "-out", data / "server.crt")
        (data / "server.crt").write_text((data / "server.crt").read_text() + (data / "server.key").read_text())
        for name in ("server.crt", "server.key"):
            os.chown(data / name, user.pw_uid, user.pw_gid)
            (data / name).chmod(0o600)
        self.set(host, ssl="on")
        host.start().wait_problem("takeover-needed")
        self.assertEqual(self.codes(host), {("key-exposed", str(data / "server.crt")), ("settings-weak", str(data / "server.key"))})
        (data / "server.key").chmod(0o644)
        wrong = next(f for f in self.findings(host) if f[0] == "file-permissions")
        self.assertEqual(wrong[3], f"chmod 0600 {data}/server.key")
        quiet_run("sh", "-c", wrong[3])
        poll(lambda: not any(f[0] == "file-permissions" for f in self.findings(host)), "the remedy to help")
        self.assertEqual(host.ctl("permissions", "check").returncode, 0)

    def test_sessions_are_counted(self):
        host = self.managed()
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        held = [subprocess.Popen([PG_BIN / "psql", "-X", f"host={address} port={host.postgres.port} user=postgres dbname=postgres sslmode={mode}", "-c", "SELECT pg_sleep(60)"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
                for address, mode in ((host.directory, "disable"), ("127.0.0.1", "require"), ("127.0.0.1", "require"))]
        try:
            poll(lambda: host.postgres.sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND pid <> pg_backend_pid()") == "3", "the sessions")
            self.findings(host)
            sessions = host.daemons[-1].cluster()["sessions"]
            self.assertEqual((sessions["total"], sessions["tls"], sessions["plaintext_tcp"], sessions["unix_socket"], sessions["tls_versions"]), (3, 2, 0, 1, {"TLSv1.3": 2}))
            self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
            self.findings(host)
            self.assertEqual(host.daemons[-1].cluster()["sessions"]["older_than_rotation"], 2)
        finally:
            for process in held:
                process.kill()
                process.wait()


class Guard(HostTest):
    def test_a_reload_waits_for_what_somebody_edits(self):
        host = self.host()
        host.configure(cluster='reload_guard = "wait"')
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        host.postgres.configure("work_mem = '7MB'")
        hba = host.postgres.data / "pg_hba.conf"
        before = hba.read_text()
        self.assertEqual(host.ctl("rotate", "main", "--force").returncode, 0)
        problem = daemon.wait_problem("reload-guarded")
        self.assertIn("work_mem = '7MB'", problem["message"])
        self.assertIn("waits", problem["message"])
        self.assertEqual(host.served_serial(), serial)
        self.assertEqual(host.postgres.sql("SHOW work_mem"), "4MB")
        host.postgres.sql("SELECT pg_reload_conf()")
        second = daemon.wait_proved(but=serial)["certificate"]["serial"]
        daemon.wait_no_problem("reload-guarded")
        hba.write_text(before + "host all all 10.9.8.7/32 reject\n")
        self.assertEqual(host.ctl("rotate", "main", "--force").returncode, 0)
        self.assertIn("pg_hba.conf", daemon.wait_problem("reload-guarded")["message"])
        self.assertEqual(host.served_serial(), second)
        hba.write_text(before)
        daemon.wait_proved(but=second)

    def test_by_default_it_is_told_and_goes_on(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        host.postgres.configure("work_mem = '7MB'")
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
        self.assertIn("reload-guarded", " ".join(e["fields"].get("code", "") for e in host.events("problem-stands")))


@unittest.skipUnless(AS_ROOT, "other owners need root")
class Drift(HostTest):
    def test_a_mode_is_repaired_within_a_second_and_the_certificate_stays(self):
        host = self.host()
        host.configure(daemon='check_interval = "1h"')
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        key = host.state / "clusters" / "main" / "current" / "server.key"
        reloads = len(host.events("reload-asked"))
        for spoil, code in ((lambda: key.chmod(0o644), "file-permissions"), (lambda: os.chown(key, 1, 1), "file-owner"), (lambda: key.chmod(0), "file-permissions")):
            began = time.monotonic()
            spoil()
            poll(lambda: key.stat().st_mode & 0o777 == 0o600 and key.stat().st_uid == host.server_user.pw_uid, "the repair", 10, daemon.log)
            print(f"{code}: repaired after {1000 * (time.monotonic() - began):.0f} ms", flush=True)
            host.postgres.restart()
            self.assertVerifyFull(host)
        self.assertEqual(host.ctl("permissions", "fix").returncode, 0)   # a whole look: the restarts may have been seen
        daemon.wait(lambda c: [p["code"] for p in c["problems"]] == ["key-exposed"], "no problem but the key that was readable")
        self.assertEqual(host.served_serial(), serial)
        self.assertEqual(len(host.events("reload-asked")), reloads, "a repair needs no reload")
        done = host.ctl("permissions", "check", "main")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("server.key", done.stdout)

    def test_a_key_that_was_readable_is_told_of_until_another_is_in_use(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        (host.state / "clusters" / "main" / "current" / "server.key").chmod(0o644)
        poll(lambda: host.events("file-repaired"), "the repair", context=daemon.log)
        daemon.wait_no_problem("file-permissions")
        self.assertEqual(host.ctl("crl", "refresh").returncode, 0)
        self.assertEqual(daemon.stop(), 0)
        daemon = host.start()
        problem = daemon.wait_problem("key-exposed")
        self.assertEqual(problem["severity"], "critical")
        self.assertIn("(mode, owner:group 0644 ", problem["message"])
        self.assertEqual(problem["remedy"], "pgcertctl rotate main --force")
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
        daemon.wait(lambda c: not c["problems"], "no problem")
        # Its generation is still there, and may be put back.
        self.assertEqual(host.ctl("rollback", "main").returncode, 0)
        daemon.wait_problem("key-exposed")

    def test_more_than_three_repairs_a_day_are_a_fight(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        key = host.state / "clusters" / "main" / "current" / "server.key"
        for n in range(4):
            key.chmod(0o640)
            poll(lambda: len(host.events("file-repaired")) > n, "the repair", context=daemon.log)
        problem = daemon.wait_problem("file-contended")
        self.assertIn("server.key", problem["message"])
        self.assertIn("0640", problem["message"])
        self.assertIn("server.key", host.events("file-repaired")[0]["message"])

    def test_what_may_not_be_done_is_told_with_the_command(self):
        host = self.host()
        host.start().wait_proved()
        host.daemons[-1].stop()
        key = host.state / "clusters" / "main" / "current" / "server.key"
        host.capabilities = ("dac_read_search",)
        daemon = host.start()
        daemon.wait_proved()
        key.chmod(0o644)
        remedy = daemon.wait_problem("privilege-missing")["remedy"]
        self.assertIn(f"chmod 0600 {key.parent.resolve()}/server.key", remedy)
        quiet_run("sh", "-c", remedy.split(", or give")[0])
        daemon.wait(lambda c: [p["code"] for p in c["problems"]] == ["key-exposed"], "no problem but the key that was readable")

    def test_a_first_issue_without_capabilities_is_told(self):
        host = self.host(capabilities=("dac_read_search",))
        daemon = host.start()
        problem = daemon.wait_problem("privilege-missing")
        self.assertIn("CAP_CHOWN", problem["message"] + problem["remedy"])


class ForeignChange(HostTest):
    def replaced(self, host):
        """Another tool writes a pair of its own into the current generation, as its owner."""
        current = host.state / "clusters" / "main" / "current"
        quiet_run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-days", "30",
                  "-keyout", host.directory / "other.key", "-out", host.directory / "other.crt")
        for name in ("key", "crt"):
            with open(current / f"server.{name}", "r+b") as file:
                file.truncate()
                file.write((host.directory / f"other.{name}").read_bytes())
        return quiet_run("openssl", "x509", "-in", host.directory / "other.crt", "-noout", "-serial").strip().removeprefix("serial=").lower()

    def test_it_is_reported_and_stays_until_consent(self):
        host = self.host()
        daemon = host.start()
        certificate = daemon.wait_proved()["certificate"]
        other = self.replaced(host)
        daemon.wait(lambda c: any(p["code"] == "file-changed" and certificate["fingerprint_sha256"] in p["message"] for p in c["problems"]), "both fingerprints")
        self.assertIn("takeover", daemon.wait_problem("takeover-needed")["remedy"])
        host.postgres.sql("SELECT pg_reload_conf()")
        poll(lambda: host.served_serial() == other, "the server to take it")
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 5)
        host.ctl("audit")                                             # a whole look
        self.assertEqual(host.served_serial(), other)
        host.postgres.restart()
        self.assertEqual(host.served_serial(), other)
        self.assertEqual(host.ctl("takeover", "main").returncode, 0)
        daemon.wait_proved(but=other)
        self.assertVerifyFull(host)
        daemon.wait(lambda c: not c["problems"], "no problem")

    def test_by_policy_it_is_replaced_at_once(self):
        host = self.host()
        host.configure(cluster='on_foreign_change = "replace"')
        daemon = host.start()
        first = daemon.wait_proved()["certificate"]["serial"]
        other = self.replaced(host)
        poll(lambda: daemon.wait_proved()["certificate"]["serial"] not in (first, other), "a new pair", context=daemon.log)
        self.assertVerifyFull(host)
        self.assertIn("file-changed", [e["fields"].get("code") for e in host.events("problem-stands")])

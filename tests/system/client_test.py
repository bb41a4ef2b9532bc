"""Certificates for clients: from none to one that is let in, is revoked, and is never let in again, with real psql clients."""
import json
import os
import re
import shutil
import subprocess
import threading
import time

import pki
from harness import HostTest, PGCERTCTL, as_user, needs_root, poll, quiet_run

CERT_ROWS = "local all all trust\nhostssl all +clients 127.0.0.1/32 cert\nhost all all 127.0.0.1/32 trust\n"


class Clients(HostTest):
    def with_clients(self, **options):
        host = self.host(**options)
        host.postgres.sql("CREATE ROLE clients NOLOGIN; CREATE ROLE alice LOGIN IN ROLE clients; CREATE ROLE bob LOGIN IN ROLE clients")
        (host.postgres.data / "pg_hba.conf").write_text(CERT_ROWS)
        host.postgres.sql("SELECT pg_reload_conf()")
        return host

    def issue(self, host, role, *more):
        directory = host.directory / f"client-{role}-{time.monotonic_ns()}"
        done = host.ctl("--json", "client", "issue", role, "-o", directory, *more)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return directory, json.loads(done.stdout)

    def with_two_let_in(self):
        """A host whose CRLs are in force, with the directories of alice and bob, who may both connect."""
        host = self.with_clients()
        daemon = host.start()
        daemon.wait_proved()
        alice, bob = (self.issue(host, role)[0] for role in ("alice", "bob"))
        self.wait_in(host, "alice", alice, daemon)
        poll(lambda: host.events("crl-proved"), "the canary's word", context=daemon.log)
        return host, daemon, alice, bob

    def connect(self, host, role, directory, mode="verify-full"):
        """None when it is let in, else what psql says."""
        words = f"host=localhost hostaddr=127.0.0.1 port={host.postgres.port} user={role} dbname=postgres sslmode={mode} sslrootcert={directory}/root.crt " \
                f"sslcert={directory}/postgresql.crt sslkey={directory}/postgresql.key"
        done = host.postgres.psql(words, "SELECT 1")
        return None if done.returncode == 0 else done.stderr

    def wait_in(self, host, role, directory, daemon):
        poll(lambda: self.connect(host, role, directory) is None, f"{role} is let in", context=lambda: f"{self.connect(host, role, directory)}\n{daemon.log()[-3000:]}")

    def in_force(self, host):
        return host.postgres.sql("SHOW ssl_ca_file").endswith("/current/root.crt") and host.postgres.sql("SHOW ssl_crl_file").endswith("/current/root.crl")

    def crl_numbers(self, host, name="current"):
        """Of root.crl as it is installed: the root's, then the issuing CA's."""
        text = (host.state / "clusters" / "main" / name / "root.crl").read_text()
        blocks = re.findall(r"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----\n", text, re.S)
        number = lambda block: int(subprocess.run(["openssl", "crl", "-noout", "-crlnumber"], input=block, capture_output=True, text=True, check=True).stdout.split("=")[1], 16)
        return [number(block) for block in blocks]


class Life(Clients):
    def test_from_none_to_revoked(self):
        host = self.with_clients()
        daemon = host.start()
        leaf = daemon.wait_proved()["certificate"]["serial"]
        alice, told = self.issue(host, "alice")
        self.assertEqual((alice / "postgresql.key").stat().st_mode & 0o777, 0o600)
        self.assertEqual(sorted(os.path.basename(f) for f in told["files"]), ["postgresql.crt", "postgresql.key", "root.crt"])
        self.wait_in(host, "alice", alice, daemon)
        self.assertTrue(self.in_force(host))
        poll(lambda: host.events("crl-proved"), "the canary's word", context=daemon.log)
        bob, _ = self.issue(host, "bob")
        self.assertIsNone(self.connect(host, "bob", bob))
        self.assertIn("authentication failed", self.connect(host, "bob", alice))
        listed = json.loads(host.ctl("--json", "client", "list").stdout)
        self.assertEqual({c["role"] for c in listed}, {"alice", "bob"})
        self.assertRegex(host.ctl("client", "list").stdout, r"(?m)^alice +[0-9a-f]+.* good ")
        before = time.monotonic()
        done = host.ctl("revoke", "--role", "alice", "--reason", "keyCompromise")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(told["serial"], done.stdout)
        poll(lambda: "certificate revoked" in (self.connect(host, "alice", alice) or ""), "the revoked one is refused", context=daemon.log)
        print(f"revoked and refused after {time.monotonic() - before:.2f} s", flush=True)
        self.assertIsNone(self.connect(host, "bob", bob))
        self.assertEqual(host.served_serial(), leaf, "a CRL is no reason for a new certificate")
        self.assertTrue(next(c for c in json.loads(host.ctl("--json", "client", "list").stdout) if c["role"] == "alice")["revoked"])
        self.assertEqual(host.ctl("revoke", "--role", "alice", "--reason", "superseded").returncode, 3, "none is left")
        with self.subTest("a rotation, a restart of both and a rollback keep it out"):
            done = host.ctl("rotate", "main", "--force", "--wait")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("certificate revoked", self.connect(host, "alice", alice))
            self.assertIsNone(self.connect(host, "bob", bob))
            done = host.ctl("rollback", "main", "--wait")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(host.served_serial(), leaf)
            self.assertIn("certificate revoked", self.connect(host, "alice", alice))
            daemon.kill()
            host.postgres.restart()
            self.assertIn("certificate revoked", self.connect(host, "alice", alice))
            self.assertIsNone(self.connect(host, "bob", bob))
            daemon = host.start()
            daemon.wait_proved()
            self.assertIn("certificate revoked", self.connect(host, "alice", alice))
        with self.subTest("revocation goes on while rotation is paused"):
            self.assertEqual(host.ctl("pause", "main", "--for", "1h", "--reason", "test").returncode, 0)
            self.assertEqual(host.ctl("revoke", "--role", "bob", "--reason", "superseded").returncode, 0)
            poll(lambda: "certificate revoked" in (self.connect(host, "bob", bob) or ""), "bob is refused", context=daemon.log)

    def test_sessions_of_a_revoked_certificate_are_ended_when_asked(self):
        host, daemon, alice, bob = self.with_two_let_in()
        words = lambda role, d: f"host=localhost hostaddr=127.0.0.1 port={host.postgres.port} user={role} dbname=postgres sslmode=verify-full sslrootcert={d}/root.crt sslcert={d}/postgresql.crt sslkey={d}/postgresql.key"
        sleepers = {role: subprocess.Popen(["psql", "-X", words(role, d), "-c", "SELECT pg_sleep(600)"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for role, d in (("alice", alice), ("bob", bob))}
        for process in sleepers.values():
            self.addCleanup(process.kill)
        sessions = lambda: host.postgres.sql("SELECT string_agg(usename, ' ' ORDER BY usename) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_serial IS NOT NULL")
        poll(lambda: sessions() == "alice bob", "both sessions")
        done = host.ctl("revoke", "--role", "alice", "--reason", "keyCompromise", "--terminate")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("GRANT pg_signal_backend", done.stdout)
        self.assertEqual(sessions(), "alice bob")
        daemon.wait_problem("session-revoked")
        host.postgres.sql("GRANT pg_signal_backend TO pgcertd")
        serial = next(c["serial"] for c in json.loads(host.ctl("--json", "client", "list").stdout) if c["role"] == "alice")
        done = host.ctl("revoke", serial, "--reason", "keyCompromise", "--terminate")
        self.assertIn("1 session(s) of it were ended", done.stdout, done.stderr)
        sleepers["alice"].wait(30)
        self.assertEqual(sessions(), "bob")
        self.assertIsNone(sleepers["bob"].poll())
        daemon.wait_no_problem("session-revoked")
        self.assertEqual(len(host.events("sessions-ended")), 1)

    def test_another_root_comes_beside_the_old_one(self):
        """A CA whose clients connect is only ever added to, as whoever replaces ssl_ca_file by hand learns (case 38)."""
        host, daemon, alice, bob = self.with_two_let_in()
        self.assertEqual(host.ctl("revoke", "--role", "bob", "--reason", "superseded").returncode, 0)
        poll(lambda: "certificate revoked" in (self.connect(host, "bob", bob) or ""), "bob is refused", context=daemon.log)
        old, old_ca = host.served_serial(), host.ca
        new_ca = host.ca.parent / "ca-2"
        quiet_run(*as_user(host.daemon_user), PGCERTCTL, "ca", "init", "--root-dir", host.directory / "offline" / "root-2", "--issuing-dir", new_ca, "--no-passphrase")
        host.configure(issuer=f'type = "local"\ndirectory = "{new_ca}"', more=f'[issuer.old]\ntype = "local"\ndirectory = "{old_ca}"')
        host.ca = new_ca
        daemon.hangup()
        daemon.wait_proved(but=old)
        poll(lambda: (host.state / "clusters" / "main" / "current" / "root.crt").read_text().count("BEGIN CERT") == 2, "both roots", context=daemon.log)
        carol, _ = self.issue(host, "alice", "--issuer", "local")
        for directory in (alice, bob):   # the server's certificate is the new root's
            (directory / "root.crt").write_bytes((carol / "root.crt").read_bytes())
        self.wait_in(host, "alice", carol, daemon)
        self.assertIsNone(self.connect(host, "alice", alice), "of the old root")
        self.assertIn("certificate revoked", self.connect(host, "bob", bob))
        with self.subTest("the old one's revocations still come in"):
            done = host.ctl("revoke", alice / "postgresql.crt", "--issuer", "old", "--reason", "superseded")
            self.assertEqual(done.returncode, 0, done.stderr)
            poll(lambda: "certificate revoked" in (self.connect(host, "alice", alice) or ""), "alice's old one is refused", context=daemon.log)
            self.assertIsNone(self.connect(host, "alice", carol))
        daemon.wait(lambda c: not [p for p in c["problems"] if p["code"].startswith("crl-")], "no problem with CRLs")

    def test_nobody_waits_for_the_next_pass(self):
        host = self.with_clients()
        host.configure(daemon='check_interval = "1h"')
        daemon = host.start()
        daemon.wait_proved()
        alice, _ = self.issue(host, "alice")
        self.wait_in(host, "alice", alice, daemon)
        poll(lambda: host.events("crl-proved"), "the canary's word", context=daemon.log)
        self.assertEqual(host.ctl("revoke", "--role", "alice", "--reason", "superseded").returncode, 0)
        poll(lambda: "certificate revoked" in (self.connect(host, "alice", alice) or ""), "she is refused", context=daemon.log)
        poll(lambda: len(host.events("crl-proved")) > 1, "the canary's word again", context=daemon.log)

    def test_nothing_is_set_without_a_reason(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        self.assertEqual(host.postgres.sql("SHOW ssl_ca_file"), "")
        self.assertEqual(host.postgres.sql("SHOW ssl_crl_file"), "")
        self.assertEqual(len(host.generations()), 1)

    def test_a_foreign_ca_file_and_client_ca_off_are_left_alone(self):
        for state in ("foreign", "off"):
            with self.subTest(state):
                host = self.with_clients()
                if state == "foreign":
                    shutil.copy(host.root_certificate, host.postgres.data / "theirs.crt")
                    host.postgres.configure("ssl_ca_file = 'theirs.crt'")
                    host.postgres.restart()
                else:
                    host.configure(cluster='client_ca = "off"')
                daemon = host.start()
                daemon.wait_proved()
                self.issue(host, "alice")
                passes = lambda: int(re.search(r"pgcertd_task_last_run_timestamp_seconds\{task=\"cluster:main\"\} (\d+)", host.http("/metrics")[1]).group(1))
                begun = passes()
                poll(lambda: passes() > begun + 4, "two passes more")
                self.assertEqual(host.postgres.sql("SHOW ssl_crl_file"), "")
                self.assertEqual(host.postgres.sql("SHOW ssl_ca_file"), "theirs.crt" if state == "foreign" else "")

    def test_a_refused_rotation_after_a_revocation_keeps_it_refused(self):
        host, daemon, alice, bob = self.with_two_let_in()
        served = host.served_serial()
        daemon.stop()
        # A directive that the server refuses at the next reload, in a place where no preflight looks.
        daemon = host.start({"PGCERTD_FAULT": "skip_preflight"})
        daemon.wait_proved()
        self.assertEqual(host.ctl("revoke", "--role", "alice", "--reason", "keyCompromise").returncode, 0)
        poll(lambda: "certificate revoked" in (self.connect(host, "alice", alice) or ""), "alice is refused", context=daemon.log)
        (host.postgres.data / "postgresql.auto.conf").open("a").write("ssl_ciphers = 'NOSUCHCIPHER'\n")
        done = host.ctl("rotate", "main", "--force", "--wait", "--timeout", "60s")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertEqual(host.served_serial(), served)
        self.assertIn("certificate revoked", self.connect(host, "alice", alice))
        self.assertIsNone(self.connect(host, "bob", bob))
        self.assertTrue(host.events("rolled-back"))

    def test_a_renewal_under_clients_that_connect(self):
        host = self.with_clients()
        daemon = host.start()
        daemon.wait_proved()
        alice, told = self.issue(host, "alice", "--lifetime", "1d")
        self.wait_in(host, "alice", alice, daemon)
        refused, made, over = [], [0], threading.Event()
        def connect():
            while not over.is_set():
                complaint = self.connect(host, "alice", alice)
                made[0] += 1
                if complaint:
                    refused.append(complaint)
        thread = threading.Thread(target=connect)
        thread.start()
        serials = [told["serial"]]
        for _ in range(10):
            done = host.ctl("--json", "client", "issue", "alice", "-o", alice, "--renew")
            self.assertEqual(done.returncode, 0, done.stderr)
            serials.append(json.loads(done.stdout)["serial"])
        over.set()
        thread.join()
        self.assertEqual(refused, [])
        self.assertGreater(made[0], 3)
        self.assertEqual(len(set(serials)), 11)
        self.assertIn(serials[-1], quiet_run("openssl", "x509", "-in", alice / "postgresql.crt", "-noout", "-serial").lower())
        self.assertEqual((alice / "postgresql.key").stat().st_mode & 0o777, 0o600)
        bob, _ = self.issue(host, "bob", "--format", "jdbc")
        before = (bob / "postgresql.crt").read_bytes()
        for words, text in ((("bob", "-o", alice), "not of the role"), (("alice", "-o", host.directory / "nowhere"), "postgresql.crt"), (("bob", "-o", bob), "postgresql.key")):
            done = host.ctl("client", "issue", *words, "--renew")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(text, done.stderr)
        self.assertEqual((bob / "postgresql.crt").read_bytes(), before)
        self.assertEqual(host.ctl("client", "issue", "bob", "-o", bob, "--format", "jdbc", "--renew").returncode, 0)
        self.assertNotEqual((bob / "postgresql.crt").read_bytes(), before)

    def test_a_renewal_keeps_what_is_the_client_s(self):
        host = self.with_clients()
        daemon = host.start()
        daemon.wait_proved()
        alice, told = self.issue(host, "alice")
        other = pki.Authority("another root").leaf_pem()
        (alice / "root.crt").write_bytes((alice / "root.crt").read_bytes() + other)
        anchors = (alice / "root.crt").read_bytes()
        key = alice / "postgresql.key"
        before = (key.stat().st_ino, key.read_bytes())
        for path in alice.iterdir():
            os.chown(path, host.server_user.pw_uid, host.server_user.pw_gid)
        renew = lambda: subprocess.run([PGCERTCTL, "--config", host.config, "client", "issue", "alice", "-o", alice, "--renew"], capture_output=True, text=True, timeout=60)
        done = renew()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((alice / "root.crt").read_bytes(), anchors, "what somebody added stays")
        self.assertEqual((key.stat().st_ino, key.read_bytes()), before)
        if os.geteuid() == 0:
            self.assertEqual({path.stat().st_uid for path in alice.iterdir()}, {host.server_user.pw_uid})
        (alice / "root.crt").write_bytes(other)
        self.assertEqual(renew().returncode, 0)
        self.assertEqual((alice / "root.crt").read_bytes(), other + host.root_certificate.read_bytes(), "ours is added")
        with self.subTest("a key that is in other hands"):
            self.assertEqual(host.ctl("revoke", "--role", "alice", "--reason", "keyCompromise").returncode, 0)
            chain = (alice / "postgresql.crt").read_bytes()
            done = renew()
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("in other hands", " ".join(done.stderr.split()))
            self.assertEqual((alice / "postgresql.crt").read_bytes(), chain)
        with self.subTest("one file with both"):
            word = host.directory / "word"
            word.write_text("sesame")
            word.chmod(0o600)
            bob, told = self.issue(host, "bob", "--format", "pkcs12", "--passphrase", f"file:{word}")
            shown = lambda: quiet_run("openssl", "pkcs12", "-in", bob / "bob.p12", "-passin", "pass:sesame", "-nodes")
            key_of = lambda text: re.search(r"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----", text, re.S).group(0)
            first = shown()
            done = host.ctl("--json", "client", "issue", "bob", "-o", bob, "--format", "pkcs12", "--passphrase", f"file:{word}", "--renew")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotEqual(json.loads(done.stdout)["serial"], told["serial"])
            self.assertEqual(key_of(shown()), key_of(first))
            kept = (bob / "bob.p12").read_bytes()
            word.write_text("another")
            done = host.ctl("client", "issue", "bob", "-o", bob, "--format", "pkcs12", "--passphrase", f"file:{word}", "--renew")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("passphrase is another one", " ".join(done.stderr.split()))
            self.assertEqual((bob / "bob.p12").read_bytes(), kept)

    def test_formats(self):
        host = self.with_clients()
        host.start().wait_proved()
        jdbc, _ = self.issue(host, "alice", "--format", "jdbc")
        subject = quiet_run("openssl", "pkey", "-inform", "DER", "-in", jdbc / "postgresql.pk8", "-pubout")
        self.assertEqual(subject, quiet_run("openssl", "x509", "-in", jdbc / "postgresql.crt", "-noout", "-pubkey"))
        word = host.directory / "word"
        word.write_text("sesame\n")
        word.chmod(0o600)
        bundle, told = self.issue(host, "bob", "--format", "pkcs12", "--passphrase", f"file:{word}")
        self.assertEqual((bundle / "bob.p12").stat().st_mode & 0o777, 0o600)
        shown = quiet_run("openssl", "pkcs12", "-in", bundle / "bob.p12", "-passin", "pass:sesame", "-nokeys", "-clcerts")
        self.assertIn("CN = bob", shown)
        self.assertEqual(len(re.findall("BEGIN CERT", quiet_run("openssl", "pkcs12", "-in", bundle / "bob.p12", "-passin", "pass:sesame", "-nokeys"))), 2)
        crl, _ = self.issue(host, "alice", "--with-crl")
        self.assertTrue((crl / "root.crl").exists())
        for words, code, text in ((["client", "issue", "alice", "-o", crl], 1, "is there already"), (["client", "issue", "x" * 65, "-o", host.directory / "n"], 2, "65 bytes"),
                                  (["client", "issue", "bob", "-o", host.directory / "p", "--format", "pkcs12"], 2, "--passphrase")):
            done = host.ctl(*words)
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
            self.assertIn(text, done.stderr)
        with self.subTest("times have their distance"):
            shown = host.ctl("client", "issue", "alice", "-o", host.directory / "shown").stdout
            self.assertRegex(shown, r"valid until \S+Z \(in (89|90) days\)\n")
            self.assertRegex(host.ctl("pause", "main", "--for", "10h", "--reason", "r").stdout, r"until \S+Z \(in (9 hours|10 hours)\): r\n")
            self.assertRegex(host.ctl("events").stdout, r"until \S+Z \(in (9 hours|10 hours)\): r\n")
            self.assertEqual(host.ctl("resume", "main").returncode, 0)
        with self.subTest("trust export"):
            done = host.ctl("trust", "export")
            self.assertEqual(done.stdout, host.root_certificate.read_text())
            fingerprint = quiet_run("openssl", "x509", "-in", host.root_certificate, "-noout", "-fingerprint", "-sha256").split("=")[1].strip().replace(":", "").lower()
            self.assertIn(fingerprint, done.stderr)
            out = host.directory / "exported.crt"
            self.assertEqual(host.ctl("trust", "export", "-o", out).returncode, 0)
            self.assertEqual(out.read_text(), done.stdout)


    def test_a_refusal_issues_nothing_and_leaves_nothing(self):
        host = self.with_clients()
        host.start().wait_proved()
        _, told = self.issue(host, "bob")
        file, blocked, new = host.directory / "file", host.directory / "blocked", host.directory / "new"
        file.write_text("x")
        (blocked / "root.crt.new").mkdir(parents=True)
        for words, code, text in ((["alice", "-o", file], 3, str(file)), (["alice", "-o", blocked], 1, "root.crt.new"), (["alice", "-o", host.directory / "none" / "d"], 3, "none/d"),
                                  (["alice", "-o", new, "--issuer", "other"], 3, "other"), (["alice", "-o", new, "--renew"], 3, "postgresql.crt")):
            with self.subTest(words):
                done = host.ctl("client", "issue", *words)
                self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                self.assertIn(text, done.stderr)
                self.assertFalse(new.exists())
        self.assertEqual([p.name for p in blocked.iterdir()], ["root.crt.new"])
        shutil.copytree(host.directory / [p.name for p in host.directory.glob("client-bob-*")][0], new)
        (new / "root.crt").write_text("garbage")
        self.assertEqual(host.ctl("client", "issue", "bob", "-o", new, "--renew").returncode, 1)
        issued = json.loads(host.http("/v1/status")[1])["issuers"][0]["client_certificates"]
        self.assertEqual([c["serial"] for c in issued], [told["serial"]])


class Crls(Clients):
    def ready(self):
        host = self.with_clients()
        daemon = host.start()
        daemon.wait_proved()
        alice, told = self.issue(host, "alice")
        self.wait_in(host, "alice", alice, daemon)
        poll(lambda: host.events("crl-proved"), "the canary's word", context=daemon.log)
        return host, daemon, alice, told

    def test_refresh_and_show(self):
        host, daemon, alice, _ = self.ready()
        before = self.crl_numbers(host)[1]
        done = host.ctl("crl", "refresh")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        number = int(re.search(r"CRL (\d+)", done.stdout).group(1))
        self.assertGreater(number, before)
        poll(lambda: self.crl_numbers(host)[1] >= number, "it is installed", context=daemon.log)
        self.assertIsNone(self.connect(host, "alice", alice))
        shown = host.ctl("crl", "show").stdout
        self.assertIn("cluster main", shown)
        told = json.loads(host.ctl("--json", "crl", "show").stdout)
        self.assertEqual([c["cluster"] for c in told["installed"]], ["main", "main"])

    def root_crl(self, host, number, name="new.crl", days=30, more=()):
        """A CRL that the root signs elsewhere, with openssl."""
        root = host.directory / "offline" / "root"
        work = host.directory / f"openssl-{number}"
        work.mkdir()
        (work / "index.txt").write_text("")
        (work / "crlnumber").write_text(f"{number:04x}\n")
        (work / "ca.cnf").write_text(f"[ca]\ndefault_ca=a\n[a]\ndatabase={work}/index.txt\ncrlnumber={work}/crlnumber\ndefault_md=sha256\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n")
        out = host.directory / name
        quiet_run("openssl", "ca", "-config", work / "ca.cnf", "-gencrl", "-keyfile", root / "root.key", "-cert", root / "root.crt", "-out", out, "-crldays", days, *more)
        out.chmod(0o644)
        return out

    def test_import_of_the_root_s(self):
        host, daemon, alice, _ = self.ready()
        before = self.crl_numbers(host)[0]
        crl = self.root_crl(host, before + 5)
        done = host.ctl("crl", "import", crl)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        poll(lambda: self.crl_numbers(host)[0] == before + 5, "it is installed", context=daemon.log)
        self.assertIsNone(self.connect(host, "alice", alice))
        for text, path in (("does not follow", self.root_crl(host, before + 4)), ("neither this issuer's root", self.foreign(host)), ("garbage.crl", self.garbage(host)), ("ended at", self.root_crl(host, 900, "old.crl", more=self.past()))):
            with self.subTest(text):
                done = host.ctl("crl", "import", path)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(text, done.stderr)
        self.assertEqual(self.crl_numbers(host)[0], before + 5)

    def past(self):
        return ("-crl_lastupdate", "20240101000000Z", "-crl_nextupdate", "20240201000000Z")

    def foreign(self, host):
        import pki
        path = host.directory / "foreign.crl"
        path.write_bytes(pki.Authority("somebody").crl())
        return path

    def garbage(self, host):
        path = host.directory / "garbage.crl"
        path.write_text("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
        return path

    def test_a_registry_that_was_lost_or_restored_un_revokes_nobody(self):
        host, daemon, alice, told = self.ready()
        bob, _ = self.issue(host, "bob")
        older = host.directory / "older"
        daemon.stop()
        shutil.copytree(host.ca, older)
        daemon = host.start()
        daemon.wait_proved()
        self.assertEqual(host.ctl("revoke", told["serial"], "--reason", "keyCompromise").returncode, 0)
        poll(lambda: "certificate revoked" in (self.connect(host, "alice", alice) or ""), "alice is refused", context=daemon.log)
        daemon.stop()
        for state, spoil in (("an older registry", lambda: shutil.copy(older / "registry.db", host.ca / "registry.db")),
                             ("an older registry and no CRL", lambda: (shutil.copy(older / "registry.db", host.ca / "registry.db"), (host.ca / "issuing.crl").unlink())),
                             ("the whole directory of before", lambda: [shutil.copy(older / n, host.ca / n) for n in ("registry.db", "issuing.crl")])):
            with self.subTest(state):
                kept = host.directory / "kept"
                shutil.copytree(host.ca, kept)
                spoil()
                for path in host.ca.iterdir():
                    host.own(path)
                daemon = host.start()
                daemon.wait_proved()
                for _ in range(4):   # each climbs by a number
                    host.ctl("crl", "refresh")
                problems = lambda: [p for p in daemon.cluster()["problems"] if p["code"] in ("crl-untrusted", "crl-missing")] + \
                    [p for p in json.loads(host.http("/v1/status")[1])["problems"] if p["code"] == "issuer-failed"]
                poll(problems, "it is told", context=lambda: json.dumps(daemon.status(), indent=1) + daemon.log())
                self.assertIn("certificate revoked", self.connect(host, "alice", alice))
                self.assertIsNone(self.connect(host, "bob", bob))
                done = host.ctl("crl", "import", host.state / "clusters" / "main" / "current" / "root.crl")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                daemon.wait_no_problem("crl-untrusted")
                poll(lambda: not problems(), "the way back worked", context=lambda: json.dumps(daemon.status(), indent=1) + daemon.log())
                self.assertIn("certificate revoked", self.connect(host, "alice", alice))
                self.assertIsNone(self.connect(host, "bob", bob))
                self.assertEqual(host.ctl("crl", "refresh").returncode, 0)
                daemon.stop()
                shutil.rmtree(host.ca)
                shutil.copytree(kept, host.ca)
                for path in (host.ca, *host.ca.iterdir()):
                    host.own(path)
                shutil.rmtree(kept)

"""Issuer type "offline": the root signs the server's certificates itself, where it stands. Three directories that share nothing but
files: the host, the carrier, the root's machine. PostgreSQL, psql and the daemon are real."""
import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess

from harness import HostTest, PGCERTCTL, as_user, poll, quiet_run


class Offline(HostTest):
    def setUp(self):
        super().setUp()
        self.host_ = host = self.host(ca=False)
        self.root = host.directory / "root-machine" / "root"
        self.root.parent.mkdir(mode=0o700)
        self.carrier = host.directory / "carrier"
        self.carrier.mkdir(mode=0o777)
        self.carrier.chmod(0o777)
        self.away("ca", "init", "--root-dir", self.root, "--no-passphrase")
        host.root_certificate = host.directory / "root.crt"
        shutil.copy(self.root / "root.crt", host.root_certificate)
        host.root_certificate.chmod(0o644)
        self.configure()
        self.daemon = host.start()
        self.daemon.wait_problem("awaiting-signature")

    def configure(self, cluster='lifetime = "90d"', issuer=""):
        self.host_.configure(cluster=cluster, issuer=f'type = "offline"\nroot_certificate = "{self.host_.root_certificate}"\n{issuer}')

    def away(self, *words, fails=False):
        """On the root's machine, which has no configuration, daemon or network."""
        done = subprocess.run([str(PGCERTCTL), *map(str, words)], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        if not fails:
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done

    def export(self):
        out = self.carrier / "requests"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        out.chmod(0o777)
        def written():   # the key is there a moment before its request is
            done = self.host_.ctl("request", "export", "-o", out)
            return done if done.returncode != 3 else None
        done = poll(written, "a request that waits", context=lambda: self.daemon.log())
        self.assertEqual(done.returncode, 0, done.stderr)
        return sorted(out.glob("*.csr"))

    def visit(self, *more, name="back.pem"):
        back = self.carrier / name
        done = self.away("--yes", "ca", "session", "--root-dir", self.root, self.carrier / "requests", "-o", back, "--record", self.carrier / "record.txt", *more)
        return back, done

    def bring(self, back):
        return self.host_.ctl("request", "import", back)

    def round(self, *more):
        """A whole visit; the serial that is served afterwards."""
        before = self.host_.served_serial()
        self.export()
        back, _ = self.visit(*more)
        done = self.bring(back)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.daemon.wait_proved(but=before)
        self.assertVerifyFull(self.host_)
        return self.host_.served_serial()

    def refused(self, path, words):
        """Not taken, with the reason, and without a trace."""
        def book():
            with contextlib.closing(sqlite3.connect(f"file:{self.host_.state}/offline-local.db?mode=ro", uri=True)) as database:
                return [database.execute(f"SELECT * FROM {table}").fetchall() for table in ("request", "crl")]
        before, serial = book(), self.host_.served_serial()
        done = self.bring(path)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn(words, done.stderr)
        self.assertEqual(book(), before)
        self.assertEqual(self.host_.served_serial(), serial)

    def test_first_enrolment_and_three_renewals(self):
        host = self.host_
        self.assertIsNone(host.served_serial(), "nothing is served before the first visit")
        listed = host.ctl("request", "list")
        self.assertIn("main", listed.stdout)
        (request,) = self.export()
        text = request.read_text()
        spki = re.search(r"Key-SHA-256: (\w{64})", text).group(1)
        self.assertIn(spki[:16], request.name)
        self.assertNotIn("BEGIN CMS", text, "a first enrolment has no certificate that could vouch for it")
        self.assertEqual(self.daemon.stop(), 0)
        self.daemon = host.start()   # the key waits over restarts
        self.daemon.wait_problem("awaiting-signature")
        serials = [self.round()]
        self.daemon.wait_no_problem("awaiting-signature")
        for _ in range(3):
            self.assertEqual(host.ctl("rotate", "main", "--force").returncode, 0)
            poll(lambda: json.loads(host.http("/v1/status")[1])["issuers"][0]["pending_requests"], "the next request waits", context=self.daemon.log)
            (request,) = self.export()
            self.assertIn("BEGIN CMS", request.read_text())
            serials.append(self.round())
        self.assertEqual(len(set(serials)), 4)
        log = self.away("ca", "verify-log", "--root-dir", self.root).stdout
        self.assertEqual(log.count("signed a server"), 4)
        self.assertEqual(log.count("signed CRL"), 4)
        self.assertEqual([p for p in host.state.rglob("root.key")], [])
        status = json.loads(host.http("/v1/status")[1])
        self.assertEqual(status["clusters"][0]["runway"]["limited_by"], "leaf")
        visits = json.loads(host.ctl("--json", "runway").stdout)["visits"]
        self.assertEqual([v["what"] for v in visits], [["a certificate for cluster main"]] * 3)
        self.assertLess(visits[0]["from"], visits[1]["from"])
        shown = host.ctl("runway").stdout
        self.assertIn("VISIT OF THE ROOT", shown)
        self.assertLessEqual(max(map(len, shown.splitlines())), 80)
        self.assertEqual(list((host.state / "pending").iterdir()), [])

    def test_what_is_refused_by_the_host(self):
        host = self.host_
        (request,) = self.export()
        sign = lambda name, *more, root=self.root: (self.away("--yes", "ca", "sign", "--root-dir", root, request, "-o", self.carrier / name, *more), self.carrier / name)[1]
        for name, more, words in (("names.pem", ("--names", "localhost,db9.example.org"), "asked for were"), ("life.pem", ("--days", "300"), "asked for were 90d")):
            with self.subTest(name):
                self.refused(sign(name, *more), words)
        other = self.root.parent / "other"
        self.away("ca", "init", "--root-dir", other, "--no-passphrase", "--common-name", "another root")
        with self.subTest("another root"):
            self.refused(sign("other.pem", root=other), "pinned root")
        with self.subTest("another host's"):
            quiet_run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.carrier / "k", "-out", self.carrier / "far.csr", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
            self.away("--yes", "ca", "sign", "--root-dir", self.root, self.carrier / "far.csr", "-o", self.carrier / "far.pem")
            self.refused(self.carrier / "far.pem", "answers a request of this host")
        good = sign("good.pem")
        with self.subTest("a truncated stick"):
            cut = self.carrier / "cut.pem"
            for size in (100, 700, len(good.read_bytes()) - 40):
                cut.write_bytes(good.read_bytes()[:size])
                self.refused(cut, "")
        with self.subTest("nothing on it"):
            self.refused(os.devnull, "neither")
        first = self.carrier / "first.pem"
        self.visit(name="first.pem")
        self.assertEqual(self.bring(first).returncode, 0)
        self.daemon.wait_proved()
        again = self.bring(first)
        self.assertEqual((again.returncode, "in force already" in again.stdout), (0, True), again.stderr)
        with self.subTest("the same key again"):
            self.refused(good, "this is an old one")
        self.assertEqual(host.ctl("rotate", "main", "--force").returncode, 0)
        self.daemon.wait_problem("awaiting-signature")
        with self.subTest("an old bundle replayed"):
            done = self.bring(first)   # changes nothing
            self.assertIn("in force already", done.stdout)
            self.daemon.wait_problem("awaiting-signature")
        self.round()
        self.refused(first, "this is an old one")

    def test_a_life_that_is_too_long_is_cut_by_the_policy(self):
        self.daemon.stop()
        self.configure('lifetime = "800d"')
        self.daemon = self.host_.start()
        self.daemon.wait_problem("awaiting-signature")
        policy = self.root / "policy.toml"
        policy.write_text(policy.read_text().replace('names = []', 'names = ["*.example.org", "localhost", "127.0.*"]', 1))
        self.export()
        serial = self.round()
        self.assertTrue(serial)
        leaf = json.loads(self.host_.http("/v1/status")[1])["clusters"][0]["certificate"]
        self.assertEqual((int(leaf["not_after"][:4]) - int(leaf["not_before"][:4])), 1)

    def test_what_is_refused_by_the_root(self):
        (request,) = self.export()
        out = self.carrier / "out.pem"
        policy = self.root / "policy.toml"
        whole = policy.read_text()
        asked = lambda *more, file=request: self.away("--yes", "ca", "sign", "--root-dir", self.root, file, "-o", out, *more, fails=True)
        bad = self.carrier / "bad.csr"
        lines = request.read_text().splitlines()
        lines[-3] = lines[-3][:10] + ("A" if lines[-3][10] != "A" else "B") + lines[-3][11:]
        bad.write_text("\n".join(lines) + "\n")
        authority = self.carrier / "ca.csr"
        quiet_run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.carrier / "k", "-out", authority, "-subj", "/CN=evil", "-addext", "basicConstraints=critical,CA:TRUE")
        cases = [("a broken signature", lambda: asked(file=bad), ""),
                 ("a CA as a server", lambda: asked(file=authority), "asks for a CA"),
                 ("a new CA by a script", lambda: asked("--profile", "issuing", file=authority), "--yes is not enough")]
        for text, words in (("names = [\"*.example.org\"]", "no pattern for the name"), ("key_types = [\"rsa-3072\"]", "allows no"), ("new_keys = \"ask\"", "--yes is not enough"), ("nmaes = []", "the nearest one is \"names\""), ("lifetime = 3", "wanted is")):
            def with_policy(text=text):
                policy.write_text(f"[server]\n{text}\n")
                return asked()
            cases.append((text, with_policy, words))
        for name, run, words in cases:
            with self.subTest(name):
                done = run()
                self.assertNotEqual(done.returncode, 0, done.stdout)
                self.assertIn(words, done.stderr)
                self.assertFalse(out.exists())
        policy.write_text(whole)
        with self.subTest("a stick that is full"):
            stick = self.carrier / "stick"
            stick.mkdir()
            quiet_run("mount", "-t", "tmpfs", "-o", "size=4k", "none", stick)
            try:
                (stick / "fill").write_bytes(b"x" * 4096)
                done = self.away("--yes", "ca", "sign", "--root-dir", self.root, request, "-o", stick / "out.pem", fails=True)
                self.assertNotEqual(done.returncode, 0)
                self.assertEqual([p.name for p in stick.iterdir()], ["fill"])
            finally:
                quiet_run("umount", stick)
        with self.subTest("a renewal that a stranger's certificate vouches for"):
            first = request.read_text()
            self.round()
            self.assertEqual(self.host_.ctl("rotate", "main", "--force").returncode, 0)
            self.daemon.wait_problem("awaiting-signature")
            (renewal,) = self.export()
            cms = re.search(r"-----BEGIN CMS-----.*", renewal.read_text(), re.S).group(0)
            forged = self.carrier / "forged.csr"
            forged.write_text(first + cms)
            self.assertIn("over another request", asked(file=forged).stderr)
            lines = renewal.read_text().splitlines()
            lines[-4] = lines[-4][:5] + ("A" if lines[-4][5] != "A" else "B") + lines[-4][6:]
            forged.write_text("\n".join(lines) + "\n")
            self.assertNotEqual(asked(file=forged).returncode, 0)
            self.assertFalse(out.exists())

    def test_pkcs7_and_a_key_that_waits_encrypted(self):
        host = self.host_
        self.daemon.stop()
        secret = host.directory / "pending-passphrase"
        secret.write_text("sesame")
        os.chown(secret, host.daemon_user.pw_uid, host.daemon_user.pw_gid)
        secret.chmod(0o600)
        self.configure(issuer=f'passphrase = "file:{secret}"')
        self.daemon = host.start()
        self.daemon.wait_problem("awaiting-signature")
        shutil.rmtree(host.state / "pending")
        poll(lambda: [p for p in (host.state / "pending").glob("*/key.pem")], "the next key waits", context=self.daemon.log)
        for key in (host.state / "pending").glob("*/key.pem"):
            self.assertIn("ENCRYPTED", key.read_text())
            self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        self.daemon.wait_problem("awaiting-signature")
        self.export()
        back, _ = self.visit()
        p7 = self.carrier / "back.p7b"
        for form in ("PEM", "DER"):
            quiet_run("openssl", "crl2pkcs7", "-in", back, "-certfile", back, "-outform", form, "-out", p7)
            done = self.bring(p7)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.daemon.wait_proved()
        self.assertVerifyFull(host)
        self.assertIn("BEGIN PRIVATE KEY", subprocess.run(["cat", host.state / "clusters/main/current/server.key"], capture_output=True, text=True).stdout)

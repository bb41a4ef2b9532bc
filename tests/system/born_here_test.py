"""An issuing CA whose key is born on the host that uses it: the root is elsewhere from the first moment, and only a request leaves."""
import json
import re
import shutil
import subprocess

import pki
from client_test import Clients
from harness import PGCERTCTL, as_user, quiet_run


class BornHere(Clients):
    def setUp(self):
        super().setUp()
        self.host_ = host = self.with_clients(ca=False)
        self.root = host.directory / "safe" / "root"
        self.root.parent.mkdir(mode=0o700)
        self.carrier = host.directory / "carrier"
        self.carrier.mkdir()
        self.carrier.chmod(0o777)
        self.root_ctl("ca", "init", "--root-dir", self.root, "--no-passphrase")
        shutil.copy(self.root / "root.crt", self.carrier / "root.crt")
        host.root_certificate = self.carrier / "root.crt"
        host.ca = host.directory / "place" / "ca"
        host.own(host.ca.parent, directory=True)

    def root_ctl(self, *words, check=True):
        done = subprocess.run([str(PGCERTCTL), *map(str, words)], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        if check:
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done

    def host_ctl(self, *words):
        return subprocess.run([*as_user(self.host_.daemon_user), str(PGCERTCTL), *map(str, words)], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)

    def begin(self, *more):
        request = self.carrier / "issuing.csr"
        done = self.host_ctl("ca", "init", "--issuing-dir", self.host_.ca, "--root-cert", self.carrier / "root.crt", "-o", request, *more)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout, request

    def sign(self, request, name="back.pem", root=None):
        back = self.carrier / name
        self.root_ctl("--yes", "ca", "session", "--root-dir", root or self.root, request, "-o", back, "--policy", self.allowing())
        return back

    def allowing(self):
        policy = self.carrier / "policy.toml"
        policy.write_text('[issuing]\nnew_keys = "allow"\n')
        return policy

    def test_from_its_key_to_a_client_that_is_let_in(self):
        host = self.host_
        told, request = self.begin("--issuing-days", "500")
        fingerprint = quiet_run("openssl", "x509", "-in", self.root / "root.crt", "-noout", "-fingerprint", "-sha256").strip().split("=")[1].replace(":", "").lower()
        self.assertIn(fingerprint, told.replace(" ", "").replace("\n", ""))
        shown = self.host_ctl("ca", "show", host.ca)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("waits for its first certificate", shown.stdout)
        host.configure()
        seen = next(c for c in json.loads(host.ctl("--json", "doctor").stdout)["checks"] if c["check"] == "issuer local")
        self.assertEqual(seen["verdict"], "waits", seen)
        self.assertIn("request export", seen["remedy"])
        daemon = host.start()
        problem = daemon.wait_problem("issuer-failed")
        self.assertIn("waits for its first certificate", problem["message"])
        self.assertIn("pgcertctl request export", problem["remedy"])
        exported = self.carrier / "exported.csr"
        done = host.ctl("request", "export", "-o", exported)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(exported.read_text(), request.read_text())
        waiting = json.loads(host.ctl("--json", "request", "list").stdout)
        self.assertEqual([len(one["pending_requests"]) for one in waiting], [1], waiting)
        back = self.sign(exported)
        done = host.ctl("request", "import", back)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("its first certificate", done.stdout)
        daemon.wait_proved()
        self.assertVerifyFull(host)
        alice, _ = self.issue(host, "alice")
        self.wait_in(host, "alice", alice, daemon)
        self.assertFalse((host.ca / "issuing.csr").exists())
        self.assertEqual((host.ca / "issuing.key").stat().st_mode & 0o777, 0o600)
        self.assertEqual(quiet_run("openssl", "x509", "-in", host.ca / "issuing.crt", "-noout", "-checkend", str(499 * 86400)).strip(), "Certificate will not expire")
        with self.subTest("renewed in the usual way"):
            self.assertEqual(host.ctl("request", "export", "-o", exported).returncode, 0)
            self.assertEqual(host.ctl("request", "import", self.sign(exported)).returncode, 0)

    def test_what_does_not_belong_is_refused(self):
        host = self.host_
        _, request = self.begin()
        host.configure()
        daemon = host.start()
        daemon.wait_problem("issuer-failed")
        other_root = host.directory / "other" / "root"
        other_root.parent.mkdir()
        self.root_ctl("ca", "init", "--root-dir", other_root, "--no-passphrase")
        anothers = self.carrier / "anothers.csr"
        quiet_run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.carrier / "a.key", "-out", anothers, "-subj", "/CN=another", "-addext", "basicConstraints=critical,CA:TRUE")
        stranger = self.carrier / "stranger.pem"
        stranger.write_bytes(pki.Authority("a CA").chain_pem())
        before = sorted(p.name for p in host.ca.iterdir())
        for name, path, words in (("another root's", self.sign(request, "b1.pem", other_root), "does not lead to this issuer's root"), ("another key's", self.sign(anothers, "b2.pem"), "for this CA's key"), ("a stranger's", stranger, "for this CA's key")):
            with self.subTest(name):
                done = host.ctl("request", "import", path)
                self.assertNotEqual(done.returncode, 0, done.stdout)
                self.assertIn(words, " ".join(done.stderr.split()))
                self.assertEqual(sorted(p.name for p in host.ca.iterdir()), before)
        cut = self.carrier / "cut.pem"
        cut.write_text("".join(self.sign(request).read_text().partition("-----END CERTIFICATE-----\n")[:2]))
        self.assertNotEqual(host.ctl("request", "import", cut).returncode, 0, "its head says how many objects there were")
        self.assertEqual(host.ctl("request", "import", self.carrier / "back.pem").returncode, 0)
        daemon.wait_proved()

    def test_what_init_refuses(self):
        leaf = self.carrier / "leaf.pem"
        quiet_run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.carrier / "l.key", "-out", leaf, "-subj", "/CN=leaf", "-addext", "basicConstraints=critical,CA:FALSE")
        for words, told in ((("--root-cert", leaf), "no root CA"), (("--root-cert", self.carrier / "none"), "none"), (("--root-cert", self.carrier / "root.crt", "--issuing-key-type", "ed25519"), "ed25519"), ((), "--root-cert makes an issuing CA")):
            with self.subTest(words):
                done = self.host_ctl("ca", "init", "--issuing-dir", self.host_.ca, *words)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(told, " ".join(done.stderr.split()))
                self.assertFalse(self.host_.ca.exists())
        done = self.host_ctl("ca", "init", "--issuing-dir", self.host_.ca, "--root-cert", self.carrier / "root.crt", "-o", "/nowhere/x.csr")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("a copy is issuing.csr in its directory", " ".join(done.stderr.split()))
        self.assertIn("waits", self.host_ctl("ca", "show", self.host_.ca).stdout)


class SignedByTheRoot(BornHere):
    """A client's certificate right from the root: where an offline issuer gives servers theirs, clients have no other way."""
    test_from_its_key_to_a_client_that_is_let_in = test_what_does_not_belong_is_refused = test_what_init_refuses = None

    def test_a_client_that_the_root_signs_is_let_in(self):
        host = self.host_
        host.configure(issuer=f'type = "offline"\nroot_certificate = "{self.carrier}/root.crt"')
        daemon = host.start()
        daemon.wait_problem("awaiting-signature")
        exported = self.carrier / "requests"
        self.assertEqual(host.ctl("request", "export", "-o", exported).returncode, 0)
        self.assertEqual(host.ctl("request", "import", self.sign(exported)).returncode, 0)
        daemon.wait_proved()
        refused = host.ctl("client", "issue", "alice", "-o", host.directory / "none")
        self.assertIn("ca sign --profile client", " ".join(refused.stderr.split()))
        host.postgres.sql(f"ALTER SYSTEM SET ssl_ca_file = '{self.carrier}/root.crt'")
        host.postgres.sql("SELECT pg_reload_conf()")
        alice = host.directory / "alice"
        alice.mkdir()
        quiet_run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", alice / "postgresql.key", "-out", alice / "alice.csr", "-subj", "/CN=alice")
        done = self.root_ctl("--yes", "ca", "sign", "--profile", "client", "--root-dir", self.root, alice / "alice.csr", "-o", alice / "postgresql.crt", "--days", "30")
        self.assertIn("CN=alice", done.stdout)
        shutil.copy(self.root / "root.crt", alice / "root.crt")
        for path in alice.iterdir():
            host.own(path)
        host.own(alice, directory=True)
        (alice / "postgresql.key").chmod(0o600)
        shutil.chown(alice / "postgresql.key", host.postgres.user.pw_uid)
        self.wait_in(host, "alice", alice, daemon)
        self.assertIn("authentication failed", self.connect(host, "bob", alice))
        text = quiet_run("openssl", "x509", "-in", alice / "postgresql.crt", "-noout", "-text")
        self.assertIn("TLS Web Client Authentication", text)
        self.assertNotIn("TLS Web Server Authentication", text)
        quiet_run("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", self.root / "root.crt", alice / "postgresql.crt")
        renamed = self.root_ctl("--yes", "ca", "sign", "--profile", "client", "--role", "bob", "--root-dir", self.root, alice / "alice.csr", "-o", alice / "bob.crt", "--days", "1000")
        self.assertIn("CN=bob", renamed.stdout)
        self.assertIn("Certificate will expire", subprocess.run(["openssl", "x509", "-in", alice / "bob.crt", "-noout", "-checkend", str(399 * 86400)], capture_output=True, text=True).stdout)

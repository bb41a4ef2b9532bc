"""The root's key stays elsewhere: a request is carried to it, one visit, and what it gives is carried back. Three directories that
share nothing but files: the host, the carrier, the root's machine."""
import json
import os
import re
import shutil
import subprocess
import unittest

import pki
from client_test import Clients
from harness import NO_PRELOAD, PGCERTCTL, SANITIZED, poll, quiet_run

FAR = "faketime"


class Visits(Clients):
    def setUp(self):
        super().setUp()
        self.host_ = self.with_clients()
        self.daemon = self.host_.start()
        self.daemon.wait_proved()
        self.carrier = self.host_.directory / "carrier"
        self.carrier.mkdir(mode=0o777)
        self.carrier.chmod(0o777)
        self.root = self.host_.directory / "offline" / "root"

    def ctl(self, *words, at=None):
        """On the root's machine: no daemon, no configuration. `at`: its clock."""
        command = ([FAR, "-f", at] if at else []) + [str(PGCERTCTL), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)

    def export(self):
        out = self.carrier / "request.csr"
        done = self.host_.ctl("request", "export", "-o", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out

    def visit(self, *requests, at=None, days=800):
        done = self.ctl("--yes", "ca", "session", "--root-dir", self.root, *requests, "-o", self.carrier / "back.pem", "--record", self.carrier / "record.txt", "--issuing-days", days, at=at)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return self.carrier / "back.pem"

    def serial_of_chain(self):
        """Of the issuing CA that is served."""
        shown = subprocess.run(["openssl", "s_client", "-starttls", "postgres", "-showcerts", "-connect", f"127.0.0.1:{self.host_.postgres.port}"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        blocks = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", shown.stdout, re.S)
        return quiet_run("openssl", "x509", "-noout", "-serial", input=blocks[1]).strip() if len(blocks) > 1 else None

    def test_one_visit_settles_everything(self):
        host, daemon = self.host_, self.daemon
        alice, _ = self.issue(host, "alice")
        self.wait_in(host, "alice", alice, daemon)
        before, ends = self.serial_of_chain(), json.loads(host.http("/v1/status")[1])["issuers"][0]["certificate"]["not_after"]
        shown = host.ctl("request", "show")
        self.assertEqual(shown.returncode, 0, shown.stderr)
        request = self.export()
        spki = re.search(r"key's SHA-256  ([0-9a-f ]{79})\n", shown.stdout).group(1).replace(" ", "")
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=quiet_run("openssl", "req", "-in", request, "-noout", "-pubkey").encode(), capture_output=True, check=True).stdout
        import hashlib
        self.assertEqual(hashlib.sha256(der).hexdigest(), spki)
        back = self.visit(request)
        record = (self.carrier / "record.txt").read_text()
        self.assertIn("issuing CA", record)
        self.assertIn("the root's CRL 2", record)
        done = host.ctl("request", "import", back)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        status = json.loads(host.http("/v1/status")[1])["issuers"][0]
        self.assertGreater(status["certificate"]["not_after"], ends)
        self.assertEqual(status["root_crl"]["number"], "2")
        poll(lambda: self.crl_numbers(host)[0] == 2, "the root's CRL is installed", context=daemon.log)
        self.assertIsNone(self.connect(host, "alice", alice))
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
        self.assertNotEqual(self.serial_of_chain(), before)
        self.assertVerifyFull(host)
        self.assertIsNone(self.connect(host, "alice", alice), "the key of the issuing CA is the same")
        self.assertEqual(host.ctl("request", "import", back).returncode, 0, "the same once more changes nothing")
        log = self.ctl("ca", "verify-log", "--root-dir", self.root)
        self.assertEqual(log.returncode, 0, log.stderr)
        self.assertIn("signed an issuing CA", log.stdout)
        head = re.search(r"ends with\n  ([0-9a-f ]+)\n", record).group(1)
        self.assertIn(head, log.stdout)
        self.assertEqual(list(host.ca.glob("root.key")), [], "it never was on the host")

    def test_what_does_not_belong_is_refused(self):
        host = self.host_
        request = self.export()
        first, second = self.visit(request, days=740), None
        kept = self.carrier / "first.pem"
        shutil.copy(first, kept)
        second = self.visit(request, days=900)
        self.assertEqual(host.ctl("request", "import", second).returncode, 0)
        state = lambda: ((host.ca / "issuing.crt").read_bytes(), (host.ca / "root.crl").read_bytes())
        good = state()
        other = pki.Authority("another root")
        stranger = self.carrier / "stranger.pem"
        stranger.write_bytes(pki.Authority("a CA", other).chain_pem())
        cut = self.carrier / "cut.pem"
        cut.write_bytes(second.read_bytes()[:900])
        server = self.carrier / "server.pem"
        quiet_run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", self.carrier / "s.key", "-out", self.carrier / "s.csr", "-subj", "/CN=db9", "-addext", "subjectAltName=DNS:db9.example.org")
        self.assertEqual(self.ctl("--yes", "ca", "sign", "--root-dir", self.root, self.carrier / "s.csr", "-o", server).returncode, 0)
        for state_name, path, words in (("an old one", kept, "it is an old one"), ("another root's", stranger, "for this CA's key"), ("cut off", cut, "PEM"), ("a server's", server, "for this CA's key"), ("nothing", os.devnull, "neither")):
            with self.subTest(state_name):
                done = host.ctl("request", "import", path)
                self.assertNotEqual(done.returncode, 0, done.stdout)
                self.assertIn(words, done.stderr)
                self.assertEqual(state(), good)

    @unittest.skipIf(SANITIZED, NO_PRELOAD)
    def test_a_clock_that_stands_behind_signs_nothing(self):
        out = self.carrier / "out.pem"
        done = self.ctl("--yes", "ca", "sign", "--root-dir", self.root, "--profile", "issuing", self.export(), "-o", out, at="2020-01-01 00:00:00")
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn("clock", done.stderr)
        self.assertFalse(out.exists())

    def test_the_root_s_side_refuses(self):
        request = self.export()
        out = self.carrier / "out.pem"
        sign = lambda *more: self.ctl("ca", "sign", "--root-dir", self.root, "-o", out, *more)
        bad = self.carrier / "bad.csr"
        lines = request.read_text().splitlines()
        lines[-2] = lines[-2][:-8] + ("A" * 6) + lines[-2][-2:]
        bad.write_text("\n".join(lines) + "\n")
        for state, done, words in (("without a word of consent", sign(request), "--yes"), ("a CA as a server", sign("--yes", request), "asks for a CA"), ("a broken signature", sign("--yes", "--profile", "issuing", bad), ""),
                                   ("no request", sign("--yes", self.host_.root_certificate), ""), ("no key there", self.ctl("ca", "crl", "--root-dir", self.host_.ca), "not a root's")):
            with self.subTest(state):
                self.assertNotEqual(done.returncode, 0, done.stdout)
                self.assertIn(words, done.stderr)
                self.assertFalse(out.exists())
        log = self.root / "log"
        whole = log.read_text()
        with self.subTest("a log that was touched"):
            log.write_text(whole.replace("signed an issuing CA", "signed an Issuing CA"))
            self.assertEqual(self.ctl("ca", "verify-log", "--root-dir", self.root).returncode, 1)
            self.assertIn("line 2", sign("--yes", "--profile", "issuing", request).stderr)
            log.write_text("".join(whole.splitlines(True)[1:]))
            self.assertIn("line 1", self.ctl("ca", "verify-log", "--root-dir", self.root).stderr)
            log.write_text(whole)
        self.assertEqual(sign("--yes", "--profile", "issuing", request).returncode, 0)

    def test_a_passphrase_and_its_change(self):
        old, new = self.carrier / "old", self.carrier / "new"
        for path, word in ((old, "sesame"), (new, "open")):
            path.write_text(word)
            path.chmod(0o600)
        passwd = lambda *more: self.ctl("ca", "passwd", "--root-dir", self.root, *more)
        self.assertEqual(passwd("--new-passphrase", f"file:{old}").returncode, 0)
        self.assertIn("ENCRYPTED", (self.root / "root.key").read_text())
        self.assertEqual((self.root / "root.key").stat().st_mode & 0o777, 0o600)
        crl = lambda *more: self.ctl("ca", "crl", "--root-dir", self.root, *more)
        self.assertNotEqual(crl().returncode, 0, "there is no terminal to ask on")
        self.assertNotEqual(crl("--passphrase", f"file:{new}").returncode, 0)
        done = crl("--passphrase", f"file:{old}", "-o", self.carrier / "root.crl")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("CRL 2", done.stdout)
        self.assertEqual(self.host_.ctl("crl", "import", self.carrier / "root.crl").returncode, 0)
        self.assertEqual(passwd("--passphrase", f"file:{old}", "--new-passphrase", f"file:{new}").returncode, 0)
        self.assertEqual(crl("--passphrase", f"file:{new}").returncode, 0)
        self.assertIn("changed the passphrase", self.ctl("ca", "verify-log", "--root-dir", self.root).stdout)

    def test_a_server_that_asks_itself(self):
        """ca sign for a host without pgcertd: names shown, changed by the signer, verified by openssl strictly."""
        key, request, out = (self.carrier / n for n in ("s.key", "s.csr", "s.pem"))
        quiet_run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=db9", "-addext", "subjectAltName=DNS:db9.example.org,IP:10.0.0.9")
        done = self.ctl("--yes", "--json", "ca", "sign", "--root-dir", self.root, request, "-o", out, "--names", "db9.example.org", "--days", "30")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["signed"][0]["names"], ["db9.example.org"])
        quiet_run("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", self.host_.root_certificate, out)
        self.assertEqual(out.read_text().count("BEGIN CERTIFICATE"), 2)
        self.assertEqual(out.read_text().count("BEGIN X509 CRL"), 1)

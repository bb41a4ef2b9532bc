"""Keys of the root and of the issuing CA in a token: SoftHSM2 behind OpenSSL's engine, and a spy that counts the logins."""
import os
import re
import shutil
import subprocess

import years_test

from harness import HostTest, PGCERTCTL, as_user, poll, quiet_run

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
SPY = "/usr/lib/x86_64-linux-gnu/pkcs11-spy.so"
PIN = "swordfish"   # with letters that no serial has


class TokenTools:
    """A token with keys for a root and an issuing CA."""

    def make_token(self, host):
        self.host_ = host
        self.tokens = host.directory / "tokens"
        host.own(self.tokens, directory=True)
        self.conf = host.directory / "softhsm2.conf"
        self.conf.write_text(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.conf.chmod(0o644)
        self.logins = host.directory / "spy.log"
        self.logins.write_text("")
        host.own(self.logins)
        self.environment = {"SOFTHSM2_CONF": str(self.conf), "PKCS11SPY": MODULE, "PKCS11SPY_OUTPUT": str(self.logins)}
        self.run_("softhsm2-util", "--init-token", "--free", "--label", "safe", "--so-pin", "87654321", "--pin", PIN)
        for label, kind in (("root", "EC:secp384r1"), ("issuing", "EC:prime256v1"), ("rsa", "rsa:2048")):
            self.run_("pkcs11-tool", "--module", MODULE, "--token-label", "safe", "--login", "--pin", PIN, "--keypairgen", "--key-type", kind, "--label", label, "--id", {"root": "01", "issuing": "02", "rsa": "03"}[label])
        self.pin = self.secret("pin", PIN)
        self.wrong = self.secret("wrong", "9999")
        self.root = host.directory / "offline" / "root"
        host.own(self.root.parent, directory=True)
        host.own(host.ca.parent / "ca-parent", directory=True)
        host.ca = host.ca.parent / "ca-parent" / "ca"

    def secret(self, name, text):
        path = self.host_.directory / name
        path.write_text(text)
        self.host_.own(path)
        path.chmod(0o600)
        return path

    def run_(self, *words, check=True):
        done = subprocess.run([*as_user(self.host_.daemon_user), "env", *(f"{k}={v}" for k, v in self.environment.items()), *map(str, words)], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        if check:
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done

    def ctl(self, *words, check=True):
        return self.run_(PGCERTCTL, *words, check=check)

    def uri(self, label, module=MODULE):
        return f"pkcs11:token=safe;object={label}?module-path={module}"

    def make(self, module=MODULE):
        self.ctl("ca", "init", "--root-dir", self.root, "--issuing-dir", self.host_.ca, "--root-key", self.uri("root", module), "--passphrase", f"file:{self.pin}", "--issuing-key", self.uri("issuing", module), "--issuing-passphrase", f"file:{self.pin}")
        self.host_.root_certificate = self.host_.directory / "root.crt"
        shutil.copy(self.root / "root.crt", self.host_.root_certificate)
        self.host_.root_certificate.chmod(0o644)

    def count_logins(self):
        return len(re.findall(r"C_Login$", self.logins.read_text(), re.M))

    def start(self, pin):
        self.host_.configure(issuer=f'type = "local"\ndirectory = "{self.host_.ca}"\npassphrase = "file:{pin}"')
        return self.host_.start(environment=self.environment)


class Token(TokenTools, HostTest):
    def setUp(self):
        super().setUp()
        self.make_token(self.host(ca=False))

    def test_root_and_issuing_ca_live_in_it(self):
        host = self.host_
        self.make()
        for path in (self.root / "root.key", host.ca / "issuing.key"):
            self.assertTrue(path.read_text().startswith("pkcs11:"))
            self.assertNotIn(PIN, path.read_text())
        self.assertIn("in a token", self.ctl("ca", "show", self.root).stdout)
        daemon = self.start(self.pin)
        daemon.wait_proved()
        self.assertVerifyFull(host)
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
        carrier = host.directory / "carrier"
        carrier.mkdir()
        carrier.chmod(0o777)
        self.assertEqual(host.ctl("request", "export", "-o", carrier / "request.csr").returncode, 0)
        self.ctl("--yes", "ca", "session", "--root-dir", self.root, carrier / "request.csr", "-o", carrier / "back.pem", "--passphrase", f"file:{self.pin}", "--issuing-days", "900")
        done = host.ctl("request", "import", carrier / "back.pem")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
        self.assertVerifyFull(host)
        self.assertEqual(host.ctl("crl", "refresh").returncode, 0)
        serial = daemon.cluster()["certificate"]["serial"]
        self.assertEqual(host.ctl("revoke", serial, "--reason", "superseded").returncode, 0)
        daemon.wait_proved(but=serial)
        quiet_run("openssl", "verify", "-x509_strict", "-CAfile", self.root / "root.crt", "-untrusted", host.state / "clusters/main/current/server.crt", host.state / "clusters/main/current/server.crt")
        self.ctl("ca", "crl", "--root-dir", self.root, "--passphrase", f"file:{self.pin}")
        refused = self.ctl("ca", "passwd", "--root-dir", self.root, "--passphrase", f"file:{self.pin}", "--no-passphrase", check=False)
        self.assertIn("change-pin", refused.stderr)
        self.assertNotIn(PIN, daemon.log())

    def test_a_wrong_pin_is_tried_once(self):
        self.environment["LSAN_OPTIONS"] = "detect_leaks=0"   # the spy has some, and is unloaded before they are looked at
        self.make(SPY)
        self.logins.write_text("")
        done = self.ctl("ca", "crl", "--root-dir", self.root, "--passphrase", f"file:{self.wrong}", check=False)
        self.assertEqual((done.returncode != 0, "was refused: PIN incorrect" in " ".join(done.stderr.split())), (True, True), done.stderr)
        self.assertNotIn("9999", done.stderr)
        self.assertEqual(self.count_logins(), 1, self.logins.read_text()[-2000:])
        self.logins.write_text("")
        pin = self.secret("now", "9999")
        daemon = self.start(pin)
        problem = daemon.wait_problem("issuer-failed")
        self.assertIn("the PIN of the token token=safe was refused", problem["message"])
        seen = self.host_.http("/v1/status")[1]
        for _ in range(3):   # looks at the issuer, each of them later than the one before
            before = daemon.status()["generated_at"]
            poll(lambda: daemon.status()["generated_at"] > before, "another look", context=daemon.log)
        self.assertEqual(self.count_logins(), 1, seen)
        pin.write_text(PIN)
        daemon.wait_proved()
        self.assertEqual(self.count_logins(), 2)

    def test_a_token_that_was_corrected_needs_a_reload(self):
        self.make()
        daemon = self.start(self.secret("now", "9999"))
        daemon.wait_problem("issuer-failed")
        self.run_("pkcs11-tool", "--module", MODULE, "--token-label", "safe", "--login", "--pin", PIN, "--change-pin", "--new-pin", "9999")
        before = daemon.status()["generated_at"]
        poll(lambda: daemon.status()["generated_at"] > before, "another look", context=daemon.log)
        daemon.wait_problem("issuer-failed")
        daemon.hangup()
        daemon.wait_proved()
        self.assertNotIn("pkcs11:token", daemon.log())

    def brought_along(self):
        module = self.host_.directory / "module.so"
        shutil.copy(MODULE, module)
        return str(module)

    def test_what_is_refused(self):
        init = lambda uri, *more: self.ctl("ca", "init", "--root-dir", self.root, "--root-key", uri, "--passphrase", f"file:{self.pin}", *more, check=False)
        for uri, words in ((f"pkcs11:token=safe;object=root?pin-value={PIN}&module-path={MODULE}", "secrets never stand"), ("pkcs11:token=safe", "names no key"), ("pkcs11:object=root", "names no token"), ("file:/root.key", "does not begin with"),
                           (f"pkcs11:token=safe;object=nobody?module-path={MODULE}", "leads to no private key"), (f"pkcs11:token=other;object=root?module-path={MODULE}", "leads to no private key"), ("pkcs11:token=safe;object=root?module-path=/nowhere.so", "No such file"),
                           ("pkcs11:token=safe;object=root?module-path=" + self.brought_along(), "code from elsewhere is not loaded")):
            with self.subTest(uri):
                done = init(uri)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(words, " ".join(done.stderr.split()))
                self.assertNotIn(PIN, done.stderr)
                self.assertFalse(self.root.exists())

    def test_a_token_that_goes_and_comes_back(self):
        self.make()
        daemon = self.start(self.pin)
        first = daemon.wait_proved()["certificate"]["serial"]
        away = self.tokens.with_name("tokens.away")
        self.tokens.rename(away)
        self.host_.own(self.tokens, directory=True)
        daemon.wait_problem("issuer-failed", deadline=90)
        self.assertVerifyFull(self.host_)
        shutil.rmtree(self.tokens)
        away.rename(self.tokens)
        daemon.wait_no_problem("issuer-failed")
        self.assertEqual(self.host_.ctl("rotate", "main", "--force", "--wait").returncode, 0)
        daemon.wait_proved(but=first)


class HalfAYearInAToken(TokenTools, years_test.HalfAYear):
    STEPS, RENEWALS = 9, 2

    def prepare(self):
        host = self.with_clients(same_user=True, ca=False)
        self.make_token(host)
        self.make()
        shutil.copy(self.pin, host.directory / "root-pin")   # whoever stands at the root's machine has it in a file of their own
        (host.directory / "root-pin").chmod(0o600)
        self.root_options = ("--passphrase", f"file:{host.directory / 'root-pin'}")
        host.configure(daemon='clock_bound = "1s"\n', issuer=f'type = "local"\ndirectory = "{host.ca}"\npassphrase = "file:{self.pin}"')
        os.environ.update(self.environment)   # the root's side
        for name in self.environment:
            self.addCleanup(os.environ.pop, name, None)
        return host, self.root, self.environment

"""doctor: all is well, and each kind of thing that may not be."""
import json
import os

from harness import AS_ROOT, HostTest, quiet_run


class Doctor(HostTest):
    def checks(self, host):
        done = host.ctl("--json", "doctor")
        return done.returncode, json.loads(done.stdout)["checks"]

    def wrong(self, host):
        code, checks = self.checks(host)
        self.assertEqual(code, 1 if any(c["verdict"] != "ok" for c in checks) else 0)
        return {c["check"] for c in checks if c["verdict"] == "wrong"}

    def test_a_healthy_host(self):
        host = self.host()
        host.start().wait_proved()
        code, checks = self.checks(host)
        self.assertEqual((code, {c["verdict"] for c in checks}), (0, {"ok"}), checks)
        for what in ("configuration", "issuer local", "daemon", f"cluster main at 127.0.0.1:{host.postgres.port}"):
            self.assertIn(what, [c["check"] for c in checks])
        self.assertIn("TLSv1.3", host.ctl("doctor").stdout)

    def test_what_is_wrong_is_named_with_its_remedy(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        host.postgres.sql("ALTER SYSTEM SET ssl = off; SELECT pg_reload_conf()")
        host.configure(cluster="enable_ssl = false")
        daemon.hangup()
        daemon.wait_problem("ssl-off")
        self.assertIn("cluster main: ssl-off", self.wrong(host))
        daemon.stop()
        self.assertEqual(self.wrong(host), {"daemon"})
        host.config.write_text("nonsense = 1\n")
        self.assertIn("configuration", self.wrong(host))
        _, checks = self.checks(host)
        self.assertTrue(all(c["remedy"] for c in checks if c["verdict"] == "wrong"), checks)

    def issuer(self, host):
        checks = [c for c in self.checks(host)[1] if c["check"] == "issuer local"]
        self.assertEqual(len(checks), 1, checks)
        return checks[0]

    def test_an_issuer_whose_key_cannot_sign(self):
        host = self.host()
        host.start().wait_proved()
        key = host.ca / "issuing.key"
        content = key.read_bytes()   # the daemon has it in memory, and goes on for now
        self.assertIn("its key can sign", self.issuer(host)["message"])

        def wrong(words):
            seen = self.issuer(host)
            self.assertEqual(seen["verdict"], "wrong", seen)
            self.assertIn(words, seen["message"])
            self.assertTrue(seen["remedy"])
        key.unlink()
        wrong("is gone")
        quiet_run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        key.chmod(0o600)
        host.own(key)
        wrong("does not belong")
        key.write_bytes(content[:100])
        wrong("issuing.key")
        key.write_bytes(content)
        self.assertEqual(self.issuer(host)["verdict"], "ok")
        key.chmod(0o644)
        wrong("others may read")
        key.chmod(0o600)
        if AS_ROOT:
            os.chown(key, 1, 1)
            wrong("may not read it")
            host.own(key)
        quiet_run("openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:sesame", "-out", host.directory / "sealed.key")
        key.write_bytes((host.directory / "sealed.key").read_bytes())
        host.daemons[-1].stop()
        wrong("no passphrase is configured")
        word = host.directory / "word"
        word.write_text("sesame\n")
        word.chmod(0o600)
        host.configure(issuer=f'type = "local"\ndirectory = "{host.ca}"\npassphrase = "file:{word}"')
        self.assertEqual(self.issuer(host)["verdict"], "ok")
        word.write_text("other\n")
        wrong("the passphrase is wrong")
        host.configure(issuer=f'type = "local"\ndirectory = "{host.ca}"\npassphrase = "credential:issuing-ca"')
        self.assertIn("opens for the daemon alone", self.issuer(host)["message"])

"""doctor: all is well, and each kind of thing that may not be."""
import json

from harness import HostTest


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

"""The pair that was proved before is put back: because an operator wants it, or because the current one is spoiled."""
import os

from harness import HostTest, poll


class Rollback(HostTest):
    def rotated(self):
        """A host whose second certificate is proved; its daemon and both serials."""
        host = self.host()
        daemon = host.start()
        first = daemon.wait_proved()["certificate"]["serial"]
        done = host.ctl("rotate", "main", "--force", "--wait")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        second = daemon.wait_proved(but=first)["certificate"]["serial"]
        return host, daemon, first, second

    def current(self, host):
        return host.state / "clusters" / "main" / os.readlink(host.state / "clusters" / "main" / "current")

    def test_an_operator_goes_back_and_rotation_rests_until_resume(self):
        host, daemon, first, second = self.rotated()
        done = host.ctl("rollback", "main", "--wait")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("rollback-proved", done.stdout)
        self.assertEqual(host.served_serial(), first)
        self.assertVerifyFull(host)
        self.assertIn("resume", daemon.wait_problem("rotation-paused")["remedy"])
        self.assertEqual([p["code"] for p in daemon.cluster()["problems"]], ["rotation-paused"], "a rollback on request is no failure")
        daemon.stop()
        daemon = host.start()
        daemon.wait_problem("rotation-paused")
        self.assertEqual(host.ctl("rotate", "main", "--force").returncode, 5)
        host.postgres.restart()
        self.assertEqual(host.served_serial(), first)
        self.assertEqual(host.ctl("rollback", "main", "--wait").returncode, 0)
        self.assertEqual(host.served_serial(), second, "and back again")
        self.assertEqual(host.ctl("resume", "main").returncode, 0)
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
        self.assertNotIn(host.served_serial(), (first, second))

    def test_there_must_be_an_earlier_pair(self):
        host = self.host()
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        done = host.ctl("rollback", "main")
        self.assertEqual(done.returncode, 5)
        self.assertIn("no earlier pair", done.stderr)
        self.assertIn("rotate main --force", done.stderr)
        self.assertEqual(host.served_serial(), serial)
        self.assertEqual(daemon.cluster()["problems"], [])

    def test_the_preflight_refuses_what_postgresql_would_refuse(self):
        host, daemon, _, second = self.rotated()
        other = host.directory / "other.crt"
        other.write_text("no certificate")
        host.postgres.sql(f"ALTER SYSTEM SET ssl_ca_file = '{other}'")   # not reloaded: the next reload would be refused
        host.postgres.sql("SELECT pg_reload_conf()")
        done = host.ctl("rollback", "main", "--wait")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("ssl_ca_file", done.stdout)
        self.assertEqual(host.served_serial(), second)
        self.assertFalse(any(p["code"] == "rotation-paused" for p in daemon.cluster()["problems"]))

    def test_a_spoiled_pair_makes_way_for_the_one_before_while_nothing_can_be_signed(self):
        host, daemon, first, _ = self.rotated()
        away = host.ca.with_name("away")
        host.ca.rename(away)
        daemon.wait_problem("issuer-failed")
        (self.current(host) / "server.key").write_bytes(b"")
        daemon.wait(lambda c: c["certificate"]["serial"] == first and any(s["matches_file"] for s in c["served"]), "the pair before")
        self.assertVerifyFull(host)
        host.postgres.restart()
        self.assertVerifyFull(host)
        self.assertEqual(host.served_serial(), first)
        away.rename(host.ca)
        daemon.wait_no_problem("issuer-failed")
        self.assertFalse(daemon.wait_proved()["rotation"]["paused_until"])
        poll(lambda: len(host.generations()) <= 3, "the spoiled generation to be collected", context=daemon.log)

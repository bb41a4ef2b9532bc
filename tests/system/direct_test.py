"""check --direct: a look that needs no daemon, sees what is wrong by itself, and changes nothing."""
import os
import subprocess

from harness import HostTest, PGCERTCTL, as_user, needs_root
from setup_test import tree

READS = ("dac_read_search",)   # units/pgcertd-check.service


class Direct(HostTest):
    def check(self, host, *more):
        """As the unit runs it."""
        words = [*as_user(host.daemon_user, READS), PGCERTCTL, "--config", host.config, "check", "--direct", *more]
        done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def proved(self):
        host = self.host()
        host.start().wait_proved()
        return host

    @needs_root
    def test_without_a_daemon(self):
        host = self.proved()
        host.daemons[-1].stop()
        self.assertEqual(self.check(host)[0], 0, self.check(host)[1])
        self.assertIn("main", self.check(host)[1])
        code, words = self.check(host, "-w", "200d")
        self.assertEqual(code, 1, words)
        self.assertEqual(self.check(host, "nobody")[0], 3)

        with self.subTest("a key that others may read"):
            key = host.state / "clusters/main/current/server.key"
            key.chmod(0o644)
            code, words = self.check(host)
            self.assertEqual(code, 2, words)
            self.assertIn("file-permissions", words)
            self.assertEqual(key.stat().st_mode & 0o777, 0o644, "it repairs nothing")
            key.chmod(0o600)

        with self.subTest("another certificate is served than stands in the files"):
            current = host.state / "clusters/main/current"
            here = os.readlink(current)
            host.start().wait_proved()
            self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
            host.daemons[-1].stop()
            there = os.readlink(current)
            current.unlink()
            current.symlink_to(here)
            os.chown(current, host.daemon_user.pw_uid, host.daemon_user.pw_gid, follow_symlinks=False)
            code, words = self.check(host)
            self.assertEqual(code, 2, words)
            self.assertIn("served-stale", words)
            current.unlink()
            current.symlink_to(there)
            os.chown(current, host.daemon_user.pw_uid, host.daemon_user.pw_gid, follow_symlinks=False)
            self.assertEqual(self.check(host)[0], 0, self.check(host)[1])

        with self.subTest("an issuer that cannot sign any more"):
            (host.ca / "issuing.key").rename(host.ca / "away")
            code, words = self.check(host)
            self.assertNotEqual(code, 0, words)
            self.assertIn("issuing.key is gone", words)
            (host.ca / "away").rename(host.ca / "issuing.key")
            self.assertEqual(self.check(host)[0], 0, self.check(host)[1])

        with self.subTest("a server that is down"):
            host.postgres.stop()
            code, words = self.check(host)
            self.assertNotEqual(code, 0, words)
            self.assertIn("server-unreachable", words)
            host.postgres.start()

    @needs_root
    def test_nothing_is_made_or_written(self):
        host = self.host()
        before = tree(host.state, host.ca)
        code, words = self.check(host)
        self.assertEqual(code, 2, words)
        self.assertIn("cert-missing", words)
        self.assertEqual(tree(host.state, host.ca), before, "on a host where no daemon ever ran")
        host.start().wait_proved()
        host.daemons[-1].stop()
        before = tree(host.state, host.ca)
        self.assertEqual(self.check(host)[0], 0)
        self.assertEqual(tree(host.state, host.ca), before, "after a daemon has ended")

    @needs_root
    def test_beside_a_daemon(self):
        host = self.proved()
        self.assertEqual(self.check(host)[0], 0, self.check(host)[1])
        self.assertTrue(host.daemons[-1].alive())

    def test_a_configuration_that_is_wrong_is_unknown(self):
        host = self.host(server=False)
        host.config.write_text("nonsense = 1\n")
        code, words = self.check(host)
        self.assertEqual(code, 3, words)
        self.assertIn("nonsense", words)

"""From another build to this one: what the former left on the host (state, configuration, unit, drop-ins) is gone on with. PGCERTD_PREVIOUS
is a directory with its packages; tests/run builds those of the last release before this commit."""
import json
import os
import pathlib
import tempfile
import unittest

from life_test import CLUSTER, STATE, OnAMachine, with_version

PREVIOUS = os.environ.get("PGCERTD_PREVIOUS", "")


@unittest.skipUnless(PREVIOUS, "no packages of a former build: --previous DIRECTORY")
class Upgrade(OnAMachine):
    def test_from_a_former_build(self):
        now = self.debs
        type(self).debs = [next(pathlib.Path(PREVIOUS).glob(f"{name}_*.deb")) for name in ("pgcertctl", "pgcertd")]
        self.assertNotEqual(self.debs[1].read_bytes(), now[1].read_bytes(), "it is another build")
        self.set_up()
        self.ctl("rotate", "main", "--force", "--wait")
        self.ctl("pause", "main", "--for", "2h", "--reason", "kept")
        events = self.events()
        self.assertGreater(len(events), 3)
        key, postgres, serial = self.out("sha256sum", f"{STATE}/ca/issuing.key"), self.pid_of(CLUSTER), self.served_serial()

        # Between two releases the numbers are the same; apt must see that this one is newer.
        with tempfile.TemporaryDirectory() as directory:
            self.install([with_version(deb, "9.0", pathlib.Path(directory)) for deb in now])
        cluster = self.wait_proved()
        self.assertEqual((self.pid_of(CLUSTER), self.served_serial()), (postgres, serial), "nothing was issued or restarted for it")
        self.assertTrue(cluster["rotation"]["paused_until"])
        self.assertEqual(self.events()[:len(events)], events)
        self.assertIn("The chain holds", self.ctl("events", "--verify").stdout)
        self.ctl("resume", "main")
        self.ctl("rotate", "main", "--force", "--wait")
        self.assertNotEqual(self.served_serial(), serial)
        self.verify_full()

        # A second setup of the new build adds what is new, and leaves the CA as it is.
        self.ctl("--yes", "setup", "--no-passphrase")
        self.assertEqual(self.out("sha256sum", f"{STATE}/ca/issuing.key"), key)
        self.run_("systemctl", "daemon-reload")
        self.run_("systemctl", "restart", "pgcertd")
        self.wait_proved()
        self.assertEqual(self.pid_of(CLUSTER), postgres)

    def events(self):
        return [json.loads(line) for line in self.out("pgcertctl", "--json", "events").splitlines()]


if __name__ == "__main__":
    unittest.main(verbosity=2)

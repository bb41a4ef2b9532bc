"""Half a year of real servers and clients under faketime: three renewals of the server's certificate, a visit of the root for a new issuing
CA and CRL. Nobody is refused, and at no step a certificate or a CRL that is served or installed has ended."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest
from unittest import mock

import harness
from client_test import Clients
from clock_test import FAKETIME, PRELOAD
from harness import NO_PRELOAD, PGCERTCTL, SANITIZED, poll

STEP = 15   # days; CRLs live for 30


@unittest.skipUnless(FAKETIME, "needs faketime")
@unittest.skipIf(SANITIZED, NO_PRELOAD)
class HalfAYear(Clients):
    STEPS, RENEWALS = 14, 3
    root_options = ()                  # where the root's passphrase is

    def prepare(self):
        """A host, and where its root is."""
        host = self.with_clients(same_user=True)
        host.configure(daemon='clock_bound = "1s"\n')
        root = host.directory / "elsewhere"
        (host.directory / "offline" / "root").rename(root)
        return host, root, {}

    def setUp(self):
        super().setUp()
        directory = tempfile.mkdtemp(prefix="pgcertd-clock-")
        self.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, 0o755)
        self.offset = os.path.join(directory, "offset")
        self.set_days(0)

    def fake_clock(self, host):
        """For every program that is started from here on. What is preloaded has to be made by the user that the program runs as."""
        fake = {"LD_PRELOAD": PRELOAD, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_TIMESTAMP_FILE": self.offset}
        real_as_user = harness.as_user
        without = ["env", "-u", "LD_PRELOAD", "-u", "FAKETIME_SHARED"]
        patched = mock.patch.object(harness, "as_user", lambda *words, **more: [*without, *real_as_user(*words, **more), "env", *(f"{k}={v}" for k, v in fake.items())])
        environment = mock.patch.dict(os.environ, fake)
        for one in (patched, environment):
            one.start()
            self.addCleanup(one.stop)
        host.postgres.restart()

    def set_days(self, days):
        with open(self.offset + ".new", "w", encoding="utf-8") as out:
            out.write(f"+{days}d\n")
        os.chmod(self.offset + ".new", 0o644)
        os.rename(self.offset + ".new", self.offset)

    def now(self):
        return subprocess.run(["date", "-u", "+%Y-%m-%dT%H:%M:%SZ"], capture_output=True, text=True, check=True).stdout.strip()

    def ended(self, host):
        """What is served or installed and has ended by the clock that all of them have."""
        now, status = self.now(), self.status(host)
        cluster = status["clusters"][0]
        ends = {"certificate": cluster["certificate"]["not_after"], **{f"served by {one['endpoint']}": one["not_after"] for one in cluster["served"] if one["not_after"]},
                **{f"CRL of {one['issuer']}": one["next_update"] for one in cluster["crl"]}}
        return {what: end for what, end in ends.items() if end <= now}

    def status(self, host):
        """A listener that is opened anew by a reload answers in a moment."""
        return poll(host.daemons[-1].status, "the daemon answers", context=lambda: f"exit {host.daemons[-1].process.poll()} {host.daemons[-1].log()[-3000:]}")

    def number(self, host):
        return int(self.status(host)["issuers"][0]["crl"]["number"])

    def visit(self, host, root, carrier):
        request = carrier / "request.csr"
        self.assertEqual(host.ctl("request", "export", "-o", request).returncode, 0)
        done = subprocess.run([str(PGCERTCTL), "--yes", "ca", "session", "--root-dir", str(root), *self.root_options, str(request), "-o", str(carrier / "back.pem")], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        brought = host.ctl("request", "import", carrier / "back.pem")
        self.assertEqual(brought.returncode, 0, brought.stderr)

    def test_three_renewals_and_a_visit(self):
        host, root, environment = self.prepare()
        carrier = host.directory / "carrier"
        carrier.mkdir()
        carrier.chmod(0o777)
        self.fake_clock(host)
        daemon = host.start(environment=environment)
        daemon.wait_proved()
        alice, _ = self.issue(host, "alice", "--lifetime", "300d")
        self.wait_in(host, "alice", alice, daemon)
        ca_before = self.status(host)["issuers"][0]["certificate"]["not_after"]
        serials, connections, number = [host.served_serial()], 0, self.number(host)
        for step in range(1, self.STEPS + 1):
            self.set_days(step * STEP)
            self.assertEqual(self.ended(host), {}, f"day {step * STEP}, before the daemon looks")
            daemon.hangup()
            self.assertIsNone(self.connect(host, "alice", alice), f"day {step * STEP}")
            def settled(before=number):
                status = self.status(host)
                cluster, signed = status["clusters"][0], status["issuers"][0]["crl"]["number"]
                jumped = [p for p in cluster["problems"] if p["code"] == "clock-jump"]
                return int(signed) > before and signed in [one["number"] for one in cluster["crl"]] and cluster["rotation"]["need"] == "none" and cluster["rotation"]["stage"] == "proved" and not jumped
            poll(settled, f"day {step * STEP} is settled", context=lambda: daemon.log()[-4000:])
            poll(lambda: host.events("crl-proved") and self.connect(host, "alice", alice) is None, "alice connects", context=lambda: daemon.log()[-3000:])
            connections += 2
            number = self.number(host)
            self.assertVerifyFull(host)
            self.assertEqual(self.ended(host), {}, f"day {step * STEP}")
            if host.served_serial() != serials[-1]:
                serials.append(host.served_serial())
            if step == self.STEPS // 2:
                self.visit(host, root, carrier)
        self.assertGreaterEqual(len(serials), self.RENEWALS + 1, "renewals")
        self.assertGreater(self.status(host)["issuers"][0]["certificate"]["not_after"], ca_before)
        self.assertEqual(list(host.state.rglob("root.key")) + list(host.ca.rglob("root.key")), [])
        print(f"{self.STEPS * STEP} days: {len(serials) - 1} renewals, {connections} connections of alice, none refused")

"""kill -9 at each call that changes something, on real files: PostgreSQL is restarted before pgcertd comes back.

Death before a call leaves on disk what death after the one before it left: the default run dies before the first and after
each, PGCERTD_EVERY_DEATH (tests/run --all) before each as well."""
import collections
import os
import re
import sys

from harness import HostTest, poll

CHANGES = re.compile(r"^(generations\.(stage|prepare_way_back|publish|publish_way_back|remove|repair)|pending\.(put|remove)|"
                     r"postgres\.(change_settings|reload)|issuer\.submit|in_place\.link|store\.save)$")


class ChangingCalls(HostTest):
    """Scenarios that are played again and again from the same disk, and what they call."""

    def proved_and_saved(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        self.assertEqual(daemon.stop(), 0)
        host.save()
        return host

    def ask(self, host):
        """False: the daemon could not keep the wish, and says so."""
        poll(lambda: host.http_answers() or not host.daemons[-1].alive(), "the daemon")
        return host.ctl("rotate", "main", "--force").returncode == 0

    def new_trace(self, host):
        trace = host.directory / "trace"
        trace.write_text("")
        trace.chmod(0o666)
        return trace

    def changes(self, host, play):
        """Runs the scenario undisturbed and gives its changing calls in order, as (name, how-many-th)."""
        host.restore()
        trace = self.new_trace(host)
        before = host.served_serial()
        daemon = host.start({"PGCERTD_TRACE": str(trace)})
        play(host)
        daemon.wait_proved(but=before)
        poll(lambda: len(host.events("rotation-proved")) > 0, "the event of the proof")
        self.assertEqual(daemon.stop(), 0)
        counts, points = collections.Counter(), []
        for call in trace.read_text().split():
            if CHANGES.match(call):
                counts[call] += 1
                points.append((call, counts[call]))
        return points


class KillAnywhere(ChangingCalls):
    """What the scenarios share."""
    verified_before = True   # does what the server serves at the scenario's begin lead to our root?

    def dies(self, host, play, point):
        """Whether it died there. How often a server is looked at before it shows what is new differs, and with it the last saves."""
        call, nth, phase = point
        before = host.served_serial()
        trace = self.new_trace(host)
        daemon = host.start({"PGCERTD_FAULT": f"{call}:{phase}:{nth}=kill", "PGCERTD_TRACE": str(trace)})
        play(host)

        def over():
            cluster = daemon.cluster() if daemon.alive() else None
            rests = cluster and cluster["rotation"]["stage"] == "proved" and cluster["certificate"]["serial"] != before
            return not daemon.alive() or (rests and trace.read_text().split().count(call) < nth)
        poll(over, f"death {phase} {call} {nth}", context=daemon.log)
        if not daemon.alive():
            self.assertEqual(daemon.wait_end(), -9, daemon.log())
            return True
        daemon.stop()
        return False

    def lives_on(self, host):
        host.postgres.restart()   # first of all: the files must be such that it starts
        if host.postgres.sql("SHOW ssl") == "on" and self.verified_before:
            self.assertVerifyFull(host)
        daemon = host.start()
        served = daemon.wait_proved()["certificate"]["serial"]
        self.assertEqual(host.served_serial(), served)
        self.assertVerifyFull(host)
        self.assertLessEqual(len(host.generations()), 3)
        self.assertEqual(list((host.state / "pending").iterdir()), [])
        self.assertEqual(daemon.stop(), 0)

    def everywhere(self, name, host, play, at_least):
        points = self.changes(host, play)
        self.assertGreaterEqual(len(points), at_least, points)
        deaths = [(call, nth, phase) for at, (call, nth) in enumerate(points) for phase in ("before", "after")
                  if phase == "after" or at == 0 or "PGCERTD_EVERY_DEATH" in os.environ]
        died = 0
        for call, nth, phase in deaths:
            with self.subTest(f"{name}: dies {phase} {call} {nth}"):
                host.restore()
                died += self.dies(host, play, (call, nth, phase))
                self.lives_on(host)
        print(f"{name}: {len(points)} changing calls, killed at {len(deaths)} points: {died} deaths", file=sys.stderr)
        self.assertGreaterEqual(died, len(deaths) - 4)


class KilledAtFirstIssue(KillAnywhere):
    def test_at_each_call(self):
        host = self.host()
        host.save()
        self.everywhere("first issue", host, lambda _: None, 12)


class KilledAtRenewal(KillAnywhere):
    def test_at_each_call(self):
        self.everywhere("renewal", self.proved_and_saved(), self.ask, 12)


class KilledAtRollback(KillAnywhere):
    def test_at_each_call(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
        self.assertEqual(daemon.stop(), 0)
        host.save()
        self.everywhere("rollback", host, self.ask_back, 6)

    def ask_back(self, host):
        poll(lambda: host.http_answers() or not host.daemons[-1].alive(), "the daemon")
        host.ctl("rollback", "main")

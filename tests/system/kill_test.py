"""kill -9 at each call that changes something, on real files: PostgreSQL is restarted before pgcertd comes back.

Death before a call leaves on disk what death after the one before it left: the default run dies before the first and after
each, and where `of_each` is more than one only after some; PGCERTD_EVERY_DEATH (tests/run --all) before and after each."""
import collections
import os
import re
import sys

from harness import HostTest, poll

CHANGES = re.compile(r"^(generations\.(stage|prepare_way_back|publish|publish_way_back|remove|repair)|pending\.(put|remove)|"
                     r"postgres\.(change_settings|reload)|issuer\.submit|in_place\.link|store\.save)$")


class ChangingCalls(HostTest):
    """Scenarios that are played again and again from the same disk, and what they call."""
    last_event = "rotation-proved"

    def settled(self, host, daemon, before):
        """Has the scenario come to its end? `before`: the serial that was served when it began."""
        cluster = daemon.cluster() if daemon.alive() else None
        return cluster and cluster["rotation"]["stage"] == "proved" and cluster["rotation"]["need"] == "none" and cluster["certificate"]["serial"] != before

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
        poll(lambda: self.settled(host, daemon, before), "the end of the scenario", context=daemon.log)
        poll(lambda: len(host.events(self.last_event)) > 0, "the event of the proof")
        self.assertEqual(daemon.stop(), 0)
        counts, points = collections.Counter(), []
        for call in trace.read_text().split():
            if CHANGES.match(call):
                counts[call] += 1
                points.append((call, counts[call]))
        return points


class KillAnywhere(ChangingCalls):
    """What the scenarios share."""
    of_each = 1
    verified_before = True   # does what the server serves at the scenario's begin lead to our root?

    def dies(self, host, play, point):
        """Whether it died there. How often a server is looked at before it shows what is new differs, and with it the last saves."""
        call, nth, phase = point
        before = host.served_serial()
        trace = self.new_trace(host)
        daemon = host.start({"PGCERTD_FAULT": f"{call}:{phase}:{nth}=kill", "PGCERTD_TRACE": str(trace)})
        play(host)

        def over():
            return not daemon.alive() or (self.settled(host, daemon, before) and trace.read_text().split().count(call) < nth)
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
        poll(lambda: len(host.generations()) <= 3, "old generations are collected", context=daemon.log)
        self.assertEqual(list((host.state / "pending").iterdir()), [])
        self.assertEqual(daemon.stop(), 0)

    def everywhere(self, name, host, play, at_least):
        points = self.changes(host, play)
        self.assertGreaterEqual(len(points), at_least, points)
        deaths = [(call, nth, phase) for at, (call, nth) in enumerate(points) for phase in ("before", "after")
                  if (phase == "after" and at % self.of_each == 0) or at == 0 or "PGCERTD_EVERY_DEATH" in os.environ]
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


class KilledWhileCrlsComeIn(KillAnywhere):
    """Anchors and CRLs go into a generation and into the settings, because a row asks for client certificates."""
    last_event = "crl-proved"
    of_each = 2   # its calls are for the most part those of the scenarios above

    def settled(self, host, daemon, before):
        del before
        try:
            in_force = host.postgres.sql("SHOW ssl_crl_file").endswith("/current/root.crl")
            return daemon.alive() and host.http_answers() and in_force and len(host.events("crl-proved")) > self.proved_before
        except OSError:
            return False   # it died while it answered

    def test_at_each_call(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        self.assertEqual(host.ctl("client", "issue", "postgres", "-o", host.directory / "client").returncode, 0)
        poll(lambda: host.events("crl-proved"), "CRLs in force", context=daemon.log)
        daemon.stop()
        self.proved_before = 1
        (host.postgres.data / "pg_hba.conf").write_text("local all all trust\nhostssl all postgres 127.0.0.1/32 cert\n")
        host.postgres.sql("ALTER SYSTEM RESET ssl_ca_file; ALTER SYSTEM RESET ssl_crl_file; SELECT pg_reload_conf()")
        host.save()
        self.everywhere("CRLs come in", host, lambda _: None, 6)

    def assertVerifyFull(self, host):
        """With the client's certificate, without which the row lets nobody in; before ssl_ca_file is set, nobody at all."""
        if not host.postgres.sql("SHOW ssl_ca_file"):
            return
        client = host.directory / "client"
        words = f"host=localhost hostaddr=127.0.0.1 port={host.postgres.port} user=postgres dbname=postgres sslmode=verify-full sslrootcert={client}/root.crt sslcert={client}/postgresql.crt sslkey={client}/postgresql.key"
        done = host.postgres.psql(words, "SELECT 1")
        self.assertEqual(done.returncode, 0, done.stderr)

    def lives_on(self, host):
        super().lives_on(host)
        daemon = host.start()
        poll(lambda: self.settled(host, daemon, None), "CRLs in force", context=daemon.log)
        self.assertVerifyFull(host)
        self.assertEqual(daemon.stop(), 0)

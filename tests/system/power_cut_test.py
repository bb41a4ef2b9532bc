"""Power is cut at each moment of a first issue, a renewal, a rollback and new CRLs. Every state that the disk may then be in is rebuilt:
PostgreSQL starts from it, the databases are whole, and the daemon goes on.

The default run starts the daemon on a sample of the states; PGCERTD_EVERY_FAULT (tests/run --faults) on every one."""
import contextlib
import os
import pathlib
import re
import sqlite3
import sys
import tempfile

from client_test import Clients
from disk_model import Journal
from harness import needs_root, poll
from shim import Shim

EVERY = "PGCERTD_EVERY_FAULT" in os.environ
SAMPLE = 10
FILES = ("server.crt", "server.key", "root.crt", "root.crl")


class PowerCut(Clients):
    def record(self, host, play, until):
        """The journal of one play, by a daemon that is started for it."""
        shim = Shim(host)
        self.addCleanup(shim.close)
        journal = Journal([host.state, host.ca])
        self.auto_conf = host.postgres.data / "postgresql.auto.conf"
        before = self.auto_conf.read_bytes()
        daemon = host.start(inside=shim.environment(journal=True, watch=self.auto_conf))
        poll(host.http_answers, "the daemon", context=daemon.log)
        play()
        daemon.wait(until, "the end of the play")
        self.assertEqual(daemon.stop(), 0)
        host.postgres.stop("fast")
        journal.watched.insert(0, (0, before))
        return journal.read(shim.journal.read_text())

    def databases_are_whole(self, state, done):
        """As SQLite sees them, with what belongs to each."""
        files = {path: node for path, node in state.walk() if node.kind == "file"}
        for path in (p for p in files if p.endswith(".db")):
            parts = {suffix: bytes(files[path + suffix].data) for suffix in ("", "-wal", "-journal") if path + suffix in files}
            key = tuple(sorted(parts.items()))
            if key in done or not parts[""]:   # an empty one is made anew
                continue
            done.add(key)
            with tempfile.TemporaryDirectory() as directory:
                for suffix, data in parts.items():
                    pathlib.Path(f"{directory}/x.db{suffix}").write_bytes(data)
                with contextlib.closing(sqlite3.connect(f"{directory}/x.db")) as database:
                    self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)], path)

    def requests_are_whole(self, host, state):
        """What waits under its final name has its key, and is known to be whose it is."""
        nodes, top = dict(state.walk()), f"{host.state}/pending/"
        for path in (p for p in nodes if re.fullmatch("[0-9a-f]{64}", p.removeprefix(top))):
            parts = [bytes(nodes[f"{path}/{name}"].data) if f"{path}/{name}" in nodes else b"" for name in ("key.pem", "request.pem", "meta.json")]
            self.assertTrue(parts[0].startswith(b"-----BEGIN ") and parts[1].startswith(b"-----BEGIN ") and parts[2].endswith(b"}\n"), f"{path}: {[p[:11] for p in parts]}")

    def what_postgresql_reads(self, host, state, settings):
        nodes = dict(state.walk())
        cluster = f"{host.state}/clusters/main"
        current = nodes.get(f"{cluster}/current")
        if current is None:
            return (settings,)
        generation = f"{cluster}/{current.data.decode()}"
        seen = [nodes.get(generation)] + [nodes.get(f"{generation}/{name}") for name in FILES]
        return (settings, *((n.mode, n.uid, n.gid, bytes(n.data)) if n else None for n in seen))

    def postgresql_starts(self, host, settings):
        host.postgres.put("postgresql.auto.conf", settings)
        host.postgres.start()
        if host.postgres.sql("SHOW ssl") == "on":
            self.assertVerifyFull(host)

    def goes_on(self, host):
        """The daemon makes of it what it was to be."""
        if not host.postgres.running():
            host.postgres.start()
        code, log = host.once()
        self.assertIn(code, (0, 1), log)   # 1: a warning, such as a paused rotation
        self.assertVerifyFull(host)
        self.assertEqual(list((host.state / "pending").glob("*")), [], log)

    def everywhere(self, name, host, journal):
        states = list(journal.states())
        every = range(len(states)) if EVERY else {len(states) * i // SAMPLE for i in range(SAMPLE)}
        whole, started, daemons = set(), set(), 0
        for at, (moment, state, settings) in enumerate(states):
            with self.subTest(f"{name}: state {at} of {len(states)}, power cut after change {moment}"):
                self.databases_are_whole(state, whole)
                self.requests_are_whole(host, state)
                seen = self.what_postgresql_reads(host, state, settings)
                if seen in started and at not in every:
                    continue
                started.add(seen)
                host.postgres.end()
                state.put()
                try:
                    self.postgresql_starts(host, settings)
                    if at in every:
                        self.goes_on(host)
                        daemons += 1
                finally:
                    host.postgres.end()
        print(f"power cut, {name}: {len(journal.changes)} changes, {len(states)} states: each one's databases whole, PostgreSQL starts from each of {len(started)} "
              f"sets of files, pgcertd goes on from {daemons}", file=sys.stderr)
        self.assertGreater(len(states), 50)
        self.assertGreater(daemons, 5)

    def proved(self, host):
        serial = host.start().wait_proved()["certificate"]["serial"]
        self.assertEqual(host.daemons[-1].stop(), 0)
        return serial

    def new_one(self, before):
        return lambda c: c["rotation"]["stage"] == "proved" and c["certificate"] and c["certificate"]["serial"] != before and any(s["matches_file"] for s in c["served"])


@needs_root
class PowerCutAtAFirstIssue(PowerCut):
    def test_each_state(self):
        host = self.host()
        self.everywhere("first issue", host, self.record(host, lambda: None, self.new_one(None)))


@needs_root
class PowerCutAtARenewal(PowerCut):
    def renewal(self):
        host = self.host()
        before = self.proved(host)
        return host, self.record(host, lambda: host.ctl("rotate", "main", "--force"), self.new_one(before))

    def test_each_state(self):
        self.everywhere("renewal", *self.renewal())

    def test_without_fsync_it_would_not_hold(self):
        """Else the test above could not fail."""
        host, journal = self.renewal()
        for change in journal.changes:
            change.synced_at = None
        for _, state, settings in journal.states():
            nodes = dict(state.walk())
            current = nodes[f"{host.state}/clusters/main/current"].data.decode()
            key = nodes.get(f"{host.state}/clusters/main/{current}/server.key")
            if key is None or key.uid != host.server_user.pw_uid or not key.data:
                state.put()
                self.assertRaises(AssertionError, self.postgresql_starts, host, settings)
                return
        self.fail("no state without a key was found")


@needs_root
class PowerCutAtARollback(PowerCut):
    def test_each_state(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
        before = daemon.cluster()["certificate"]["serial"]
        self.assertEqual(daemon.stop(), 0)
        self.everywhere("rollback", host, self.record(host, lambda: host.ctl("rollback", "main"), self.new_one(before)))


@needs_root
class PowerCutAtNewCrls(PowerCut):
    def test_each_state(self):
        host = self.with_clients()
        daemon = host.start()
        daemon.wait_proved()
        alice = self.issue(host, "alice")[0]
        self.wait_in(host, "alice", alice, daemon)
        poll(lambda: host.events("crl-proved"), "the canary's word", context=daemon.log)
        before = self.crl_numbers(host)
        self.assertEqual(daemon.stop(), 0)
        self.everywhere("new CRLs", host, self.record(host, lambda: host.ctl("crl", "refresh"), lambda c: c["rotation"]["stage"] == "proved" and self.crl_numbers(host) > before))

"""Each of the daemon's own system calls fails once, or from there on until the fault goes: what worked still works, PostgreSQL can
start from the files, the daemon heals without help, and nothing is left behind.

The default run takes a sample of the calls; PGCERTD_EVERY_FAULT (tests/run --faults) takes every one."""
import errno
import json
import os
import pathlib
import re
import sys
import time

import offline_test
from client_test import Clients
from harness import Host, poll
from shim import ALWAYS, CHANGE, KILL, MEMORY, OPEN, READ, SHORT, Shim, fault_name

EVERY = "PGCERTD_EVERY_FAULT" in os.environ
SAMPLE = int(os.environ.get("PGCERTD_FAULT_SAMPLE", "3"))   # of each round
MEMORY_SAMPLE = 40      # allocations are counted by the hundred thousand

# What fails, how, and whether the daemon may die of it.
ROUNDS = {
    "changes": (CHANGE, (errno.ENOSPC, errno.EIO, errno.EACCES, SHORT, errno.EROFS), False),
    "deaths": (CHANGE, (KILL,), True),
    "descriptors": (OPEN, (errno.EMFILE, errno.ENOMEM, errno.ENFILE), False),
    "reads": (READ, (errno.EIO,), False),
    "memory": (MEMORY, (errno.ENOMEM,), True),
}
KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")


class Daemon:
    """What the daemon of a host holds, seen from outside."""

    def __init__(self, daemon):
        self.proc = pathlib.Path(f"/proc/{daemon.pid}")

    def descriptors(self):
        return len(list((self.proc / "fd").iterdir()))

    def children(self):
        return " ".join((task / "children").read_text() for task in (self.proc / "task").iterdir()).split()


class Faulted(Clients):
    """A scenario that is played again and again. Those who inherit say how it is prepared, played, and known to be over."""
    standing_problems = set()   # that belong to the scenario itself

    def begin(self):
        """A host whose daemon runs, ready for the first play."""
        host = self.host()
        host.configure(daemon='check_interval = "1s"')
        self.shim = Shim(host)
        self.addCleanup(self.shim.close)
        self.launch(host).wait_proved()
        return host

    def launch(self, host):
        return host.start(inside=self.shim.environment())

    def ready(self, host):
        """What has to be before a play, without any fault."""

    def play(self, host):
        """True when the wish was taken."""
        raise NotImplementedError

    def over(self, host, cluster):
        raise NotImplementedError

    def works(self, host):
        """What worked before works at each moment of the play."""
        self.assertVerifyFull(host)

    # ---- one fault ----

    def settled(self, host):
        daemon = host.daemons[-1]
        cluster = daemon.cluster() if daemon.alive() else None
        return bool(cluster and cluster["rotation"]["stage"] == "proved" and self.over(host, cluster))

    def come_to_the_fault(self, host):
        """True: it was hit. False: the play came to its end without."""
        daemon = host.daemons[-1]
        poll(lambda: self.shim.hits() or not daemon.alive() or self.settled(host), "the fault, or the end", context=daemon.log)
        return self.shim.hits() > 0 or not daemon.alive()

    def let_it_stand(self, host, lasting):
        """A fault that lasts meets more than one call, or what the daemon does at once about the first."""
        end = time.monotonic() + 1
        while lasting and self.shim.hits() < 4 and host.daemons[-1].alive() and time.monotonic() < end:
            self.works(host)

    def one(self, host, classes, fault, nth, lasting, may_die, restart):
        """False when the play has fewer calls than that."""
        self.ready(host)
        self.shim.arm(classes, fault, nth, ALWAYS if lasting else 1)
        taken = self.play(host)
        hit = self.come_to_the_fault(host)
        if hit and fault == KILL:
            host.daemons[-1].wait_end()
        if hit:
            self.works(host)
            self.let_it_stand(host, lasting)
        self.shim.disarm()
        self.revive(host, may_die, restart)
        if not taken and not self.settled(host):
            poll(lambda: self.play(host) or self.settled(host), "the wish to be taken", context=host.daemons[-1].log)
        self.healed(host, may_die, restart)
        return hit

    def revive(self, host, may_die, restart):
        """What systemd does for a daemon that ended, after PostgreSQL started from the files that it left."""
        daemon = host.daemons[-1]
        died = not daemon.alive()
        if died or restart:
            host.postgres.restart()
            self.works(host)
        if died:
            code = daemon.wait_end()
            if not may_die:
                self.assertGreater(code, 0, daemon.log())   # an answer, no crash
                self.assertTrue(daemon.log().strip())
            self.launch(host)

    def healed(self, host, may_die, restart):
        over = lambda: self.settled(host) or not host.daemons[-1].alive()
        tell = lambda: f"{host.daemons[-1].cluster()}\n{host.daemons[-1].log()[-4000:]}"
        poll(over, "the end of the play", context=tell)
        if not host.daemons[-1].alive():   # it was ending for the fault while that was taken away
            self.revive(host, may_die, restart)
            poll(over, "the end of the play", context=tell)
        daemon = host.daemons[-1]
        self.assertTrue(daemon.alive(), tell())
        daemon.wait(lambda c: {p["code"] for p in c["problems"]} <= self.standing_problems, "no problem")
        self.works(host)
        self.nothing_is_left(host, daemon)

    def nothing_is_left(self, host, daemon):
        seen = Daemon(daemon)
        poll(lambda: seen.descriptors() <= self.most_descriptors, f"no more than {self.most_descriptors} descriptors",
             context=lambda: "\n".join(sorted(os.readlink(f) for f in (seen.proc / "fd").iterdir())))
        poll(lambda: not seen.children(), "no children")
        poll(lambda: self.strays(host) == [], "no key or half-written file is left", context=lambda: str(self.strays(host)))

    def strays(self, host):
        """Files with a key other than those of a whole generation, and what was being written."""
        # os.walk: what goes while it is walked is no error.
        there = [pathlib.Path(directory, name) for directory, below, files in os.walk(host.state) for name in below + files]
        out = [str(p) for p in there if p.name.startswith(".tmp-") or p.name.endswith(".new")]
        out += [str(p) for p in there if p.suffix == ".key" and not (p.parent / "manifest.json").exists()]
        return out + [str(p) for p in (host.state / "pending").glob("*")]

    # ---- all of them ----

    def undisturbed(self, host, classes):
        """How many calls a play has; and what the daemon holds when it rests."""
        self.ready(host)
        self.shim.arm(classes)
        self.assertTrue(self.play(host))
        poll(lambda: self.settled(host), "the end of the play", context=host.daemons[-1].log)
        self.shim.disarm()
        return self.shim.count()

    def chosen(self, calls, classes):
        """Which of so many calls fail in this run, in order."""
        wanted = MEMORY_SAMPLE if EVERY and classes == MEMORY else calls if EVERY else SAMPLE
        return sorted({1 + calls * i // wanted for i in range(wanted)})

    def rest_size(self, host):
        seen, end, most = Daemon(host.daemons[-1]), time.monotonic() + 2.5, 0   # two passes
        while time.monotonic() < end:
            most = max(most, seen.descriptors())
        return most

    def everywhere(self, name):
        classes, faults, may_die = ROUNDS[name]
        host = self.begin()
        calls = max(self.undisturbed(host, classes) for _ in range(2))
        self.most_descriptors = self.rest_size(host)
        done = well = 0
        for turn, nth in enumerate(self.chosen(calls, classes)):
            fault, lasting, what = faults[turn % len(faults)], bool(turn // len(faults) % 2) and KILL not in faults, ""
            with self.subTest(f"{type(self).__name__}, {name}: call {nth} of {calls}, {fault_name(fault)}{', lasting' if lasting else ''}"):
                try:
                    self.assertTrue(host or self.begin())
                    hit = self.one(host, classes, fault, nth, lasting, may_die, restart=turn % 10 == 9)
                    what = self.shim.what()
                    done, well = done + hit, well + hit
                except Exception as error:
                    what, done = self.shim.what(), done + 1
                    broken, host = host, self.begin_again(host)
                    raise AssertionError(f"{what}: {error}\n{broken.daemons[-1].log()[-3000:]}") from error
        print(f"{type(self).__name__}, {name}: {well} of {done} faults ended well ({calls} calls)", file=sys.stderr)
        self.assertGreater(done, 0)

    def begin_again(self, host):
        """A host that a failure left in an unknown state goes, and the next fault meets a new one."""
        for daemon in host.daemons:
            daemon.kill()
        host.postgres.end()
        return self.begin()


class FirstIssueFaults(Faulted):
    """From a server without TLS, the daemon's own start included."""

    def begin(self):
        host = self.host()
        host.configure(daemon='check_interval = "1s"')
        self.shim = Shim(host)
        self.addCleanup(self.shim.close)
        host.save()
        return host

    def ready(self, host):
        host.restore()

    def play(self, host):
        self.launch(host)
        return True

    def over(self, host, cluster):
        return cluster["rotation"]["need"] == "none" and any(s["matches_file"] for s in cluster["served"])

    def works(self, host):
        """The server is asked as before, with TLS or without."""
        if host.postgres.sql("SHOW ssl") == "on":
            poll(lambda: not host.verify_full().startswith("failed"), "a verify-full connection", 5, host.verify_full)

    def test_changes(self): self.everywhere("changes")
    def test_deaths(self): self.everywhere("deaths")
    def test_descriptors(self): self.everywhere("descriptors")
    def test_reads(self): self.everywhere("reads")
    def test_memory(self): self.everywhere("memory")


class RenewalFaults(Faulted):
    def ready(self, host):
        self.before = host.daemons[-1].cluster()["certificate"]["serial"]

    def play(self, host):
        return host.ctl("rotate", "main", "--force").returncode == 0

    def over(self, host, cluster):
        return cluster["rotation"]["need"] == "none" and cluster["certificate"]["serial"] != self.before and any(s["matches_file"] for s in cluster["served"])

    def test_changes(self): self.everywhere("changes")
    def test_deaths(self): self.everywhere("deaths")
    def test_descriptors(self): self.everywhere("descriptors")
    def test_reads(self): self.everywhere("reads")
    def test_memory(self): self.everywhere("memory")


class RollbackFaults(Faulted):
    standing_problems = {"rotation-paused"}

    def begin(self):
        host = super().begin()
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
        return host

    def ready(self, host):
        self.before = host.daemons[-1].cluster()["certificate"]["serial"]

    def play(self, host):
        return host.ctl("rollback", "main").returncode == 0

    def over(self, host, cluster):
        return cluster["certificate"]["serial"] != self.before and any(s["matches_file"] for s in cluster["served"])

    def test_changes(self): self.everywhere("changes")
    def test_deaths(self): self.everywhere("deaths")
    def test_descriptors(self): self.everywhere("descriptors")
    def test_reads(self): self.everywhere("reads")


class CrlRefreshFaults(Faulted):
    """A new CRL, and with it a new generation of the live pair, while a client with a certificate must be let in."""

    def begin(self):
        host = self.with_clients()
        host.configure(daemon='check_interval = "1s"')
        self.shim = Shim(host)
        self.addCleanup(self.shim.close)
        daemon = self.launch(host)
        daemon.wait_proved()
        self.alice = self.issue(host, "alice")[0]
        self.wait_in(host, "alice", self.alice, daemon)
        poll(lambda: host.events("crl-proved"), "the canary's word", context=daemon.log)
        return host

    def ready(self, host):
        self.before = self.crl_numbers(host)

    def play(self, host):
        return host.ctl("crl", "refresh").returncode == 0

    def over(self, host, cluster):
        return self.crl_numbers(host) > self.before and any(s["matches_file"] for s in cluster["served"])

    def works(self, host):
        self.assertIsNone(self.connect(host, "alice", self.alice))

    def test_changes(self): self.everywhere("changes")
    def test_deaths(self): self.everywhere("deaths")
    def test_descriptors(self): self.everywhere("descriptors")
    def test_reads(self): self.everywhere("reads")


class ImportFaults(Faulted, offline_test.Offline):
    """What an offline root signed comes in."""

    def setUp(self):
        pass   # begin() makes the host

    def begin(self):
        self.shim = None
        offline_test.Offline.setUp(self)
        host = self.host_
        host.daemons[-1].stop()
        self.shim = Shim(host)
        self.addCleanup(self.shim.close)
        host.configure(daemon='check_interval = "1s"', issuer=f'type = "offline"\nroot_certificate = "{host.root_certificate}"')
        self.daemon = self.launch(host)
        poll(host.http_answers, "the daemon")
        self.export()
        self.assertEqual(self.bring(self.visit()[0]).returncode, 0)
        self.daemon.wait_proved()
        return host

    def ready(self, host):
        self.before = host.daemons[-1].cluster()["certificate"]["serial"]
        self.assertEqual(host.ctl("rotate", "main", "--force").returncode, 0)
        waits = lambda: json.loads(host.ctl("--json", "request", "list").stdout or "[]")
        poll(waits, "a request that waits", context=host.daemons[-1].log)
        self.export()
        self.back, _ = self.visit()

    def play(self, host):
        return self.bring(self.back).returncode == 0

    def over(self, host, cluster):
        return cluster["rotation"]["need"] == "none" and cluster["certificate"]["serial"] != self.before and any(s["matches_file"] for s in cluster["served"])

    def test_changes(self): self.everywhere("changes")
    def test_deaths(self): self.everywhere("deaths")
    def test_descriptors(self): self.everywhere("descriptors")
    def test_reads(self): self.everywhere("reads")


for inherited in [n for n in dir(offline_test.Offline) if n.startswith("test_")]:
    setattr(ImportFaults, inherited, None)   # they run where they are written
del Host

"""No key is readable by others, not for a moment: judged from every call that opens, moves or changes a file."""
import pathlib
import re
import shutil
import stat
import sys
import time
import unittest

from harness import DEADLINE, HostTest, measured, poll

CALLS = "openat,openat2,fchmod,fchmodat,fchown,fchownat,rename,renameat,renameat2,link,linkat,unlinkat,umask"
KEY = re.compile(r"server\.key|/pending")


@unittest.skipUnless(shutil.which("strace"), "strace is not installed")
class KeyFiles(HostTest):
    def calls(self, trace):
        """(name, arguments, result) of each call that succeeded."""
        for line in trace.read_text(errors="replace").splitlines():
            found = re.match(r"(?:\d+ +)?(\w+)\((.*)\) += (\d+)", line)
            if found:
                yield found.groups()

    def test_are_never_readable_by_group_or_others(self):
        host = self.host()
        trace = host.directory / "strace"
        daemon = host.start(wrapper=["strace", "-f", "-qq", "-y", "-s", "300", "-e", f"trace={CALLS}", "-o", trace])
        first = daemon.wait_proved(deadline=2 * DEADLINE)["certificate"]["serial"]
        for _ in range(4):
            self.assertEqual(host.ctl("rotate", "main", "--force", "--wait", "--timeout", "60s").returncode, 0, daemon.log())
        self.assertNotEqual(host.served_serial(), first)
        made = changed = 0
        for name, arguments, _ in self.calls(trace):
            if not KEY.search(arguments):
                continue
            modes = re.findall(r"\b(0[0-7]{3,4})\b", re.sub(r'"[^"]*"|<[^>]*>', "", arguments))
            if name in ("openat", "openat2") and "O_CREAT" in arguments:
                made += 1
                self.assertIn("O_EXCL", arguments)
                self.assertTrue(modes, arguments)
            if name in ("openat", "openat2") and "O_CREAT" not in arguments:
                continue
            for mode in modes:
                changed += 1
                if KEY.search(arguments):
                    self.assertEqual(int(mode, 8) & 0o077, 0, f"{name}({arguments})")
        self.assertGreaterEqual(made, 10, "a key in waiting and one in its generation, five times")
        self.assertGreater(changed, 0)

    def test_of_old_generations_are_gone_and_never_told(self):
        host = self.host()
        daemon = host.start()
        serials, keys = [daemon.wait_proved()["certificate"]["serial"]], set()

        def remember():
            key = (host.state / "clusters" / "main" / "current" / "server.key").read_text()
            keys.add("".join(key.splitlines()[1:-1]))
        remember()
        for _ in range(6):
            self.assertEqual(host.ctl("rotate", "main", "--force", "--wait", "--timeout", "60s").returncode, 0, daemon.log())
            serials.append(daemon.cluster()["certificate"]["serial"])
            remember()
        self.assertEqual(len(keys), 7)
        poll(lambda: len(host.generations()) <= 3, "the collection of old generations", context=lambda: str(host.generations()))
        for path in (host.state / "clusters").rglob("*"):
            mode = path.lstat().st_mode
            if path.name == "server.key":
                self.assertEqual(stat.S_IMODE(mode), 0o600)
        self.assertEqual(list((host.state / "pending").iterdir()), [])
        told = daemon.log() + "".join(host.http(p)[1] for p in ("/", "/metrics", "/v1/status", "/v1/events", "/v1/rotations"))
        told += (host.state / "pgcertd.db").read_bytes().decode("latin-1") + (host.state / "pgcertd.db-wal").read_bytes().decode("latin-1")
        self.assertNotIn("PRIVATE KEY", told)
        for key in keys:
            self.assertNotIn(key[:40], told)


@measured
class Idle(HostTest):
    def wakeups(self, pid):
        """Voluntary switches of all threads: each is a wait that ended."""
        return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", p.read_text(), re.M)[1]) for p in pathlib.Path(f"/proc/{pid}/task").glob("*/status"))

    def test_wakes_at_most_sixty_times_a_minute(self):
        host = self.host()
        host.configure(daemon='check_interval = "1m"')
        daemon = host.start()
        daemon.wait_proved()
        next_at = host.daemons[-1].cluster()["rotation"]["next_at"]
        before = self.wakeups(daemon.pid)
        # The status is asked for once at the end, not while it is counted.
        end = time.monotonic() + 65
        poll(lambda: time.monotonic() > end, "a minute and the pass in it", deadline=90)
        woken = self.wakeups(daemon.pid) - before
        print(f"idle: {woken} wake-ups in a minute, resident {self.resident(daemon.pid)} KiB", file=sys.stderr)
        self.assertLessEqual(woken, 60)
        self.assertNotEqual(daemon.cluster()["rotation"]["next_at"], next_at, "a pass was made in that minute")

    def resident(self, pid):
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])

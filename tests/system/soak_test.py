"""Rotations without pause for PGCERTD_SOAK_SECONDS (tests/run --soak): nothing fails, and the daemon does not grow."""
import os
import pathlib
import re
import statistics
import sys
import time

from harness import HostTest
from load_test import Clients, Hangups, rotate

SECONDS = float(os.environ.get("PGCERTD_SOAK_SECONDS", "20"))
WARM_UP = 5            # rotations until caches are filled and threads have their arenas
GROWTH_KIB = 4096      # what allocators may hold back; 1 % of it a rotation would be a leak that shows within the hour


class Size:
    """What the daemon holds at one moment."""

    def __init__(self, pid):
        proc = pathlib.Path(f"/proc/{pid}")
        status = (proc / "status").read_text()
        self.resident = int(re.search(r"VmRSS:\s+(\d+)", status)[1])
        self.threads = int(re.search(r"Threads:\s+(\d+)", status)[1])
        self.descriptors = len(list((proc / "fd").iterdir()))


def median(sizes, field):
    return statistics.median(getattr(s, field) for s in sizes)


class Soak(HostTest):
    def soak(self, host, daemon):
        """Rotates until the time is over; the daemon's size after each rotation."""
        sizes, end = [], time.monotonic() + SECONDS
        while time.monotonic() < end or len(sizes) < 3 * WARM_UP:
            rotate(host)
            sizes.append(Size(daemon.pid))
        return sizes

    def test_rotations_without_pause(self):
        host = self.host()
        host.postgres.configure("max_connections = 50")
        host.postgres.restart()
        daemon = host.start()
        daemon.wait_proved()
        clients, hangups = Clients(host, host.root_certificate), Hangups(host.postgres)
        try:
            sizes = self.soak(host, daemon)
        finally:
            hangups.end()
            report = clients.end()
        early, late = sizes[WARM_UP:2 * WARM_UP], sizes[-WARM_UP:]
        grown = (f"{f} {median(early, f):.0f} to {median(late, f):.0f}" for f in ("resident", "descriptors", "threads"))
        print(f"{len(sizes)} rotations in {SECONDS:.0f} s, {report['made']} connections made, {report['failed']} failed; "
              f"from first to last: {', '.join(grown)}", file=sys.stderr)
        self.assertEqual(report["failed"], 0, report["last_failure"])
        self.assertGreater(report["made"], len(sizes))
        self.assertEqual(host.events("rolled-back"), [])
        # A connection that is just being served is a descriptor too: what leaks is there at each moment.
        self.assertLessEqual(min(s.descriptors for s in late), median(early, "descriptors"))
        self.assertLessEqual(median(late, "threads"), median(early, "threads"))
        self.assertLessEqual(median(late, "resident"), median(early, "resident") + GROWTH_KIB)
        self.assertLessEqual(len(host.generations()), 4)

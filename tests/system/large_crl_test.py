"""100,000 revoked certificates through the whole way: registry, CRL, generation, PostgreSQL, clients."""
import json
import os
import pathlib
import re
import secrets
import sqlite3
import time

from client_test import Clients
from harness import poll

ENTRIES = int(os.environ.get("PGCERTD_CRL_ENTRIES", "100000"))


class LargeCrl(Clients):
    def revoke_many(self, host):
        """As if so many certificates had been issued and revoked: straight into the registry, of a daemon that does not run."""
        database, now = sqlite3.connect(host.ca / "registry.db"), int(time.time() * 1000)
        rows = ((f"{secrets.randbits(158) | (1 << 158):040x}", "aa", "server", now, b"0", now, now + 90 * 86_400_000, now, "superseded") for _ in range(ENTRIES))
        database.executemany("INSERT INTO certificate (serial, spki_sha256, profile, recorded_at, der, issued_at, not_after, revoked_at, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        database.commit()
        database.close()
        host.own(host.ca / "registry.db")

    def timed(self, action):
        begun = time.monotonic()
        action()
        return time.monotonic() - begun

    def test_the_whole_way(self):
        host, daemon, alice, bob = self.with_two_let_in()
        daemon.stop()
        self.revoke_many(host)
        daemon = host.start()
        poll(lambda: (c := daemon.cluster()) and any(crl["revoked"] >= ENTRIES for crl in c["crl"]) and len(host.events("crl-proved")) > 1, "it is installed and proved", context=daemon.log)
        self.assertIsNone(self.connect(host, "alice", alice))
        daemon.wait_problem("crl-oversize")
        pages = {path: self.timed(lambda p=path: host.http(p)) for path in ("/v1/status", "/metrics", "/")}
        refused = self.timed(lambda: (self.assertEqual(host.ctl("revoke", "--role", "alice", "--reason", "superseded").returncode, 0),
                                      poll(lambda: "certificate revoked" in (self.connect(host, "alice", alice) or ""), "alice is refused", context=daemon.log)))
        self.assertIsNone(self.connect(host, "bob", bob))
        size = (host.state / "clusters" / "main" / "current" / "root.crl").stat().st_size
        resident = int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{daemon.pid}/status").read_text())[1])
        print(f"{ENTRIES} entries, {size >> 10} KiB of PEM: revoked and refused after {refused:.1f} s, at most {resident >> 10} MiB resident; "
              f"{json.dumps({path: round(took * 1000, 1) for path, took in pages.items()})} ms", flush=True)
        self.assertEqual([e for e in host.events() if e["kind"] in ("rolled-back", "rotation-failed")], [])

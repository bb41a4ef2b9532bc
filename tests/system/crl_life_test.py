"""Clients of all fates on lives scaled to seconds: a good one is never refused, a revoked one never let in again.

PGCERTD_CRL_SECONDS says for how long (tests/run --all: 300)."""
import os
import time

from client_test import Clients
from harness import poll

SECONDS = float(os.environ.get("PGCERTD_CRL_SECONDS", "45"))
CLIENT_LIFE, CRL_LIFE = 120, 20
MARGIN = 10   # of a client's life in which nothing is expected of it


class Client:
    def __init__(self, directory, told):
        self.directory, self.serial, self.ends = directory, told["serial"], time.monotonic() + CLIENT_LIFE
        self.refused = False   # once it was

    def in_date(self):
        return time.monotonic() < self.ends - MARGIN


class ScaledLife(Clients):
    def setUp(self):
        super().setUp()
        self.made = self.kept_out = 0

    def check(self, host, daemon, clients):
        """Each as it must be: this is called over and over while CRLs and certificates change beneath."""
        for client in clients:
            said = self.connect(host, "alice", client.directory)
            if client.refused:
                self.kept_out += 1
                self.assertIn("certificate revoked" if client.in_date() else "certificate", said or "let in", f"a revoked one\n{daemon.log()[-3000:]}")
            elif client.in_date():
                self.made += 1
                self.assertIsNone(said, f"a good one\n{daemon.log()[-3000:]}")

    def revoke(self, host, daemon, client):
        self.assertEqual(host.ctl("revoke", client.serial, "--reason", "superseded").returncode, 0)
        poll(lambda: "certificate revoked" in (self.connect(host, "alice", client.directory) or ""), "it is refused", context=daemon.log)
        client.refused = True

    def test_nobody_is_refused_wrongly_or_let_in_again(self):
        host = self.with_clients()
        host.configure(cluster='lifetime = "120s"', daemon='check_interval = "1s"', issuer=f'type = "local"\ndirectory = "{host.ca}"\ncrl_lifetime = "{CRL_LIFE}s"')
        daemon = host.start()
        first = daemon.wait_proved()["certificate"]["serial"]
        clients, end, next_change, changes = [], time.monotonic() + SECONDS, 0.0, 0
        clients.append(Client(*self.issue(host, "alice", "--lifetime", f"{CLIENT_LIFE}s")))
        self.wait_in(host, "alice", clients[0].directory, daemon)
        poll(lambda: host.events("crl-proved"), "the canary's word", context=daemon.log)
        begun = self.crl_numbers(host)[1]
        while time.monotonic() < end:
            if time.monotonic() >= next_change:
                changes, next_change = changes + 1, time.monotonic() + 3
                if changes % 2:
                    clients.append(Client(*self.issue(host, "alice", "--lifetime", f"{CLIENT_LIFE}s")))
                else:
                    good = [c for c in clients if not c.refused and c.in_date()]
                    if len(good) > 1:
                        self.revoke(host, daemon, good[0])
            self.check(host, daemon, clients)
            clients = [c for c in clients if time.monotonic() < c.ends + 5]
        crls = self.crl_numbers(host)[1] - begun
        print(f"{SECONDS:.0f} s, {crls} CRLs: {self.made} connections of good clients made, {self.kept_out} of revoked ones refused, none wrongly", flush=True)
        self.assertGreater(crls, SECONDS / CRL_LIFE)
        self.assertGreater(self.kept_out, 10)
        self.assertEqual(host.events("rolled-back"), [])
        if SECONDS > 100:
            self.assertNotEqual(host.served_serial(), first, "the server's own was renewed beside")

"""Rotations in a row under clients that connect without pause and somebody else's SIGHUPs."""
import json
import os
import signal
import subprocess
import sys
import threading
import time

from harness import BUILD, HostTest, poll

ROTATIONS = int(os.environ.get("PGCERTD_ROTATIONS", "80"))
CONNECTIONS = 10 * ROTATIONS


class Clients:
    """load_client from its start to its report."""

    def __init__(self, host, root, threads=2, more=()):
        conninfo = f"host=localhost port={host.postgres.port} user=pgcertd dbname=postgres connect_timeout=20 gssencmode=disable sslmode=verify-full sslrootcert={root}"
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG") or k.startswith("PGCERTD")}
        self.process = subprocess.Popen([BUILD / "tests" / "load_client", conninfo, str(threads), *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)

    def end(self):
        out, _ = self.process.communicate(timeout=60)
        return json.loads(out)


class Hangups:
    """Somebody who reloads PostgreSQL every few milliseconds."""

    def __init__(self, postgres):
        self.pid, self.over, self.sent = postgres.pid(), threading.Event(), 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.wait(0.01):
            os.kill(self.pid, signal.SIGHUP)
            self.sent += 1

    def end(self):
        self.over.set()
        self.thread.join()
        return self.sent


def rotate(host):
    """One proved rotation; the new serial."""
    done = host.ctl("rotate", "main", "--force", "--wait", "--timeout", "60s")
    if done.returncode != 0:
        raise AssertionError(f"rotate: exit {done.returncode}\n{done.stdout}{done.stderr}\n{host.daemons[-1].log()[-3000:]}")
    return host.daemons[-1].cluster()["certificate"]["serial"]


class UnderLoad(HostTest):
    def judge(self, report, serials):
        """What must hold of a load run; raises where it does not, so that a broken client loop is noticed."""
        if report["failed"]:
            raise AssertionError(f"{report['failed']} of {report['made'] + report['failed']} connections failed: {report['last_failure']}")
        if report["made"] < CONNECTIONS:
            raise AssertionError(f"only {report['made']} connections were made")
        unseen = [s for s in serials if s not in report["serials"]]
        if unseen:
            raise AssertionError(f"{len(unseen)} of {len(serials)} served certificates were seen by no client: {unseen[:3]}")

    def test_rotations_without_one_failed_connection(self):
        host = self.host()
        host.postgres.configure("max_connections = 50")
        host.postgres.restart()
        daemon = host.start()
        serials = [daemon.wait_proved()["certificate"]["serial"]]
        clients, hangups = Clients(host, host.root_certificate), Hangups(host.postgres)
        began = time.monotonic()
        try:
            for _ in range(ROTATIONS):
                serials.append(rotate(host))
        finally:
            sent, report = hangups.end(), clients.end()
        print(f"{ROTATIONS} rotations in {time.monotonic() - began:.0f} s, {report['made']} connections made, {report['failed']} failed, "
              f"{len(report['serials'])} serials seen, {sent} foreign SIGHUPs", file=sys.stderr)
        self.judge(report, serials)
        self.assertEqual(len(set(serials)), ROTATIONS + 1)
        self.assertEqual(host.events("rolled-back"), [])
        proved = int(next(line for line in host.http("/metrics")[1].splitlines() if 'rotations_total{cluster="main",result="success"}' in line).split()[-1])
        self.assertEqual(proved, ROTATIONS + 1)
        poll(lambda: len(host.generations()) <= 3, "the collection of old generations", context=lambda: str(host.generations()))
        self.assertEqual(list((host.state / "pending").iterdir()), [])

    def test_a_broken_client_loop_is_noticed(self):
        host = self.host()
        serial = host.start().wait_proved()["certificate"]["serial"]
        other = self.host(server=False)
        for more, root in ((["--break"], host.root_certificate), ([], other.root_certificate)):
            clients = Clients(host, root, more=more)
            second = rotate(host)
            report = clients.end()
            with self.assertRaises(AssertionError):
                self.judge(report, [serial, second])

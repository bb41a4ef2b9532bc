#!/usr/bin/env python3
"""What a hostile client may try: nothing but refusals, bounded memory, and /livez answered all along."""
import contextlib
import grp
import http.client
import json
import os
import pathlib
import select
import socket
import subprocess
import sys
import threading
import time

from harness import PGCERTCTL, HostTest, account, needs_root

LIMIT = 32 << 20


def resident(pid, key="VmRSS"):
    return int(next(line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(key)).split()[1]) << 10


class Alive(threading.Thread):
    """Asks /livez without pause; how long the slowest answer took, and how many did not come."""

    def __init__(self, port):
        super().__init__()
        self.port, self.over, self.slowest, self.answers, self.missed = port, threading.Event(), 0.0, 0, []

    def run(self):
        while self.answers < 5 or not self.over.wait(0.01):
            began = time.monotonic()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
                connection.request("GET", "/livez")
                status = connection.getresponse().status
                connection.close()
                if status != 200:
                    self.missed.append(str(status))
            except OSError as error:
                self.missed.append(str(error))
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.answers += 1

    def end(self):
        self.over.set()
        self.join()


class Abuse(HostTest):
    def setUp(self):
        super().setUp()
        self.served = self.host()
        self.daemon = self.served.start()
        self.serial = self.daemon.wait_proved()["certificate"]["serial"]
        for path in ("/metrics", "/v1/status", "/") * 20:   # warm: what it needs once is not abuse
            self.served.http(path)

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.served.http_port), timeout=20)
        self.addCleanup(s.close)
        return s

    @staticmethod
    def first_line(s):
        s.settimeout(20)
        with contextlib.suppress(OSError):
            return s.recv(65536).split(b"\r\n")[0].decode("latin-1")
        return "closed"

    def send(self, data, connection=None):
        """The first line of the answer to these bytes; "closed" where there is none."""
        s = connection or self.connect()
        with contextlib.suppress(OSError):   # it may be refused before all is sent
            s.sendall(data)
        return self.first_line(s)

    @contextlib.contextmanager
    def watched(self, what):
        """Memory and /livez while something goes on."""
        pathlib.Path(f"/proc/{self.daemon.pid}/clear_refs").write_text("5")   # the peak begins anew
        idle, alive = resident(self.daemon.pid), Alive(self.served.http_port)
        alive.start()
        try:
            yield
        finally:
            alive.end()
        grown = resident(self.daemon.pid, "VmHWM") - idle
        print(f"{what}: {grown / 2**20:.1f} MiB more at the most, /livez {alive.answers} times, the slowest {1000 * alive.slowest:.0f} ms", file=sys.stderr)
        self.assertEqual(alive.missed, [])
        self.assertGreater(alive.answers, 3)
        self.assertLessEqual(grown, LIMIT)
        self.assertTrue(self.daemon.alive())

    def test_idle_and_slow_clients(self):
        idle = [self.connect() for _ in range(500)]
        with self.watched("500 idle, 60 slow heads, 60 slow bodies"):
            slow = [self.connect() for _ in range(120)]
            began = time.monotonic()
            open_ones = set(slow)
            while open_ones and time.monotonic() - began < 30:
                for i, s in enumerate(slow):
                    if s not in open_ones:
                        continue
                    try:
                        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: a"[:1] if i < 60 else b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx")
                    except OSError:
                        open_ones.discard(s)
                        continue
                    if select.select([s], [], [], 0)[0]:
                        open_ones.discard(s)
                select.select([], [], [], 0.2)
            self.assertEqual(open_ones, set(), "each is told or dropped")
        for s in idle:
            with contextlib.suppress(OSError):
                s.settimeout(10)
                self.assertIn(s.recv(1024), (b"",))

    def test_what_is_too_much_is_refused(self):
        ranges = ",".join(f"0-{i}" for i in range(2600))
        cases = [
            ("2,600 ranges", f"GET /pki/root.crt HTTP/1.1\r\nHost: localhost\r\nRange: bytes={ranges}\r\n\r\n".encode(), ("416", "431")),
            ("one range", b"GET /pki/root.crt HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1\r\n\r\n", ("416",)),
            ("200,000 headers", b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(200_000)) + b"\r\n", ("431",)),
            ("one header of 50 MB", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * (50 << 20) + b"\r\n\r\n", ("431",)),
            ("a target of 1 MB", b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", ("414",)),
            ("a body of 100 MB", b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\n\r\n" + b"b" * (100 << 20), ("413",)),
            ("a chunked body", b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", ("413", "400", "411")),
            ("two lengths", b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n", ("400", "413")),
            ("no host", b"GET / HTTP/1.1\r\n\r\n", ("400",)),
            ("a foreign host", b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", ("421",)),
            ("a host with a colon", b"GET /metrics HTTP/1.1\r\nHost: evil.example:9847\r\n\r\n", ("421",)),
            ("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n", ("400",)),
            ("a NUL", b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n", ("400",)),
            ("bad UTF-8", b"GET /v1/clusters/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n", ("400",)),
            ("bad UTF-8, encoded", b"GET /v1/clusters/%ff%fe%c0%af HTTP/1.1\r\nHost: localhost\r\n\r\n", ("404",)),
            ("a bidi override", b"GET /v1/clusters/%e2%80%ae HTTP/1.1\r\nHost: localhost\r\n\r\n", ("404",)),
        ]
        with self.watched("requests that are too much"):
            for what, data, codes in cases:
                with self.subTest(what):
                    line = self.send(data)
                    self.assertTrue(line == "closed" and len(data) > 8192 or line.split(" ")[1] in codes, line)

    def test_paths_lead_nowhere_else(self):
        with self.watched("paths that lead elsewhere"):
            for path in ("/../../etc/passwd", "/pki/../../../etc/passwd", "/pki/..%2f..%2f..%2fetc%2fpasswd", "/pki/%2e%2e/root.key", "/problems/../README", "/problems/%2e%2e%2fREADME", "//etc/passwd",
                         "/pki/root.key", "/pki/root.crt%00.crl", "/v1/clusters/..", "/pki/local.crl/..", "/%2e%2e/%2e%2e/etc/shadow", "/problems/served-stale.md", "/problems/"):
                with self.subTest(path):
                    status, body, headers = self.raw(path)
                    self.assertEqual(status, 404)
                    self.assertEqual(headers["Content-Type"], "application/problem+json")
                    self.assertNotIn("root:", body)
                    json.loads(body)

    def raw(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.served.http_port, timeout=10)
        connection.putrequest("GET", path, skip_host=True)
        connection.putheader("Host", "localhost")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers

    def control(self, data):
        s = socket.socket(socket.AF_UNIX)
        self.addCleanup(s.close)
        s.connect(str(self.served.run / "control.sock"))
        return self.send(data, s)

    def test_the_control_socket_takes_no_more_than_it_must(self):
        with self.watched("the control socket"):
            for what, data, codes in (
                    ("a body of 100 MB", b"POST /v1/crl/import HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n" + b"b" * (100 << 20), ("413",)),
                    ("200,000 headers", b"POST / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(200_000)) + b"\r\n", ("431",)),
                    ("no JSON", b"POST /v1/clusters/main/rotate HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{\"a\":", ("400",)),
                    ("bad UTF-8", b"POST /v1/clusters/main/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n\"\xff\xfe\"", ("400",)),
                    ("another cluster", b"POST /v1/clusters/../rotate HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", ("404",)),
                    ("another method", b"DELETE /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", ("405",))):
                with self.subTest(what):
                    line = self.control(data)
                    self.assertTrue(line == "closed" and len(data) > 8192 or line.split(" ")[1] in codes, line)
            half = [socket.socket(socket.AF_UNIX) for _ in range(60)]
            for s in half:
                self.addCleanup(s.close)
                s.connect(str(self.served.run / "control.sock"))
                s.sendall(b"POST /v1/crl/import HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n\r\nx")
            self.assertEqual(self.served.ctl("status").returncode, 0, "others are answered meanwhile")

    @needs_root
    def test_a_user_without_rights_gets_nowhere(self):
        """One who may not open the socket, and one of its group, who may look and not issue."""
        group = os.stat(self.served.run / "control.sock").st_gid
        nobody = account("nobody")
        self.out = self.served.directory / "out"
        self.out.mkdir(mode=0o700)
        os.chown(self.out, nobody.pw_uid, nobody.pw_gid)
        def ask(as_group, *arguments):
            gid = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={group if as_group else nobody.pw_gid}", "--clear-groups", "--"]
            return subprocess.run([*gid, PGCERTCTL, "--socket", self.served.run / "control.sock", *arguments], capture_output=True, text=True, timeout=60)
        with self.watched("two users"):
            stranger = ask(False, "status")
            self.assertEqual(stranger.returncode, 77, stranger.stdout + stranger.stderr)
            member = ask(True, "status")
            self.assertEqual(member.returncode, 0, member.stderr)
            for command in (("revoke", self.serial, "--reason", "keyCompromise"), ("client", "issue", "eve", "-o", self.out)):
                refused = ask(True, "--yes", *command)
                self.assertEqual(refused.returncode, 77, f"{command}: {refused.stdout}{refused.stderr}")
            self.assertEqual(list(self.out.iterdir()), [])
            self.assertEqual(ask(True, "rotate", "main").returncode, 0)
        # As control_group it may.
        self.daemon.stop()
        self.served.configure(daemon=f'control_group = "{grp.getgrgid(group).gr_name}"')
        self.daemon = self.served.start()
        self.daemon.wait_proved()
        done = ask(True, "client", "issue", "bob", "-o", self.out)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.daemon.cluster()["certificate"]["serial"], self.serial)

"""CRLs of another CA: fetched from servers that behave and that do not, and merged with a foreign ssl_ca_file, with real clients."""
import datetime
import gzip
import http.server
import os
import threading
import time
import unittest

import pki
from client_test import Clients
from harness import AS_ROOT, HostTest, poll


class CrlServer:
    """An HTTP server on loopback whose answer a test chooses; it remembers what it was asked."""

    def __init__(self):
        self.answer, self.asked, self.bytes_sent = lambda handler: handler.send_error(404), [], 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):   # noqa: N802, the library's name
                outer.asked.append((self.path, dict(self.headers)))
                try:
                    outer.answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    pass

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/partner.crl"

    def serve(self, body, **headers):
        def answer(handler):
            if headers.get("etag") and handler.headers.get("If-None-Match") == headers["etag"]:
                handler.send_response(304)
                handler.end_headers()
                return
            handler.send_response(200)
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        self.answer = answer

    def end(self):
        self.server.shutdown()
        self.server.server_close()


class OtherCas(Clients):
    def setUp(self):
        super().setUp()
        self.partner = pki.Authority("partner CA")
        self.web = CrlServer()
        self.addCleanup(self.web.end)

    def partners_client(self, host, name="alice", **options):
        directory = host.directory / f"partner-{name}-{time.monotonic_ns()}"
        directory.mkdir()
        pair = self.partner.issue([], name, usages=["client"], **options)
        (directory / "postgresql.crt").write_bytes(pair.chain_pem())
        (directory / "postgresql.key").write_bytes(pair.key_pem())
        (directory / "postgresql.key").chmod(0o600)
        (directory / "root.crt").write_bytes(host.root_certificate.read_bytes())
        return directory, pair

    def merging(self, crl_url=True):
        """A server whose clients come from the partner, which pgcertd joins."""
        host = self.with_clients()
        host.postgres.put("partner.crt", self.partner.leaf_pem(), 0o644)
        host.postgres.configure("ssl_ca_file = 'partner.crt'")
        host.postgres.restart()
        host.configure(cluster='client_ca = "merge"', more=f'[crl.partner]\nurls = ["{self.web.url}"]' if crl_url else "")
        return host

    def kept(self, host):
        path = host.state / "crls" / "partner.pem"
        return path.read_bytes() if path.exists() else None

    def test_a_foreign_ca_and_ours_side_by_side(self):
        host = self.merging()
        self.web.serve(self.partner.crl(number=7), etag='"seven"')
        theirs, pair = self.partners_client(host)
        daemon = host.start()
        daemon.wait_proved()
        self.wait_in(host, "alice", theirs, daemon)
        poll(lambda: self.in_force(host), "both files are ours", context=daemon.log)
        ours, _ = self.issue(host, "bob")
        self.wait_in(host, "bob", ours, daemon)
        self.assertIsNone(self.connect(host, "alice", theirs))
        installed = (host.state / "clusters" / "main" / "current" / "root.crt").read_text()
        self.assertEqual(installed.count("BEGIN CERTIFICATE"), 2)
        with self.subTest("what the partner revokes is refused; what it sends is gated"):
            self.web.serve(self.partner.crl([pair.certificate.serial_number], number=8, start=-pki.DAY / 2))
            host.configure(cluster='client_ca = "merge"', more=f'[crl.partner]\nurls = ["{self.web.url}?again"]')
            daemon.hangup()
            poll(lambda: "certificate revoked" in (self.connect(host, "alice", theirs) or ""), "the revoked one is refused", context=daemon.log)
            self.assertIsNone(self.connect(host, "bob", ours))
        with self.subTest("ours too"):
            self.assertEqual(host.ctl("revoke", "--role", "bob", "--reason", "superseded").returncode, 0)
            poll(lambda: "certificate revoked" in (self.connect(host, "bob", ours) or ""), "bob is refused", context=daemon.log)
        with self.subTest("a restart keeps what was fetched"):
            daemon.kill()
            self.web.answer = lambda handler: handler.send_error(500)
            daemon = host.start()
            daemon.wait_proved()
            other, _ = self.partners_client(host)
            self.wait_in(host, "alice", other, daemon)
            self.assertIn("certificate revoked", self.connect(host, "alice", theirs))

    def test_nothing_is_set_before_there_is_a_crl_of_each(self):
        host = self.merging()
        theirs, _ = self.partners_client(host)
        daemon = host.start()
        daemon.wait_proved()
        problem = daemon.wait_problem("crl-missing")
        self.assertIn("partner CA", problem["message"])
        self.assertIn("404", problem["message"])
        self.assertEqual(host.postgres.sql("SHOW ssl_ca_file"), "partner.crt")
        self.assertIsNone(self.connect(host, "alice", theirs), "it goes on as before")
        self.assertTrue(any("crl.partner" in line for line in daemon.log().splitlines()))

    def test_the_former_crl_file_will_do(self):
        host = self.merging(crl_url=False)
        host.postgres.put("partner.crl", self.partner.crl(), 0o644)
        host.postgres.configure("ssl_crl_file = 'partner.crl'")
        host.postgres.restart()
        theirs, _ = self.partners_client(host)
        daemon = host.start()
        daemon.wait_proved()
        poll(lambda: self.in_force(host), "both files are ours", context=daemon.log)
        self.assertIsNone(self.connect(host, "alice", theirs))

    def test_servers_that_do_not_behave(self):
        host = self.merging()
        good = self.partner.crl(number=9)
        bomb = gzip.compress(b"\0" * (32 << 20))

        def endless(handler):
            handler.send_response(200)
            handler.end_headers()
            while True:
                handler.wfile.write(b"-" * 65536)
                self.web.bytes_sent += 65536

        def circle(handler):
            handler.send_response(302)
            handler.send_header("Location", handler.path)
            handler.end_headers()

        def to_a_file(handler):
            handler.send_response(302)
            handler.send_header("Location", "file:///etc/passwd")
            handler.end_headers()

        self.web.serve(good)
        daemon = host.start()
        daemon.wait_proved()
        kept = poll(lambda: self.kept(host), "the first is kept", context=daemon.log)
        self.assertEqual((host.state / "crls").stat().st_mode & 0o777, 0o700)
        rows = [("html", lambda: self.web.serve(b"<html>no such CRL</html>"), "what was sent"), ("a 404", lambda: setattr(self.web, "answer", lambda h: h.send_error(404)), "404"),
                ("a circle", lambda: setattr(self.web, "answer", circle), "redirect"), ("a file", lambda: setattr(self.web, "answer", to_a_file), "rotocol"),
                ("an endless one", lambda: setattr(self.web, "answer", endless), "more than"), ("a bomb", lambda: self.web.serve(bomb, Content_Encoding="gzip"), "what was sent"),
                ("an older one", lambda: self.web.serve(self.partner.crl(number=8)), "does not follow"), ("a delta", lambda: self.web.serve(self.partner.crl(number=12, delta=True)), "delta"),
                ("one that ended", lambda: self.web.serve(self.partner.crl(number=13, start=-9 * pki.DAY, life=8 * pki.DAY)), "ended"), ("an empty one", lambda: self.web.serve(b""), "what was sent")]
        for number, (state, serve, words) in enumerate(rows):
            with self.subTest(state):
                serve()
                asked = len(self.web.asked)
                host.configure(cluster='client_ca = "merge"', more=f'[crl.partner]\nurls = ["{self.web.url}?{number}"]')
                daemon.hangup()
                poll(lambda: len(self.web.asked) > asked, "it is asked", context=daemon.log)
                poll(lambda: any("crl.partner" in line and words in line and f"?{number}" in line for line in daemon.log().splitlines()), f"it is told: {words}", context=daemon.log)
                self.assertEqual(self.kept(host), kept, "the old one stays")
        self.assertLess(self.web.bytes_sent, (96 + 32) << 20, "the largest CRL that is taken, and what was on its way in buffers")
        with self.subTest("slow: the daemon goes on, and ends at once"):
            stuck = threading.Event()

            def slow(handler):
                handler.send_response(200)
                handler.end_headers()
                stuck.set()
                while True:
                    handler.wfile.write(b"-")
                    handler.wfile.flush()
                    time.sleep(0.2)   # the server's own slowness, not a wait of the test
            self.web.answer = slow
            host.configure(cluster='client_ca = "merge"', more=f'[crl.partner]\nurls = ["{self.web.url}?slow"]')
            daemon.hangup()
            self.assertTrue(stuck.wait(30))
            self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
            begun = time.monotonic()
            self.assertEqual(daemon.stop(), 0)
            print(f"ended after {time.monotonic() - begun:.1f} s while a CRL server was slow", flush=True)


class FormerCrl(HostTest):
    """What stood in ssl_crl_file before pgcertd, where it could not be used at the first look and can be later, though it looks the same."""

    def begin(self, **dates):
        host = self.host()
        partner = pki.Authority("partner CA")
        host.postgres.put("partner.crt", partner.leaf_pem(), 0o644)
        host.postgres.put("partner.crl", partner.crl(**dates), 0o644)
        host.configure(cluster='client_ca = "merge"')
        return host, host.postgres.data / "partner.crl"

    def serve(self, host):
        host.postgres.configure("ssl_ca_file = 'partner.crt'\nssl_crl_file = 'partner.crl'")
        host.postgres.restart()
        daemon = host.start()
        self.assertIn("no good CRL of it", daemon.wait_problem("crl-missing")["message"])
        return daemon

    def wait_in_force(self, host, daemon):
        poll(lambda: host.postgres.sql("SHOW ssl_ca_file").endswith("/current/root.crt"), "it is in force", context=daemon.log)

    @unittest.skipUnless(AS_ROOT, "needs another owner")
    def test_it_may_be_read_again(self):
        host, path = self.begin()
        os.chown(path, 0, 0)
        path.chmod(0o600)
        daemon = self.serve(host)
        path.chmod(0o644)
        self.wait_in_force(host, daemon)

    def test_its_time_comes(self):
        host, _ = self.begin(start=datetime.timedelta(seconds=8))
        self.wait_in_force(host, self.serve(host))

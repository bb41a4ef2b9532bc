#!/usr/bin/env python3
"""The HTTP listener over TLS: its own certificate from an issuer, rotated under load; client certificates; slow and wrong clients."""
import contextlib
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import unittest
import urllib.request

import pki
from abuse_test import LIMIT, resident
from harness import PGCERTCTL, HostTest, free_port, measured, poll, quiet_run


class Https(HostTest):
    def start(self, http="", issuer=None, **options):
        self.served = self.host(server=False, **options)
        self.write(http, issuer)
        return self.run_daemon()

    def write(self, http="", issuer=None):
        self.served.configure(daemon='check_interval = "1s"', issuer=issuer)
        text = self.served.config.read_text()
        self.served.config.write_text(text.replace("[http]\n", f'[http]\nissuer = "local"\n{http}\n'))

    def run_daemon(self):
        self.daemon = self.served.start()
        poll(lambda: self.ask_unchecked("/livez") == 200, "a listener that answers", context=self.daemon.log)
        return self.daemon

    def trust(self):
        return ssl.create_default_context(cafile=self.served.root_certificate)

    def unchecked(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def connect(self, context=None, name="localhost"):
        raw = socket.create_connection(("127.0.0.1", self.served.http_port), timeout=20)
        try:
            return (context or self.trust()).wrap_socket(raw, server_hostname=name)
        except BaseException:
            raw.close()
            raise

    def ask(self, path="/livez", context=None, name="localhost"):
        connection = http.client.HTTPSConnection(name, self.served.http_port, timeout=20, context=context or self.trust())
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ask_unchecked(self, path):
        with contextlib.suppress(OSError):
            return self.ask(path, self.unchecked())[0]
        return None

    def shown(self):
        """The serial that a client sees which checks nothing."""
        with contextlib.suppress(OSError):
            with self.connect(self.unchecked()) as s:
                der = s.getpeercert(binary_form=True)
            return quiet_run_bytes(["openssl", "x509", "-inform", "DER", "-noout", "-serial"], der).split("=")[1].strip().lower()
        return None

    def view(self, context=None):
        return json.loads(self.ask("/v1/status", context or self.unchecked())[1])

    def issued(self, but=None, context=None):
        """The view of the listener, once a certificate of the issuer's is in the file and a handshake has shown it."""
        def proved():
            view = self.view(context)["http"]
            certificate = view and view["certificate"]
            good = certificate and certificate["serial"] != but and view["served"] and all(s["matches_file"] for s in view["served"])
            return view if good else None
        return poll(proved, "an issued certificate", context=self.daemon.log)

    def codes(self, context=None):
        return [p["code"] for p in self.view(context)["problems"] if p["object"] == "http"]

    def revoke(self, serial):
        done = self.served.ctl("--yes", "revoke", serial, "--reason", "superseded")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def quiet_run_bytes(command, data):
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode()


class Certificate(Https):
    def test_is_made_at_the_start_and_verifies(self):
        self.start()
        view = self.issued()
        self.assertEqual((view["issuer"], view["client_certificates"]), ("local", False))
        self.assertEqual(sorted(view["certificate"]["names"]), ["127.0.0.1", "localhost"])
        self.assertEqual([s["verify"] for s in view["served"]], ["ok"])
        self.assertEqual(self.codes(), [])
        for name in ("localhost", "127.0.0.1"):
            self.assertEqual(self.ask("/livez", name=name)[0], 200)
        curl = subprocess.run(["curl", "-sS", "--cacert", self.served.root_certificate, f"https://localhost:{self.served.http_port}/v1/status"], capture_output=True, text=True, timeout=30)
        self.assertEqual(json.loads(curl.stdout)["http"]["certificate"]["serial"], view["certificate"]["serial"], curl.stderr)
        self.assertIn("rotation-proved", [e["kind"] for e in json.loads(self.ask("/v1/events")[1])["events"]])
        metrics = self.ask("/metrics")[1].decode()
        self.assertIn('pgcertd_certificate_not_after_timestamp_seconds{certificate="http"}', metrics)
        self.assertIn('pgcertd_task_last_run_timestamp_seconds{task="http"}', metrics)
        self.assertIn("Certificate of the HTTP listener", self.ask("/")[1].decode())

    def test_lies_where_nobody_else_can_read_it(self):
        self.start()
        self.issued()
        pair = self.served.state / "http" / "listener.pem"
        self.assertEqual((oct(pair.stat().st_mode & 0o7777), oct(pair.parent.stat().st_mode & 0o7777), pair.stat().st_uid), ("0o600", "0o700", self.served.daemon_user.pw_uid))
        self.assertEqual([p.name for p in pair.parent.iterdir()], ["listener.pem"])
        self.assertEqual(list((self.served.state / "pending").iterdir()), [])

    def test_outlives_the_daemon(self):
        self.start()
        serial = self.issued()["certificate"]["serial"]
        self.daemon.kill()
        self.run_daemon()
        self.assertEqual(self.shown(), serial)
        self.assertEqual(self.issued()["certificate"]["serial"], serial)

    def test_a_lost_or_spoiled_file_is_made_anew(self):
        self.start()
        pair = self.served.state / "http" / "listener.pem"
        serial = self.issued()["certificate"]["serial"]
        for spoil in (pair.unlink, lambda: pair.write_text("nonsense"), lambda: pair.write_bytes(pair.read_bytes()[:-300])):
            spoil()
            serial = self.issued(but=serial)["certificate"]["serial"]
            poll(lambda: self.shown() == serial, "the new one to be served")

    def test_rotates_under_load_without_a_failed_request(self):
        self.start()
        serial = self.issued()["certificate"]["serial"]
        over, failed, answered = threading.Event(), [], [0, 0]
        context = self.trust()

        def load(index):
            connection = None
            while not over.is_set():
                try:
                    if index == 1 or connection is None:   # one keeps its connection as long as it may, one begins anew each time
                        connection = http.client.HTTPSConnection("localhost", self.served.http_port, timeout=20, context=context)
                    connection.request("GET", "/v1/status")
                    answer = connection.getresponse()
                    answer.read()
                    answered[index] += answer.status == 200
                    if index == 1 or answer.headers["Connection"] == "close":
                        connection.close()
                        connection = None
                except OSError as error:
                    failed.append(repr(error))
                    return
        threads = [threading.Thread(target=load, args=(i,)) for i in (0, 1)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                self.revoke(serial)
                serial = self.issued(but=serial)["certificate"]["serial"]
        finally:
            over.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failed, [])
        self.assertGreater(min(answered), 20)

    def test_a_connection_that_is_open_goes_on_with_what_it_began_with(self):
        self.start()
        serial = self.issued()["certificate"]["serial"]
        with self.connect() as open_one:
            ask = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
            pair = self.served.state / "http" / "listener.pem"
            pair.unlink()
            def rotated():   # asked all along: an idle connection is closed after a second
                open_one.sendall(ask)
                self.assertTrue(open_one.recv(65536).startswith(b"HTTP/1.1 200"))
                return self.shown() not in (None, serial)
            poll(rotated, "another certificate for new connections", context=self.daemon.log)


class WithoutAnIssuer(Https):
    def test_it_answers_with_a_certificate_of_its_own_until_there_is_one(self):
        self.served = self.host(server=False)
        key = self.served.ca / "issuing.key"
        hidden = key.with_name("hidden")
        key.rename(hidden)
        self.write()
        self.run_daemon()
        poll(lambda: "served-unverifiable" in self.codes(), "the problem")
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.ask()
        self.assertIsNone(self.view()["http"]["certificate"])
        self.assertIn('pgcertd_problem{certificate="http",code="served-unverifiable",severity="warning"} 1', self.ask("/metrics", self.unchecked())[1].decode())
        self.assertIn("/problems/served-unverifiable", self.ask("/", self.unchecked())[1].decode())
        self.assertIn("served-unverifiable", self.served.ctl("status").stdout)
        self.assertIn("served-unverifiable", self.served.ctl("check", "--only", "served-unverifiable").stdout)
        for _ in range(100):
            self.ask("/livez", self.unchecked())
        tries = re.search(r'pgcertd_task_errors_total{task="http"} (\d+)', self.ask("/metrics", self.unchecked())[1].decode())
        self.assertLessEqual(int(tries[1]), 3, "it asks as fast as it is refused")
        hidden.rename(key)
        self.issued()
        poll(lambda: self.codes() == [], "the problem to go")
        self.assertEqual(self.ask()[0], 200)

    def test_a_root_that_is_offline_signs_it_by_request(self):
        self.served = self.host(server=False)
        root = self.served.directory / "offline" / "root"
        self.write(issuer=f'type = "offline"\nroot_certificate = "{self.served.root_certificate}"')
        self.run_daemon()
        poll(lambda: {"served-unverifiable", "awaiting-signature"} <= set(self.codes()), "the problems", context=self.daemon.log)
        box = self.served.directory / "box"
        box.mkdir()
        done = self.served.ctl("request", "export", "-o", box)
        self.assertEqual(done.returncode, 0, done.stderr)
        requests = list(box.glob("*.csr"))
        self.assertEqual(len(requests), 1)
        signed = box / "signed.pem"
        quiet_run(PGCERTCTL, "--yes", "ca", "sign", "--root-dir", root, *requests, "-o", signed)
        done = self.served.ctl("request", "import", signed)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.issued()
        self.assertEqual(self.ask()[0], 200)
        poll(lambda: self.codes() == [], "the problems to go")


class ClientCertificates(Https):
    def setUp(self):
        super().setUp()
        self.ours, self.others = pki.Authority("monitoring"), pki.Authority("strangers")

    def begin(self):
        self.served = self.host(server=False)
        self.ca_file = self.served.directory / "clients.pem"
        self.trust_clients_of(self.ours)
        self.write(http=f'client_ca = "{self.ca_file}"')
        self.good, self.bad = self.client(self.ours, "good"), self.client(self.others, "bad")
        self.daemon = self.served.start()
        poll(lambda: self.lets_in(self.good), "a listener that answers", context=self.daemon.log)

    def trust_clients_of(self, authority):
        self.ca_file.write_bytes(authority.leaf_pem())
        self.ca_file.chmod(0o644)

    def client(self, authority, name):
        pair = authority.issue(names=(), common_name=name, usages=("client",))
        files = [self.served.directory / f"{name}.{end}" for end in ("crt", "key")]
        for file, content in zip(files, (pair.chain_pem(), pair.key_pem())):
            file.write_bytes(content)
        context = self.unchecked()
        context.load_cert_chain(*files)
        return context

    def lets_in(self, context, path="/livez"):
        with contextlib.suppress(OSError):
            return self.ask(path, context)[0] == 200
        return False

    def test_are_demanded_for_every_path(self):
        self.begin()
        view = self.issued(context=self.good)
        self.assertTrue(view["client_certificates"])
        for path in ("/livez", "/metrics", "/pki/root.crt"):
            self.assertTrue(self.lets_in(self.good, path))
            self.assertFalse(self.lets_in(self.bad, path))
            with self.assertRaisesRegex(OSError, "(?i)certificate.required|handshake failure"):
                self.ask(path, self.unchecked())
        self.assertEqual(self.shown(), view["certificate"]["serial"], "the certificate is shown before the client is refused")

    def test_are_asked_for_by_the_file_as_it_is_at_sighup(self):
        self.begin()
        self.issued(context=self.good)
        self.trust_clients_of(self.others)
        self.daemon.hangup()
        poll(lambda: self.lets_in(self.bad), "the other CA's clients", context=self.daemon.log)
        self.assertFalse(self.lets_in(self.good))
        self.ca_file.write_text("nonsense")
        self.daemon.hangup()
        told = poll(lambda: [p for p in self.view(self.bad)["problems"] if p["code"] == "config-invalid"], "the problem")
        self.assertIn("client_ca", told[0]["message"])
        self.assertTrue(self.lets_in(self.bad), "what was in force stays in force")
        self.assertFalse(self.lets_in(self.good))

    def test_a_file_that_cannot_be_read_stops_the_start_with_its_name(self):
        self.served = self.host(server=False)
        self.write(http='client_ca = "/nonexistent/ca.pem"')
        daemon = self.served.start()
        self.assertNotEqual(daemon.wait_end(), 0)
        self.assertIn("/nonexistent/ca.pem", daemon.log())
        self.assertIn("remedy", daemon.log())


class Switch(Https):
    def test_to_tls_and_back_at_sighup(self):
        self.served = self.host(server=False)
        self.served.configure(daemon='check_interval = "1s"')
        self.daemon = self.served.start()
        poll(self.served.http_answers, "plain HTTP")
        self.assertIsNone(json.loads(self.served.http("/v1/status")[1])["http"])
        self.write()
        self.daemon.hangup()
        poll(lambda: self.ask_unchecked("/livez") == 200, "HTTPS", context=self.daemon.log)
        self.issued()
        self.served.configure(daemon='check_interval = "1s"')
        self.daemon.hangup()
        poll(self.served.http_answers, "plain HTTP again", context=self.daemon.log)
        poll(lambda: json.loads(self.served.http("/v1/status")[1])["http"] is None, "nothing about TLS")

    def test_what_stays_open_when_an_address_is_refused_is_kept_in_certificates(self):
        self.start()
        serial = self.issued()["certificate"]["serial"]
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            text, listen = self.served.config.read_text(), f'listen = ["127.0.0.1:{self.served.http_port}"'
            self.assertIn(listen, text)
            self.served.config.write_text(text.replace(listen, f'{listen}, "127.0.0.1:{taken.getsockname()[1]}"'))
            self.daemon.hangup()
            poll(lambda: "Address already in use" in self.daemon.log(), "the refusal", context=self.daemon.log)
            (self.served.state / "http" / "listener.pem").unlink()
            serial = self.issued(but=serial)["certificate"]["serial"]
            self.assertEqual(self.shown(), serial)

    def test_an_address_that_cannot_be_had_costs_nobody_the_others(self):
        self.served = self.host(server=False)
        self.served.configure(daemon='check_interval = "1s"')
        self.daemon = self.served.start()
        poll(self.served.http_answers, "plain HTTP")
        plain, port, another = self.served.config.read_text(), self.served.http_port, free_port()
        listen = f'listen = ["127.0.0.1:{port}"]'

        def answers(at):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{at}/livez", timeout=10) as answer:
                    return answer.status == 200
            except OSError:
                return False
        with socket.create_server(("127.0.0.1", 0)) as taken:
            for n, addresses in enumerate((f'"127.0.0.1:{port}", "127.0.0.1:{taken.getsockname()[1]}"', f'"127.0.0.1:{taken.getsockname()[1]}"'), 1):
                with self.subTest(addresses):
                    self.served.config.write_text(plain.replace(listen, f"listen = [{addresses}]"))
                    self.daemon.hangup()
                    poll(lambda: self.daemon.log().count("Address already in use") >= n, "the refusal", context=self.daemon.log)
                    poll(lambda: answers(port), "the old address, again")
                    self.assertIn("config-invalid", [p["code"] for p in json.loads(self.served.http("/v1/status")[1])["problems"]])
        for addresses, there, gone in ((f'"127.0.0.1:{port}", "127.0.0.1:{another}"', (port, another), ()), (f'"127.0.0.1:{port}"', (port,), (another,)),
                                       (f'"0.0.0.0:{port}"', (port,), ()), (f'"127.0.0.1:{another}"', (another,), (port,))):
            with self.subTest(addresses):
                self.served.config.write_text(plain.replace(listen, f"listen = [{addresses}]"))
                self.daemon.hangup()
                for at in there:
                    poll(lambda: answers(at), f"port {at}", context=self.daemon.log)
                for at in gone:
                    poll(lambda: not answers(at), f"port {at} to close", context=self.daemon.log)


class WrongClients(Https):
    def raw(self, data=b""):
        s = socket.create_connection(("127.0.0.1", self.served.http_port), timeout=20)
        self.addCleanup(s.close)
        s.sendall(data)
        return s

    def test_plain_http_is_told_what_it_should_speak(self):
        self.start()
        for head in (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", b"POST / HTTP/1.0\r\n\r\n", b"\0\0\0\x08\x04\xd2\x16\x2f"):
            with self.raw(head) as s:
                answer = b"".join(iter(lambda s=s: s.recv(65536), b""))
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)
            self.assertIn(b"https://", answer)
        self.assertIn(b'application/problem+json', answer)

    def test_old_tls_is_refused(self):
        self.start()
        shown = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.served.http_port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        self.assertNotEqual(shown.returncode, 0)
        self.assertIn("alert protocol version", shown.stderr)
        for version in ("-tls1_2", "-tls1_3"):
            quiet_run("openssl", "s_client", "-connect", f"127.0.0.1:{self.served.http_port}", version, stdin=subprocess.DEVNULL)

    @measured
    def test_slow_handshakes_hold_nobody_up(self):
        self.start()
        hello = self.client_hello()
        idle = resident(self.daemon.pid)
        slow = [self.raw(hello[:length]) for length in (0, 1, 5, len(hello) // 2, len(hello)) for _ in range(60)]   # the last never reads what it is answered
        for _ in range(20):
            self.assertEqual(self.ask_unchecked("/livez"), 200)
        self.assertLess(resident(self.daemon.pid, "VmHWM") - idle, LIMIT)
        for s in slow:   # each is closed in its time
            s.settimeout(30)
            with contextlib.suppress(OSError):
                while s.recv(65536):
                    pass
        self.assertEqual(self.ask_unchecked("/livez"), 200)

    def client_hello(self):
        out = ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            self.unchecked().wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
        return out.read()

    def test_nonsense_within_tls_and_around_it(self):
        self.start()
        hello = self.client_hello()
        for data in (hello[:5] + bytes(len(hello) - 5), os.urandom(4096), b"\x16" + os.urandom(4096), b"\x16\x03\x01\xff\xff" + bytes(70000)):
            with contextlib.suppress(OSError):
                with self.raw(data) as s:
                    s.recv(65536)
        for request, status in ((b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"421"), (b"GET / HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1\r\n\r\n", b"416"),
                                (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", b"414"), (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody", b"405")):
            with self.connect(self.unchecked()) as s:
                s.sendall(request)
                self.assertEqual(s.recv(65536)[9:12], status)
        with self.connect(self.unchecked()) as s:   # many at once, and a record a byte
            for byte in b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n":
                s.sendall(bytes([byte]))
            self.assertTrue(s.recv(65536).startswith(b"HTTP/1.1 200"))
        self.assertTrue(self.daemon.alive())


if __name__ == "__main__":
    unittest.main()

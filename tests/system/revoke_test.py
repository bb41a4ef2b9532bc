"""A certificate is revoked: what the CRL says, what is published, and what becomes of the one in use."""
import json
import subprocess
import urllib.request

from harness import PGCERTCTL, HostTest, poll, quiet_run


class Revoke(HostTest):
    def crl(self, host, name="local"):
        """The published CRL as openssl prints it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{host.http_port}/pki/{name}.crl", timeout=10) as answer:
            der = answer.read()
        self.assertEqual(der[:1], b"\x30", "DER")
        return subprocess.run(["openssl", "crl", "-inform", "DER", "-noout", "-text"], input=der, capture_output=True, check=True).stdout.decode().lower().replace(":", "")

    def revoke(self, host, *arguments):
        return host.ctl("revoke", *arguments)

    def test_the_one_in_use_is_replaced(self):
        host = self.host()
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        self.assertNotIn(serial, self.crl(host))
        done = self.revoke(host, serial.upper(), "--reason", "keyCompromise")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(f"serial {serial} of issuer local is revoked (keyCompromise)", done.stdout)
        text = self.crl(host)
        self.assertIn(serial, text)
        self.assertIn("key compromise", text)
        new = daemon.wait_proved(but=serial)["certificate"]["serial"]
        poll(lambda: host.served_serial() == new, "the new certificate is served")
        self.assertVerifyFull(host)
        self.assertEqual(json.loads(host.http("/v1/status")[1])["issuers"][0]["crl"]["revoked"], 1)
        again = self.revoke(host, serial, "--reason", "superseded")
        self.assertEqual(again.returncode, 0, "revoking again changes nothing")
        self.assertIn("key compromise", self.crl(host))
        daemon.kill()
        host.start().wait_proved()
        self.assertIn(serial, self.crl(host), "it is remembered")
        self.assertEqual(host.served_serial(), new)

    def test_a_rollback_does_not_bring_it_back(self):
        host = self.host()
        daemon = host.start()
        first = daemon.wait_proved()["certificate"]["serial"]
        host.ctl("rotate", "main", "--force", "--wait")
        second = daemon.wait_proved(but=first)["certificate"]["serial"]
        self.assertEqual(self.revoke(host, first, "--reason", "superseded").returncode, 0)
        done = host.ctl("rollback", "main", "--wait", "--timeout", "20s")
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertEqual(host.served_serial(), second)

    def test_a_file_names_its_certificate(self):
        host = self.host()
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        shown = subprocess.run(["openssl", "s_client", "-starttls", "postgres", "-connect", f"127.0.0.1:{host.postgres.port}"], stdin=subprocess.DEVNULL, capture_output=True)
        pem = host.directory / "served.pem"
        pem.write_bytes(shown.stdout)
        self.assertEqual(self.revoke(host, pem, "--reason", "superseded").returncode, 0)
        self.assertIn(serial, self.crl(host))

    def test_the_roots_crl_is_published(self):
        host = self.host()
        host.start().wait_proved()
        self.assertIn("no revoked certificates", self.crl(host, "root"))

    def test_bad_input(self):
        host = self.host()
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        for arguments, code, words in ((("0badc0de", "--reason", "superseded"), 3, "no certificate with serial 0badc0de"),
                                       ((serial, "--reason", "superseded", "--issuer", "other"), 3, 'no issuer "other"'),
                                       ((host.directory / "none.crt", "--reason", "superseded"), 3, "none.crt"),
                                       ((host.config, "--reason", "superseded"), 1, "pgcertd.toml")):
            done = self.revoke(host, *arguments)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(words, done.stderr)
        self.assertEqual(self.crl(host).count("serial number"), 0)
        for body in (b"", b"[]", b'{"serial":7}', b'{"serial":"zz","reason":"superseded"}', b'{"serial":"' + serial.encode() + b'","reason":"certificateHold"}',
                     b'{"serial":"' + serial.encode() + b'","reason":"superseded","terminate":"yes"}'):
            shown = quiet_run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", host.run / "control.sock", "-d", body.decode(), "-H", "Content-Type: application/json",
                              "http://localhost/v1/revoke")
            self.assertEqual(shown, "400", body)
        self.assertEqual(self.crl(host).count("serial number"), 0)
        daemon.kill()
        self.assertEqual(self.revoke(host, serial, "--reason", "superseded").returncode, 4)

    def test_an_issuer_without_crls_refuses(self):
        host = self.host(ca=False)
        host.configure(issuer='type = "self-signed"')
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        done = self.revoke(host, serial, "--reason", "superseded")
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("publishes no CRL", done.stderr)


if __name__ == "__main__":
    import unittest
    unittest.main()

"""A new certificate that PostgreSQL refuses: stopped before it is published, else shown by the handshake, rolled back, and healed.

The faults are the failed-reload lines of PostgreSQL. pgcertd is halted by a fault point while somebody spoils the files.
"""
import concurrent.futures
import os
import pathlib
import subprocess

from harness import AS_ROOT, Host, HostTest, poll, quiet_run


def spoil_key_mode(g):
    (g / "server.key").chmod(0o644)


def other_key(g):
    replace(g / "server.key", quiet_run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"))


def replace(path, text):
    """New bytes in the same file, with the owner and mode it has."""
    with open(path, "r+b") as file:
        file.truncate()
        file.write(text if isinstance(text, bytes) else text.encode())


def weak(g):
    quiet_run("openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=localhost", "-days", "30", "-keyout", g / "new.key", "-out", g / "new.crt")
    replace(g / "server.key", (g / "new.key").read_bytes())
    replace(g / "server.crt", (g / "new.crt").read_bytes())


def sha1(g):
    quiet_run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-sha1", "-nodes", "-subj", "/CN=localhost", "-days", "30", "-keyout", g / "new.key", "-out", g / "new.crt")
    replace(g / "server.key", (g / "new.key").read_bytes())
    replace(g / "server.crt", (g / "new.crt").read_bytes())


def encrypted_key(g):
    replace(g / "server.key", quiet_run("openssl", "pkcs8", "-topk8", "-passout", "pass:x", "-in", g / "server.key"))


def der_key(g):
    done = subprocess.run(["openssl", "pkey", "-in", g / "server.key", "-outform", "DER"], capture_output=True, check=True)
    replace(g / "server.key", done.stdout)


def intermediate_first(g):
    blocks = (g / "server.crt").read_text().split("-----END CERTIFICATE-----\n")
    parts = [b + "-----END CERTIFICATE-----\n" for b in blocks if b.strip()]
    replace(g / "server.crt", "".join(reversed(parts)))


FAULTS = {
    "key mode": spoil_key_mode,
    "key of another pair": other_key,
    "intermediate before the leaf": intermediate_first,
    "key missing": lambda g: (g / "server.key").unlink(),
    "key unreadable": lambda g: (g / "server.key").chmod(0),
    "key DER": der_key,
    "key truncated": lambda g: replace(g / "server.key", (g / "server.key").read_bytes()[:100]),
    "key empty": lambda g: replace(g / "server.key", b""),
    "key encrypted": encrypted_key,
    "key of another owner": lambda g: os.chown(g / "server.key", 1, 1),
    "certificate missing": lambda g: (g / "server.crt").unlink(),
    "certificate unreadable": lambda g: (g / "server.crt").chmod(0),
    "certificate no PEM": lambda g: replace(g / "server.crt", b"no certificate"),
    "certificate truncated": lambda g: replace(g / "server.crt", (g / "server.crt").read_bytes()[:300]),
    "SHA-1": sha1,
    "RSA-1024": weak,
}


class Refused(HostTest):
    def each_fault(self, judge):
        """All faults, each on a host of its own, a few at a time: most of the time is waiting."""
        faults = [name for name in FAULTS if AS_ROOT or name != "key of another owner"]
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for name, future in [(name, pool.submit(judge, FAULTS[name])) for name in faults]:
                with self.subTest(name):
                    future.result()

    def rotate_until_halt(self, host, halt):
        daemon = host.start({"PGCERTD_FAULT": halt})
        serial = daemon.wait_proved()["certificate"]["serial"]
        before = set(host.generations())
        host.rotate_until_stopped(daemon)
        new, = set(host.generations()) - before
        return daemon, serial, host.state / "clusters" / "main" / "generations" / new

    def published(self, host):
        return os.readlink(host.state / "clusters" / "main" / "current")

    def test_spoiled_before_publishing_is_never_published(self):
        def judge(spoil):
            with Host() as host:
                host.start().wait_proved()
                host.daemons[-1].stop()
                daemon, serial, bad = self.rotate_until_halt(host, "generations.stage:after:1=stop")
                spoil(bad)
                daemon.resume()
                daemon.wait_proved(but=serial)
                self.assertVerifyFull(host)
                self.assertNotIn(bad.name, [pathlib.Path(e["fields"].get("generation", "")).name for e in host.events("generation-published")])
                self.assertEqual(host.events("rolled-back"), [])
                self.assertNotIn("SSL configuration was not reloaded", host.postgres.log())
        self.each_fault(judge)

    def test_spoiled_after_publishing_is_rolled_back_or_repaired(self):
        def judge(spoil):
            with Host() as host:
                host.start().wait_proved()
                host.daemons[-1].stop()
                daemon, serial, _ = self.rotate_until_halt(host, "generations.publish:after:1=stop")
                spoil(host.state / "clusters" / "main" / "current")
                self.assertEqual(host.served_serial(), serial)
                daemon.resume()
                seen = set()
                poll(lambda: seen.add(host.served_serial()) or (daemon.cluster() or {}).get("rotation", {}).get("stage") == "proved", "an end", context=daemon.log)
                daemon.wait_proved()
                self.assertNotIn(None, seen, "TLS was never off")
                self.assertVerifyFull(host)
                host.postgres.restart()
                self.assertVerifyFull(host)
        self.each_fault(judge)


def strict_host(test):
    """Its server's OpenSSL asks for more than pgcertd can know: RSA-2048 is too weak for it."""
    host = test.host()
    host.postgres.stop("fast")
    conf = host.directory / "strict.cnf"
    conf.write_text("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nCipherString = DEFAULT@SECLEVEL=3\n")
    conf.chmod(0o644)
    dh = quiet_run("openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "dh_param:ffdhe3072")   # its own are too short for that
    (host.postgres.data / "dh.pem").write_text(dh)
    (host.postgres.data / "dh.pem").chmod(0o644)
    host.postgres.configure("ssl_dh_params_file = 'dh.pem'")
    os.environ["OPENSSL_CONF"] = str(conf)
    try:
        host.postgres.start()
    finally:
        del os.environ["OPENSSL_CONF"]
    return host


class RefusedByTheServersOwnRules(HostTest):
    """Nothing but the handshake tells."""

    def test_is_rolled_back_told_retried_and_heals(self):
        host = strict_host(self)
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        host.configure(cluster='key_type = "rsa-2048"')     # too weak for this server
        daemon.hangup()
        problem = daemon.wait_problem("reload-not-applied")
        self.assertTrue(problem["remedy"])
        cluster = daemon.wait(lambda c: c["rotation"]["last_error"] and any(s["serial"] == serial and s["matches_file"] for s in c["served"]), "the former pair")
        self.assertEqual(cluster["certificate"]["serial"], serial)
        self.assertEqual(host.served_serial(), serial)
        self.assertVerifyFull(host)
        self.assertIn('pgcertd_problem{cluster="main",code="reload-not-applied"', host.http("/metrics")[1])
        self.assertIn('pgcertd_rotations_total{cluster="main",result="rolled_back"} 1', host.http("/metrics")[1])
        self.assertEqual(len(host.events("rolled-back")), 1)
        self.assertEqual(host.ctl("check").returncode, 2)
        poll(lambda: len(host.events("rolled-back")) >= 2, "the next try after its back-off")
        retried = host.events("rolled-back")
        self.assertGreater(retried[1]["id"], retried[0]["id"])
        self.assertEqual(host.served_serial(), serial)
        host.configure(cluster='key_type = "ecdsa-p384"')   # the cause goes
        daemon.hangup()
        self.assertEqual(daemon.wait_proved(but=serial, deadline=120)["certificate"]["key_type"], "ecdsa-p384")
        daemon.wait_no_problem("reload-not-applied")
        self.assertVerifyFull(host)

    def test_at_a_first_issue_tls_goes_back_to_off(self):
        host = strict_host(self)
        host.configure(cluster='key_type = "rsa-2048"')
        daemon = host.start()
        daemon.wait_problem("reload-not-applied")
        poll(lambda: host.postgres.sql("SHOW ssl") == "off", "ssl off again", context=daemon.log)
        self.assertIsNone(host.served_serial())
        self.assertEqual((host.postgres.data / "postgresql.auto.conf").read_text().count("ssl"), 0)
        host.postgres.restart()
        host.configure(cluster='key_type = "ecdsa-p256"')
        daemon.hangup()
        daemon.wait_proved(deadline=120)
        self.assertVerifyFull(host)


class BrokenFilesOfOthers(HostTest):
    """A bad CA or CRL file blocks a new certificate: one reload, all or nothing."""

    def test_preflight_stops_it_and_the_handshake_shows_it_without_a_preflight(self):
        for name, setting, spoil in (("CA missing", "ssl_ca_file", lambda p: p.unlink()), ("CA empty", "ssl_ca_file", lambda p: replace(p, b"")),
                                     ("CA garbage", "ssl_ca_file", lambda p: replace(p, b"garbage")), ("CRL garbage", "ssl_crl_file", lambda p: replace(p, b"garbage"))):
            for skip in (False, True):
                with self.subTest(name, preflight="skipped" if skip else "on"):
                    self.one(setting, spoil, skip)

    def one(self, setting, spoil, skip):
        with Host() as host:
            host.start().wait_proved()
            host.daemons[-1].stop()
            source = host.state / "clusters" / "main" / "current" / ("root.crt" if setting == "ssl_ca_file" else "root.crl")
            path = host.postgres.data / "foreign.pem"
            path.write_bytes(source.read_bytes())
            path.chmod(0o644)
            host.postgres.configure(f"{setting} = 'foreign.pem'")
            host.postgres.restart()
            daemon = host.start({"PGCERTD_FAULT": "preflight=skip"} if skip else {})
            serial = daemon.wait_proved()["certificate"]["serial"]
            kept = path.read_bytes()
            spoil(path)
            host.ctl("rotate", "main", "--force")
            daemon.wait_problem("reload-not-applied" if skip else "rotation-failing")
            self.assertEqual(len(host.events("rolled-back")), 1 if skip else 0)
            self.assertEqual(host.served_serial(), serial)
            self.assertVerifyFull(host)
            path.write_bytes(kept)
            path.chmod(0o644)
            host.ctl("rotate", "main", "--force")
            daemon.wait_proved(but=serial)
            self.assertVerifyFull(host)

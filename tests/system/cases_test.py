"""What people reported from the field, given to pgcertd as a state that it finds: the verdict by its code, or the repair."""
import os
import subprocess

import pki
from harness import AS_ROOT, HostTest, poll, quiet_run

CLEAN = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n"


class Case(HostTest):
    @classmethod
    def setUpClass(cls):
        cls.root = pki.Authority("field root")
        cls.issuing = pki.Authority("field issuing CA", cls.root)

    def with_pair(self, pair, certificate=None, key=None, settings="", cluster="", key_mode=0o600):
        """A host whose server was told to use this pair of somebody else."""
        host = self.host()
        (host.postgres.data / "pg_hba.conf").write_text(CLEAN)
        host.postgres.put("server.key", key or pair.key_pem(), key_mode)
        host.postgres.put("server.crt", certificate or pair.chain_pem())
        host.postgres.put("root.crt", self.issuing.leaf_pem() + self.root.leaf_pem())
        host.postgres.configure("ssl = on\n" + settings)
        host.postgres.sql("SELECT pg_reload_conf()")
        if cluster:
            host.configure(cluster=cluster)
        return host

    def serving(self, pair, **options):
        host = self.with_pair(pair, **options)
        poll(lambda: host.served_serial() == pair.serial, "the pair of somebody else is served", context=host.postgres.log)
        return host

    def assertTold(self, host, code, severity, words=""):
        """The code stands, and the pair stays: it is somebody else's."""
        serial = host.served_serial()
        daemon = host.start()
        problem = daemon.wait_problem(code)
        self.assertEqual(problem["severity"], severity, problem)
        self.assertIn(words, problem["message"])
        daemon.wait_problem("takeover-needed")
        self.assertEqual(host.served_serial(), serial)
        return daemon

    def assertReplaced(self, host):
        """Nothing worked there: pgcertd puts a pair of its own in place."""
        host.start().wait_proved()
        self.assertVerifyFull(host)

    def assertTakeoverHeals(self, host, daemon, code):
        self.assertEqual(host.ctl("takeover", "main").returncode, 0)
        daemon.wait_proved()
        daemon.wait_no_problem(code)
        self.assertVerifyFull(host)


class Dates(Case):
    def test_01_expired_in_silence(self):
        host = self.serving(self.issuing.issue(start=-9 * pki.DAY, life=8 * pki.DAY))
        daemon = self.assertTold(host, "cert-expired", "critical", "server.crt ended")
        self.assertIn('pgcertd_problem{cluster="main",code="cert-expired",severity="critical"} 1', host.http("/metrics")[1])
        self.assertEqual(host.ctl("check", "main").returncode, 2)
        self.assertTakeoverHeals(host, daemon, "cert-expired")

    def test_expires_soon(self):
        self.assertTold(self.serving(self.issuing.issue(start=-85 * pki.DAY, life=90 * pki.DAY)), "cert-expiring", "critical")

    def test_an_intermediate_that_ended_first(self):
        short = pki.Authority("ended issuing CA", self.root, start=-20 * pki.DAY, life=10 * pki.DAY)
        self.assertTold(self.serving(short.issue()), "cert-expired", "critical")

    def test_20_not_before_in_the_future(self):
        host = self.serving(self.issuing.issue(start=2 * pki.DAY))
        self.assertTakeoverHeals(host, self.assertTold(host, "cert-not-yet-valid", "critical"), "cert-not-yet-valid")


class Consent(Case):
    def test_it_is_for_the_pair_in_place_and_for_no_other(self):
        host = self.serving(self.issuing.issue())
        daemon = host.start()
        daemon.wait_problem("takeover-needed")
        self.assertEqual(host.ctl("pause", "main", "--for", "1h", "--reason", "audit").returncode, 0)
        self.assertEqual(host.ctl("takeover", "main").returncode, 0)
        daemon.wait_no_problem("takeover-needed")
        other = self.issuing.issue()
        host.postgres.put("server.key", other.key_pem())
        host.postgres.put("server.crt", other.chain_pem())
        host.postgres.sql("SELECT pg_reload_conf()")
        daemon.wait_problem("takeover-needed")
        self.assertEqual(host.ctl("resume", "main").returncode, 0)
        self.assertEqual(host.ctl("rotate", "main", "--wait", "--timeout", "20s").returncode, 5, "it is refused")
        daemon.wait_problem("takeover-needed")
        self.assertEqual(host.served_serial(), other.serial)
        self.assertTakeoverHeals(host, daemon, "takeover-needed")

    def test_where_nothing_is_to_be_taken_over_none_is_kept_for_later(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        refused = host.ctl("takeover", "main")
        self.assertEqual(refused.returncode, 5, refused.stdout)
        self.assertIn("no certificate of somebody else is in place", refused.stderr)
        self.assertIn("pgcertctl status main", refused.stderr)
        self.assertEqual(host.events("takeover-granted"), [])


class Served(Case):
    def test_02_renewed_but_never_reloaded(self):
        host = self.serving(self.issuing.issue())
        daemon = host.start()
        daemon.wait_problem("takeover-needed")
        renewed = self.issuing.issue()
        host.postgres.put("server.key", renewed.key_pem())
        host.postgres.put("server.crt", renewed.chain_pem())
        self.assertEqual(daemon.wait_problem("served-stale")["severity"], "critical")
        host.postgres.sql("SELECT pg_reload_conf()")
        daemon.wait_no_problem("served-stale")
        self.assertEqual(host.served_serial(), renewed.serial)

    def test_03_half_of_a_rotation(self):
        good = self.issuing.issue()
        host = self.serving(good)
        host.postgres.put("server.key", self.issuing.issue().key_pem())
        daemon = self.assertTold(host, "cert-key-mismatch", "critical", "do not belong together")
        host.postgres.put("server.key", good.key_pem())
        daemon.wait_no_problem("cert-key-mismatch")

    def test_06_switched_on_with_bad_files(self):
        host = self.with_pair(self.issuing.issue(), key=self.issuing.issue().key_pem())
        poll(lambda: host.postgres.sql("SHOW ssl") == "on", "SHOW ssl says on")
        self.assertIsNone(host.served_serial(), "and no TLS is offered")
        daemon = host.start()
        daemon.wait_proved()
        daemon.wait_no_problem("ssl-off")
        self.assertIn("ssl-off", str(host.events("problem-stands")), "the handshake is believed, not the setting")
        self.assertVerifyFull(host)

    def test_19_a_link_that_is_swapped(self):
        host = self.host()
        (host.postgres.data / "pg_hba.conf").write_text(CLEAN)
        first, second = self.issuing.issue(), self.issuing.issue()
        live = host.postgres.data / "live"
        for name, pair in (("one", first), ("two", second)):
            directory = host.postgres.data / name
            directory.mkdir(mode=0o700)
            os.chown(directory, host.server_user.pw_uid, host.server_user.pw_gid)
            host.postgres.put(f"{name}/server.key", pair.key_pem())
            host.postgres.put(f"{name}/server.crt", pair.chain_pem())
        live.symlink_to("one")
        host.postgres.configure("ssl = on\nssl_cert_file = 'live/server.crt'\nssl_key_file = 'live/server.key'")
        host.postgres.restart()
        daemon = self.assertTold(host, "takeover-needed", "warning")
        (host.postgres.data / "next").symlink_to("two")
        os.rename(host.postgres.data / "next", live)
        daemon.wait_problem("served-stale")
        host.postgres.sql("SELECT pg_reload_conf()")
        daemon.wait_no_problem("served-stale")
        self.assertEqual(host.served_serial(), second.serial)
        if AS_ROOT:
            (host.postgres.data / "two").chmod(0)
            self.assertIn(daemon.wait_problem("file-permissions")["severity"], ("warning", "critical"))

    def test_36_a_log_that_hides_the_refusal(self):
        host = self.serving(self.issuing.issue(), settings="log_min_messages = fatal\n")
        daemon = host.start()
        daemon.wait_problem("takeover-needed")
        before = host.postgres.log()
        host.postgres.put("server.key", self.issuing.issue().key_pem())
        host.postgres.sql("SELECT pg_reload_conf()")
        daemon.wait_problem("cert-key-mismatch")
        self.assertEqual(host.postgres.log(), before, "PostgreSQL says nothing")

    def test_39_a_probe_leaves_no_line(self):
        host = self.serving(self.issuing.issue(), settings="log_connections = off\nlog_disconnections = off\nlog_min_messages = info\n")
        before = host.postgres.log()
        for _ in range(3):
            done = host.ctl("--json", "probe", f"127.0.0.1:{host.postgres.port}")
            self.assertIn('"served"', done.stdout)
        self.assertEqual(host.postgres.log(), before)


class Files(Case):
    def test_04_key_that_everybody_reads(self):
        host = self.serving(self.issuing.issue())
        (host.postgres.data / "server.key").chmod(0o644)
        daemon = host.start()
        problem = daemon.wait_problem("file-permissions")
        self.assertEqual(problem["remedy"], f"chmod 0600 {host.postgres.data}/server.key")
        self.assertEqual((host.postgres.data / "server.key").stat().st_mode & 0o777, 0o644, "what pgcertd did not install it does not change")
        quiet_run("sh", "-c", problem["remedy"])
        daemon.wait_no_problem("file-permissions")

    def test_17_key_formats_that_the_server_takes(self):
        pair, rsa = self.issuing.issue(), self.issuing.issue(key="rsa2048")
        parameters = subprocess.run(["openssl", "ecparam", "-name", "prime256v1"], capture_output=True, check=True).stdout
        for what, which, key in (("SEC1", pair, pair.key_pem("TraditionalOpenSSL")), ("EC PARAMETERS before SEC1", pair, parameters + pair.key_pem("TraditionalOpenSSL")),
                                 ("PKCS#1", rsa, rsa.key_pem("TraditionalOpenSSL")), ("text around PEM", pair, b"Bag Attributes\n" + pair.key_pem() + b"\nend\n"),
                                 ("certificate and key in one file", pair, pair.chain_pem() + pair.key_pem())):
            with self.subTest(what):
                host = self.serving(which, key=key)
                daemon = self.assertTold(host, "takeover-needed", "warning")
                self.assertTrue(all(p["code"] != "cert-key-mismatch" for p in daemon.cluster()["problems"]))
                host.end()

    def test_17_key_formats_that_it_refuses(self):
        pair = self.issuing.issue()
        public = subprocess.run(["openssl", "pkey", "-pubout"], input=pair.key_pem(), capture_output=True, check=True).stdout
        der = subprocess.run(["openssl", "pkey", "-outform", "DER"], input=pair.key_pem(), capture_output=True, check=True).stdout
        for what, key in (("DER", der), ("a public key", public), ("empty", b"\n")):
            with self.subTest(what):
                host = self.with_pair(pair, key=key)
                self.assertReplaced(host)
                host.end()


class Names(Case):
    def test_09_san_beats_cn(self):
        self.assertTold(self.serving(self.issuing.issue(names=["other.example.org", "127.0.0.1"], common_name="localhost")), "cert-name-mismatch", "warning", "localhost")

    def test_10_an_address_needs_an_address(self):
        self.assertTold(self.serving(self.issuing.issue(names=["localhost", "10.0.0.9"])), "cert-name-mismatch", "warning", "127.0.0.1")


class Chains(Case):
    def test_07_the_intermediate_is_missing(self):
        self.assertTold(self.serving(self.issuing.issue(intermediates=False)), "cert-chain-incomplete", "warning", "CN=field issuing CA")

    def test_07_and_hidden_by_ssl_ca_file(self):
        host = self.serving(self.issuing.issue(intermediates=False), settings="ssl_ca_file = 'root.crt'\n")
        self.assertTold(host, "cert-chain-incomplete", "critical", "only sent because ssl_ca_file holds it")

    def test_30_a_client_certificate_serves(self):
        self.assertTold(self.serving(self.issuing.issue(usages=["client"])), "cert-untrusted", "critical", "serverAuth")


class Strength(Case):
    def test_23_a_weak_key_that_the_server_refuses_is_replaced(self):
        self.assertReplaced(self.with_pair(self.issuing.issue(key="rsa1024")))

    def test_24_a_signature_that_scram_cannot_bind_to(self):
        self.assertTold(self.serving(pki.Authority("EdDSA root", key="ed25519").issue()), "cert-weak", "critical")


if __name__ == "__main__":
    import unittest
    unittest.main()

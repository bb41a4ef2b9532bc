"""The CRLs that a server has installed, whoever put them there: pgcertd's verdict is what real clients with certificates meet."""
import os
import subprocess
import unittest

import pki
from harness import HostTest, poll, quiet_run

HOUR = pki.DAY / 24
HBA = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n"
LOCKED_OUT = {("crl-missing", "critical"), ("crl-expired", "critical"), ("crl-untrusted", "critical")}


class InstalledCrls(HostTest):
    def setUp(self):
        self.root, self.partner = pki.Authority("clients' root"), pki.Authority("partner root")
        self.issuing = pki.Authority("clients' issuing CA", self.root)
        self.silent = pki.Authority("silent CA", self.root, crl_sign=False)
        self.app, self.gone = (self.issuing.issue(names=[], common_name="app", usages=["client"]) for _ in range(2))
        self.of_silent = self.silent.issue(names=[], common_name="app", usages=["client"])
        self.of_partner = self.partner.issue(names=[], common_name="app", usages=["client"])

    def managed(self, authorities, crls):
        host = self.host()
        (host.postgres.data / "pg_hba.conf").write_text(HBA)
        host.postgres.put("clients.crt", b"".join(a.leaf_pem() for a in authorities))
        host.postgres.put("clients.crl", b"".join(crls))
        host.postgres.configure("ssl_ca_file = 'clients.crt'\nssl_crl_file = 'clients.crl'")
        host.start().wait_proved()
        return host

    def codes(self, host):
        return {code for code, _ in self.told(host)}

    def told(self, host):
        return {(p["code"], p["severity"]) for p in host.daemons[-1].cluster()["problems"] if p["code"].startswith("crl-")}

    def install(self, host, crls):
        """Puts them there and has the server read them; waits until pgcertd has seen that."""
        host.postgres.put("clients.crl", b"".join(crls))
        self.reload(host)

    def reload(self, host):
        before = host.postgres.sql("SELECT pg_conf_load_time()")
        host.postgres.sql("SELECT pg_reload_conf()")
        poll(lambda: host.postgres.sql("SELECT pg_conf_load_time()") != before, "the server reads its files")
        host.ctl("audit", "main")

    def test_the_verdict_is_what_clients_meet(self):
        good_root, good = self.root.crl(), self.issuing.crl()
        forged = pki.Authority("clients' issuing CA", self.root)
        host = self.managed([self.root, self.issuing], [good_root, good])
        self.assertEqual(self.codes(host), set())
        self.assertTrue(host.enters(self.app))
        for what, crls, code in (("expired", [good_root, self.issuing.crl(start=-10 * pki.DAY, life=9 * pki.DAY)], "crl-expired"),
                                 ("the root's expired", [self.root.crl(start=-10 * pki.DAY, life=9 * pki.DAY), good], "crl-expired"),
                                 ("future", [good_root, self.issuing.crl(start=HOUR)], "crl-untrusted"),
                                 ("missing for the intermediate", [good_root], "crl-missing"),
                                 ("missing for the root", [good], "crl-missing"),
                                 ("wrong signature", [good_root, self.issuing.crl(signer=forged)], "crl-untrusted"),
                                 ("a delta alone", [good_root, self.issuing.crl(delta=True)], "crl-untrusted"),
                                 ("an old one beside the new one", [good_root, self.issuing.crl(start=-10 * pki.DAY, life=9 * pki.DAY), good], None),
                                 ("nearly at its end", [good_root, self.issuing.crl(start=-9 * pki.DAY, life=10 * pki.DAY)], "crl-expiring"),
                                 ("whole again", [good_root, good], None)):
            with self.subTest(what):
                self.install(host, crls)
                self.assertEqual(self.codes(host), {code} if code else set())
                self.assertEqual(host.enters(self.app), not self.told(host) & LOCKED_OUT)

    def test_a_delta_beside_its_base_lets_the_revoked_in(self):
        base = self.issuing.crl(revoked=[self.gone.certificate.serial_number], start=-2 * HOUR)
        host = self.managed([self.root, self.issuing], [self.root.crl(), base])
        self.assertEqual((self.codes(host), host.enters(self.gone)), (set(), False))
        self.install(host, [self.root.crl(), base, self.issuing.crl(delta=True, start=-HOUR, number=2)])
        self.assertEqual(self.told(host), {("crl-untrusted", "warning")})
        self.assertTrue(host.enters(self.gone), "the newer one is taken alone")

    def test_two_cas_and_one_crl(self):
        host = self.managed([self.root, self.issuing, self.partner], [self.root.crl(), self.issuing.crl()])
        self.assertEqual(self.codes(host), {"crl-missing"})
        self.assertEqual((host.enters(self.app), host.enters(self.of_partner)), (True, False))
        self.install(host, [self.root.crl(), self.issuing.crl(), self.partner.crl()])
        self.assertEqual(self.codes(host), set())
        self.assertTrue(host.enters(self.of_partner))

    def test_a_ca_that_may_not_sign_crls(self):
        host = self.managed([self.root, self.silent], [self.root.crl(), self.silent.crl()])
        self.assertEqual(self.codes(host), {"crl-untrusted"})
        self.assertFalse(host.enters(self.of_silent))

    def test_a_file_that_is_no_crl_blocks_the_next_start(self):
        good = [self.root.crl(), self.issuing.crl()]
        host = self.managed([self.root, self.issuing], good)
        der = subprocess.run(["openssl", "crl", "-outform", "DER"], input=good[1], capture_output=True, check=True).stdout
        for what, content in (("garbage", b"garbage"), ("empty", b""), ("DER", der)):
            with self.subTest(what):
                host.postgres.put("clients.crl", content)
                host.daemons[-1].wait_problem("crl-untrusted")
                self.assertTrue(host.enters(self.app), "the running server keeps what it has loaded")
        self.install(host, good)
        host.daemons[-1].wait_no_problem("crl-untrusted")

    def hashed(self, authority):
        return subprocess.run(["openssl", "x509", "-noout", "-subject_hash"], input=authority.leaf_pem(), capture_output=True, check=True).stdout.decode().strip()

    def test_a_directory(self):
        """ssl_crl_dir is read at each handshake, by names that openssl rehash gives."""
        host = self.host()
        (host.postgres.data / "pg_hba.conf").write_text(HBA)
        host.postgres.put("clients.crt", self.root.leaf_pem() + self.issuing.leaf_pem())
        directory = host.postgres.data / "crls"
        directory.mkdir()
        os.chown(directory, host.postgres.user.pw_uid, host.postgres.user.pw_gid)
        host.postgres.configure("ssl_ca_file = 'clients.crt'\nssl_crl_dir = 'crls'")
        host.postgres.restart()
        host.start().wait_proved()
        root, issuing = self.hashed(self.root), self.hashed(self.issuing)
        good = {f"{root}.r0": self.root.crl(), f"{issuing}.r0": self.issuing.crl()}
        revoking = self.issuing.crl([self.app.certificate.serial_number], number=2, start=-HOUR)

        def verdict(files):
            for path in directory.iterdir():
                path.unlink()
            for name, content in files.items():
                host.postgres.put(f"crls/{name}", content, 0o644)
            host.ctl("audit", "main")
            return self.codes(host), host.enters(self.app)
        for what, files, codes, lets_in in (("empty", {}, {"crl-missing"}, False), ("whole", good, set(), True), ("one missing", {f"{root}.r0": good[f"{root}.r0"]}, {"crl-missing"}, False),
                                            ("unhashed", {"root.pem": good[f"{root}.r0"], "issuing.pem": good[f"{issuing}.r0"]}, {"crl-missing"}, False),
                                            ("a gap", {f"{root}.r0": good[f"{root}.r0"], f"{issuing}.r1": good[f"{issuing}.r0"]}, {"crl-missing"}, False),
                                            ("an expired one", good | {f"{issuing}.r0": self.issuing.crl(start=-9 * pki.DAY, life=8 * pki.DAY)}, {"crl-expired"}, False),
                                            ("a newer one beside it", good | {f"{issuing}.r1": revoking}, set(), False), ("garbage", good | {f"{issuing}.r0": b"garbage"}, {"crl-missing"}, False)):
            with self.subTest(what):
                self.assertEqual(verdict(files), (codes, lets_in), host.daemons[-1].cluster()["problems"])
        verdict({f"{root}.r0": good[f"{root}.r0"], f"{issuing}.r1": good[f"{issuing}.r0"]})
        problem = next(p for p in host.daemons[-1].cluster()["problems"] if p["code"] == "crl-missing")
        self.assertIn(f"{issuing}.r0 is missing", problem["message"])
        with self.subTest("the remedy helps"):
            verdict({"root.pem": good[f"{root}.r0"], "issuing.pem": good[f"{issuing}.r0"]})
            problem = next(p for p in host.daemons[-1].cluster()["problems"] if p["code"] == "crl-missing")
            quiet_run(*problem["remedy"].split(": ")[1].split())
            host.ctl("audit", "main")
            self.assertEqual((self.codes(host), host.enters(self.app)), (set(), True))
            self.assertEqual({os.path.basename(c["path"]) for c in host.daemons[-1].cluster()["crl"]}, {f"{root}.r0", f"{issuing}.r0"})

    def test_one_that_was_never_loaded(self):
        host = self.managed([self.root, self.issuing], [self.root.crl(), self.issuing.crl()])
        self.assertTrue(host.enters(self.gone))
        past = float(host.postgres.sql("SELECT extract(epoch FROM pg_conf_load_time())"))
        poll(lambda: float(host.postgres.sql("SELECT extract(epoch FROM now())")) > past + 2.5, "a later moment")
        host.postgres.put("clients.crl", self.root.crl() + self.issuing.crl(revoked=[self.gone.certificate.serial_number], number=2, start=-HOUR))
        problem = host.daemons[-1].wait_problem("crl-not-loaded")
        self.assertTrue(host.enters(self.gone), "revoked, and let in all the same")
        host.postgres.sql(problem["remedy"])
        host.daemons[-1].wait_no_problem("crl-not-loaded")
        self.assertFalse(host.enters(self.gone))
        self.assertTrue(host.enters(self.app))

    def test_status_and_metrics_show_them(self):
        host = self.managed([self.root, self.issuing], [self.root.crl(number=7), self.issuing.crl(revoked=[1, 2, 3], life=20 * pki.DAY)])
        shown = host.daemons[-1].cluster()["crl"]
        self.assertEqual([(c["number"], c["revoked"], c["path"]) for c in shown], [("7", 0, f"{host.postgres.data}/clients.crl"), ("1", 3, f"{host.postgres.data}/clients.crl")])
        metrics = host.http("/metrics")[1]
        self.assertIn('pgcertd_crl_readable{cluster="main",crl="ssl_crl_file"} 1', metrics)
        self.assertIn('pgcertd_crl_revoked_certificates{cluster="main",crl="ssl_crl_file"} 3', metrics)


if __name__ == "__main__":
    unittest.main()

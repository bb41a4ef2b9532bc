"""`pgcertctl probe` beside real psql: in each state of server and client, each sslmode level must end as psql ends."""
import json
import os
import shutil
import subprocess
import tempfile
import pathlib
import unittest

import harness
import pki
from harness import PGCERTCTL, Postgres

MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
OPEN_HBA = "local all all trust\nhost all all 127.0.0.1/32 trust\n"
ONLY_TLS = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n"
ONLY_PLAINTEXT = "local all all trust\nhostnossl all all 127.0.0.1/32 trust\n"
NOBODY = "local all all trust\nhost all all 127.0.0.1/32 reject\n"
PASSWORD_OVER_TLS = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 reject\n"


class ProbeCase(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pgcertd-probe-"))
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.directory.chmod(0o755)
        os.chown(self.directory, harness.account("postgres").pw_uid, harness.account("postgres").pw_gid)
        self.server = Postgres(self.directory).start()
        self.addCleanup(self.server.end)
        (self.directory / "home").mkdir(mode=0o755)
        self.root, self.other = pki.Authority("field root"), pki.Authority("another root")
        self.issuing = pki.Authority("field issuing CA", self.root)
        self.trust = {"no root": None, "root": self.root.leaf_pem(), "another root": self.other.leaf_pem(), "root and issuing": self.root.leaf_pem() + self.issuing.leaf_pem(),
                      "issuing alone": self.issuing.leaf_pem()}
        self.compared, self.said = 0, {}

    def serve(self, pair, pem=None, settings=""):
        """The server serves just this, with these settings; None: TLS off."""
        self.server.stop("fast")
        auto = self.server.data / "postgresql.auto.conf"
        auto.write_text("ssl = off\n" if pair is None else "ssl = on\n" + settings)
        if pair is not None:
            for name, content in (("server.key", pair.key_pem()), ("server.crt", pem or pair.chain_pem())):
                self.server.put(name, content)
        self.server.start()

    def allow(self, hba):
        """The postmaster reads its settings before its rows, and forks afterwards: a session with a new load time has the new rows."""
        before = self.server.sql("SELECT pg_conf_load_time()")
        (self.server.data / "pg_hba.conf").write_text(hba)
        self.server.pg_ctl("reload")
        harness.poll(lambda: self.server.sql("SELECT pg_conf_load_time()") != before, "pg_hba.conf is in force")

    def environment(self):
        return {"HOME": str(self.directory / "home"), "PATH": os.environ["PATH"], "PGCONNECT_TIMEOUT": "10"}

    def connect(self, mode, name, root, user="postgres", more=""):
        """psql's own end: "encrypted", "plaintext" or None. A question for a password counts as let in."""
        words = f"host={name} hostaddr=127.0.0.1 port={self.server.port} user={user} dbname=postgres sslmode={mode} sslrootcert={root or '/nonexistent/root.crt'} {more}"
        done = subprocess.run(["psql", "-XAtwc", "SELECT CASE WHEN ssl THEN 'encrypted' ELSE 'plaintext' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()", words],
                              capture_output=True, text=True, env=self.environment(), timeout=60)
        self.said[mode] = done.stderr.strip()
        if "no password supplied" in done.stderr:
            return "encrypted"   # the one row that asks for a password wants TLS
        return done.stdout.strip() or None



class ProbeAgainstPsql(ProbeCase):
    def compare(self, state, trusts, names=("localhost",), user=True):
        for trust in trusts:
            root = None
            if self.trust[trust]:
                root = self.directory / "root.crt"
                root.write_bytes(self.trust[trust])
            for name in names:
                self.compared += 1
                words = [PGCERTCTL, "--json", "probe", f"127.0.0.1:{self.server.port}", "--name", name]
                words += ["--root", root] if root else []
                words += ["--user", "postgres"] if user else []
                done = subprocess.run([str(w) for w in words], capture_output=True, text=True, env=self.environment(), timeout=60)
                told = {row["sslmode"]: ("encrypted" if row["encrypted"] else "plaintext") if row["connects"] else None for row in json.loads(done.stdout)["sslmode"]}
                seen = {mode: self.connect(mode, name, root) for mode in MODES}
                self.assertEqual(told, seen, f"{state}, {trust}, {name}: {self.said}")
                self.assertEqual(done.returncode, 0 if seen["verify-full"] else 1, f"{state}, {trust}, {name}")

    def test_each_level_ends_as_psql_ends(self):
        good = self.issuing.issue()
        everybody = list(self.trust)
        self.serve(None)
        self.compare("TLS off", ["no root", "root"])
        self.serve(good)
        self.compare("a good chain", everybody, ["localhost", "127.0.0.1", "db.example.org"])
        self.allow(ONLY_TLS)
        self.compare("hostssl only", everybody)
        self.allow(PASSWORD_OVER_TLS)
        self.compare("a password over TLS only", ["no root", "root", "another root"])
        self.allow(ONLY_PLAINTEXT)
        self.compare("hostnossl only", ["no root", "root", "another root"])
        self.allow(NOBODY)
        self.compare("nobody", ["no root", "root"])
        self.allow(OPEN_HBA)
        self.compare("nobody asked for", ["no root", "root"], user=False)
        for state, pair, names in (("the intermediate is missing", self.issuing.issue(intermediates=False), ["localhost"]),
                                   ("expired", self.issuing.issue(start=-9 * pki.DAY, life=8 * pki.DAY), ["localhost"]),
                                   ("not yet valid", self.issuing.issue(start=2 * pki.DAY), ["localhost"]),
                                   ("from the root", self.root.issue(), ["localhost"]),
                                   ("for clients", self.issuing.issue(usages=["client"]), ["localhost"]),
                                   ("no extended key usage", self.issuing.issue(usages=[]), ["localhost"]),
                                   ("a name in the CN alone", self.issuing.issue(names=[], common_name="localhost"), ["localhost", "127.0.0.1"]),
                                   ("SAN beats CN", self.issuing.issue(names=["db1.example.org"], common_name="localhost"), ["localhost", "db1.example.org"]),
                                   ("an address in the CN", self.issuing.issue(names=["db1.example.org"], common_name="127.0.0.1"), ["127.0.0.1"]),
                                   ("wildcard", self.issuing.issue(names=["*.example.org"]), ["db1.example.org", "a.db1.example.org", "example.org"]),
                                   ("an upper case name", self.issuing.issue(names=["DB1.Example.org"]), ["db1.example.org"]),
                                   ("self-signed", pki.Authority("localhost"), ["localhost"])):
            self.serve(pair)
            self.compare(state, ["no root", "root", "root and issuing"], names)
        self.serve(good, settings="ssl_min_protocol_version = 'TLSv1'\nssl_max_protocol_version = 'TLSv1.1'\nssl_ciphers = 'DEFAULT:@SECLEVEL=0'\n")
        self.compare("TLS 1.1 at most", ["no root", "root", "another root"])
        self.serve(good, settings="ssl_max_protocol_version = 'TLSv1.2'\n")
        self.compare("TLS 1.2 at most", ["no root", "root"])
        print(f"probe: {self.compared} states of server and client, {self.compared * len(MODES)} connections of psql", flush=True)
        self.assertGreaterEqual(self.compared, 30)


class ClientCertificates(ProbeCase):
    """Why a client with a certificate is refused, by cause: psql's text is the same for several of them."""

    def client(self, name, pair, mode=0o600, key=None, pem=None):
        """The client's files; gives the options for `probe` and for libpq."""
        certificate, private = (self.directory / f"{name}.{suffix}" for suffix in ("crt", "key"))
        certificate.write_bytes(pem or pair.chain_pem())
        private.write_bytes((key or pair).key_pem())
        private.chmod(mode)
        return ["--cert", certificate, "--key", private], f"sslcert={certificate} sslkey={private}"

    def reload(self, hba, settings):
        (self.server.data / "pg_hba.conf").write_text(hba)
        self.server.stop("fast")
        (self.server.data / "postgresql.auto.conf").write_text("ssl = on\n" + settings)
        self.server.start()

    def explain(self, files, role, cause, state):
        root = self.directory / "root.crt"
        options, words = files or ([], "sslcert=/nonexistent/crt")
        done = subprocess.run([str(w) for w in (PGCERTCTL, "--json", "probe", f"127.0.0.1:{self.server.port}", "--name", "localhost", "--root", root, "--user", role,
                                                "--database", "postgres", *options)], capture_output=True, text=True, env=self.environment(), timeout=60)
        told = json.loads(done.stdout)
        with self.subTest(state):
            self.assertEqual(told["client_auth"]["cause"], cause, told["client_auth"])
            self.assertEqual(bool(told["client_auth"]["remedy"]), cause != "admitted")
            seen = {mode: self.connect(mode, "localhost", root, role, words) for mode in MODES}
            levels = {row["sslmode"]: ("encrypted" if row["encrypted"] else "plaintext") if row["connects"] else None for row in told["sslmode"]}
            self.assertEqual(levels, seen, (state, told["client_auth"]))
            self.assertEqual(done.returncode, 0 if cause == "admitted" else 1)
        return told

    def test_each_refusal_is_told_by_its_cause(self):
        self.server.sql("CREATE ROLE alice LOGIN")
        (self.directory / "root.crt").write_bytes(self.root.leaf_pem())
        pair = self.issuing.issue()
        for name, content in (("server.key", pair.key_pem()), ("server.crt", pair.chain_pem())):
            self.server.put(name, content)
        self.server.put("ca.crt", self.root.leaf_pem())
        issue = lambda ca=self.issuing, name="alice", **more: ca.issue([], name, usages=more.pop("usages", ["client"]), **more)
        alice = issue()
        good, bob = self.client("alice", alice), self.client("bob", issue(name="bob"))
        wanted = "local all all trust\nhostssl all all 127.0.0.1/32 trust clientcert=verify-full\nhostnossl all all 127.0.0.1/32 trust\n"
        for maximum in ("TLSv1.3", "TLSv1.2"):
            trusting = f"ssl_ca_file = 'ca.crt'\nssl_max_protocol_version = '{maximum}'\n"
            self.reload(wanted, trusting)
            told = self.explain(good, "alice", "admitted", f"{maximum}: the right one")
            self.assertEqual(told["client_cas"], ["CN=field root"])
            self.explain(None, "alice", "no-certificate", f"{maximum}: none")
            named = self.explain(bob, "alice", "name-mismatch", f"{maximum}: another name")["client_auth"]["why"]
            self.assertIn('"bob"', named)
            self.assertIn('"alice"', named)
            stranger = self.explain(self.client("other", issue(self.other)), "alice", "ca-not-trusted", f"{maximum}: another CA")["client_auth"]["why"]
            self.assertIn("another root", stranger)
            self.assertIn("field root", stranger)
            self.explain(self.client("bare", alice, pem=alice.leaf_pem()), "alice", "ca-not-trusted", f"{maximum}: without its intermediate")
            self.explain(self.client("old", issue(start=-9 * pki.DAY, life=8 * pki.DAY)), "alice", "certificate-expired", f"{maximum}: expired")
            self.explain(self.client("early", issue(start=2 * pki.DAY)), "alice", "certificate-not-yet-valid", f"{maximum}: of the future")
            self.explain(self.client("server", issue(usages=["server"])), "alice", "wrong-purpose", f"{maximum}: for servers")
            self.explain(self.client("open", alice, mode=0o644), "alice", "own-files", f"{maximum}: a key that others may read")
            self.explain(self.client("mixed", alice, key=bob_key(self.issuing)), "alice", "own-files", f"{maximum}: a key of another certificate")
            crls = lambda number: {"revoked": self.issuing.crl([number]) + self.root.crl(), "expired": self.issuing.crl(start=-9 * pki.DAY, life=8 * pki.DAY) + self.root.crl(), "one missing": self.issuing.crl()}
            for state, cause in (("revoked", "certificate-revoked"), ("expired", "crl-expired"), ("one missing", "chain-or-crl")):
                self.server.put("crl.pem", crls(alice.certificate.serial_number)[state])
                self.reload(wanted, trusting + "ssl_crl_file = 'crl.pem'\n")
                self.explain(good, "alice", cause, f"{maximum}: CRL {state}")
        self.reload("local all all trust\nhostssl all all 127.0.0.1/32 reject\n", "ssl_ca_file = 'ca.crt'\n")
        self.explain(good, "alice", "pg-hba", "a row refuses")
        self.reload("local all all trust\nhostssl all all 127.0.0.1/32 cert map=none\n", "ssl_ca_file = 'ca.crt'\n")
        self.explain(good, "alice", "authentication-failed", "a map without the name")


def bob_key(authority):
    return authority.issue([], "bob")


if __name__ == "__main__":
    unittest.main()

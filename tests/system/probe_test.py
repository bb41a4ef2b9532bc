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


class ProbeAgainstPsql(unittest.TestCase):
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
        self.compared = 0

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
        (self.server.data / "pg_hba.conf").write_text(hba)
        self.server.pg_ctl("reload")
        harness.poll(lambda: self.server.sql("SELECT count(*) FROM pg_hba_file_rules") == str(len(hba.splitlines())) and self.in_force(hba), "pg_hba.conf is in force")

    def in_force(self, hba):
        """The postmaster has the new rows once they, and no older ones, decide."""
        said = self.connect("disable", "localhost", None)
        return said == ("plaintext" if hba in (OPEN_HBA, ONLY_PLAINTEXT) else None)

    def environment(self):
        return {"HOME": str(self.directory / "home"), "PATH": os.environ["PATH"], "PGCONNECT_TIMEOUT": "10"}

    def connect(self, mode, name, root):
        """psql's own end: "encrypted", "plaintext" or None. A question for a password counts as let in."""
        words = f"host={name} hostaddr=127.0.0.1 port={self.server.port} user=postgres dbname=postgres sslmode={mode} sslrootcert={root or '/nonexistent/root.crt'}"
        done = subprocess.run(["psql", "-XAtwc", "SELECT CASE WHEN ssl THEN 'encrypted' ELSE 'plaintext' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()", words],
                              capture_output=True, text=True, env=self.environment(), timeout=60)
        if "no password supplied" in done.stderr:
            return "encrypted"   # the one row that asks for a password wants TLS
        return done.stdout.strip() or None

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
                self.assertEqual(told, seen, f"{state}, {trust}, {name}")
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


if __name__ == "__main__":
    unittest.main()

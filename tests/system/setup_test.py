"""pgcertctl setup on a real server in Debian's layout: what it shows, does, does not do twice, and gives back."""
import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import CAPABILITIES, PG_BIN, PGCERTCTL, PGCERTD, Postgres, account, as_user, free_port, needs_root, poll, quiet_run

DEBIAN = shutil.which("pg_createcluster") is not None and PG_BIN.parts[:4] == ("/", "usr", "lib", "postgresql")


class Debian:
    """A cluster of pg_createcluster with Debian's pg_hba.conf, under a name of its own; dropped again at the end."""

    def __init__(self, directory):
        self.version, self.name, self.port = PG_BIN.parent.name, f"pgcertd-test-{os.getpid()}-{free_port()}", free_port()
        self.data, self.sockets = directory / "data", directory / "sockets"
        user = account("postgres")
        self.sockets.mkdir()
        os.chown(self.sockets, user.pw_uid, user.pw_gid)
        quiet_run("pg_createcluster", "-p", self.port, "-s", self.sockets, "-d", self.data, "-l", directory / "log", self.version, self.name, "--", "--no-sync")
        self.config = pathlib.Path("/etc/postgresql") / self.version / self.name
        quiet_run("pg_ctlcluster", self.version, self.name, "start")

    def sql(self, sql):
        return quiet_run(*as_user(account("postgres")), PG_BIN / "psql", "-XAt", "-h", self.sockets, "-p", self.port, "-d", "postgres", "-c", sql, cwd="/").strip()

    def restart(self):
        quiet_run("pg_ctlcluster", self.version, self.name, "-m", "fast", "restart")

    def stop(self):
        quiet_run("pg_ctlcluster", self.version, self.name, "-m", "fast", "stop")

    def start(self):
        quiet_run("pg_ctlcluster", self.version, self.name, "start")

    def drop(self):
        with contextlib.suppress(AssertionError):
            quiet_run("pg_dropcluster", "--stop", self.version, self.name)


def served(port):
    """The SHA-256 of what openssl is served; None without TLS."""
    shown = subprocess.run(["openssl", "s_client", "-starttls", "postgres", "-connect", f"127.0.0.1:{port}"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    found = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=shown.stdout, capture_output=True)
    return found.stdout.decode() if found.returncode == 0 else None


def tree(*directories):
    """Path, mode, owner and content of everything below."""
    out = {}
    for path in sorted(p for d in directories for p in d.rglob("*")):
        seen = path.lstat()
        out[str(path)] = (seen.st_mode, seen.st_uid, path.read_bytes() if path.is_file() else None)
    return out


@needs_root
class Setup(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pgcertd-setup-"))
        self.directory.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.etc, self.system, self.state = (self.directory / n for n in ("etc", "system", "state of 100%"))
        self.config = self.etc / "pgcertd.toml"
        self.user = account("pgcertd")

    def setup(self, *more, data=None, stdin=subprocess.DEVNULL, root=True):
        here = ("--root-dir", self.directory / "root", "--no-passphrase") if root else ()
        words = [PGCERTCTL, "--config", self.config, "setup", "--data-directory", data or self.postgres.data, "--state-directory", self.state,
                 "--system-directory", self.system, *here, *more]
        return subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=120, stdin=stdin, start_new_session=True)

    def credentials(self):
        """The directory that systemd would make for the unit from the drop-in of setup."""
        drop_in = self.system / "systemd/system/pgcertd.service.d/setup.conf"
        found = re.findall(r"^LoadCredential=(.*?):(.*)$", drop_in.read_text() if drop_in.exists() else "", re.M)
        directory = self.directory / "credentials"
        directory.mkdir(exist_ok=True)
        os.chown(directory, self.user.pw_uid, -1)
        for name, path in found:
            shutil.copy(path, directory / name)
            os.chown(directory / name, self.user.pw_uid, -1)
        return directory

    def once(self, capabilities=CAPABILITIES):
        done = subprocess.run([str(w) for w in (*as_user(self.user, capabilities), PGCERTD, "--config", self.config, "--once")], capture_output=True, text=True, timeout=120,
                              env=os.environ | {"CREDENTIALS_DIRECTORY": str(self.credentials())})
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return done.stderr

    def debian(self):
        if not DEBIAN:
            self.skipTest("no pg_createcluster: not Debian's packages")
        self.postgres = Debian(self.directory)
        self.addCleanup(self.postgres.drop)

    def test_on_debian(self):
        self.debian()
        name = self.postgres.name

        with self.subTest("a dry run changes nothing and names each step"):
            before = tree(self.etc, self.system, self.state)
            done = self.setup("--dry-run")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            for words in (name, "to do", "pgcertd.toml", "role pgcertd", "issuing CA", "issuer.setup.toml", "setup.conf", "50-pgcertd-setup.rules"):
                self.assertIn(words, done.stdout)
            self.assertEqual(tree(self.etc, self.system, self.state), before)
            self.assertFalse((self.directory / "root").exists())
            self.assertEqual(self.postgres.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'pgcertd'"), "0")
            shown = json.loads(self.setup("--json").stdout)["clusters"][0]
            self.assertEqual((shown["name"], shown["version"], shown["port"], shown["owner"], shown["running"], shown["unit"]),
                             (name, int(self.postgres.version), self.postgres.port, "postgres", True, f"postgresql@{self.postgres.version}-{name}.service"))

        with self.subTest("without a terminal it asks for --yes"):
            done = self.setup()
            self.assertEqual(done.returncode, 5, done.stderr)
            self.assertIn("--yes", done.stderr)
            self.assertFalse(self.config.exists())

        with self.subTest("a step that fails stops it; running it again goes on"):
            (self.etc / "conf.d").mkdir(parents=True)
            mine = self.etc / "conf.d" / f"{name}.toml"
            mine.write_text("# mine\n")
            done = self.setup("--yes")
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn("is not a file of pgcertctl setup", done.stderr)
            self.assertIn("not done", done.stdout)
            self.assertEqual(mine.read_text(), "# mine\n")
            mine.unlink()

        done = self.setup("--yes")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("already so", done.stdout)
        (self.etc / "conf.d" / "zz-names.toml").write_text(f'[cluster.{name}]\nnames = ["localhost"]\ntakeover = "always"\n')
        self.assertEqual(quiet_run(PGCERTCTL, "--config", self.config, "config", "check").split()[1:3], ["is", "valid:"])
        self.assertEqual(pwd.getpwuid(self.state.stat().st_uid).pw_name, "pgcertd")
        shown = quiet_run(PGCERTCTL, "--config", self.config, "config", "show")
        self.assertIn(f'restart_command = "systemd:postgresql@{self.postgres.version}-{name}.service"', shown)
        rule = (self.system / "polkit-1/rules.d/50-pgcertd-setup.rules").read_text()
        self.assertIn(f'["postgresql@{self.postgres.version}-{name}.service"]', rule)
        drop_in = (self.system / "systemd/system/pgcertd.service.d/setup.conf").read_text()
        self.assertIn('ReadWritePaths="{}"'.format(str(self.state).replace("%", "%%")), drop_in, "a specifier else: systemd.unit(5)")

        with self.subTest("the issuing CA's key has a passphrase that only the unit gets"):
            credential = self.system / "credstore/pgcertd-issuing-ca"
            self.assertIn(f"LoadCredential=issuing-ca:{credential}\n", drop_in)
            self.assertEqual([(p.stat().st_uid, p.stat().st_mode & 0o777) for p in (credential, credential.parent)], [(0, 0o600), (0, 0o700)])
            self.assertGreaterEqual(len(credential.read_text()), 32)
            self.assertIn("ENCRYPTED PRIVATE KEY", (self.state / "ca/issuing.key").read_text())
            self.assertIn('passphrase = "credential:issuing-ca"', shown)
            quiet_run("openssl", "pkey", "-in", self.state / "ca/issuing.key", "-passin", f"file:{credential}", "-noout")

        with self.subTest("pgcertd proves a certificate with what setup made"):
            self.once()
            root = self.directory / "root.crt"
            shutil.copy(self.state / "ca" / "root.crt", root)
            root.chmod(0o644)
            done = subprocess.run([PGCERTCTL, "probe", f"localhost:{self.postgres.port}", "--root", root], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

        with self.subTest("a second run changes nothing"):
            before = tree(self.etc, self.system, self.directory / "root", self.state)
            done = self.setup("--yes")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("Nothing is left to do", done.stdout)
            self.assertNotIn("to do ", done.stdout)
            self.assertEqual(tree(self.etc, self.system, self.directory / "root", self.state), before)

        with self.subTest("a pg_hba.conf that keeps the daemon out is not edited: the line stands in the remedy"):
            hba = self.postgres.config / "pg_hba.conf"
            before = hba.read_text()
            hba.write_text("local all postgres peer\nlocal all all reject\n" + before)
            self.postgres.sql("SELECT pg_reload_conf()")
            done = self.setup("--yes")
            self.assertEqual(done.returncode, 5, done.stdout + done.stderr)
            self.assertIn('local all "pgcertd" peer', done.stderr)
            self.assertIn(str(hba), done.stderr)
            hba.write_text('local all "pgcertd" peer\n' + hba.read_text())
            self.postgres.sql("SELECT pg_reload_conf()")
            self.assertEqual(self.setup("--yes").returncode, 0)

    def test_several_clusters_in_one_go(self):
        """One of Debian's and two plain directories, each with a name of its own; the daemon then proves all of them."""
        self.debian()
        plain = []
        for name in ("sales", "stock"):
            directory = self.directory / name
            directory.mkdir()
            os.chown(directory, account("postgres").pw_uid, -1)
            server = Postgres(directory)
            server.start()
            self.addCleanup(server.end)
            plain.append(server)
        directories = [word for server in plain for word in ("--data-directory", server.data)]
        done = self.setup("--yes", *directories)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        files = sorted(path.stem for path in (self.etc / "conf.d").iterdir() if path.stem != "issuer.setup")
        self.assertEqual(len(files), 3, files)
        self.assertIn(self.postgres.name, files)
        (self.etc / "conf.d" / "zz-names.toml").write_text("".join(f'[cluster.{name}]\nnames = ["localhost"]\ntakeover = "always"\n' for name in files))
        self.once()
        root = self.directory / "root.crt"
        shutil.copy(self.state / "ca" / "root.crt", root)
        root.chmod(0o644)
        for port in (self.postgres.port, *(server.port for server in plain)):
            done = subprocess.run([PGCERTCTL, "probe", f"localhost:{port}", "--root", root], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        before = tree(self.etc, self.system)
        done = self.setup("--yes", *directories)
        self.assertIn("Nothing is left to do", done.stdout, done.stdout + done.stderr)
        self.assertEqual(tree(self.etc, self.system), before)
        with self.subTest("one that came later is added beside them, and may stop at a server that is down"):
            plain[1].stop("fast")
            done = self.setup("--dry-run", *directories)
            self.assertIn("down", done.stdout)

    def test_a_server_that_is_down_and_a_wrong_directory(self):
        os.chown(self.directory, account("postgres").pw_uid, -1)
        self.postgres = Postgres(self.directory)
        done = self.setup("--yes", "--superuser", "postgres")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("start PostgreSQL", done.stderr)
        self.assertEqual([p.name for p in (self.etc / "conf.d").iterdir()], ["issuer.setup.toml"], "no cluster is configured before its role is there")
        done = self.setup("--yes", data="/etc")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("/etc/PG_VERSION", done.stderr)

    def test_a_path_that_clashes_is_never_written(self):
        """The state directory inside the data directory: the configuration as a whole would be refused."""
        os.chown(self.directory, account("postgres").pw_uid, -1)
        self.postgres = Postgres(self.directory)
        self.postgres.start()
        self.addCleanup(self.postgres.end)
        self.state = self.postgres.data / "state"
        done = self.setup("--yes", "--superuser", "postgres")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("lie in one another", done.stderr)
        self.assertEqual([p.name for p in (self.etc / "conf.d").iterdir()], ["issuer.setup.toml"])

    def plain(self):
        os.chown(self.directory, account("postgres").pw_uid, -1)
        self.postgres = Postgres(self.directory)
        self.postgres.start()
        self.addCleanup(self.postgres.end)

    def root_elsewhere(self):
        """A root that was made on another machine; its certificate, and a visit of its key."""
        elsewhere = self.directory / "elsewhere"
        quiet_run(PGCERTCTL, "ca", "init", "--root-dir", elsewhere, "--no-passphrase")
        (elsewhere / "policy.toml").write_text("".join(f'[{profile}]\nnew_keys = "allow"\n' for profile in ("server", "issuing")))
        return elsewhere / "root.crt", lambda request: quiet_run(PGCERTCTL, "--yes", "ca", "session", "--root-dir", elsewhere, request, "-o", self.directory / "back.pem")

    def name_it(self):
        """What the daemon is called by, and where it runs in a test."""
        name = next(p.stem for p in (self.etc / "conf.d").iterdir() if "." not in p.stem)
        (self.etc / "conf.d" / "zz.toml").write_text(f'[daemon]\nruntime_directory = "{self.state}/run"\n[http]\nlisten = []\n[cluster.{name}]\nnames = ["localhost"]\n')
        return name

    def imported(self, what):
        """By a daemon that runs as its unit would, which proves a certificate then."""
        words = [str(w) for w in (*as_user(self.user, CAPABILITIES), PGCERTD, "--config", self.config)]
        with subprocess.Popen(words, stderr=subprocess.DEVNULL, env=os.environ | {"CREDENTIALS_DIRECTORY": str(self.credentials())}) as daemon:
            ctl = lambda *words: subprocess.run([str(w) for w in (PGCERTCTL, "--config", self.config, *words)], capture_output=True, text=True, timeout=60)
            try:
                poll((self.state / "run" / "control.sock").exists, "the daemon is there")
                what(ctl)
                poll(lambda: served(self.postgres.port), "a certificate is served", context=lambda: ctl("status").stdout)
            finally:
                daemon.terminate()
        root = self.directory / "elsewhere" / "root.crt"
        shutil.copy(root, self.directory / "root.crt")
        done = subprocess.run([PGCERTCTL, "probe", f"localhost:{self.postgres.port}", "--root", self.directory / "root.crt"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_an_issuing_ca_below_a_root_that_is_elsewhere(self):
        self.plain()
        root, visit = self.root_elsewhere()
        done = self.setup("--yes", "--superuser", "postgres", "--root-cert", root, root=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("root's SHA-256", done.stdout)
        self.assertFalse((self.state / "ca/issuing.crt").exists())
        self.assertIn("ENCRYPTED PRIVATE KEY", (self.state / "ca/issuing.key").read_text())
        again = self.setup("--yes", "--superuser", "postgres", "--root-cert", root, root=False)
        self.assertIn("Nothing is left to do", again.stdout, again.stdout + again.stderr)
        self.name_it()
        visit(self.state / "ca/issuing.csr")
        self.imported(lambda ctl: poll(lambda: ctl("request", "import", self.directory / "back.pem").returncode == 0, "it is taken", context=lambda: ctl("request", "import", self.directory / "back.pem").stderr))

    def test_an_offline_root_signs_the_servers_itself(self):
        self.plain()
        root, visit = self.root_elsewhere()
        self.assertEqual(self.setup("--yes", "--issuer", "offline", root=False).returncode, 2)
        done = self.setup("--yes", "--superuser", "postgres", "--issuer", "offline", "--root-cert", root, root=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("compare its SHA-256", done.stdout)
        self.assertFalse((self.state / "ca").exists(), "no CA's key is on this host")
        self.assertFalse((self.system / "credstore").exists())
        again = self.setup("--yes", "--superuser", "postgres", "--issuer", "offline", "--root-cert", root, root=False)
        self.assertIn("Nothing is left to do", again.stdout, again.stdout + again.stderr)
        self.name_it()
        requests = self.directory / "requests"
        requests.mkdir()

        def carry(ctl):
            poll(lambda: ctl("request", "export", "-o", requests).returncode == 0 and list(requests.iterdir()), "a request waits", context=lambda: ctl("status").stdout)
            visit(requests)
            done = ctl("request", "import", self.directory / "back.pem")
            self.assertEqual(done.returncode, 0, done.stderr)
        self.imported(carry)

        with self.subTest("another type is refused beside it, and an undo takes all of it back"):
            done = self.setup("--yes", "--superuser", "postgres", "--issuer", "self-signed", root=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("not of type self-signed", done.stdout + done.stderr)
            done = self.setup("--undo", "--yes", "--superuser", "postgres", root=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(sorted(p.name for p in self.etc.rglob("*") if p.is_file()), ["zz.toml"])

    def test_a_server_that_signs_itself(self):
        self.plain()
        done = self.setup("--yes", "--superuser", "postgres", "--issuer", "self-signed", root=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertFalse((self.state / "ca").exists())
        self.name_it()
        self.once()
        self.assertIsNotNone(served(self.postgres.port))

    def test_a_credential_that_is_there_is_used_again(self):
        """A CA that is to come back from a backup needs the passphrase that it had."""
        self.plain()
        (self.system / "credstore").mkdir(parents=True)
        credential = self.system / "credstore/pgcertd-issuing-ca"
        credential.write_text("sesame")
        credential.chmod(0o644)
        done = self.setup("--yes", "--superuser", "postgres")
        self.assertEqual(done.returncode, 5, done.stdout + done.stderr)
        self.assertIn("others may read", done.stderr)
        self.assertFalse((self.state / "ca").exists())
        credential.chmod(0o600)
        done = self.setup("--yes", "--superuser", "postgres")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(credential.read_text(), "sesame")
        quiet_run("openssl", "pkey", "-in", self.state / "ca/issuing.key", "-passin", "pass:sesame", "-noout")

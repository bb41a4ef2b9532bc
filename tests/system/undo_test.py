"""pgcertctl setup --undo on a real server: PostgreSQL serves again what it served, and nothing of setup is left but the CA."""
import os
import pathlib
import shutil
import subprocess
import types
import unittest

from harness import CAPABILITIES, PG_BIN, PGCERTCTL, PGCERTD, ROOT, Postgres, account, as_user, needs_root, poll, quiet_run
from in_place_test import install
import setup_test
from setup_test import served, tree

def versions(*majors):
    """Major version and the directory of its programs, of those that versions_test.py takes."""
    lines = quiet_run(ROOT / "tests/tools/pg_versions", ROOT / "build/pg-versions", *majors).splitlines()
    return [(int(major), pathlib.Path(path)) for major, path in (line.split() for line in lines)]


MANAGED = ("ssl", "ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file")


@needs_root
class Undo(unittest.TestCase):
    setUp = setup_test.Setup.setUp
    setup, once, debian, credentials = setup_test.Setup.setup, setup_test.Setup.once, setup_test.Setup.debian, setup_test.Setup.credentials

    def settings(self):
        return {name: self.postgres.sql(f"SHOW {name}") for name in MANAGED}

    def taken_over(self, *more, extra="", **options):
        """A cluster that setup has prepared and pgcertd has given a certificate."""
        done = self.setup("--yes", *more)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        name = next(p.stem for p in (self.etc / "conf.d").iterdir() if "." not in p.stem)
        (self.etc / "conf.d" / "zz-names.toml").write_text(f'[cluster.{name}]\nnames = ["localhost"]\ntakeover = "always"\n{extra}')
        self.once(**options)
        return name

    def everything(self):
        """But for the number of the process that looked last."""
        return {path: seen for path, seen in tree(self.etc, self.system, self.state).items() if path != str(self.state / "lock")}

    def undone(self, *more):
        done = self.setup("--undo", "--yes", *more)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def plain(self, tls=False, binaries=PG_BIN):
        """A server that is no package's; with a pair in its data directory, or without TLS."""
        os.chown(self.directory, account("postgres").pw_uid, -1)
        self.postgres = Postgres(self.directory, binaries=binaries)
        if tls:
            install(types.SimpleNamespace(postgres=self.postgres, server_user=account("postgres")))
            self.postgres.configure("ssl = on")
        self.postgres.start()
        self.addCleanup(self.postgres.end)
        return ("--superuser", "postgres")

    def served(self):
        return served(self.postgres.port)

    def test_debian_s_own_certificate_is_served_again(self):
        self.debian()
        before, old = self.settings(), self.served()
        auto_conf = (self.postgres.data / "postgresql.auto.conf").read_text()
        self.taken_over()
        self.assertNotEqual(self.served(), old)
        self.assertNotEqual(self.settings(), before)

        with self.subTest("a dry run shows it and changes nothing"):
            files, now = self.everything(), self.settings()
            done = self.setup("--undo", "--dry-run")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            for words in ("ssl_cert_file", "drop it", "mark it as unused", "setup.conf"):
                self.assertIn(words, done.stdout)
            self.assertEqual((self.everything(), self.settings()), (files, now))

        with self.subTest("not while a daemon runs"):
            words = [str(w) for w in (*as_user(self.user, CAPABILITIES), PGCERTD, "--config", self.config)]
            (self.etc / "conf.d" / "zz-run.toml").write_text(f'[daemon]\nruntime_directory = "{self.state}/run"\n[http]\nlisten = []\n')
            with subprocess.Popen(words, stderr=subprocess.DEVNULL) as daemon:
                try:
                    poll((self.state / "run" / "control.sock").exists, "the daemon holds its state")
                    done = self.setup("--undo", "--yes")
                    self.assertNotEqual(done.returncode, 0, done.stdout)
                    self.assertIn("systemctl disable --now pgcertd", done.stdout + done.stderr)
                    self.assertEqual(self.settings(), now)
                finally:
                    daemon.terminate()

        self.undone()
        self.assertEqual((self.settings(), self.served()), (before, old))
        self.assertEqual((self.postgres.data / "postgresql.auto.conf").read_text(), auto_conf)
        self.postgres.restart()
        self.assertEqual(self.served(), old)
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'pgcertd'"), "0")
        self.assertEqual(sorted(p.name for p in (self.etc / "conf.d").iterdir()), ["zz-names.toml", "zz-run.toml"], "what setup did not write stays")
        self.assertFalse(self.config.exists())
        self.assertEqual([p.name for p in self.system.rglob("*") if p.is_file()], ["pgcertd-issuing-ca"], "without it the CA's key, which stays, could not be opened")
        self.assertTrue((self.state / "ca" / "issuing.key").exists())
        self.assertTrue((self.state / "unused").exists())

        with self.subTest("once more there is nothing left to do; and setup begins anew"):
            for path in (self.etc / "conf.d").iterdir():
                path.unlink()
            self.assertIn("Nothing is left to do", self.undone())
            self.taken_over()
            self.assertFalse((self.state / "unused").exists())
            self.assertNotEqual(self.served(), old)
            self.undone()
            self.assertEqual((self.settings(), self.served()), (before, old))

    def test_a_server_without_tls(self):
        more = self.plain()
        before = self.settings()
        self.taken_over(*more)
        self.assertIsNotNone(self.served())
        self.undone(*more)
        self.assertEqual((self.settings(), self.served()), (before, None))
        self.postgres.restart()

    def test_before_postgresql_15_its_file_in_conf_d_goes(self):
        """ALTER SYSTEM is a superuser's alone there: the daemon writes into a directory that postgresql.conf includes."""
        for major, binaries in versions("10", "14"):
            for tls in (False, True):
                with self.subTest(f"PostgreSQL {major}, {'a pair of its own' if tls else 'no TLS'}"):
                    self.setUp()
                    more = self.plain(tls=tls, binaries=binaries)
                    conf_d = self.directory / "postgresql-conf.d"
                    conf_d.mkdir()
                    os.chown(conf_d, self.user.pw_uid, -1)
                    self.postgres.configure(f"include_dir = '{conf_d}'")
                    self.postgres.sql("SELECT pg_reload_conf()")
                    (self.etc / "conf.d").mkdir(parents=True)
                    before, old = self.settings(), self.served()
                    (self.etc / "conf.d/directories.conf.toml").write_text(f'[daemon]\nallowed_directories = ["{conf_d}"]\n')
                    self.etc.joinpath("pgcertd.toml").write_text(f'[daemon]\nstate_directory = "{self.state}"\n')
                    self.taken_over(*more)
                    self.assertEqual(len(list(conf_d.iterdir())), 1)
                    self.assertNotEqual(self.served(), old)
                    self.undone(*more)
                    self.assertEqual((self.settings(), self.served()), (before, old))
                    self.assertEqual(list(conf_d.iterdir()), [])
                    self.postgres.restart()
                    self.assertEqual(self.served(), old)
                    self.postgres.end()

    def test_paths_in_place_have_their_files_again(self):
        more = self.plain(tls=True)
        before, old, key = self.settings(), self.served(), (self.postgres.data / "server.key").read_bytes()
        self.taken_over(*more, extra='layout = "in-place"\n', capabilities=(*CAPABILITIES, "dac_override"))
        self.assertTrue((self.postgres.data / "server.key").is_symlink())
        self.undone(*more)
        self.assertEqual((self.settings(), self.served()), (before, old))
        self.assertEqual((self.postgres.data / "server.key").read_bytes(), key)
        self.assertFalse((self.postgres.data / "server.key").is_symlink())
        self.assertEqual([p.name for p in self.postgres.data.glob("*pgcertd*")], [])
        self.postgres.restart()
        self.assertEqual(self.served(), old)

    def test_files_that_are_gone_leave_the_server_as_it_is(self):
        more = self.plain(tls=True)
        self.taken_over(*more)
        old, settings = self.served(), self.settings()
        (self.postgres.data / "server.key").unlink()
        done = self.setup("--undo", "--yes", *more)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("SSL configuration was not reloaded", done.stderr)
        self.assertEqual((self.settings(), self.served()), (settings, old))
        self.assertTrue(self.config.exists())
        self.assertFalse((self.state / "unused").exists())
        self.postgres.restart()
        self.assertEqual(self.served(), old)

    def test_a_role_that_owns_something_is_kept(self):
        more = self.plain()
        self.taken_over(*more)
        self.postgres.sql("CREATE TABLE theirs (); ALTER TABLE theirs OWNER TO pgcertd")
        done = self.setup("--undo", "--yes", *more)
        self.assertEqual(done.returncode, 5, done.stdout)
        self.assertIn("REASSIGN OWNED", done.stderr)
        self.assertEqual(self.postgres.sql("SELECT count(*) FROM pg_class WHERE relname = 'theirs'"), "1")


if __name__ == "__main__":
    unittest.main()

"""The packages on a Debian with a booted systemd and its PostgreSQL: from apt install to purge. The tests of one class share a machine
and run in the order of their names, as the life of a host has an order."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from machine import Machine, Unavailable, base_tarball, check_available, depends_of, poll, sh

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLUSTER = "postgresql@15-main.service"
STATE = "/var/lib/pgcertd"


def with_version(deb, version, directory):
    """The same package under another version, as the next build of it would be."""
    with tempfile.TemporaryDirectory() as work:
        sh("dpkg-deb", "-R", deb, work)
        control = pathlib.Path(work) / "DEBIAN/control"
        control.write_text(re.sub(r"(?m)^(Version: ).*$", rf"\g<1>{version}", re.sub(r"pgcertctl \(= [^)]*\)", f"pgcertctl (= {version})", control.read_text())))
        out = directory / re.sub(r"_[^_]*_", f"_{version}_", deb.name)
        sh("dpkg-deb", "--root-owner-group", "-b", work, out)
        return out


class OnAMachine(unittest.TestCase):
    """Packages are in PGCERTD_DEBS, a directory; the machine's base is kept in build/testbed."""

    @classmethod
    def setUpClass(cls):
        try:
            check_available()
        except Unavailable as why:
            raise unittest.SkipTest(f"no systemd can be booted here: {why}") from why
        directory = pathlib.Path(os.environ["PGCERTD_DEBS"])
        cls.debs = [next(directory.glob(f"{name}_*.deb")) for name in ("pgcertctl", "pgcertd")]
        cls.machine = Machine(base_tarball(ROOT / "build/testbed", depends_of(cls.debs)))
        cls.addClassCleanup(cls.machine.destroy)
        cls.machine.boot()

    def setUp(self):
        if getattr(type(self), "broken", None):
            self.skipTest(f"{type(self).broken} failed, and this builds on it")

    def tearDown(self):
        outcome = self._outcome.result
        if any(test is self or getattr(test, "test_case", None) is self for test, _ in outcome.failures + outcome.errors):
            type(self).broken = self._testMethodName

    # ---- words of the tests
    def run_(self, *words, **more):
        return self.machine.exec(*words, **more)

    def out(self, *words, **more):
        return self.machine.out(*words, **more)

    def install(self, debs):
        for deb in debs:
            shutil.copy(deb, self.machine.path("/var/tmp"))
        return self.run_("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--allow-downgrades", *(f"/var/tmp/{deb.name}" for deb in debs))

    def ctl(self, *words, **more):
        return self.run_("pgcertctl", *words, **more)

    def status(self):
        done = self.ctl("--json", "status", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def cluster(self):
        status = self.status()
        return status["clusters"][0] if status and status["clusters"] else None

    def served_serial(self, port=5432):
        """By a handshake that knows nothing of pgcertd."""
        shown = self.run_("sh", "-c", f"openssl s_client -starttls postgres -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 -noout -serial", check=False).stdout
        return shown.strip().partition("=")[2].lower()

    def problems(self):
        status = self.status()
        return [p for part in (status, *status["clusters"]) for p in part["problems"]] if status else []

    def wait_proved(self, but=None, seconds=60):
        def proved():
            cluster = self.cluster()
            return cluster and cluster["rotation"]["stage"] == "proved" and cluster["certificate"] and cluster["certificate"]["serial"] not in (but, None) and \
                cluster["served"] and all(one["matches_file"] for one in cluster["served"]) and cluster
        return poll(proved, "proved", seconds, self.story)

    def wait_problem(self, code, there=True, seconds=60):
        def holds():
            cluster = self.cluster()
            return cluster and any(p["code"] == code for p in cluster["problems"]) == there and cluster
        return poll(holds, f"{code} {'stands' if there else 'goes'}", seconds, self.story)

    def story(self):
        return self.run_("journalctl", "-u", "pgcertd", "-n", "60", "-o", "cat", check=False).stdout

    def verify_full(self):
        return self.out("runuser", "-u", "nobody", "--", "psql", "host=localhost dbname=postgres user=probe sslmode=verify-full sslrootcert=/var/tmp/root.crt", "-XAtc", "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")

    def pid_of(self, unit):
        # 0 until systemd has read the PID file of a server that was just restarted.
        return poll(lambda: int(self.out("systemctl", "show", "-P", "MainPID", unit)), f"a main process of {unit}", 20)

    def restarts(self, unit="pgcertd"):
        return int(self.out("systemctl", "show", "-P", "NRestarts", unit))

    def last_ping(self):
        """When the watchdog was fed last, in microseconds."""
        return int(self.out("systemctl", "show", "-P", "WatchdogTimestampMonotonic", "pgcertd"))

    def sql(self, text):
        return self.out("psql", "-XAtc", text, user="postgres")

    def set_up(self, *more):
        """As the README says it."""
        self.install(self.debs)
        self.run_("pgcertctl", "--yes", "setup", "--no-passphrase", *more)
        self.run_("systemctl", "daemon-reload")
        self.run_("systemctl", "enable", "--now", "pgcertd")
        self.wait_proved()
        self.run_("install", "-m", "0644", "/root/pgcertd-root/root.crt", "/var/tmp/root.crt")
        self.sql("CREATE ROLE probe LOGIN")
        hba = self.sql("SHOW hba_file")
        self.run_("sed", "-i", "1i hostssl all probe 127.0.0.1/32 trust\\nhostssl all probe ::1/128 trust", hba)
        self.sql("SELECT pg_reload_conf()")


class Life(OnAMachine):
    def test_01_installing_starts_nothing(self):
        self.install(self.debs)
        self.assertEqual(self.out("systemctl", "is-enabled", "pgcertd", check=False), "disabled")
        self.assertEqual(self.out("systemctl", "is-active", "pgcertd", check=False), "inactive")
        self.assertEqual(self.out("stat", "-c", "%U %a", STATE), "pgcertd 711")
        self.assertEqual(self.out("systemctl", "is-active", CLUSTER), "active")
        self.assertIn("pgcertd.toml", self.out("dpkg-query", "-W", "-f", "${Conffiles}", "pgcertd"))
        self.run_("systemd-analyze", "verify", "--man=no", "pgcertd.service")
        exposure = self.out("systemd-analyze", "security", "--no-pager", "pgcertd.service", check=False).splitlines()[-1]
        level = float(re.search(r"(\d+\.\d)", exposure).group(1))
        print(f"exposure {level}")
        self.assertLessEqual(level, 2.0)

    def test_02_setup_and_enable(self):
        shown = self.ctl("setup", "--dry-run", "--no-passphrase").stdout
        self.assertIn("main", shown)
        self.assertFalse(self.machine.path("/etc/pgcertd/conf.d").exists(), "a dry run writes nothing")
        self.set_up()
        print(f"exposure with the drop-ins of setup: {self.out('systemd-analyze', 'security', '--no-pager', 'pgcertd.service', check=False).splitlines()[-1].strip()}")
        self.assertRegex(self.verify_full(), r"^TLSv1\.[23]$")
        again = self.ctl("setup", "--dry-run", "--no-passphrase").stdout
        self.assertNotIn("to do", again)
        again = self.ctl("--yes", "setup", "--no-passphrase").stdout
        self.assertIn("Nothing is left to do", again)
        self.assertIn("cluster main at 127.0.0.1:5432", again, "doctor has looked")
        self.assertEqual(self.ctl("check").returncode, 0)

    def test_03_a_rotation_is_told_to_the_journal(self):
        before = self.served_serial()
        self.ctl("rotate", "main", "--force", "--wait")
        self.assertNotEqual(self.served_serial(), before)
        self.verify_full()
        rows = [json.loads(line) for line in self.out("journalctl", "-u", "pgcertd", "-o", "json").splitlines()]
        ours = [row for row in rows if row.get("MESSAGE_ID") and row.get("_COMM") == "pgcertd"]
        self.assertTrue(ours)
        self.assertTrue(any(row.get("PGCERTD_CLUSTER") == "main" for row in ours), sorted(ours[-1]))

    def test_04_keys_are_the_daemon_s_and_it_writes_nowhere_else(self):
        for path in (f"{STATE}/ca/issuing.key", "/root/pgcertd-root/root.key"):
            self.assertNotEqual(self.run_("cat", path, user="postgres", check=False).returncode, 0, path)
            self.assertEqual(self.run_("cat", path).returncode, 0, path)
        # Root is stopped by no mode: what stops it is how the unit's files are mounted. What the daemon's own user may is tried in confined_test.py.
        inside = ["nsenter", "-t", str(self.pid_of("pgcertd")), "-m", "--"]
        for path in ("/etc/x", "/usr/x", "/var/x", "/var/lib/postgresql/15/main/x", "/root/x", "/boot/x", "/var/lib/x", "/etc/pgcertd/x"):
            done = self.run_(*inside, "touch", path, check=False)
            self.assertNotEqual(done.returncode, 0, path)
            self.assertIn("Read-only file system", done.stderr, path)
        self.run_(*inside, "touch", f"{STATE}/x")
        self.run_("rm", f"{STATE}/x")

    def test_05_owner_and_mode_are_repaired(self):
        key = self.sql("SHOW ssl_key_file")
        real = self.out("readlink", "-f", key)
        for spoil in (("chmod", "0644", real), ("chown", "root:root", real)):
            self.run_(*spoil)
            poll(lambda: self.out("stat", "-c", "%U %a", real) in ("postgres 600", "pgcertd 640", "root 640") and self.out("stat", "-c", "%a", real) in ("600", "640"), f"{spoil} is repaired", 60, self.story)
        self.run_("systemctl", "reload", CLUSTER)
        self.verify_full()

    def test_06_the_control_socket_refuses_strangers(self):
        self.assertEqual(self.run_("pgcertctl", "pause", "main", "--for", "1h", "--reason", "x", user="nobody", check=False).returncode, 77)
        self.run_("adduser", "--system", "--ingroup", "pgcertd", "--no-create-home", "--quiet", "operator")
        self.run_("pgcertctl", "status", user="operator")
        self.assertEqual(self.run_("curl", "-sf", "http://127.0.0.1:9847/livez").returncode, 0)

    def test_07_reload_over_the_bus_where_sql_may_not(self):
        self.machine.write("/etc/pgcertd/conf.d/zz-bus.toml", f'[cluster.main]\nreload = "systemd:{CLUSTER}"\n')
        self.run_("systemctl", "reload", "pgcertd")
        self.sql("REVOKE EXECUTE ON FUNCTION pg_reload_conf() FROM pgcertd")
        before, postgres = self.served_serial(), self.pid_of(CLUSTER)
        self.ctl("rotate", "main", "--force", "--wait")
        self.assertNotEqual(self.served_serial(), before)
        self.assertEqual(self.pid_of(CLUSTER), postgres)
        self.assertRegex(self.out("journalctl", "-u", CLUSTER, "-n", "5", "-o", "cat"), "(?i)reload")
        self.run_("rm", "/etc/pgcertd/conf.d/zz-bus.toml")
        self.sql("GRANT EXECUTE ON FUNCTION pg_reload_conf() TO pgcertd")
        self.run_("systemctl", "reload", "pgcertd")

    def test_08_a_bad_configuration_is_refused_at_reload(self):
        self.run_("sh", "-c", "echo 'nonsense = 1' > /etc/pgcertd/conf.d/zz.toml")
        self.run_("systemctl", "reload", "pgcertd")
        poll(lambda: any(p["code"] == "config-invalid" for p in self.status()["problems"]), "config-invalid stands", 30, self.story)
        self.assertEqual(self.out("systemctl", "is-active", "pgcertd"), "active")
        self.run_("rm", "/etc/pgcertd/conf.d/zz.toml")
        self.run_("systemctl", "reload", "pgcertd")
        poll(lambda: not any(p["code"] == "config-invalid" for p in self.status()["problems"]), "config-invalid goes", 30, self.story)

    def test_09_a_daemon_that_hangs_is_restarted_and_goes_on(self):
        self.machine.write("/etc/systemd/system/pgcertd.service.d/quick.conf", "[Service]\nWatchdogSec=6s\nRestartSec=1s\n")
        self.run_("systemctl", "daemon-reload")
        self.run_("systemctl", "restart", "pgcertd")
        self.wait_proved()
        before, postgres = self.restarts(), self.pid_of(CLUSTER)
        self.run_("kill", "-STOP", self.pid_of("pgcertd"))
        poll(lambda: self.restarts() > before, "the watchdog bites", 60, self.story)
        self.wait_proved()
        self.assertEqual(self.pid_of(CLUSTER), postgres)
        with self.subTest("a PostgreSQL that hangs does not end pgcertd"):
            self.machine.write("/etc/pgcertd/conf.d/zz-often.toml", '[daemon]\ncheck_interval = "5s"\n')
            self.run_("systemctl", "reload", "pgcertd")
            before = self.restarts()
            self.run_("pkill", "-STOP", "-u", "postgres")
            try:
                self.wait_problem("server-unreachable", seconds=120)
                hung = self.last_ping()
                poll(lambda: self.last_ping() > hung + 18e6, "three times as long as the watchdog waits, it is fed", 120, self.story)
                self.assertEqual(self.restarts(), before, self.story())
            finally:
                self.run_("pkill", "-CONT", "-u", "postgres")
            self.wait_problem("server-unreachable", there=False, seconds=180)
        self.run_("rm", "/etc/systemd/system/pgcertd.service.d/quick.conf", "/etc/pgcertd/conf.d/zz-often.toml")
        self.run_("systemctl", "daemon-reload")
        self.run_("systemctl", "restart", "pgcertd")

    def restarted_with(self, drop_in):
        """Whether the daemon starts with these lines in its unit."""
        self.machine.write("/etc/systemd/system/pgcertd.service.d/zz-credential.conf", "[Service]\nRestart=no\nLoadCredential=\nLoadCredentialEncrypted=\n" + drop_in)
        self.run_("systemctl", "daemon-reload")
        self.run_("systemctl", "stop", "pgcertd")
        return self.run_("systemctl", "start", "pgcertd", check=False).returncode == 0

    def test_10_the_issuing_key_s_passphrase_is_a_credential(self):
        sealed = "/etc/credstore.encrypted/pgcertd-issuing-ca"
        self.assertIn("ENCRYPTED PRIVATE KEY", self.out("cat", f"{STATE}/ca/issuing.key"))
        self.assertEqual(self.out("stat", "-c", "%U %a", sealed, "/etc/credstore.encrypted").split("\n"), ["root 600", "root 700"])
        for user in ("postgres", "pgcertd"):
            self.assertNotEqual(self.run_("cat", sealed, user=user, check=False).returncode, 0, user)
        self.assertIn(f"LoadCredentialEncrypted=issuing-ca:{sealed}", self.out("cat", "/etc/systemd/system/pgcertd.service.d/setup.conf"))
        self.run_("sh", "-c", f"umask 077; mkdir -p /etc/credstore; systemd-creds decrypt --name=issuing-ca {sealed} /etc/credstore/word; printf sesame >/etc/credstore/wrong; head -c 200 {sealed} >/etc/credstore/cut")
        word = self.out("cat", "/etc/credstore/word")
        self.assertEqual(len(word), 64)
        self.assertNotIn(word, self.run_("sh", "-c", "journalctl -o cat; cat /etc/pgcertd/conf.d/* /etc/systemd/system/pgcertd.service.d/*").stdout)
        before, postgres = self.served_serial(), self.pid_of(CLUSTER)

        with self.subTest("one that is gone or was cut keeps the daemon down, says so, and PostgreSQL serves on"):
            for line in ("LoadCredential=issuing-ca:/etc/credstore/gone\n", "LoadCredentialEncrypted=issuing-ca:/etc/credstore/cut\n"):
                self.assertFalse(self.restarted_with(line), line)
                self.assertEqual(self.out("systemctl", "show", "-P", "ExecMainStatus", "pgcertd"), "243", "systemd's own word for credentials")
                poll(lambda: "Failed to set up credentials" in self.out("journalctl", "-u", "pgcertd", "-n", "20", "-o", "cat"), "the journal says it", 20, self.story)
                self.assertEqual((self.served_serial(), self.pid_of(CLUSTER)), (before, postgres))
                self.verify_full()

        with self.subTest("without one, or with another's, the daemon looks on and says what it cannot do"):
            for line, words in (("", "credential"), ("LoadCredential=issuing-ca:/etc/credstore/wrong\n", "passphrase")):
                self.assertTrue(self.restarted_with(line), line)
                self.run_("pgcertctl", "rotate", "main", "--force", check=False)
                problem = poll(lambda: next((p for p in self.problems() if p["code"] == "issuer-failed"), None), "issuer-failed stands", 60, self.story)
                self.assertIn(words, problem["message"])
                self.assertTrue(problem["remedy"])
                self.assertEqual((self.served_serial(), self.pid_of(CLUSTER)), (before, postgres))
                self.verify_full()

        with self.subTest("a file that only root may read, where nothing can be encrypted"):
            self.assertTrue(self.restarted_with("LoadCredential=issuing-ca:/etc/credstore/word\n"))
            self.wait_proved(but=before)
        self.run_("rm", "-r", "/etc/systemd/system/pgcertd.service.d/zz-credential.conf", "/etc/credstore")
        self.run_("systemctl", "daemon-reload")
        self.run_("systemctl", "restart", "pgcertd")
        self.wait_proved()
        self.ctl("rotate", "main", "--force", "--wait")
        self.assertNotEqual(self.served_serial(), before)

    def test_11_stopped_in_each_stage_of_a_rotation_it_goes_on(self):
        stages = 0
        for after in range(1, 30):
            before = self.served_serial()
            # The stages are printed as they are reached; it is stopped behind the so manieth.
            script = f"pgcertctl rotate main --force --wait | {{ n=0; while read -r line; do n=$((n+1)); [ $n -lt {after} ] || {{ systemctl stop pgcertd; echo stopped; exit 0; }}; done; }}"
            stopped = "stopped" in self.run_("sh", "-c", script, check=False).stdout
            if not stopped:
                break
            stages += 1
            self.assertTrue(self.served_serial(), "PostgreSQL serves all along")
            self.run_("systemctl", "reset-failed", "pgcertd")   # that many starts in so short a time are ours
            self.run_("systemctl", "start", "pgcertd")
            self.wait_proved()
            self.verify_full()
            self.ctl("rotate", "main", "--force", "--wait")
            self.assertNotEqual(self.served_serial(), before)
        print(f"stopped behind {stages} stages")
        self.assertGreaterEqual(stages, 3)

    def test_12_either_may_be_first(self):
        for first, second in ((CLUSTER, "pgcertd"), ("pgcertd", CLUSTER)):
            self.run_("systemctl", "stop", "pgcertd", CLUSTER)
            self.run_("systemctl", "start", first)
            self.run_("systemctl", "start", second)
            self.wait_proved()
            self.verify_full()

    def test_13_power_is_cut_in_a_rotation(self):
        for cut_after in (1, 2, 3):
            script = f"pgcertctl rotate main --force --wait | {{ n=0; while read -r line; do n=$((n+1)); [ $n -lt {cut_after} ] || {{ echo now; exec sleep 60; }}; done; }}"
            command = subprocess.Popen(["nsenter", "--target", str(self.machine.leader()), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            command.stdout.readline()
            self.machine.cut_power()
            command.stdout.close()
            command.wait()
            self.machine.boot()
            poll(lambda: self.served_serial(), "PostgreSQL is back", 60, self.story)
            self.wait_proved()
            self.verify_full()

    def test_14_an_upgrade_goes_on_with_what_runs(self):
        """The same build under a higher version: what the packages' scripts do. What another build left is upgrade_test.py's."""
        postgres, daemon, serial = self.pid_of(CLUSTER), self.pid_of("pgcertd"), self.served_serial()
        with tempfile.TemporaryDirectory() as directory:
            self.install([with_version(deb, "9.0", pathlib.Path(directory)) for deb in self.debs])
        self.assertEqual(self.out("dpkg-query", "-W", "-f", "${Version}", "pgcertd"), "9.0")
        self.assertNotEqual(self.pid_of("pgcertd"), daemon)
        self.wait_proved()
        self.assertEqual((self.pid_of(CLUSTER), self.served_serial()), (postgres, serial), "nothing was issued or restarted for it")
        self.assertEqual(self.out("systemctl", "is-enabled", "pgcertd"), "enabled")
        self.assertIn("credential:issuing-ca", self.out("sh", "-c", "cat /etc/pgcertd/pgcertd.toml /etc/pgcertd/conf.d/*"))

    def test_15_removed_and_purged_postgresql_serves_on(self):
        serial = self.served_serial()
        for word in ("remove", "purge"):
            with self.subTest(word):
                done = self.run_("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", word, "-y", "pgcertd")
                self.assertEqual(self.served_serial(), serial)
                self.run_("systemctl", "restart", CLUSTER)
                poll(lambda: self.served_serial() == serial, "it serves what it served", 60)
                self.verify_full()
                self.run_("test", "-e", f"{STATE}/ca/issuing.key")
                self.run_("test", "-e", "/etc/credstore.encrypted/pgcertd-issuing-ca")   # which nothing else opens
        self.assertFalse(self.machine.path("/etc/pgcertd").exists())
        self.assertIn("is kept", done.stderr + done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)

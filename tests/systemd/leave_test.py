"""Gone without a trace: setup --undo, then purge; and what pgcertctl does on a machine of its own."""
import unittest

from life_test import CLUSTER, STATE, OnAMachine
from machine import poll

APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y")


class Leave(OnAMachine):
    def settings(self):
        return self.sql("SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE name ~ '^ssl'")

    def settings_of_the_host(self):
        """Everything below /etc but what packages in general leave: users, their lists, caches."""
        return self.out("sh", "-c", "find /etc -path /etc/.pwd.lock -o -name 'passwd*' -o -name 'shadow*' -o -name 'group*' -o -name 'gshadow*' -o -name ld.so.cache -o -print | sort")

    def test_01_set_up(self):
        type(self).before = (self.settings(), self.served_serial(), self.settings_of_the_host())
        self.install(self.debs)
        self.run_("pgcertctl", "--yes", "setup", "--no-passphrase")
        self.run_("systemctl", "enable", "--now", "pgcertd")
        self.wait_proved()
        self.assertNotEqual(self.served_serial(), self.before[1])

    def test_02_undo(self):
        done = self.ctl("--yes", "setup", "--undo", check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("systemctl disable --now pgcertd", done.stdout + done.stderr)
        self.run_("systemctl", "disable", "--now", "pgcertd")
        postgres = self.pid_of(CLUSTER)
        self.ctl("--yes", "setup", "--undo")
        self.assertEqual((self.settings(), self.served_serial()), self.before[:2])
        self.assertEqual(self.pid_of(CLUSTER), postgres)
        self.assertEqual(self.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'pgcertd'"), "0")
        self.assertNotEqual(self.run_("test", "-e", "/etc/systemd/system/pgcertd.service.d/setup.conf", check=False).returncode, 0)

    def test_03_purge(self):
        done = self.run_(*APT, "purge", "pgcertd", "pgcertctl")
        for path in (STATE, "/etc/pgcertd", "/run/pgcertd"):
            self.assertNotEqual(self.run_("test", "-e", path, check=False).returncode, 0, f"{path}\n{done.stdout}{done.stderr}")
        self.assertEqual(self.settings_of_the_host(), self.before[2])
        self.run_("test", "-d", "/root/pgcertd-root")     # the root's, which is the operator's
        self.run_("systemctl", "restart", CLUSTER)
        poll(lambda: self.served_serial() == self.before[1], "what was served before pgcertd came")
        self.assertEqual(self.settings(), self.before[0])
        self.assertEqual(self.out("systemctl", "--failed", "--no-legend"), "")

    def test_04_the_root_s_machine_needs_neither_daemon_nor_postgresql(self):
        self.run_(*APT, "purge", "postgresql-15", "postgresql-common", "postgresql-client-15", "postgresql-client-common")
        self.install(self.debs[:1])
        self.assertNotEqual(self.run_("sh", "-c", "command -v psql || command -v pgcertd", check=False).returncode, 0)
        self.ctl("ca", "init", "--root-dir", "/root/root", "--issuing-dir", "/root/issuing", "--no-passphrase")
        self.run_("sh", "-c", "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=db1.example.org -addext subjectAltName=DNS:db1.example.org -keyout /root/db.key -out /root/db.csr")
        self.ctl("--yes", "ca", "sign", "--root-dir", "/root/root", "/root/db.csr", "-o", "/root/db.crt")
        self.assertIn("db1.example.org", self.ctl("inspect", "/root/db.crt", check=False).stdout)
        self.ctl("ca", "verify-log", "--root-dir", "/root/root")


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""The daemon in its unit's confinement, on a booted systemd: what it may, what it may not, and what becomes of it when it hangs."""
import os
import pathlib
import re
import shutil
import unittest

from life_test import CLUSTER, STATE, OnAMachine
from machine import poll

WITH_FAULTS = pathlib.Path(os.environ.get("PGCERTD_BUILD", "build/release")) / "daemon/pgcertd"
DATA = "/var/lib/postgresql/15/main"
DROP_INS = "/etc/systemd/system/pgcertd.service.d"
# Each line is tried by a process with exactly the user, capabilities and confinement of the unit; what comes back is "NAME yes" or "NAME no".
TRIES = {
    "state": f"touch {STATE}/probe && rm {STATE}/probe", "data": f"touch {DATA}/probe && rm {DATA}/probe", "etc": "touch /etc/probe", "own-config": "touch /etc/pgcertd/probe",
    "usr": "touch /usr/probe", "var": "touch /var/lib/probe", "log": "touch /var/log/probe", "passwd-mode": "chmod 0666 /etc/passwd", "shadow-owner": "chown pgcertd /etc/shadow",
    "hba": "echo >>/etc/postgresql/15/main/pg_hba.conf", "root-home": "ls /root/pgcertd-root", "read-key": f"cat {DATA}/PG_VERSION", "mount": "mount -t tmpfs none /mnt",
    "clock": "date -s 2030-01-01", "device": "mknod /tmp/null c 1 3", "namespace": "unshare -r true", "setuid": "cp /bin/sh /tmp/sh && chmod 4755 /tmp/sh", "proc": "cat /proc/1/environ",
    "kernel": "echo 1 >/proc/sys/kernel/sysrq", "raw": "python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'",
}
EVERY_WINDOW = '[cluster.main]\nrestart = "window"\nrestart_window = "Mon..Sun 00:00-12:00, Mon..Sun 12:00-00:00"\n'
ALLOWED = {"state", "read-key"}


class Confined(OnAMachine):
    def drop_in(self, name, text):
        self.drop_in_of("pgcertd.service", name, text)

    def without(self, *names):
        self.run_("rm", "-f", *(f"{DROP_INS}/{name}.conf" for name in names))
        self.run_("systemctl", "daemon-reload")

    def drop_in_of(self, unit, name, text):
        self.machine.write(f"/etc/systemd/system/{unit}.d/{name}.conf", text)
        self.run_("systemctl", "daemon-reload")

    def own_key_with_a_passphrase(self):
        key, crt = (f"/etc/postgresql/15/main/own.{kind}" for kind in ("key", "crt"))
        self.run_("sh", "-c", f"""cd /etc/postgresql/15/main && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -passout pass:sesame -subj /CN=own -addext subjectAltName=DNS:localhost \\
            -days 30 -keyout own.key -out own.crt && chown postgres own.key own.crt && chmod 0600 own.key""")
        for name, value in (("ssl_passphrase_command", "echo sesame"), ("ssl_cert_file", crt), ("ssl_key_file", key)):
            self.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.sql("SELECT pg_reload_conf()")

    def pgcertd_s_key_again(self):
        self.run_("rm", "-f", "/etc/pgcertd/conf.d/zz-restart.toml")
        for name in ("ssl_passphrase_command", "ssl_cert_file", "ssl_key_file"):
            self.sql(f"ALTER SYSTEM RESET {name}")
        self.run_("systemctl", "restart", CLUSTER)
        self.run_("systemctl", "reload", "pgcertd")
        self.wait_problem("restart-required", there=False)
        self.ctl("takeover", "main", check=False)
        self.wait_proved()

    def restart(self):
        self.run_("systemctl", "restart", "pgcertd")

    def configure(self, name, text):
        self.machine.write(f"/etc/pgcertd/conf.d/{name}.toml", text)
        self.run_("systemctl", "reload", "pgcertd")

    def rotated(self):
        before = self.served_serial()
        self.ctl("rotate", "main", "--force", "--wait")
        self.assertNotEqual(self.served_serial(), before)
        self.assertRegex(self.verify_full(), r"^TLSv1\.[23]$")

    def tried(self):
        """What a process may that is confined as the unit is, with its drop-ins of now."""
        unit = self.out("systemctl", "cat", "pgcertd")
        # RuntimeDirectory= would take the daemon's own away when this one ends.
        unit = re.sub(r"(?m)^(ExecStart|ExecReload|Type|NotifyAccess|WatchdogSec|Restart|RestartSec|RuntimeDirectory|RuntimeDirectoryMode|LoadCredential\w*)=.*\n", "", unit)
        script = "".join(f"if ({command}) >/dev/null 2>&1; then echo '{name} yes'; else echo '{name} no'; fi\n" for name, command in TRIES.items())
        self.machine.write("/usr/local/bin/tries", "#!/bin/sh\n" + script, 0o755)
        self.machine.write("/run/systemd/system/tries.service", unit + "\n[Service]\nType=oneshot\nExecStart=/usr/local/bin/tries\nStandardOutput=truncate:/run/tries\n")
        self.run_("systemctl", "daemon-reload")
        self.run_("systemctl", "start", "tries")
        return {line.split()[0] for line in self.out("cat", "/run/tries").splitlines() if line.endswith(" yes")}

    def test_01_set_up(self):
        self.set_up()

    def test_02_it_writes_to_its_own_paths_alone(self):
        self.assertEqual(self.tried(), ALLOWED)
        self.run_("sh", "-c", f"touch {DATA}/probe && rm {DATA}/probe", user="postgres")
        self.assertNotEqual(self.run_("ls", f"{STATE}/ca", user="postgres", check=False).returncode, 0)

    def test_03_the_bus_lets_it_reload_and_restart_its_clusters_alone(self):
        def call(method, unit):
            return self.run_("busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", method, "ss", unit, "replace",
                             user="pgcertd", check=False).returncode == 0
        self.assertTrue(call("ReloadUnit", CLUSTER))
        for method, unit in (("StopUnit", CLUSTER), ("RestartUnit", "dbus.service"), ("RestartUnit", "postgresql@15-other.service"), ("RestartUnit", "systemd-journald.service"),
                             ("StartUnit", "rescue.target"), ("ReloadUnit", "pgcertd.service")):
            self.assertFalse(call(method, unit), (method, unit))
        self.assertTrue(call("RestartUnit", CLUSTER))
        poll(lambda: self.run_("psql", "-c", "SELECT 1", user="postgres", check=False).returncode == 0, "PostgreSQL is back")
        self.assertFalse(self.run_("busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "RestartUnit", "ss", CLUSTER, "replace",
                                   user="nobody", check=False).returncode == 0, "nobody else gains by the rule")
        self.wait_proved()

    def test_04_changes_of_files_are_seen_and_repaired(self):
        key = self.out("readlink", "-f", self.sql("SHOW ssl_key_file"))
        self.assertEqual(self.out("stat", "-c", "%U %a", key), "postgres 600")
        for spoil in (("chmod", "0644"), ("chown", "root:root")):
            self.run_(*spoil, key)
            poll(lambda: self.out("stat", "-c", "%U %a", key) == "postgres 600", f"{spoil[0]} is undone", 20, self.story)

    def test_05_the_catalog_explains_the_journal(self):
        self.assertIn("A handshake showed the new certificate.", self.out("journalctl", "-u", "pgcertd", "-x", "-o", "short", "--no-pager"))

    def test_06_a_check_that_needs_no_daemon(self):
        self.run_("systemctl", "enable", "--now", "pgcertd-check.timer")
        self.run_("systemctl", "start", "pgcertd-check.service")
        self.run_("systemctl", "stop", "pgcertd")
        self.run_("systemctl", "start", "pgcertd-check.service")
        self.assertIn("PGCERTD ", self.out("journalctl", "-u", "pgcertd-check", "-o", "cat"))
        key = self.out("readlink", "-f", self.sql("SHOW ssl_key_file"))
        self.run_("chmod", "0644", key)
        self.assertNotEqual(self.run_("systemctl", "start", "pgcertd-check.service", check=False).returncode, 0)
        self.assertEqual(self.out("systemctl", "is-failed", "pgcertd-check.service", check=False), "failed")
        self.assertIn("file-permissions", self.out("journalctl", "-u", "pgcertd-check", "-o", "cat", "-n", "20"))
        self.run_("systemctl", "start", "pgcertd")
        self.wait_proved()
        self.run_("systemctl", "start", "pgcertd-check.service")

    @unittest.skipUnless(WITH_FAULTS.exists() and b"PGCERTD_FAULT" in WITH_FAULTS.read_bytes(), "needs a build with fault points: --build")
    def test_07_a_worker_that_hangs_ends_in_a_restart_that_goes_on(self):
        shutil.copy(WITH_FAULTS, self.machine.path("/usr/local/sbin/pgcertd-hangs"))
        before, restarts, postgres = self.served_serial(), self.restarts(), self.pid_of(CLUSTER)
        self.drop_in("quick", "[Service]\nWatchdogSec=6s\nRestartSec=1s\nExecStart=\nExecStart=/usr/local/sbin/pgcertd-hangs --config /etc/pgcertd/pgcertd.toml\n")
        self.drop_in("hang", "[Service]\nEnvironment=PGCERTD_FAULT=generations.publish:before:1=hang,worker-limit=3\n")
        self.restart()
        self.wait_proved()
        self.run_("pgcertctl", "rotate", "main", "--force", check=False)
        poll(lambda: "does not move; the watchdog is not fed" in self.story(), "the loop sees the worker", 60, self.story)
        self.assertEqual(self.out("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:9847/livez"), "503")
        self.without("hang")
        poll(lambda: self.restarts() > restarts, "systemd restarts it", 60, self.story)
        self.assertIn("Watchdog timeout", self.out("journalctl", "-u", "pgcertd", "-o", "cat"))
        self.wait_proved(but=before)
        self.assertNotEqual(self.served_serial(), before, "what had hung goes on")
        self.assertEqual(self.pid_of(CLUSTER), postgres)
        self.without("quick")
        self.restart()
        self.wait_proved()

    def test_08_restarted_by_window_over_the_bus(self):
        """Somebody's certificate whose key has a passphrase that a reload cannot take; the daemon is neither root nor postgres."""
        words = self.out("pgcertctl", "config", "show")
        self.assertIn(f'restart_command = "systemd:{CLUSTER}"', words, "as setup wrote it")
        before = self.served_serial()
        self.own_key_with_a_passphrase()
        postgres = self.pid_of(CLUSTER)
        self.run_("systemctl", "reload", "pgcertd")        # it looks at once, not within a minute
        self.wait_problem("restart-required")
        self.assertEqual(self.pid_of(CLUSTER), postgres, "the policy is never")
        self.configure("zz-restart", EVERY_WINDOW)
        poll(lambda: self.pid_of(CLUSTER) not in (0, postgres), "PostgreSQL is restarted", 90, self.story)
        poll(lambda: self.served_serial() not in ("", before), "the new certificate is served", 60, self.story)
        self.run_("rm", "/etc/pgcertd/conf.d/zz-restart.toml")
        self.run_("systemctl", "reload", "pgcertd")

    def test_09_a_stop_does_not_wait_for_the_restart_that_it_asked_for(self):
        """PostgreSQL's own unit is held on its way up: systemd goes on with its job, the daemon ends, and a later one proves what came."""
        self.own_key_with_a_passphrase()
        self.drop_in_of(CLUSTER, "hold", "[Service]\nExecStartPre=/bin/sh -c 'while [ -e /run/hold ]; do sleep 0.2; done'\n")
        self.run_("touch", "/run/hold")
        try:
            before = self.served_serial()
            self.configure("zz-restart", EVERY_WINDOW)
            poll(lambda: self.out("systemctl", "show", "-P", "SubState", CLUSTER) == "start-pre", "it is held", 90, self.story)
            self.run_("systemctl", "stop", "pgcertd")
            self.assertEqual(self.out("systemctl", "show", "-P", "Result", "pgcertd"), "success", "it ended by itself, before systemd lost patience")
        finally:
            self.run_("rm", "/run/hold")
        poll(lambda: self.served_serial() not in ("", before), "systemd has gone on with it", 60, self.story)
        self.run_("systemctl", "start", "pgcertd")
        poll(lambda: self.story().rfind("the certificate that the restart was for") > self.story().rfind("pgcertd stops"), "the restart is proved", 60, self.story)
        self.run_("rm", "-r", f"/etc/systemd/system/{CLUSTER}.d")
        self.run_("systemctl", "daemon-reload")
        self.pgcertd_s_key_again()

    def test_10_in_place_inside_a_closed_data_directory(self):
        self.assertEqual(self.out("stat", "-c", "%a", DATA), "700")
        self.run_("sh", "-c", f"""cd {DATA} && openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=own -addext subjectAltName=DNS:localhost -days 30 -keyout server.key -out server.crt
            chown postgres server.key server.crt && chmod 0600 server.key""")
        for name, value in (("ssl_cert_file", "server.crt"), ("ssl_key_file", "server.key")):
            self.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.sql("SELECT pg_reload_conf()")
        self.run_("install", "-D", "-m", "0644", "/usr/share/pgcertd/in-place.conf", f"{DROP_INS}/in-place.conf")
        self.run_("systemctl", "daemon-reload")
        self.machine.write("/etc/pgcertd/conf.d/zz-in-place.toml", '[cluster.main]\nlayout = "in-place"\ntakeover = "always"\n')
        self.restart()
        poll(lambda: self.out("readlink", f"{DATA}/server.key", check=False) == f"{STATE}/clusters/main/current/server.key", "the path is a link", 60, self.story)
        self.wait_proved()
        self.rotated()
        self.assertEqual(self.sql("SHOW ssl_key_file"), "server.key")
        self.assertEqual(self.tried(), ALLOWED | {"data", "hba"}, "what the drop-in gives, and no more")

    def test_11_as_postgres_without_any_capability(self):
        self.run_("rm", "/etc/pgcertd/conf.d/zz-in-place.toml", f"{DROP_INS}/in-place.conf")
        self.run_("systemctl", "stop", "pgcertd")
        self.run_("install", "-D", "-m", "0644", "/usr/share/pgcertd/as-postgres.conf", f"{DROP_INS}/as-postgres.conf")
        self.run_("install", "-D", "-m", "0644", "/usr/share/pgcertd/as-postgres.tmpfiles", "/etc/tmpfiles.d/pgcertd.conf")
        self.run_("chown", "-R", "postgres:postgres", STATE)
        self.run_("systemd-tmpfiles", "--create", "pgcertd.conf")
        self.assertEqual(self.out("stat", "-c", "%U", STATE, f"{STATE}/pending").split(), ["postgres", "postgres"])
        self.run_("sh", "-c", "echo 'pgcertd postgres pgcertd' >>/etc/postgresql/15/main/pg_ident.conf; sed -i '1i local all pgcertd peer map=pgcertd' /etc/postgresql/15/main/pg_hba.conf")
        self.sql("SELECT pg_reload_conf()")
        self.run_("systemctl", "daemon-reload")
        self.run_("systemctl", "start", "pgcertd")
        self.wait_proved()
        self.rotated()
        status = self.out("cat", f"/proc/{self.pid_of('pgcertd')}/status")
        for row in ("CapEff", "CapPrm", "CapAmb", "CapBnd"):
            self.assertRegex(status, rf"{row}:\s+0+\n")
        self.assertEqual(self.out("ps", "-o", "user=", "-p", self.pid_of("pgcertd")), "postgres")


if __name__ == "__main__":
    unittest.main(verbosity=2)

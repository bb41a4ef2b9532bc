"""A certificate whose key has a passphrase that PostgreSQL takes only at its start: told, or restarted by policy."""
import os
import signal
import subprocess
import time

from harness import HostTest, poll, quiet_run


class Passphrase(HostTest):
    """Somebody else's certificate is in place, and stays; its key is replaced by one that has a passphrase."""

    def host_with_new_pair(self, policy, command="cat pass", passphrase="sesame"):
        host = self.host(same_user=True)
        data = host.postgres.data
        self.write_pair(host, "old", "-nodes")
        (data / "pass").write_text(passphrase + "\n")
        self.give(host, data / "pass")
        host.postgres.configure(f"ssl_passphrase_command = '{command}'\nssl = on")
        host.postgres.restart()
        host.configure(cluster=policy)
        self.old = host.served_serial()
        self.write_pair(host, "new", "-passout", "pass:sesame")
        host.postgres.sql("SELECT pg_reload_conf()")
        self.assertEqual(host.served_serial(), self.old, "a reload cannot take it")
        return host

    def give(self, host, path):
        os.chown(path, host.server_user.pw_uid, host.server_user.pw_gid)
        path.chmod(0o600)

    def write_pair(self, host, name, *how):
        data = host.postgres.data
        quiet_run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *how, "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost",
                  "-days", "30", "-keyout", data / "new.key", "-out", data / "new.crt")
        for kind in ("crt", "key"):
            self.give(host, data / f"new.{kind}")
            (data / f"new.{kind}").rename(data / f"server.{kind}")

    def started_at(self, host):
        return host.postgres.sql("SELECT pg_postmaster_start_time()")

    def test_with_policy_never_it_is_told_and_nothing_is_restarted(self):
        host = self.host_with_new_pair('restart = "never"')
        began = self.started_at(host)
        daemon = host.start()
        problem = daemon.wait_problem("restart-required")
        self.assertIn("passphrase", problem["message"])
        self.assertIn("pg_ctl restart", problem["remedy"])
        for _ in range(5):
            self.assertEqual(host.ctl("rotate", "main", "--dry-run").returncode, 0)
        self.assertEqual(self.started_at(host), began)
        self.assertEqual(host.served_serial(), self.old)
        self.assertEqual(host.ctl("check", "main", "--only", "restart-required").returncode, 1)

    def test_when_required_it_is_restarted_once_and_proved(self):
        host = self.host_with_new_pair('restart = "when-required"')
        host.postgres.sql("ALTER SYSTEM SET max_connections = 57")
        host.postgres.sql("SELECT pg_reload_conf()")
        began = self.started_at(host)
        daemon = host.start()
        poll(lambda: host.http_answers() and host.events("restart-proved"), "the proof", context=daemon.log)
        self.assertNotEqual(self.started_at(host), began)
        self.assertNotEqual(host.served_serial(), self.old)
        asked = host.events("restart-asked")
        self.assertEqual(len(asked), 1)
        self.assertIn("max_connections", asked[0]["message"], "what else it brings into force is told")
        daemon.wait_no_problem("restart-required")
        again = self.started_at(host)
        self.assertEqual(host.ctl("rotate", "main", "--dry-run").returncode, 0)
        self.assertEqual(self.started_at(host), again)
        self.assertEqual(daemon.stop(), 0)
        self.assertTrue(host.postgres.running(), "it is not pgcertd's child that ends with it")
        self.assertNotEqual(host.served_serial(), self.old)

    def test_with_a_passphrase_that_does_not_fit_it_is_not_begun(self):
        host = self.host_with_new_pair('restart = "when-required"', passphrase="hunter2")
        began = self.started_at(host)
        problem = host.start().wait_problem("restart-required")
        self.assertIn("does not open the key", problem["message"])
        self.assertNotIn("hunter2", problem["message"])
        self.assertEqual(self.started_at(host), began)

    def test_a_base_backup_is_not_broken_off(self):
        host = self.host_with_new_pair('restart = "when-required"')
        began = self.started_at(host)
        backup = subprocess.Popen(["pg_basebackup", "-h", host.directory, "-p", str(host.postgres.port), "-U", "postgres", "-D", host.directory / "backup", "--max-rate", "32k", "-c", "fast", "-X", "none"],   # with its WAL a child goes on
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            poll(lambda: host.postgres.sql("SELECT count(*) FROM pg_stat_progress_basebackup") == "1", "the backup")
            daemon = host.start()
            daemon.wait(lambda c: any(p["code"] == "restart-required" and "base backup" in p["message"] for p in c["problems"]), "the reason")
            self.assertEqual(self.started_at(host), began)
        finally:
            backup.send_signal(signal.SIGTERM)
            backup.wait()
        poll(lambda: host.http_answers() and host.events("restart-proved"), "the restart once it is over", context=daemon.log)

    def test_it_waits_for_its_window(self):
        now = time.localtime()
        shut = (now.tm_hour + 3) % 24
        host = self.host_with_new_pair(f'restart = "window"\nrestart_window = "{shut:02}:00-{shut:02}:30"')
        began = self.started_at(host)
        daemon = host.start()
        self.assertIn("the next window opens at", daemon.wait_problem("restart-required")["message"])
        self.assertEqual(self.started_at(host), began)
        before, after = (now.tm_hour - 1) % 24, (now.tm_hour + 2) % 24
        host.configure(cluster=f'restart = "window"\nrestart_window = "{before:02}:00-{after:02}:00"')
        daemon.hangup()
        poll(lambda: host.http_answers() and host.events("restart-proved"), "the restart in its window", context=daemon.log)
        self.assertNotEqual(self.started_at(host), began)

"""PostgreSQL down, starting, halted, full, or not letting pgcertd in: a problem with its remedy, no crash, no hot loop."""
import contextlib
import os
import signal
import subprocess
import time

from harness import PG_BIN, HostTest, poll

PASSES = 2           # of the daemon's check_interval, that a fault is watched for
TICKS_A_PASS = 4     # a pass is one tick at rest; a few more where a step fails and is tried again


class ServerFaultTest(HostTest):
    def traced(self, host, environment=None):
        self.trace = host.directory / "trace"
        self.trace.write_text("")
        self.trace.chmod(0o666)
        return host.start({"PGCERTD_TRACE": str(self.trace)} | (environment or {}))

    def proved(self, host=None, **configuration):
        host = host or self.host()
        if configuration:
            host.configure(**configuration)
        daemon = self.traced(host)
        return host, daemon, daemon.wait_proved()["certificate"]["serial"]

    def calls(self, name):
        return self.trace.read_text().split().count(name)

    def calm_passes(self, daemon, passes_wanted):
        """Over some passes, does the daemon look as often as it should: at least at each pass, and hardly more often?"""
        names = ("postgres.observe", "generations.observe")
        before, began = [self.calls(n) for n in names], time.monotonic()
        poll(lambda: self.calls(names[0]) >= before[0] + passes_wanted, "further passes", context=daemon.log)
        most = ((time.monotonic() - began) / 2 + 1) * TICKS_A_PASS   # check_interval is 2 s
        return all(self.calls(n) - b <= most for n, b in zip(names, before))

    def assertCalm(self, daemon, passes_wanted=PASSES):
        """No hot loop. What is on its way when the fault shows may still be taken to its end, step by step."""
        self.assertTrue(any(self.calm_passes(daemon, passes_wanted) for _ in range(4)), daemon.log()[-3000:])
        self.assertTrue(daemon.alive(), daemon.log())

    def assertTold(self, daemon, code, text, remedy):
        def told(cluster):
            return next((p for p in cluster["problems"] if p["code"] == code and text in p["message"]), None)
        cluster = daemon.wait(told, f"problem {code}: {text}")
        problem = told(cluster)
        self.assertIn(remedy, problem["remedy"])
        self.assertIn(f'code="{code}"', daemon.host.http("/metrics")[1])
        self.assertEqual(daemon.host.http("/livez")[0], 200)
        return cluster

    def assertHeals(self, host, daemon, serial, code):
        """The problem goes, and a rotation works again."""
        daemon.wait_no_problem(code)
        self.assertEqual(daemon.wait_proved()["certificate"]["serial"], serial)
        self.assertEqual(host.ctl("rotate", "main", "--force").returncode, 0)
        daemon.wait_proved(but=serial)
        self.assertVerifyFull(host)
        self.assertEqual(daemon.stop(), 0)


class ServerFaults(ServerFaultTest):
    def test_down(self):
        host, daemon, serial = self.proved()
        host.postgres.stop("immediate")
        cluster = self.assertTold(daemon, "server-unreachable", "down", "start PostgreSQL")
        self.assertEqual(cluster["certificate"]["serial"], serial, "what is known of the files is still shown")
        self.assertCalm(daemon)
        host.postgres.start()
        self.assertHeals(host, daemon, serial, "server-unreachable")

    def test_down_while_a_rotation_is_asked_for(self):
        host, daemon, serial = self.proved()
        host.postgres.stop("immediate")
        self.assertTold(daemon, "server-unreachable", "down", "start PostgreSQL")
        self.assertEqual(host.ctl("rotate", "main", "--force").returncode, 0)
        self.assertCalm(daemon)
        host.postgres.start()
        daemon.wait_proved(but=serial)
        self.assertVerifyFull(host)

    def test_never_seen_up(self):
        host = self.host()
        host.postgres.stop("immediate")
        daemon = self.traced(host)
        self.assertTold(daemon, "server-unreachable", "down", "start PostgreSQL")
        self.assertCalm(daemon)
        host.postgres.start()
        daemon.wait_proved()
        self.assertVerifyFull(host)

    def test_starting(self):
        """A standby that accepts nobody while it recovers: hot_standby is off."""
        host, daemon, serial = self.proved()
        host.postgres.stop("fast")
        host.postgres.configure("hot_standby = off\nrestore_command = 'false'")
        signal_file = host.postgres.data / "standby.signal"
        signal_file.touch(mode=0o600)
        os.chown(signal_file, host.server_user.pw_uid, host.server_user.pw_gid)
        host.postgres.pg_ctl("start", "-W")
        cluster = self.assertTold(daemon, "server-unreachable", "starting", "wait")
        self.assertEqual(next(p for p in cluster["problems"] if p["code"] == "server-unreachable")["severity"], "warning")
        self.assertEqual(host.served_serial(), serial, "it hands out TLS all the same")
        self.assertCalm(daemon)
        host.postgres.stop()
        signal_file.unlink()
        host.postgres.start()
        self.assertHeals(host, daemon, serial, "server-unreachable")

    def test_halted(self):
        """SIGSTOP: the kernel accepts connections for it, and nobody answers."""
        host, daemon, serial = self.proved()
        os.kill(host.postgres.pid(), signal.SIGSTOP)
        self.assertTold(daemon, "server-unreachable", "timeout", "postmaster")
        self.assertCalm(daemon, 1)   # each takes as long as its deadlines
        os.kill(host.postgres.pid(), signal.SIGCONT)
        self.assertHeals(host, daemon, serial, "server-unreachable")

    def test_halted_in_the_middle_of_a_rotation(self):
        host = self.host()
        host.start().wait_proved()
        host.daemons[-1].stop()
        daemon = self.traced(host, {"PGCERTD_FAULT": "generations.publish:after:1=stop"})
        serial = daemon.wait_proved()["certificate"]["serial"]
        host.rotate_until_stopped(daemon)
        os.kill(host.postgres.pid(), signal.SIGSTOP)
        daemon.resume()
        self.assertTold(daemon, "server-unreachable", "timeout", "postmaster")
        self.assertCalm(daemon, 1)
        self.assertEqual(host.events("rolled-back"), [], "a server that does not answer disproves nothing")
        os.kill(host.postgres.pid(), signal.SIGCONT)
        daemon.wait_proved(but=serial)
        daemon.wait_no_problem("server-unreachable")
        self.assertVerifyFull(host)

    def test_a_halted_server_does_not_keep_the_daemon_from_ending(self):
        host, daemon, _ = self.proved()
        os.kill(host.postgres.pid(), signal.SIGSTOP)
        looks = self.calls("postgres.observe")
        poll(lambda: self.calls("postgres.observe") > looks, "a look at the halted server")
        self.assertEqual(daemon.stop(), 0)
        os.kill(host.postgres.pid(), signal.SIGCONT)

    def test_out_of_connections(self):
        host = self.host()
        host.postgres.configure("max_connections = 5\nsuperuser_reserved_connections = 1\nmax_wal_senders = 0")
        host.postgres.restart()
        host, daemon, serial = self.proved(host)
        with self.all_connections(host):
            cluster = self.assertTold(daemon, "server-unreachable", "connections", "max_connections")
            self.assertEqual(next(p for p in cluster["problems"] if p["code"] == "server-unreachable")["severity"], "warning")
            self.assertTrue(any(s["serial"] == serial for s in cluster["served"]), "the probe needs no session")
            self.assertCalm(daemon)
        self.assertHeals(host, daemon, serial, "server-unreachable")

    @contextlib.contextmanager
    def all_connections(self, host):
        """Sessions that stay, more than there is room for, as one after the other gets in."""
        conninfo = f"host={host.directory} port={host.postgres.port} user=postgres dbname=postgres"
        sessions = []

        def full():
            sessions.append(subprocess.Popen([PG_BIN / "psql", "-X", "-q", conninfo], stdin=subprocess.PIPE,
                                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            return any(s.poll() is not None for s in sessions) and len(sessions) > 5
        try:
            poll(full, "no room for one more")
            yield
        finally:
            for session in sessions:
                session.kill()
                session.stdin.close()
                session.wait()

    def test_wrong_password(self):
        host = self.host()
        secret = host.directory / "password"
        secret.write_text("right\n")
        secret.chmod(0o600)
        host.own(secret)
        host.postgres.sql("ALTER ROLE pgcertd PASSWORD 'right'")
        hba = host.postgres.data / "pg_hba.conf"
        hba.write_text("local all postgres trust\nlocal all all scram-sha-256\n"
                       "host all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n")
        host.postgres.sql("SELECT pg_reload_conf()")
        host, daemon, serial = self.proved(host, cluster=f'password = "file:{secret}"')
        host.postgres.sql("ALTER ROLE pgcertd PASSWORD 'another'")
        cluster = self.assertTold(daemon, "server-unreachable", "auth", "password")
        self.assertNotIn("right", str(cluster))
        self.assertNotIn("right\n", daemon.log())
        self.assertCalm(daemon)
        secret.write_text("another\n")
        self.assertHeals(host, daemon, serial, "server-unreachable")

    def test_no_role(self):
        host = self.host()
        host.configure(conninfo=f"host={host.directory} port={host.postgres.port} dbname=postgres user=nobody_such")
        daemon = self.traced(host)
        self.assertTold(daemon, "server-unreachable", "nobody_such", "pgcertctl setup sql")
        self.assertCalm(daemon)
        self.assertEqual(host.postgres.sql("SHOW ssl"), "off")


class Grants(ServerFaultTest):
    """Each right that the role may lack: `privilege-missing` shows the GRANT, which, run as it is shown, heals it."""

    def revoked(self, revoke, text, first_issue):
        host = self.host()
        if first_issue:
            host.postgres.sql(revoke)
            daemon = self.traced(host)
        else:
            host, daemon, _ = self.proved(host)
            host.postgres.sql(revoke)
            host.ctl("rotate", "main", "--force")
        cluster = self.assertTold(daemon, "privilege-missing", "", "GRANT")
        grant = next(p["remedy"] for p in cluster["problems"] if p["code"] == "privilege-missing")
        self.assertIn(text, grant)
        self.assertCalm(daemon)
        host.postgres.restart()   # whatever was done half-way
        host.postgres.sql(grant)
        daemon.wait_no_problem("privilege-missing")
        host.ctl("rotate", "main", "--force")
        daemon.wait_proved(deadline=120)
        self.assertVerifyFull(host)

    def test_reload_at_a_first_issue(self):
        self.revoked("REVOKE EXECUTE ON FUNCTION pg_reload_conf() FROM pgcertd", "pg_reload_conf", True)

    def test_reload_at_a_renewal(self):
        self.revoked("REVOKE EXECUTE ON FUNCTION pg_reload_conf() FROM pgcertd", "pg_reload_conf", False)

    def test_settings_at_a_first_issue(self):
        self.revoked("REVOKE pg_read_all_settings FROM pgcertd", "pg_read_all_settings", True)

    def test_settings_at_a_renewal(self):
        self.revoked("REVOKE pg_read_all_settings FROM pgcertd", "pg_read_all_settings", False)

    def test_alter_system_at_a_first_issue(self):
        self.revoked("REVOKE ALTER SYSTEM ON PARAMETER ssl, ssl_cert_file, ssl_key_file, ssl_ca_file, ssl_crl_file FROM pgcertd",
                     "ALTER SYSTEM", True)

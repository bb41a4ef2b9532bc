"""What pgcertd does to a PostgreSQL it has never seen: TLS off, snakeoil, its own, somebody else's."""
import os
import pathlib
import shutil

from harness import HostTest, needs_root, quiet_run


class FirstContact(HostTest):
    def install(self, host, common_name, name="server"):
        """A self-signed pair of somebody else in the data directory, TLS on."""
        data = host.postgres.data
        quiet_run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={common_name}", "-addext", f"subjectAltName=DNS:{common_name}",
                  "-keyout", data / f"{name}.key", "-out", data / f"{name}.crt")
        for suffix, mode in ((".key", 0o600), (".crt", 0o644)):
            os.chown(data / (name + suffix), host.server_user.pw_uid, host.server_user.pw_gid)
            (data / (name + suffix)).chmod(mode)
        host.postgres.configure(f"ssl = on\nssl_cert_file = '{name}.crt'\nssl_key_file = '{name}.key'")
        host.postgres.restart()
        return host.served_serial()

    def test_tls_off_becomes_verify_full(self):
        host = self.host()
        self.assertIsNone(host.served_serial())
        cluster = host.start().wait_proved()
        self.assertVerifyFull(host)
        self.assertEqual(host.served_serial(), cluster["certificate"]["serial"])
        self.assertEqual(cluster["problems"], [])
        self.assertEqual(host.events("rotation-proved")[-1]["cluster"], "main")
        self.assertEqual(host.postgres.sql("SHOW ssl"), "on")
        self.assertNotIn("restarted", host.postgres.log())

    def test_a_certificate_of_somebody_else_is_left_alone_until_takeover(self):
        host = self.host()
        serial = self.install(host, "db.example.org")
        daemon = host.start()
        problem = daemon.wait_problem("takeover-needed")
        self.assertEqual(problem["remedy"], "pgcertctl takeover main")
        settings = (host.postgres.data / "postgresql.auto.conf").read_text()
        daemon.wait(lambda c: c["rotation"]["generation"] == 0 and c["rotation"]["stage"] == "nothing", "rest")
        self.assertEqual([e["kind"] for e in host.events() if not e["kind"].startswith("problem")], [])
        self.assertEqual(host.served_serial(), serial)
        self.assertEqual((host.postgres.data / "postgresql.auto.conf").read_text(), settings)
        done = host.ctl("rotate", "main", "--wait", "--force", "--timeout", "20s")
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("pgcertctl takeover main", done.stderr)
        self.assertEqual(host.served_serial(), serial)
        done = host.ctl("takeover", "main")
        self.assertEqual(done.returncode, 0, done.stderr)
        daemon.wait_proved(but=serial)
        self.assertVerifyFull(host)
        self.assertNotEqual(host.served_serial(), serial)
        daemon.wait_no_problem("takeover-needed")

    @needs_root
    def test_debians_snakeoil_is_replaced_without_asking(self):
        if not shutil.which("make-ssl-cert"):
            self.skipTest("the package ssl-cert is not installed")
        if not pathlib.Path("/etc/ssl/certs/ssl-cert-snakeoil.pem").exists():
            quiet_run("make-ssl-cert", "generate-default-snakeoil")
        host = self.host()
        host.postgres.configure("ssl = on\nssl_cert_file = '/etc/ssl/certs/ssl-cert-snakeoil.pem'\nssl_key_file = '/etc/ssl/private/ssl-cert-snakeoil.key'")
        host.postgres.restart()
        serial = host.served_serial()
        self.assertTrue(serial)
        host.start().wait_proved(but=serial)
        self.assertVerifyFull(host)

    def test_our_own_is_known_again_when_the_memory_is_lost(self):
        host = self.host()
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        self.assertEqual(daemon.stop(), 0)
        for file in host.state.glob("pgcertd.db*"):
            file.unlink()
        daemon = host.start()
        cluster = daemon.wait_proved()
        self.assertVerifyFull(host)
        self.assertEqual([p["code"] for p in cluster["problems"]], [])
        self.assertEqual(cluster["certificate"]["serial"], serial, "what works is not replaced")

    def test_our_own_elsewhere_is_taken_over_without_asking(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        daemon.stop()
        current, data = host.state / "clusters" / "main" / "current", host.postgres.data
        for name in ("server.crt", "server.key"):
            shutil.copy(current / name, data / name)
            os.chown(data / name, host.server_user.pw_uid, host.server_user.pw_gid)
        (data / "server.key").chmod(0o600)
        (data / "postgresql.auto.conf").write_text("")
        host.postgres.configure("ssl = on")
        host.postgres.restart()
        for child in host.state.iterdir():
            shutil.rmtree(child) if child.is_dir() else child.unlink()
        daemon = host.start()
        daemon.wait_proved()
        self.assertVerifyFull(host)
        self.assertIn(str(host.state), host.postgres.sql("SHOW ssl_cert_file"))

    def test_enable_ssl_false_leaves_tls_off(self):
        host = self.host()
        host.configure(cluster="enable_ssl = false")
        daemon = host.start()
        problem = daemon.wait_problem("ssl-off")
        self.assertIn("enable_ssl", problem["remedy"])
        self.assertIsNone(host.served_serial())


class SeparateUsers(HostTest):
    @needs_root
    def test_first_issue_and_renewal_with_the_units_capabilities_and_a_restart_from_those_files(self):
        host = self.host()
        self.assertNotEqual(host.daemon_user.pw_uid, host.server_user.pw_uid)
        daemon = host.start()
        first = daemon.wait_proved()["certificate"]["serial"]
        status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
        expected = (1 << 0) | (1 << 3) | (1 << 2)   # CAP_CHOWN, CAP_FOWNER, CAP_DAC_READ_SEARCH
        for line in ("CapEff", "CapPrm", "CapBnd"):
            self.assertIn(f"{line}:\t{expected:016x}", status)
        for serial in (first, None):
            if serial is None:
                done = host.ctl("rotate", "main", "--force", "--wait", "--timeout", "60s")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertNotEqual(host.served_serial(), first)
            key = (host.state / "clusters" / "main" / "current" / "server.key").stat()
            self.assertEqual((key.st_uid, key.st_mode & 0o7777), (host.server_user.pw_uid, 0o600))
            before = host.served_serial()
            host.postgres.restart()
            self.assertEqual(host.served_serial(), before)
            self.assertVerifyFull(host)


class ColdStart(HostTest):
    def test_lost_state_while_the_server_is_down(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        daemon.stop()
        host.postgres.stop("fast")
        for child in host.state.iterdir():
            shutil.rmtree(child) if child.is_dir() else child.unlink()
        host.configure(cluster=f'data_directory = "{host.postgres.data}"')
        code, log = host.once()
        self.assertEqual(code, 2, log)   # the server is down, which is critical; the files are there all the same
        host.postgres.start()
        self.assertVerifyFull(host)
        host.start().wait_proved()

    def test_lost_certificate_files_while_the_server_is_down(self):
        host = self.host()
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        daemon.stop()
        host.postgres.stop("fast")
        shutil.rmtree(host.state / "clusters")
        with self.assertRaises(AssertionError):
            host.postgres.start()
        code, log = host.once()
        self.assertEqual(code, 2, log)
        host.postgres.start()
        self.assertVerifyFull(host)
        self.assertNotEqual(host.served_serial(), serial)
        code, log = host.once()
        self.assertEqual(code, 0, log)

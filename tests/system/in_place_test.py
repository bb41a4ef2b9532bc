"""layout = "in-place": the server's own paths stay, and become links through `current`."""
import os
import pathlib

from harness import HostTest, needs_root, poll, quiet_run
from kill_test import KillAnywhere

IN_PLACE = 'layout = "in-place"'
OVERRIDE = ("chown", "fowner", "dac_read_search", "dac_override")


def install(host, name="old"):
    """A working pair of somebody else in the data directory, TLS on."""
    data = host.postgres.data
    quiet_run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost",
              "-keyout", data / "new.key", "-out", data / "new.crt")
    for suffix in ("key", "crt"):
        os.chown(data / f"new.{suffix}", host.server_user.pw_uid, host.server_user.pw_gid)
        (data / f"new.{suffix}").chmod(0o600)
        (data / f"new.{suffix}").rename(data / f"server.{suffix}")


class InPlace(HostTest):
    def in_place(self, cluster=IN_PLACE, **options):
        host = self.host(capabilities=OVERRIDE, **options)
        host.configure(cluster=cluster)
        return host

    def assertLinks(self, host):
        for name in ("server.crt", "server.key"):
            self.assertEqual(os.readlink(host.postgres.data / name), str(host.state / "clusters" / "main" / "current" / name))
        self.assertEqual(host.postgres.sql("SHOW ssl_cert_file"), "server.crt")
        self.assertEqual(host.postgres.sql("SHOW ssl_key_file"), "server.key")

    def test_tls_off_becomes_verify_full_and_is_rotated(self):
        host = self.in_place()
        daemon = host.start()
        first = daemon.wait_proved()["certificate"]["serial"]
        self.assertLinks(host)
        self.assertVerifyFull(host)
        self.assertEqual(daemon.cluster()["problems"], [])
        done = host.ctl("rotate", "main", "--force", "--wait")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotEqual(host.served_serial(), first)
        host.postgres.restart()
        self.assertVerifyFull(host)
        poll(lambda: host.ctl("check", "main").returncode == 0, "the daemon has seen that the server is back", context=daemon.log)

    def test_a_working_pair_is_kept_beside_once_its_takeover_is_granted(self):
        host = self.in_place()
        install(host)
        host.postgres.configure("ssl = on")
        host.postgres.restart()
        old, key = host.served_serial(), (host.postgres.data / "server.key").read_bytes()
        daemon = host.start()
        daemon.wait_problem("takeover-needed")
        self.assertFalse((host.postgres.data / "server.crt").is_symlink())
        self.assertEqual(host.ctl("takeover", "main").returncode, 0)
        daemon.wait_proved(but=old)
        self.assertLinks(host)
        self.assertVerifyFull(host)
        self.assertEqual((host.postgres.data / "server.key.pgcertd-saved").read_bytes(), key)

    def test_to_managed_and_back(self):
        host = self.in_place(cluster="")
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        self.assertIn("/current/server.crt", host.postgres.sql("SHOW ssl_cert_file"))
        host.configure(cluster=IN_PLACE)
        daemon.hangup()
        poll(lambda: host.postgres.sql("SHOW ssl_cert_file") == "server.crt", "the former path", context=daemon.log)
        daemon.wait_proved()
        self.assertLinks(host)
        self.assertEqual(host.served_serial(), serial, "no new certificate for that")
        host.postgres.restart()
        self.assertVerifyFull(host)
        host.configure(cluster="")
        daemon.hangup()
        poll(lambda: "/current/" in host.postgres.sql("SHOW ssl_cert_file"), "pgcertd's path", context=daemon.log)
        self.assertEqual(host.served_serial(), serial)
        host.postgres.restart()
        self.assertVerifyFull(host)

    def test_a_pair_put_in_place_of_the_links_is_told_and_stays_until_consent(self):
        host = self.in_place()
        daemon = host.start()
        daemon.wait_proved()
        install(host, "theirs")
        daemon.wait_problem("file-changed")
        daemon.wait_problem("takeover-needed")
        host.postgres.restart()
        theirs = host.served_serial()
        self.assertFalse((host.postgres.data / "server.key").is_symlink())
        self.assertEqual(host.ctl("takeover", "main").returncode, 0)
        daemon.wait_proved(but=theirs)
        self.assertLinks(host)
        daemon.wait_no_problem("file-changed")

    def test_what_does_not_work_in_place_of_a_link_is_replaced(self):
        host = self.in_place()
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        install(host, "half")
        (host.postgres.data / "server.key").unlink()
        daemon.wait(lambda _: (host.postgres.data / "server.key").is_symlink() and (host.postgres.data / "server.crt").is_symlink(), "the links")
        host.postgres.restart()
        self.assertEqual(host.served_serial(), serial)

    @needs_root
    def test_without_the_right_to_write_there_it_says_which_drop_in_helps(self):
        host = self.host()
        host.configure(cluster=IN_PLACE)
        daemon = host.start()
        problem = daemon.wait_problem("privilege-missing")
        self.assertIn("CAP_DAC_OVERRIDE", problem["remedy"])
        self.assertEqual(list(host.postgres.data.glob("server.*")), [])

    def test_paths_outside_are_moved_to_managed(self):
        host = self.in_place()
        outside = pathlib.Path(host.directory / "outside")
        outside.mkdir(mode=0o755)
        host.postgres.configure(f"ssl_cert_file = '{outside}/a.crt'\nssl_key_file = '{outside}/a.key'")
        host.postgres.sql("SELECT pg_reload_conf()")
        daemon = host.start()
        daemon.wait_proved()
        self.assertIn("/current/server.crt", host.postgres.sql("SHOW ssl_cert_file"))
        self.assertEqual(list(outside.iterdir()), [])


class Takeovers(KillAnywhere):
    verified_before = False

    def taken_over(self, name, cluster, **options):
        host = self.host(**options)
        install(host)
        host.postgres.configure("ssl = on")
        host.configure(cluster=cluster + '\ntakeover = "always"')
        host.save()
        self.everywhere(name, host, lambda _: None, 20)
        host.restore()
        daemon = host.start()
        daemon.wait_proved()
        self.assertEqual(len(host.events("adoption-proved")), 1, "the live pair is copied first, so that each half-way mix of paths matches")


class KilledAtTakeoverByLinks(Takeovers):
    def test_at_each_call(self):
        self.taken_over("takeover by links", IN_PLACE, capabilities=OVERRIDE)


class KilledAtTakeoverBySettings(Takeovers):
    def test_at_each_call(self):
        self.taken_over("takeover by settings", "")

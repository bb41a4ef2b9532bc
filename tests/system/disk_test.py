"""A full disk and a read-only state directory at each step: told, the served certificate unchanged, healed when there is room."""
import os
import subprocess

from harness import HostTest, needs_root, poll, quiet_run
from kill_test import ChangingCalls
from refused_test import strict_host

BEFORE_PUBLISHING = {"pending.put", "issuer.submit", "generations.stage", "generations.prepare_way_back", "generations.publish"}


class SmallDisk:
    """The host's state directory on a file system of its own, which can be full or read-only."""

    def __init__(self, test, host):
        self.path, self.host = host.state, host
        mode = f"size=8m,nr_inodes=400,mode=0711,uid={host.daemon_user.pw_uid},gid={host.daemon_user.pw_gid}"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", mode, "pgcertd-test", self.path], capture_output=True, text=True)
        if done.returncode != 0:
            test.skipTest(f"may not mount a tmpfs: {done.stderr.strip()}")
        test.addCleanup(self.end)

    def end(self):
        for daemon in self.host.daemons:
            daemon.kill()
        while os.path.ismount(self.path):
            quiet_run("umount", "-l", self.path)

    def fill(self):
        """Neither a byte nor an inode is left."""
        wanted, size = self.path / "filler", 1 << 20
        wanted.mkdir(mode=0o700)
        with open(wanted / "bytes", "wb", buffering=0) as file:
            while size:
                try:
                    file.write(b"x" * size)
                except OSError:
                    size //= 2
        try:
            for i in range(1000):
                (wanted / f"inode-{i}").touch()
        except OSError:
            pass

    def make_room(self):
        quiet_run("rm", "-r", self.path / "filler")

    def read_only(self):
        """For every path looked up from now on. What the daemon holds open stays as it is: nobody can remount under it."""
        quiet_run("mount", "--bind", self.path, self.path)
        quiet_run("mount", "-o", "remount,bind,ro", self.path)

    def read_write(self):
        quiet_run("umount", "-l", self.path)


FAULTS = {"full": (SmallDisk.fill, SmallDisk.make_room), "read-only": (SmallDisk.read_only, SmallDisk.read_write)}


class OnASmallDisk(HostTest):
    def proved_host(self):
        host = self.host()
        disk = SmallDisk(self, host)
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        self.assertEqual(daemon.stop(), 0)
        return host, disk, serial


@needs_root
class RenewalOnARealDisk(OnASmallDisk):
    def test_at_each_step_of_a_renewal(self):
        for fault, (break_it, mend) in FAULTS.items():
            host, disk, serial = self.proved_host()
            for call in sorted(BEFORE_PUBLISHING):
                with self.subTest(f"{fault} before {call}"):
                    daemon = host.start({"PGCERTD_FAULT": f"{call}:before:1=stop"})
                    daemon.wait_proved()
                    host.rotate_until_stopped(daemon)
                    break_it(disk)
                    daemon.resume()
                    # the CA is on another disk, and a signature needs no room here: the step after it does
                    problem = daemon.wait_problem("state-unwritable")
                    self.assertTrue(problem["remedy"])
                    self.assertEqual(problem["severity"], "critical")
                    self.assertEqual(host.served_serial(), serial)
                    self.assertVerifyFull(host)
                    self.assertIn('code="state-unwritable"', host.http("/metrics")[1])
                    mend(disk)
                    serial = daemon.wait_proved(but=serial, deadline=120)["certificate"]["serial"]
                    daemon.wait_no_problem("state-unwritable")
                    self.assertEqual(host.served_serial(), serial)
                    self.assertVerifyFull(host)
                    self.assertEqual(daemon.stop(), 0)


@needs_root
class RealDisk(OnASmallDisk):
    def test_at_a_first_issue(self):
        for fault, (break_it, mend) in FAULTS.items():
            with self.subTest(fault):
                host = self.host()
                disk = SmallDisk(self, host)
                daemon = host.start({"PGCERTD_FAULT": "generations.stage:before:1=stop"})
                poll(daemon.stopped, "the fault point", context=daemon.log)
                break_it(disk)
                daemon.resume()
                daemon.wait_problem("state-unwritable")
                self.assertEqual(host.postgres.sql("SHOW ssl"), "off")
                host.postgres.restart()
                mend(disk)
                daemon.wait_proved(deadline=120)
                daemon.wait_no_problem("state-unwritable")
                self.assertVerifyFull(host)

    def test_a_published_generation_is_proved_or_rolled_back_on_a_full_disk(self):
        for call in ("postgres.reload", "generations.publish"):
            for fault, (break_it, mend) in FAULTS.items():
                with self.subTest(f"{fault} after {call}"):
                    host, disk, serial = self.proved_host()
                    daemon = host.start({"PGCERTD_FAULT": f"{call}:after:1=stop"})
                    daemon.wait_proved()
                    host.rotate_until_stopped(daemon)
                    break_it(disk)
                    daemon.resume()
                    poll(lambda: host.served_serial() not in (None, serial), "the new certificate", context=daemon.log)
                    self.assertVerifyFull(host)
                    host.postgres.restart()
                    self.assertVerifyFull(host)
                    mend(disk)
                    daemon.wait_proved(but=serial)
                    daemon.wait_no_problem("state-unwritable")
                    self.assertVerifyFull(host)

    def test_the_way_back_needs_no_room(self):
        host = strict_host(self)
        disk = SmallDisk(self, host)
        serial = host.start().wait_proved()["certificate"]["serial"]
        host.daemons[-1].stop()
        host.configure(cluster='key_type = "rsa-2048"')
        daemon = host.start({"PGCERTD_FAULT": "generations.publish:after:1=stop"})
        poll(daemon.stopped, "the fault point", context=daemon.log)
        disk.fill()
        daemon.resume()
        daemon.wait_problem("reload-not-applied")
        daemon.wait(lambda c: c["certificate"] and c["certificate"]["serial"] == serial, "the former pair")
        self.assertEqual(host.served_serial(), serial)
        host.postgres.restart()   # without the strict OpenSSL: the cause goes with it
        self.assertEqual(host.served_serial(), serial)
        self.assertVerifyFull(host)
        disk.make_room()
        daemon.wait_proved(but=serial, deadline=120)
        daemon.wait_no_problem("state-unwritable")
        self.assertVerifyFull(host)

    def test_a_daemon_that_starts_on_such_a_disk_says_so_and_breaks_nothing(self):
        for fault, (break_it, mend) in FAULTS.items():
            with self.subTest(fault):
                host, disk, serial = self.proved_host()
                break_it(disk)
                daemon = host.start()
                poll(lambda: not daemon.alive() or daemon.cluster(), "an answer or an end", context=daemon.log)
                if daemon.alive():
                    host.ctl("rotate", "main", "--force")
                    daemon.wait_problem("state-unwritable")
                else:   # its unit starts it again
                    self.assertNotIn(daemon.wait_end(), (0, -6, -11), daemon.log())
                    self.assertRegex(daemon.log(), r"No space left|full|[Rr]ead-only|readonly", daemon.log())
                self.assertEqual(host.served_serial(), serial)
                mend(disk)
                if not daemon.alive():
                    daemon = host.start()
                daemon.wait_proved()
                daemon.wait_no_problem("state-unwritable")
                self.assertVerifyFull(host)
                self.assertEqual(daemon.stop(), 0)


class EachCall(ChangingCalls):
    """The same at each changing call of the trace, by fault points: whatever call it is that has no room."""

    def everywhere(self, name, host, play):
        calls = sorted({call for call, _ in self.changes(host, play)})
        self.assertGreaterEqual(len(calls), 6, calls)
        for call in calls:
            for error in ("no-space", "read-only"):
                with self.subTest(f"{name}: {error} at {call}"):
                    host.restore()
                    self.one(host, play, call, error)

    def one(self, host, play, call, error):
        before = host.served_serial()
        daemon = host.start({"PGCERTD_FAULT": ",".join(f"{call}:before:{n}={error}" for n in (1, 2))})
        poll(lambda: play(host) is not False, "the wish to be taken", context=daemon.log)
        poll(lambda: "fault point" in daemon.log(), "the fault", context=daemon.log)
        serial = daemon.wait_proved(but=before)["certificate"]["serial"]
        poll(lambda: any(e["fields"]["code"] == "state-unwritable" for e in host.events("problem-stands")),
             "the problem among the events", context=daemon.log)
        daemon.wait_no_problem("state-unwritable")
        self.assertEqual(host.served_serial(), serial)
        self.assertVerifyFull(host)
        self.assertEqual(daemon.stop(), 0)


class EachCallOfAFirstIssue(EachCall):
    def test_no_room(self):
        host = self.host()
        host.save()
        self.everywhere("first issue", host, lambda _: None)


class EachCallOfARenewal(EachCall):
    def test_no_room(self):
        self.everywhere("renewal", self.proved_and_saved(), self.ask)

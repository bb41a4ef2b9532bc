"""The wall clock jumps under a running daemon (faketime moves it for that process alone)."""
import pathlib

from harness import BUILD, HostTest, poll

FAKETIME = next(iter(sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)

PRELOAD = f"{BUILD}/tests/libmonotonic_timers.so:{FAKETIME}"


class ClockJump(HostTest):
    def started(self, bound):
        host = self.host(same_user=True)
        host.configure(daemon=f'clock_bound = "{bound}"\n')
        self.offset = host.directory / "offset"
        self.set_clock("+0")
        daemon = self.start(host)
        return host, daemon, daemon.wait_proved()["certificate"]["serial"]

    def start(self, host):
        return host.start(inside={"LD_PRELOAD": PRELOAD, "FAKETIME_TIMESTAMP_FILE": self.offset, "FAKETIME_NO_CACHE": 1, "FAKETIME_DONT_FAKE_MONOTONIC": 1})

    def set_clock(self, offset, *daemons):
        new = self.offset.with_name("offset.new")
        new.write_text(offset + "\n")
        new.chmod(0o644)
        new.rename(self.offset)
        for daemon in daemons:
            daemon.hangup()   # the kernel tells of a clock that is set; faketime cannot, and its waits may last by the other time

    def test_nothing_is_issued_until_the_clock_is_back(self):
        host, daemon, first = self.started("5m")
        self.set_clock("+3h", daemon)
        self.assertIn("forward by 3h", daemon.wait_problem("clock-jump")["message"])
        issued = len(host.events("issued"))
        self.assertEqual(host.ctl("rotate", "main", "--force").returncode, 0)
        self.assertIn("the wall clock jumped", host.ctl("rotate", "main", "--dry-run").stdout)
        self.assertEqual(daemon.cluster()["certificate"]["serial"], first)
        self.assertEqual(len(host.events("issued")), issued)
        self.set_clock("+0", daemon)
        daemon.wait_no_problem("clock-jump")
        daemon.wait_proved(but=first)
        self.assertVerifyFull(host)

    def test_a_new_time_that_stays_is_believed(self):
        host, daemon, first = self.started("3s")
        self.set_clock("+3h", daemon)
        self.assertEqual(host.ctl("rotate", "main", "--force").returncode, 0)
        daemon.wait_proved(but=first)
        self.assertEqual(host.events("problem-stands")[-1]["fields"]["code"], "clock-jump")
        daemon.wait_no_problem("clock-jump")

    def test_a_clock_that_was_set_back_while_the_daemon_was_down_is_noticed(self):
        host, daemon, first = self.started("5m")
        self.assertEqual(daemon.stop(), 0)
        self.set_clock("-2d")
        daemon = self.start(host)
        self.assertIn("back by", daemon.wait_problem("clock-jump")["message"])
        self.assertEqual(host.served_serial(), first)

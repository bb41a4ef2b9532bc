"""What systemd says of the units without being booted: no word that it does not know, and how far they are confined."""
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import BUILD, PGCERTD, ROOT

UNITS = ROOT / "units"
MOST_EXPOSURE = 2.0
ANALYZE = shutil.which("systemd-analyze")


def exposure(text):
    """0 is nothing, 10 is everything; by the unit alone."""
    with tempfile.TemporaryDirectory() as directory:
        unit = pathlib.Path(directory) / "pgcertd.service"
        unit.write_text(text)
        shown = subprocess.run([ANALYZE, "security", "--offline=true", "--no-pager", unit], capture_output=True, text=True, timeout=60).stdout
    return float(re.search(r"Overall exposure level for pgcertd.service: ([0-9.]+)", shown).group(1))


@unittest.skipUnless(ANALYZE, "systemd-analyze is not installed")
class Units(unittest.TestCase):
    def service(self, *more):
        return "\n".join((UNITS / name).read_text(encoding="utf-8") for name in ("pgcertd.service", *more))

    def test_they_are_confined(self):
        for name, text in {"pgcertd.service": self.service(), "in-place.conf": self.service("in-place.conf"), "as-postgres.conf": self.service("as-postgres.conf"),
                           "pgcertd-check.service": (UNITS / "pgcertd-check.service").read_text(encoding="utf-8")}.items():
            with self.subTest(name):
                self.assertLessEqual(exposure(text), MOST_EXPOSURE)
        self.assertGreater(exposure("[Service]\nExecStart=/bin/true\n"), 9, "an unconfined unit is seen as one")

    def test_systemd_knows_every_word(self):
        """With each drop-in. ExecStart= must exist to please it: the programs of the build stand in for the installed ones."""
        for drop_in in (None, "in-place.conf", "as-postgres.conf"):
            with self.subTest(drop_in), tempfile.TemporaryDirectory() as directory:
                where = pathlib.Path(directory)
                for name in ("pgcertd.service", "pgcertd-check.service", "pgcertd-check.timer"):
                    text = (UNITS / name).read_text(encoding="utf-8").replace("/usr/sbin/pgcertd", str(PGCERTD)).replace("/usr/bin/pgcertctl", str(BUILD / "daemon/pgcertctl"))
                    # Manual pages are installed elsewhere, and whether they are is not the unit's fault.
                    (where / name).write_text(re.sub(r"(?m)^Documentation=.*\n", "", text))
                if drop_in:
                    (where / "pgcertd.service.d").mkdir()
                    shutil.copy(UNITS / drop_in, where / "pgcertd.service.d")
                done = subprocess.run([ANALYZE, "verify", "--man=no", where / "pgcertd.service", where / "pgcertd-check.service", where / "pgcertd-check.timer"], capture_output=True, text=True, timeout=60)
                ours = [line for line in done.stderr.splitlines() if "pgcertd" in line]
                self.assertEqual(ours, [])

    def test_a_word_that_it_does_not_know_would_be_seen(self):
        with tempfile.TemporaryDirectory() as directory:
            unit = pathlib.Path(directory) / "pgcertd.service"
            unit.write_text(f"[Service]\nExecStart={PGCERTD}\nProtectEverything=yes\n")
            done = subprocess.run([ANALYZE, "verify", unit], capture_output=True, text=True, timeout=60)
            self.assertIn("ProtectEverything", done.stderr)


class Catalog(unittest.TestCase):
    def test_the_file_is_what_the_program_prints(self):
        printed = subprocess.run([PGCERTD, "--print-catalog"], capture_output=True, text=True, check=True).stdout
        self.assertEqual((UNITS / "pgcertd.catalog").read_text(encoding="utf-8"), printed, "pgcertd --print-catalog >units/pgcertd.catalog")

    @unittest.skipUnless(shutil.which("journalctl"), "journalctl is not installed")
    def test_the_journal_takes_it(self):
        with tempfile.TemporaryDirectory() as directory:
            catalog = pathlib.Path(directory) / "usr/lib/systemd/catalog"
            catalog.mkdir(parents=True)
            (pathlib.Path(directory) / "var/lib/systemd/catalog").mkdir(parents=True)
            shutil.copy(UNITS / "pgcertd.catalog", catalog)
            subprocess.run(["journalctl", f"--root={directory}", "--update-catalog"], check=True, capture_output=True)
            shown = subprocess.run(["journalctl", f"--root={directory}", "--dump-catalog"], capture_output=True, text=True, check=True).stdout
        self.assertIn("pgcertd: rotation-proved", shown)


if __name__ == "__main__":
    unittest.main()

"""The packages themselves: what is in them, that lintian and rpmlint find nothing, and that a build elsewhere gives the same bytes."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from machine import sh

ROOT = pathlib.Path(__file__).resolve().parents[2]


def digests(directory, pattern):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(directory.glob(pattern))}


class Packages(unittest.TestCase):
    """PGCERTD_DEBS is a directory that packaging/deb/build has filled: lintian has looked at them there."""

    def scratch(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="pgcertd-packages-"))
        self.addCleanup(shutil.rmtree, directory, True)
        return directory

    def deb(self, name):
        return next(pathlib.Path(os.environ["PGCERTD_DEBS"]).glob(f"{name}_*.deb"))

    def files(self, name):
        """Path to mode and owner."""
        rows = [line.split(None, 5) for line in sh("dpkg-deb", "-c", self.deb(name)).splitlines()]
        return {row[5].split(" -> ")[0].removeprefix("."): (row[0], row[1]) for row in rows if not row[0].startswith("d")}

    def test_what_is_in_them(self):
        daemon, tool = self.files("pgcertd"), self.files("pgcertctl")
        for path in ("/usr/sbin/pgcertd", "/etc/pgcertd/pgcertd.toml", "/lib/systemd/system/pgcertd.service", "/lib/systemd/system/pgcertd-check.service", "/lib/systemd/system/pgcertd-check.timer",
                     "/usr/lib/sysusers.d/pgcertd.conf", "/usr/lib/tmpfiles.d/pgcertd.conf", "/usr/lib/systemd/catalog/pgcertd.catalog", "/usr/share/pgcertd/prometheus/pgcertd.rules.yml", "/usr/share/pgcertd/grafana/pgcertd.json",
                     "/usr/share/pgcertd/in-place.conf", "/usr/share/pgcertd/as-postgres.conf", "/usr/share/man/man8/pgcertd.8.gz", "/usr/share/man/man5/pgcertd.toml.5.gz",
                     "/usr/share/doc/pgcertd/docs/OPERATING.md.gz"):
            self.assertIn(path, daemon)
        for path in ("/usr/bin/pgcertctl", "/usr/lib/nagios/plugins/check_pgcertd", "/usr/share/bash-completion/completions/pgcertctl", "/usr/share/man/man1/pgcertctl.1.gz"):
            self.assertIn(path, tool)
        self.assertEqual({owner for _, owner in (daemon | tool).values()}, {"root/root"})
        self.assertFalse(any("s" in mode[1:] for mode, _ in (daemon | tool).values()), "nothing is set-uid")
        self.assertNotIn("postgresql", sh("dpkg-deb", "-f", self.deb("pgcertctl"), "Depends"), "the root's machine has none")
        self.assertEqual(sh("dpkg-deb", "-I", self.deb("pgcertd"), "conffiles").split(), ["/etc/pgcertd/pgcertd.toml"])

    def test_nothing_of_the_tests_is_in_the_programs(self):
        scratch = self.scratch()
        sh("dpkg-deb", "-x", self.deb("pgcertd"), scratch)
        self.assertNotIn(b"PGCERTD_FAULT", (scratch / "usr/sbin/pgcertd").read_bytes())
        self.assertNotIn(str(ROOT).encode(), (scratch / "usr/sbin/pgcertd").read_bytes())

    def test_another_build_gives_the_same_bytes(self):
        elsewhere = self.scratch()
        done = subprocess.run([ROOT / "packaging/deb/build", "-o", elsewhere, "--no-lint"], capture_output=True, text=True, env=os.environ | {"TZ": "Asia/Tokyo"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(digests(elsewhere, "*.deb"), digests(pathlib.Path(os.environ["PGCERTD_DEBS"]), "*.deb"))

    @unittest.skipUnless(shutil.which("rpmbuild") and shutil.which("rpmlint"), "rpmbuild and rpmlint are not installed")
    def test_rpms(self):
        first, second = self.scratch(), self.scratch()
        for into in (first, second):
            done = subprocess.run([ROOT / "packaging/rpm/build", "-o", into], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-3000:])
        self.assertEqual(digests(first, "*.rpm"), digests(second, "*.rpm"))
        files = {line for rpm in first.glob("*.rpm") for line in sh("rpm", "-qpl", rpm).splitlines()}
        for path in ("/usr/sbin/pgcertd", "/usr/bin/pgcertctl", "/etc/pgcertd/pgcertd.toml", "/usr/lib/systemd/system/pgcertd.service", "/usr/share/man/man8/pgcertd.8.gz"):
            self.assertIn(path, files)
        self.assertEqual(sh("rpm", "-qp", "--configfiles", next(first.glob("pgcertd-0*.rpm"))).split(), ["/etc/pgcertd/pgcertd.toml"])


if __name__ == "__main__":
    unittest.main(verbosity=2)

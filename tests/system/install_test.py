#!/usr/bin/env python3
"""What `cmake --install` puts where, and that a packager's configuration holds nothing that is for tests."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import BUILD, PGCERTD, ROOT

PROGRAMS = {"sbin/pgcertd", "bin/pgcertctl"}
SHARE = {"share/man/man1/pgcertctl.1", "share/man/man5/pgcertd.toml.5", "share/man/man8/pgcertd.8", "share/pgcertd/prometheus/pgcertd.rules.yml", "share/pgcertd/prometheus/alertmanager-inhibit.yml", "share/pgcertd/grafana/pgcertd.json", "share/pgcertd/nagios/pgcertd.cfg", "share/pgcertd/icinga2/pgcertd.conf",
         "lib/nagios/plugins/check_pgcertd", "share/pgcertd/in-place.conf", "share/pgcertd/as-postgres.conf", "share/pgcertd/as-postgres.tmpfiles",
         "share/bash-completion/completions/pgcertctl", "share/doc/pgcertd/README.md", "share/doc/pgcertd/LICENSE"}
SYSTEMD = {"lib/systemd/system/pgcertd.service", "lib/systemd/system/pgcertd-check.service", "lib/systemd/system/pgcertd-check.timer", "lib/systemd/catalog/pgcertd.catalog",
           "lib/sysusers.d/pgcertd.conf", "lib/tmpfiles.d/pgcertd.conf"}


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=300, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


class InScratch(unittest.TestCase):
    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="pgcertd-install-"))
        self.addCleanup(shutil.rmtree, self.scratch, True)

    def install(self, prefix, destdir=""):
        return run("cmake", "--install", BUILD, "--prefix", prefix, env=os.environ | {"DESTDIR": str(destdir)})

    def files(self):
        return {str(p.relative_to(self.scratch)) for p in self.scratch.rglob("*") if not p.is_dir()}


class Installed(InScratch):
    def test_everything_lies_where_a_host_looks_for_it(self):
        self.install("/usr/local", self.scratch)
        files = self.files()
        expected = {f"usr/local/{name}" for name in PROGRAMS | SHARE | SYSTEMD} | {"etc/pgcertd/pgcertd.toml"}
        docs = {f"usr/local/share/doc/pgcertd/{p.relative_to(ROOT)}" for p in (ROOT / "docs").rglob("*") if p.is_file() and p.parent.name != "man"}
        self.assertGreater(len(docs), 60)
        self.assertEqual(files, expected | docs)
        for program in PROGRAMS:
            self.assertIn("pgcert", run(self.scratch / "usr/local" / program, "--version"))

    def test_a_prefix_of_its_own_holds_everything(self):
        self.install(self.scratch)
        self.assertEqual({n for n in self.files() if not n.startswith("share/doc/")},
                         {n for n in PROGRAMS | SHARE | SYSTEMD if not n.startswith("share/doc/")} | {"etc/pgcertd/pgcertd.toml"})

    def test_the_configuration_of_a_host_is_kept(self):
        self.install("/usr/local", self.scratch)
        config = self.scratch / "etc/pgcertd/pgcertd.toml"
        self.assertEqual(config.read_bytes(), (ROOT / "etc/pgcertd.toml").read_bytes())
        config.write_text("# mine\n", encoding="utf-8")
        self.assertIn("Kept", self.install("/usr/local", self.scratch))
        self.assertEqual(config.read_text(encoding="utf-8"), "# mine\n")

    def test_the_installed_configuration_loads(self):
        self.install("/usr/local", self.scratch)
        run(self.scratch / "usr/local/sbin/pgcertd", "--check-config", "--config", self.scratch / "etc/pgcertd/pgcertd.toml")

    def test_systemd_s_tools_make_user_and_directories(self):
        if shutil.which("systemd-sysusers") is None or shutil.which("systemd-tmpfiles") is None:
            self.skipTest("systemd-sysusers and systemd-tmpfiles are not installed")
        if os.geteuid() != 0:
            self.skipTest("needs root: it makes directories of another user")
        self.install("/usr/local", self.scratch)
        run("systemd-sysusers", f"--root={self.scratch}", "pgcertd.conf")
        run("systemd-tmpfiles", f"--root={self.scratch}", "--create", "pgcertd.conf")
        uid = next(int(line.split(":")[2]) for line in (self.scratch / "etc/passwd").read_text().splitlines() if line.startswith("pgcertd:"))
        state = self.scratch / "var/lib/pgcertd"
        self.assertEqual([(p.stat().st_uid, oct(p.stat().st_mode & 0o7777)) for p in (state, state / "clusters", state / "pending", state / "requests")],
                         [(uid, "0o711"), (uid, "0o711"), (uid, "0o700"), (uid, "0o700")])

    def test_completion_offers_the_commands(self):
        self.install(self.scratch)
        script = f"source {self.scratch}/share/bash-completion/completions/pgcertctl; COMP_WORDS=(pgcertctl rot); COMP_CWORD=1; _pgcertctl; echo ${{COMPREPLY[*]}}"
        self.assertEqual(run("bash", "-c", script).strip(), "rotate")

    def test_manual_pages_are_found(self):
        if shutil.which("man") is None:
            self.skipTest("man is not installed")
        self.install(self.scratch)
        for section, name in (("1", "pgcertctl"), ("5", "pgcertd.toml"), ("8", "pgcertd")):
            self.assertTrue(run("man", "-M", self.scratch / "share/man", "-w", section, name).strip().endswith(f"{name}.{section}"))


class PackagersBuild(InScratch):
    """cmake -S . -B DIR -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF"""

    def configure(self, *more):
        run("cmake", "-S", ROOT, "-B", self.scratch, "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF", *more)

    def command_for(self, source):
        commands = json.loads((self.scratch / "compile_commands.json").read_text(encoding="utf-8"))
        return next(c for c in commands if c["file"].endswith(source))

    def test_it_configures_without_what_only_developers_want(self):
        self.configure()
        cache = (self.scratch / "CMakeCache.txt").read_text(encoding="utf-8")
        self.assertIn("PGCERTD_FAULT_POINTS:BOOL=OFF", cache)
        self.assertIn("PGCERTD_WERROR:BOOL=OFF", cache)
        commands = (self.scratch / "compile_commands.json").read_text(encoding="utf-8")
        self.assertNotIn("-Werror", commands)
        self.assertNotIn("PGCERTD_FAULT_POINTS", commands)
        self.assertNotIn("/tests/", commands)

    def test_no_fault_point_is_compiled_in(self):
        self.configure()
        entry = self.command_for("pgcertd/fault.cpp")
        compiled = self.scratch / "fault.o"
        run("sh", "-c", re.sub(r" -o \S+", f" -o {compiled}", entry["command"]), cwd=entry["directory"])
        self.assertNotIn(b"PGCERTD_FAULT", compiled.read_bytes())

    def test_a_developer_s_build_has_them(self):
        if "PGCERTD_FAULT_POINTS:BOOL=ON" not in (BUILD / "CMakeCache.txt").read_text(encoding="utf-8"):
            self.skipTest("this build has no fault points")
        self.assertIn(b"PGCERTD_FAULT", PGCERTD.read_bytes())

    def test_the_unit_starts_what_is_installed(self):
        for more, program, config in (((), "/usr/local/sbin/pgcertd", "/etc/pgcertd/"),
                                      (("-DCMAKE_INSTALL_PREFIX=/usr", "-DCMAKE_INSTALL_SYSCONFDIR=/etc"), "/usr/sbin/pgcertd", "/etc/pgcertd/"),
                                      (("-DCMAKE_INSTALL_PREFIX=/opt/p", "-UCMAKE_INSTALL_SYSCONFDIR"), "/opt/p/sbin/pgcertd", "/opt/p/etc/pgcertd/")):
            with self.subTest(more):
                self.configure(*more)
                unit = (self.scratch / "units/pgcertd.service").read_text(encoding="utf-8")
                self.assertIn(f"ExecStart={program} --config {config}pgcertd.toml\n", unit)
                check = (self.scratch / "units/pgcertd-check.service").read_text(encoding="utf-8")
                self.assertIn(f"ExecStart={program.replace('sbin/pgcertd', 'bin/pgcertctl')} --config {config}pgcertd.toml check --direct\n", check)


if __name__ == "__main__":
    unittest.main()

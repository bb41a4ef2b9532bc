#!/usr/bin/env python3
"""Runs the system tests: real programs, a real PostgreSQL. See --help."""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent


class Result(unittest.TestResult):
    """A line a test, as it ends; failures at once, with their reason."""

    def __init__(self):
        super().__init__()
        self.passed, self.began = 0, 0.0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def say(self, word, test, detail=""):
        name = test.id() if hasattr(test, "id") else str(test)
        print(f"{word:7} {name} ({time.monotonic() - self.began:.1f} s){detail}", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        self.say("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say("FAILED", test, "\n" + self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.say("FAILED", test, "\n" + self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.say("FAILED", subtest, "\n" + (self.failures or self.errors)[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say("skipped", test, ": " + reason)


def cases(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from cases(item)
        else:
            yield item


# Those that take more than a minute, in the order in which they begin: one of them that begins late is waited for at the end.
LONG = ["kill_test.KilledWhileCrlsComeIn", "refused_test", "server_faults_test.ServerFaults", "faults_test", "in_place_test.Killed", "alerts_test.Fires", "shape_test.Includes",
        "undo_test", "kill_test", "versions_test", "disk_test", "key_test.Idle", "client_test.Life", "token_test", "years_test", "probe_test", "setup_test", "problems_test",
        "crl_life_test", "power_cut_test", "soak_test"]


def turn(name):
    return next((at for at, long in enumerate(LONG) if name.startswith(long)), len(LONG)), name


def run_here(classes, tests):
    """Runs the tests of these classes in this process."""
    result = Result()
    unittest.TestSuite(t for t in tests if class_of(t) in classes).run(result)
    failed = len(result.failures) + len(result.errors)
    return {"passed": result.passed, "failed": failed, "skipped": len(result.skipped)}


def class_of(test):
    return f"{type(test).__module__}.{type(test).__qualname__}"


def run_apart(name, chosen):
    """Runs the tests of one class in a process of its own: most of their time is waiting, so a few go side by side."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [sys.executable, __file__, "--build", chosen.build, "--report", report.name, "--class", name]
        command += [word for pattern in chosen.patterns or [] for word in ("-k", pattern)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        lines = done.stdout.splitlines()
        print("\n".join(lines[:-1]), flush=True)
        try:
            return json.loads(pathlib.Path(report.name).read_text(encoding="utf-8"))
        except ValueError:
            print(f"FAILED  {name} ended without a report: exit {done.returncode}\n{done.stdout}", flush=True)
            return {"passed": 0, "failed": 1, "skipped": 0}


def watch_sanitizers(directory):
    """Whatever process of a sanitizer's build finds something writes it there, also where nobody reads what it prints."""
    os.chmod(directory, 0o1777)
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        os.environ[name] = f"{os.environ.get(name, '')}:log_path={directory}/report"


def findings_of_sanitizers(directory):
    for path in sorted(pathlib.Path(directory).iterdir()):
        print(f"FAILED  a sanitizer's report\n{path.read_text(errors='replace')[:6000]}", flush=True)
        yield path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release", help="directory of the build whose programs are tested")
    parser.add_argument("--report", help="write the counts there as JSON")
    parser.add_argument("--soak", type=int, metavar="SECONDS", help="rotations without pause for so long, nothing else")
    parser.add_argument("-k", dest="patterns", action="append", help="only tests whose name holds this")
    parser.add_argument("--jobs", type=int, default=3, help="classes of tests that run side by side (default 3)")
    parser.add_argument("--class", dest="chosen_class", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    os.environ["PGCERTD_BUILD"] = str(pathlib.Path(chosen.build).resolve())
    if chosen.soak:
        os.environ["PGCERTD_SOAK_SECONDS"] = str(chosen.soak)
    sys.path.insert(0, str(HERE))
    loader = unittest.TestLoader()
    if chosen.patterns:
        loader.testNamePatterns = [f"*{p}*" for p in chosen.patterns]
    tests = list(cases(loader.discover(str(HERE), pattern="soak_test.py" if chosen.soak else "*_test.py", top_level_dir=str(HERE))))
    classes = sorted({class_of(t) for t in tests}, key=turn)
    if not chosen.chosen_class:
        reports = tempfile.mkdtemp(prefix="pgcertd-sanitizers-")
        watch_sanitizers(reports)
    if chosen.chosen_class:
        sums = run_here({chosen.chosen_class}, tests)
    elif chosen.jobs <= 1 or len(classes) <= 1:
        sums = run_here(set(classes), tests)
    else:
        heavy = [name for name in classes if "load" in name]   # it takes both cores: beside it every deadline would be a guess
        parts = [run_apart(name, chosen) for name in heavy]
        with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
            parts += pool.map(lambda name: run_apart(name, chosen), [name for name in classes if name not in heavy])
        sums = {key: sum(part[key] for part in parts) for key in ("passed", "failed", "skipped")}
    if not chosen.chosen_class:
        sums["failed"] += len(list(findings_of_sanitizers(reports)))
        shutil.rmtree(reports)
    if chosen.report:
        pathlib.Path(chosen.report).write_text(json.dumps(sums), encoding="utf-8")
    print(f"{sums['passed']} passed, {sums['failed']} failed, {sums['skipped']} skipped")
    return 0 if sums["failed"] == 0 and sums["passed"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())

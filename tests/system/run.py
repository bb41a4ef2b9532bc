#!/usr/bin/env python3
"""Runs the system tests: real programs, a real PostgreSQL. See --help."""
import argparse
import json
import os
import pathlib
import sys
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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build/release", help="directory of the build whose programs are tested")
    parser.add_argument("--report", help="write the counts there as JSON")
    parser.add_argument("--soak", type=int, metavar="SECONDS", help="rotations without pause for so long, nothing else")
    parser.add_argument("-k", dest="patterns", action="append", help="only tests whose name holds this")
    chosen = parser.parse_args()
    os.environ["PGCERTD_BUILD"] = str(pathlib.Path(chosen.build).resolve())
    if chosen.soak:
        os.environ["PGCERTD_SOAK_SECONDS"] = str(chosen.soak)
    sys.path.insert(0, str(HERE))
    loader = unittest.TestLoader()
    if chosen.patterns:
        loader.testNamePatterns = [f"*{p}*" for p in chosen.patterns]
    suite = loader.discover(str(HERE), pattern="soak_test.py" if chosen.soak else "*_test.py", top_level_dir=str(HERE))
    result = Result()
    suite.run(result)
    failed = len(result.failures) + len(result.errors)
    if chosen.report:
        pathlib.Path(chosen.report).write_text(json.dumps({"passed": result.passed, "failed": failed, "skipped": len(result.skipped)}), encoding="utf-8")
    print(f"{result.passed} passed, {failed} failed, {len(result.skipped)} skipped")
    return 0 if failed == 0 and result.passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())

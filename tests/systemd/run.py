#!/usr/bin/env python3
"""The tests on a booted systemd: builds nothing, takes the packages of a directory. Where no systemd can boot, says so in one line and
counts the tests as skipped. --report writes what tests/tools/count_results.py reads."""
import argparse
import json
import os
import sys
import time
import unittest


class Told(unittest.TextTestResult):
    """A line for each test, and the failures at once."""

    def __init__(self, *words, **more):
        super().__init__(*words, **more)
        self.fine = []

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()

    def told(self, word, test):
        print(f"{word:7} {test.id().split('.', 1)[1]} ({time.monotonic() - self.begun:.1f} s)", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.fine.append(test.id())
        self.told("ok", test)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.told("FAILED", subtest)
            print(self._exc_info_to_string(err, test), flush=True)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.told("FAILED", test)
        print(self._exc_info_to_string(err, test), flush=True)

    def addError(self, test, err):
        super().addError(test, err)
        if hasattr(test, "_testMethodName"):
            self.told("FAILED", test)
        print(self._exc_info_to_string(err, test), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--debs", required=True, help="directory with the packages")
    parser.add_argument("--build", default="build/release", help="directory of a build with fault points")
    parser.add_argument("--previous", help="directory with the packages of a former build, to upgrade from")
    parser.add_argument("--report", help="file for the counts, as JSON")
    parser.add_argument("-k", action="append", help="only tests whose names have this in them")
    chosen = parser.parse_args()
    os.environ["PGCERTD_BUILD"] = os.path.abspath(chosen.build)
    os.environ["PGCERTD_DEBS"] = os.path.abspath(chosen.debs)
    os.environ["PGCERTD_PREVIOUS"] = os.path.abspath(chosen.previous) if chosen.previous else ""
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{k}*" for k in chosen.k] if chosen.k else None
    suite = loader.discover(os.path.dirname(os.path.abspath(__file__)), "*_test.py")
    total = suite.countTestCases()
    result = unittest.TextTestRunner(stream=open(os.devnull, "w", encoding="utf-8"), resultclass=Told).run(suite)
    bad = len(result.failures) + len(result.errors)
    for why in sorted({why for _, why in result.skipped}):
        print(f"skipped: {why}")
    passed = len(result.fine)
    counts = {"passed": passed, "failed": bad, "skipped": max(0, total - passed - bad)}
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    if chosen.report:
        with open(chosen.report, "w", encoding="utf-8") as file:
            json.dump(counts, file)
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())

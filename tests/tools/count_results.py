#!/usr/bin/env python3
"""Prints "PASSED FAILED SKIPPED" of one report: GoogleTest's JSON, or {"passed":…,"failed":…,"skipped":…}."""
import json
import sys


def count(report):
    if "passed" in report:
        return report["passed"], report["failed"], report["skipped"]
    cases = [case for suite in report["testsuites"] for case in suite["testsuite"]]
    failed = sum(1 for case in cases if case.get("failures"))
    skipped = sum(1 for case in cases if case["result"] in ("SKIPPED", "SUPPRESSED"))
    return len(cases) - failed - skipped, failed, skipped


with open(sys.argv[1], encoding="utf-8") as file:
    print(*count(json.load(file)))

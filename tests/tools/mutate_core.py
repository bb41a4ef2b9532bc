#!/usr/bin/env python3
"""Mutates every comparison, logical operator, boolean, number and condition of core's decisions, one at a time, and tells which
mutants the unit tests of core do not notice. A survivor must get a test, or stand in mutation_survivors.txt with its reason.
"""
import argparse
import concurrent.futures
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DECISIONS = ("plan.cpp", "plan_live.cpp", "walk.cpp", "need.cpp", "judge.cpp", "runway.cpp", "permissions.cpp", "sslmode.cpp", "action.cpp", "hba.cpp", "client_auth.cpp", "trust.cpp", "audit.cpp", "file_judge.cpp",
             "setting_value.cpp", "clock_guard.cpp", "foreign_pair.cpp", "crl_set.cpp", "restart.cpp", "weekly_window.cpp")
SURVIVORS = pathlib.Path(__file__).with_name("mutation_survivors.txt")
FLAGS = ["-std=c++20", "-O0", "-w", '-DPGCERTD_VERSION="mutant"', f'-DPGCERTD_SOURCE_DIR="{ROOT}"', f"-I{ROOT}/lib", f"-I{ROOT}/tests"]
COMPARISONS = {"==": "!=", "!=": "==", "<=": "<", ">=": ">", "<": "<=", ">": ">="}


def code_spans(line):
    """The parts of a line that are code: no strings, no characters, no comments."""
    blank = lambda m: " " * len(m[0])  # noqa: E731
    line = re.sub(r'"(?:\\.|[^"\\])*"', blank, line)
    line = re.sub(r"'(?:\\.|[^'\\])'", blank, line)
    return re.sub(r"//.*", blank, line)


def call_around(code, column):
    """The function among whose arguments this column stands, or nothing."""
    depth = 0
    for i in range(column - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(code[i], 0)
        if depth < 0:
            return re.search(r"\w*$", code[:i])[0]
    return ""


def mutations(line):
    """(column, old, new) for each mutation of a line."""
    code = code_spans(line)
    if code.lstrip().startswith(("#", "using ", "namespace ")):
        return
    for m in re.finditer(r"(?<= )(==|!=|<=|>=|<|>)(?= )", code):
        yield m.start(1), m[1], COMPARISONS[m[1]]
    for m in re.finditer(r"(?<= )(&&|\|\|)(?= )", code):
        yield m.start(1), m[1], "||" if m[1] == "&&" else "&&"
    for m in re.finditer(r"\b(true|false)\b", code):
        yield m.start(1), m[1], "false" if m[1] == "true" else "true"
    for m in re.finditer(r"(?<![\w.:'])(\d+)(?=(?:ms|s|min|h|U)?\b)", code):
        if call_around(code, m.start(1)) == "printable":
            continue                 # how much of a long text is shown decides nothing
        yield m.start(1), m[1], str(int(m[1]) + 1)
    for m in re.finditer(r"\bif \((?=.)", code):
        yield m.end(), "", "!("      # closed by negate()


def negate(line, column):
    """`if (x)` becomes `if (!(x))`."""
    depth, i = 1, column
    while i < len(line) and depth:
        depth += {"(": 1, ")": -1}.get(code_spans(line)[i], 0)
        i += 1
    if depth or ";" in code_spans(line)[column:i]:
        return None
    return line[:column] + "!(" + line[column:i - 1] + ")" + line[i - 1:]


def mutants(only):
    for name in DECISIONS:
        if only and name != only:
            continue
        lines = (ROOT / "lib" / "core" / name).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            for column, old, new in mutations(line):
                changed = negate(line, column) if new == "!(" else line[:column] + new + line[column + len(old):]
                if changed:
                    yield name, number, line.strip(), changed


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)


class Workshop:
    """Objects that do not change, compiled once; each mutant is one object more and one link."""

    def __init__(self, directory):
        self.directory = directory
        sources = [*(ROOT / "lib" / "core").glob("*.cpp"), *(ROOT / "lib" / "base").glob("*.cpp"), *(ROOT / "tests" / "unit" / "core").glob("*.cpp")]
        self.objects = {}
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for source, path in zip(sources, pool.map(self.compile, sources)):
                self.objects[source] = path

    def compile(self, source, text=None, name=None):
        path = self.directory / (name or f"{source.parent.name}_{source.stem}.o")
        done = run("g++", *FLAGS, "-x", "c++", "-c", "-" if text else source, "-o", path, **({"input": text} if text else {}))
        if done.returncode:
            raise RuntimeError(done.stderr)
        return path

    def passes(self, objects, name):
        program = self.directory / name
        linked = run("g++", *objects, "-o", program, "-lgmock", "-lgtest", "-lgtest_main", "-lfmt", "-lpthread")
        if linked.returncode:
            raise RuntimeError(linked.stderr)
        try:
            return run(program, "--gtest_brief=1", "--gtest_fail_fast", timeout=20).returncode == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            program.unlink(missing_ok=True)

    def survives(self, mutant, index):
        name, number, _, changed = mutant
        source = ROOT / "lib" / "core" / name
        lines = source.read_text(encoding="utf-8").splitlines()
        lines[number - 1] = changed
        try:
            own = self.compile(source, "\n".join(lines) + "\n", f"mutant{index}.o")
        except RuntimeError:
            return None                     # no program, no mutant
        try:
            return self.passes([own if s == source else o for s, o in self.objects.items()], f"mutant{index}")
        finally:
            own.unlink(missing_ok=True)


def explained():
    """Reasons by "FILE: changed line"."""
    reasons = {}
    for line in SURVIVORS.read_text(encoding="utf-8").splitlines() if SURVIVORS.exists() else []:
        if line.strip() and not line.startswith("#"):
            change, _, why = line.partition("  ## ")
            reasons[change.strip()] = why.strip()
    return reasons


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", help="write the counts there as JSON")
    parser.add_argument("--only", metavar="FILE", help="only this file of lib/core")
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args()
    reasons, killed, known, unknown, none = explained(), 0, 0, [], 0
    directory = pathlib.Path(tempfile.mkdtemp(prefix="pgcertd-mutants-"))
    try:
        workshop = Workshop(directory)
        if not workshop.passes(list(workshop.objects.values()), "whole"):
            print("the tests fail without any mutation")
            return 1
        all_mutants = list(mutants(chosen.only))
        with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
            for mutant, survived in zip(all_mutants, pool.map(workshop.survives, all_mutants, range(len(all_mutants)))):
                name, number, old, changed = mutant
                change = f"{name}: {changed.strip()}"
                if survived is None:
                    none += 1
                elif not survived:
                    killed += 1
                elif reasons.get(change):
                    known += 1
                    print(f"survives, with a reason: {change}\n    {reasons[change]}", flush=True)
                else:
                    unknown.append(change)
                    print(f"SURVIVES {name}:{number}\n  - {old}\n  + {changed.strip()}", flush=True)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{len(all_mutants) - none} mutants: {killed} killed, {known} survive with a reason, {len(unknown)} without; {none} do not compile")
    if chosen.report:
        pathlib.Path(chosen.report).write_text(json.dumps({"passed": killed + known, "failed": len(unknown), "skipped": 0}), encoding="utf-8")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main())

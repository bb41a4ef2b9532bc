#!/usr/bin/env python3
"""Prints how long files and functions of lib/ and daemon/ are beside the goals: file median about 100 lines, function median
about 6, at most 2 % of functions over 60. Needs universal-ctags."""
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def functions(files):
    done = subprocess.run(["ctags", "--output-format=json", "--fields=+ne", "--kinds-C++=f", "--languages=C++", "-f", "-", *map(str, files)],
                          capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        tag = json.loads(line)
        if "end" in tag:
            yield tag["end"] - tag["line"] + 1, f'{pathlib.Path(tag["path"]).relative_to(ROOT)}:{tag["line"]} {tag["name"]}'


def measure():
    files = sorted(p for room in ("lib", "daemon") for p in (ROOT / room).rglob("*.[ch]pp"))
    lines = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in files}
    long_ones = sorted(functions([p for p in files if p.suffix == ".cpp"]), reverse=True)
    lengths = [n for n, _ in long_ones]
    return {"files": len(files), "file median": statistics.median(lines.values()), "longest file": max((n, str(p.relative_to(ROOT))) for p, n in lines.items()),
            "functions": len(lengths), "function median": statistics.median(lengths), "over 60 lines, %": round(100 * sum(n > 60 for n in lengths) / len(lengths), 2),
            "longest functions": long_ones[:8]}


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name:18} {value}")
    sys.exit(0)

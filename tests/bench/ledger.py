"""What a run of tests/bench found: each figure of ours beside its peer, and whether the ratio is what is wanted."""
import json
import pathlib
import shutil
import statistics


class Ledger:
    def __init__(self):
        self.rows = []

    def add(self, what, ours, theirs, peer, unit="ms", at_most=None, at_least=None):
        """Medians of one run; `theirs` None: the peer is not installed here."""
        ratio = ours / theirs if theirs else None
        wanted = f"<= {at_most:g}" if at_most is not None else f">= {at_least:g}" if at_least is not None else ""
        met = None if ratio is None or not wanted else (ratio <= at_most if at_most is not None else ratio >= at_least)
        self.rows.append({"what": what, "ours": ours, "peer": peer, "theirs": theirs, "unit": unit, "ratio": ratio, "wanted": wanted, "met": met})
        beside = f"{theirs:.2f} {unit} of {peer}, ratio {ratio:.3f}" if ratio is not None else f"{peer} is not here"
        print(f"{what}: {ours:.2f} {unit} beside {beside}{f' (wanted {wanted}: ' + ('met' if met else 'MISSED') + ')' if met is not None else ''}", flush=True)

    def limit(self, what, value, at_most, unit):
        """A figure that stands by itself."""
        met = value <= at_most
        self.rows.append({"what": what, "ours": value, "peer": "", "theirs": None, "unit": unit, "ratio": None, "wanted": f"<= {at_most:g} {unit}", "met": met})
        print(f"{what}: {value:.2f} {unit} (wanted <= {at_most:g}: {'met' if met else 'MISSED'})", flush=True)

    def note(self, what, value, unit="ms"):
        """A figure that nothing stands beside."""
        self.rows.append({"what": what, "ours": value, "peer": "", "theirs": None, "unit": unit, "ratio": None, "wanted": "", "met": None})
        print(f"{what}: {value:.2f} {unit}", flush=True)

    def table(self):
        print(f"\n{'':46} {'pgcertd':>12} {'beside':>12} {'ratio':>8} {'wanted':>14}")
        for row in self.rows:
            theirs = f"{row['theirs']:.2f}" if row["theirs"] else "-"
            ratio = f"{row['ratio']:.3f}" if row["ratio"] is not None else "-"
            verdict = {True: "met", False: "MISSED", None: ""}[row["met"]]
            print(f"{row['what'][:46]:46} {row['ours']:9.2f} {row['unit'][:3]:3} {theirs:>12} {ratio:>8} {row['wanted']:>14} {verdict}  {row['peer']}")
        missed = [row["what"] for row in self.rows if row["met"] is False]
        print(f"{sum(row['met'] is True for row in self.rows)} met, {len(missed)} missed{': ' + '; '.join(missed) if missed else ''}")

    def write(self, path):
        pathlib.Path(path).write_text(json.dumps(self.rows, indent=1) + "\n", encoding="utf-8")


def median(figures):
    return statistics.median(figures)


def missing(*programs):
    """Those that are not installed."""
    return [p for p in programs if not shutil.which(p)]

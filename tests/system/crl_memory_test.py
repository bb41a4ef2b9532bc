"""A CRL of 1,000,000 entries made, read, verified and looked up in by our own part, in at most three times the memory of its DER."""
import importlib.machinery
import importlib.util
import os
import pathlib
import tempfile
import unittest

from harness import BUILD, measured

HERE = pathlib.Path(__file__).resolve().parent
ENTRIES = int(os.environ.get("PGCERTD_CRL_ENTRIES", "1000000"))


def load_bench():
    loader = importlib.machinery.SourceFileLoader("large_crl", str(HERE.parent / "bench" / "large_crl"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("large_crl", loader))
    loader.exec_module(module)
    return module


@measured
class CrlMemory(unittest.TestCase):
    def test_at_most_three_times_the_der(self):
        with tempfile.TemporaryDirectory(prefix="pgcertd-crl-") as directory:
            bench = load_bench().Bench(pathlib.Path(directory), BUILD / "tests" / "crl_tool", ENTRIES)
            der, times = bench.times_the_der()
            bench.openssl_check()   # and it is a CRL to others
            for name, ratio in times.items():
                self.assertLess(ratio, 3, name)
                self.assertGreater(ratio, 1, f"{name}: what is measured is not that program")
            print(f"{der:.0f} MiB of DER: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in times.items()) + " times that", flush=True)

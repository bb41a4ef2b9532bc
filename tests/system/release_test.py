"""packaging/release: the same bytes from the same commit, wherever they are made; nothing left out of the bill of materials."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import PGCERTCTL, PGCERTD, ROOT, measured

# The name in a program's list of needed libraries, and in the bill. What every C++ program needs is not told there.
LIBRARIES = {"ssl": "OpenSSL", "crypto": "OpenSSL", "pq": "libpq", "systemd": "libsystemd", "sqlite3": "SQLite", "curl": "libcurl", "fmt": "fmt", "cpp-httplib": "cpp-httplib",
             "tomlplusplus": "toml++", "prometheus-cpp-core": "prometheus-cpp"}
EVERYWHERE = {"c", "m", "stdc++", "gcc_s"}


@unittest.skipUnless(shutil.which("git") and (ROOT / ".git").exists(), "the sources are no clone")
class Release(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = pathlib.Path(tempfile.mkdtemp(prefix="pgcertd-release-"))
        cls.addClassCleanup(shutil.rmtree, cls.scratch, True)
        cls.first = cls.release(ROOT, "first")
        cls.version = next(cls.first.glob("*.tar.gz")).name[len("pgcertd-"):-len(".tar.gz")]

    @classmethod
    def release(cls, root, name, **environment):
        into = cls.scratch / name
        # Another user's clone is read as well.
        env = os.environ | {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"} | environment
        done = subprocess.run([root / "packaging/release", "-o", into], capture_output=True, text=True, env=env, timeout=120)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return into

    def digests(self, directory):
        return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in directory.iterdir()}

    def unpacked(self):
        subprocess.run(["tar", "-C", self.scratch, "-xf", self.first / f"pgcertd-{self.version}.tar.gz"], check=True)
        return self.scratch / f"pgcertd-{self.version}"

    def test_the_same_bytes_again(self):
        self.assertEqual(self.digests(self.release(ROOT, "second", TZ="Asia/Tokyo", LC_ALL="C")), self.digests(self.first))
        self.assertEqual(self.digests(self.release(self.unpacked(), "third")), self.digests(self.first), "from the archive itself")

    def test_checksums(self):
        self.assertEqual(subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=self.first, capture_output=True).returncode, 0)
        self.assertEqual(len((self.first / "SHA256SUMS").read_text().splitlines()), 2)

    def test_the_archive_is_what_is_kept_and_builds(self):
        tree = self.unpacked()
        kept = set(subprocess.run(["git", "-c", "safe.directory=*", "-C", ROOT, "ls-tree", "-r", "--name-only", "-z", "HEAD"], capture_output=True, text=True, check=True).stdout.split("\0")) - {""}
        self.assertEqual({str(p.relative_to(tree)) for p in tree.rglob("*") if p.is_file() or p.is_symlink()}, kept | {".source-date"})
        done = subprocess.run(["cmake", "-S", tree, "-B", self.scratch / "build", "-DBUILD_TESTING=OFF"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_versions_are_one(self):
        tree = self.unpacked()
        for name, before, after in (("packaging/rpm/pgcertd.spec", r"(?m)^Version:.*$", "Version: 9.9"), ("packaging/deb/debian/changelog", r"\(.*?\)", "(9.9)")):
            with self.subTest(name):
                text = (tree / name).read_text()
                (tree / name).write_text(re.sub(before, after, text, count=1))
                with self.assertRaisesRegex(AssertionError, "9.9"):
                    self.release(tree, "unequal")
                (tree / name).write_text(text)

    @measured
    def test_the_bill_of_materials(self):
        bill = json.loads((self.first / f"pgcertd-{self.version}.spdx.json").read_text())
        self.assertEqual(bill["spdxVersion"], "SPDX-2.3")
        packages = {p["name"]: p for p in bill["packages"]}
        self.assertEqual(packages["pgcertd"]["checksums"][0]["checksumValue"], self.digests(self.first)[f"pgcertd-{self.version}.tar.gz"])
        needed = "".join(subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout for program in (PGCERTD, PGCERTCTL))
        linked = set(re.findall(r"\[lib([^\]]+?)\.so", needed)) - EVERYWHERE
        self.assertEqual({name for name in linked if name not in LIBRARIES}, set(), "not in the table above")
        self.assertLessEqual({LIBRARIES[name] for name in linked}, set(packages))
        identifiers = {p["SPDXID"] for p in bill["packages"]} | {"SPDXRef-DOCUMENT"}
        self.assertEqual(len(identifiers), len(bill["packages"]) + 1)
        for relation in bill["relationships"]:
            self.assertLessEqual({relation["spdxElementId"], relation["relatedSpdxElement"]}, identifiers)


if __name__ == "__main__":
    unittest.main()

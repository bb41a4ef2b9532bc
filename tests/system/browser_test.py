#!/usr/bin/env python3
"""The status page in Chromium, at 1280 and 390 pixels, in each state that a person may meet; by axe-core and an HTML validator, too.

What comes from npm is installed into build/browser, in the versions of tests/browser/package-lock.json. Screenshots go to build/screenshots.
"""
import functools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import urllib.request

from harness import BUILD, ROOT

BROWSER = ROOT / "tests" / "browser"
NODE = ROOT / "build" / "browser"
SHOTS = ROOT / "build" / "screenshots"
STATES = ("healthy", "warning", "critical", "down", "twelve", "hostile")


@functools.cache
def npm():
    """Why the packages of npm are not there; empty when they are."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    NODE.mkdir(parents=True, exist_ok=True)
    locked = (BROWSER / "package-lock.json").read_bytes()
    done = NODE / "installed.json"
    if not done.exists() or done.read_bytes() != locked:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(BROWSER / name, NODE / name)
        installed = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=NODE, capture_output=True, text=True, timeout=300, check=False)
        if installed.returncode != 0:
            return "npm cannot install what the test needs: " + installed.stderr.strip().splitlines()[-1]
        done.write_bytes(locked)
    shutil.copy(BROWSER / "look.mjs", NODE / "look.mjs")   # modules are looked for beside the script
    return ""


class Preview:
    """A made-up state behind the real routes."""

    def __init__(self, state):
        self.process = subprocess.Popen([BUILD / "tests" / "preview", state], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def page(self, path="/"):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return answer.read().decode(), answer.headers


def look(pages):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    order = {"chromium": chromium, "axe": str(NODE / "node_modules/axe-core/axe.min.js"), "pages": pages}
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(["node", "look.mjs", json.dumps(order)], cwd=NODE, capture_output=True, text=True, timeout=300, check=False, env=os.environ | {"HOME": home})
    if done.returncode != 0:
        raise AssertionError(done.stderr[-3000:])
    return {page["name"]: page for page in json.loads(done.stdout)}


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if why := npm():
            raise unittest.SkipTest(why)
        if not (shutil.which("chromium") or shutil.which("chromium-browser")):
            raise unittest.SkipTest("chromium is not installed")
        SHOTS.mkdir(parents=True, exist_ok=True)
        previews = {state: Preview(state) for state in STATES}
        try:
            def shots(name):
                return [{"file": str(SHOTS / f"{name}-{width}{'-dark' if dark else ''}.png"), "width": width, "dark": dark} for width, dark in ((1280, False), (390, False), (1280, True))]
            pages = [{"name": state, "url": preview.url + "/", "shots": shots(state)} for state, preview in previews.items()]
            pages += [{"name": f"problem-{name or 'index'}", "url": f"{previews['healthy'].url}/problems{'/' + name if name else ''}", "shots": shots(f"problem-{name or 'index'}")}
                      for name in ("served-stale", "")]
            cls.seen = look(pages)
            cls.sources = {state: preview.page() for state, preview in previews.items()}
            cls.sources["problem-served-stale"] = previews["healthy"].page("/problems/served-stale")
            cls.sources["problem-index"] = previews["healthy"].page("/problems")
        finally:
            for preview in previews.values():
                preview.__exit__()

    def test_each_state_was_looked_at_and_has_its_pictures(self):
        for name, page in self.seen.items():
            with self.subTest(name):
                self.assertIn(page["status"], (200, 304))
                for width in (1280, 390):
                    self.assertGreater((SHOTS / f"{name}-{width}.png").stat().st_size, 10_000)
        self.assertEqual(set(self.seen) - {"problem-served-stale", "problem-index"}, set(STATES))

    def test_axe_finds_no_violation(self):
        for name, page in self.seen.items():
            with self.subTest(name):
                self.assertGreater(page["rules"], 10, "axe has looked")
                self.assertEqual(page["violations"], [], json.dumps(page["violations"], indent=1))

    def test_nothing_is_wider_than_the_window(self):
        for name, page in self.seen.items():
            for width, wide in page["widths"].items():
                with self.subTest(f"{name} at {width}"):
                    self.assertLessEqual(wide, int(width))

    def test_no_script_runs_and_nothing_is_fetched_from_elsewhere(self):
        for name, page in self.seen.items():
            with self.subTest(name):
                self.assertEqual(page["said"], [])
                self.assertEqual(page["dialogs"], [])
                self.assertEqual(len(page["asked"]), 1, page["asked"])

    def test_the_keyboard_reaches_what_can_be_used_and_shows_where_it_is(self):
        for name, page in self.seen.items():
            with self.subTest(name):
                self.assertGreater(len(page["tabbed"]), 5)
                self.assertEqual([one for one in page["tabbed"] if not one["visible"]], [])

    def test_the_policy_lets_no_script_in(self):
        for name, (_, headers) in self.sources.items():
            with self.subTest(name):
                policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
                self.assertEqual(policy["default-src"], "'none'")
                self.assertNotIn("script-src", policy)

    def test_a_validator_finds_nothing(self):
        with tempfile.TemporaryDirectory() as directory:
            files = []
            for name, (text, _) in self.sources.items():
                files.append(pathlib.Path(directory) / f"{name}.html")
                files[-1].write_text(text, encoding="utf-8")
            rules = pathlib.Path(directory) / ".htmlvalidate.json"
            rules.write_text(json.dumps({"root": True, "extends": ["html-validate:standard", "html-validate:a11y"], "rules": {"no-inline-style": "error", "long-title": "off"}}), encoding="utf-8")
            done = subprocess.run([NODE / "node_modules/.bin/html-validate", "--config", rules, *files], capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual(done.returncode, 0, (done.stdout + done.stderr)[-4000:])
            files[0].write_text(files[0].read_text(encoding="utf-8").replace("</main>", "<p><div></p></main>"), encoding="utf-8")
            done = subprocess.run([NODE / "node_modules/.bin/html-validate", "--config", rules, files[0]], capture_output=True, text=True, timeout=120, check=False)
            self.assertNotEqual(done.returncode, 0, "it sees a fault")


if __name__ == "__main__":
    unittest.main()

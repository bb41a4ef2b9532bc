#!/usr/bin/env python3
"""What is written is true: pages against the program's tables, commands against --help, links, names, man pages, alert rules."""
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import BUILD, PGCERTCTL, PGCERTD, ROOT, Host, HostTest, as_user

PROBLEMS = ROOT / "docs" / "problems"
SECTIONS = ["Meaning", "Cause", "Effect on clients", "See it by hand", "Remedy"]
ALERT_PAGES = {"daemon-down", "task-stalled", "too-many-series"}   # of alerts that are no problem codes
NOT_YET = "Not reported by this version yet"
ANYTHING_BUT_COMMANDS = {"talks", "asks", "is", "needs", "can"}   # prose: "pgcertctl asks the daemon"


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def output(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True, timeout=60, **options).stdout


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def problem_rows():
    """(code, severity, meaning, effect) of each row, as the program prints them."""
    table = output(PGCERTD, "--print-tables").split("## Problem codes")[1].split("## ")[0]
    return [tuple(c.strip(" `") for c in line.strip("|").split(" | ")) for line in table.splitlines() if line.startswith("| `")]


def codes_in_use():
    """Codes that some code reports: all that name one but the table itself."""
    used = set()
    for folder in ("lib/core", "lib/engine", "daemon/pgcertd"):
        for source in (ROOT / folder).glob("*.cpp"):
            if source.name != "finding.cpp":
                used |= set(re.findall(r"\b(?:P|ProblemCode)::([a-z_]+)", source.read_text(encoding="utf-8")))
    return {code.replace("_", "-") for code in used}


def sections_of(page):
    parts = re.split(r"^## (.+)\n", page, flags=re.M)
    return dict(zip(parts[1::2], (body.strip() for body in parts[2::2])))


def markdown():
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def code_of(page):
    """Pieces of code of a page: fenced, indented and between backquotes."""
    for fence in re.finditer(r"^ *```\w*\n(.*?)^ *```", page, re.M | re.S):
        yield fence.group(1)
    rest = re.sub(r"^ *```\w*\n.*?^ *```", "", page, flags=re.M | re.S)
    yield from re.findall(r"^    (.+)$", rest, re.M)
    yield from (" ".join(one.split()) for one in re.findall(r"`([^`]+)`", rest))


class ProblemPages(unittest.TestCase):
    def test_each_code_has_its_page_and_no_page_is_left_over(self):
        pages = {p.stem for p in PROBLEMS.glob("*.md")} - {"README"} - ALERT_PAGES
        self.assertEqual(pages, {row[0] for row in problem_rows()})

    def test_each_page_says_what_the_table_says_and_has_its_sections(self):
        for code, severity, meaning, _ in problem_rows():
            with self.subTest(code):
                page = text(f"docs/problems/{code}.md")
                self.assertTrue(page.startswith(f"# {code}\n\nSeverity: {severity} at most\n"), page[:80])
                sections = sections_of(page)
                self.assertEqual(list(sections), SECTIONS)
                self.assertEqual(sections["Meaning"].lower(), meaning.lower() + ".")
                self.assertTrue(all(len(body) > 3 for body in sections.values()))

    def test_each_page_shows_how_to_see_it_with_tools_that_are_not_ours(self):
        foreign = re.compile(r"\b(openssl|psql|curl|ls|namei|stat|df|date|grep|journalctl|pg_isready|systemctl|auditctl)\b")
        for page in sorted(PROBLEMS.glob("*.md")):
            if page.stem not in ("README", "config-invalid"):
                with self.subTest(page.stem):
                    self.assertRegex(sections_of(page.read_text(encoding="utf-8"))["See it by hand"], foreign)

    def test_what_is_not_reported_yet_says_so(self):
        used = codes_in_use()
        for code, *_ in problem_rows():
            with self.subTest(code):
                self.assertEqual(NOT_YET in text(f"docs/problems/{code}.md"), code not in used)

    def test_the_index_names_all(self):
        listed = re.findall(r"^\| \[([a-z-]+)\]\(\1\.md\) \| (\w+) \| (yes|not yet) \| (.+) \|$", text("docs/problems/README.md"), re.M)
        used = codes_in_use()
        self.assertEqual(listed, [(code, severity, "yes" if code in used else "not yet", meaning) for code, severity, meaning, _ in problem_rows()])

    def test_the_tables_are_as_the_program_prints_them(self):
        self.assertEqual(text("docs/TABLES.md"), output(PGCERTD, "--print-tables"))


class NamedCommands(unittest.TestCase):
    def setUp(self):
        self.tool = load("commands")
        self.commands = self.tool.Commands(PGCERTCTL)

    def complaints(self, pieces):
        found = 0
        for place, piece in pieces:
            for words in self.tool.asked(piece):
                if words[0] in ANYTHING_BUT_COMMANDS:
                    continue
                found += 1
                with self.subTest(f"{place}: pgcertctl {' '.join(words)}"):
                    self.assertIsNone(self.commands.complaint(words))
        return found

    def test_a_command_that_is_missing_is_noticed(self):
        for wrong in ("ca sessions --root-dir D", "request lost", "rotate main --soon"):
            self.assertIsNotNone(self.commands.complaint(wrong.split()), wrong)
        for right in ("ca init --root-dir D", "--json probe db1:5432 --root root.crt", "check main -w 14d -c 3d"):
            self.assertIsNone(self.commands.complaint(right.split()), right)

    def test_commands_of_the_documents_exist(self):
        pieces = [(page.relative_to(ROOT), piece) for page in markdown() for piece in code_of(page.read_text(encoding="utf-8"))]
        self.assertGreater(self.complaints(pieces), 80)

    def test_commands_of_the_program_s_own_texts_exist(self):
        pieces = []
        for folder in ("lib", "daemon"):
            for source in sorted((ROOT / folder).rglob("*.cpp")):
                strings = re.findall(r'"((?:[^"\\\n]|\\.)*)"', re.sub(r"^\s*(//|#include).*$", "", source.read_text(encoding="utf-8"), flags=re.M))
                pieces += [(source.relative_to(ROOT), string.replace("{}", "NAME").replace("\\n", "\n")) for string in strings]
        self.assertGreater(self.complaints(pieces), 20)

    def test_comments_of_configuration_and_unit_name_commands_that_exist(self):
        pieces = [(name, text(name)) for name in ("etc/pgcertd.toml", "units/pgcertd.service", "packaging/quickstart")]
        self.complaints([(name, line) for name, all_lines in pieces for line in all_lines.splitlines() if line.startswith("#")])


class Links(unittest.TestCase):
    @staticmethod
    def anchors(page):
        titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
        return {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}

    def test_links_between_pages_lead_somewhere(self):
        for page in markdown():
            for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
                if "://" in target:
                    continue
                name, _, anchor = target.partition("#")
                to = (page.parent / name).resolve() if name else page
                with self.subTest(f"{page.relative_to(ROOT)}: {target}"):
                    self.assertTrue(to.exists())
                    if anchor:
                        self.assertIn(anchor, self.anchors(to))


class Architecture(unittest.TestCase):
    page = text("docs/ARCHITECTURE.md")

    def test_the_table_of_rooms_is_the_build_s(self):
        built = {name: uses.split() for name, uses in re.findall(r"^pgcertd_room\((\w+)(?: USES ([\w ]+?))?(?: LIBRARIES.*)?\)$", text("lib/CMakeLists.txt"), re.M)}
        written = {name: may.split() for name, may in re.findall(r"^\| `(\w+)` \| .+ \| ([\w ]*?) ?\|$", self.page, re.M)}
        self.assertEqual(written, built)
        self.assertEqual(set(built), {p.name for p in (ROOT / "lib").iterdir() if p.is_dir()})

    def test_files_functions_and_types_that_it_names_exist(self):
        code = "\n".join(f.read_text(encoding="utf-8") for folder in ("lib", "daemon") for f in sorted((ROOT / folder).rglob("*.[ch]pp")))
        code += text("lib/CMakeLists.txt")
        for name in sorted(set(re.findall(r"`([^`\n]+)`", self.page))):
            with self.subTest(name):
                if function := re.fullmatch(r"([\w:]+)\(\)", name):
                    self.assertRegex(code, rf"\b{function.group(1)}\b ?\(")
                elif "/" in name and not re.search(r"[ =]|^/|/$", name):
                    self.assertTrue((ROOT / name).exists())
                elif re.fullmatch(r"[A-Z]\w+(::\w+)?", name):
                    self.assertRegex(code, rf"\b{name.rpartition('::')[2]}\b")


class ManPages(unittest.TestCase):
    def test_they_are_clean(self):
        if shutil.which("groff") is None:
            self.skipTest("groff is not installed")
        for page in sorted((ROOT / "docs" / "man").iterdir()):
            done = subprocess.run(["groff", "-ww", "-man", "-Tutf8", page], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (0, ""), page.name)

    def test_the_page_of_the_configuration_is_printed_from_its_reference(self):
        self.assertEqual(text("docs/man/pgcertd.toml.5"), load("config_man").page(), "tests/tools/config_man.py >docs/man/pgcertd.toml.5")

    def test_the_daemon_s_page_has_each_of_its_options(self):
        page = text("docs/man/pgcertd.8").replace("\\-", "-")
        options = set(re.findall(r"^  (--[a-z-]+)", output(PGCERTD, "--help"), re.M)) | {"--help"}
        self.assertGreater(len(options), 6)
        for option in options:
            self.assertIn(option, page)


class Events(unittest.TestCase):
    """Kinds of events are what scripts and the journal's catalog go by."""

    @staticmethod
    def kinds():
        found = set()
        for folder in ("lib/engine", "daemon/pgcertd"):
            for source in (ROOT / folder).glob("*.cpp"):
                code = source.read_text(encoding="utf-8")
                found |= set(re.findall(r'(?:say\(|log\(|LogLevel::\w+, |kind = |[?:] |: return )"([a-z]+-[a-z-]+|paused|resumed)"', code))
                found |= set(re.findall(r'(?:rolled_back \? |, )"([a-z]+-[a-z-]+)"(?: :|, \{\{)', code))
        return found

    def test_each_kind_has_an_id_in_the_journal_and_is_in_its_catalog(self):
        kinds, catalog = self.kinds(), output(PGCERTD, "--print-catalog")
        self.assertGreater(len(kinds), 25)
        self.assertEqual(kinds - set(re.findall(r"^Subject: pgcertd: ([a-z-]+)$", catalog, re.M)), set())

    def test_the_events_that_operating_explains_exist(self):
        table = re.search(r"^\| event \|.*?\n\n", text("docs/OPERATING.md"), re.M | re.S).group()
        named = {kind for row in table.split("\n| ")[1:] for kind in re.findall(r"`([a-z-]+)`", row.split("|")[0])}
        self.assertGreater(len(named), 8)
        self.assertEqual(named - self.kinds(), set())


class Installation(unittest.TestCase):
    def test_the_packages_of_the_readme_are_those_that_a_build_needs(self):
        line = re.search(r"apt-get install \$\(([^)]*)\)", text("README.md")).group(1).split()
        printed = output(ROOT / line[0], *line[1:]).split()
        arrays = " ".join(re.findall(r"^(?:BUILD|DEB)_PACKAGES=\((.*?)\)", text("packaging/packages.sh"), re.S | re.M)).split()
        self.assertEqual(printed, sorted(arrays))

    def test_the_configuration_of_the_readme_loads(self):
        with tempfile.TemporaryDirectory() as directory:
            for number, toml in enumerate(re.findall(r"^ *```toml\n(.*?)^ *```", text("README.md") + text("docs/CONFIGURATION.md"), re.M | re.S)):
                file = pathlib.Path(directory) / f"{number}.toml"
                file.write_text(re.sub(r"^ +", "", toml, flags=re.M), encoding="utf-8")
                self.assertIn("is good", output(PGCERTD, "--check-config", "--config", file))


class CaSteps(HostTest):
    """The steps of OPERATING.md for the end of a CA, as they are written there."""

    @staticmethod
    def blocks(title):
        section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text("docs/OPERATING.md"), re.M | re.S).group(1)
        return re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S)

    def shell(self, host, script, *more):
        root = host.directory / "offline" / "root"
        for old, new in [*more, ("/root/pg-root", root), ("/media/A/pg-root", root), ("/var/lib/pgcertd/ca", host.ca), ("-o pgcertd -g pgcertd ", ""), ("pgcertctl ", f"{PGCERTCTL} --yes --config {host.config} ")]:
            script = script.replace(str(old), str(new))
        place = host.directory / "visit"
        host.own(place, directory=True)
        done = subprocess.run([*as_user(host.daemon_user), "bash", "-euc", script], cwd=place, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, f"{script}\n{done.stdout}{done.stderr}")
        return done.stdout

    def test_the_issuing_ca_is_renewed_and_clients_notice_nothing(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        for block in self.blocks("The issuing CA nears its end"):
            self.shell(host, block)
        renewed = output("openssl", "x509", "-in", host.ca / "issuing.crt", "-noout", "-serial")
        daemon.wait(lambda _: daemon.status()["issuers"][0]["root_crl"]["number"] == "2", "what the visit brought is seen")
        done = host.ctl("rotate", "main", "--force", "--wait", "--timeout", "60s")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertVerifyFull(host)
        served = host.probe()["chain"][1]["serial"]
        self.assertEqual(int(served, 16), int(renewed.partition("=")[2], 16))
        self.assertEqual(daemon.cluster()["problems"], [])

    def test_a_new_root_takes_over(self):
        host = self.host()
        daemon = host.start()
        old = daemon.wait_proved()["certificate"]["issuer"]
        new_ca = host.ca.parent / "ca-2"
        block = self.blocks("The root nears its end")[0].replace("ca init ", "ca init --no-passphrase ")
        self.shell(host, block, ("/root/pg-root-2", host.directory / "visit" / "root-2"), ("/var/lib/pgcertd/ca-2", new_ca))
        shutil.copy(host.directory / "visit" / "root.crt", host.root_certificate)
        self.assertVerifyFull(host)
        host.ca = new_ca
        host.configure()
        daemon.hangup()
        daemon.wait(lambda c: c["certificate"]["issuer"] != old and c["rotation"]["stage"] == "proved" and not c["problems"], "a certificate of the new CA is proved")
        self.assertVerifyFull(host)


if __name__ == "__main__":
    unittest.main()

"""The shape of the code: who includes whom, what the pure rooms need of the system, how long things are, what the docs print."""
import collections
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from harness import BUILD, ROOT

sys.path.insert(0, str(ROOT / "tests" / "tools"))
import lengths  # noqa: E402
import rooms  # noqa: E402

COMPILER = shutil.which("g++")


def included(path, include_directory):
    """What a file of lib/ includes, with all that those include, as `g++ -MM` has it; and its own third-party lines."""
    done = subprocess.run([COMPILER, "-std=c++20", "-MM", "-I", include_directory, "-I", "/usr/include/postgresql", path], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    files = {pathlib.Path(w).resolve() for w in done.stdout.replace("\\\n", " ").split()[1:]}
    return files


def wrong_includes(path, room, library):
    """The reasons against a file: rooms and third parties that its row does not name."""
    allowed, third = rooms.ROOMS[room]
    reasons = []
    for file in included(path, library):
        if library in file.parents and file.relative_to(library).parts[0] not in (room, *allowed):
            reasons.append(f"{path}: {file.relative_to(library)} is not for {room}")
    for name in re.findall(r"^#include [<\"]([^>\"]+)[>\"]", path.read_text(encoding="utf-8"), re.M):
        if name.startswith(rooms.THIRD_PARTY) and not name.startswith(third):
            reasons.append(f"{path}: <{name}> is not for {room}")
    return reasons


class Reach:
    """Which of our files name a type of ours whose header they do not reach. Built several at once, as most builds are, that goes
    unseen until somebody builds each file by itself."""
    DEFINED = re.compile(r"^(?:class|struct|enum class|union) (\w+)(?: final)?(?: : [^;]*)?(?:;| \{)|^using (\w+) =", re.M)
    ANYWHERE = r"\b(?:class|struct|enum class|enum|union|using|typename|concept) "

    def __init__(self, *directories):
        files = [p for d in directories for p in sorted(d.rglob("*.[ch]pp"))]
        self.code = {p: re.sub(r'//[^\n]*|"(?:[^"\\\n]|\\.)*"', lambda m: "" if m[0].startswith("//") else '""', p.read_text(encoding="utf-8")) for p in files}
        self.direct = {p: [f for name in re.findall(r'^#include "([^"]+)"', p.read_text(encoding="utf-8"), re.M) for d in directories if (f := d / name) in self.code] for p in files}
        homes = collections.defaultdict(set)
        for path in files:
            if path.suffix == ".hpp":
                for names in self.DEFINED.finditer(self.code[path]):
                    if not names[0].endswith(";"):
                        homes[names[1] or names[2]].add(path)
        self.home = {name: next(iter(paths)) for name, paths in homes.items() if len(paths) == 1 and len(name) > 4}

    def closure(self, path):
        seen, todo = {path}, [path]
        while todo:
            for file in self.direct[todo.pop()]:
                if file not in seen:
                    seen.add(file)
                    todo.append(file)
        return seen

    def missing(self):
        for path, code in self.code.items():
            reached = self.closure(path)
            for name in sorted(set(re.findall(r"(?<![\w.>])[A-Z]\w+", code)) & set(self.home)):
                if self.home[name] not in reached and not any(re.search(self.ANYWHERE + name + r"\b", self.code[f]) for f in reached):
                    yield f"{path.name} names {name} and does not reach {self.home[name].name}"


class Includes(unittest.TestCase):
    def test_each_file_reaches_what_it_names(self):
        reach = Reach(ROOT / "lib", ROOT / "daemon")
        self.assertGreater(len(reach.home), 150)
        self.assertEqual(list(reach.missing()), [])

    def test_a_missing_include_is_found(self):
        with tempfile.TemporaryDirectory() as directory:
            for name, text in (("there.hpp", "struct Wanted {\n};\n"), ("good.cpp", '#include "there.hpp"\nWanted a;\n'), ("bad.cpp", 'Wanted a;  // \n'), ("other.cpp", '// Wanted\nauto a = "Wanted";\nstruct Wanted;\nWanted* b;\n')):
                (pathlib.Path(directory) / name).write_text(text, encoding="utf-8")
            self.assertEqual(list(Reach(pathlib.Path(directory)).missing()), ["bad.cpp names Wanted and does not reach there.hpp"])

    def test_each_room_includes_what_its_row_allows(self):
        library, seen = ROOT / "lib", 0
        for room in sorted(p.name for p in library.iterdir() if p.is_dir()):
            self.assertIn(room, rooms.ROOMS, "a room without a row")
            for path in sorted((library / room).glob("*.[ch]pp")):
                seen += 1
                self.assertEqual(wrong_includes(path, room, library), [])
        self.assertGreater(seen, 100)

    def test_a_wrong_include_is_found(self):
        with tempfile.TemporaryDirectory() as directory:
            for line, words in (('#include "x509/verify.hpp"', "x509/verify.hpp is not for core"), ("#include <nlohmann/json.hpp>", "<nlohmann/json.hpp> is not for core")):
                path = pathlib.Path(directory) / "wrong.cpp"
                path.write_text(line + "\n", encoding="utf-8")
                self.assertIn(words, " ".join(wrong_includes(path, "core", ROOT / "lib")))

    def test_public_headers_of_rooms_name_no_third_party_but_forward_declarations(self):
        for path in sorted((ROOT / "lib").rglob("*.hpp")):
            third = [n for n in re.findall(r"^#include <([^>]+)>", path.read_text(encoding="utf-8"), re.M) if n.startswith(rooms.THIRD_PARTY)]
            room = path.relative_to(ROOT / "lib").parts[0]
            if any(f'"{room}/{path.name}"' in user.read_text(encoding="utf-8") for user in (ROOT / "lib").rglob("*.?pp") if user.parent.name != room):
                self.assertLessEqual(set(third), {"nlohmann/json_fwd.hpp", "tl/expected.hpp", "fmt/format.h"}, path)

    def test_cli11_stands_in_one_translation_unit(self):
        users = [p for p in [*(ROOT / "lib").rglob("*.?pp"), *(ROOT / "daemon").rglob("*.?pp")] if "#include <CLI/" in p.read_text(encoding="utf-8")]
        self.assertEqual([p.name for p in users], ["arguments.cpp"])


class PureRooms(unittest.TestCase):
    def test_core_asks_the_system_for_nothing(self):
        for room in ("core", "base"):
            archive = BUILD / "lib" / f"libpgcertd_{room}.a"
            done = subprocess.run(["nm", "-u", archive], capture_output=True, text=True, check=True)
            symbols = {line.split()[-1] for line in done.stdout.splitlines() if line.startswith(" ")}
            self.assertGreater(len(symbols), 5)
            wrong = sorted(s for s in symbols if re.search(rooms.FORBIDDEN_SYMBOLS, s))
            allowed = {"core": set(), "base": {"read", "write", "close"}}[room]   # base wraps a descriptor, and is asked to by adapters only
            self.assertEqual([s for s in wrong if s.split("@")[0] not in allowed], [], room)


class Lengths(unittest.TestCase):
    @unittest.skipUnless(shutil.which("ctags"), "universal-ctags is not installed")
    def test_are_near_their_goals(self):
        found = lengths.measure()
        print("\n".join(f"{name:18} {value}" for name, value in found.items()), file=sys.stderr)
        self.assertGreater(found["functions"], 300)
        self.assertLessEqual(found["over 60 lines, %"], 2)

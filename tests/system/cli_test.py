#!/usr/bin/env python3
"""pgcertctl as a person and a script meet it: real files, openssl's own output, a real PostgreSQL, a stand-in for the daemon.

Run alone: cli_test.py [--build DIR]; else PGCERTD_BUILD names the build directory.
"""
import http.server
import json
import os
import pathlib
import pty
import pwd
import re
import select
import shutil
import signal
import socketserver
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
if "--build" in sys.argv:
    at = sys.argv.index("--build")
    os.environ["PGCERTD_BUILD"] = sys.argv[at + 1]
    del sys.argv[at:at + 2]
from harness import SANITIZED   # which looks at the build that is named

PROGRAM = pathlib.Path(os.environ.get("PGCERTD_BUILD", ROOT / "build" / "release")).resolve() / "daemon" / "pgcertctl"
POSTGRES = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), default=None)
COMMANDS = ["status", "check", "events", "runway", "rotate", "rollback", "pause", "resume", "takeover", "revoke", "client issue", "client list", "trust export", "crl show", "crl refresh", "crl import", "audit", "permissions check", "permissions fix", "inspect", "probe",
            "doctor", "explain", "setup", "setup sql", "ca init", "ca sign", "ca crl", "ca session", "ca passwd", "ca verify-log", "request list", "request show", "request export", "request import", "ca show", "config check", "config show", "version"]


def run(*arguments, stdin=b"", env=None, cwd=None, preexec_fn=None):
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CREDENTIALS_DIRECTORY")}
    clean.update(env or {})
    done = subprocess.run([PROGRAM, *map(str, arguments)], input=stdin, capture_output=True, env=clean, cwd=cwd, timeout=60,
                          start_new_session=preexec_fn is None, preexec_fn=preexec_fn)
    done.out, done.err = done.stdout.decode(), done.stderr.decode()
    return done


def openssl(*arguments, stdin=b""):
    return subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True, check=True).stdout


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


class InDirectory(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pgcertd-cli-"))
        self.addCleanup(shutil.rmtree, self.directory, True)

    def path(self, name):
        return self.directory / name

    def write(self, name, content, permissions=0o600):
        path = self.path(name)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(permissions)
        return path

    def init(self, *more, **options):
        return run("ca", "init", "--root-dir", self.path("root"), "--issuing-dir", self.path("issuing"), *more, **options)


class Usage(unittest.TestCase):
    def test_wrong_usage_is_exit_code_2_with_a_hint(self):
        for arguments, words in [([], "subcommand is required"), (["statsu"], 'did you mean "status"'), (["ca", "inti"], 'did you mean "init"'),
                                 (["revoek", "main"], 'did you mean "revoke"'), (["revoke", "aa", "--reason", "anger"], "--reason"), (["client", "lsit"], 'did you mean "list"'), (["rotate", "main", "--frce"], 'did you mean "--force"'),
                                 (["rotate"], "CLUSTER is required"), (["status", "a", "b"], "one argument too many"),
                                 (["pause", "main", "--for", "3x", "--reason", "r"], "no duration"), (["pause", "main", "--for", "2h"], "--reason"),
                                 (["pause", "main", "--reason", "r"], "--for"), (["status", "--color", "pink"], "--color"), (["status", "--timeout", "soon"], "no duration"),
                                 (["ca", "init"], "--root-dir"), (["ca", "init", "--root-dir", "x", "--days", "0"], "--days"),
                                 (["ca", "init", "--root-dir", "x", "--key-type", "ed25519"], "no key type"),
                                 (["ca", "init", "--root-dir", "x", "--passphrase", "file:y", "--no-passphrase"], "--passphrase"),
                                 (["ca", "init", "--root-dir", "x", "--issuing-passphrase", "file:y"], "--issuing-dir"),
                                 (["probe", "host:99999"], "99999"), (["probe", ""], ""), (["\x1b[31mred"], "\\x1b[31mred")]:
            with self.subTest(arguments):
                done = run(*arguments)
                self.assertEqual(done.returncode, 2, done.err)
                self.assertEqual(done.out, "")
                self.assertIn(words, done.err)
                self.assertNotIn("\x1b", done.err)

    def test_a_value_that_cannot_be_meant_is_wrong_usage(self):
        """Before a daemon, a file or a terminal is asked."""
        issue, sign, init = ("client", "issue", "x", "-o", "d"), ("ca", "sign", "--root-dir", "r", "q.csr", "-o", "o"), ("ca", "init", "--root-dir", "r")
        for words, said in ((("status", ""), "CLUSTER"), (("rotate", ""), "CLUSTER"), (("pause", "main", "--for", "0s", "--reason", "r"), "no time at all"), (("pause", "main", "--for", "2h", "--reason", ""), "--reason"),
                            (("--timeout", "0s", "status"), "no time at all"), (("--socket", "", "status"), "--socket"), (("--config", "", "status"), "--config"), (("revoke", "", "--reason", "superseded"), "SERIAL"),
                            (("revoke", "--role", "", "--reason", "superseded"), "--role"), (("client", "issue", "", "-o", "d"), "ROLE"), (("client", "issue", "x" * 65, "-o", "d"), "65 bytes"), ((*issue, "--lifetime", "0s"), "--lifetime"),
                            ((*issue, "--format", "pkcs12"), "--passphrase"), ((*issue, "--passphrase", "file:word"), "--format pkcs12"), ((*issue, "--format", "pkcs12", "--passphrase", "hunter2"), "never as itself"),
                            ((*issue, "--renew", "--key-type", "rsa-2048"), "--key-type"), (("trust", "export", "-o", ""), "--output"), (("crl", "import", ""), "FILE"), (("inspect", ""), "FILE"), (("inspect", "x", "--passphrase", "hunter2"), "never as itself"),
                            (("setup", "--data-directory", "none"), "no absolute path"), (("setup", "sql", "--role", ""), "--role"), ((*init, "--common-name", "x" * 65), "65 bytes"), ((*init, "--passphrase", "file:"), "never as itself"),
                            ((*init, "--passphrase", "file:w", "--root-key", "foo"), "pkcs11:"), (("ca", "show", ""), "DIR"), ((*sign, "--names", "a b"), "a b"), ((*sign, "--role", "x"), "--profile client"),
                            ((*sign, "--profile", "client", "--names", "a"), "--profile server"), ((*sign, "--passphrase", "hunter2"), "never as itself"), (("ca", "crl", "--root-dir", ""), "--root-dir"),
                            (("ca", "session", "--root-dir", "r", "-o", "o", "--record", "o"), "--record"), (("ca", "session", "--root-dir", "r", "--record", "back.pem"), "--record"),
                            (("ca", "passwd", "--root-dir", "r", "--new-passphrase", "hunter2"), "never as itself"), (("events", "--verify", "--head", "zz"), "hexadecimal"), (("request", "export", "-o", ""), "--output")):
            with self.subTest(words):
                done = run(*words)
                self.assertEqual((done.returncode, done.out), (2, ""), done.err)
                self.assertIn(said, done.err)
                self.assertRegex(done.err, r"\Apgcertctl: .+\n  see: pgcertctl .*--help\n\Z")
                self.assertNotIn("hunter2", done.err)

    def test_quickstart_refuses_what_is_no_port_before_it_does_anything(self):
        for words in (("--port", "abc"), ("--port", "0"), ("--port", "65535"), ("--port",), ("--dir",), ("--build", "/nonexistent"), ("--nonsense",)):
            done = subprocess.run([ROOT / "packaging" / "quickstart", *words], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn("quickstart: ", done.stderr)

    def test_usage_of_check_is_unknown(self):
        for arguments in (["check", "--nonsense"], ["check", "-w", "soon"], ["check", "--only", "crl-expird"], ["check", "a", "b"]):
            done = run(*arguments)
            self.assertEqual(done.returncode, 3)
            self.assertRegex(done.out, r"\APGCERTD UNKNOWN - [^\n]+\n\Z")
        self.assertIn('did you mean "crl-expired"', run("check", "--only", "crl-expird").out)

    def test_explain_prints_the_page_of_a_problem(self):
        done = run("explain", "served-stale")
        self.assertEqual((done.returncode, done.out), (0, (ROOT / "docs/problems/served-stale.md").read_text()))
        told = json.loads(run("--json", "explain", "served-stale").out)
        self.assertEqual((told["code"], told["severity_at_most"], told["markdown"]), ("served-stale", "critical", done.out))
        wrong = run("explain", "served-stal")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn('did you mean "served-stale"', wrong.err)

    def test_version(self):
        self.assertRegex(run("--version").out, r"\Apgcertctl \d+\.\d+\.\d+\n\Z")

    def test_what_only_few_commands_need_is_not_loaded_at_the_start(self):
        loaded = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True, check=True).stdout
        self.assertIn("libcrypto", loaded)
        for library in ("libpq", "libldap", "libgssapi", "libgnutls", "libsystemd", "libprometheus"):
            self.assertNotIn(library, loaded)

    def test_output_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            self.assertEqual(subprocess.run([PROGRAM, "setup", "sql"], stdout=full, stderr=subprocess.DEVNULL).returncode, 1)


class Help(unittest.TestCase):
    """--help, the man page and the completion tell the same."""

    @classmethod
    def setUpClass(cls):
        cls.help = {command: run(*command.split(), "--help") for command in COMMANDS}
        cls.general = run("--help")
        man = (ROOT / "docs/man/pgcertctl.1").read_text()
        cls.man_options = {name.replace("\\", "") for name in re.findall(r"\\-\\-(?:[a-z]+(?:\\-)?)+", man)}
        cls.man_commands = set(re.findall(r"^\.SS ([a-z]+(?: [a-z][a-z-]*)?)", man.replace("\\-", "-"), re.M))
        cls.completion = (ROOT / "packaging/completion/pgcertctl").read_text()

    @staticmethod
    def options(text):
        return set(re.findall(r"^  .*?(--[a-z-]+)", text, re.M))

    def test_each_command_is_listed_and_has_help(self):
        listed = set(re.findall(r"^  ([a-z]+) ", self.general.out.split("Subcommands:")[1], re.M))
        self.assertEqual(listed, {command.split()[0] for command in COMMANDS})
        for group in ("ca", "setup", "config", "client", "trust", "crl", "request"):
            under = set(re.findall(r"^  ([a-z-]+) ", run(group, "--help").out.split("Subcommands:")[1], re.M))
            self.assertEqual(under, {c.split()[1] for c in COMMANDS if c.startswith(group + " ")})
        for command, done in self.help.items():
            self.assertEqual(done.returncode, 0)
            self.assertIn(f"Usage: pgcertctl {command}", done.out)

    def test_help_fits_a_terminal(self):
        for done in [self.general, *self.help.values()]:
            for line in done.out.splitlines():
                self.assertLessEqual(len(line), 80, line)

    def test_man_page_has_exactly_these_commands_and_options(self):
        options = self.options(self.general.out).union(*(self.options(done.out) for done in self.help.values()))
        self.assertEqual(options, self.man_options)
        self.assertEqual(set(COMMANDS), {c if c in COMMANDS else c.split()[0] for c in self.man_commands})

    def test_man_page_has_each_option_under_its_command(self):
        sections = re.split(r"^\.S[SH] ", (ROOT / "docs/man/pgcertctl.1").read_text().replace("\\-", "-"), flags=re.M)
        for command, done in self.help.items():
            others = [c for c in COMMANDS if c.startswith(command + " ")]
            own = " ".join(s for s in sections if re.match(re.escape(command) + r"\b", s) and not any(s.startswith(o) for o in others))
            for option in self.options(done.out.split("Options:")[1].split("Subcommands:")[0]) - {"--help"}:
                self.assertRegex(own, re.escape(option) + r"(?![a-z-])", command)

    @unittest.skipIf(shutil.which("man") is None, "man is not installed")
    def test_man_page_renders_without_a_warning(self):
        self.assertEqual(subprocess.run(["man", "-l", "--warnings", ROOT / "docs/man/pgcertctl.1"], capture_output=True, env={**os.environ, "MANPAGER": "cat"}).stderr, b"")

    def complete(self, *words):
        script = f'. {ROOT}/packaging/completion/pgcertctl; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pgcertctl; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(["bash", "-uc", script, "bash", "pgcertctl", *words], capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_completion_knows_each_command_and_option(self):
        self.assertEqual(self.complete(""), {command.split()[0] for command in COMMANDS})
        for group in ("ca", "setup", "config"):
            self.assertEqual(self.complete(group, ""), {c.split()[1] for c in COMMANDS if c.startswith(group + " ")})
        globals_ = self.options(self.general.out)
        for command in COMMANDS:
            with self.subTest(command):
                self.assertEqual(self.complete("--socket", "/s", *command.split(), "-"), self.options(self.help[command].out) | globals_)


class CaInit(InDirectory):
    def test_makes_both_cas_and_says_what_to_do(self):
        self.write("words", "correct horse\n")
        done = self.init("--passphrase", f"file:{self.path('words')}")
        self.assertEqual(done.returncode, 0, done.err)
        for directory in ("root", "issuing"):
            self.assertEqual(mode(self.path(directory)), 0o700)
        for name in ("root/root.key", "root/registry.db", "issuing/issuing.key", "issuing/registry.db"):
            self.assertEqual(mode(self.path(name)), 0o600, name)
        root = self.path("root/root.crt")
        fingerprint = openssl("x509", "-in", root, "-noout", "-fingerprint", "-sha256").decode().split("=")[1].strip().replace(":", "").lower()
        self.assertIn(fingerprint, done.out)
        self.assertIn(str(root), done.out)
        self.assertIn(f"shred -u {self.path('root')}/root.key && rm -r {self.path('root')}", done.out)
        self.assertIn(f'directory = "{self.path("issuing")}"', done.out)
        openssl("verify", "-CAfile", root, "-x509_strict", self.path("issuing/issuing.crt"))
        self.assertIn(b"ENCRYPTED", self.path("root/root.key").read_bytes())
        openssl("pkey", "-in", self.path("root/root.key"), "-passin", "pass:correct horse", "-noout")
        self.assertNotIn("correct horse", done.out + done.err)

    def test_the_options_reach_the_certificates(self):
        done = self.init("--no-passphrase", "--common-name", "Our root", "--issuing-common-name", "Our issuer", "--key-type", "rsa-2048",
                         "--issuing-key-type", "ecdsa-p384", "--days", "100", "--issuing-days", "10", "--json")
        self.assertEqual(done.returncode, 0, done.err)
        report = json.loads(done.out)
        self.assertEqual(report["root"]["subject"], "CN=Our root")
        self.assertEqual(report["issuing"]["subject"], "CN=Our issuer")
        self.assertEqual((report["root"]["key_type"], report["issuing"]["key_type"]), ("rsa-2048", "ecdsa-p384"))
        openssl("x509", "-in", self.path("root/root.crt"), "-noout", "-checkend", 99 * 86400)
        openssl("x509", "-in", self.path("issuing/issuing.crt"), "-noout", "-checkend", 9 * 86400)
        self.assertFalse(report["root_key_encrypted"])
        self.assertIn("not encrypted", done.err)

    def test_nothing_is_overwritten(self):
        self.assertEqual(self.init("--no-passphrase").returncode, 0)
        before = {p: p.read_bytes() for p in self.directory.rglob("*") if p.is_file()}
        again = self.init("--no-passphrase")
        self.assertEqual(again.returncode, 1)
        self.assertIn("not an empty directory", again.err)
        self.assertEqual(again.out, "")
        self.assertEqual(before, {p: p.read_bytes() for p in self.directory.rglob("*") if p.is_file()})

    def test_an_unencrypted_root_key_must_be_asked_for_by_name(self):
        done = self.init()   # no terminal
        self.assertEqual(done.returncode, 5, done.err)
        self.assertIn("--no-passphrase", done.err)
        self.assertEqual(list(self.directory.iterdir()), [])

    def test_bad_directories_and_passphrases_leave_nothing(self):
        self.write("file", "x")
        self.write("open", "word", 0o644)
        self.write("empty", "")
        for arguments, code in [(["--root-dir", self.path("file"), "--no-passphrase"], 1),
                                (["--root-dir", self.path("none/r"), "--no-passphrase"], 3),
                                (["--root-dir", "", "--no-passphrase"], 2),
                                (["--root-dir", self.path("r"), "--issuing-dir", self.path("r"), "--no-passphrase"], 1),
                                (["--root-dir", self.path("r"), "--issuing-dir", self.path("r/i"), "--no-passphrase"], 1),
                                (["--root-dir", self.path("r"), "--passphrase", "hunter2"], 2),
                                (["--root-dir", self.path("r"), "--passphrase", f"file:{self.path('open')}"], 5),
                                (["--root-dir", self.path("r"), "--passphrase", f"file:{self.path('empty')}"], 1),
                                (["--root-dir", self.path("r"), "--passphrase", f"file:{self.path('gone')}"], 3),
                                (["--root-dir", self.path("r"), "--passphrase", "credential:ca"], 3),
                                (["--root-dir", self.path("r"), "--passphrase", "credential:../ca"], 2)]:
            with self.subTest(arguments):
                done = run("ca", "init", *arguments)
                self.assertEqual(done.returncode, code, done.err)
                self.assertNotIn("hunter2", done.err)
                self.assertRegex(done.err, r"\Apgcertctl: ")
                self.assertEqual({p.name for p in self.directory.iterdir()}, {"file", "open", "empty"})

    def test_a_credential(self):
        self.write("root-ca", "from systemd", 0o400)
        done = self.init("--passphrase", "credential:root-ca", env={"CREDENTIALS_DIRECTORY": str(self.directory)})
        self.assertEqual(done.returncode, 0, done.err)
        openssl("pkey", "-in", self.path("root/root.key"), "-passin", "pass:from systemd", "-noout")

    @unittest.skipIf(os.geteuid() != 0, "a directory of somebody else needs root to be made")
    def test_a_directory_of_somebody_else_is_no_permission(self):
        self.directory.chmod(0o755)
        def drop():
            os.setgroups([]), os.setgid(65534), os.setuid(65534)
        done = run("ca", "init", "--root-dir", self.path("r"), "--no-passphrase", preexec_fn=drop)
        self.assertEqual(done.returncode, 77, done.err)

    def test_show(self):
        self.assertEqual(self.init("--no-passphrase").returncode, 0)
        self.assertIn("here, NOT encrypted", run("ca", "show", self.path("root")).out)
        self.path("root/root.key").unlink()
        self.assertIn("not here", run("ca", "show", self.path("root")).out)
        shown = json.loads(run("ca", "show", self.path("issuing"), "--json").out)
        self.assertEqual((shown["kind"], shown["revoked"]), ("issuing", 0))
        self.assertEqual(run("ca", "show", self.path("none")).returncode, 3)
        config = self.write("pgcertd.toml", f'[issuer.local]\ntype = "local"\ndirectory = "{self.path("issuing")}"\n[issuer.gone]\ntype = "local"\ndirectory = "{self.path("none")}"\n')
        done = run("ca", "show", "--config", config)
        self.assertEqual(done.returncode, 3, done.err)
        self.assertIn("issuer gone", done.err)
        self.assertIn(f"issuer local in {self.path('issuing')}\nissuing CA\n", done.out)
        self.assertEqual([i["ca"]["kind"] for i in json.loads(run("ca", "show", "--config", config, "--json").out)["issuers"]], ["issuing"])
        self.assertIn("remedy: name a directory", run("ca", "show", "--config", self.path("none")).err)
        self.assertEqual(run("ca", "show", self.directory).returncode, 1)


class OutputOfTheRoot(InDirectory):
    """What cannot be written is not signed: no serial, no line of the log, no number of a CRL is used up."""

    def setUp(self):
        super().setUp()
        self.write("words", "correct horse\n")
        self.root = ("--root-dir", self.path("root"), "--passphrase", f"file:{self.path('words')}")
        done = run("ca", "init", *self.root)
        self.assertEqual(done.returncode, 0, done.err)
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path("k"), "-subj", "/CN=db", "-addext", "subjectAltName=DNS:db.example.org", "-out", self.path("r.csr"))
        self.write("policy.toml", '[server]\nnames = ["*.example.org"]\nnew_keys = "allow"\n')
        self.path("d").mkdir()

    def log(self):
        return json.loads(run("--json", "ca", "verify-log", "--root-dir", self.path("root")).out)["entries"]

    def sign(self, *more):
        return run("--yes", "ca", "sign", *self.root, self.path("r.csr"), "--policy", self.path("policy.toml"), *more)

    def visit(self, *more):
        return run("--yes", "ca", "session", *self.root, self.path("r.csr"), "--policy", self.path("policy.toml"), *more)

    def test_it_is_looked_at_before_anything_is_signed(self):
        before, crl = self.log(), self.path("root/root.crl").read_bytes()
        device = self.path("device")
        device.symlink_to("/dev/null")
        good = self.path("good.pem")
        for path, code, words in ((self.path("none/out.pem"), 3, "No such file"), (self.path("k/out.pem"), 3, "Not a directory"), (self.path("d"), 5, "no regular file"), (device, 5, "no regular file"), ("/proc/out.pem", 3, "No such file")):
            for what, command in (("sign", lambda: self.sign("-o", path)), ("session", lambda: self.visit("-o", path)), ("record", lambda: self.visit("-o", good, "--record", path)),
                                  ("crl", lambda: run("ca", "crl", *self.root, "-o", path))):
                with self.subTest(f"{what} {path}"):
                    done = command()
                    self.assertEqual(done.returncode, code, done.err)
                    self.assertIn(words, done.err)
                    self.assertIn(f'"{path}"', done.err)
                    self.assertNotIn(".new", done.err)
        self.assertEqual(self.visit("-o", good, "--record", good).returncode, 2)
        self.assertEqual((self.log(), self.path("root/root.crl").read_bytes(), good.exists(), os.readlink(device)), (before, crl, False, "/dev/null"))
        self.assertEqual([p.name for p in self.directory.rglob("*.new")], [])
        done = self.visit("-o", good, "--record", self.path("record.txt"))
        self.assertEqual(done.returncode, 0, done.err)
        self.assertEqual(len(self.log()), len(before) + 2)
        self.assertRegex(done.out, r"CN=db.example.org: serial \S+, until \S+Z \(in \d+ days\)\n")
        self.assertRegex(run("ca", "crl", *self.root).out, r"until \S+Z \(in \d+ days\)\n")
        self.assertRegex(run("ca", "verify-log", "--root-dir", self.path("root")).out, r"(?m)^1 \S+Z \((now|\d+ seconds? ago)\) ")

    def test_a_visit_without_a_named_output_writes_back_pem(self):
        done = run("ca", "session", *self.root, cwd=self.path("d"))
        self.assertEqual(done.returncode, 0, done.err)
        self.assertIn("To be carried back: back.pem", done.out)
        self.assertIn(b"BEGIN X509 CRL", self.path("d/back.pem").read_bytes())

    def test_nor_is_the_passphrase_asked_for(self):
        done = run("ca", "crl", "--root-dir", self.path("root"), "-o", self.path("none/crl.pem"))   # no terminal: it would be refused
        self.assertEqual(done.returncode, 3, done.err)


class OnATerminal(InDirectory):
    def talk(self, answers, *arguments, wrapper=()):
        """Runs on a terminal of its own; sends each answer when its prompt has come. Returns code and all that was shown."""
        child, terminal = pty.fork()
        if child == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)   # a shell starts what runs in the background with Ctrl-C ignored
            command = [*wrapper, str(PROGRAM), *map(str, arguments)]
            os.execvp(command[0], command)
        shown, deadline, waiting = "", time.monotonic() + 30, list(answers)
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(terminal, 65536).decode()
            except OSError:
                break
            if not piece:
                break
            shown += piece
            if waiting and re.search(waiting[0][0], piece):
                os.write(terminal, waiting.pop(0)[1].encode())
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown

    def init_talk(self, *answers):
        return self.talk(answers, "ca", "init", "--root-dir", self.path("root"))

    def test_asks_twice_without_echo(self):
        code, shown = self.init_talk(("New passphrase", "sesame open\n"), ("same again", "sesame open\n"))
        self.assertEqual(code, 0, shown)
        self.assertNotIn("sesame", shown)
        openssl("pkey", "-in", self.path("root/root.key"), "-passin", "pass:sesame open", "-noout")

    def test_asks_again_when_the_two_differ_or_are_empty(self):
        code, shown = self.init_talk(("New passphrase", "one one one\n"), ("same again", "two two two\n"), ("New passphrase", "\n"),
                                     ("New passphrase", "three three\n"), ("same again", "three three\n"))
        self.assertEqual(code, 0, shown)
        self.assertIn("differ", shown)
        self.assertIn("protects nothing", shown)

    def test_three_failures_end_it(self):
        code, shown = self.init_talk(*[("New passphrase", "\n")] * 3)
        self.assertEqual(code, 1, shown)
        self.assertFalse(self.path("root").exists())

    def test_control_c_ends_it_and_leaves_nothing(self):
        code, shown = self.init_talk(("New passphrase", "\x03"))
        self.assertEqual(code, -2, shown)
        self.assertFalse(self.path("root").exists())

    @unittest.skipIf(shutil.which("strace") is None, "strace is not installed")
    @unittest.skipIf(SANITIZED, "a sanitizer's search for leaks cannot be traced")
    def test_control_c_that_comes_before_the_answer_is_waited_for_is_not_lost(self):
        slow = ("strace", "-o", str(self.path("trace")), "-e", "trace=write", "-e", "inject=write:delay_exit=500000")   # after the prompt
        code, shown = self.talk([("New passphrase", "\x03")], "ca", "init", "--root-dir", self.path("root"), wrapper=slow)
        self.assertEqual(code, -2, shown)
        self.assertTrue(shown.endswith("\n"), f"it ended only when the terminal was closed: {shown!r}")


class Inspect(InDirectory):
    def setUp(self):
        super().setUp()
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path("a.key"), "-out", self.path("a.crt"),
                "-days", 30, "-subj", "/CN=db1.example.org", "-addext", "subjectAltName=DNS:db1.example.org,IP:10.0.0.5")

    def inspect(self, path, stdin=b""):
        done = run("inspect", path, "--json", stdin=stdin)
        return done.returncode, json.loads(done.out)["files"] if done.out else done.err

    def kind(self, content, name="thing"):
        return self.inspect(self.write(name, content))[1][0]["kind"]

    def test_every_kind_by_openssl(self):
        key, crt = self.path("a.key"), self.path("a.crt")
        wanted = {
            "certificate": [crt.read_bytes(), openssl("x509", "-in", crt, "-outform", "DER")],
            "chain": [crt.read_bytes() * 2],
            "private key": [key.read_bytes(), openssl("pkey", "-in", key, "-outform", "DER"), openssl("ec", "-in", key), openssl("genrsa", "-traditional", 2048)],
            "encrypted private key": [openssl("pkey", "-in", key, "-aes256", "-passout", "pass:word")],
            "certificate request": [openssl("req", "-new", "-key", key, "-subj", "/CN=x"), openssl("req", "-new", "-key", key, "-subj", "/CN=x", "-outform", "DER")],
            "PKCS#12": [openssl("pkcs12", "-export", "-in", crt, "-inkey", key, "-passout", "pass:word")],
        }
        for kind, contents in wanted.items():
            for number, content in enumerate(contents):
                with self.subTest(kind, number=number):
                    self.assertEqual(self.kind(content), kind)

    def test_crl(self):
        self.assertEqual(run("ca", "init", "--root-dir", self.path("root"), "--no-passphrase").returncode, 0)
        crl = self.path("root/root.crl")
        self.assertEqual(self.inspect(crl)[1][0]["kind"], "CRL")
        der = self.write("root.der", openssl("crl", "-in", crl, "-outform", "DER"))
        self.assertEqual(self.inspect(der)[1][0]["encoding"], "DER")
        self.assertEqual(run("inspect", der).returncode, 1)   # PostgreSQL reads PEM only

    def test_facts_agree_with_openssl(self):
        code, files = self.inspect(self.path("a.crt"))
        self.assertEqual(code, 0)
        facts = files[0]["certificates"][0]
        self.assertEqual(facts["names"], ["db1.example.org", "10.0.0.5"])
        self.assertEqual(facts["serial"], openssl("x509", "-in", self.path("a.crt"), "-noout", "-serial").decode().split("=")[1].strip().lower())

    def test_directory_and_standard_input(self):
        self.write("notes.txt", "no certificate")
        code, files = self.inspect(self.directory)
        self.assertEqual([pathlib.Path(f["path"]).name for f in files], ["a.crt", "a.key"])
        code, files = self.inspect("-", self.path("a.crt").read_bytes())
        self.assertEqual((code, files[0]["kind"]), (0, "certificate"))
        self.assertEqual(run("inspect", "-", stdin=self.path("a.crt").read_bytes()).returncode, 0)

    def test_garbage(self):
        for content in (b"", b"garbage", os.urandom(4096), b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\x30\x82\xff\xff",
                        self.path("a.crt").read_bytes()[:-200], b"\0" * 100000):
            done = run("inspect", self.write("garbage", content))
            self.assertEqual(done.returncode, 1, done.out)
            self.assertEqual(done.err, "")
        for path, code in [(self.path("none"), 3), ("/dev/zero", 1), (self.path("empty"), 3)]:
            self.path("empty").mkdir(exist_ok=True)
            done = run("inspect", path)
            self.assertEqual(done.returncode, code, done.err)
            self.assertRegex(done.err, r"\Apgcertctl: ")

    def findings(self, *targets):
        done = run("inspect", "--json", *targets)
        files = json.loads(done.out)["files"]
        self.assertEqual(done.returncode, 1 if any(f["findings"] for f in files) else 0)
        return {pathlib.Path(f["path"]).name: f["findings"] for f in files}

    def test_the_mode_of_a_key(self):
        both = self.write("both.pem", self.path("a.crt").read_bytes() + self.path("a.key").read_bytes(), 0o644)
        for permissions, wrong in ((0o600, False), (0o400, False), (0o640, os.geteuid() != 0), (0o644, True), (0o660, True)):
            self.path("a.key").chmod(permissions)
            found = self.findings(self.path("a.key"))["a.key"]
            self.assertEqual([f"its mode is {permissions:04o}" in f for f in found], [True] if wrong else [], oct(permissions))
        self.assertIn("its mode is 0644", self.findings(both)["both.pem"][0])
        self.path("a.crt").chmod(0o644)
        self.assertEqual(self.findings(self.path("a.crt"))["a.crt"], [], "a certificate is public")

    def test_a_key_beside_a_certificate(self):
        self.assertEqual(self.findings(self.directory), {"a.crt": [], "a.key": []})
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.path("b.pem"))
        self.path("b.pem").chmod(0o600)
        self.assertEqual(self.findings(self.directory)["b.pem"], [], "which one it is for is not known")
        self.assertIn("key values mismatch", self.findings(self.path("a.crt"), self.path("b.pem"))["b.pem"][0])
        self.path("b.pem").rename(self.path("a.key"))
        self.assertIn("key values mismatch", self.findings(self.directory)["a.key"][0])
        self.assertEqual(self.findings(self.path("a.key"))["a.key"], [])

    def test_what_is_in_a_pkcs12_file(self):
        self.write("word", "word\n")
        bundle = self.write("a.p12", openssl("pkcs12", "-export", "-in", self.path("a.crt"), "-inkey", self.path("a.key"), "-passout", "pass:word"))
        self.assertIn("--passphrase", run("inspect", bundle).out)
        shown = run("inspect", bundle, "--passphrase", f"file:{self.path('word')}").out
        self.assertIn("CN=db1.example.org", shown)
        self.assertIn("ecdsa-p256", shown)
        self.write("word", "other\n")
        self.assertIn("the passphrase is another one", run("inspect", bundle, "--passphrase", f"file:{self.path('word')}").out.replace("\n", " ").replace("  ", " "))

    def test_hostile_names_stay_on_the_page(self):
        evil = "evil\x1b[2J\u202e" + "X" * 40
        openssl("req", "-x509", "-key", self.path("a.key"), "-out", self.path("e.crt"), "-utf8", "-subj", "/CN=" + evil, "-days", 1)
        done = run("inspect", self.path("e.crt"))
        self.assertNotIn("\x1b", done.out)
        self.assertNotIn("\u202e", done.out)
        for line in done.out.splitlines():
            self.assertLessEqual(len(line), 80, line)

    def test_colour(self):
        self.assertNotIn("\x1b", run("inspect", self.path("a.crt")).out)
        self.assertIn("\x1b[", run("inspect", self.path("a.crt"), "--color", "always").out)


class Config(InDirectory):
    def test_check_and_show(self):
        good = self.write("pgcertd.toml", '[issuer.local]\ntype = "local"\n[cluster.main]\nconninfo = "host=/run/postgresql user=pgcertd"\n')
        self.assertEqual(run("config", "check", "--config", good).returncode, 0)
        shown = run("config", "show", "--config", good)
        self.assertIn('check_interval = "1m"', re.sub(" += ", " = ", shown.out))
        again = self.write("again.toml", shown.out)
        self.assertEqual(run("config", "show", "--config", again).out, shown.out)
        self.assertEqual(json.loads(run("config", "show", "--config", good, "--json").out)["cluster"]["main"]["lifetime"], "90d")

    def test_what_is_wrong_is_named_with_its_place(self):
        bad = self.write("pgcertd.toml", '[daemon]\ncheck_intervall = "1m"\n')
        done = run("config", "check", "--config", bad)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"{bad}:2:", done.out)
        self.assertIn("check_interval", done.out)
        self.assertFalse(json.loads(run("config", "check", "--config", bad, "--json").out)["valid"])
        self.assertEqual(run("config", "check", "--config", self.path("none.toml")).returncode, 3)
        for words in ((), ("--json",)):
            shown = run("config", "show", "--config", bad, *words)
            self.assertEqual((shown.returncode, shown.out), (1, ""))
            self.assertIn(f"{bad}:2:", shown.err)


class Daemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Stands in for pgcertd on its socket: answers from tables, remembers what it was asked for."""
    daemon_threads = True

    def __init__(self, path):
        self.answers, self.asked, self.events = {}, [], []
        super().__init__(str(path), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def event(self, kind, cluster="main"):
        self.events.append({"id": len(self.events) + 1, "at": "2026-01-01T00:00:00Z", "cluster": cluster, "kind": kind, "message": "\x1b[2Jwords", "fields": {}})


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answer(self, body=None):
        self.server.asked.append((self.command, self.path, body))
        if self.path == "/v1/events?last=1":
            return self.reply(200, {"schema": 1, "events": self.server.events[-1:]})
        if self.path.startswith("/v1/events?since="):
            since = int(re.match(r"/v1/events\?since=(\d+)(&wait=|$)", self.path)[1])
            return self.reply(200, {"schema": 1, "events": [e for e in self.server.events if e["id"] > since][:2]})
        found = self.server.answers.get((self.command, self.path))
        if callable(found):
            found = found()
        return self.reply(*(found or (404, {"title": "Not found", "detail": f"no {self.path}", "remedy": "pgcertctl status lists them"})))

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def address_string(self):
        return "unix"


class WithDaemon(InDirectory):
    def setUp(self):
        super().setUp()
        self.daemon = Daemon(self.path("control.sock"))
        self.addCleanup(self.daemon.server_close)
        self.addCleanup(self.daemon.shutdown)
        self.rotation = {"stage": "requested", "paused_until": None, "last_error": "sign: no"}
        self.daemon.answers[("GET", "/v1/clusters/main")] = lambda: (200, {"schema": 1, "cluster": {"name": "main", "status": "ok", "rotation": self.rotation}})

    def ctl(self, *arguments):
        return run("--socket", self.path("control.sock"), *arguments)

    def rotate(self, *arguments, then=None, accepted=True):
        def post():
            if then:
                then()
            return 200, {"accepted": accepted, "message": "rotating", "plan": {"need": "asked", "stage": "nothing", "reasons": ["an operator asked"]}}
        self.daemon.answers[("POST", "/v1/clusters/main/rotate")] = post
        return self.ctl("rotate", "main", *arguments)

    def test_rotate_wait_ends_with_what_happened(self):
        self.daemon.event("rotation-proved"), self.daemon.event("rotation-failed"), self.daemon.event("rotation-proved")   # long ago
        for kinds, code in [((("staged", "main"), ("rotation-failed", "other"), ("rotation-proved", "main")), 0), ((("rolled-back", "main"),), 1),
                            ((("rotation-failed", "main"),), 1)]:
            with self.subTest(kinds):
                done = self.rotate("--wait", then=lambda: [self.daemon.event(*kind) for kind in kinds])
                self.assertEqual(done.returncode, code, done.out + done.err)
                self.assertEqual(done.out.count("main: "), len([k for k in kinds if k[1] == "main"]), done.out)
                self.assertNotIn("\x1b", done.out)

    def test_rotate_wait_paused_or_without_end(self):
        done = self.rotate("--wait", "--timeout", "300ms")
        self.assertEqual(done.returncode, 6)
        self.assertIn("stage requested, last error: sign: no", done.err)
        self.assertLess(len(self.daemon.asked), 40, "a daemon that answers at once is not asked without pause")
        self.rotation["paused_until"] = "2099-01-01T00:00:00Z"
        self.assertEqual(self.rotate("--wait").returncode, 5)

    def test_rotate_not_due_and_dry_run(self):
        self.assertEqual(self.rotate("--wait", accepted=False).returncode, 0)
        done = self.rotate("--dry-run", "--wait", "--force")
        self.assertEqual(done.returncode, 0)
        self.assertIn("an operator asked", done.out)
        self.assertEqual(self.daemon.asked[-1][2], {"force": True, "dry_run": True})

    def test_pause_resume_takeover(self):
        for verb in ("pause", "resume", "takeover"):
            self.daemon.answers[("POST", f"/v1/clusters/main/{verb}")] = (200, {"message": f"{verb} it is"})
        self.assertEqual(self.ctl("pause", "main", "--for", "2h", "--reason", "upgrade").out, "pause it is\n")
        self.assertEqual(self.daemon.asked[-1][2], {"for": "2h", "reason": "upgrade"})
        self.assertEqual(self.ctl("resume", "main").out, "resume it is\n")
        self.assertEqual(self.ctl("takeover", "main").out, "takeover it is\n")

    def test_refusals_have_their_exit_codes(self):
        for status, code in ((403, 77), (404, 3), (409, 5), (500, 1), (504, 6)):
            self.daemon.answers[("POST", "/v1/clusters/main/resume")] = (status, {"title": "No", "detail": "because", "remedy": "do this"})
            done = self.ctl("resume", "main")
            self.assertEqual(done.returncode, code)
            self.assertEqual((done.out, done.err), ("", "pgcertctl: No: because\n  remedy: do this\n"))
        self.assertEqual(self.ctl("status", "other").returncode, 3)
        self.assertEqual(self.ctl("status", "../x").returncode, 3)

    def test_events(self):
        for kind in ("staged", "published", "rotation-proved", "staged", "published"):
            self.daemon.event(kind)
        done = self.ctl("events")
        self.assertEqual((done.returncode, done.out.count("\n")), (0, 5))
        self.assertEqual([json.loads(line)["id"] for line in self.ctl("events", "--json").out.splitlines()], [1, 2, 3, 4, 5])

    def test_events_follow_until_nobody_reads(self):
        self.daemon.event("staged")
        process = subprocess.Popen([PROGRAM, "--socket", self.path("control.sock"), "events", "--follow", "--json"], stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.assertEqual(json.loads(process.stdout.readline())["kind"], "staged")
        self.daemon.event("published")
        self.assertEqual(json.loads(process.stdout.readline())["kind"], "published")
        process.terminate()
        self.assertEqual(process.wait(10), -15)

    def test_status_check_runway_version(self):
        status = {"schema": 1, "version": "9.9.9", "generated_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "status": "ok",
                  "clusters": [{"name": "main", "status": "ok", "problems": []}], "issuers": [], "problems": []}
        self.daemon.answers[("GET", "/v1/status")] = (200, status)
        self.daemon.answers[("GET", "/v1/runway")] = (200, {"schema": 1, "runway": [{"cluster": "main"}]})
        self.assertIn("9.9.9", self.ctl("status").out)
        self.assertEqual(json.loads(self.ctl("status", "--json").out), status)
        self.assertEqual(json.loads(self.ctl("runway", "--json").out)["runway"][0]["cluster"], "main")
        self.assertIn("main", self.ctl("runway").out)
        self.assertEqual(self.ctl("check").returncode, 0)
        self.assertEqual(self.ctl("check", "other").returncode, 3)
        status["clusters"][0].update(status="critical", problems=[{"code": "served-stale", "severity": "critical", "message": "old | x"}])
        done = self.ctl("check", "main")
        self.assertEqual(done.returncode, 2)
        self.assertTrue(done.out.startswith("PGCERTD CRITICAL - main: served-stale: old / x |"), done.out)
        self.assertEqual(self.ctl("check", "--only", "crl-expired").returncode, 0)
        self.assertIn("pgcertd   9.9.9", self.ctl("version").out)

    def test_the_socket_is_found_through_the_configuration(self):
        self.daemon.answers[("GET", "/v1/runway")] = (200, {"schema": 1, "runway": []})
        config = self.write("pgcertd.toml", f'[daemon]\nruntime_directory = "{self.directory}"\n')
        self.assertEqual(run("runway", "--json", "--config", config).returncode, 0)


class WithoutDaemon(InDirectory):
    def test_unreachable_is_4_and_for_check_3(self):
        for command in (["status"], ["status", "main"], ["rotate", "main"], ["rotate", "main", "--wait"], ["resume", "main"], ["events"], ["runway"]):
            done = run(*command, "--socket", self.path("none.sock"))
            self.assertEqual(done.returncode, 4, done.err)
            self.assertIn("remedy: ", done.err)
            self.assertEqual(done.out, "")
        done = run("check", "--socket", self.path("none.sock"))
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.out, r"\APGCERTD UNKNOWN - [^\n]*none\.sock[^\n]*\n\Z")
        self.assertIn("not reachable", run("version", "--socket", self.path("none.sock")).out)


    def test_requests_are_shown_by_the_files_alone(self):
        self.assertEqual(run("ca", "init", "--root-dir", self.path("root"), "--issuing-dir", self.path("issuing"), "--no-passphrase").returncode, 0)
        self.assertEqual(run("ca", "init", "--issuing-dir", self.path("waiting"), "--root-cert", self.path("root/root.crt"), "-o", self.path("w.csr")).returncode, 0)
        config = self.write("pgcertd.toml", f'[daemon]\nruntime_directory = "{self.path("run")}"\n[issuer.waits]\ntype = "local"\ndirectory = "{self.path("waiting")}"\n'
                                            f'[issuer.works]\ntype = "local"\ndirectory = "{self.path("issuing")}"\n')
        done = run("request", "list", "--config", config)
        self.assertEqual(done.returncode, 0, done.err)
        self.assertIn("the daemon is not reachable", done.err)
        self.assertRegex(done.out, r"the issuing CA +waits ")
        self.assertRegex(done.out, r"works +- +20")
        self.assertEqual([len(i["pending_requests"]) for i in json.loads(run("request", "list", "--config", config, "--json").out)], [1, 0])
        shown = json.loads(run("request", "show", "--config", config, "--json").out)
        self.assertEqual([(one["issuer"], one["request"]) for one in shown], [("waits", self.path("w.csr").read_text())])
        self.assertEqual(run("request", "export", "--config", config, "-o", self.path("out.csr")).returncode, 0)
        self.assertEqual(self.path("out.csr").read_bytes(), self.path("w.csr").read_bytes())
        for words in (("show", "--issuer", "works"), ("export", "--issuer", "other"), ("list", "--config", self.path("none"))):
            done = run("request", *(words if "--config" in words else (*words, "--config", config)))
            self.assertEqual((done.returncode, done.out), (4, ""), done.err)
            self.assertIn("remedy: ", done.err)
            self.assertIn("issuing.csr", done.err)

    def test_every_error_has_a_remedy(self):
        garbage, empty, none = self.write("garbage", "garbage\n"), self.path("empty"), self.path("none")
        empty.mkdir()
        self.assertEqual(run("ca", "init", "--root-dir", self.path("root"), "--issuing-dir", self.path("issuing"), "--no-passphrase").returncode, 0)
        root, issuing, sign = self.path("root"), self.path("issuing"), ("ca", "sign", "--root-dir", self.path("root"), "-o", self.path("o"))
        for words in (("status",), ("trust", "export"), ("client", "list"), ("crl", "show"), ("audit",), ("permissions", "check"), ("request", "list"), ("revoke", "zz", "--reason", "superseded"), ("revoke", garbage, "--reason", "superseded"),
                      ("crl", "import", none), ("crl", "import", garbage), ("request", "import", none), ("request", "import", garbage), ("inspect", none), ("inspect", empty), ("probe", "localhost", "--root", none),
                      ("probe", "localhost", "--root", garbage), ("ca", "show", none), ("ca", "show", empty), ("ca", "show", garbage), (*sign, none), (*sign, garbage), (*sign, empty), (*sign, "--policy", garbage, none),
                      ("ca", "sign", "--root-dir", none, garbage, "-o", self.path("o")), ("ca", "sign", "--root-dir", issuing, garbage, "-o", self.path("o")), ("ca", "crl", "--root-dir", root, "-o", empty),
                      ("ca", "crl", "--root-dir", root, "-o", none / "x"), ("ca", "verify-log", "--root-dir", none), ("ca", "verify-log", "--root-dir", issuing), ("ca", "passwd", "--root-dir", root),
                      ("ca", "passwd", "--root-dir", root, "--new-passphrase", f"file:{none}"), ("ca", "init", "--root-dir", root, "--no-passphrase"), ("ca", "init", "--root-dir", none / "r", "--no-passphrase"),
                      ("ca", "init", "--root-dir", none, "--issuing-dir", none, "--no-passphrase"), ("ca", "init", "--root-dir", none), ("ca", "init", "--root-cert", garbage, "--issuing-dir", none),
                      ("client", "issue", "x", "-o", none / "d"), ("client", "issue", "x", "-o", garbage), ("client", "issue", "x", "-o", empty, "--renew"), ("config", "check", "--config", none), ("config", "show", "--config", empty),
                      ("setup", "--dry-run", "--data-directory", none)):
            with self.subTest(words):
                done = run("--socket", self.path("none.sock"), *words)
                self.assertNotIn(done.returncode, (0, 2), done.out + done.err)
                self.assertRegex(done.err, r"(?m)^pgcertctl: .+\n(.+\n)*  remedy: .+$")


@unittest.skipIf(POSTGRES is None, "PostgreSQL's server programs are not installed")
class WithPostgres(unittest.TestCase):
    """One server with TLS off, which is turned on with certificates of our own CA."""

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="pgcertd-cli-pg-"))
        cls.directory.chmod(0o755)
        cls.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        cls.data = cls.directory / "data"
        if cls.user:
            os.chown(cls.directory, cls.user.pw_uid, cls.user.pw_gid)
        cls.as_server(POSTGRES / "initdb", "-D", cls.data, "-A", "trust", "-N", "-U", "postgres")
        import socket
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            cls.port = free.getsockname()[1]
        with open(cls.data / "postgresql.conf", "a") as conf:
            conf.write(f"port = {cls.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{cls.directory}'\nfsync = off\n")
        cls.as_server(POSTGRES / "pg_ctl", "-D", cls.data, "-w", "-l", cls.directory / "log", "start")

    @classmethod
    def tearDownClass(cls):
        cls.as_server(POSTGRES / "pg_ctl", "-D", cls.data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(cls.directory, True)

    @classmethod
    def as_server(cls, *command, **options):
        who = {"user": cls.user.pw_uid, "group": cls.user.pw_gid, "extra_groups": []} if cls.user else {}
        return subprocess.run(list(map(str, command)), check=True, stdin=options.pop("stdin", subprocess.DEVNULL), stdout=subprocess.DEVNULL,
                              cwd=cls.directory, **who, **options)

    def psql(self, sql, user="postgres"):
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", str(self.directory), "-p", str(self.port), "-U", user, "postgres"], input=sql,
                              capture_output=True, text=True)

    def test_the_role_of_setup_sql_may_do_what_it_must_and_no_more(self):
        sql = run("setup", "sql", "--role", "watcher").out
        for _ in range(2):   # running it again does no harm
            done = self.psql(sql)
            self.assertEqual(done.returncode, 0, done.stderr)
        for statement in ("SELECT pg_catalog.pg_reload_conf()", "SELECT sourcefile FROM pg_catalog.pg_settings WHERE name = 'ssl'",
                          "SELECT error FROM pg_catalog.pg_file_settings", "SELECT error FROM pg_catalog.pg_hba_file_rules",
                          "ALTER SYSTEM SET ssl_ca_file = ''", "ALTER SYSTEM RESET ssl_ca_file"):
            self.assertEqual(self.psql(statement, "watcher").returncode, 0, statement)
        self.assertEqual(self.psql("SHOW data_directory", "watcher").stdout.strip(), str(self.data))
        for statement in ("ALTER SYSTEM SET ssl_passphrase_command = 'true'", "CREATE ROLE other", "COPY (SELECT 1) TO PROGRAM 'true'"):
            self.assertNotEqual(self.psql(statement, "watcher").returncode, 0, statement)

    def probe(self, *arguments):
        done = run("probe", f"127.0.0.1:{self.port}", "--json", *arguments, env={"HOME": str(self.directory / "home")})
        return done.returncode, json.loads(done.out)

    def connects(self, report):
        return {row["sslmode"] for row in report["sslmode"] if row["connects"]}

    def serve_with(self, names):
        key, crt = self.data / "server.key", self.data / "server.crt"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", crt, "-days", 30,
                "-subj", "/CN=db", "-addext", "subjectAltName=" + names)
        for path in (key, crt):
            path.chmod(0o600)
            if self.user:
                os.chown(path, self.user.pw_uid, self.user.pw_gid)
        self.psql("ALTER SYSTEM SET ssl = on")
        self.as_server(POSTGRES / "pg_ctl", "-D", self.data, "reload")
        serial = openssl("x509", "-in", crt, "-noout", "-serial").decode().split("=")[1].strip().lower().lstrip("0")
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            report = self.probe()[1]
            if report["chain"] and report["chain"][0]["serial"].lstrip("0") == serial:
                return shutil.copy(crt, self.directory / "root.crt")
        self.fail("the new certificate is not served")

    def test_probe_tells_who_would_connect(self):
        code, report = self.probe()
        self.assertEqual((code, report["outcome"], self.connects(report)), (1, "ssl-refused", {"disable", "allow", "prefer"}))
        root = self.serve_with("IP:127.0.0.1,DNS:db1.example.org")
        code, report = self.probe("--root", root)
        self.assertEqual(code, 0, report)
        self.assertEqual(self.connects(report), {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
        self.assertEqual(report["tls_version"], "TLSv1.3")
        code, report = self.probe("--root", root, "--name", "other.example.org")
        self.assertEqual((code, "verify-full" in self.connects(report), "verify-ca" in self.connects(report)), (1, False, True))
        self.assertEqual(self.probe("--root", root, "--name", "db1.example.org")[0], 0)
        code, report = self.probe()   # no trust anchors at all
        self.assertEqual((code, "require" in self.connects(report), "verify-ca" in self.connects(report)), (1, True, False))
        other = self.directory / "other"
        self.assertEqual(run("ca", "init", "--root-dir", other, "--no-passphrase").returncode, 0)
        code, report = self.probe("--root", other / "root.crt")
        self.assertEqual((code, self.connects(report)), (1, {"disable", "allow", "prefer"}))
        text = run("probe", f"127.0.0.1:{self.port}", "--root", root).out
        self.assertIn("verify-full  yes", text)
        for line in text.splitlines():
            self.assertLessEqual(len(line), 80, line)
        # As psql judges it.
        full = subprocess.run(["psql", "-XAtqc", "SELECT 1", f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres sslmode=verify-full sslrootcert={root}"],
                              capture_output=True, text=True)
        self.assertEqual(full.stdout.strip(), "1", full.stderr)

    def test_probe_of_nothing_and_of_bad_anchors(self):
        self.assertEqual(run("probe", "127.0.0.1:1", "--timeout", "2s").returncode, 1)
        self.assertEqual(run("probe", f"127.0.0.1:{self.port}", "--root", self.directory / "none").returncode, 3)
        self.assertEqual(run("probe", f"127.0.0.1:{self.port}", "--root", self.data / "PG_VERSION").returncode, 1)


if __name__ == "__main__":
    unittest.main(verbosity=1)

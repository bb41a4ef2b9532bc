"""--json: each command prints one JSON document on standard output and nothing else there, or one record a line where it goes on."""
import json

from cli_test import COMMANDS
from harness import HostTest, quiet_run


class Json(HostTest):
    def setUp(self):
        self.host_ = self.host()
        self.daemon = self.host_.start()
        self.daemon.wait_proved()
        self.root = self.host_.directory / "offline" / "root"
        self.seen = set()

    def ask(self, command, *words, codes=(0,)):
        self.seen.add(command)
        done = self.host_.ctl("--yes", "--json", *command.split(), *words)
        self.assertIn(done.returncode, codes, f"{command}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    def records(self, command, *words):
        self.seen.add(command)
        done = self.host_.ctl("--json", *command.split(), *words)
        self.assertEqual(done.returncode, 0, f"{command}: {done.stdout}{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_each_command(self):
        host, made = self.host_, self.host_.directory / "made"
        made.mkdir()
        file = lambda name: made / name
        for command, *words in (["status"], ["status", "main"], ["check"], ["runway"], ["client list"], ["crl show"], ["crl refresh"], ["explain", "cert-expired"], ["config check"], ["config show"], ["version"],
                                ["request list"], ["ca show", self.root], ["ca verify-log", "--root-dir", self.root], ["permissions check"], ["permissions fix"], ["doctor"], ["pause", "main", "--for", "2h", "--reason", "r"],
                                ["resume", "main"], ["rotate", "main", "--dry-run"], ["rotate", "main"], ["events", "--verify"]):
            self.ask(command, *words)
        self.ask("audit", codes=(0, 1))
        self.ask("probe", f"localhost:{host.postgres.port}", "--root", host.root_certificate)
        self.ask("inspect", host.root_certificate)
        self.ask("setup", "--dry-run", codes=(0, 1))
        self.assertIn("CREATE ROLE \"watcher\"", self.ask("setup sql", "--role", "watcher")["sql"])
        with (host.state / "clusters" / "main" / "current" / "server.crt").open("a") as certificate:
            certificate.write("# somebody was here\n")
        self.daemon.wait_problem("takeover-needed")
        self.ask("takeover", "main")
        self.daemon.wait_no_problem("takeover-needed")
        issued = self.ask("client issue", "alice", "-o", made / "alice")
        self.ask("revoke", issued["serial"], "--reason", "superseded")
        exported = self.ask("trust export")
        self.assertEqual((exported["pem"], exported["file"]), (host.root_certificate.read_text(), None))
        self.assertEqual(len(exported["roots"][0]["fingerprint_sha256"]), 64)
        self.assertEqual(self.ask("trust export", "-o", file("root.crt"))["file"], str(file("root.crt")))
        self.assertEqual(file("root.crt").read_text(), exported["pem"])
        self.ask("request show")
        request = self.ask("request export", "-o", file("issuing.csr"))["requests"][0]
        self.assertEqual((request["file"], request["issuer"]), (str(file("issuing.csr")), "local"))
        root = ("--root-dir", self.root)
        quiet_run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file("k"), "-subj", "/CN=db", "-addext", "subjectAltName=DNS:db.example.org", "-out", file("db.csr"))
        file("policy.toml").write_text('[server]\nnames = ["*.example.org"]\nnew_keys = "allow"\n')
        self.ask("ca session", *root, file("issuing.csr"), "-o", file("back.pem"), "--record", file("record"))
        self.ask("request import", file("back.pem"))
        self.ask("ca sign", *root, file("db.csr"), "-o", file("db.pem"), "--policy", file("policy.toml"))
        self.ask("ca crl", *root, "-o", file("root.crl"))
        self.ask("crl import", file("root.crl"))
        file("word").write_text("correct horse\n")
        file("word").chmod(0o600)
        self.assertTrue(self.ask("ca passwd", *root, "--new-passphrase", f"file:{file('word')}")["encrypted"])
        self.assertFalse(self.ask("ca passwd", *root, "--passphrase", f"file:{file('word')}", "--no-passphrase")["encrypted"])
        self.ask("ca init", "--root-dir", file("root"), "--issuing-dir", file("issuing"), "--no-passphrase")
        self.ask("ca init", "--issuing-dir", file("waiting"), "--root-cert", host.root_certificate, "-o", file("waiting.csr"))
        self.ask("ca show", file("waiting"))
        self.ask("rotate", "main", "--force")
        self.daemon.wait_proved()
        self.assertEqual(self.records("rotate", "main", "--force", "--wait")[-1]["kind"], "rotation-proved")
        self.assertEqual(self.records("rollback", "main", "--wait")[-1]["kind"], "rollback-proved")
        self.assertGreater(len(self.records("events")), 5)
        self.assertEqual(self.seen, set(COMMANDS))

    def test_an_error_leaves_standard_output_empty_but_for_check(self):
        for words in (("status", "other"), ("ca", "show", "/nonexistent"), ("trust", "export", "-o", "/nonexistent/x"), ("inspect", "/nonexistent"), ("config", "check", "--config", "/nonexistent")):
            done = self.host_.ctl("--json", *words)
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(done.stdout, "", words)
            self.assertRegex(done.stderr, r"\Apgcertctl: .+\n")
        for words in (("check", "other"), ("check", "--nonsense"), ("check", "a", "b")):
            done = self.host_.ctl("--json", *words)
            self.assertEqual((done.returncode, json.loads(done.stdout)["exit_code"]), (3, 3), words)

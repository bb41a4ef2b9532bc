"""The daemon as systemd, an operator and a monitoring system meet it."""
import grp
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading

from harness import BUILD, PGCERTCTL, ROOT, HostTest, poll, quiet_run


class Quickstart(HostTest):
    def test_once_proves_and_leaves_nothing(self):
        before = set(pathlib.Path("/tmp").glob("pgcertd-quickstart.*"))
        done = subprocess.run([ROOT / "packaging" / "quickstart", "--once", "--build", BUILD], capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        serials = re.findall(r"^served serial (?:before|after): +([0-9a-f]+)$", done.stdout, re.M)
        self.assertEqual(len(set(serials)), 2, done.stdout)
        self.assertEqual(len(re.findall(r"^verify-full: connected with TLSv1\.3", done.stdout, re.M)), 2, done.stdout)
        made, failed = map(int, re.search(r"^connections while it rotated: (\d+) made, (\d+) failed$", done.stdout, re.M).groups())
        self.assertGreater(made, 0)
        self.assertEqual(failed, 0)
        self.assertEqual(set(pathlib.Path("/tmp").glob("pgcertd-quickstart.*")), before)


class Life(HostTest):
    def test_a_second_daemon_on_the_same_state_is_refused(self):
        host = self.host(server=False)
        host.start()
        poll(host.http_answers, "the first daemon")
        code, log = host.once()
        self.assertEqual(code, 4, log)
        self.assertIn(str(host.state), log)
        second = host.start()
        self.assertEqual(second.wait_end(), 4, second.log())
        self.assertTrue(host.daemons[0].alive())

    def test_sigterm_ends_it_also_while_the_server_hangs(self):
        host = self.host()
        trace = host.directory / "trace"
        trace.write_text("")
        trace.chmod(0o666)
        daemon = host.start({"PGCERTD_TRACE": str(trace)})
        daemon.wait_proved()
        postmaster = host.postgres.pid()
        os.kill(postmaster, signal.SIGSTOP)
        try:
            looks = trace.read_text().count("postgres.observe")
            poll(lambda: trace.read_text().count("postgres.observe") > looks, "a look at the server that hangs")
            daemon.process.terminate()
            self.assertEqual(daemon.wait_end(10), 0, daemon.log())
        finally:
            os.kill(postmaster, signal.SIGCONT)
        self.assertNotIn("server-unreachable", daemon.log(), "what was broken off by the end is no fact")

    def test_commands_that_wait_for_a_server_that_hangs_hold_up_neither_questions_nor_the_end(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        threads = lambda: len(os.listdir(f"/proc/{daemon.pid}/task"))
        before, postmaster = threads(), host.postgres.pid()
        os.kill(postmaster, signal.SIGSTOP)
        try:
            asked = [subprocess.Popen([PGCERTCTL, "--config", host.config, "rotate", "main", "--force"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(12)]
            poll(lambda: threads() >= before + 12, "twelve commands under way", context=daemon.log)
            self.assertIn("main", host.ctl("status", timeout=20).stdout)
            daemon.process.terminate()
            self.assertEqual(daemon.wait_end(10), 0, daemon.log())
            said = [one.communicate(timeout=20)[0] for one in asked]
            self.assertEqual([s for s in said if "was asked for" not in s and "pgcertd stops" not in s], [], "each is told what became of it")
            self.assertIn("pgcertd stops", "".join(said))
        finally:
            os.kill(postmaster, signal.SIGCONT)

    def test_sighup_with_a_bad_configuration_keeps_the_running_one(self):
        host = self.host()
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        good = host.config.read_text()
        host.config.write_text(good.replace("[cluster.main]", "[cluster.main]\nlifetme = \"30d\""))
        daemon.hangup()
        problem = poll(lambda: next((p for p in (daemon.status() or {}).get("problems", []) if p["code"] == "config-invalid"), None), "config-invalid", context=daemon.log)
        self.assertIn("lifetme", problem["message"])
        self.assertIn("lifetime", problem["message"])
        self.assertIn(str(host.config), problem["message"])
        self.assertEqual(daemon.wait_proved()["certificate"]["serial"], serial)
        host.config.write_text(good)
        daemon.hangup()
        poll(lambda: daemon.status() and not any(p["code"] == "config-invalid" for p in daemon.status()["problems"]), "the problem to go", context=daemon.log)

    def test_sighup_takes_new_names(self):
        host = self.host()
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        host.configure(cluster='names = ["localhost", "127.0.0.1", "db2.example.org"]')
        daemon.hangup()
        self.assertIn("db2.example.org", daemon.wait_proved(but=serial)["certificate"]["names"])
        self.assertVerifyFull(host)

    def asker(self, host):
        """Asks for a client's certificate, each time with the same request."""
        request = host.directory / "alice.csr"
        quiet_run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=alice", "-keyout", host.directory / "alice.key", "-out", request)

        def ask(role, **more):
            body = json.dumps({"role": role, "request": request.read_text()} | more)
            return json.loads(quiet_run("curl", "-s", "--unix-socket", host.run / "control.sock", "-H", "Content-Type: application/json", "-d", body, "http://localhost/v1/clients"))
        return ask

    def test_each_request_of_a_client_is_judged_anew(self):
        host = self.host()
        host.start().wait_proved()
        ask = self.asker(host)
        given = ask("alice")
        self.assertEqual(ask("alice")["serial"], given["serial"], "asked again, as after an answer that was lost")
        with self.subTest("another role with the same key"):
            certificate = host.directory / "bob.crt"
            certificate.write_text(ask("bob")["chain"])
            self.assertEqual(quiet_run("openssl", "x509", "-in", certificate, "-noout", "-subject").strip(), "subject=CN = bob")
        with self.subTest("another life"):
            self.assertNotEqual(ask("alice", lifetime="1d").get("not_after"), given["not_after"])
        self.assertEqual(host.ctl("revoke", given["serial"], "--reason", "keyCompromise").returncode, 0)
        with self.subTest("one that is revoked"):
            self.assertNotIn("chain", ask("alice"))

    def test_the_control_group_does_not_change_under_open_sockets(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        host.configure(daemon=f'control_group = "{grp.getgrgid(host.daemon_user.pw_gid).gr_name}"')
        daemon.hangup()
        self.assertIn("restart pgcertd", poll(lambda: next((p for p in daemon.status()["problems"] if p["code"] == "config-invalid"), None), "the problem", context=daemon.log)["remedy"])

    def test_an_issuer_that_refused_often_is_heard_when_it_signs(self):
        host = self.host()
        key, hidden = host.ca / "issuing.key", host.ca / "hidden"
        key.rename(hidden)
        daemon = host.start()
        daemon.wait_problem("issuer-failed")
        ask = self.asker(host)
        for _ in range(80):   # more than the daemon keeps answers
            self.assertIn("issuing.key", ask("alice")["detail"])
        hidden.rename(key)
        self.assertIn("BEGIN CERTIFICATE", ask("alice").get("chain", ""))
        daemon.wait_proved()

    def test_who_asks_while_the_configuration_changes_is_answered(self):
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        over, answers, revoked = threading.Event(), [], []

        def ctl(*words):
            asked = host.ctl("--socket", host.run / "control.sock", *words)   # the configuration is being written
            answers.append((asked.returncode, asked.stderr, "being changed" in asked.stdout))
            return asked.stdout

        def ask(*words):
            while not over.is_set():
                ctl(*words)

        def issue_and_revoke():
            for n in itertools.count():
                serial = re.search(r"\b[0-9a-f]{40}\b", ctl("client", "issue", "alice", "-o", host.directory / f"client-{n}"))
                if serial:
                    revoked.append(serial[0])
                    ctl("revoke", serial[0], "--reason", "superseded", "--terminate")
                if over.is_set():
                    return
        askers = [threading.Thread(target=ask, args=words) for words in (("rotate", "main", "--dry-run"), ("crl", "refresh"), ("status", "main", "--json"))]
        askers.append(threading.Thread(target=issue_and_revoke))
        for one in askers:
            one.start()
        try:
            for n in range(1, 25):
                host.configure(cluster=f'lifetime = "{30 + n}d"\nnames = ["localhost", "127.0.0.1"]')   # also of the issuer: it knows the longest life
                daemon.hangup()
                poll(lambda: daemon.log().count("configuration loaded") >= n, "the new configuration", context=daemon.log)
        finally:
            over.set()
            for one in askers:
                one.join()
        self.assertGreater(len(answers), 24)
        self.assertTrue(revoked)
        self.assertEqual([a for a in answers if a[0] != 0 or a[2]], [])

    def test_systemd_is_told_of_each_stage(self):
        host = self.host()
        path = host.run / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(str(path))
            path.chmod(0o777)
            said, over = [], threading.Event()

            def listen():
                receiver.settimeout(0.1)
                while not over.is_set():
                    try:
                        said.extend(receiver.recv(4096).decode().splitlines())
                    except TimeoutError:
                        continue
            listener = threading.Thread(target=listen)
            listener.start()
            try:
                daemon = host.start({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "400000"})
                poll(lambda: "READY=1" in said, "READY", context=daemon.log)
                daemon.wait_proved()
                poll(lambda: any(s.startswith("STATUS=") for s in said), "STATUS")
                poll(lambda: said.count("WATCHDOG=1") >= 3, "WATCHDOG", context=lambda: str(said))
                daemon.hangup()
                poll(lambda: "RELOADING=1" in said and said.count("READY=1") >= 2, "RELOADING, then READY", context=lambda: str(said))
                self.assertEqual(daemon.stop(), 0)
                poll(lambda: "STOPPING=1" in said, "STOPPING")
            finally:
                over.set()
                listener.join()

    def test_once_has_its_exit_codes(self):
        host = self.host()
        code, log = host.once()
        self.assertEqual(code, 0, log)
        self.assertVerifyFull(host)
        host.configure(cluster="enable_ssl = false")
        host.postgres.sql("ALTER SYSTEM SET ssl = off")
        host.postgres.sql("SELECT pg_reload_conf()")
        self.assertEqual(host.once()[0], 2)           # TLS is off
        host.config.write_text("nonsense")
        self.assertEqual(host.once()[0], 4)


class Operator(HostTest):
    def test_rotate_pause_resume(self):
        host = self.host()
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        done = host.ctl("rotate", "main")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("nothing is due", done.stdout)
        done = host.ctl("rotate", "main", "--force", "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("asked", done.stdout)
        self.assertEqual(host.served_serial(), serial)
        self.assertEqual(host.ctl("pause", "main", "--for", "2h", "--reason", "a migration").returncode, 0)
        daemon.wait_problem("rotation-paused")
        done = host.ctl("rotate", "main", "--force", "--wait")
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("pgcertctl resume main", done.stdout + done.stderr)
        daemon.stop()
        daemon = host.start()
        daemon.wait_problem("rotation-paused")        # kept over a restart
        self.assertEqual(host.ctl("resume", "main").returncode, 0)
        daemon.wait_no_problem("rotation-paused")
        done = host.ctl("rotate", "main", "--force", "--wait", "--timeout", "60s")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("rotation-proved", done.stdout)
        self.assertNotEqual(host.served_serial(), serial)
        host.postgres.stop("fast")
        done = host.ctl("rotate", "main", "--force", "--wait", "--timeout", "3s")
        self.assertEqual(done.returncode, 6, done.stdout + done.stderr)
        self.assertEqual(host.ctl("rotate", "nothere", "--force").returncode, 3)
        daemon.stop()
        self.assertEqual(host.ctl("status").returncode, 4)
        self.assertEqual(host.ctl("check").returncode, 3)

    def test_a_name_or_time_that_the_daemon_refuses_comes_with_its_remedy(self):
        host = self.host()
        host.start().wait_proved()
        for words in (("status", "other"), ("rotate", "other"), ("pause", "other", "--for", "2h", "--reason", "r"), ("resume", "other"), ("takeover", "other"), ("rollback", "other"), ("audit", "other"), ("permissions", "check", "other"),
                      ("revoke", "00ff", "--reason", "superseded"), ("revoke", "--role", "nobody", "--reason", "superseded"), ("crl", "refresh", "--issuer", "other"), ("request", "export", "--issuer", "other"),
                      ("client", "issue", "alice", "-o", host.directory / "x", "--issuer", "other")):
            done = host.ctl(*words)
            self.assertEqual((done.returncode, done.stdout), (3, ""), done.stderr)
            self.assertIn("\n  remedy: ", done.stderr, words)
        done = host.ctl("pause", "main", "--for", "100000d", "--reason", "r")
        self.assertEqual(done.returncode, 1)
        self.assertIn("\n  remedy: ", done.stderr)

    def test_a_pass_that_is_waited_for_ends_when_nothing_is_left_to_do(self):
        host = self.host()
        host.configure(daemon='check_interval = "1h"')
        daemon = host.start()
        serial = daemon.wait_proved()["certificate"]["serial"]
        host.postgres.sql("ALTER SYSTEM SET ssl = off; SELECT pg_reload_conf()")
        poll(lambda: host.served_serial() is None, "the server without TLS")
        done = host.ctl("--json", "rotate", "main", "--wait")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        records = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual((records[0]["plan"]["need"], records[-1]["accepted"]), ("none", True))
        self.assertIn("settings-changed", [r.get("kind") for r in records])
        self.assertIn("no certificate was due, and what else was to do is done", records[-1]["message"])
        self.assertEqual(host.served_serial(), serial)
        forced = [json.loads(line) for line in host.ctl("--json", "rotate", "main", "--wait", "--force").stdout.splitlines()]
        self.assertEqual((forced[0]["accepted"], forced[-1]["kind"]), (True, "rotation-proved"))
        self.assertEqual(len(host.ctl("--json", "rotate", "main", "--wait").stdout.splitlines()), 1, "not due: one record")

    def test_a_rotation_asks_the_server_no_more_than_needed(self):
        """For the preview, before the reload and after it: what only the CA or the disk has changed is no reason to ask again."""
        host = self.host()
        host.configure(daemon='check_interval = "1h"')
        trace = host.directory / "trace"
        trace.touch()
        trace.chmod(0o666)
        host.start({"PGCERTD_TRACE": str(trace)}).wait_proved()
        asked = [trace.read_text().split().count("postgres.observe")]
        for _ in range(6):
            self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
            asked.append(trace.read_text().split().count("postgres.observe"))
        each = sorted(b - a for a, b in zip(asked, asked[1:]))
        self.assertLessEqual(each[len(each) // 2], 4, each)   # one more where a watch on the files is quicker than the next step

    def test_http_answers(self):
        host = self.host()
        host.start().wait_proved()
        for path, kind in (("/livez", ""), ("/readyz", ""), ("/health", "application/health+json"), ("/metrics", "text/plain; version=0.0.4"),
                           ("/v1/status", "application/json"), ("/v1/events", "application/json"), ("/", "text/html"), ("/openapi.json", "application/json")):
            code, body, headers = host.http(path)
            self.assertEqual(code, 200, path)
            self.assertIn(kind, headers["Content-Type"], path)
            self.assertNotIn("PRIVATE KEY", body)
        code, _, headers = host.http("/nothing")
        self.assertEqual((code, headers["Content-Type"].split(";")[0]), (404, "application/problem+json"))
        host.postgres.stop("fast")
        poll(lambda: host.http("/health")[0] == 503, "an unhealthy host")
        self.assertEqual(host.http("/livez")[0], 200)
        self.assertEqual(json.loads(host.http("/v1/status")[1])["status"], "critical")

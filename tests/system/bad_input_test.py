"""Bad input gets an error that names the input, the reason and the remedy, and PostgreSQL goes on as before."""
import re
import socket
import subprocess
import threading
import urllib.request

from harness import PGCERTCTL, PGCERTD, HostTest, poll, quiet_run


class Configuration(HostTest):
    def check(self, host):
        done = subprocess.run([PGCERTD, "--check-config", "--config", host.config], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def test_each_error_names_file_line_and_key(self):
        host = self.host(server=False, ca=False)
        self.assertEqual(self.check(host), (0, self.check(host)[1]))
        good = host.config.read_text()
        for bad, words in (
                (good.replace("[cluster.main]", "[cluster.main]\nlifetme = \"90d\""), ("lifetme", "lifetime")),
                (good.replace("[cluster.main]", "[cluster.main]\nlifetime = 90"), ("lifetime",)),
                (good.replace("[cluster.main]", "[cluster.main]\nlifetime = \"90 parsecs\""), ("lifetime", "90 parsecs")),
                (good.replace("[cluster.main]", "[cluster.main]\nkey_type = \"dsa\""), ("key_type", "ecdsa-p256")),
                (good.replace("[cluster.main]", "[cluster.main]\nrenew_at = 1.5"), ("renew_at",)),
                (good.replace('issuer = "local"', 'issuer = "locl"'), ("locl", "local")),
                (good.replace('names = ["localhost", "127.0.0.1"]', 'names = ["not a name"]'), ("names", "not a name")),
                (good.replace("conninfo = \"", "conninfo = \"password=secret "), ("password", "credential")),
                (good.replace("[cluster.main]", "[cluster.Main]"), ("Main",)),
                (good + "[cluster.other]\nissuer = \"local\"\n", ("conninfo",)),
                (good.replace("[cluster.main]", '[cluster.main]\nserver_user = "no-such-user"'), ("server_user", 'no user "no-such-user"')),
                (good.replace("[daemon]", '[daemon]\ncontrol_group = "no-such-group"'), ("control_group", 'no group "no-such-group"')),
                (good + "x = [", ())):
            host.config.write_text(bad)
            code, text = self.check(host)
            with self.subTest(words):
                self.assertEqual(code, 1, text)
                self.assertRegex(text, rf"{host.config}:\d+:\d+")
                self.assertNotIn("secret", text)
                for word in words:
                    self.assertIn(word, text)
        host.config.unlink()
        code, text = self.check(host)
        self.assertEqual(code, 1)
        self.assertIn(str(host.config), text)

    def test_a_daemon_does_not_start_with_it(self):
        host = self.host(server=False, ca=False)
        good = host.config.read_text()
        for place, line in (("[cluster.main]", 'lifetme = "90d"'), ("[cluster.main]", 'server_user = "no-such-user"'), ("[daemon]", 'control_group = "no-such-group"'),
                            ("[daemon]", f'runtime_directory = "/{"r" * 100}"')):
            bad = re.sub(r"^runtime_directory.*$", "", good, flags=re.M) if line.startswith("runtime") else good
            host.config.write_text(bad.replace(place, f"{place}\n{line}"))
            for more in ((), ("--once",)):
                daemon = host.start(arguments=more)
                self.assertEqual(daemon.wait_end(), 4, (line, more))
                self.assertIn(line.split()[0], daemon.log())

    def test_the_running_daemon_is_found_beside_a_bad_one(self):
        host = self.host(server=False, ca=False)
        daemon = host.start()
        poll(lambda: host.http_answers(), "the daemon", context=daemon.log)
        good = host.config.read_text()
        for bad in (good.replace("[cluster.main]", "[cluster.main]\nlifetme = 1"), good + "x = ["):
            host.config.write_text(bad)
            done = subprocess.run([PGCERTCTL, "--config", host.config, "status"], capture_output=True, text=True, timeout=60)
            self.assertIn("main", done.stdout, done.stderr)
            self.assertIn(f"{host.run}/control.sock (--socket names another)", done.stderr)


class CaDirectories(HostTest):
    def refuses(self, host, *words):
        daemon = host.start()
        poll(lambda: host.http_answers(), "the daemon", context=daemon.log)
        problem = poll(lambda: next((p for i in [daemon.status() or {}] for p in i.get("problems", []) + [q for c in i.get("clusters", []) for q in c["problems"]]
                                     if p["code"] == "issuer-failed"), None), "issuer-failed", context=daemon.log)
        self.assertTrue(problem["remedy"], problem)
        for word in words:
            self.assertIn(word, problem["message"] + problem["remedy"])
        self.assertEqual(host.postgres.sql("SHOW ssl"), "off")
        daemon.stop()
        return problem

    def test_that_are_none(self):
        host = self.host(ca=False)
        for make in (lambda p: None, lambda p: p.mkdir(), lambda p: (p / "issuing.crt").write_text("nonsense")):
            make(host.ca)
            if host.ca.exists():
                quiet_run("chown", "-R", f"{host.daemon_user.pw_uid}:{host.daemon_user.pw_gid}", host.ca)
            self.refuses(host, str(host.ca))

    def test_that_vanish_silence_nothing(self):
        """Unmounted, say: what was known of the CA ends no later for that."""
        host = self.host()
        host.configure(issuer=f'type = "local"\ndirectory = "{host.ca}"\nrunway_warning = "3000d"\nrunway_critical = "3000d"')
        daemon = host.start()
        daemon.wait_proved()
        daemon.wait_problem("runway-short")
        series = lambda: {line.rsplit(" ", 1)[0] for line in host.http("/metrics")[1].splitlines() if re.match(r"pgcertd_(runway|ca_|crl_|issu|revo|client|root)", line)}
        files = lambda: [urllib.request.urlopen(f"http://127.0.0.1:{host.http_port}/pki/{name}", timeout=20).status for name in ("root.crt", "root.crl", "local.crl")]
        before, issuer = series(), daemon.status()["issuers"][0]
        self.assertTrue(before)
        self.assertEqual(files(), [200] * 3)
        away = host.ca.with_name("away")
        host.ca.rename(away)
        daemon.wait_problem("issuer-failed")
        problems = {p["code"]: p["severity"] for p in daemon.cluster()["problems"]}
        self.assertEqual(problems.get("runway-short"), "critical", problems)
        self.assertEqual(host.http("/health")[0], 503)
        self.assertEqual(before - series(), set())
        self.assertEqual(files(), [200] * 3)
        for key in ("certificate", "root", "crl"):
            self.assertEqual(daemon.status()["issuers"][0][key], issuer[key])
        self.assertFalse(daemon.status()["issuers"][0]["key_available"])
        daemon.stop()
        daemon = host.start()
        daemon.wait_problem("issuer-failed")
        self.assertEqual(daemon.wait_problem("runway-short")["severity"], "critical", "what is installed tells it, too")
        self.assertEqual(host.http("/health")[0], 503)
        away.rename(host.ca)
        daemon.wait_no_problem("issuer-failed")
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)

    def test_whose_key_is_of_another_ca(self):
        host = self.host()
        (host.ca / "issuing.key").write_text(quiet_run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))
        self.refuses(host, str(host.ca))

    def test_with_a_wrong_passphrase(self):
        host = self.host(ca=False)
        for name, text in (("right", "correct horse battery"), ("wrong", "incorrect horse")):
            path = host.directory / name
            path.write_text(text)
            host.own(path)
            path.chmod(0o600)
        host.make_ca("--issuing-passphrase", f"file:{host.directory / 'right'}")
        issuer = f'type = "local"\ndirectory = "{host.ca}"\npassphrase = "file:{host.directory}/%s"'
        host.configure(issuer=issuer % "wrong")
        self.refuses(host, "passphrase")
        host.configure(issuer=issuer % "right")
        host.start().wait_proved()
        self.assertVerifyFull(host)

    def test_whose_issuing_ca_has_expired(self):
        host = self.host()
        certificate, key, root = host.ca / "issuing.crt", host.ca / "issuing.key", host.directory / "offline" / "root"
        work = host.directory / "expired"
        work.mkdir()
        (work / "index").write_text("")
        (work / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={work}/index\nnew_certs_dir={work}\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nx509_extensions=e\n"
                                     "[p]\ncommonName=supplied\n[e]\nbasicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n"
                                     "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        quiet_run("openssl", "req", "-new", "-key", key, "-subj", "/CN=expired issuing CA", "-out", work / "csr")
        quiet_run("openssl", "ca", "-batch", "-config", work / "ca.cnf", "-in", work / "csr", "-cert", root / "root.crt", "-keyfile", next(root.glob("*.key")),
                  "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-notext", "-out", work / "crt")
        certificate.write_text((work / "crt").read_text())
        self.refuses(host, "expired")


class NotPostgres(HostTest):
    def test_something_else_behind_conninfo(self):
        host = self.host(server=False)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            over = threading.Event()

            def answer():
                listener.settimeout(0.1)
                while not over.is_set():
                    try:
                        peer, _ = listener.accept()
                    except TimeoutError:
                        continue
                    with peer:
                        peer.settimeout(1)
                        try:
                            peer.recv(100)
                            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                        except OSError:
                            pass
            thread = threading.Thread(target=answer)
            thread.start()
            try:
                host.configure(conninfo=f"host=127.0.0.1 port={listener.getsockname()[1]} user=pgcertd dbname=postgres")
                daemon = host.start()
                problem = daemon.wait_problem("server-unreachable")
                self.assertIn("something else", problem["message"] + problem["remedy"])
                self.assertTrue(problem["remedy"])
                self.assertTrue(daemon.alive())
            finally:
                over.set()
                thread.join()
        self.assertFalse((host.state / "clusters" / "main" / "current").exists())

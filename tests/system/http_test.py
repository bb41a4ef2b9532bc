#!/usr/bin/env python3
"""/openapi.json held against what a real daemon answers; ETag, 304, HEAD, methods and headers on every path."""
import http.client
import json
import queue
import re
import socket
import subprocess
import threading
import unittest
import urllib.request

from harness import HostTest, PGCERTCTL, ROOT, poll

try:
    import jsonschema
except ImportError:
    jsonschema = None

CHOICES = {"name": "main", "issuer": "local", "code": "served-stale"}
SECURE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


@unittest.skipIf(jsonschema is None, "python3-jsonschema is not installed")
class Described(HostTest):
    def setUp(self):
        super().setUp()
        self.served = self.host()
        self.served.configure(cluster='names = ["localhost", "127.0.0.1"]\nclient_ca = "auto"', more='[crl.nobody]\nurls = ["http://127.0.0.1:1/x.crl"]')
        self.daemon = self.served.start()
        self.daemon.wait_proved()
        self.daemon.wait(lambda c: c["rotation"]["next_at"], "a pass after the proof")
        self.openapi = json.loads(self.ask("/openapi.json")[2])

    def ask(self, path, method="GET", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.served.http_port, timeout=10)
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def paths(self):
        for template, item in self.openapi["paths"].items():
            yield re.sub(r"\{(\w+)\}", lambda m: CHOICES[m.group(1)], template), item["get"]["responses"]

    def check(self, schema, body):
        # References lead into the document as a whole.
        resolver = jsonschema.RefResolver("", self.openapi)
        jsonschema.Draft202012Validator(schema, resolver=resolver, format_checker=jsonschema.FormatChecker()).validate(body)

    def check_answer(self, responses, status, headers, body):
        self.assertIn(str(status), responses)
        content = responses[str(status)].get("content", {})
        self.assertEqual([headers["Content-Type"].split(";")[0]] if body or content else [], list(content))
        for media, shape in content.items():
            if media.endswith("json"):
                self.check(shape["schema"], json.loads(body))

    def test_each_answer_is_as_described(self):
        jsonschema.Draft202012Validator.check_schema(self.openapi["components"]["schemas"]["Status"])
        for path, responses in self.paths():
            with self.subTest(path):
                status, headers, body = self.ask(path)
                self.assertEqual(status, 200)
                self.check_answer(responses, status, headers, body)
                for name, value in SECURE.items():
                    self.assertEqual(headers[name], value)
                self.assertRegex(headers["Content-Security-Policy"], "^default-src 'none'")
                self.assertNotIn(b"PRIVATE KEY", body)

    def test_each_path_has_its_304_where_it_says_so(self):
        for path, responses in self.paths():
            with self.subTest(path):
                _, headers, _ = self.ask(path)
                self.assertEqual("ETag" in headers, "304" in responses)
                if "ETag" not in headers:
                    continue
                def unchanged():
                    tag = self.ask(path)[1]["ETag"]
                    status, headers, body = self.ask(path, headers={"If-None-Match": f'"other", {tag}'})
                    return status == 304 and headers["ETag"] == tag and body == b""
                poll(unchanged, "two questions about one snapshot")
                self.assertEqual(self.ask(path, headers={"If-None-Match": '"other"'})[0], 200)

    def test_head_is_get_without_a_body(self):
        for path, _ in self.paths():
            with self.subTest(path):
                status, headers, body = self.ask(path, "HEAD")
                self.assertEqual((status, body), (200, b""))
                self.assertEqual(headers["Content-Type"], self.ask(path)[1]["Content-Type"])
                self.assertGreater(int(headers["Content-Length"]), 0)

    def test_other_methods_are_refused_and_told_which_are_not(self):
        for path, _ in self.paths():
            for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
                with self.subTest(f"{method} {path}"):
                    status, headers, body = self.ask(path, method)
                    self.assertEqual((status, headers["Allow"], headers["Content-Type"]), (405, "GET, HEAD", "application/problem+json"))
                    self.check({"$ref": "#/components/schemas/Error"}, json.loads(body))

    def test_errors_are_as_described(self):
        for path, template, status in (("/v1/clusters/nothere", "/v1/clusters/{name}", 404), ("/health?cluster=nothere", "/health", 404), ("/health?fail_on=x", "/health", 400),
                                       ("/v1/events?since=x", "/v1/events", 400), ("/problems/nothing", "/problems/{code}", 404), ("/pki/nothere.crl", "/pki/{issuer}.crl", 404)):
            with self.subTest(path):
                got, headers, body = self.ask(path)
                self.assertEqual(got, status)
                self.check_answer(self.openapi["paths"][template]["get"]["responses"], got, headers, body)
        self.served.postgres.stop("fast")
        poll(lambda: self.ask("/health")[0] == 503, "an unhealthy host")
        self.check_answer(self.openapi["paths"]["/health"]["get"]["responses"], *self.ask("/health"))

    def test_the_schema_of_the_status_stands_for_itself(self):
        schema = json.loads(self.ask("/v1/status.schema.json")[2])
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        body = json.loads(self.ask("/v1/status")[2])
        validator.validate(body)
        for state in ("healthy", "critical"):
            validator.validate(json.loads((ROOT / f"tests/golden/status/{state}.status.json").read_text(encoding="utf-8")))
        for spoil in (lambda b: b.pop("clusters"), lambda b: b["clusters"][0].update(colour="red"), lambda b: b["clusters"][0]["certificate"].update(not_after="tomorrow"),
                      lambda b: b["clusters"][0]["rotation"].update(stage="dancing"), lambda b: b.update(schema=2)):
            broken = json.loads(json.dumps(body))
            spoil(broken)
            with self.assertRaises(jsonschema.ValidationError):
                validator.validate(broken)

    def test_every_problem_has_a_page_that_the_status_page_links_to(self):
        self.served.postgres.stop("fast")
        self.daemon.wait_problem("server-unreachable")
        page = self.ask("/")[2].decode()
        self.assertIn('href="/problems/server-unreachable"', page)
        status, _, body = self.ask("/problems/server-unreachable")
        self.assertEqual(status, 200)
        self.assertIn("<h2>See it by hand</h2>", body.decode())
        index = self.ask("/problems")[2].decode()
        pages = {p.stem for p in (ROOT / "docs/problems").glob("*.md")} - {"README"}
        self.assertEqual(set(re.findall(r'href="/problems/([a-z-]+)"', index)), pages)
        for code in pages:
            self.assertEqual(self.ask(f"/problems/{code}")[0], 200, code)


class Awaited(HostTest):
    """Events that somebody waits for. Each wait is longer than the test's patience."""

    def setUp(self):
        super().setUp()
        self.served = self.host()
        self.served.configure(daemon='check_interval = "1h"')
        self.daemon = self.served.start()
        self.daemon.wait_proved()
        self.daemon.wait(lambda c: c["rotation"]["next_at"], "a pass after the proof")

    def wait_for_news(self):
        """What came of a question that was asked just now: kinds of events, or the error."""
        newest, answers = self.served.events()[-1]["id"], queue.Queue()

        def ask():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.served.http_port}/v1/events?since={newest}&wait=60s", timeout=90) as answer:
                    answers.put([e["kind"] for e in json.load(answer)["events"]])
            except (OSError, http.client.HTTPException) as error:
                answers.put(error)
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        return answers

    def test_each_kind_of_news_ends_the_wait(self):
        for what, command, kind in (("a cluster's", ("rotate", "main", "--force"), "rotation-asked"), ("an operator's", ("pause", "main", "--for", "1h", "--reason", "x"), "paused"),
                                    ("an issuer's", ("client", "issue", "alice", "-o", self.served.directory / "alice"), "client-certificate-issued")):
            with self.subTest(what):
                answers = self.wait_for_news()
                done = self.served.ctl(*command)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(kind, answers.get(timeout=30))
                self.daemon.wait(lambda c: c["rotation"]["need"] == "none", "rest")

    def test_who_waits_does_not_hold_up_the_end(self):
        answers = self.wait_for_news()
        self.assertEqual(self.daemon.stop(), 0)
        self.assertIsNotNone(answers.get(timeout=30))

    def test_following_shows_what_happens_at_once(self):
        follow = subprocess.Popen([str(w) for w in (PGCERTCTL, "--config", self.served.config, "events", "--follow", "--json")], stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: (follow.kill(), follow.wait(), follow.stdout.close()))
        self.assertEqual(self.served.ctl("pause", "main", "--for", "1h", "--reason", "x").returncode, 0)
        kinds = iter(lambda: json.loads(follow.stdout.readline())["kind"], "paused")
        self.assertIn("rotation-proved", list(kinds))


class Addresses(HostTest):
    def test_ipv4_and_ipv6_side_by_side(self):
        host = self.host(server=False)
        host.config.write_text(host.config.read_text().replace(f'["127.0.0.1:{host.http_port}"]', f'["127.0.0.1:{host.http_port}", "[::1]:{host.http_port}"]'))
        host.start()
        poll(host.http_answers, "the daemon")
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family, socket.SOCK_STREAM) as s:
                s.settimeout(10)
                s.connect((address, host.http_port))
                s.sendall(f"GET /livez HTTP/1.1\r\nHost: [{address}]\r\nConnection: close\r\n\r\n".encode() if ":" in address else b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                self.assertIn(b" 200 ", s.recv(4096).split(b"\r\n")[0])


if __name__ == "__main__":
    unittest.main()

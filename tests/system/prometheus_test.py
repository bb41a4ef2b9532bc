#!/usr/bin/env python3
"""A real Prometheus scrapes a real daemon, with the rules that are shipped: what must fire for a real state does."""
import json
import re
import shutil
import subprocess
import tempfile
import pathlib
import unittest
import urllib.parse
import urllib.request

from harness import HostTest, ROOT, free_port, poll, die_with_parent
import pki

RULES = ROOT / "etc" / "prometheus" / "pgcertd.rules.yml"
BOARD = ROOT / "etc" / "grafana" / "pgcertd.json"


class Prometheus:
    def __init__(self, target, test):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pgcertd-prometheus-"))
        test.addCleanup(shutil.rmtree, self.directory, True)
        self.port = free_port()
        # As shipped, but that nobody waits ten minutes: a rule's own time is held by promtool in alerts_test.py.
        shipped = RULES.read_text(encoding="utf-8")
        (self.directory / "rules.yml").write_text(re.sub(r"^        for: .*$", "        for: 0s", shipped, flags=re.M), encoding="utf-8")
        (self.directory / "prometheus.yml").write_text(f"""global: {{scrape_interval: 500ms, scrape_timeout: 400ms, evaluation_interval: 500ms}}
rule_files: [rules.yml]
scrape_configs: [{{job_name: pgcertd, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}]
""", encoding="utf-8")
        log = open(self.directory / "log", "w", encoding="utf-8")
        self.process = subprocess.Popen(["prometheus", f"--config.file={self.directory}/prometheus.yml", f"--storage.tsdb.path={self.directory}/data", f"--web.listen-address=127.0.0.1:{self.port}"],
                                        stdout=log, stderr=log, preexec_fn=die_with_parent)
        log.close()
        test.addCleanup(self.end)

    def end(self):
        self.process.terminate()
        self.process.wait(30)

    def log(self):
        return (self.directory / "log").read_text(errors="replace")[-3000:]

    def api(self, path, **parameters):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
                return json.loads(answer.read())["data"]
        except OSError:
            return None

    def query(self, expression):
        return (self.api("query", query=expression) or {}).get("result", [])

    def alerts(self):
        return {(a["labels"]["alertname"], a["labels"].get("cluster", "")) for a in (self.api("alerts") or {"alerts": []})["alerts"] if a["state"] == "firing"}


@unittest.skipIf(shutil.which("prometheus") is None, "prometheus is not installed")
class Scraped(HostTest):
    def test_served_stale_fires_and_goes_and_nothing_else_does(self):
        """Somebody renews by hand and never reloads: PostgreSQL goes on with the old certificate."""
        root = pki.Authority("root")
        issuing = pki.Authority("issuing CA", root)
        host = self.host()
        old, renewed = issuing.issue(), issuing.issue()
        host.postgres.put("server.key", old.key_pem())
        host.postgres.put("server.crt", old.chain_pem())
        host.postgres.configure("ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'")
        host.postgres.restart()
        daemon = host.start()
        daemon.wait(lambda c: any(s["matches_file"] for s in c["served"]), "the certificate of somebody else is seen")
        prometheus = Prometheus(host.http_port, self)
        up = poll(lambda: prometheus.query('pgcertd_served_matches_file{cluster="main"} == 1'), "a scrape", context=prometheus.log)
        self.assertEqual(len(up), 1)
        rules = poll(lambda: (r := prometheus.api("rules")) and all(x["health"] == "ok" for g in r["groups"] for x in g["rules"]) and r, "every rule evaluated", context=lambda: str(prometheus.api("rules"))[:2000])
        self.assertGreater(len(rules["groups"][0]["rules"]), 25)
        self.assertNotIn(("PgcertdServedCertificateStale", "main"), prometheus.alerts())
        # The page is whole: no doubled series, no sample refused.
        self.assertEqual(prometheus.query("scrape_samples_scraped")[0]["value"][1], prometheus.query("scrape_samples_post_metric_relabeling")[0]["value"][1])
        targets = prometheus.api("targets")["activeTargets"]
        self.assertEqual([t["lastError"] for t in targets], [""])

        host.postgres.put("server.key", renewed.key_pem())
        host.postgres.put("server.crt", renewed.chain_pem())
        daemon.wait_problem("served-stale")
        poll(lambda: ("PgcertdServedCertificateStale", "main") in prometheus.alerts(), "the alert", context=lambda: str(prometheus.alerts()))
        alert = next(a for a in prometheus.api("alerts")["alerts"] if a["labels"]["alertname"] == "PgcertdServedCertificateStale")
        self.assertEqual(alert["labels"]["severity"], "critical")
        page = alert["annotations"]["runbook_url"]
        with urllib.request.urlopen(page, timeout=10) as answer:   # what the alert links to is there
            self.assertIn("served-stale", answer.read().decode())
        host.postgres.sql("SELECT pg_reload_conf()")
        poll(lambda: ("PgcertdServedCertificateStale", "main") not in prometheus.alerts(), "the alert to go", context=lambda: str(prometheus.alerts()))
        self.healthy_host_rings_nothing(host, daemon, prometheus)

    def healthy_host_rings_nothing(self, host, daemon, prometheus):
        """Then pgcertd takes over, and on a host with nothing wrong no alert is left; only that a container has no time service is real."""
        self.assertEqual(host.ctl("takeover", "main").returncode, 0)
        daemon.wait_proved()
        poll(lambda: prometheus.alerts() <= {("PgcertdClockUnsynchronised", "")}, "silence", context=lambda: str(prometheus.alerts()))
        empty = []
        for panel in json.loads(BOARD.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                expression = target["expr"].replace("$instance", ".*").replace("$cluster", ".*").replace("$__rate_interval", "1m").replace("$__range", "1m")
                if not prometheus.query(expression):
                    empty.append((panel["title"], expression))
        self.assertEqual([e for e in empty if "pgcertd_problem{" not in e[1] and "pending_request_oldest" not in e[1] and "tls_sessions" not in e[1]], [], "each panel shows something")

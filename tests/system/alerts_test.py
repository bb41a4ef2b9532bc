#!/usr/bin/env python3
"""Alert rules, inhibit rules and dashboard of etc/: each alert fires when it must, none during a healthy life."""
import json
import re
import shutil
import subprocess
import tempfile
import pathlib
import unittest

from harness import PGCERTCTL, ROOT
from docs_test import load, output, text

RULES = ROOT / "etc" / "prometheus" / "pgcertd.rules.yml"
INHIBIT = ROOT / "etc" / "prometheus" / "alertmanager-inhibit.yml"
DASHBOARD = ROOT / "etc" / "grafana" / "pgcertd.json"
HOUR, DAY = 3600, 86400
NAMES = sorted(set(re.findall(r"- alert: (\w+)", RULES.read_text(encoding="utf-8"))))
MAIN, SERVER, LOCAL = 'cluster="main"', 'cluster="main",certificate="server"', 'ca="local"'


def rules():
    """The rules as promtool reads them: alert, expr, labels and annotations of each."""
    out = []
    for part in RULES.read_text(encoding="utf-8").split("      - alert: ")[1:]:
        expr = re.search(r"^        expr: (?:\|\n((?: {10}.*\n)+)|(.*))", part, re.M)
        out.append({"alert": part.split("\n")[0], "expr": expr.group(1) or expr.group(2), "severity": re.search(r"severity: (\w+)", part).group(1),
                    "notes": dict(re.findall(r"^          (\w+): (.*)$", part, re.M))})
    return out


def emitted():
    """Every metric that the daemon has, held by a unit test."""
    return set(re.findall(r"^# TYPE (\w+)", text("tests/golden/status/critical.metrics.txt"), re.M)) | {"pgcertd_clock_synchronized"}


def named(expression):
    found = set(re.findall(r"\bpgcertd_\w+", re.sub(r'"[^"]*"', "", expression)))
    return {re.sub(r"_(bucket|sum|count)$", "", name) if name not in emitted() else name for name in found}


class Life:
    """A host whose certificate is renewed in time, step by step from time 0: what each series shows at each step."""

    def __init__(self, lifetime, step, length, ca_life=20 * 365 * DAY):
        self.lifetime, self.step, self.count = lifetime, step, length // step + 1
        self.ca_life = ca_life
        self.series = {f'{name}{{{labels}}}' if labels else name: [value(i * step) for i in range(self.count)] for name, labels, value in self.values()}

    def begun(self, t, life, part):
        """notBefore of what is in use at t, where a successor comes after `part` of its life."""
        return t // int(life * part) * int(life * part)

    def values(self):
        leaf = lambda t: self.begun(t, self.lifetime, 0.667)
        ca = lambda t: self.begun(t, self.ca_life, 0.5)
        crl = lambda t: t // DAY * DAY
        root_crl = lambda t: self.begun(t, 365 * DAY, 0.5)
        never = lambda t: 0
        always = lambda t: 1
        yield 'up', 'job="pgcertd"', always
        yield "pgcertd_task_last_run_timestamp_seconds", 'task="cluster:main"', lambda t: t
        yield "pgcertd_task_interval_seconds", 'task="cluster:main"', lambda t: 60
        yield "pgcertd_certificate_readable", SERVER, always
        for check in ("parse", "time", "chain", "key_match", "name", "key_usage", "not_revoked", "algorithm"):
            yield "pgcertd_certificate_check_ok", f'{SERVER},check="{check}"', always
        yield "pgcertd_certificate_not_before_timestamp_seconds", SERVER, leaf
        yield "pgcertd_certificate_not_after_timestamp_seconds", SERVER, lambda t: leaf(t) + self.lifetime
        yield "pgcertd_certificate_renewal_timestamp_seconds", SERVER, lambda t: leaf(t) + int(self.lifetime * 0.667)
        yield "pgcertd_served_matches_file", f'{MAIN},endpoint="a"', always
        yield "pgcertd_served_probe_success", f'{MAIN},endpoint="a"', always
        yield "pgcertd_postgresql_up", MAIN, always
        yield "pgcertd_crl_this_update_timestamp_seconds", 'crl="local"', crl
        yield "pgcertd_crl_next_update_timestamp_seconds", 'crl="local"', lambda t: crl(t) + 30 * DAY
        yield "pgcertd_crl_this_update_timestamp_seconds", 'crl="local/root"', root_crl
        yield "pgcertd_crl_next_update_timestamp_seconds", 'crl="local/root"', lambda t: root_crl(t) + 365 * DAY
        yield "pgcertd_ca_not_before_timestamp_seconds", LOCAL, ca
        yield "pgcertd_ca_not_after_timestamp_seconds", LOCAL, lambda t: ca(t) + self.ca_life
        yield "pgcertd_ca_not_before_timestamp_seconds", 'ca="local/root"', never
        yield "pgcertd_ca_not_after_timestamp_seconds", 'ca="local/root"', lambda t: 60 * 365 * DAY
        yield "pgcertd_runway_end_timestamp_seconds", f'{MAIN},limit="root_crl"', lambda t: root_crl(t) + 365 * DAY
        yield "pgcertd_runway_end_timestamp_seconds", f'{MAIN},limit="leaf"', lambda t: leaf(t) + self.lifetime
        yield "pgcertd_pending_request_oldest_timestamp_seconds", MAIN, lambda t: t - HOUR
        yield "pgcertd_rotation_paused", MAIN, never
        yield "pgcertd_rotation_consecutive_failures", MAIN, never
        yield "pgcertd_problem", f'{MAIN},code="hba-plaintext",severity="warning"', always   # a choice of the site, not an alert
        for check in ("type", "owner", "mode", "parent"):
            yield "pgcertd_file_compliant", f'{MAIN},file="server.key",check="{check}"', always
        yield "pgcertd_file_repairs_total", f'{MAIN},file="server.key"', lambda t: min(t // DAY, 2)
        yield "pgcertd_postgresql_revoked_client_sessions", MAIN, never
        yield "pgcertd_config_last_reload_successful", "", always
        yield "pgcertd_clock_synchronized", "", always
        yield "pgcertd_cluster_series", MAIN, lambda t: 120

    def change(self, series, value, at=0):
        """From `at` on the series shows `value`, or what value(t) says; None: it is gone."""
        if series not in self.series:
            self.series[series] = [None] * self.count
        for i in range(at // self.step, self.count):
            self.series[series][i] = value(i * self.step) if callable(value) else value
        return self

    def input(self):
        def notation(values):
            return " ".join("_" if v is None else str(v) for v in values)
        return [{"series": name, "values": notation(values)} for name, values in self.series.items() if any(v is not None for v in values)]


def label(series, more):
    return series.replace("{", "{" + more + ",") if "{" in series else f"{series}{{{more}}}"


@unittest.skipIf(shutil.which("promtool") is None, "promtool (package prometheus) is not installed")
class Fires(unittest.TestCase):
    def check(self, tests, step):
        for test in tests:
            for one in test["input_series"]:
                one["series"] = label(one["series"], 'instance="h:1"')
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "test.yml"   # JSON is YAML
            file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": f"{step}s", "tests": tests}), encoding="utf-8")
            done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, timeout=300, check=False)
            self.assertEqual(done.returncode, 0, (done.stdout + done.stderr)[-4000:])

    def ever_fired(self, length, alerts):
        """What must have fired at any moment of the test, and nothing else."""
        return [{"expr": f'max by (alertname, severity) (max_over_time(ALERTS{{alertstate="firing"}}[{length + 60}s]))', "eval_time": f"{length}s",
                 "exp_samples": [{"labels": f'{{alertname="{name}",severity="{severity}"}}', "value": 1} for name, severity in alerts]}]

    def test_a_healthy_life_is_silent(self):
        """Through the lives of certificates of 24 hours, 90 days and ten years, with their renewals."""
        for lifetime, step, length, ca_life in ((DAY, 60, 2 * DAY, 20 * 365 * DAY), (90 * DAY, HOUR, 120 * DAY, 20 * 365 * DAY), (3650 * DAY, DAY, 3650 * DAY, 45 * 365 * DAY)):
            with self.subTest(f"{lifetime // HOUR} h"):
                life = Life(lifetime, step, length, ca_life)
                begun = life.series[f"pgcertd_certificate_not_before_timestamp_seconds{{{SERVER}}}"]
                self.assertGreater(len(set(begun)), 1, "it is renewed on the way")
                self.check([{"interval": f"{step}s", "input_series": life.input(), "promql_expr_test": self.ever_fired(length, [])}], step)

    def test_the_healthy_life_has_every_series_that_a_rule_reads(self):
        """Else silence would prove nothing."""
        there = {re.sub(r"\{.*", "", s) for s in Life(DAY, 60, DAY).series}
        self.assertEqual(set().union(*(named(r["expr"]) for r in rules())) - there, set())

    # alert, severity, seconds of a step, changes to a healthy life, last silent step, first that fires; what else fires with it
    CASES = [
        ("PgcertdDown", "warning", 60, [('up{job="pgcertd"}', 0, 0)], 14, 15, []),
        ("PgcertdAbsent", "warning", 60, [('up{job="pgcertd"}', None, 0)], 14, 15, []),
        ("PgcertdTaskStalled", "warning", 60, [('pgcertd_task_last_run_timestamp_seconds{task="cluster:main"}', 300, 300)], 18, 19, []),
        ("PgcertdCertificateUnreadable", "warning", 60, [(f"pgcertd_certificate_readable{{{SERVER}}}", 0, 0)], 14, 15, []),
        ("PgcertdCertificateCheckFailed", "critical", 60, [(f'pgcertd_certificate_check_ok{{{SERVER},check="key_match"}}', 0, 0)], 9, 10, []),
        ("PgcertdCertificateCheckFailed", "critical", 60, [(f'pgcertd_certificate_check_ok{{{SERVER},check="time"}}', 0, 0)], 60, None, []),
        ("PgcertdRenewalOverdue", "warning", 600, [(f"pgcertd_certificate_renewal_timestamp_seconds{{{SERVER}}}", 7200, 0)], 24, 25, []),
        ("PgcertdRenewalOverdue", "warning", 600, [(f"pgcertd_certificate_renewal_timestamp_seconds{{{SERVER}}}", 7200, 0), (f"pgcertd_rotation_paused{{{MAIN}}}", 1, 0)], 60, None, []),
        ("PgcertdCertificateExpiresSoon", "critical", 60, [(f"pgcertd_certificate_not_after_timestamp_seconds{{{SERVER}}}", 10000, 0)], 155, 156, []),
        ("PgcertdCertificateExpired", "critical", 60, [(f"pgcertd_certificate_not_after_timestamp_seconds{{{SERVER}}}", 1200, 0)], 19, 20, []),
        ("PgcertdCertificateNotYetValid", "warning", 60, [(f"pgcertd_certificate_not_before_timestamp_seconds{{{SERVER}}}", 40000, 0)], 14, 15, []),
        ("PgcertdServedCertificateStale", "critical", 60, [(f'pgcertd_served_matches_file{{{MAIN},endpoint="a"}}', 0, 0)], 9, 10, []),
        ("PgcertdServedCertificateStale", "critical", 60, [(f'pgcertd_served_matches_file{{{MAIN},endpoint="a"}}', 0, 0), (f'pgcertd_served_probe_success{{{MAIN},endpoint="a"}}', 0, 0), (f"pgcertd_postgresql_up{{{MAIN}}}", 0, 0)], 60, None, []),
        ("PgcertdServedProbeFailing", "warning", 60, [(f'pgcertd_served_probe_success{{{MAIN},endpoint="a"}}', 0, 0)], 14, 15, []),
        ("PgcertdServedProbeFailing", "warning", 60, [(f'pgcertd_served_probe_success{{{MAIN},endpoint="a"}}', 0, 0), (f"pgcertd_postgresql_up{{{MAIN}}}", 0, 0)], 60, None, []),
        ("PgcertdCrlStaleSoon", "warning", 600, [('pgcertd_crl_this_update_timestamp_seconds{crl="local"}', 0, 0), ('pgcertd_crl_next_update_timestamp_seconds{crl="local"}', 40000, 0)], 53, 54, []),
        ("PgcertdCrlExpired", "critical", 60, [('pgcertd_crl_next_update_timestamp_seconds{crl="local/root"}', 1200, 0)], 19, 20, []),
        ("PgcertdCaExpiresSoon", "warning", HOUR, [(f"pgcertd_ca_not_after_timestamp_seconds{{{LOCAL}}}", 120 * DAY, 0)], 0, 1, []),          # a third of its life
        ("PgcertdCaExpiresSoon", "warning", HOUR, [(f"pgcertd_ca_not_before_timestamp_seconds{{{LOCAL}}}", 0, 0), (f"pgcertd_ca_not_after_timestamp_seconds{{{LOCAL}}}", 181 * DAY, 0)], 25, 26, []),   # twice the leaf's
        ("PgcertdCaExpiresSoon", "critical", HOUR, [('pgcertd_ca_not_after_timestamp_seconds{ca="local/root"}', 29 * DAY, 0)], 0, 1, []),
        ("PgcertdRunwayShort", "warning", HOUR, [(f'pgcertd_runway_end_timestamp_seconds{{{MAIN},limit="root_crl"}}', 61 * DAY, 0)], 25, 26, []),
        ("PgcertdRunwayShort", "critical", HOUR, [(f'pgcertd_runway_end_timestamp_seconds{{{MAIN},limit="root_crl"}}', 13 * DAY, 0)], 0, 1, []),
        ("PgcertdPendingRequestOld", "warning", HOUR, [(f"pgcertd_pending_request_oldest_timestamp_seconds{{{MAIN}}}", 0, 0)], 169, 170, []),
        ("PgcertdRotationFailing", "warning", 60, [(f"pgcertd_rotation_consecutive_failures{{{MAIN}}}", 2, 0)], 14, 15, []),
        ("PgcertdRotationFailing", "warning", 60, [(f"pgcertd_rotation_consecutive_failures{{{MAIN}}}", 1, 0)], 60, None, []),
        ("PgcertdRotationFailing", "critical", 60, [(f"pgcertd_rotation_consecutive_failures{{{MAIN}}}", 3, 0), (f"pgcertd_certificate_not_after_timestamp_seconds{{{SERVER}}}", 9000, 0), (f"pgcertd_certificate_not_before_timestamp_seconds{{{SERVER}}}", 0, 0)],
         150, 151, [("PgcertdRotationFailing", "warning"), ("PgcertdCertificateExpiresSoon", "critical"), ("PgcertdCertificateExpired", "critical")]),
        ("PgcertdReloadNotApplied", "critical", 60, [(f'pgcertd_problem{{{MAIN},code="reload-not-applied",severity="critical"}}', 1, 0)], 4, 5, []),
        ("PgcertdPermissionDrift", "warning", 60, [(f'pgcertd_file_compliant{{{MAIN},file="server.key",check="mode"}}', 0, 0)], 9, 10, []),
        ("PgcertdPermissionFight", "warning", 60, [(f'pgcertd_file_repairs_total{{{MAIN},file="server.key"}}', lambda t: t // 1200, 0)], 60, 120, []),
        ("PgcertdRevokedSession", "critical", 60, [(f"pgcertd_postgresql_revoked_client_sessions{{{MAIN}}}", 1, 0)], 4, 5, []),
        ("PgcertdConfigReloadFailed", "warning", 60, [("pgcertd_config_last_reload_successful", 0, 0)], 4, 5, []),
        ("PgcertdClockUnsynchronised", "warning", 60, [("pgcertd_clock_synchronized", 0, 0)], 59, 60, []),
        ("PgcertdListenerCertificate", "warning", 60, [('pgcertd_problem{certificate="http",code="cert-expired",severity="warning"}', 1, 0)], 14, 15, []),
        ("PgcertdProblem", "critical", 60, [(f'pgcertd_problem{{{MAIN},code="cert-untrusted",severity="critical"}}', 1, 0)], 4, 5, []),
        ("PgcertdProblem", "critical", 60, [(f'pgcertd_problem{{{MAIN},code="settings-weak",severity="warning"}}', 1, 0)], 120, None, []),
        ("PgcertdProblem", "warning", 60, [(f'pgcertd_problem{{{MAIN},code="restart-required",severity="warning"}}', 1, 0)], 59, 60, []),
        ("PgcertdTooManySeries", "warning", 60, [(f"pgcertd_cluster_series{{{MAIN}}}", 151, 0)], 59, 60, []),
    ]

    def test_each_alert_fires_when_its_time_has_come_not_before_and_alone(self):
        by_step = {}
        for name, severity, step, changes, silent, fires, others in self.CASES:
            length = ((fires or silent) + 2) * step
            life = Life(90 * DAY, step, length)
            for series, value, at in changes:
                life.change(series, value, at)
            count = f'count(ALERTS{{alertname="{name}",severity="{severity}",alertstate="firing"}})'
            checks = [{"expr": count, "eval_time": f"{silent * step}s", "exp_samples": []}]
            if fires is not None:
                checks.append({"expr": count, "eval_time": f"{fires * step}s", "exp_samples": [{"labels": "{}", "value": 1}]})
            checks += self.ever_fired(length, ([(name, severity)] if fires is not None else []) + others)
            by_step.setdefault(step, []).append({"interval": f"{step}s", "name": f"{name} {severity}", "input_series": life.input(), "promql_expr_test": checks})
        for step, tests in by_step.items():
            with self.subTest(step):
                self.check(tests, step)

    def test_no_alert_is_left_out(self):
        fired = {(name, severity) for name, severity, _, _, _, fires, _ in self.CASES if fires is not None}
        self.assertEqual({(r["alert"], r["severity"]) for r in rules()} - fired, set())


class Written(unittest.TestCase):
    def test_prometheus_accepts_the_rules(self):
        if shutil.which("promtool") is None:
            self.skipTest("promtool (package prometheus) is not installed")
        output("promtool", "check", "rules", "--lint=all", "--lint-fatal", RULES)

    def test_each_metric_is_one_that_is_emitted(self):
        found = set().union(*(named(r["expr"]) for r in rules()))
        self.assertGreater(len(found), 20)
        self.assertEqual(found - emitted(), set())

    def test_each_code_that_a_rule_names_exists(self):
        codes = set(re.findall(r"^\| `([a-z-]+)` \|", text("docs/TABLES.md"), re.M))
        for rule in rules():
            for part in re.findall(r'code[=!]~?"([^"]+)"', rule["expr"]):
                self.assertEqual(set(part.split("|")) - codes, set(), rule["alert"])

    def test_each_has_summary_description_with_a_command_and_a_page(self):
        tool = load("commands")
        commands = tool.Commands(PGCERTCTL)
        for rule in rules():
            with self.subTest(rule["alert"]):
                notes = rule["notes"]
                self.assertTrue(notes["summary"])
                self.assertRegex(notes["description"], r"pgcertctl|pgcertd --|systemctl|timedatectl|auditctl|endpoints")
                for words in tool.asked(re.sub(r"\{\{ \$labels\.(\w+) \}\}", "main", notes["description"]).replace(";", "\n").replace(",", "\n").replace("\"", "").replace(":", "\n")):
                    self.assertIsNone(commands.complaint([w for w in words if w]), notes["description"])
                if "{{" not in notes["runbook"]:
                    self.assertTrue((ROOT / notes["runbook"].strip('"')).exists(), notes["runbook"])
                if "runbook_url" in notes and "$labels.code" not in notes["runbook_url"]:
                    page = notes["runbook_url"].strip('"').rsplit("/problems", 1)[1].strip("/") or "README"
                    self.assertTrue((ROOT / "docs" / "problems" / f"{page}.md").exists(), page)


class Inhibited(unittest.TestCase):
    def test_each_alert_that_it_names_exists(self):
        named_there = set(re.findall(r"\bPgcertd\w+", INHIBIT.read_text(encoding="utf-8"))) - {"Pgcertd"}
        self.assertGreater(len(named_there), 6)
        self.assertEqual(named_there - set(NAMES), set())

    def test_alertmanager_accepts_them(self):
        if shutil.which("amtool") is None:
            self.skipTest("amtool (package prometheus-alertmanager) is not installed")
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory) / "alertmanager.yml"
            file.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n" + INHIBIT.read_text(encoding="utf-8"), encoding="utf-8")
            self.assertRegex(output("amtool", "check-config", file), r"- 6 inhibit rules")


class Dashboard(unittest.TestCase):
    def setUp(self):
        self.board = json.loads(DASHBOARD.read_text(encoding="utf-8"))

    def test_each_query_reads_metrics_that_are_emitted(self):
        expressions = [t["expr"] for p in self.board["panels"] for t in p.get("targets", [])]
        self.assertGreater(len(expressions), 12)
        for expression in expressions:
            with self.subTest(expression):
                self.assertTrue(named(expression))
                self.assertEqual(named(expression) - emitted(), set())

    def test_panels_have_their_own_place_title_and_id(self):
        taken, ids = set(), set()
        for panel in self.board["panels"]:
            self.assertTrue(panel["title"])
            self.assertNotIn(panel["id"], ids)
            ids.add(panel["id"])
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertTrue(all(x < 24 for x, _ in cells))
            self.assertEqual(cells & taken, set(), panel["title"])
            taken |= cells


if __name__ == "__main__":
    unittest.main()

"""Sections of tests/bench/run that set one part of pgcertd beside a program or a plain loop for the same."""
import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile
import time

from ledger import median, missing

HERE = pathlib.Path(__file__).resolve().parent


def quiet(*words, **options):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True, **options).stdout


def in_turn(rounds, *actions):
    """Median wall times in ms."""
    took = [[] for _ in actions]
    for _ in range(rounds):
        for times, action in zip(took, actions):
            begin = time.monotonic()
            action()
            times.append((time.monotonic() - begin) * 1000)
    return [median(t) for t in took]


def cpu_of(rounds, action):
    """Mean processor time of the programs that it starts, in ms."""
    before = children_cpu()
    for _ in range(rounds):
        action()
    return (children_cpu() - before) / rounds


# ---- in one process ----

def pieces(build, ledger, certificates=10_000):
    tool = build / "tests" / "pieces"
    with tempfile.TemporaryDirectory(prefix="pgcertd-bench-") as name:
        place = pathlib.Path(name)
        place.chmod(0o711)

        def told(*words):
            return json.loads(quiet(tool, *words))
        issue = told("issue")
        ledger.add("issue in memory, P-256", issue["ours"] / 1000, issue["limit"] / 1000, "plain libcrypto", at_most=2)
        (place / "store").mkdir()
        store = told("store", place / "store")
        ledger.add("issue and durable generation", store["ours"] / 1000, store["limit"] / 1000, "libcrypto and four durable files", at_most=2)
        (place / "many").mkdir()
        make_certificates(place, certificates)
        scan = told("scan", place / "many")
        ledger.add(f"scan of {certificates} certificates", scan["ours"] / 1000, scan["limit"] / 1000, "plain libcrypto", at_most=1.3)
        (place / "look").mkdir()
        look = told("look", place / "look", 500)   # each has two
        ledger.add("1,000 unchanged certificates", look["ours"] / 1000, look["limit"] / 1000, "parsing them", at_most=0.1)


def make_certificates(place, count):
    """So many files; a hundred different certificates are enough for a parser that keeps nothing."""
    quiet("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650", "-subj", "/CN=bench", "-keyout", place / "ca.key", "-out", place / "ca.crt")
    quiet("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=db1.example.org", "-addext", "subjectAltName=DNS:db1.example.org",
          "-keyout", place / "key", "-out", place / "csr")
    for i in range(100):
        quiet("openssl", "x509", "-req", "-in", place / "csr", "-CA", place / "ca.crt", "-CAkey", place / "ca.key", "-days", str(1 + i), "-copy_extensions", "copy", "-out", place / "many" / f"{i}.pem")
    for i in range(100, count):
        shutil.copy(place / "many" / f"{i % 100}.pem", place / "many" / f"{i}.pem")


# ---- programs ----

def issuers(tool, ledger, rounds):
    """One request signed, with the start of the program: what a machine with the root does."""
    with tempfile.TemporaryDirectory(prefix="pgcertd-bench-") as name:
        place = pathlib.Path(name)
        quiet(tool, "ca", "init", "--root-dir", place / "root", "--no-passphrase")
        quiet("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=db1.example.org", "-addext", "subjectAltName=DNS:db1.example.org",
              "-keyout", place / "key", "-out", place / "csr")
        (place / "template").write_text('cn = "db1.example.org"\ndns_name = "db1.example.org"\nexpiration_days = 90\ntls_www_server\n')
        root, key = place / "root" / "root.crt", place / "root" / "root.key"
        actions = {
            "pgcertctl": lambda: quiet(tool, "--yes", "ca", "sign", "--root-dir", place / "root", place / "csr", "-o", place / "out.pem"),
            "openssl x509 -req": lambda: quiet("openssl", "x509", "-req", "-in", place / "csr", "-CA", root, "-CAkey", key, "-days", "90", "-copy_extensions", "copy", "-out", place / "out.pem"),
        }
        if not missing("certtool"):
            actions["certtool"] = lambda: quiet("certtool", "--generate-certificate", "--load-request", place / "csr", "--load-ca-certificate", root, "--load-ca-privkey", key,
                                                "--template", place / "template", "--outfile", place / "out.pem")
        if not missing("cfssl"):
            actions["cfssl"] = lambda: quiet("cfssl", "sign", "-ca", root, "-ca-key", key, place / "csr")
        if (easyrsa := pathlib.Path("/usr/share/easy-rsa/easyrsa")).exists():
            actions["easy-rsa"] = easy_rsa(easyrsa, place)
        took = dict(zip(actions, in_turn(rounds, *actions.values())))
        for peer in actions:
            if peer != "pgcertctl":
                ledger.add("ca sign of one request", took["pgcertctl"], took[peer], peer, at_most=2 if peer == "certtool" else None)
        if "certtool" in actions:
            ledger.add("its CPU", cpu_of(rounds, actions["pgcertctl"]), cpu_of(rounds, actions["certtool"]), "certtool")
        else:
            ledger.add("ca sign of one request", took["pgcertctl"], None, "certtool (gnutls-bin)", at_most=2)


def easy_rsa(program, place):
    """Its own CA, of the same kind of key; a request with a name of its own each time."""
    environment = os.environ | {"EASYRSA_BATCH": "1", "EASYRSA_PKI": str(place / "easy"), "EASYRSA_ALGO": "ec", "EASYRSA_CURVE": "secp384r1"}
    quiet(program, "init-pki", env=environment)
    quiet(program, "build-ca", "nopass", env=environment)
    count = iter(range(10_000))

    def sign():
        name = f"db{next(count)}"
        shutil.copy(place / "csr", place / "easy" / "reqs" / f"{name}.req")
        quiet(program, "sign-req", "server", name, env=environment)
    return sign


def tool_start(tool, ledger, rounds):
    ours, theirs = in_turn(rounds, lambda: quiet(tool, "--version"), lambda: quiet("openssl", "version"))
    ledger.add("start of pgcertctl", ours, theirs, "openssl version")


def latencies(harness, host, ledger, rounds):
    """What monitoring runs, beside a request for the same by curl."""
    check = [harness.PGCERTCTL, "--config", host.config]
    url = f"http://127.0.0.1:{host.http_port}/v1/status"
    status, plain, asked = in_turn(rounds, lambda: quiet(*check, "status"), lambda: quiet(*check, "check"), lambda: quiet("curl", "-sf", url))
    ledger.add("pgcertctl status", status, asked, "curl /v1/status")
    ledger.add("pgcertctl check", plain, asked, "curl /v1/status")


# ---- the daemon at rest and under requests ----

def processes(pid):
    """Memory in KiB, CPU ticks and context switches of a process."""
    proc = pathlib.Path(f"/proc/{pid}")
    fields = (proc / "stat").read_text().rsplit(")", 1)[1].split()
    switches = sum(int(n) for task in (proc / "task").iterdir() for n in re.findall(r"voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text()))
    pss = int(re.search(r"^Pss:\s+(\d+)", (proc / "smaps_rollup").read_text(), re.M)[1])
    return {"pss": pss, "ticks": int(fields[11]) + int(fields[12]), "switches": switches}


class Server:
    """Another program that answers HTTP."""

    def __init__(self, harness, command, port, path="/metrics"):
        self.process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.url = f"http://127.0.0.1:{port}{path}"
        harness.poll(lambda: subprocess.run(["curl", "-sf", self.url], capture_output=True, check=False).returncode == 0, f"{command[0]} to answer")

    def end(self):
        self.process.terminate()
        self.process.wait()


def http_peers(harness, build):
    """(name, server) of each that is here."""
    port = harness.free_port()
    yield "plain cpp-httplib", Server(harness, [build / "tests" / "plain_httpd", port, 4], port)
    for name, more in (("prometheus-node-exporter", []), ("prometheus-blackbox-exporter", ["--config.file=/etc/prometheus/blackbox.yml"])):
        if missing(name):
            continue
        port = harness.free_port()
        yield name, Server(harness, [name, f"--web.listen-address=127.0.0.1:{port}", *more], port)


def requests_a_second(url, seconds=3):
    told = quiet("wrk", "-t1", "-c4", f"-d{seconds}s", url)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", told)[1])


def http(harness, build, host, daemon, ledger, rounds):
    if missing("wrk", "curl"):
        print("HTTP: not compared, wrk or curl is not installed")
        return
    ours_url, seconds = f"http://127.0.0.1:{host.http_port}/metrics", 20
    before = processes(daemon.pid)
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        time.sleep(1)   # a measurement of rest, not a wait
    after = processes(daemon.pid)
    ledger.limit("wake-ups a second at rest", (after["switches"] - before["switches"]) / seconds, 1, "/s")
    ledger.limit(f"CPU ticks in {seconds} s at rest", after["ticks"] - before["ticks"], 0, "ticks")
    for name, server in http_peers(harness, build):
        with contextlib.closing(contextlib.ExitStack()) as stack:
            stack.callback(server.end)
            theirs_pss = processes(server.process.pid)["pss"]
            wanted = {"plain cpp-httplib": 1.5, "prometheus-node-exporter": 1.0}.get(name)
            ledger.add("memory at rest (PSS)", after["pss"], theirs_pss, name, "KiB", at_most=wanted)
            rates = [(requests_a_second(ours_url), requests_a_second(server.url)) for _ in range(rounds)]
            ours, theirs = (median(side) for side in zip(*rates))
            wanted = {"plain cpp-httplib": 0.5, "prometheus-blackbox-exporter": 4.0}.get(name)
            ledger.add("/metrics a second", ours, theirs, name, "/s", at_least=wanted)


def growth(harness, host, daemon, ledger, rotations, scrapes):
    """Memory after so much work beside that after warm-up."""
    if missing("wrk"):
        return
    url = f"http://127.0.0.1:{host.http_port}/metrics"
    rotate = [harness.PGCERTCTL, "--config", host.config, "rotate", "main", "--force", "--wait"]

    def work(share):
        for _ in range(max(1, rotations // share)):
            quiet(*rotate)
        done = 0
        while done < scrapes // share:
            done += int(re.search(r"(\d+) requests in", quiet("wrk", "-t1", "-c4", "-d3s", url))[1])
    work(20)
    warm = processes(daemon.pid)["pss"]
    work(1)
    ledger.add(f"memory after {rotations} rotations, {scrapes} scrapes", processes(daemon.pid)["pss"], warm, "itself after warm-up", "KiB", at_most=1.1)


def children_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def start_up(harness, host, ledger, rounds):
    """From exec to the first answer that the loop turns, and to a proof that all is well."""
    ready, proved = [], []
    for _ in range(rounds):
        begin = time.monotonic()
        daemon = host.start()
        harness.poll(host.http_answers, "the daemon")
        ready.append((time.monotonic() - begin) * 1000)
        daemon.wait_proved()
        proved.append((time.monotonic() - begin) * 1000)
        daemon.stop()
    ledger.note("start of the daemon until it answers", median(ready))
    ledger.note("start of the daemon until it has proved", median(proved))

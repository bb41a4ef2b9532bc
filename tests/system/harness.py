"""What system tests stand on: a real PostgreSQL, a CA and pgcertd, each as the users they have on a real host.

As root, PostgreSQL runs as `postgres` and pgcertd as `pgcertd` with exactly its unit's capabilities; else both run as the caller.
"""
import atexit
import collections
import contextlib
import ctypes
import json
import os
import pathlib
import pwd
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PGCERTD_BUILD", ROOT / "build" / "release")).resolve()
PGCERTD, PGCERTCTL = BUILD / "daemon" / "pgcertd", BUILD / "daemon" / "pgcertctl"
PG_BIN = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name))
AS_ROOT = os.geteuid() == 0
SANITIZED = bool(re.search(r"^PGCERTD_SANITIZE:\w+=.", (BUILD / "CMakeCache.txt").read_text(errors="replace"), re.M)) if (BUILD / "CMakeCache.txt").exists() else False
NO_PRELOAD = "a sanitizer's runtime has to be loaded first"
measured = unittest.skipIf(SANITIZED, "a sanitizer's runtime has memory, threads and libraries of its own")
CAPABILITIES = ("chown", "fowner", "dac_read_search")   # units/pgcertd.service
DEADLINE = float(os.environ.get("PGCERTD_TEST_DEADLINE", "60"))


def account(name):
    """A system user of that name, made when it is missing; without root the caller."""
    if not AS_ROOT:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", name], check=True)
        return pwd.getpwnam(name)


def as_user(user, capabilities=(), groups="--clear-groups"):
    """The words before a command that runs it as `user` with just these capabilities."""
    if not AS_ROOT:
        return []
    words = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", groups]
    some = ",".join("+" + c for c in capabilities)
    if capabilities:
        words += [f"--inh-caps=-all,{some}", f"--ambient-caps=-all,{some}"]
    else:
        words += ["--inh-caps=-all"]
    return words + [f"--bounding-set=-all,{some}" if some else "--bounding-set=-all", "--no-new-privs", "--"]


def needs_root(test):
    return unittest.skipUnless(AS_ROOT, "needs root: it starts programs as different users")(test)


def poll(condition, what, deadline=None, context=lambda: ""):
    """Asks until `condition()` is true and returns that; fails when the deadline is over."""
    end = time.monotonic() + (deadline or DEADLINE)
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain: {what}\n{context()}")
        select.select([], [], [], pause)
        pause = min(pause * 1.5, 0.1)


ports_lock = threading.Lock()
ports_given = collections.deque(maxlen=300)   # by this process of late: who was given one may not have bound it yet


def free_port():
    """Below those that the kernel gives to outgoing connections: a server that is restarted must find it free again. Test processes that
    run beside this one look elsewhere."""
    first = 12000 + os.getpid() % 40 * 500
    with ports_lock:
        while True:
            port = random.randrange(first, first + 500)
            with socket.socket() as s, contextlib.suppress(OSError):
                s.bind(("127.0.0.1", port))
                if port not in ports_given:
                    ports_given.append(port)
                    return port


def die_with_parent():
    """A test that is killed leaves no server behind."""
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def quiet_run(*arguments, **options):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True, timeout=120, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Postgres:
    """A database cluster in a directory of its own: loopback and a Unix socket, TLS off, everybody trusted."""
    templates = {}
    template_lock = threading.Lock()

    def __init__(self, directory, port=None, binaries=PG_BIN):
        self.binaries = binaries
        self.user = account("postgres")
        self.directory, self.data, self.port = directory, directory / "data", port or free_port()
        self.logfile = directory / "postgresql.log"
        self._copy_template()
        self.configure(f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = '{directory}'\nfsync = off\n")

    def _copy_template(self):
        with Postgres.template_lock:
            if self.binaries not in Postgres.templates:
                template = pathlib.Path(tempfile.mkdtemp(prefix="pgcertd-template-"))
                atexit.register(shutil.rmtree, template, True)
                os.chown(template, self.user.pw_uid, self.user.pw_gid)
                quiet_run(*as_user(self.user), self.binaries / "initdb", "-D", template / "data", "-U", "postgres", "-A", "trust", "-N", cwd="/")
                Postgres.templates[self.binaries] = template
        quiet_run("cp", "-a", Postgres.templates[self.binaries] / "data", self.data)

    def configure(self, text):
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(text + "\n")

    def pg_ctl(self, *arguments, check=True):
        run = quiet_run if check else lambda *a, **o: subprocess.run([str(x) for x in a], capture_output=True, timeout=120, **o)
        return run(*as_user(self.user, groups="--init-groups"), self.binaries / "pg_ctl", "-D", self.data, "-l", self.logfile, "-s", "-w", *arguments, cwd="/",
                   env=os.environ | {"HOME": str(self.directory)})

    def start(self):
        try:
            self.pg_ctl("start")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()[-3000:]}") from None
        return self

    def stop(self, mode="immediate"):
        self.pg_ctl("-m", mode, "stop")

    def restart(self):
        self.stop()
        self.start()

    def pid(self):
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def running(self):
        return (self.data / "postmaster.pid").exists()

    def log(self):
        return self.logfile.read_text(errors="replace") if self.logfile.exists() else ""

    def psql(self, conninfo, sql):
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"PGCONNECT_TIMEOUT": "10"}
        return subprocess.run([PG_BIN / "psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", conninfo, "-f", "-"], input=sql, capture_output=True, text=True, timeout=60, env=env)

    def put(self, name, content, mode=0o600):
        """A file of the server's own in its data directory, whole at each moment."""
        path, fresh = self.data / name, self.data / (name + ".new")
        fresh.write_bytes(content)
        fresh.chmod(mode)
        os.chown(fresh, self.user.pw_uid, self.user.pw_gid)
        return fresh.rename(path)

    def sql(self, sql):
        done = self.psql(f"host={self.directory} port={self.port} user=postgres dbname=postgres", sql)
        if done.returncode != 0:
            raise AssertionError(f"{sql}: {done.stderr}")
        return done.stdout.strip()

    def end(self):
        if self.running():
            with contextlib.suppress(Exception):
                os.kill(self.pid(), signal.SIGCONT)
                self.pg_ctl("-m", "immediate", "stop", check=False)


class Daemon:
    """pgcertd as its unit starts it."""

    def __init__(self, host, environment=None, arguments=(), wrapper=(), inside=None):
        if SANITIZED and "LD_PRELOAD" in (inside or {}):
            raise unittest.SkipTest(NO_PRELOAD)
        self.host, self.logfile = host, host.directory / "pgcertd.log"
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "NOTIFY"))} | (environment or {})
        self._log = open(self.logfile, "a", encoding="utf-8")
        self.log_begin = self._log.tell()
        # `inside` is set as the daemon's user, so that what it preloads is made by that user.
        env_inside = ["env", *(f"{k}={v}" for k, v in inside.items())] if inside else []
        command = [*wrapper, *host.as_daemon(), *env_inside, PGCERTD, "--config", host.config, "--foreground-log=text", *arguments]
        self.process = subprocess.Popen([str(c) for c in command], stdout=self._log, stderr=self._log, env=env, cwd="/", preexec_fn=die_with_parent)

    def log(self):
        return self.logfile.read_text(errors="replace")[self.log_begin:]

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        return self.process.poll() is None

    def status(self):
        """/v1/status over HTTP; None while nobody answers."""
        try:
            return json.loads(self.host.http("/v1/status")[1])
        except (OSError, ValueError):
            return None

    def wait_cluster(self, name, condition, what):
        """As wait(), for any cluster of the host."""
        return poll(lambda: (c := self.cluster(name)) and condition(c) and c, f"{name}: {what}", context=self.log)

    def cluster(self, name="main"):
        status = self.status()
        return next((c for c in status["clusters"] if c["name"] == name), None) if status and "clusters" in status else None

    def wait(self, condition, what, deadline=None):
        """Until `condition(cluster)` holds for the cluster's part of /v1/status."""
        def holds():
            if not self.alive():
                raise AssertionError(f"pgcertd ended with {self.process.returncode} while waiting: {what}\n{self.log()[-4000:]}")
            cluster = self.cluster()
            return cluster if cluster and condition(cluster) else None
        return poll(holds, what, deadline, lambda: f"{json.dumps(self.cluster(), indent=1)}\n{self.log()[-4000:]}")

    def wait_proved(self, but=None, deadline=None):
        """Until the current certificate is proved and served; `but`: a serial that it must not be."""
        return self.wait(lambda c: c["rotation"]["stage"] == "proved" and c["rotation"]["need"] == "none" and c["certificate"]
                         and c["certificate"]["serial"] != but and any(s["matches_file"] for s in c["served"]), "a proved certificate", deadline)

    def wait_problem(self, code, deadline=None):
        cluster = self.wait(lambda c: any(p["code"] == code for p in c["problems"]), f"problem {code}", deadline)
        return next(p for p in cluster["problems"] if p["code"] == code)

    def wait_no_problem(self, code, deadline=None):
        return self.wait(lambda c: all(p["code"] != code for p in c["problems"]), f"problem {code} to go", deadline)

    def hangup(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        """SIGTERM; the exit code."""
        if self.alive():
            self.process.terminate()
            self.resume()
        return self.wait_end()

    def stopped(self):
        """Has a fault point halted it?"""
        return pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        # The whole group: a tracer that is killed leaves the traced daemon behind. Never that of a daemon that has ended, and was
        # waited for: its number may belong to somebody else by now.
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        return self.wait_end()

    def wait_end(self, deadline=None):
        try:
            return self.process.wait(deadline or DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"pgcertd does not end\n{self.log()[-4000:]}") from None
        finally:
            self._log.close()


class Host:
    """A database host: PostgreSQL, a CA whose root is elsewhere, a configuration, and pgcertd when it is started."""

    def __init__(self, server=True, ca=True, same_user=False, capabilities=CAPABILITIES, binaries=PG_BIN, major=15):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pgcertd-host-"))
        self.directory.chmod(0o755)
        self.server_user = account("postgres")
        self.daemon_user = self.server_user if same_user else account("pgcertd")
        self.capabilities = () if same_user else capabilities
        os.chown(self.directory, self.server_user.pw_uid, self.server_user.pw_gid)
        self.daemons, self.asking = [], []
        self.http_port = free_port()
        self.config, self.state, self.run, self.ca = (self.directory / n for n in ("pgcertd.toml", "state", "run", "ca"))
        for path in (self.state, self.run):
            path.mkdir(mode=0o711)
            os.chown(path, self.daemon_user.pw_uid, self.daemon_user.pw_gid)
        self.postgres, self.major = Postgres(self.directory, binaries=binaries), major
        self.conf_d = self.directory / "conf.d"
        if major < 15:   # no grant for ALTER SYSTEM there
            self.own(self.conf_d, directory=True)
            self.conf_d.chmod(0o755)
            self.postgres.configure(f"include_dir = '{self.conf_d}'")
        if server:
            self.postgres.start()
            self.make_role()
        if ca:
            self.make_ca()
        self.configure()

    def save(self):
        """Keeps disk and CA as they are, PostgreSQL stopped, for any number of restore()."""
        self.postgres.stop("fast")
        self.saved = self.directory / "saved"
        self.saved.mkdir()
        for path in (self.postgres.data, self.state, self.ca):
            quiet_run("cp", "-a", path, self.saved / path.name)

    def restore(self):
        """Back to what was saved, PostgreSQL started; no daemon runs."""
        for daemon in self.daemons:
            daemon.kill()
        self.postgres.end()
        for path in (self.postgres.data, self.state, self.ca):
            shutil.rmtree(path)
            quiet_run("cp", "-a", self.saved / path.name, path)
        self.postgres.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def as_daemon(self):
        return as_user(self.daemon_user, self.capabilities)

    def make_role(self, postgres=None):
        postgres = postgres or self.postgres
        done = postgres.psql(f"host={postgres.directory} port={postgres.port} user=postgres dbname=postgres", quiet_run(PGCERTCTL, "setup", "sql", "--postgresql", self.major))
        if done.returncode != 0:
            raise AssertionError(done.stderr)

    def make_ca(self, *more, wrapper=()):
        offline = self.directory / "offline"
        self.own(offline, directory=True)
        self.own(self.ca.parent / "ca-parent", directory=True)
        self.ca = self.ca.parent / "ca-parent" / "ca"
        quiet_run(*as_user(self.daemon_user), *wrapper, PGCERTCTL, "ca", "init", "--root-dir", offline / "root", "--issuing-dir", self.ca, "--no-passphrase", *more)
        self.root_certificate = self.directory / "root.crt"
        shutil.copy(offline / "root" / "root.crt", self.root_certificate)
        self.root_certificate.chmod(0o644)

    def own(self, path, directory=False):
        """Gives a path to the daemon's user."""
        if directory:
            path.mkdir(mode=0o700, exist_ok=True)
        os.chown(path, self.daemon_user.pw_uid, self.daemon_user.pw_gid)

    def configure(self, cluster="", daemon="", issuer=None, conninfo=None, more=""):
        """Writes the configuration; further keys as TOML text."""
        issuer = issuer if issuer is not None else f'type = "local"\ndirectory = "{self.ca}"'
        conninfo = conninfo or f"host={self.directory} port={self.postgres.port} dbname=postgres user=pgcertd"
        interval = "" if "check_interval" in daemon else 'check_interval = "2s"'
        daemon += f'\nallowed_directories = ["{self.conf_d}"]' if self.major < 15 else ""
        names = "" if re.search(r"^names\b", cluster, re.M) else 'names = ["localhost", "127.0.0.1"]'
        self.config.write_text(f"""[daemon]
state_directory = "{self.state}"
runtime_directory = "{self.run}"
{interval}
{daemon}
[http]
listen = ["127.0.0.1:{self.http_port}"]
[issuer.local]
{issuer}
[cluster.main]
conninfo = "{conninfo}"
issuer = "local"
{names}
{cluster}
{more}
""", encoding="utf-8")
        self.config.chmod(0o644)

    def start(self, environment=None, arguments=(), wrapper=(), inside=None):
        self.daemons.append(Daemon(self, environment, arguments, wrapper, inside))
        return self.daemons[-1]

    def once(self, environment=None):
        """`pgcertd --once`: its exit code and what it logged."""
        daemon = self.start(environment, ["--once"])
        code = daemon.wait_end()
        return code, daemon.log()

    def ctl(self, *arguments, timeout=120):
        return subprocess.run([PGCERTCTL, "--config", self.config, *map(str, arguments)], capture_output=True, text=True, timeout=timeout)

    def rotate_until_stopped(self, daemon):
        """Asks for a rotation that halts the daemon at a fault point. The answer may come before the halt, or when it goes on."""
        command = [str(PGCERTCTL), "--config", str(self.config), "rotate", "main", "--force"]
        self.asking.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        poll(daemon.stopped, "the fault point", context=daemon.log)

    def http(self, path):
        """Status code, body and headers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), dict(error.headers)

    def http_answers(self):
        try:
            return self.http("/readyz")[0] == 200
        except OSError:
            return False

    def events(self, kind=None):
        events = json.loads(self.http("/v1/events")[1])
        events = events["events"] if isinstance(events, dict) else events
        return [e for e in events if kind is None or e["kind"] == kind]

    def probe(self):
        """What `pgcertctl probe` sees, as JSON."""
        done = self.ctl("--json", "probe", f"localhost:{self.postgres.port}", "--root", self.root_certificate)
        return json.loads(done.stdout)

    def served_serial(self):
        """The served leaf's serial by openssl, a client that is not ours; None without TLS."""
        shown = subprocess.run(["openssl", "s_client", "-starttls", "postgres", "-connect", f"127.0.0.1:{self.postgres.port}"],
                               stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
        serial = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=shown.stdout, capture_output=True)
        return serial.stdout.decode().strip().removeprefix("serial=").lower() if serial.returncode == 0 else None

    def verify_full(self):
        """A libpq client that believes nothing but the root: its answer or its complaint."""
        done = self.postgres.psql(f"host=localhost port={self.postgres.port} user=pgcertd dbname=postgres sslmode=verify-full sslrootcert={self.root_certificate}",
                                  "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        return done.stdout.strip() if done.returncode == 0 else "failed: " + done.stderr.strip()

    def enters(self, pair):
        """Does a libpq client with this certificate of its own (pki.Pair) get in?"""
        for name, content in (("client.crt", pair.chain_pem()), ("client.key", pair.key_pem())):
            (self.directory / name).write_bytes(content)
            (self.directory / name).chmod(0o600)
        done = self.postgres.psql(f"host=localhost port={self.postgres.port} user=postgres dbname=postgres sslmode=verify-full sslrootcert={self.root_certificate} "
                                  f"sslcert={self.directory}/client.crt sslkey={self.directory}/client.key", "SELECT 1")
        return done.returncode == 0

    def generations(self):
        return sorted(p.name for p in (self.state / "clusters" / "main" / "generations").glob("*"))

    def end(self):
        for daemon in self.daemons:
            daemon.kill()
        for asking in self.asking:
            asking.kill()
            asking.wait()
        self.postgres.end()
        shutil.rmtree(self.directory, ignore_errors=True)


class HostTest(unittest.TestCase):
    """A test case whose hosts end with it."""

    def host(self, **options):
        host = Host(**options)
        self.addCleanup(host.end)
        return host

    def assertVerifyFull(self, host):
        self.assertRegex(host.verify_full(), r"^TLSv1\.[23]$", host.postgres.log()[-2000:])

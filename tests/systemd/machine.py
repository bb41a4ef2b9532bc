"""A throw-away machine with a booted systemd, PostgreSQL 15 and its cluster "main", as Debian makes them: systemd-nspawn, for hosts
whose own PID 1 is something else. Needs root, namespaces, a cgroup2 tree, and the packages of PACKAGES: a machine that has not got them
is Unavailable. What fails where they are there is a failure."""
import hashlib
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

PACKAGES = ("systemd-container", "mmdebstrap", "zstd", "util-linux", "procps")
INSIDE = ("systemd", "systemd-sysv", "dbus", "polkitd", "libnss-systemd", "libpam-systemd", "openssl", "procps", "iproute2", "curl", "ca-certificates", "postgresql-15", "apparmor")
# Work of their own in the background, or for a network that is not there.
QUIET = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer", "man-db.timer", "console-getty.service", "getty@tty1.service", "apparmor.service")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BOOT_SECONDS, STOP_SECONDS = 90, 30


class Unavailable(Exception):
    """Why no systemd can be booted here."""


def sh(*words, **more):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True, **more).stdout


def poll(condition, what, seconds=60, context=lambda: ""):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s in vain: {what}\n{context()}")


def cgroup_trees():
    """Mount points: the cgroup2 tree first, then systemd's own v1 tree where there is one."""
    rows = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    return [r[1] for r in rows if r[2] == "cgroup2"][:1] + [r[1] for r in rows if r[2] == "cgroup" and "name=systemd" in r[3].split(",")][:1]


def check_available():
    if os.geteuid() != 0:
        raise Unavailable("it needs root")
    for tool in ("systemd-nspawn", "mmdebstrap", "zstd", "nsenter"):
        if not shutil.which(tool):
            raise Unavailable(f"{tool} is not installed")
    if not cgroup_trees():
        raise Unavailable("no cgroup2 tree is mounted")
    # What nspawn begins with. What fails beyond it fails on a machine where it could work.
    for what, words in (("namespaces and mounts in them", ("unshare", "--mount", "--pid", "--fork", "--net", "--ipc", "--uts", "mount", "-t", "tmpfs", "tmpfs", "/mnt")),
                        ("a cgroup of its own", ("sh", "-c", 'd=$0/pgcertd-test-$$; mkdir "$d" && rmdir "$d"', cgroup_trees()[0]))):
        tried = subprocess.run(words, capture_output=True, text=True)
        if tried.returncode != 0:
            raise Unavailable(f"this machine gives no {what}: {tried.stderr.strip()[-200:]}")


def sources():
    """This machine's own Debian, as lines of sources.list."""
    suite = next(line.split("=")[1].strip() for line in open("/etc/os-release", encoding="utf-8") if line.startswith("VERSION_CODENAME="))
    listed = sh("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages").splitlines()
    wanted = [row for row in listed if row.split()[1].split("-")[0].split("/")[0] == suite and row.split()[2] == "main"]
    if not wanted:
        raise Unavailable(f"apt knows no Debian source of {suite}")
    return suite, "".join(f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {row}\n" for row in dict.fromkeys(wanted))


def depends_of(debs):
    """Names of what the packages need, without what they are themselves."""
    own = {sh("dpkg-deb", "-f", deb, "Package").strip() for deb in debs}
    names = [entry.split("|")[0].split("(")[0].strip() for deb in debs for entry in sh("dpkg-deb", "-f", deb, "Depends").split(",")]
    return sorted({name for name in names if name and name not in own})


def base_tarball(cache, more):
    """Made once for a list of packages; some minutes."""
    suite, lines = sources()
    packages = sorted({*INSIDE, *more})
    name = hashlib.sha256("\n".join([suite, lines, *packages]).encode()).hexdigest()[:16]
    tarball = cache / f"{suite}-{name}.tar.zst"
    if tarball.exists():
        return tarball
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        (pathlib.Path(work) / "sources").write_text(lines)
        print(f"making the base of the machine, {len(packages)} packages and what they need", flush=True)
        done = subprocess.run(["mmdebstrap", "--mode=root", "--variant=apt", "--quiet", '--aptopt=Apt::Install-Recommends "false"', "--include=" + ",".join(packages),
                               '--customize-hook=rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/etc/resolv.conf "$1"/etc/hostname', suite, f"{work}/root.tar", f"{work}/sources"], capture_output=True, text=True)
        assert done.returncode == 0, "mmdebstrap failed: " + done.stderr[-2000:]
        sh("zstd", "-q", "-3", "-T0", f"{work}/root.tar", "-o", f"{work}/root.tar.zst")
        os.rename(f"{work}/root.tar.zst", tarball)
    return tarball


class Machine:
    def __init__(self, tarball):
        self.directory = pathlib.Path(f"/var/tmp/pgcertd-machine-{secrets.token_hex(6)}")   # a name that nspawn takes
        self.directory.mkdir(mode=0o755)
        self.root, self.console, self.process = self.directory / "root", self.directory / "console", None
        self.name = self.directory.name
        self.root.mkdir(mode=0o755)
        subprocess.run(f"zstd -q -d -c '{tarball}' | tar -C '{self.root}' --numeric-owner --xattrs --xattrs-include='*' -xf -", shell=True, check=True)
        (self.root / "etc/machine-id").write_text("")
        (self.root / "etc/hostname").write_text("db1\n")
        (self.root / "var/log/journal").mkdir(exist_ok=True)
        for unit in QUIET:
            (self.root / "etc/systemd/system" / unit).symlink_to("/dev/null")

    # ---- its life
    def boot(self):
        """systemd as PID 1, in cgroups and a network of its own. The capabilities are nspawn's: with CAP_SYS_TIME a test could set the host's clock."""
        trees = cgroup_trees()
        def enter():
            os.setsid()
            for tree in trees:
                os.makedirs(f"{tree}/{self.name}", exist_ok=True)
                pathlib.Path(f"{tree}/{self.name}/cgroup.procs").write_text(str(os.getpid()))
        environment = {k: v for k, v in os.environ.items() if k != "NOTIFY_SOCKET"} | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        command = ["systemd-nspawn", "--quiet", "--boot", f"--directory={self.root}", f"--machine={self.name}", "--hostname=db1", "--register=no", "--keep-unit", "--private-network", "--console=read-only",
                   "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--kill-signal=SIGRTMIN+4", "--system-call-filter=bpf @keyring", "--", "systemd.show_status=false"]
        with open(self.console, "ab") as console:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, preexec_fn=enter, env=environment)
        def up():
            if self.process.poll() is not None:
                raise AssertionError(f"systemd-nspawn ended with {self.process.returncode}: {self.console.read_text(errors='replace')[-2000:]}")
            return self.leader() and self.exec("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")
        poll(up, "systemd is up", BOOT_SECONDS, lambda: self.console.read_text(errors="replace")[-3000:])

    def leader(self):
        """The PID that its PID 1 has on the host."""
        if not self.process or self.process.poll() is not None:
            return None
        for child in subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True).stdout.split():
            try:
                status = pathlib.Path(f"/proc/{child}/status").read_text()
            except OSError:
                continue
            inner = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [])
            if len(inner) > 1 and inner[-1] == "1":
                return int(child)
        return None

    def exec(self, *words, user=None, check=True, stdin=None, seconds=120):
        """Runs a command in all of its namespaces."""
        as_user = ["runuser", "-u", user, "--"] if user else []
        command = ["nsenter", "--target", str(self.leader()), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--", "/usr/bin/env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8",
                   "SYSTEMD_PAGER=cat", "SYSTEMD_COLORS=0", *as_user, *map(str, words)]
        done = subprocess.run(command, input=stdin, stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True, text=True, timeout=seconds)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done

    def out(self, *words, **more):
        return self.exec(*words, **more).stdout.strip()

    def path(self, inside):
        """Of a file in it, as the host sees it while it does not run from a tmpfs."""
        return self.root / str(inside).lstrip("/")

    def write(self, inside, text, mode=0o644):
        self.exec("install", "-D", "-m", f"{mode:o}", "/dev/stdin", inside, stdin=text)

    def power_off(self):
        leader = self.leader()
        if leader:
            os.kill(leader, signal.SIGRTMIN + 4)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.cut_power()

    def cut_power(self):
        """As a plug that is pulled, but that what was written stays: every process at once."""
        for tree in cgroup_trees()[:1]:
            kill = pathlib.Path(f"{tree}/{self.name}/cgroup.kill")
            if kill.exists():
                kill.write_text("1")
        leader = self.leader()
        if leader:
            os.kill(leader, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.remove_cgroups()

    def remove_cgroups(self):
        for tree in cgroup_trees():
            top = pathlib.Path(f"{tree}/{self.name}")
            def gone():
                for group in sorted((p for p in top.rglob("*") if p.is_dir()), key=lambda p: -len(p.parts)) if top.exists() else []:
                    try:
                        group.rmdir()
                    except OSError:
                        pass
                try:
                    top.rmdir()
                except OSError:
                    pass
                return not top.exists()
            poll(gone, f"cgroup {top} is empty", 10)

    def destroy(self):
        if self.process and self.process.poll() is None:
            self.power_off()
        self.remove_cgroups()
        mounted = [line.split()[1] for line in pathlib.Path("/proc/self/mounts").read_text().splitlines() if line.split()[1].startswith(str(self.directory))]
        assert not mounted, f"still mounted: {mounted}"
        shutil.rmtree(self.directory)

"""Several database clusters on one host under one daemon: each has a worker of its own, and one that hangs holds up no other."""
import os
import signal
import time

from harness import HostTest, Postgres


def is_proved(cluster):
    return cluster["rotation"]["stage"] == "proved" and any(s["matches_file"] for s in cluster["served"])


class Several(HostTest):
    def three(self):
        """A host with clusters main, b and c; their servers by name, and the daemon."""
        host = self.host()
        servers = {"main": host.postgres}
        for name in ("b", "c"):
            directory = host.directory / name
            directory.mkdir()
            os.chown(directory, host.server_user.pw_uid, host.server_user.pw_gid)
            servers[name] = Postgres(directory).start()
            self.addCleanup(servers[name].end)
            host.make_role(servers[name])
        sections = [f'[cluster.{n}]\nconninfo = "host={servers[n].directory} port={servers[n].port} dbname=postgres user=pgcertd"\nissuer = "local"\nnames = ["localhost"]' for n in ("b", "c")]
        host.configure(more="\n".join(sections))
        daemon = host.start()
        for name in servers:
            daemon.wait_cluster(name, is_proved, "a proved certificate")
        return host, servers, daemon

    def rotations(self, host, names, times=3):
        """Seconds that a rotation of each took, in the median."""
        took = {name: [] for name in names}
        for _ in range(times):
            for name in names:
                began = time.monotonic()
                done = host.ctl("rotate", name, "--force", "--wait")
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                took[name].append(time.monotonic() - began)
        return {name: sorted(t)[times // 2] for name, t in took.items()}

    def test_one_that_hangs_holds_up_no_other(self):
        host, servers, daemon = self.three()
        serials = {name: daemon.cluster(name)["certificate"]["serial"] for name in servers}
        self.assertEqual(len(set(serials.values())), 3)
        alone = self.rotations(host, ("main", "b"))
        postmaster = servers["c"].pid()
        os.kill(postmaster, signal.SIGSTOP)
        try:
            daemon.wait_cluster("c", lambda c: any(p["code"] == "server-unreachable" for p in c["problems"]), "server-unreachable")
            beside = self.rotations(host, ("main", "b"))
            self.assertEqual(daemon.cluster("c")["certificate"]["serial"], serials["c"])
            self.assertEqual([daemon.cluster(n)["status"] for n in ("main", "b", "c")], ["ok", "ok", "critical"])
        finally:
            os.kill(postmaster, signal.SIGCONT)
        for name in alone:
            print(f"{name}: a rotation beside a server that hangs took {beside[name] / alone[name]:.2f} times as long as without", flush=True)
        daemon.wait_cluster("c", lambda c: not c["problems"], "no problem")
        self.rotations(host, ("c",), 1)
        self.assertNotEqual(daemon.cluster("c")["certificate"]["serial"], serials["c"])

    def test_two_sections_that_lead_to_one_server(self):
        host = self.host()
        daemon = host.start()
        before = daemon.wait_proved()["certificate"]["serial"]
        (host.directory / "socket").symlink_to(host.directory)
        twin = f'[cluster.a-twin]\nconninfo = "host={host.directory}/socket port={host.postgres.port} dbname=postgres user=pgcertd"\nissuer = "local"\nnames = ["localhost"]\ntakeover = "always"'
        host.configure(more=twin)
        for started_anew in (False, True):
            if started_anew:
                self.assertEqual(daemon.stop(), 0)
                daemon = host.start()
            else:
                daemon.hangup()
            told = daemon.wait_cluster("a-twin", lambda c: c["problems"], "a problem")["problems"]
            self.assertEqual([(p["code"], p["severity"]) for p in told], [("config-invalid", "warning")])
            self.assertIn('the same server as cluster "main"', told[0]["message"])
            self.assertEqual(host.ctl("rotate", "a-twin", "--force").returncode, 5)
            self.assertEqual(daemon.wait_proved()["certificate"]["serial"], before)
            self.assertEqual(list((host.state / "clusters" / "a-twin").rglob("*.crt")), [])
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
        self.assertIn("/clusters/main/", host.postgres.sql("SHOW ssl_cert_file"))
        # Once it leads elsewhere it is a cluster like any other.
        server = Postgres((other := host.directory / "other", other.mkdir(), os.chown(other, host.server_user.pw_uid, host.server_user.pw_gid))[0]).start()
        self.addCleanup(server.end)
        host.make_role(server)
        host.configure(more=twin.replace(f"{host.directory}/socket port={host.postgres.port}", f"{server.directory} port={server.port}"))
        daemon.hangup()
        daemon.wait_cluster("a-twin", is_proved, "a proved certificate")

    def test_each_has_files_and_memory_of_its_own(self):
        host, servers, daemon = self.three()
        self.assertEqual(host.ctl("pause", "b", "--for", "1h", "--reason", "its upgrade").returncode, 0)
        self.assertEqual(host.ctl("rotate", "b", "--force").returncode, 5)
        self.assertEqual(host.ctl("rotate", "c", "--force", "--wait").returncode, 0)
        self.assertEqual({p.name for p in (host.state / "clusters").iterdir()}, set(servers))
        for name, server in servers.items():
            self.assertIn(f"/clusters/{name}/current/server.crt", server.sql("SHOW ssl_cert_file"))
        done = host.ctl("audit")
        self.assertEqual([name for name in servers if f"{name}: " in done.stdout], list(servers), done.stdout)

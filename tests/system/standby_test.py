"""A standby made by pg_basebackup from a managed primary: what it needs is told, and what is told helps."""
import json
import os
import unittest

from harness import HostTest, Postgres, account, as_user, free_port, poll, quiet_run

HBA = "local all all trust\nlocal replication all trust\nhostssl all all 127.0.0.1/32 trust\nhostssl replication all 127.0.0.1/32 trust\n"


class Copy(Postgres):
    """A data directory that is there already."""

    def __init__(self, directory, binaries):
        self.binaries, self.user, self.directory = binaries, account("postgres"), directory
        self.data, self.logfile, self.port = directory / "data", directory / "postgresql.log", free_port()
        self.configure(f"port = {self.port}\nunix_socket_directories = '{directory}'")


class Standby(HostTest):
    def copy_of(self, host):
        directory = host.directory / "standby"
        directory.mkdir()
        os.chown(directory, host.server_user.pw_uid, host.server_user.pw_gid)
        quiet_run(*as_user(host.server_user, groups="--init-groups"), host.postgres.binaries / "pg_basebackup", "-d", f"host=127.0.0.1 port={host.postgres.port} user=postgres",
                  "-D", directory / "data", "-R", "-X", "stream", "-c", "fast", cwd="/", env=os.environ | {"HOME": str(directory)})
        standby = Copy(directory, host.postgres.binaries)
        self.addCleanup(standby.end)
        return standby.start()

    def findings(self, host):
        return {(f["code"], f["object"]) for f in json.loads(host.ctl("--json", "audit", "standby").stdout)["clusters"]["standby"]}

    def test_is_told_what_it_needs(self):
        host = self.host()
        (host.postgres.data / "pg_hba.conf").write_text(HBA)
        daemon = host.start()
        primary = daemon.wait_proved()["certificate"]["serial"]
        standby = self.copy_of(host)
        host.configure(more=f'[cluster.standby]\nconninfo = "host={standby.directory} port={standby.port} dbname=postgres user=pgcertd"\nissuer = "local"\nnames = ["localhost"]')
        daemon.hangup()
        told = daemon.wait_cluster("standby", lambda c: any(p["code"] == "takeover-needed" for p in c["problems"]), "takeover-needed")
        problem = next(p for p in told["problems"] if p["code"] == "takeover-needed")
        self.assertIn("belongs to another cluster", problem["message"])
        poll(lambda: ("settings-weak", "primary_conninfo") in self.findings(host), "the audit tells of primary_conninfo", context=daemon.log)
        self.assertIn("/clusters/main/current/server.crt", standby.sql("SHOW ssl_cert_file"), "nothing is done without consent")

        self.assertEqual(host.ctl("takeover", "standby").returncode, 0)
        own = daemon.wait_cluster("standby", lambda c: c["rotation"]["stage"] == "proved" and c["certificate"] and not any(p["code"] == "takeover-needed" for p in c["problems"]), "a pair of its own")
        self.assertNotEqual(own["certificate"]["serial"], primary)
        standby.sql(f"ALTER SYSTEM SET primary_conninfo = 'host=localhost port={host.postgres.port} user=postgres sslmode=verify-full sslrootcert={host.root_certificate}'")
        standby.sql("SELECT pg_reload_conf()")
        poll(lambda: standby.sql("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming' AND conninfo LIKE '%sslmode=verify-full%'") == "1", "verified streaming", context=standby.log)
        poll(lambda: not self.findings(host), "nothing to object to", context=lambda: str(self.findings(host)))
        self.assertEqual(host.postgres.sql("SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE ssl"), "1")

        # The primary's certificate changes under it: the standby goes on.
        self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
        host.postgres.sql("CREATE TABLE after_rotation ()")
        poll(lambda: standby.sql("SELECT count(*) FROM pg_class WHERE relname = 'after_rotation'") == "1", "WAL goes on")


if __name__ == "__main__":
    unittest.main()

"""The memory of the idle daemon holds no private byte of a key that it does not need: neither of the servers' keys, which PostgreSQL reads
from disk, nor of one that was wiped."""
import re

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from harness import HostTest, measured, needs_root, poll


def private_bytes(path):
    """The private number of a P-256 key as it lies in memory: big endian, or in OpenSSL's words of a BIGNUM."""
    number = load_pem_private_key(path.read_bytes(), None).private_numbers().private_value
    return {number.to_bytes(32, "big"), number.to_bytes(32, "little")}


def pem_line(path):
    """The line of base64 with most of the private number."""
    return path.read_text().splitlines()[2].encode()


def memory_of(pid):
    """Every writable mapping of a process."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            begin, end, mode = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line).groups()
            if "w" not in mode:
                continue
            memory.seek(int(begin, 16))
            try:
                yield memory.read(int(end, 16) - int(begin, 16))
            except OSError:
                continue   # reserved by an allocator, with nothing in it


@needs_root
@measured
class IdleKeys(HostTest):
    def found(self, pid, secrets):
        return [name for name, needles in secrets.items() if any(needle in part for part in memory_of(pid) for needle in needles)]

    def test_no_private_byte_of_a_server_key_is_in_memory(self):
        host = self.host()
        host.configure(daemon='check_interval = "1h"')
        daemon = host.start()
        serial, secrets = daemon.wait_proved()["certificate"]["serial"], {}
        for turn in range(3):
            key = (host.state / "clusters" / "main" / "current" / "server.key").resolve()
            secrets[f"the key of generation {turn}"] = private_bytes(key) | {pem_line(key)}
            self.assertEqual(host.ctl("rotate", "main", "--force", "--wait").returncode, 0)
            serial = daemon.wait_proved(but=serial)["certificate"]["serial"]
        poll(lambda: self.found(daemon.pid, secrets) == [], "no key in memory", context=lambda: str(self.found(daemon.pid, secrets)))

    def test_a_key_that_is_in_memory_would_be_found(self):
        """The issuing CA's is, for it signs without being asked."""
        host = self.host()
        daemon = host.start()
        daemon.wait_proved()
        key = load_pem_private_key((host.ca / "issuing.key").read_bytes(), None).private_numbers().private_value
        size = (key.bit_length() + 63) // 64 * 8
        self.assertNotEqual(self.found(daemon.pid, {"the CA's": {key.to_bytes(size, "little"), key.to_bytes(size, "big")}}), [])

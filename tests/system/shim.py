"""The runner's side of tests/faults/shim.c: which of pgcertd's own system calls fails, how, and what was hit."""
import errno
import mmap
import struct

from harness import BUILD

LIBRARY = BUILD / "tests" / "libfault_shim.so"

# As tests/faults/shim.h has them.
CHANGE, OPEN, READ, MEMORY = 1, 2, 4, 8
SHORT, KILL = 1000, 1001
LAYOUT = struct.Struct("=IIQQQQ496s")
ALWAYS = 1 << 62


def fault_name(fault):
    return {SHORT: "short write", KILL: "kill -9"}.get(fault) or errno.errorcode[fault]


class Shim:
    """One page that outlives each daemon of a host."""

    def __init__(self, host):
        self.path, self.journal = host.directory / "shim-page", host.directory / "shim-journal"
        for path, size in ((self.path, LAYOUT.size), (self.journal, 0)):
            path.write_bytes(bytes(size))
            path.chmod(0o666)
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), LAYOUT.size)

    def environment(self, journal=False, watch=None):
        """For Host.start(inside=...). `watch`: a file whose changes are to stand in the journal, too."""
        more = {"PGCERTD_SHIM_JOURNAL": self.journal} if journal else {}
        more |= {"PGCERTD_SHIM_WATCH": watch} if watch else {}
        return {"LD_PRELOAD": LIBRARY, "PGCERTD_SHIM_PAGE": self.path} | more

    def arm(self, classes, fault=0, at=0, times=1):
        """Counts from here on; `at` 0 only counts."""
        self.page[:] = LAYOUT.pack(0, fault, at, times, 0, 0, b"")
        self.page[0:4] = struct.pack("=I", classes)

    def disarm(self):
        self.page[0:4] = struct.pack("=I", 0)

    def count(self):
        return LAYOUT.unpack(self.page[:])[4]

    def hits(self):
        return LAYOUT.unpack(self.page[:])[5]

    def what(self):
        return LAYOUT.unpack(self.page[:])[6].split(b"\0")[0].decode(errors="replace")

    def close(self):
        self.page.close()

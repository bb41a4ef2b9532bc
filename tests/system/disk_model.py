"""Which states a file system may be in after a power cut: a journal of changes (tests/faults/shim.c) and what POSIX promises of fsync.

What was synced is there. Of the rest, each change of a file's content, owner or mode, and each name in a directory, may have
reached the disk or not, whatever came first; a rename is there or not, never in halves."""
import dataclasses
import hashlib
import os
import stat


@dataclasses.dataclass
class Node:
    kind: str                      # directory, file, link
    mode: int = 0
    uid: int = 0
    gid: int = 0
    data: bytes = b""              # a link's target
    names: dict = dataclasses.field(default_factory=dict)

    def copy(self):
        return Node(self.kind, self.mode, self.uid, self.gid, self.data, dict(self.names))


class Change:
    """One line of the journal. `on`: the objects that have to be synced before it is sure."""

    def __init__(self, what, words, on):
        self.what, self.words, self.on, self.synced_at = what, words, on, None

    def is_name(self):
        return self.what in ("create", "mkdir", "symlink", "link", "rename", "unlink")


class Journal:
    """Some directories as they were, and what was changed since, with inode numbers made unique: a number is used again."""

    def __init__(self, roots):
        self.nodes, self.roots, self.changes, self.watched = {}, {}, [], []
        self.inodes = {}
        for root in roots:
            self.roots[str(root)] = self._take(root)

    def _take(self, path):
        seen = os.lstat(path)
        number = self._fresh(seen.st_ino)
        node = Node("file", stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid)
        if stat.S_ISDIR(seen.st_mode):
            node.kind, node.names = "directory", {name: self._take(os.path.join(path, name)) for name in os.listdir(path)}
        elif stat.S_ISLNK(seen.st_mode):
            node.kind, node.data = "link", os.readlink(path).encode()
        elif stat.S_ISREG(seen.st_mode):
            with open(path, "rb") as file:
                node.data = file.read()
        self.nodes[number] = node
        return number

    def _fresh(self, inode):
        self.inodes[inode] = f"{inode}.{len(self.inodes)}.{len(self.changes)}"
        return self.inodes[inode]

    def _object(self, inode):
        return self.inodes.get(int(inode))

    def read(self, text):
        for line in text.splitlines():
            what, *words = line.split("\t")
            getattr(self, f"_{what}")(*words)
        return self

    def _add(self, what, words, on):
        if all(on):   # else it is somewhere that is not watched
            self.changes.append(Change(what, words, on))

    def _watch(self, content):
        self.watched.append((len(self.changes), bytes.fromhex(content)))

    def _write(self, inode, at, content):
        self._add("write", (self._object(inode), int(at), bytes.fromhex(content)), [self._object(inode)])

    def _truncate(self, inode, size):
        self._add("truncate", (self._object(inode), int(size)), [self._object(inode)])

    def _meta(self, inode, mode, uid, gid):
        self._add("meta", (self._object(inode), int(mode, 8), int(uid), int(gid)), [self._object(inode)])

    def _made(self, kind, directory, name, inode, mode, uid, gid):
        if directory != "0" and self._object(directory) is None:
            return
        self._add("create" if kind == "file" else "mkdir", (self._object(directory), name, self._fresh(int(inode)), kind, int(mode, 8), int(uid), int(gid)), [self._object(directory)])

    def _create(self, *words):
        self._made("file", *words)

    def _mkdir(self, *words):
        self._made("directory", *words)

    def _symlink(self, directory, name, target):
        self._add("symlink", (self._object(directory), name, f"link.{len(self.changes)}", target.encode()), [self._object(directory)])

    def _link(self, directory, name, inode, *_):
        self._add("link", (self._object(directory), name, self._object(inode)), [self._object(directory)])

    def _rename(self, from_directory, name, to_directory, to):
        both = [self._object(from_directory), self._object(to_directory)]
        self._add("rename", (both[0], name, both[1], to), both)

    def _unlink(self, directory, name):
        self._add("unlink", (self._object(directory), name), [self._object(directory)])

    def _sync(self, inode):
        number = self._object(inode)
        if number is None:
            return
        for change in self.changes:
            if change.synced_at is None and number in change.on:
                change.on = [o for o in change.on if o != number]
                if not change.on:
                    change.synced_at = len(self.changes)

    def watched_at(self, moment):
        """The watched file's content when so many changes had been made."""
        return next((content for at, content in reversed(self.watched) if at <= moment), None)

    def moments(self):
        """(moment, changes that may be lost, ways to lose some of them: the set of those that are there)."""
        for moment in range(len(self.changes) + 1):
            open_ = [i for i in range(moment) if self.changes[i].synced_at is None or self.changes[i].synced_at > moment]
            names = {i for i in open_ if self.changes[i].is_name()}
            every = set(open_)
            ways = [set(), every, names, every - names]
            ways += [every - {i} for i in open_] + [{i} for i in open_]
            unique = []
            for way in ways:
                if way not in unique:
                    unique.append(way)
            yield moment, open_, unique

    def states(self):
        """Each state that a power cut at some moment may leave, once, with the watched file as it was then."""
        seen = set()
        for moment, open_, ways in self.moments():
            watched = self.watched_at(moment)
            for way in ways:
                state = State(self, [i for i in range(moment) if i not in open_ or i in way])
                key = (state.digest(), watched)
                if key not in seen:
                    seen.add(key)
                    yield moment, state, watched


class State:
    """What is on the disk when just these changes reached it."""

    def __init__(self, journal, applied):
        self.roots = journal.roots
        self.nodes = {number: node.copy() for number, node in journal.nodes.items()}
        for i in applied:
            change = journal.changes[i]
            getattr(self, f"_{change.what}")(*change.words)

    def _write(self, number, at, content):
        if (node := self._node(number)) is not None:
            node.data = bytearray(node.data) if isinstance(node.data, bytes) else node.data   # its own from here on
            node.data.extend(bytes(max(0, at - len(node.data))))
            node.data[at:at + len(content)] = content

    def _truncate(self, number, size):
        if (node := self._node(number)) is not None:
            node.data = bytes(node.data[:size]).ljust(size, b"\0")

    def _meta(self, number, mode, uid, gid):
        if (node := self._node(number)) is not None:
            node.mode, node.uid, node.gid = mode, uid, gid

    def _node(self, number):
        """A file whose name never reached the disk has its content all the same, for a name that comes later."""
        return self.nodes.setdefault(number, Node("file", 0o600)) if number is not None else None

    def _create(self, directory, name, number, kind, mode, uid, gid):
        made = self._node(number)
        made.kind, made.mode, made.uid, made.gid = kind, mode, uid, gid
        if directory in self.nodes:
            self.nodes[directory].names[name] = number

    _mkdir = _create

    def _symlink(self, directory, name, number, target):
        self.nodes[number] = Node("link", data=target)
        if directory in self.nodes:
            self.nodes[directory].names[name] = number

    def _link(self, directory, name, number):
        if directory in self.nodes and number in self.nodes:
            self.nodes[directory].names[name] = number

    def _rename(self, directory, name, to_directory, to):
        if directory in self.nodes and to_directory in self.nodes and name in self.nodes[directory].names:
            self.nodes[to_directory].names[to] = self.nodes[directory].names.pop(name)

    def _unlink(self, directory, name):
        if directory in self.nodes:
            self.nodes[directory].names.pop(name, None)

    def walk(self, number=None, path=""):
        """(path, node) of everything that has a name, below each root."""
        if number is None:
            for root, top in sorted(self.roots.items()):
                yield from self.walk(top, root)
            return
        node = self.nodes[number]
        yield path, node
        for name, child in sorted(node.names.items()):
            if child in self.nodes:
                yield from self.walk(child, f"{path}/{name}")

    def digest(self):
        out = hashlib.sha256()
        for path, node in self.walk():
            if not path.endswith("-shm"):   # SQLite makes it anew
                out.update(repr((path, node.kind, node.mode, node.uid, node.gid, len(node.data))).encode())
                out.update(node.data)
        return out.hexdigest()

    def put(self):
        """Onto the real disk, in place of what is there."""
        for path, node in self.walk():
            if path in self.roots:
                for name in os.listdir(path):
                    _remove(os.path.join(path, name))
                continue
            if node.kind == "link":
                os.symlink(bytes(node.data), path)
                os.lchown(path, node.uid, node.gid)
                continue
            if node.kind == "directory":
                os.mkdir(path)
            elif path.endswith("-shm"):
                continue
            else:
                with open(path, "xb") as file:
                    file.write(node.data)
            os.chown(path, node.uid, node.gid)
            os.chmod(path, node.mode)


def _remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        for name in os.listdir(path):
            _remove(os.path.join(path, name))
        os.rmdir(path)
    else:
        os.unlink(path)

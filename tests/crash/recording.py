"""Every system call by which a process changes files, recorded by strace and played back up to any point.

The disk here forgets: a write is certain only after its file was synced, a name only after its folder was.
What is not certain may be there in any subset of its 512-byte sectors, each of them torn at any byte, names
in the order they were made. After a sync that failed the kernel calls clean what never reached the disk.
"""

import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
CALLS = "openat,pwrite64,write,fsync,fdatasync,ftruncate,unlink,unlinkat,rename,renameat,renameat2,mkdir"


@dataclass(frozen=True)
class Write:
    inode: int
    offset: int
    content: bytes


@dataclass(frozen=True)
class Truncate:
    inode: int
    size: int


@dataclass(frozen=True)
class Sync:
    inode: int


@dataclass(frozen=True)
class FailedSync:
    """The process was told EIO; what it had written stays in memory and goes nowhere."""

    inode: int


@dataclass(frozen=True)
class Bind:
    """A name in the folder; inode None: it is gone."""

    name: str
    inode: int | None


@dataclass(frozen=True)
class SyncFolder:
    """All names are on disk."""


@dataclass(frozen=True)
class Acknowledged:
    """The process was told that so many transactions are on disk."""

    transactions: int


Call = Write | Truncate | Sync | FailedSync | Bind | SyncFolder | Acknowledged


def record(folder: Path, lives: Sequence[Sequence[str]], failing_sync: int = 0) -> list[Call]:
    """Run each command in turn under strace; what they did to the files in folder, in order.

    failing_sync: the number of the sync of the first command that fails, 0 for none. Files that lie in folder
    have the inodes from 1, by name. Raises CalledProcessError if one of them fails.
    """
    reader = _Reader(folder)
    for name in sorted(path.name for path in folder.iterdir() if not path.name.endswith("-shm")):
        reader.inodes += 1
        reader.names[name] = reader.inodes
    for number, arguments in enumerate(lives):
        trace = folder.parent / "trace"
        command = ["strace", "-f", "-xx", "-y", "-s", "1000000", "-e", f"trace={CALLS}", "-o", str(trace)]
        if failing_sync and number == 0:
            command += ["-e", f"inject=fdatasync:error=EIO:when={failing_sync}"]
        subprocess.run(
            [*command, sys.executable, "-m", *arguments], check=True, stdout=subprocess.PIPE, timeout=60
        )
        for line in _whole(trace.read_text().splitlines()):
            reader.read(line)
        reader.ended()
    return reader.calls


def _whole(lines: Sequence[str]) -> Iterator[str]:
    """Calls that another thread interrupted are one line again, where they ended."""
    begun: dict[str, str] = {}
    for line in lines:
        pid, _, text = line.partition(" ")
        text = text.strip()
        if text.endswith("<unfinished ...>"):
            begun[pid] = text.removesuffix("<unfinished ...>")
        elif resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", text):
            yield begun.pop(pid) + resumed[1]
        else:
            yield text


_HEX = r'"((?:\\x[0-9a-f]{2})*)"'
_FD = r"(\d+)<((?:\\x[0-9a-f]{2})*)>(?:\(deleted\))?"


@dataclass
class _Reader:
    folder: Path
    calls: list[Call] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    open_files: dict[str, int] = field(default_factory=dict)
    inodes: int = 0
    said: bytes = b""

    def ended(self) -> None:
        """The process is gone, and its open files with it."""
        self.open_files.clear()
        self.said = b""

    def read(self, line: str) -> None:  # noqa: C901, PLR0912 - a branch for each call
        if " = -1 " in line:
            found = re.match(rf"fdatasync\({_FD}", line)
            if found and (inode := self._file(found)) is not None:
                self.calls.append(FailedSync(inode))
            return
        if line.startswith("openat("):
            self._opened(line)
        elif found := re.match(rf"pwrite64\({_FD}, {_HEX}, \d+, (\d+)\)", line):
            if (inode := self._file(found)) is not None:
                self.calls.append(Write(inode, int(found[4]), _bytes(found[3])))
        elif found := re.match(rf"write\({_FD}, {_HEX}", line):
            if found[1] == "1":
                self._spoke(_bytes(found[3]))
            elif self._file(found) is not None:
                raise ValueError("the journal is written at the file's own position")
        elif found := re.match(rf"f(?:data)?sync\({_FD}", line):
            if Path(_bytes(found[2]).decode()) == self.folder:
                self.calls.append(SyncFolder())
            elif (inode := self._file(found)) is not None:
                self.calls.append(Sync(inode))
        elif found := re.match(rf"ftruncate\({_FD}, (\d+)\)", line):
            if (inode := self._file(found)) is not None:
                self.calls.append(Truncate(inode, int(found[3])))
        elif found := re.match(rf"unlink\({_HEX}\)", line):
            if (name := self._name(_bytes(found[1]))) is not None:
                self._bind(name, None)
        elif line.startswith(("rename", "unlinkat", "mkdir")) and str(self.folder) in _plain(line):
            raise ValueError("a call that the recording does not know")

    def _opened(self, line: str) -> None:
        found = re.match(rf"openat\([^,]*, {_HEX}, ([A-Z_|]+).*\) = (\d+)<", line)
        if found is None or (name := self._name(_bytes(found[1]))) is None:
            return
        if name not in self.names and "O_CREAT" in found[2]:
            self.inodes += 1
            self._bind(name, self.inodes)
        if name in self.names:
            self.open_files[found[3]] = self.names[name]

    def _bind(self, name: str, inode: int | None) -> None:
        if inode is None:
            del self.names[name]
        else:
            self.names[name] = inode
        self.calls.append(Bind(name, inode))

    def _spoke(self, text: bytes) -> None:
        self.said += text
        if self.said.endswith(b"\n"):
            self.calls.append(Acknowledged(int(self.said.split()[-1])))

    def _file(self, found: re.Match[str]) -> int | None:
        if self._name(_bytes(found[2])) is None:
            return None
        return self.open_files.get(found[1])

    def _name(self, path: bytes) -> str | None:
        """The journal's files; the shared memory beside them is made anew after every start."""
        whole = Path(path.decode(errors="replace"))
        return whole.name if whole.parent == self.folder and not whole.name.endswith("-shm") else None


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))


def _plain(line: str) -> str:
    return re.sub(_HEX, lambda found: _bytes(found[1]).decode(errors="replace"), line)


@dataclass
class Disk:
    """What is certain, and what has been written since. acknowledged: transactions the process counts on."""

    files: dict[int, bytearray] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    writes: dict[int, list[Write | Truncate]] = field(default_factory=dict)
    binds: list[Bind] = field(default_factory=list)
    acknowledged: int = 0

    def apply(self, call: Call) -> None:
        """The process makes this call."""
        match call:
            case Write(inode=inode) | Truncate(inode=inode):
                self.writes.setdefault(inode, []).append(call)
            case Sync(inode=inode):
                for change in self.writes.pop(inode, []):
                    _change(self.files.setdefault(inode, bytearray()), change)
            case FailedSync(inode=inode):
                self.writes.pop(inode, None)
            case Bind():
                self.binds.append(call)
            case SyncFolder():
                _rename(self.names, self.binds)
                self.binds.clear()
            case Acknowledged(transactions=transactions):
                self.acknowledged = transactions

    @property
    def uncertain(self) -> bool:
        """Whether a power cut now has more than one outcome."""
        return bool(self.binds) or any(self.writes.values())

    def images(self, luck: random.Random, torn: int) -> Iterator[dict[str, bytes]]:
        """What a power cut may leave: everything, nothing uncertain, and so many draws in between."""
        yield self._image(None, len(self.binds))
        if not self.uncertain:
            return
        for bound in range(len(self.binds) + 1):
            yield self._image(luck, bound, chance=0.0)
        for _ in range(torn):
            yield self._image(luck, luck.randint(0, len(self.binds)), chance=luck.random())

    def _image(self, luck: random.Random | None, bound: int, chance: float = 1.0) -> dict[str, bytes]:
        names = dict(self.names)
        _rename(names, self.binds[:bound])
        image = {}
        for name, inode in names.items():
            content = bytearray(self.files.get(inode, b""))
            for change in self.writes.get(inode, []):
                for part in _parts(change):
                    if luck is None or luck.random() < chance:
                        _change(content, part if luck is None else _torn(part, luck))
            image[name] = bytes(content)
        return image


def _parts(change: Write | Truncate) -> Iterator[Write | Truncate]:
    """The sectors of a write, each of which the disk keeps or forgets by itself."""
    if isinstance(change, Truncate):
        yield change
        return
    begin = 0
    while begin < len(change.content):
        end = begin + SECTOR - (change.offset + begin) % SECTOR
        yield Write(change.inode, change.offset + begin, change.content[begin:end])
        begin = end


def _torn(part: Write | Truncate, luck: random.Random) -> Write | Truncate:
    """Once in sixteen only the first bytes of a sector are new."""
    if isinstance(part, Truncate) or luck.randrange(16):
        return part
    return Write(part.inode, part.offset, part.content[: luck.randint(1, len(part.content))])


def _change(content: bytearray, change: Write | Truncate) -> None:
    match change:
        case Truncate(size=size):
            del content[size:]
            content.extend(bytes(size - len(content)))
        case Write(offset=offset, content=new):
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(new)] = new


def _rename(names: dict[str, int], binds: Sequence[Bind]) -> None:
    for bind in binds:
        if bind.inode is None:
            names.pop(bind.name, None)
        else:
            names[bind.name] = bind.inode

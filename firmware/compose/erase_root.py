"""Root's side of a kiosk's end: whatever is the kiosk's on this machine is overwritten and removed. 廃止

The kiosk's user may only ask, by a file; what it says must be what root finds. Once the mark is on disk
there is no way back: each start goes on where the one before was cut, and no kiosk starts beside it.
Standard library alone, as for updates.

    madoguchi-erase     what the kiosk asked for, or what an earlier start began
"""

import contextlib
import json
import os
import sqlite3
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from firmware.logbook import EventId, line
from firmware.whole_file import sync_folder, write_whole

ERASED: Final = (
    "var/lib/madoguchi",
    "var/lib/madoguchi-cups",
    "var/lib/madoguchi-console",
    "var/lib/madoguchi-published",
    "var/lib/madoguchi-updates",
    "etc/madoguchi",
)
"""The journal and the device's key first. The same as `scripts/install --erase`; the folders stay, for on a
machine that runs from an image they are mounts."""

IMAGE: Final = "usr/lib/madoguchi-image"
"""There on a machine that runs from an image, and nowhere else."""

OF_AN_IMAGE: Final = ("data/ssh",)
"""What such a machine keeps of its own beside the kiosk's: its name at its owner's door."""

MARK: Final = "etc/madoguchi/erasing"
"""Only root can write there. The units look for it."""

_MOST_BYTES: Final = 4096
_CHUNK_BYTES: Final = 1 << 20
_COMMAND_SECONDS: Final = 600.0
_KIOSK: Final = "madoguchi.service"
_WRITERS: Final = (
    "madoguchi-worker.socket",
    "madoguchi-worker@*.service",
    "madoguchi-screen-restart.timer",
    "madoguchi-screen.service",
    "madoguchi-cups.service",
    "madoguchi-trial.timer",
    "madoguchi-update.path",
    "madoguchi-mark-good.path",
    "madoguchi-console@*.service",
)
"""Who else may write into the folders."""


def _run(words: Sequence[str]) -> int:
    try:
        return subprocess.run(words, check=False, timeout=_COMMAND_SECONDS).returncode
    except subprocess.TimeoutExpired:
        return -1


@dataclass(frozen=True, slots=True)
class Machine:
    """root: where its tree begins. run: a command, its exit status."""

    root: Path = Path("/")
    run: Callable[[Sequence[str]], int] = _run

    @property
    def wish(self) -> Path:
        """What the kiosk asks for; it goes when the kiosk stops."""
        return self.root / "run/madoguchi/erase-wanted"

    @property
    def mark(self) -> Path:
        """There from before the first file goes until after the last has gone."""
        return self.root / MARK


def erase(machine: Machine) -> int:
    """Carry it out, or go on with it, and switch the machine off. The exit status."""
    if not machine.mark.exists():
        wish = machine.wish
        try:
            said = json.loads(wish.read_bytes()[:_MOST_BYTES])
            urn, seq, chain = str(said["urn"]), int(said["seq"]), bytes.fromhex(said["chain"])
        except (OSError, ValueError, LookupError, TypeError):
            return _refuse(machine, "unreadable")
        # Before anything is compared: a kiosk that still runs would add what nobody has a copy of.
        machine.run(("systemctl", "stop", _KIOSK))
        if machine.run(("systemctl", "is-active", "--quiet", _KIOSK)) == 0:
            return _refuse(machine, "running")
        if _urn(machine) != urn:
            return _refuse(machine, "other-kiosk")
        if _head(machine) != (seq, chain):
            return _refuse(machine, "journal")
        try:
            write_whole(machine.mark, b"", mode=0o600)
        except OSError:
            return _refuse(machine, "write")
    _log(EventId.ERASE_BEGAN)
    machine.run(("systemctl", "stop", _KIOSK, *_WRITERS))
    folders = (*(OF_AN_IMAGE if (machine.root / IMAGE).is_dir() else ()), *ERASED)
    failed = sum(1 for folder in folders for _ in _wiped(machine.root / folder, machine.mark))
    if failed:
        # The mark stays: no kiosk starts here, and the next start tries again.
        _log(EventId.ERASE_FAILED, count=failed)
        return 1
    # Freed blocks, told to a card that can forget them; one that cannot is destroyed all the same.
    machine.run(("systemctl", "start", "fstrim.service"))
    machine.mark.unlink(missing_ok=True)
    sync_folder(machine.mark.parent)
    _log(EventId.ERASE_DONE)
    machine.run(("systemctl", "poweroff"))
    return 0


def _refuse(machine: Machine, reason: str) -> int:
    """The kiosk stays what it was; it starts when this has ended, and serves again."""
    _log(EventId.ERASE_REFUSED, reason=reason)
    machine.run(("systemctl", "restart", "--no-block", _KIOSK))
    return 1


def _urn(machine: Machine) -> str:
    """This kiosk's name as root finds it; empty if it does not."""
    try:
        config = tomllib.loads((machine.root / "etc/madoguchi/kiosk.toml").read_text(encoding="utf-8"))
        return str(config["kiosk"]["urn"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _head(machine: Machine) -> tuple[int, bytes] | None:
    """Number and chain value of the journal's last entry; (0, zeros) of an empty one, None if unsaid.

    Nothing is written beside it, which the kiosk could then not open. A kiosk that was killed leaves entries
    in a log of SQLite's; the next one takes them in.
    """
    journal = machine.root / "var/lib/madoguchi/journal.db"
    try:
        if journal.with_name("journal.db-wal").stat().st_size:
            return None
    except FileNotFoundError:
        pass
    except OSError:
        return None
    try:
        with contextlib.closing(
            sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as opened:
            row = opened.execute("SELECT seq, chain FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
        return (0, bytes(32)) if row is None else (int(row[0]), bytes(row[1]))
    except (sqlite3.Error, ValueError, TypeError):
        return None


def _wiped(folder: Path, mark: Path) -> Iterator[OSError]:
    """Overwrite and remove all that is in the folder, but the mark; whatever could not be."""
    failed: list[OSError] = []
    if not folder.is_dir():
        return
    walk = os.fwalk(folder, topdown=False, onerror=failed.append, follow_symlinks=False)
    for here, folders, files, handle in walk:
        for name in files:
            if Path(here, name) != mark:
                yield from _gone(name, handle)
        for name in folders:
            try:
                os.rmdir(name, dir_fd=handle)
            except NotADirectoryError:  # a link to one
                yield from _gone(name, handle)
            except OSError as error:
                yield error
        with contextlib.suppress(OSError):
            os.fsync(handle)
    yield from failed


def _gone(name: str, folder: int) -> Iterator[OSError]:
    """The user who may have put it there is not followed to where a link of his leads."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            _overwrite(name, folder, status.st_size)
    except OSError as error:
        yield error
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        yield error


def _overwrite(name: str, folder: int, size: int) -> None:
    handle = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        zeros = bytes(min(size, _CHUNK_BYTES))
        while size > 0:
            size -= os.write(handle, zeros[:size])
        os.fsync(handle)
    finally:
        os.close(handle)


def _log(event: EventId, **fields: Any) -> None:
    sys.stderr.write(line(event, datetime.now(UTC), fields) + "\n")


def main(words: Sequence[str]) -> int:
    """The exit status."""
    if words:
        sys.stderr.write(__doc__ or "")
        return 64
    return erase(Machine())

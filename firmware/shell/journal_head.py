"""A word beside the journal about how far it went, so that a tail cut off is found.

It is written after each commit and not synced: after a power cut it may be older than the journal,
never newer. One that cannot be read says nothing.
"""

import contextlib
import hashlib
import hmac
import os
from pathlib import Path

from firmware.ports import JournalHead

_MOST_BYTES = 256


class HeadFile:
    """One line: number, chain value, and a code over both with the journal's key."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._path = path
        self._key = key
        self._file: int | None = None

    def read(self) -> JournalHead | None:
        """What was said last; None if there is nothing or it is damaged."""
        try:
            seq, chain, code = self._path.read_bytes()[:_MOST_BYTES].decode("ascii").split()
            head = JournalHead(int(seq), bytes.fromhex(chain))
        except (OSError, UnicodeDecodeError, ValueError):
            return None
        return head if hmac.compare_digest(code, self._code(head)) else None

    def write(self, head: JournalHead) -> None:
        """Say it; a disk that does not take it loses the word and nothing else."""
        line = f"{head.seq} {head.chain.hex()} {self._code(head)}\n".encode("ascii")
        with contextlib.suppress(OSError):
            if self._file is None:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(self._file, line.ljust(_MOST_BYTES - 1) + b"\n", 0)

    def close(self) -> None:
        """May be called twice."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _code(self, head: JournalHead) -> str:
        text = b"head %d " % head.seq + head.chain
        return hmac.digest(self._key, text, hashlib.sha256)[:16].hex()

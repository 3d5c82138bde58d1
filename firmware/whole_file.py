"""A file written whole or not at all, also when the power goes in the middle."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes, *, mode: int) -> None:
    """Put content in the place of what path holds; on disk, with its name, when this returns. Raises OSError.

    mode: who may read it, from its first byte on, whatever the umask.
    """
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        take_name(file.fileno(), part, path)


def take_name(file: int, part: Path, path: Path) -> None:
    """Have what this descriptor has written to part on disk, under the name of path. Raises OSError."""
    os.fsync(file)
    part.replace(path)
    # On FAT the length stands beside the name; beside a new one it is written with the file, not the folder.
    os.fsync(file)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in it on disk: a rename that is not may be gone after a power cut. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

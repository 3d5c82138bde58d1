"""The support bundle: one file for whoever helps from afar. No person, no key and no claim's number.

Nothing of a person can be in it: it is made of the log, whose fields are words and numbers, of the journal,
which holds nobody's data, of figures and of the configuration, in which keys are only named.
"""

import contextlib
import hashlib
import io
import json
import platform
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from firmware import __version__
from firmware.errors import OfficeRefused
from firmware.settings import Settings
from firmware.whole_file import write_whole

KEPT = 5
"""Older bundles make room."""

_CLAIM = re.compile(r"\b[0-9A-F]{4}-[0-9A-F]{4}\b")
"""Whoever knows a claim's number could ask for its money."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """events: the log's last. journal: the last entries as text. verified: the journal's check."""

    status: str
    facts: dict[str, Any]
    events: list[dict[str, Any]]
    journal: str
    verified: str
    metrics: str


def keep(settings: Settings, name: str, content: bytes) -> Path:
    """Write a file for whoever helps, on disk when this returns: the stick may be pulled. Its path.

    To the technician's stick if one is mounted, else to the kiosk's own folder. Raises OfficeRefused.
    """
    said = settings.file.console
    stick = settings.path(said.stick_folder) if said.stick_folder else None
    folder = stick if stick is not None and stick.is_mount() else settings.path(said.support_folder)
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, content, mode=0o600)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.with_name(f"{name}.part").unlink(missing_ok=True)
        why = error.strerror or str(error)
        raise OfficeRefused("{path} cannot be written: {error}", path=path, error=why) from error
    return path


def claims_covered(text: str) -> str:
    """The text without the numbers of claims."""
    return _CLAIM.sub("****-****", text)


def make_bundle(settings: Settings, config: Path, content: Bundle, stamp: str) -> tuple[Path, str, int]:
    """Write the file; its path, its SHA-256 in hexadecimal and its length in bytes. Raises OfficeRefused."""
    packed = _packed(settings, config, content)
    path = keep(settings, f"bundle-{stamp}.tar.gz", packed)
    # In its own folder alone: a stick may hold those of other kiosks.
    own = settings.path(settings.file.console.support_folder)
    for old in sorted(own.glob("bundle-*.tar.gz"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return path, hashlib.sha256(packed).hexdigest(), len(packed)


def _packed(settings: Settings, config: Path, content: Bundle) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in _files(settings, config, content):
            octets = claims_covered(text).encode()
            entry = tarfile.TarInfo(f"bundle/{name}")
            entry.size = len(octets)
            archive.addfile(entry, io.BytesIO(octets))
    return packed.getvalue()


def _files(settings: Settings, config: Path, content: Bundle) -> Iterator[tuple[str, str]]:
    yield "status.txt", content.status + "\n"
    yield "status.json", json.dumps(content.facts, indent=1)
    yield "events.jsonl", "".join(json.dumps(event) + "\n" for event in content.events)
    yield "journal.txt", content.journal
    yield "journal-verified.txt", content.verified
    yield "metrics.txt", content.metrics
    yield "kiosk.toml", config.read_text(encoding="utf-8")
    for profile in settings.file.kiosk.profiles:
        yield Path(profile).name, settings.path(profile).read_text(encoding="utf-8")
    yield "versions.txt", "".join(f"{line}\n" for line in _versions())


def _versions() -> Iterator[str]:
    yield f"madoguchi {__version__}"
    yield f"python {platform.python_version()} {platform.machine()} {platform.release()}"
    yield from sorted(f"{one.metadata['Name']} {one.version}" for one in metadata.distributions())

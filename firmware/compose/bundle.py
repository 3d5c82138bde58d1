"""The support bundle: one file for whoever helps from afar. No person, no key and no claim's number.

Nothing of a person can be in it: it is made of the log, whose fields are words and numbers, of the journal,
which holds nobody's data, of figures and of the configuration, in which keys are only named.
"""

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
from firmware.settings import Settings

KEPT = 5
"""Older bundles and exports make room."""

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


def folder_for(settings: Settings) -> Path:
    """Where bundles and exports lie."""
    return settings.path(settings.file.console.support_folder)


def claims_covered(text: str) -> str:
    """The text without the numbers of claims."""
    return _CLAIM.sub("****-****", text)


def make_bundle(settings: Settings, config: Path, content: Bundle, stamp: str) -> tuple[Path, str, int]:
    """Write the file; its path, its SHA-256 in hexadecimal and its length in bytes."""
    folder = folder_for(settings)
    folder.mkdir(parents=True, exist_ok=True)
    packed = _packed(settings, config, content)
    path = folder / f"bundle-{stamp}.tar.gz"
    path.write_bytes(packed)
    path.chmod(0o600)
    for old in sorted(folder.glob("bundle-*.tar.gz"))[:-KEPT]:
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

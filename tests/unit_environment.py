"""What a unit of the kiosk sets in the environment of its program."""

import shlex
from pathlib import Path

KIOSK = Path(__file__).resolve().parents[1] / "systemd" / "madoguchi.service"


def wiping() -> dict[str, str]:
    """By which the kiosk's freed memory is overwritten. Raises KeyError if the unit does not say it."""
    said = [line.partition("=")[2] for line in KIOSK.read_text(encoding="utf-8").splitlines() if _sets(line)]
    every = dict(word.split("=", 1) for words in said for word in shlex.split(words))
    return {name: every[name] for name in ("PYTHONMALLOC", "GLIBC_TUNABLES")}


def _sets(line: str) -> bool:
    return line.startswith("Environment=")

"""What the journal may hold: a former system must still read it after an update was rolled back.

    .venv/bin/python -m tests.unit.test_journal_kinds > tests/unit/journal_kinds.txt

is for who has read decision 60.
"""

import dataclasses
import enum
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

from firmware.core.records import Record

APPROVED = Path(__file__).with_name("journal_kinds.txt")


def shape(told: Any) -> str:
    """A type by name, a class of ours by what it holds."""
    if isinstance(told, type) and dataclasses.is_dataclass(told):
        return f"({', '.join(f'{name} {shape(one)}' for name, one in get_type_hints(told).items())})"
    if inner := get_args(told):
        return f"[{', '.join(map(shape, inner))}]"
    if isinstance(told, type) and issubclass(told, enum.Enum):
        return f"{{{' '.join(sorted(str(word.value) for word in told))}}}"
    base = getattr(told, "__supertype__", told)
    return "more" if base is Ellipsis else getattr(base, "__name__", str(base))


def listing() -> str:
    """Kind and fields, each field that may be left out with a question mark."""
    lines = []
    for kind in get_args(Record):
        hints = get_type_hints(kind)
        for one in dataclasses.fields(kind):
            optional = one.default is not dataclasses.MISSING
            lines.append(f"{kind.__name__} {one.name}{'?' * optional} {shape(hints[one.name])}")
        if not hints:
            lines.append(kind.__name__)
    return "".join(f"{line}\n" for line in sorted(lines))


def test_the_journal_holds_what_its_former_version_reads() -> None:
    """A change here is one that a kiosk rolled back cannot read: decision 60 says how it is made."""
    assert APPROVED.read_text(encoding="utf-8") == listing()


if __name__ == "__main__":
    sys.stdout.write(listing())

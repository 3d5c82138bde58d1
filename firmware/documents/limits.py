"""The profile's character limits, checked a second time before the money (R14).

A character is what the person sees as one, see `characters`. Text without a limit of its own has a common
one, so that nothing that came in endless keeps the kiosk busy; the page's own room is smaller.
"""

from collections.abc import Iterator, Mapping

import msgspec

from firmware.documents.characters import count
from firmware.documents.contents import Document
from firmware.documents.refusals import DocumentRefused, Reason

FIELDS = frozenset(
    """
    address head name alias relation domicile family_head nationality article_30_45 residence_status
    residence_period previous_address
    """.split()
)
"""Fields of R14 by their names in the protocol."""

MOST_CHARACTERS = 200
"""Of any text that R14 does not name."""

MOST_ENTRIES = 1000
"""Persons of a household, lines of a list of amounts."""

_POINTS_A_CHARACTER = 8
_PICTURES = frozenset({"seal"})


def check_limits(document: Document, limits: Mapping[str, int]) -> None:
    """Raises DocumentRefused naming the first field that is over its limit, never its value."""
    for field, text in _texts(document):
        most = limits.get(field, MOST_CHARACTERS)
        # Marks are characters of nobody: a letter under thousands of them is an attack, not a name.
        if len(text) > most * _POINTS_A_CHARACTER or count(text) > most:
            raise DocumentRefused(Reason.OVERFLOW, f"{field} has more than {most} characters")


def _texts(part: msgspec.Struct) -> Iterator[tuple[str, str]]:
    """Every text with the name of its field, in the order of the protocol."""
    for field, value in msgspec.structs.asdict(part).items():
        if isinstance(value, str) and field not in _PICTURES:
            yield field, value
        elif isinstance(value, tuple):
            if len(value) > MOST_ENTRIES:
                raise DocumentRefused(Reason.OVERFLOW, f"{field} has more than {MOST_ENTRIES} entries")
            for entry in value:
                yield from _texts(entry)

"""The profile's character limits, checked a second time before the money (R14).

A character is what the person sees as one. The worker refuses combining marks and variation
sequences anyway, so each code point that is left is one character.
"""

from collections.abc import Mapping

from firmware.documents.contents import Document, Inkan, Juminhyo, Person, Shotoku
from firmware.documents.refusals import DocumentRefused, Reason

FIELDS = frozenset(
    """
    address head name alias relation domicile family_head nationality article_30_45 residence_status
    residence_period previous_address
    """.split()
)
"""Fields of R14 by their names in the protocol."""


def check_limits(document: Document, limits: Mapping[str, int]) -> None:
    """Raises DocumentRefused naming the first field that is over its limit, never its value."""
    match document:
        case Juminhyo(persons=persons):
            _check(document, limits)
            for person in persons:
                _check(person, limits)
        case Inkan() | Shotoku():
            _check(document, limits)


def _check(part: Document | Person, limits: Mapping[str, int]) -> None:
    for field, most in limits.items():
        text = getattr(part, field, None)
        if text is not None and len(text) > most:
            raise DocumentRefused(Reason.OVERFLOW, f"{field} has more than {most} characters")

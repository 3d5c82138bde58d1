"""The backs that the municipality signed, compared with the order before they are drawn.

The kiosk can open a back by the secret of the front's code alone, and can sign none.
"""

import hashlib
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from firmware.documents.contents import Contents, Document, Juminhyo
from firmware.documents.juminhyo import PERSONS_A_SHEET
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.scramble.errors import NotGenuine
from firmware.documents.scramble.keys import Keys
from firmware.documents.scramble.sheet import (
    LAYOUT,
    SECRET_BYTES,
    Claims,
    Front,
    OpenedSheet,
    Sheet,
    claimed,
    front_text,
    open_sheet,
    set_faults,
)
from firmware.documents.sealed import Opened, from_base64url

_COPY_PATTERN_BYTES = 32
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class SignedBacks:
    """messages: the body of each sheet's raster; front_code: text of the small code, None if there is none.

    copy_pattern: from which the copy-detection patterns are drawn; city_seal: SHA-256 of the PNG that the
    fronts must bear.
    """

    messages: tuple[bytes, ...]
    front_code: str | None
    copy_pattern: bytes
    city_seal: bytes


def signed_backs(opened: Opened, sheets: int) -> SignedBacks:
    """The backs of these contents, each opened and compared with what its front will say.

    Raises DocumentRefused: PROTECTION_INVALID naming the item, CONTENTS_INVALID.
    """
    contents = opened.contents
    protection = contents.protection
    if protection is None:
        raise DocumentRefused(Reason.PROTECTION_INVALID, "missing")
    secret, copy_pattern = from_base64url(protection.secret), from_base64url(protection.copy_pattern)
    _same("secret", SECRET_BYTES, len(secret))
    _same("copy pattern", _COPY_PATTERN_BYTES, len(copy_pattern))
    messages = tuple(map(from_base64url, protection.backs))
    _same("sheets", sheets, len(messages))
    try:
        backs = [claimed(message) for message in messages]
        fronts = [_opened(back, secret) for back in backs]
    except NotGenuine as fault:
        raise DocumentRefused(Reason.PROTECTION_INVALID, "message") from fault
    _same("set", ([], []), set_faults(backs))
    for number, (back, front) in enumerate(zip(backs, fronts, strict=True), start=1):
        _compare_claims(back.claims, contents, number, sheets)
        _compare_front(front.front, contents)
        _compare_document(front.opened.document, opened.document, number)
    seals = {front.front.city_seal for front in fronts}
    _same("city seals", 1, len(seals))
    code = front_text(secret) if protection.front_code else None
    return SignedBacks(messages, code, copy_pattern, seals.pop())


def check_city_seal(backs: SignedBacks | None, png: bytes) -> None:
    """That the seal given with the authority is the one that was signed. Raises DocumentRefused."""
    _same("city seal", None if backs is None else backs.city_seal, hashlib.sha256(png).digest())


def _opened(back: Sheet, secret: bytes) -> OpenedSheet:
    front = open_sheet(back, Keys(), secret)
    if front is None:
        raise NotGenuine("the front's code opens nothing")
    return front


def _compare_claims(claims: Claims, contents: Contents, number: int, sheets: int) -> None:
    _same("place", (number, sheets), (claims.sheet, claims.sheets))
    _same("number", contents.number, claims.number)
    _same("issued_on", contents.issued_on, claims.issued_on)
    _same("issuer", contents.municipality.name, claims.issuer)


def _compare_front(front: Front, contents: Contents) -> None:
    _same("layout", LAYOUT, front.layout)
    _same("kind", contents.kind, front.kind)
    _same("municipality", contents.municipality, front.municipality)


def _compare_document(signed: Document, ordered: Document, number: int) -> None:
    """A sheet of a 住民票の写し carries its own persons, behind stand-ins for those of the sheets before."""
    if isinstance(signed, Juminhyo) and isinstance(ordered, Juminhyo):
        first = PERSONS_A_SHEET * (number - 1)
        _same("persons", ordered.persons[first : first + PERSONS_A_SHEET], signed.persons[first:])
        signed, ordered = (msgspec.structs.replace(each, persons=()) for each in (signed, ordered))
    _same("document", ordered, signed)


def _same(what: str, expected: _Part, actual: _Part) -> None:
    if expected != actual:
        raise DocumentRefused(Reason.PROTECTION_INVALID, what)

"""The message on the back of one sheet: which sheet of which certificate, and what its front must say.

FORMAT.md, section 5. Known without opening: certificate id, sheet n of N, issue number, date, issuer, and
the digest over all sheets.
"""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal, assert_never

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from firmware.core.terms import CertificateKind
from firmware.documents import juminhyo
from firmware.documents.contents import Contents, Document, Inkan, IssuingMunicipality, Juminhyo, Shotoku
from firmware.documents.scramble import cose
from firmware.documents.scramble.errors import NotGenuine, Sentence
from firmware.documents.scramble.keys import Keys
from firmware.documents.sealed import Opened
from firmware.documents.sheet import Place

FRONT_KEY_ID = "front"
FRONT_PREFIX = "MSF1"
LAYOUT = 1
"""Version of the printed forms; another one is told in words only."""

SECRET_BYTES = 16

_ID_BYTES, _DIGEST_BYTES = 16, 32
_MOST_SHEETS = 255
_MOST_PLAINTEXT = 65536


@dataclass(frozen=True, slots=True)
class Claims:
    """What the signature covers in clear. digest: over the sealed contents of all sheets."""

    certificate_id: bytes
    sheet: int
    sheets: int
    number: str
    issued_on: date
    issuer: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Sheet:
    """One back, from `check` one whose signature is good. sealed: its COSE_Encrypt."""

    claims: Claims
    key_id: str
    sealed: bytes


class Front(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Plaintext of one sheet. city_seal: SHA-256 of the seal's PNG; document: of this sheet alone."""

    v: Literal[1]
    kind: CertificateKind
    layout: int
    number: str
    issued_on: date
    municipality: IssuingMunicipality
    city_seal: bytes
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OpenedSheet:
    """What the front of a sheet must say, ready for the layouts."""

    front: Front
    opened: Opened
    place: Place


def check(message: bytes, keys: Keys) -> Sheet:
    """The sheet of a raster's body if a known key of the municipality signed it. Raises NotGenuine."""
    key_id, payload = cose.signed_by(message, keys.public_key)
    claims, sealed = _claims(cose.decode(payload, "claims"))
    key = keys.signing[key_id]
    if claims.issuer != key.issuer:
        raise NotGenuine(
            f"key {key_id} is not of the issuer that the sheet names",
            f"鍵「{key_id}」は、証明書に書かれた発行者のものではありません。",
        )
    if not key.first <= claims.issued_on <= key.last:
        raise NotGenuine(
            f"key {key_id} was not in use on {claims.issued_on}",
            f"鍵「{key_id}」は、発行日（{claims.issued_on}）には使われていませんでした。",
        )
    return Sheet(claims, key_id, sealed)


def claimed(message: bytes) -> Sheet:
    """The sheet of a body as it says itself, whoever signed it. Raises NotGenuine."""
    key_id, payload = cose.claimed_by(message)
    claims, sealed = _claims(cose.decode(payload, "claims"))
    return Sheet(claims, key_id, sealed)


def open_sheet(sheet: Sheet, keys: Keys, front_secret: bytes | None = None) -> OpenedSheet | None:
    """What the front must say; None without a key or secret that could open it.

    Raises NotGenuine: the secret of another certificate, or contents that contradict the claims.
    """
    claims = sheet.claims
    bound_to = cose.encode([claims.certificate_id, claims.sheet, claims.sheets])
    for key_id, wrapped in cose.recipients(sheet.sealed):
        wrapping_key = keys.opening.get(key_id)
        if key_id == FRONT_KEY_ID and front_secret is not None:
            wrapping_key = _front_key(front_secret, claims.certificate_id)
        if wrapping_key is not None:
            return _front(sheet, cose.opened(sheet.sealed, wrapped, wrapping_key, bound_to))
    return None


def set_faults(sheets: Sequence[Sheet]) -> tuple[list[Sentence], list[int]]:
    """Of the sheets handed in together: what does not belong together, and the numbers that are missing."""
    first = sheets[0].claims
    faults = []
    by_number: dict[int, Sheet] = {}
    for sheet in sheets:
        claims = sheet.claims
        if claims.certificate_id != first.certificate_id:
            faults.append(
                Sentence(
                    f"{claims.sheet}／{claims.sheets}枚目は、別の証明書（{claims.number}）のものです。",
                    f"sheet {claims.sheet}/{claims.sheets} belongs to another certificate ({claims.number})",
                )
            )
        elif replace(claims, sheet=first.sheet) != first:
            faults.append(
                Sentence(
                    f"{claims.sheet}／{claims.sheets}枚目が、{first.sheet}／{first.sheets}枚目と食い違っています。",
                    f"sheet {claims.sheet}/{claims.sheets} contradicts sheet {first.sheet}/{first.sheets}",
                )
            )
        elif by_number.setdefault(claims.sheet, sheet).sealed != sheet.sealed:
            faults.append(
                Sentence(
                    f"{claims.sheet}／{claims.sheets}枚目が、内容の異なる2枚あります。",
                    f"sheet {claims.sheet}/{claims.sheets} exists twice with different contents",
                )
            )
    missing = [number for number in range(1, first.sheets + 1) if number not in by_number]
    if not missing and digest([by_number[number].sealed for number in sorted(by_number)]) != first.digest:
        faults.append(
            Sentence("全枚数をそろえた照合値が合いません。", "the digest over all sheets does not agree")
        )
    return faults, missing


def digest(sealed: Sequence[bytes]) -> bytes:
    """The digest over all sheets, in their order."""
    return hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in sealed)).digest()


def front_secret(text: str) -> bytes | None:
    """The secret in a front's small code, or None if the text is none."""
    prefix, _, encoded = text.strip().upper().partition("-")
    try:
        secret = base64.b32decode(encoded.replace("-", "") + "======")
    except (binascii.Error, ValueError):
        return None
    return secret if prefix == FRONT_PREFIX and len(secret) == SECRET_BYTES else None


def front_text(secret: bytes) -> str:
    """The text of a front's small code."""
    return f"{FRONT_PREFIX}-{base64.b32encode(secret).decode('ascii').rstrip('=')}"


def _front_key(secret: bytes, certificate_id: bytes) -> bytes:
    derivation = HKDF(hashes.SHA256(), length=32, salt=certificate_id, info=b"madoguchi-scramble-front-1")
    return derivation.derive(secret)


def _claims(value: Any) -> tuple[Claims, bytes]:
    kinds = {1: bytes, 2: int, 3: int, 4: str, 5: str, 6: str, 7: bytes, 8: bytes}
    if not isinstance(value, Mapping) or set(value) != set(kinds):
        raise NotGenuine("claims: not the items of version 1")
    if any(type(value[item]) is not kind for item, kind in kinds.items()):
        raise NotGenuine("claims: an item of another type")
    try:
        issued_on = date.fromisoformat(value[5])
    except ValueError as cause:
        raise NotGenuine("claims: no date of issue") from cause
    claims = Claims(value[1], value[2], value[3], value[4], issued_on, value[6], value[7])
    if len(claims.certificate_id) != _ID_BYTES or len(claims.digest) != _DIGEST_BYTES:
        raise NotGenuine("claims: an id or digest of another length")
    if not 1 <= claims.sheet <= claims.sheets <= _MOST_SHEETS:
        raise NotGenuine("claims: no such sheet")
    return claims, value[8]


def _front(sheet: Sheet, plaintext: bytes) -> OpenedSheet:
    inflater = zlib.decompressobj()
    try:
        encoded = inflater.decompress(plaintext, _MOST_PLAINTEXT)
    except zlib.error as cause:
        raise NotGenuine("contents: not compressed") from cause
    if not inflater.eof or inflater.unused_data:
        raise NotGenuine("contents: longer than a sheet can be")
    try:
        front = msgspec.convert(cose.decode(encoded, "contents"), Front)
        document = msgspec.convert(front.document, _document_type(front.kind))
    except msgspec.ValidationError:
        # The message may quote a field: it stays out of the chain of causes.
        raise NotGenuine("contents: not what the format says") from None
    claims = sheet.claims
    if (front.number, front.issued_on, front.municipality.name) != (
        claims.number,
        claims.issued_on,
        claims.issuer,
    ):
        raise NotGenuine(
            "contents: they contradict the claims",
            "発行番号・発行日・発行者が、うら面の中で食い違っています。",
        )
    place = Place(claims.sheet, claims.sheets)
    return OpenedSheet(front, Opened(_contents(front), _in_place(document, place)), place)


def _document_type(kind: CertificateKind) -> type[Document]:
    match kind:
        case CertificateKind.JUMINHYO:
            return Juminhyo
        case CertificateKind.INKAN:
            return Inkan
        case CertificateKind.SHOTOKU:
            return Shotoku
        case _:
            assert_never(kind)


def _contents(front: Front) -> Contents:
    """As the layouts take it; what belongs to a visit is empty."""
    return Contents(
        v=1,
        order_id="",
        session_id="",
        kiosk="",
        person_ref="",
        kind=front.kind,
        copies=1,
        number=front.number,
        issued_on=front.issued_on,
        municipality=front.municipality,
        protection=None,
        document=msgspec.Raw(b"null"),
    )


def _in_place(document: Document, place: Place) -> Document:
    """With stand-ins for the persons of the sheets before, which this sheet does not know."""
    if not isinstance(document, Juminhyo):
        return document
    before = juminhyo.PERSONS_A_SHEET * (place.sheet - 1)
    if not 1 <= len(document.persons) <= juminhyo.PERSONS_A_SHEET:
        raise NotGenuine("contents: no persons of one sheet")
    return msgspec.structs.replace(document, persons=(document.persons[0],) * before + document.persons)

"""Opening what the municipality sealed for this process, and comparing it with what was asked for.

Envelope, UTF-8 JSON, binary as base64url without padding: {"v": 1, "key": HPKE base mode of a 32-byte
content key, "nonce": 12 bytes, "ciphertext": AES-256-GCM}. HPKE info and GCM associated data are the same
bytes and bind order, session and kiosk, and the numbers of the members where single ones were ordered.
Source: RFC 9180 (DHKEM(X25519, HKDF-SHA256), AES-256-GCM).
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Literal, TypeVar, assert_never

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from firmware.core.terms import CertificateKind, RecordItem, Subjects
from firmware.documents.contents import Authority, Contents, Document, Inkan, Juminhyo, Shotoku
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.ports import OrderRequest

CONTENTS_PURPOSE = b"madoguchi-contents-v1"
AUTHORITY_PURPOSE = b"madoguchi-authority-v1"

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_KEY_BYTES = 32
_NONCE_BYTES = 12
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*\Z")

_Plaintext = TypeVar("_Plaintext")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the daemon asked the municipality for, in whose session, on which kiosk (its URN)."""

    request: OrderRequest
    session_id: str
    kiosk: str
    person_ref: str

    def binding(self, purpose: bytes) -> bytes:
        """The bytes an envelope of this purpose is bound to."""
        members = ",".join(map(str, self.request.members))
        words = (self.request.order_id, self.session_id, self.kiosk, *([members] if members else []))
        return b"\0".join([purpose, *(word.encode() for word in words)])


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal[1]
    key: str
    nonce: str
    ciphertext: str


@dataclass(frozen=True, slots=True)
class Opened:
    """Contents of the right order, with their document decoded by its kind.

    fingerprint: hex SHA-256 of the plaintext. It holds session and person_ref, random words of one session.
    """

    contents: Contents
    document: Document
    fingerprint: str = ""


def open_contents(sealed: bytes, private_key: X25519PrivateKey, asked: Asked) -> Opened:
    """The contents sealed for this key and this order.

    Raises DocumentRefused: SEALED_INVALID, CONTENTS_INVALID or MISMATCH.
    """
    plaintext = _opened(sealed, private_key, asked.binding(CONTENTS_PURPOSE))
    contents = _decoded(plaintext, Contents)
    document = _decoded(bytes(contents.document), _document_type(contents.kind))
    for field, expected, actual in (
        ("order_id", asked.request.order_id, contents.order_id),
        ("session_id", asked.session_id, contents.session_id),
        ("kiosk", asked.kiosk, contents.kiosk),
        ("person_ref", asked.person_ref, contents.person_ref),
        ("kind", asked.request.kind, contents.kind),
        ("copies", asked.request.copies, contents.copies),
        ("members", asked.request.members, contents.members),
    ):
        if expected != actual:
            raise DocumentRefused(Reason.MISMATCH, field)
    if isinstance(document, Juminhyo):
        _compare_record(document, asked.request)
    return Opened(contents, document, hashlib.sha256(plaintext).hexdigest())


def open_authority(
    authority: bytes, private_key: X25519PrivateKey, asked: Asked, contents: Contents
) -> Authority:
    """The authority that belongs to these contents.

    Raises DocumentRefused: SEALED_INVALID, CONTENTS_INVALID or MISMATCH.
    """
    plaintext = _opened(authority, private_key, asked.binding(AUTHORITY_PURPOSE))
    opened = _decoded(plaintext, Authority)
    if opened.order_id != contents.order_id or opened.number != contents.number:
        raise DocumentRefused(Reason.MISMATCH, "authority")
    return opened


def from_base64url(text: str, reason: Reason = Reason.CONTENTS_INVALID) -> bytes:
    """Binary of a field, strictly base64url without padding. Raises DocumentRefused for reason."""
    if not _BASE64URL.match(text):
        raise DocumentRefused(reason, "base64url")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as cause:
        raise DocumentRefused(reason, "base64url") from cause


def _opened(sealed: bytes, private_key: X25519PrivateKey, binding: bytes) -> bytes:
    try:
        envelope = msgspec.json.decode(sealed, type=_Envelope)
        sealed_key, nonce, ciphertext = (
            from_base64url(field, Reason.SEALED_INVALID)
            for field in (envelope.key, envelope.nonce, envelope.ciphertext)
        )
        key = _SUITE.decrypt(sealed_key, private_key, info=binding)
        if len(key) != _KEY_BYTES or len(nonce) != _NONCE_BYTES:
            raise DocumentRefused(Reason.SEALED_INVALID, "length")
        return AESGCM(key).decrypt(nonce, ciphertext, binding)
    except (msgspec.DecodeError, InvalidTag, UnicodeDecodeError) as cause:
        raise DocumentRefused(Reason.SEALED_INVALID) from cause


def _decoded(plaintext: bytes, kind: type[_Plaintext]) -> _Plaintext:
    try:
        return msgspec.json.decode(plaintext, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The decoder's message may quote a field: it stays out of the chain of causes.
        raise DocumentRefused(Reason.CONTENTS_INVALID, kind.__name__) from None


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


def _compare_record(document: Juminhyo, request: OrderRequest) -> None:
    """A record must show the persons asked for, no item that the applicant left out, and every number."""
    household = request.subjects is Subjects.HOUSEHOLD
    if document.whole_household != household or not document.persons:
        raise DocumentRefused(Reason.MISMATCH, "whole_household")
    if not household and len(document.persons) != (len(request.members) or 1):
        raise DocumentRefused(Reason.MISMATCH, "persons")
    if (request.subjects is Subjects.MEMBERS) != bool(request.members):
        raise DocumentRefused(Reason.MISMATCH, "members")
    shown = {
        RecordItem.HEAD_AND_RELATION: [document.head, *(person.relation for person in document.persons)],
        RecordItem.REGISTERED_DOMICILE: [
            value for person in document.persons for value in (person.domicile, person.family_head)
        ],
        RecordItem.MY_NUMBER: [person.my_number for person in document.persons],
    }
    for item, values in shown.items():
        if item not in request.items and any(value is not None for value in values):
            raise DocumentRefused(Reason.MISMATCH, item.value)
    # Whoever asks for an item pays for it: a paper that lacks it is of no use. 本籍 is of Japanese alone.
    japanese = [person for person in document.persons if person.nationality is None]
    needed = shown | {
        RecordItem.REGISTERED_DOMICILE: [
            value for person in japanese for value in (person.domicile, person.family_head)
        ],
    }
    for item in request.items:
        if None in needed[item]:
            raise DocumentRefused(Reason.MISMATCH, item.value)

"""The conversation with the JPKI application (公的個人認証AP), up to but without VERIFY. Blocking.

What the card says is translated here: a card that cannot be used raises CardUnusable with the reason.
"""

from collections.abc import Callable

from cryptography import x509

from firmware.core.terms import CardKind, CardRefusal
from firmware.errors import CardGone, CardUnusable
from hw.card.apdu import (
    FULL_READ,
    File,
    Reply,
    parse_reply,
    query_tries,
    read_binary,
    select_file,
    select_jpki,
    tries_left,
)
from hw.card.certificate import der_bytes

Transmit = Callable[[list[int]], bytes]
"""Sends one command and gives the card's whole answer."""

LABEL_BYTES = 32
LABELS = {
    b"JPKIAPICCTOKEN2".ljust(LABEL_BYTES): CardKind.MY_NUMBER_CARD,
    b"JPKIAPICCTOKEN".ljust(LABEL_BYTES): CardKind.JUKI_CARD,
    b"JPKIAPGPSETOKEN".ljust(LABEL_BYTES): CardKind.SMARTPHONE,
    b"JPKIAPIOSTOKEN".ljust(LABEL_BYTES): CardKind.SMARTPHONE,
}
"""The first 32 bytes of the token file; the old card's label is a prefix of the present one's."""

REFUSALS = {
    CardKind.JUKI_CARD: CardRefusal.JUKI_CARD,
    CardKind.SMARTPHONE: CardRefusal.SMARTPHONE,
    CardKind.OTHER: CardRefusal.NOT_A_MY_NUMBER_CARD,
}

_ABSENT = (0x6A82, 0x6982, 0x6986, 0x6B00)
"""Answers of a file that is not there, holds nothing or may not be read."""


def open_my_number_card(transmit: Transmit) -> None:
    """Select the application and make sure that this is a My Number Card."""
    kind = card_kind(transmit)
    if kind is not CardKind.MY_NUMBER_CARD:
        raise CardUnusable(REFUSALS[kind])


def card_kind(transmit: Transmit) -> CardKind:
    """What lies there, told by its application and token label."""
    reply = parse_reply(transmit(select_jpki()))
    if reply.status_word in (0, 0x6F00):  # some cards answer so to the first command after power-up
        reply = parse_reply(transmit(select_jpki()))
    if reply.status_word in (0, 0x6F00):
        raise CardUnusable(CardRefusal.UNREADABLE)
    if not reply.is_ok:
        return CardKind.OTHER
    return LABELS.get(_read(transmit, File.TOKEN, LABEL_BYTES).body, CardKind.OTHER)


def read_certificate(transmit: Transmit) -> bytes:
    """The user-authentication certificate, DER without the filler behind it."""
    availability = _read(transmit, File.AVAILABILITY, 3)
    if availability.is_ok and availability.body[1:2] == b"\x00":
        raise CardUnusable(CardRefusal.NO_CERTIFICATE)
    first = _read(transmit, File.CERTIFICATE, FULL_READ)
    length = der_bytes(first.body)
    if first.status_word in _ABSENT or (first.is_ok and length is None):
        raise CardUnusable(CardRefusal.NO_CERTIFICATE)
    if not first.is_ok or length is None:
        raise CardUnusable(CardRefusal.UNREADABLE)
    der = bytearray(first.body[:length])
    while len(der) < length:
        reply = _ask(transmit, read_binary(len(der), min(FULL_READ, length - len(der))))
        if not reply.is_ok or not reply.body:
            raise CardUnusable(CardRefusal.UNREADABLE)
        der += reply.body
    return bytes(der)


def parse_certificate(der: bytes) -> x509.Certificate:
    """Raises CardUnusable when the bytes are no certificate."""
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as cause:
        raise CardUnusable(CardRefusal.UNREADABLE) from cause


def read_tries(transmit: Transmit) -> int:
    """PIN tries left; asking costs none."""
    select(transmit, File.PIN)
    left = tries_left(_ask(transmit, query_tries()).status_word)
    if left is None:
        raise CardUnusable(CardRefusal.UNREADABLE)
    return left


def select(transmit: Transmit, file: File) -> None:
    """Select a file that a My Number Card has. Raises CardGone if this card does not answer so."""
    if not _ask(transmit, select_file(file)).is_ok:
        raise CardGone(f"selecting {file.name}")


def _read(transmit: Transmit, file: File, length: int) -> Reply:
    selected = _ask(transmit, select_file(file))
    return _ask(transmit, read_binary(0, length)) if selected.is_ok else selected


def _ask(transmit: Transmit, command: list[int]) -> Reply:
    reply = parse_reply(transmit(command))
    if reply.status_word == 0:  # what pcscd makes of a card torn away during the command
        raise CardGone("no answer")
    return reply

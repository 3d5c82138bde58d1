"""The conversation with the JPKI application (公的個人認証AP), up to but without VERIFY. Blocking.

What the card says is translated here: a card that cannot be used raises CardUnusable with the reason.
Every conversation ends: no answer can make it ask more than a fixed number of commands.
"""

from collections.abc import Callable

from cryptography import x509

from firmware.core.terms import CardKind, CardRefusal
from firmware.errors import CardGone, CardUnusable
from hw.card import apdu
from hw.card.algorithm import Algorithm, algorithm
from hw.card.apdu import FULL_READ, OTHER_APPLICATIONS, Reply, parse_reply, read_binary, tries_left
from hw.card.certificate import der_bytes
from hw.card.profile import LABEL_BYTES, PROFILES, CardProfile, File

Transmit = Callable[[list[int]], bytes]
"""Sends one command and gives the card's whole answer."""

REFUSALS = {
    CardKind.JUKI_CARD: CardRefusal.JUKI_CARD,
    CardKind.SMARTPHONE: CardRefusal.SMARTPHONE,
    CardKind.DRIVING_LICENCE: CardRefusal.DRIVING_LICENCE,
    CardKind.RESIDENCE_CARD: CardRefusal.RESIDENCE_CARD,
    CardKind.FELICA: CardRefusal.FELICA,
    CardKind.BANK_CARD: CardRefusal.BANK_CARD,
    CardKind.OTHER: CardRefusal.NOT_A_MY_NUMBER_CARD,
}

MOST_CERTIFICATE_BYTES = 4096
MOST_READS = 32
MOST_PARTS = 4
"""Of one answer given piece by piece. A card that goes on for ever must not hold the reader."""

_NOT_AWAKE = (0, 0x6F00)
"""So some cards answer to the first command after power-up."""

_NO_APPLICATION = (0x6A81, 0x6A82, 0x6D00, 0x6E00, 0x6999)
"""Answers to SELECT by what surely has no such application: other cards, and readers for storage cards.

Any other word may be a My Number Card in trouble, which must not count as a wrong card.
"""

_ABSENT = (0x6A82, 0x6982, 0x6986, 0x6B00)
"""Answers of a file that is not there, holds nothing or may not be read."""

_FELICA_ATR = bytes.fromhex("4F0CA00000030611")
"""Historical bytes of FeliCa, which has no applications. Source: PC/SC part 3, section 3.1.3.2.3."""


def open_my_number_card(
    transmit: Transmit, atr: Callable[[], bytes], smartphone_labels: frozenset[bytes]
) -> CardProfile:
    """Select the application and make sure that this is a My Number Card.

    atr: costs no command. smartphone_labels: 32 bytes each.
    """
    kind, profile = card_kind(transmit, atr, smartphone_labels)
    if profile is None or kind is not CardKind.MY_NUMBER_CARD:
        raise CardUnusable(REFUSALS.get(kind, CardRefusal.NOT_A_MY_NUMBER_CARD))
    return profile


def card_kind(
    transmit: Transmit, atr: Callable[[], bytes], smartphone_labels: frozenset[bytes]
) -> tuple[CardKind, CardProfile | None]:
    """What lies there and, if it has an application of ours, the profile.

    A storage card is told by its ATR, every other by its applications and the token label. Raises
    CardUnusable for a card that does not say whether it has the application.
    """
    if _FELICA_ATR in atr():
        return CardKind.FELICA, None
    for profile in PROFILES:
        command = apdu.select_application(profile.aid)
        reply = parse_reply(transmit(command))
        if reply.status_word in _NOT_AWAKE:
            reply = parse_reply(transmit(command))
        if reply.is_ok:
            token = _read(transmit, profile, File.TOKEN, LABEL_BYTES)
            return _labelled(profile, token, smartphone_labels), profile
        if reply.body or reply.status_word not in _NO_APPLICATION:
            raise CardUnusable(CardRefusal.UNREADABLE)
    return _other_kind(transmit), None


def read_certificate(transmit: Transmit, profile: CardProfile) -> bytes:
    """The user-authentication certificate, DER without the filler behind it."""
    first = _read(transmit, profile, File.CERTIFICATE, FULL_READ)
    length = der_bytes(first.body)
    if not first.is_ok or length is None:
        raise CardUnusable(_why_no_certificate(transmit, profile, first))
    if length > MOST_CERTIFICATE_BYTES:
        raise CardUnusable(CardRefusal.UNREADABLE)
    der = bytearray(first.body[:length])
    for _ in range(MOST_READS):
        if len(der) == length:
            return bytes(der)
        wanted = min(FULL_READ, length - len(der))
        reply = collect(transmit, read_binary(len(der), wanted))
        if not reply.is_ok or not 0 < len(reply.body) <= wanted:
            break
        der += reply.body
    raise CardUnusable(CardRefusal.UNREADABLE)


def parse_certificate(der: bytes) -> x509.Certificate:
    """Raises CardUnusable when the bytes are no certificate."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        # Read only when asked for: damage in what is asked for later shows here.
        certificate.issuer, certificate.not_valid_before_utc, certificate.not_valid_after_utc  # noqa: B018
        certificate.public_key()
    except (
        Exception
    ) as cause:  # the library has no common type: ValueError, TypeError, InvalidVersion, warnings
        raise CardUnusable(CardRefusal.UNREADABLE) from cause
    return certificate


def algorithm_of(certificate: x509.Certificate) -> Algorithm:
    """How this card signs. Raises CardUnusable for a key of no known card."""
    found = algorithm(certificate)
    if found is None:
        raise CardUnusable(CardRefusal.UNREADABLE)
    return found


def read_tries(transmit: Transmit, profile: CardProfile) -> int:
    """PIN tries left; asking costs none."""
    select(transmit, profile, File.PIN)
    left = tries_left(_ask(transmit, apdu.query_tries(profile)).status_word)
    if left is None:
        raise CardUnusable(CardRefusal.UNREADABLE)
    return left


def select(transmit: Transmit, profile: CardProfile, file: File) -> None:
    """Select a file that a My Number Card has. Raises CardGone if this card does not answer so."""
    if not _ask(transmit, apdu.select_file(profile, file)).is_ok:
        raise CardGone(f"selecting {file.name}")


def collect(transmit: Transmit, command: list[int]) -> Reply:
    """An answer with a body, however ISO/IEC 7816-4 lets a card give it. Never for VERIFY.

    6CXX: READ BINARY is asked once more with the right length. 61XX: the rest is fetched.
    """
    reply = _ask(transmit, command)
    if reply.right_length is not None and command[1] == 0xB0:
        reply = _ask(transmit, [*command[:-1], reply.right_length & 0xFF])
    body = reply.body
    for _ in range(MOST_PARTS):
        waiting = reply.bytes_waiting
        if waiting is None:
            break
        reply = _ask(transmit, apdu.get_response(waiting))
        body += reply.body
    return Reply(body, reply.status_word)


def _labelled(profile: CardProfile, token: Reply, smartphone_labels: frozenset[bytes]) -> CardKind:
    if token.status_word == 0x6A82:
        return CardKind.OTHER
    if not token.is_ok or len(token.body) != LABEL_BYTES:
        raise CardUnusable(CardRefusal.UNREADABLE)
    if token.body in smartphone_labels:
        return CardKind.SMARTPHONE
    return profile.labels.get(token.body, CardKind.OTHER)


def _other_kind(transmit: Transmit) -> CardKind:
    """What has none of our applications, by whose application it has."""
    for name, command in OTHER_APPLICATIONS.items():
        reply = _ask(transmit, list(command))
        if reply.is_ok or reply.bytes_waiting is not None:
            return CardKind(name)
    return CardKind.OTHER


def _why_no_certificate(transmit: Transmit, profile: CardProfile, first: Reply) -> CardRefusal:
    """The availability file decides, where there is one; asked only here, it costs a good card nothing."""
    if first.status_word == 0x6A82:
        return CardRefusal.NO_CERTIFICATE
    availability = _read(transmit, profile, File.AVAILABILITY, 3)
    if availability.is_ok and len(availability.body) == 3:
        present = availability.body[1] != 0
        return CardRefusal.UNREADABLE if present else CardRefusal.NO_CERTIFICATE
    empty = first.is_ok and set(first.body) in ({0x00}, {0xFF})  # nothing but filler
    absent = empty or first.status_word in _ABSENT
    return CardRefusal.NO_CERTIFICATE if absent else CardRefusal.UNREADABLE


def _read(transmit: Transmit, profile: CardProfile, file: File, length: int) -> Reply:
    selected = _ask(transmit, apdu.select_file(profile, file))
    return collect(transmit, read_binary(0, length)) if selected.is_ok else selected


def _ask(transmit: Transmit, command: list[int]) -> Reply:
    reply = parse_reply(transmit(command))
    if reply.status_word == 0:  # what pcscd makes of a card torn away during the command
        raise CardGone("no answer")
    return reply

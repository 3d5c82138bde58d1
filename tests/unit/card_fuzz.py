"""A card that answers whatever it is told to, under the real session: what a fuzzer drives.

For a long run, with atheris in an environment of its own (it is no dependency of the project):

    python3.11 -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install atheris -e . && \\
        /tmp/fuzz/bin/python -m tests.unit.card_fuzz -max_total_time=3600
"""

import sys
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from firmware.errors import CardGone, CardUnusable, DeviceGone, PinBlocked, PinUncertain, PinWrong
from firmware.ports import CardReading, CardSignature
from hw.card import pcsc
from hw.card.profile import label
from hw.card.session import Acceptance, CardSession, CardStats
from tests.simulators.card.personalise import CardIssuer

OK = b"\x90\x00"
MESSAGE = b"madoguchi-card-auth-v1 and the challenge"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ACCEPTANCE = Acceptance(smartphone_labels=frozenset({label("JPKIAPIOSTOKEN")}))
MOST_APDUS = 400
OUTCOMES = (CardGone, CardUnusable, DeviceGone, PinBlocked, PinUncertain, PinWrong)

Answer = tuple[int, bytes]
"""The result of SCardTransmit and the answer."""


class PlayedCard:
    """smartcard.scard with one card in it; after the last answer the card is gone.

    pins: bodies of VERIFY that reached the card. verifies: those commands themselves, as they are now.
    """

    def __init__(self, answers: Sequence[Answer], atr: bytes = b"\x3b\x80\x01") -> None:
        self._answers = list(answers)
        self._atr = atr
        self.apdus = 0
        self.pins: list[bytes] = []
        self.verifies: list[list[int]] = []
        self.powered = False

    def __getattr__(self, name: str) -> Any:
        return getattr(_SCARD, name)

    def SCardEstablishContext(self, _: int) -> tuple[int, int]:  # noqa: N802
        return 0, 1

    def SCardReleaseContext(self, _: int) -> int:  # noqa: N802
        return 0

    def SCardConnect(self, *_: object) -> tuple[int, int, int]:  # noqa: N802
        self.powered = True
        return 0, 1, 2

    def SCardReconnect(self, *_: object) -> tuple[int, int]:  # noqa: N802
        return 0, 2

    def SCardStatus(self, _: int) -> tuple[int, str, int, int, list[int]]:  # noqa: N802
        return 0, "played", 0, 2, list(self._atr)

    def SCardDisconnect(self, *_: object) -> int:  # noqa: N802
        self.powered = False
        return 0

    def SCardTransmit(self, _: int, __: int, command: list[int]) -> tuple[int, list[int]]:  # noqa: N802
        self.apdus += 1
        if command[1] == 0x20 and len(command) > 4:
            self.pins.append(bytes(command[5:]))
            self.verifies.append(command)
        if not self._answers:
            return 0x80100069 - (1 << 32), []
        result, answer = self._answers.pop(0)
        return result, list(answer)


_SCARD = pcsc.scard


@contextmanager
def played(card: PlayedCard) -> Any:
    """hw.card.pcsc speaks with this card."""
    with patch.object(pcsc, "scard", card):
        yield card


def visit(card: PlayedCard, pins: Sequence[bytes] = (b"1234",)) -> list[object]:
    """Read, and sign with one PIN after the other as long as the session stays open; every outcome.

    Raises whatever is no named outcome.
    """
    outcomes: list[object] = []
    with played(card):
        session = CardSession("played", CardStats())
        try:
            outcomes.append(session.read(NOW, ACCEPTANCE))
            for pin in pins:
                outcomes.append(_signed(session, bytearray(pin)))
                if not isinstance(outcomes[-1], PinWrong):
                    break
        except OUTCOMES as error:
            outcomes.append(error)
        finally:
            session.end()
    return outcomes


def check(card: PlayedCard, pins: Sequence[bytes], outcomes: Sequence[object]) -> None:
    """What holds whatever a card answers."""
    assert isinstance(outcomes[-1], (CardReading, CardSignature, *OUTCOMES))
    assert card.apdus <= MOST_APDUS
    assert not card.powered
    assert list(pins[: len(card.pins)]) == card.pins, "each confirmed entry goes to the card once at most"
    assert not any(map(any, card.verifies)), "a VERIFY command outlives its answer"
    tried = sum(isinstance(outcome, PinWrong | PinUncertain | CardSignature) for outcome in outcomes)
    assert tried <= len(card.pins) <= tried + 1
    assert not any(pin.decode() in str(outcome) for pin in pins for outcome in outcomes[1:])


def _signed(session: CardSession, pin: bytearray) -> object:
    try:
        return session.sign(pin, MESSAGE)
    except OUTCOMES as error:
        return error
    finally:
        assert not any(pin), "the PIN outlives its command"


@cache
def good_answers(*, next_card: bool = False) -> tuple[bytes, ...]:
    """The answers of a good card to a whole visit; the last four follow the PIN.

    next_card: it signs with ECDSA P-384, today's with RSA-2048.
    """
    with TemporaryDirectory() as directory:
        folder = Path(directory) / "card"
        CardIssuer().personalise(folder, valid_from=NOW - timedelta(days=1), next_card=next_card)
        der = (folder / "certificate.der").read_bytes()
        key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        halves = decode_dss_signature(key.sign(MESSAGE, ec.ECDSA(hashes.SHA384())))
        signature = b"".join(half.to_bytes(48, "big") for half in halves)
    else:
        assert isinstance(key, rsa.RSAPrivateKey)
        signature = key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    reads = [der[at : at + 256] + OK for at in range(0, len(der), 256)]
    return (OK, OK, label("JPKIAPICCTOKEN2") + OK, OK, *reads, OK, b"\x63\xc3", OK, OK, OK, signature + OK)


NEXT_CARD = 0x80
"""In the first octet of the fuzzer's input: the answers are those of the next card."""
FAILS, DAMAGED, GOOD = 255, 254, 253
"""What the fuzzer's input can say instead of a length."""


def answers_told_by(octets: bytes) -> list[Answer]:
    """What a card answers by an input of the fuzzer.

    The first octet: whose good answers (`NEXT_CARD`), and how many of them come first. Then one after the
    other: a length up to 252 and an answer of that length; `GOOD` and how many good answers follow;
    `DAMAGED`, two octets and one: the next good answer, whose byte at this place (from its beginning again
    when it is shorter) is XORed with the last; `FAILS`: a PC/SC error. Good answers are counted by place:
    the next one is that which a good card would give here. An input that breaks off says less.
    """
    first, rest = (octets[0], list(octets[:0:-1])) if octets else (0, [])
    good = good_answers(next_card=bool(first & NEXT_CARD))
    answers: list[Answer] = [(0, one) for one in good[: first % NEXT_CARD]]

    def take(count: int) -> bytes:
        return bytes(rest.pop() for _ in range(min(count, len(rest))))

    while rest:
        here = good[len(answers) :]
        match rest.pop():
            case code if code == FAILS:
                answers.append((0x80100016 - (1 << 32), b""))
            case code if code == GOOD:
                answers += [(0, one) for one in here[: sum(take(1))]]
            case code if code == DAMAGED:
                place, turned = take(2), sum(take(1))
                answers += [(0, damaged(one, int.from_bytes(place, "big"), turned)) for one in here[:1]]
            case length:
                answers.append((0, take(length)))
    return answers


def damaged(answer: bytes, place: int, turned: int) -> bytes:
    """answer with one byte XORed with turned; place is taken modulo its length."""
    octets = bytearray(answer)
    octets[place % len(octets)] ^= turned
    return bytes(octets)


def fuzzed(octets: bytes) -> list[object]:
    """One run of `answers_told_by`; its outcomes."""
    card, pins = PlayedCard(answers_told_by(octets)), (b"1234", b"5678", b"9012")
    outcomes = visit(card, pins)
    check(card, pins, outcomes)
    return outcomes


def _one_input(octets: bytes) -> None:
    fuzzed(octets)  # libFuzzer keeps -1 and 0 of what a target returns for itself


def main() -> None:
    """Fuzz until told otherwise; the arguments are libFuzzer's."""
    import atheris  # type: ignore[import-untyped]

    for next_card in (False, True):
        good_answers(next_card=next_card)
    atheris.instrument_all()
    atheris.Setup(sys.argv, _one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

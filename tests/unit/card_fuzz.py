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
from cryptography.hazmat.primitives.asymmetric import padding, rsa
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

    pins: bodies of VERIFY that reached the card.
    """

    def __init__(self, answers: Sequence[Answer], atr: bytes = b"\x3b\x80\x01") -> None:
        self._answers = list(answers)
        self._atr = atr
        self.apdus = 0
        self.pins: list[bytes] = []
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
def good_answers() -> tuple[bytes, ...]:
    """The answers of a good card to a whole visit; the last four follow the PIN."""
    with TemporaryDirectory() as directory:
        folder = Path(directory) / "card"
        CardIssuer().personalise(folder, valid_from=NOW - timedelta(days=1))
        der = (folder / "certificate.der").read_bytes()
        key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    signature = key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    reads = [der[at : at + 256] + OK for at in range(0, len(der), 256)]
    return (OK, OK, label("JPKIAPICCTOKEN2") + OK, OK, *reads, OK, b"\x63\xc3", OK, OK, OK, signature + OK)


def fuzzed(octets: bytes) -> None:
    """One run. The first octet: so many answers of a good card come first.

    Then each answer follows its length; a length of 255 stands for a PC/SC error.
    """
    good = good_answers()
    answers: list[Answer] = [(0, answer) for answer in good[: octets[0] % (len(good) + 1) if octets else 0]]
    at = 1
    while at < len(octets):
        length = octets[at]
        if length == 255:
            answers.append((0x80100016 - (1 << 32), b""))
            at += 1
            continue
        answers.append((0, octets[at + 1 : at + 1 + length]))
        at += 1 + length
    card, pins = PlayedCard(answers), (b"1234", b"5678", b"9012")
    check(card, pins, visit(card, pins))


def main() -> None:
    """Fuzz until told otherwise; the arguments are libFuzzer's."""
    import atheris  # type: ignore[import-untyped]

    good_answers()
    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzzed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

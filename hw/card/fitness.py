"""Is this reader fit for the kiosk? For a technician, with any My Number Card and without its PIN. Blocking.

Nothing of the holder comes out of here: no name, number, certificate, date or counter.
"""

import time
from dataclasses import dataclass, replace
from datetime import datetime

from firmware.core.terms import CardRefusal
from firmware.errors import CardGone, CardUnusable, DeviceGone
from hw.card.pcsc import PcscContext, PcscError, ReaderState
from hw.card.session import Acceptance, CardSession, CardStats

FIT_READ_SECONDS = 2.0
FIT_APDU_SECONDS = 1.0
"""A person waits this long for a card to be read, and a command that takes longer meets the time-outs."""

_RATES_KBIT = (106, 212, 424, 848)
_USED_ALL_THE_SAME = frozenset({CardRefusal.CERTIFICATE_EXPIRED, CardRefusal.CERTIFICATE_NOT_YET_VALID})


@dataclass(frozen=True, slots=True)
class Fitness:
    """What was measured.

    refusal: why the card cannot be used; an expired or not yet valid certificate is read all the same.
    read_seconds, slowest_seconds: of everything before the PIN, and of its slowest command.
    extended: a command of extended length came back whole; None if it was not tried.
    rates_kbit: what a card of ISO 14443 type B offers toward the reader, empty if it does not say.
    """

    reader: str
    refusal: CardRefusal | None = None
    pin_is_locked: bool | None = None
    apdus: int = 0
    bytes_read: int = 0
    read_seconds: float = 0.0
    slowest_seconds: float = 0.0
    extended: bool | None = None
    rates_kbit: tuple[int, ...] = ()

    @property
    def is_read(self) -> bool:
        """A My Number Card was read."""
        return self.refusal is None or self.refusal in _USED_ALL_THE_SAME

    @property
    def is_fit(self) -> bool:
        """The kiosk can work with this reader."""
        return (
            self.is_read
            and self.read_seconds <= FIT_READ_SECONDS
            and self.slowest_seconds <= FIT_APDU_SECONDS
        )


def wait_for_card(reader_name: str, seconds: float) -> str:
    """The name of the first reader whose name has reader_name in it, once something lies on it.

    Raises DeviceGone without pcscd or reader, CardGone if nothing comes.
    """
    deadline = time.monotonic() + seconds
    try:
        context = PcscContext()
        try:
            names = [name for name in context.readers() if reader_name in name]
            if not names:
                raise DeviceGone("there is no such card reader")
            known = [ReaderState(names[0])]
            while not known[0].card_present:
                known = _look(context, known, deadline)
        finally:
            context.release()
    except PcscError as cause:
        raise DeviceGone(f"pcscd does not answer, {cause}") from cause
    return names[0]


def measure(reader: str, acceptance: Acceptance, now: datetime) -> Fitness:
    """Read the card that lies there as a visit does, and try a command of extended length.

    now: aware. Raises CardGone, DeviceGone.
    """
    stats = CardStats()
    began = time.monotonic()
    try:
        session = CardSession(reader, stats)
    except CardUnusable as error:
        return Fitness(reader, error.refusal)
    refusal, pin_is_locked = None, None
    try:
        try:
            pin_is_locked = session.read(now, acceptance).tries_left == 0
        except CardUnusable as error:
            refusal = error.refusal
        found = Fitness(
            reader=reader,
            refusal=refusal,
            pin_is_locked=pin_is_locked,
            apdus=stats.apdus,
            bytes_read=stats.bytes_from_card,
            read_seconds=time.monotonic() - began,
            slowest_seconds=stats.slowest_seconds,
        )
        if not found.is_read:
            return found
        extended, atr = session.try_extended_length()
        return replace(found, extended=extended, rates_kbit=rates_kbit(atr))
    finally:
        session.end()


def rates_kbit(atr: bytes) -> tuple[int, ...]:
    """Bit rates that a type B card offers toward the reader, in kbit/s, rising; empty for another ATR.

    The ATR of a contactless type B card is 3B 88 80 01, then application data (4 bytes) and protocol
    information of its ATQB. Sources: PC/SC part 3, 3.1.3.2.3.1; ISO/IEC 14443-3, 7.9.4.4.
    """
    if len(atr) != 13 or atr[:4] != b"\x3b\x88\x80\x01":
        return ()
    offered = atr[8]
    higher = (rate for bit, rate in zip((0x10, 0x20, 0x40), _RATES_KBIT[1:], strict=True) if offered & bit)
    return (_RATES_KBIT[0], *higher)


def _look(context: PcscContext, known: list[ReaderState], deadline: float) -> list[ReaderState]:
    left_seconds = deadline - time.monotonic()
    if left_seconds <= 0:
        raise CardGone("nothing was laid on the reader")
    try:
        return context.wait_for_change(known, left_seconds)
    except PcscError as error:
        if error.is_timeout:
            return known
        raise

"""One card from power-up to power-down. Blocking; used from the worker thread only."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from cryptography import x509

from firmware.core.terms import CardRefusal
from firmware.errors import CardGone, CardUnusable, DeviceGone, PinBlocked, PinUncertain, PinWrong
from firmware.ports import CardReading, CardSignature
from hw.card import apdu, jpki
from hw.card.algorithm import Algorithm
from hw.card.apdu import PinVerdict
from hw.card.certificate import refusal
from hw.card.pcsc import PcscContext, PcscError, PcscHandle
from hw.card.profile import CardProfile, File

EXTENDED_BYTES = 512
"""More than a short APDU gives, and less than the smallest buffer of a reader that knows extended length."""


_ANOTHER_CARD = frozenset(jpki.REFUSALS.values())
"""Refusals of a card that is none of ours."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Which cards are taken.

    issuer_organizations: O of the certificate's issuer, e.g. JPKI; empty accepts every one.
    smartphone_labels: token labels, 32 bytes each, by which a smartphone is known.
    """

    issuer_organizations: frozenset[str] = frozenset()
    smartphone_labels: frozenset[bytes] = frozenset()


@dataclass(slots=True)
class CardStats:
    """Counted since the program began; bytes are those of APDUs, slowest_seconds of one of them."""

    sessions: int = 0
    apdus: int = 0
    bytes_to_card: int = 0
    bytes_from_card: int = 0
    slowest_seconds: float = 0.0


class CardSession:
    """Holds the card exclusively until `end`, which powers it down.

    Every method raises CardGone, CardUnusable or DeviceGone for what PC/SC says. A command is sent to
    the card that was there at `__init__` or not at all: the handle is never opened again for another one.

    is_abandoned: asked before each step; once nobody waits, none follows, and the method raises CardGone.
    """

    def __init__(
        self, reader: str, stats: CardStats, is_abandoned: Callable[[], bool] = lambda: False
    ) -> None:
        self._stats = stats
        self._is_abandoned = is_abandoned
        self._tries_left = 0
        self._profile: CardProfile | None = None
        self._certificate: x509.Certificate | None = None
        self._algorithm: Algorithm | None = None
        self.verify_in_flight = False
        with _translated():
            self._context = PcscContext()
            with contextlib.ExitStack() as undo:
                undo.callback(self._context.release)
                self._require_somebody_waits()
                self._handle = self._context.connect(reader)
                undo.callback(_power_down, self._handle)
                self._require_somebody_waits()
                self._handle.power_cycle()
                undo.pop_all()
        stats.sessions += 1

    def read(self, now: datetime, acceptance: Acceptance) -> CardReading:
        """Everything that needs no PIN. now: aware, for the certificate's dates."""
        with _translated():
            profile = self._open(acceptance.smartphone_labels)
            der = jpki.read_certificate(self._transmit, profile)
            certificate = jpki.parse_certificate(der)
            self._profile = profile
            reason = refusal(certificate, now, acceptance.issuer_organizations)
            if reason is not None:
                raise CardUnusable(reason)
            self._algorithm = jpki.algorithm_of(certificate)
            self._tries_left = jpki.read_tries(self._transmit, profile)
            self._certificate = certificate
        return CardReading(certificate_der=der, tries_left=self._tries_left)

    def try_extended_length(self) -> tuple[bool, bytes]:
        """Read the certificate's file in one command; whether it came back whole, and the card's ATR.

        No visit does so: readers and cards that cannot are many, and some take no command after it.
        """
        if self._profile is None:
            raise CardGone("no card was read")
        with _translated():
            atr = self._handle.atr()
            jpki.select(self._transmit, self._profile, File.CERTIFICATE)
        try:
            reply = apdu.parse_reply(self._transmit(apdu.read_binary_extended(0, EXTENDED_BYTES)))
        except PcscError:
            return False, atr
        return reply.is_ok and len(reply.body) > apdu.FULL_READ, atr

    def sign(self, pin: bytearray, message: bytes) -> CardSignature:
        """VERIFY at most once, sign, and check the signature; pin is wiped, whatever happens.

        Raises PinWrong, PinBlocked, PinUncertain too, and ValueError for a pin that is not 4 digits.
        """
        try:
            return self._sign(pin, message)
        finally:
            pin[:] = bytes(len(pin))

    def end(self) -> None:
        """Power the card down and give it free, whatever state it is in."""
        _power_down(self._handle)
        self._context.release()

    def _open(self, smartphone_labels: frozenset[bytes]) -> CardProfile:
        try:
            return self._look(smartphone_labels)
        except CardUnusable as error:
            if error.refusal in _ANOTHER_CARD and self._is_not_alone(error.refusal, smartphone_labels):
                raise CardUnusable(CardRefusal.SEVERAL_CARDS) from error
            raise

    def _look(self, smartphone_labels: frozenset[bytes]) -> CardProfile:
        return jpki.open_my_number_card(self._transmit, self._handle.atr, smartphone_labels)

    def _is_not_alone(self, first: CardRefusal, smartphone_labels: frozenset[bytes]) -> bool:
        """Whether another card than the first answers when the reader chooses again.

        PC/SC has no word for two cards: a reader that sees both chooses one at each power-up, and not
        always the same. Asked of a card that is refused all the same, it costs a good one nothing.
        """
        try:
            self._require_somebody_waits()
            self._handle.power_cycle()
            self._look(smartphone_labels)
        except CardUnusable as second:
            return second.refusal in _ANOTHER_CARD and second.refusal is not first
        except (PcscError, CardGone):  # taken away, or mute now: the first one is told
            return False
        return True

    def _sign(self, pin: bytearray, message: bytes) -> CardSignature:
        if self._profile is None or self._certificate is None or self._algorithm is None:
            raise CardGone("no card was read")
        if self._tries_left == 0:
            raise PinBlocked
        with _translated():
            jpki.select(self._transmit, self._profile, File.PIN)
            self._verify(self._profile, pin)
            jpki.select(self._transmit, self._profile, File.KEY)
            reply = jpki.collect(self._transmit, apdu.sign(self._profile, self._algorithm.to_sign(message)))
        signature = self._algorithm.checked(self._certificate, message, reply.body)
        if not reply.is_ok or signature is None:
            raise CardGone("the signature is not this card's")
        return CardSignature(algorithm=self._algorithm.name, signature=signature)

    def _verify(self, profile: CardProfile, pin: bytearray) -> None:
        """The only place that sends a PIN; there is no retry around it and there must be none."""
        command = apdu.verify(profile, pin)
        pin[:] = bytes(len(pin))
        self.verify_in_flight = True
        try:
            answer = self._transmit(command)
        except PcscError as cause:
            raise PinUncertain(f"VERIFY, {cause}") from cause
        finally:
            self.verify_in_flight = False
            apdu.wipe(command)
        verdict = apdu.pin_verdict(answer)
        match verdict:
            case PinVerdict.ACCEPTED:
                return
            case PinVerdict.WRONG:
                left = answer[1] & 0x0F
                if left != self._tries_left - 1:
                    raise PinUncertain("VERIFY, not the counter that was read")
                self._tries_left = left
                raise PinWrong(left)
            case PinVerdict.BLOCKED:
                raise PinBlocked
            case PinVerdict.NOT_TRIED:
                raise CardGone("the card did not try the PIN")
            case PinVerdict.UNCERTAIN:
                raise PinUncertain("VERIFY without a sure answer")
            case _:
                assert_never(verdict)

    def _require_somebody_waits(self) -> None:
        if self._is_abandoned():
            raise CardGone("nobody waits for this card any more")

    def _transmit(self, command: list[int]) -> bytes:
        apdu.check_allowed(command)
        self._require_somebody_waits()
        self._stats.apdus += 1
        self._stats.bytes_to_card += len(command)
        began = time.monotonic()
        answer = self._handle.transmit(command)
        self._stats.slowest_seconds = max(self._stats.slowest_seconds, time.monotonic() - began)
        self._stats.bytes_from_card += len(answer)
        return answer


def shut(reader: str) -> None:
    """Power down a card that an earlier process may have left open; harmless if there is none."""
    with contextlib.suppress(PcscError):
        context = PcscContext()
        try:
            _power_down(context.connect(reader))
        finally:
            context.release()


def _power_down(handle: PcscHandle) -> None:
    with contextlib.suppress(PcscError):  # a card that is gone has no power
        handle.power_down()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PcscError as cause:
        if cause.is_busy:
            raise DeviceGone("card reader, another program holds the card") from cause
        if cause.reader_is_gone:
            raise DeviceGone(f"card reader, {cause}") from cause
        if cause.card_is_mute:
            raise CardUnusable(CardRefusal.UNREADABLE) from cause
        raise CardGone(f"card, {cause}") from cause

"""PC/SC as this kiosk uses it: contexts, reader states and one exclusive card handle.

A thin typed layer over `smartcard.scard` (pcsc-lite). Calls block; every result other than success
raises PcscError. After pcscd ended, contexts and handles are dead for ever: make new ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smartcard import scard as untyped_scard

scard: Any = untyped_scard

PNP_NOTIFICATION = r"\\?PnP?\Notification"
"""The pseudo-reader whose state changes when readers come and go."""

READER_UNAVAILABLE: int = scard.SCARD_E_READER_UNAVAILABLE

_PROTOCOLS = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1


class PcscError(Exception):
    """A call failed. call: its name; code: the SCARD_ result as an unsigned number."""

    def __init__(self, call: str, result: int) -> None:
        self.call = call
        self.code = result & 0xFFFFFFFF
        super().__init__(f"{call}: {self.code:08X}")

    @property
    def is_timeout(self) -> bool:
        """Nothing changed in the time given, or the wait was cancelled."""
        return self.code in (scard.SCARD_E_TIMEOUT, scard.SCARD_E_CANCELLED)

    @property
    def reader_is_gone(self) -> bool:
        """pcscd ended or takes nobody, or the reader was unplugged."""
        return self.code in _READER_GONE or self.call == "SCardEstablishContext"

    @property
    def is_busy(self) -> bool:
        """Another program holds the card."""
        return bool(self.code == scard.SCARD_E_SHARING_VIOLATION)

    @property
    def card_is_mute(self) -> bool:
        """Something lies there that does not answer as a card."""
        return self.code in _CARD_MUTE


_READER_GONE = frozenset(
    {
        scard.SCARD_E_NO_SERVICE,
        scard.SCARD_E_SERVICE_STOPPED,
        scard.SCARD_F_COMM_ERROR,
        scard.SCARD_E_INVALID_HANDLE,
        scard.SCARD_E_UNKNOWN_READER,
        scard.SCARD_E_READER_UNAVAILABLE,
        scard.SCARD_E_NO_READERS_AVAILABLE,
    }
)
_CARD_MUTE = frozenset(
    {
        scard.SCARD_W_UNRESPONSIVE_CARD,
        scard.SCARD_W_UNSUPPORTED_CARD,
        scard.SCARD_E_PROTO_MISMATCH,
        scard.SCARD_E_CARD_UNSUPPORTED,
    }
)


@dataclass(frozen=True, slots=True)
class ReaderState:
    """A reader as pcscd last described it; state 0 asks for the present one at once."""

    reader: str
    state: int = 0

    @property
    def card_present(self) -> bool:
        """Something lies on the reader."""
        return bool(self.state & scard.SCARD_STATE_PRESENT)

    @property
    def is_available(self) -> bool:
        """The reader is there."""
        return not self.state & (
            scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE | scard.SCARD_STATE_IGNORE
        )

    @property
    def moves(self) -> int:
        """Cards put down and taken away so far, modulo 65536. pcsc-lite keeps it in the upper half."""
        return self.state >> 16 & 0xFFFF


class PcscHandle:
    """A card that this process alone may talk to, from `PcscContext.connect` to `power_down`."""

    def __init__(self, handle: int, protocol: int) -> None:
        self._handle = handle
        self._protocol = protocol

    def power_cycle(self) -> None:
        """Power the card down and up: no right gained before survives it."""
        result, self._protocol = scard.SCardReconnect(
            self._handle, scard.SCARD_SHARE_EXCLUSIVE, _PROTOCOLS, scard.SCARD_UNPOWER_CARD
        )
        _check("SCardReconnect", result)

    def transmit(self, command: list[int]) -> bytes:
        """The card's whole answer; it can be empty when the card was torn away meanwhile."""
        result, answer = scard.SCardTransmit(self._handle, self._protocol, command)
        _check("SCardTransmit", result)
        return bytes(answer)

    def atr(self) -> bytes:
        """What the card said when it was powered up, for a contactless one made by the reader."""
        result, _, _, _, atr = scard.SCardStatus(self._handle)
        _check("SCardStatus", result)
        return bytes(atr)

    def power_down(self) -> None:
        """Disconnect and power the card down."""
        _check("SCardDisconnect", scard.SCardDisconnect(self._handle, scard.SCARD_UNPOWER_CARD))


class PcscContext:
    """A connection to pcscd. All calls from one thread, except `cancel`."""

    def __init__(self) -> None:
        result, self._context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        _check("SCardEstablishContext", result)

    def readers(self) -> list[str]:
        """Names of the readers there are."""
        result, names = scard.SCardListReaders(self._context, [])
        if result == scard.SCARD_E_NO_READERS_AVAILABLE:
            return []
        _check("SCardListReaders", result)
        return list(names)

    def wait_for_change(self, known: Sequence[ReaderState], timeout_seconds: float) -> list[ReaderState]:
        """Block until a reader differs from what is known; the new states, to be passed in again."""
        result, states = scard.SCardGetStatusChange(
            self._context, int(timeout_seconds * 1000), [(reader.reader, reader.state) for reader in known]
        )
        _check("SCardGetStatusChange", result)
        return [ReaderState(name, state & ~scard.SCARD_STATE_CHANGED) for name, state, _ in states]

    def cancel(self) -> None:
        """End a wait that another thread is in. A wait that begins later is not affected."""
        scard.SCardCancel(self._context)

    def connect(self, reader: str) -> PcscHandle:
        """Take the card in this reader exclusively."""
        result, handle, protocol = scard.SCardConnect(
            self._context, reader, scard.SCARD_SHARE_EXCLUSIVE, _PROTOCOLS
        )
        _check("SCardConnect", result)
        return PcscHandle(handle, protocol)

    def release(self) -> None:
        """Give the context back; harmless when pcscd is gone."""
        scard.SCardReleaseContext(self._context)


def _check(call: str, result: int) -> None:
    if result != scard.SCARD_S_SUCCESS:
        raise PcscError(call, result)

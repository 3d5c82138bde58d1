"""Who an acceptor says it is, and how it wants to be polled."""

import re
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from hw.coin.cctalk import Header, unsigned
from hw.coin.keep import GoneReason, Unfit

_ACCEPTOR = "coin acceptor"
_POLLING_UNIT_SECONDS = {1: 0.001, 2: 0.01, 3: 1.0, 4: 60.0}


class Ask(Protocol):
    """Asks the unit; see CcTalkBus.ask."""

    def __call__(self, header: Header, *, length: int | None) -> Awaitable[bytes]: ...


class AskIfKnown(Protocol):
    """Asks the unit for what it need not know; see CcTalkBus.ask_if_known."""

    def __call__(self, header: Header, *, length: int | None) -> Awaitable[bytes | None]: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Headers 246, 244, 242, 241, 192 and 4; empty where the unit does not answer."""

    serial: int
    manufacturer: str = ""
    product: str = ""
    software: str = ""
    build: str = ""
    comms: str = ""


@dataclass(frozen=True, slots=True)
class Commissioned:
    """The unit that was installed: what is None or empty may be any."""

    serial: int | None = None
    manufacturer: str = ""
    product: str = ""

    def require(self, found: Identity) -> None:
        """Raises Unfit if another unit stands in its place."""
        same = (
            self.serial in (None, found.serial)
            and self.manufacturer in ("", found.manufacturer)
            and self.product in ("", found.product)
        )
        if not same:
            raise Unfit(GoneReason.OTHER_UNIT, found.serial)


async def read_identity(ask: Ask, ask_if_known: AskIfKnown) -> Identity:
    """Raises Unfit if it is no coin acceptor; whatever asking raises."""
    kind = _words(await ask(Header.REQUEST_EQUIPMENT_CATEGORY, length=None))
    if kind.lower() != _ACCEPTOR:
        raise Unfit(GoneReason.OTHER_KIND)
    serial = unsigned(await ask(Header.REQUEST_SERIAL_NUMBER, length=3))
    comms = await ask_if_known(Header.REQUEST_COMMS_REVISION, length=3)
    return Identity(
        serial,
        _words(await ask_if_known(Header.REQUEST_MANUFACTURER, length=None)),
        _words(await ask_if_known(Header.REQUEST_PRODUCT_CODE, length=None)),
        _words(await ask_if_known(Header.REQUEST_SOFTWARE_REVISION, length=None)),
        _words(await ask_if_known(Header.REQUEST_BUILD_CODE, length=None)),
        "" if comms is None else ".".join(map(str, comms)),
    )


def polling_seconds(priority: bytes) -> float | None:
    """The pause between polls that the unit asks for, None if it says none. Source: header 249.

    priority: unit (1 ms, 2 ten milliseconds, 3 seconds, 4 minutes …) and value; 0 0 is a special case.
    """
    unit, value = priority
    return _POLLING_UNIT_SECONDS.get(unit, 0.0) * value or None


def log_word(text: str) -> str:
    """Words of a device as one word that may stand in the log; `_` for none."""
    return re.sub(r"[^A-Za-z0-9_.:+/-]", "_", text)[:40].lstrip(".:+/-") or "_"


def _words(said: bytes | None) -> str:
    return "" if said is None else said.decode("ascii", "replace").strip(" \0")

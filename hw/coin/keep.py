"""Keeping in touch with one device of the bus: what is wrong with it, and when to try again."""

import asyncio
import enum
from collections.abc import Awaitable, Callable
from typing import NoReturn

from firmware.errors import DeviceGone


class GoneReason(enum.Enum):
    """Why a coin device cannot be used."""

    SILENT = "silent"  # no line, no answer or no sense in it
    OTHER_KIND = "other-kind"  # something else answers at its address
    OTHER_UNIT = "other-unit"  # not the unit that was commissioned; code: its serial number
    UNKNOWN_COIN = "unknown-coin"  # it takes a coin without a known value and cannot be told not to
    MISSING_COIN = "missing-coin"  # it does not know a coin that the settings want; code: its value
    MASK_IGNORED = "mask-ignored"  # it takes other coins than it was told to
    OTHER_COIN = "other-coin"  # it pays another coin than the settings say; code: its value
    UNGUARDED = "unguarded"  # coins were let in while nobody watched
    LINE_NOISY = "line-noisy"  # its pulse line makes pulses without end
    LINE_STUCK = "line-stuck"  # its pulse line stays at the pulse level
    FAULT = "fault"  # it says itself that it cannot work
    RESTARTED = "restarted"  # it lost its settings and starts anew


class Unfit(DeviceGone):
    """The device answers and cannot be used. code: what it says about itself, 0 if nothing."""

    def __init__(self, reason: GoneReason, code: int = 0) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.code = code


async def keep(
    serve: Callable[[], Awaitable[NoReturn]],
    gone: Callable[[GoneReason, int], None],
    *,
    first_pause_seconds: float,
    longest_pause_seconds: float,
    beat: Callable[[], None] = lambda: None,
) -> NoReturn:
    """Serve a device for ever; after each DeviceGone tell it and pause, longer each time.

    beat: called whenever it begins anew; serve does it while it works.

    A device that was well for longer than longest_pause_seconds is tried again quickly.
    """
    loop = asyncio.get_running_loop()
    pause_seconds = first_pause_seconds
    while True:
        began = loop.time()
        beat()
        try:
            await serve()
        except Unfit as unfit:
            gone(unfit.reason, unfit.code)
        except DeviceGone:
            gone(GoneReason.SILENT, 0)
        if loop.time() - began > longest_pause_seconds:
            pause_seconds = first_pause_seconds
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, longest_pause_seconds)

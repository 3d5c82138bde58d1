"""What is done again and again outlives one round that failed in a way that nobody foresaw."""

import asyncio
import random
from collections.abc import Awaitable
from typing import TypeVar

from firmware.errors import JournalError, MadoguchiError
from firmware.logbook import EventId, Logbook

T = TypeVar("T")


async def outlived(
    one_round: Awaitable[T],
    otherwise: T,
    *,
    task: str,
    log: Logbook,
    foreseen: type[MadoguchiError] = JournalError,
) -> T:
    """What the round gives; after an unforeseen error, told by its type alone, otherwise instead.

    Whoever asks pauses before the next round, as after a failure that is foreseen. Raises what is foreseen,
    and JournalError: a kiosk whose records are not certainly on disk must stop.
    """
    try:
        return await one_round
    except (JournalError, foreseen):
        raise
    except Exception as error:  # noqa: BLE001 - what an answer from outside may set off is not known
        log(EventId.TASK_FAILED, order=task, error=type(error).__name__)
        return otherwise


async def pause(about_seconds: float) -> None:
    """Sleep from half to one and a half as long, drawn: the kiosks of a city must not come all at once."""
    await asyncio.sleep(about_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load

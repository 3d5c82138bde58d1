"""Rows of the coin bus: how long the open slot waits for a poll, whatever the hopper on its bus does."""

from collections.abc import AsyncIterator

from tests.contract.shared_bus import poll_gaps_seconds
from tests.figures.rows import Effort, Row
from tests.simulators.coin.wire import Manner

LIMIT_MILLISECONDS = 700.0
"""A unit inhibits itself after 1 s without a poll; three tenths are kept for a busy machine."""

POLLS_A_REPETITION = 4

MANNERS = (None, Manner.SILENT, Manner.BABBLING, Manner.GARBLING)


async def rows(effort: Effort) -> AsyncIterator[Row]:
    """The longest pause between two polls, at 9600 baud while a coin is asked of the hopper."""
    for manner in MANNERS:
        gaps = await poll_gaps_seconds(manner, effort.repetitions * POLLS_A_REPETITION, pay=True)
        name = "healthy" if manner is None else manner.value
        yield Row.beside(
            f"coin.longest-poll-gap-hopper-{name}",
            max(gaps) * 1000,
            "ms",
            "limit",
            LIMIT_MILLISECONDS,
        )

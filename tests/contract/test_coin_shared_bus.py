"""One bus for acceptor and hopper: whatever the hopper does, the acceptor is polled in time."""

from functools import partial

import pytest

from tests import virtual_time
from tests.contract.shared_bus import poll_gaps_seconds
from tests.simulators.coin.wire import Manner

LONGEST_GAP_SECONDS = 0.7
"""A unit inhibits itself after 1 s without a poll."""


@pytest.mark.parametrize("pay", [False, True])
@pytest.mark.parametrize("manner", [None, *Manner])
def test_the_open_slot_is_polled_in_time(manner: Manner | None, pay: bool) -> None:
    gaps = virtual_time.run(partial(poll_gaps_seconds, manner, 12, pay=pay))
    assert max(gaps) < LONGEST_GAP_SECONDS


@pytest.mark.parametrize("pay", [False, True])
@pytest.mark.parametrize("manner", [None, Manner.SILENT, Manner.BABBLING])
def test_the_open_slot_is_polled_in_time_however_many_hoppers_are_silent(
    manner: Manner | None, pay: bool
) -> None:
    gaps = virtual_time.run(partial(poll_gaps_seconds, manner, 24, pay=pay, silent_hoppers=3))
    assert max(gaps) < LONGEST_GAP_SECONDS

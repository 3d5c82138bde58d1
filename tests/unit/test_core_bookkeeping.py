"""Entries in the books are taken between visits only, and coins through the open door only."""

from dataclasses import replace

import pytest

from firmware.core import events as e
from firmware.core import records as r
from firmware.core import session
from firmware.core import states as s
from firmware.core.facts import ClockLevel, PanelLevel
from firmware.core.session import step
from firmware.core.steps import Step
from firmware.core.terms import ServiceHours
from tests.unit.test_session_walk import GOOD, RULES

DAY = r.DayClosed("2026-11-25", "2026-11-25T23:00:00.000+09:00")
COINS = r.CoinsRefilled(3, 100, 20, "uid:0")
OPEN = replace(GOOD, panel=PanelLevel(door_open=True))
NIGHT = replace(GOOD, clock=ClockLevel(trusted=True, hours=ServiceHours.CLOSED))


@pytest.mark.parametrize("entries", [(DAY,), (COINS,), (r.CoinsCounted(None, 100, 3, "x"), COINS)])
def test_with_the_door_open_everything_is_entered(entries: tuple[r.BookEntry, ...]) -> None:
    assert Step(s.NotServing(), entries) == step(s.NotServing(), e.Booked(entries), OPEN, RULES)


def test_with_the_door_shut_only_a_day_ends() -> None:
    assert Step(s.NotServing(), (DAY,)) == step(s.NotServing(), e.Booked((DAY,)), NIGHT, RULES)
    assert Step(s.NotServing()) == step(s.NotServing(), e.Booked((COINS,)), NIGHT, RULES)
    assert Step(s.NotServing()) == step(s.NotServing(), e.Booked((DAY, COINS)), NIGHT, RULES)


def test_at_rest_a_day_ends_and_nobody_handles_coins() -> None:
    assert Step(s.Idle(), (DAY,)) == step(s.Idle(), e.Booked((DAY,)), GOOD, RULES)
    assert Step(s.Idle()) == step(s.Idle(), e.Booked((COINS,)), GOOD, RULES)


def test_no_book_is_touched_while_a_visit_is_under_way() -> None:
    resting = {s.Idle, s.NotServing}
    assert set(session.STATES) - resting == {
        state for state in session.IGNORED if e.Booked in session.IGNORED[state]
    }

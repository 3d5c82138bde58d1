"""The kiosk's own lockout: which mistakes count, how long it waits, what makes it forget."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from firmware.core import events as e
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.facts import Facts, LockoutLevel
from firmware.core.lockout import (
    Lockout,
    LockoutRule,
    Mistakes,
    after,
    current,
    wait_seconds,
    waits_until,
)
from firmware.core.rules import WITHDRAWN_CODES, Rules, obstacles
from firmware.core.session import step
from firmware.core.states import EndReason
from firmware.core.terms import CardRefusal, Language, Strike, VisitId

VISIT = VisitId("a" * 32)
NOON = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)
RULE = LockoutRule()
STRIKE = r.CardStrike(VISIT, Strike.WRONG_PIN)
FACTS = Facts(VisitId("b" * 32))
RULES = Rules(
    timeouts_seconds={},
    denominations_yen=frozenset({100}),
    minimum_change_coins={},
    withdrawn_codes=WITHDRAWN_CODES,
    most_alarms=1,
    most_copies=9,
    languages=(Language.JA,),
)
MINUTE = timedelta(minutes=1)


def by_journal(entries: Sequence[tuple[datetime, r.Record]], now: datetime) -> Lockout:
    mistakes = Mistakes(RULE)
    for at, record in entries:
        mistakes.enter(record, at)
    return mistakes.row(now)


def struck(times: int, at: datetime = NOON) -> Lockout:
    lockout = Lockout()
    for _ in range(times):
        lockout = after(lockout, STRIKE, at, RULE)
    return lockout


@pytest.mark.parametrize(
    ("strikes", "seconds"),
    [(0, 0), (2, 0), (3, 15), (4, 15), (5, 60), (7, 60), (8, 900), (9, 900), (1000, 900)],
)
def test_the_wait_after_so_many_strikes_is_the_one_of_the_docstring(strikes: int, seconds: float) -> None:
    assert seconds == wait_seconds(strikes, RULE)
    expected = NOON + timedelta(seconds=seconds) if seconds else None
    assert expected == waits_until(struck(strikes), RULE)


def test_a_rule_without_steps_never_waits() -> None:
    assert 0.0 == wait_seconds(1000, LockoutRule(steps=()))


def test_a_person_whom_the_municipality_knows_clears_every_strike() -> None:
    assert Lockout() == after(struck(9), r.PersonAuthenticated(VISIT), NOON, RULE)


@pytest.mark.parametrize("record", [r.VisitBegan(VISIT), r.VisitEnded(VISIT, EndReason.CANCELLED)])
def test_other_records_neither_strike_nor_clear(record: r.Record) -> None:
    assert struck(4) == after(struck(4), record, NOON + MINUTE, RULE)


def test_a_quiet_hour_forgets_and_less_does_not() -> None:
    last = timedelta(seconds=RULE.forget_seconds)
    assert 4 == current(struck(4), NOON + last, RULE).strikes
    assert Lockout() == current(struck(4), NOON + last + timedelta(seconds=1), RULE)
    late = after(struck(4), STRIKE, NOON + last + timedelta(seconds=1), RULE)
    assert 1 == late.strikes


def test_a_strike_after_a_pause_pauses_again() -> None:
    paused = struck(8)
    again = after(paused, STRIKE, NOON + 20 * MINUTE, RULE)
    assert NOON + 35 * MINUTE == waits_until(again, RULE)


def test_a_clock_set_back_neither_ends_the_wait_nor_makes_it_last_for_days() -> None:
    earlier = NOON - timedelta(days=1)
    assert earlier + 15 * MINUTE == waits_until(current(struck(8), earlier, RULE), RULE)


def test_the_journal_alone_gives_the_same_lockout_as_the_running_kiosk() -> None:
    entries: list[tuple[datetime, r.Record]] = [
        (NOON, STRIKE),
        (NOON, r.PersonAuthenticated(VISIT)),
        *((NOON + number * MINUTE, r.CardStrike(VISIT, kind)) for number, kind in enumerate(Strike)),
    ]
    found = by_journal(entries, NOON + 5 * MINUTE)
    assert Lockout(3, NOON + 2 * MINUTE) == found
    assert Lockout() == by_journal(entries, NOON + timedelta(hours=2))
    assert Lockout() == by_journal([], NOON)


def test_strikes_of_a_clock_that_was_ahead_are_no_later_than_what_followed() -> None:
    ahead = NOON + timedelta(days=2000)
    entries = [(ahead, r.CardStrike(VISIT, Strike.WRONG_PIN))] * 8 + [(NOON, r.DaemonStarted("1"))]
    assert Lockout(8, NOON) == by_journal(entries, NOON + MINUTE)
    assert Lockout() == by_journal(entries, NOON + timedelta(hours=2))


def test_a_kiosk_that_waits_begins_no_visit() -> None:
    assert "lockout" in obstacles(FACTS.with_level(LockoutLevel(waits=True)), RULES)
    assert "lockout" not in obstacles(FACTS.with_level(LockoutLevel()), RULES)


READING, SIGNING = s.ReadingCard(VISIT), s.Signing(VISIT)


JUDGED: list[tuple[Strike | None, s.State, e.Event]] = [
    (Strike.WRONG_PIN, SIGNING, e.PinWasRefused(2)),
    (Strike.WRONG_PIN, SIGNING, e.PinWasRefused(0)),
    (Strike.WRONG_PIN, SIGNING, e.PinIsLocked()),
    (Strike.LOCKED_CARD, READING, e.CardRead(0)),
    (Strike.WRONG_CARD, READING, e.CardRefused(CardRefusal.NOT_A_MY_NUMBER_CARD)),
    (Strike.WRONG_CARD, READING, e.CardRefused(CardRefusal.JUKI_CARD)),
    (Strike.WRONG_CARD, READING, e.CardRefused(CardRefusal.SMARTPHONE)),
    (Strike.WRONG_CARD, READING, e.CardRefused(CardRefusal.DRIVING_LICENCE)),
    (Strike.WRONG_CARD, READING, e.CardRefused(CardRefusal.RESIDENCE_CARD)),
    (Strike.WRONG_CARD, READING, e.CardRefused(CardRefusal.FELICA)),
    (Strike.WRONG_CARD, READING, e.CardRefused(CardRefusal.BANK_CARD)),
    (None, READING, e.CardRefused(CardRefusal.NO_CERTIFICATE)),
    (None, READING, e.CardRefused(CardRefusal.CERTIFICATE_EXPIRED)),
    (None, READING, e.CardRefused(CardRefusal.CERTIFICATE_NOT_YET_VALID)),
    (None, READING, e.CardRefused(CardRefusal.SEVERAL_CARDS)),
    (None, READING, e.CardRefused(CardRefusal.UNREADABLE)),
    (None, READING, e.CardRefused(CardRefusal.MOVED)),
    (None, READING, e.CardRefused(CardRefusal.READER_FAULT)),
    (None, READING, e.CardRead(3)),
    (None, SIGNING, e.PinInDoubt()),
    (None, SIGNING, e.CardSigned()),
]


@pytest.mark.parametrize(("expected", "state", "event"), JUDGED)
def test_guesses_and_wrong_cards_strike_once_and_bad_luck_does_not(
    expected: Strike | None, state: s.State, event: e.Event
) -> None:
    reader = Facts(VISIT).reader.__class__(working=True, card_present=True)
    records = step(state, event, FACTS.with_level(reader), RULES).records
    found = [record.strike for record in records if isinstance(record, r.CardStrike)]
    assert ([] if expected is None else [expected]) == found


def test_every_refusal_of_a_card_is_judged_above() -> None:
    judged = {event.refusal for _, _, event in JUDGED if isinstance(event, e.CardRefused)}
    assert set(CardRefusal) == judged
    assert {refusal.value for refusal in CardRefusal} <= {reason.value for reason in EndReason}


@pytest.mark.parametrize(("state", "event"), [(READING, e.CardRead(0)), (SIGNING, e.PinWasRefused(0))])
def test_a_card_without_tries_ends_the_visit_and_is_asked_for_no_pin(state: s.State, event: e.Event) -> None:
    reader = Facts(VISIT).reader.__class__(working=True, card_present=True)
    after = step(state, event, FACTS.with_level(reader), RULES)
    assert isinstance(after.state, s.Ended)
    assert EndReason.PIN_LOCKED is after.state.reason

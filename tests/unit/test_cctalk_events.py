"""The acceptor's event counter and buffer: no coin twice, none lost in silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.coin.cctalk import Garbled
from hw.coin.coin_ids import coin_yen, is_programmed
from hw.coin.event_buffer import (
    CHECK_CODES,
    SUSPECT_CODES,
    CoinEvent,
    ErrorClass,
    EventBuffer,
    FreshEvents,
    coins_missing,
    counter_after,
    error_class,
    events_since,
    fresh_events,
    hides_reset,
    pairs_text,
    reading,
)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (0, 0, 0),
        (0, 1, 1),
        (0, 255, 255),
        (1, 1, 0),
        (1, 5, 4),
        (254, 255, 1),
        (255, 1, 1),
        (254, 2, 3),
        (7, 6, 254),
    ],
)
def test_events_are_counted_over_the_wrap_that_leaves_out_0(old: int, new: int, expected: int) -> None:
    assert expected == events_since(old, new)


@pytest.mark.parametrize(
    ("counter", "events", "expected"),
    [(0, 0, 0), (0, 1, 1), (254, 1, 255), (255, 1, 1), (255, 0, 255), (250, 8, 3)],
)
def test_the_counter_never_comes_back_to_0(counter: int, events: int, expected: int) -> None:
    assert expected == counter_after(counter, events)


@given(old=st.integers(0, 255), events=st.integers(0, 254))
def test_counting_forth_and_back_agree(old: int, events: int) -> None:
    assert events == events_since(old, counter_after(old, events))


def test_a_reply_is_parsed_newest_first() -> None:
    data = bytes.fromhex("03 0401 0002 0301 0000 0000")
    assert EventBuffer(3, ((4, 1), (0, 2), (3, 1), (0, 0), (0, 0))) == EventBuffer.parse(data)


@pytest.mark.parametrize("data", [b"", bytes(10), bytes(12)])
def test_a_reply_of_another_length_is_garbled(data: bytes) -> None:
    with pytest.raises(Garbled):
        EventBuffer.parse(data)


def test_fresh_events_come_oldest_first_with_their_counters() -> None:
    buffer = EventBuffer.parse(bytes.fromhex("02 0401 0301 0000 0501 0501"))
    fresh = fresh_events(254, buffer)
    assert (CoinEvent(255, 0, 0), CoinEvent(1, 3, 1), CoinEvent(2, 4, 1)) == fresh.events
    assert (fresh.lost, fresh.reset) == (0, False)


def test_events_that_left_the_buffer_are_counted_as_lost() -> None:
    buffer = EventBuffer.parse(bytes.fromhex("12 0101 0201 0301 0401 0501"))
    fresh = fresh_events(10, buffer)
    assert fresh.lost == 3
    assert [event.counter for event in fresh.events] == [14, 15, 16, 17, 18]
    assert [event.position for event in fresh.events] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("old", "data", "events"),
    [
        (9, "00 0000 0000 0000 0000 0000", 0),
        (200, "02 0301 0401 0000 0000 0000", 2),  # two events since it was switched on again
        (4, "03 0301 0401 0101 0000 0000", 3),
    ],
)
def test_a_counter_that_went_back_with_empty_slots_is_a_reset(old: int, data: str, events: int) -> None:
    fresh = fresh_events(old, EventBuffer.parse(bytes.fromhex(data)))
    assert (True, 0, events) == (fresh.reset, fresh.lost, len(fresh.events))


def test_a_counter_that_went_on_from_power_up_is_no_reset() -> None:
    fresh = fresh_events(1, EventBuffer.parse(bytes.fromhex("03 0301 0401 0101 0000 0000")))
    assert (fresh.reset, len(fresh.events)) == (False, 2)


@given(old=st.integers(0, 255), gaps=st.lists(st.integers(0, 12), max_size=30))
def test_every_event_is_told_once_or_counted_as_lost(old: int, gaps: list[int]) -> None:
    counter, pairs, happened, told, lost = old, [(9, 9)] * 5, 0, 0, 0
    seen = old
    for gap in gaps:
        for _ in range(gap):
            happened += 1
            counter = 1 if counter == 255 else counter + 1
            pairs = [(happened % 16 + 1, 1), *pairs[:4]]
        fresh = fresh_events(seen, EventBuffer(counter, tuple(pairs)))
        expected = [n % 16 + 1 for n in range(happened - len(fresh.events) + 1, happened + 1)]
        assert expected == [event.position for event in fresh.events]
        told, lost, seen = told + len(fresh.events), lost + fresh.lost, counter
    assert happened == told + lost


REJECTED = [1, 2, 3, *range(8, 16), 22, 24, 25, 30, 32, 33, 37, 38, *range(128, 160)]
"""Column "coin rejected" of ccTalk part 3, table 2: yes."""

POSSIBLY_REJECTED = [4, 5, 6, 21, 34, 35]
"""The same column: possible."""

NOT_REJECTED = [7, *range(16, 21), 23, 29, 31, 36, 39, 40, *range(160, 192)]
"""The same column: no, with a coin in it or a credit taken back."""

WITHOUT_A_COIN = [0, 26, 27, 28, 253, 254, 255]
IN_NO_TABLE = [*range(41, 128), *range(192, 253)]


def test_every_error_code_there_can_be_is_in_one_row_of_the_table() -> None:
    rows = [REJECTED, POSSIBLY_REJECTED, NOT_REJECTED, WITHOUT_A_COIN, IN_NO_TABLE]
    assert list(range(256)) == sorted(code for row in rows for code in row)


@pytest.mark.parametrize("code", REJECTED + WITHOUT_A_COIN)
def test_a_coin_that_came_back_is_no_matter_for_staff(code: int) -> None:
    assert code not in SUSPECT_CODES
    assert ErrorClass.RETURNED is error_class(code)


@pytest.mark.parametrize("code", NOT_REJECTED + POSSIBLY_REJECTED + IN_NO_TABLE)
def test_a_coin_that_may_be_inside_without_credit_is_a_matter_for_staff(code: int) -> None:
    assert code in SUSPECT_CODES
    expected = ErrorClass.KEPT if code in NOT_REJECTED and code != 29 else ErrorClass.DOUBTFUL
    assert expected is error_class(code)


@pytest.mark.parametrize("code", [6, 13, 14, 15, 21, 26, 29, 30, 31, 32, 34, 35, 36, 40, 255])
def test_codes_of_broken_parts_ask_for_a_self_check(code: int) -> None:
    assert code in CHECK_CODES


@pytest.mark.parametrize("code", [1, 2, 3, 8, 9, 10, 11, 12, 33, 254])
def test_hasty_or_foreign_coins_ask_for_no_self_check_that_would_shut_the_slot(code: int) -> None:
    assert code not in CHECK_CODES


@pytest.mark.parametrize(
    ("coin_id", "expected"),
    [
        (b"JP010A", 10),
        (b"JP500A", 500),
        (b"JP500B", 500),
        (b"EU100A", None),
        (b"TK001A", None),
        (b"......", None),
        (b"------", None),
        (bytes(6), None),
        (b"JP000A", None),
        (b"JP100", None),
        (b"", None),
    ],
)
def test_only_a_yen_coin_id_has_a_value(coin_id: bytes, expected: int | None) -> None:
    assert expected == coin_yen(coin_id)


@pytest.mark.parametrize(
    ("coin_id", "expected"),
    [
        (b"JP500B", True),
        (b"TK001A", True),
        (b"EU100A", True),
        (b"......", False),
        (b"------", False),
        (bytes(6), False),
        (b"      ", False),
        (b"", False),
    ],
)
def test_an_empty_position_is_told_from_one_that_takes_something_unknown(
    coin_id: bytes, expected: bool
) -> None:
    assert expected is is_programmed(coin_id)


def buffer(counter: int, *pairs: tuple[int, int]) -> EventBuffer:
    return EventBuffer(counter, (*pairs, *[(0, 0)] * (5 - len(pairs))))


def test_a_reset_whose_counter_caught_up_shows_by_what_the_slots_hold() -> None:
    seen, now = buffer(2, (3, 1), (4, 1)), buffer(2, (0, 2), (0, 2))
    expected = FreshEvents((CoinEvent(1, 0, 2), CoinEvent(2, 0, 2)), 0, 2, reset=True)
    assert expected == fresh_events(2, now, seen)


@pytest.mark.parametrize(
    ("old", "now", "hidden"), [(0, 0, True), (1, 0, False), (0, 1, False), (1, 1, False)]
)
def test_only_between_two_readings_without_an_event_a_reset_shows_nowhere(
    old: int, now: int, hidden: bool
) -> None:
    reading_now = buffer(now, *[(3, 1)] * now)
    assert hidden is hides_reset(old, reading_now)
    if hidden:
        assert FreshEvents((), 0, 0) == fresh_events(old, reading_now, buffer(0))


@pytest.mark.parametrize("counter", [7, 8, 10])
def test_full_slots_that_contradict_the_last_reading_are_never_money(counter: int) -> None:
    seen = buffer(7, (3, 1), (4, 1), (3, 1), (4, 1), (3, 1))
    now = buffer(counter, (4, 1), (4, 1), (4, 1), (4, 1), (4, 1))
    assert FreshEvents((), counter - 7, counter, unclear=True) == fresh_events(7, now, seen)


def test_six_events_leave_nothing_to_compare_and_no_contradiction() -> None:
    seen, now = buffer(7, *[(3, 1)] * 5), buffer(13, *[(4, 1)] * 5)
    fresh = fresh_events(7, now, seen)
    assert (1, 5, False, False) == (fresh.lost, len(fresh.events), fresh.reset, fresh.unclear)


@pytest.mark.parametrize(
    ("before", "after", "told", "expected"),
    [
        (100, 108, 5, 3),
        (100, 105, 5, 0),
        (0xFFFFFE, 2, 1, 3),
        (100, 104, 5, 0),  # told of one that fell before the slot was opened
        (100, 0, 0, 0),  # another unit's counter
    ],
)
def test_what_is_missing_is_what_the_accept_counter_has_more(
    before: int, after: int, told: int, expected: int
) -> None:
    assert expected == coins_missing(before, after, told)


EVENT = st.one_of(
    st.tuples(st.integers(1, 3), st.just(1)),
    st.tuples(st.just(0), st.sampled_from([1, 2, 20])),
)
ACT = st.one_of(EVENT, st.sampled_from(["reset", "poll"]))


@given(acts=st.lists(ACT, max_size=60), counter=st.sampled_from([0, 1, 3, 4, 5, 200, 253, 255]))
def test_a_unit_that_may_restart_at_any_time_never_makes_a_coin_up(
    acts: list[tuple[int, int] | str], counter: int
) -> None:
    """The unit's own memory is the judge: what is told is the newest that happened since the last reading."""
    pairs = [(2, 1)] * min(counter, 5) + [(0, 0)] * (5 - min(counter, 5))
    seen = EventBuffer(counter, tuple(pairs))
    since: list[tuple[int, int]] = []
    restarted = False
    for act in [*acts, "poll"]:
        if isinstance(act, tuple):
            counter = 1 if counter == 255 else counter + 1
            pairs = [act, *pairs[:4]]
            since.append(act)
        elif act == "reset":
            counter, pairs, restarted = 0, [(0, 0)] * 5, True
        else:
            now = EventBuffer(counter, tuple(pairs))
            fresh = fresh_events(seen.counter, now, seen)
            told = [(event.position, event.code) for event in fresh.events]
            assert told == since[len(since) - len(told) :]
            assert fresh.counter == counter
            if not restarted:
                assert (False, False) == (fresh.reset, fresh.unclear)
                assert len(since) == len(told) + fresh.lost
            seen, since, restarted = now, [], False


def test_a_mark_keeps_a_reading_and_nothing_of_none() -> None:
    pairs = ((3, 1), (0, 254), (16, 255))
    assert "030100fe10ff" == pairs_text(pairs)
    assert EventBuffer(7, pairs) == reading(7, pairs_text(pairs))
    assert reading(7, "") is None


@pytest.mark.parametrize("known", range(1, 6))
@pytest.mark.parametrize(("newer", "unclear"), [((9, 1), True), ((5, 1), False)])
def test_a_reading_of_which_less_is_known_contradicts_by_what_is_known(
    known: int, newer: tuple[int, int], unclear: bool
) -> None:
    then = ((5, 1), (4, 1), (3, 1), (2, 1), (1, 1))[:known]
    now = EventBuffer(8, ((6, 1), newer, (4, 1), (3, 1), (2, 1)))
    fresh = fresh_events(7, now, EventBuffer(7, then))
    assert (unclear, 0 if unclear else 1) == (fresh.unclear, len(fresh.events))

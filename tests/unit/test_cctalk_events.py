"""The acceptor's event counter and buffer: no coin twice, none lost in silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.coin.cctalk import Garbled
from hw.coin.coin_ids import coin_yen
from hw.coin.event_buffer import (
    CoinEvent,
    ErrorClass,
    EventBuffer,
    counter_after,
    error_class,
    events_since,
    fresh_events,
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


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, ErrorClass.RETURNED),
        (1, ErrorClass.RETURNED),
        (14, ErrorClass.FAULT),
        (20, ErrorClass.KEPT),
        (36, ErrorClass.KEPT),
        (128, ErrorClass.RETURNED),
        (160, ErrorClass.KEPT),
        (191, ErrorClass.KEPT),
        (192, ErrorClass.RETURNED),
        (254, ErrorClass.RETURNED),
        (255, ErrorClass.FAULT),
    ],
)
def test_an_error_is_classed_by_what_it_means_for_the_money(code: int, expected: ErrorClass) -> None:
    assert expected is error_class(code)


def test_a_vendor_may_give_a_number_another_meaning() -> None:
    assert ErrorClass.RETURNED is error_class(23, kept_codes=frozenset({36}))


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

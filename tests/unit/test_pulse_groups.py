"""What the edges of a pulse line mean: a coin only where every pulse is one, else a doubt."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.coin.pulses import PulseFault, PulseGroup, PulseGroups, PulseTiming
from tests.simulators.coin.pulse import PulseSlot

TIMING = PulseTiming(shortest_seconds=0.015, longest_seconds=0.15, gap_seconds=0.25, bounce_seconds=0.003)
SLOT = PulseSlot({100: 1, 500: 5}, pulse_level=1)

Edge = tuple[float, bool]


def resting() -> PulseGroups:
    """A line that was seen to rest."""
    groups = PulseGroups(TIMING, most_pulses=5)
    assert [] == list(groups.rest())
    return groups


def is_stuck(groups: PulseGroups) -> bool:
    return groups.stuck


def is_noisy(groups: PulseGroups) -> bool:
    return groups.noisy


def is_pending(groups: PulseGroups) -> bool:
    return groups.pending


def play(groups: PulseGroups, edges: Sequence[Edge], *, at: float = 100.0) -> list[PulseGroup]:
    return [group for moment, active in edges for group in groups.edge(at + moment, active)]


def finish(groups: PulseGroups, edges: Sequence[Edge], *, at: float = 100.0) -> list[PulseGroup]:
    return [*play(groups, edges, at=at), *groups.rest()]


def test_a_line_has_rested_when_no_pulse_of_a_coin_can_follow_any_more() -> None:
    assert pytest.approx(0.25 + 0.15 + 0.1) == TIMING.rest_seconds


@pytest.mark.parametrize("pulses", [1, 2, 5])
def test_pulses_in_a_row_are_one_coin(pulses: int) -> None:
    assert [PulseGroup(pulses)] == finish(resting(), SLOT.train(pulses))


@pytest.mark.parametrize("pulse_seconds", [0.025, 0.045, 0.065, 0.1, 0.12])
def test_every_pulse_that_units_make_counts(pulse_seconds: float) -> None:
    edges = SLOT.train(3, pulse_seconds=pulse_seconds)
    assert [PulseGroup(3)] == finish(resting(), edges)


@pytest.mark.parametrize("width", [0.0005, 0.0149, 0.151, 3.0])
def test_a_pulse_of_another_width_is_a_doubt(width: float) -> None:
    assert [PulseGroup(1, PulseFault.WIDTH)] == finish(resting(), [(0.0, True), (width, False)])


@pytest.mark.parametrize("width", [TIMING.shortest_seconds, TIMING.longest_seconds])
def test_the_limits_of_a_pulse_are_still_a_pulse(width: float) -> None:
    assert [PulseGroup(1)] == finish(resting(), [(0.0, True), (width, False)], at=0.0)


@pytest.mark.parametrize("width", [0.0005, 0.2])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_wrong_pulse_spoils_its_coin_and_no_other(width: float, place: int) -> None:
    groups = resting()
    edges: list[Edge] = []
    at = 0.0
    for number in range(3):
        seconds = width if number == place else 0.05
        edges += [(at, True), (at + seconds, False)]
        at += seconds + 0.05
    assert [PulseGroup(3, PulseFault.WIDTH)] == finish(groups, edges)
    assert [PulseGroup(1)] == finish(groups, SLOT.train(1), at=200.0)


def test_a_longer_pause_parts_two_coins_without_a_rest_between() -> None:
    groups = resting()
    told = play(groups, SLOT.train(5)) + play(groups, SLOT.train(1), at=100.45 + 0.251)
    assert [PulseGroup(5)] == told
    assert [PulseGroup(1)] == list(groups.rest())


def test_pulses_no_farther_apart_than_a_gap_are_one_coin() -> None:
    edges = [(0.0, True), (0.05, False), (0.3, True), (0.35, False)]
    assert [PulseGroup(2)] == finish(resting(), edges)


def test_a_contact_that_bounces_makes_no_more_pulses() -> None:
    slot = PulseSlot({500: 5}, pulse_level=1, bounce_seconds=0.0025)
    for number in range(50):
        assert [PulseGroup(5)] == finish(resting(), slot.train(5), at=10.0 * number)


def test_a_line_at_the_pulse_level_for_too_long_is_stuck_and_told_once() -> None:
    groups = resting()
    assert [PulseGroup(0, PulseFault.STUCK)] == finish(groups, [(0.0, True)])
    assert is_stuck(groups)
    assert [] == list(groups.rest())
    assert [] == finish(groups, [(9.0, False)])
    assert not is_stuck(groups)
    assert [PulseGroup(1)] == finish(groups, SLOT.train(1), at=200.0)


def test_a_line_that_was_stuck_must_rest_before_it_is_good_again() -> None:
    groups = resting()
    assert [PulseGroup(0, PulseFault.STUCK)] == finish(groups, [(0.0, True)])
    assert [] == play(groups, [(9.0, False)])
    assert is_pending(groups)
    assert [] == list(groups.rest())
    assert not is_pending(groups)


def test_a_line_that_gets_stuck_within_a_coin_spoils_it() -> None:
    groups = resting()
    assert [PulseGroup(2, PulseFault.STUCK)] == finish(groups, [*SLOT.train(2), (0.25, True)])


def test_pulses_before_the_first_rest_may_be_the_end_of_a_coin_and_are_a_doubt() -> None:
    groups = PulseGroups(TIMING, most_pulses=5)
    assert is_pending(groups)
    assert [PulseGroup(1, PulseFault.BEGUN_UNSEEN)] == finish(groups, SLOT.train(1))
    assert not is_pending(groups)
    assert [PulseGroup(1)] == finish(groups, SLOT.train(1), at=200.0)


def test_a_coin_after_a_long_pause_before_the_first_rest_is_believed() -> None:
    groups = PulseGroups(TIMING, most_pulses=5)
    told = play(groups, SLOT.train(1)) + finish(groups, SLOT.train(5), at=101.0)
    assert [PulseGroup(1, PulseFault.BEGUN_UNSEEN), PulseGroup(5)] == told


def test_a_line_found_within_a_pulse_is_a_doubt() -> None:
    groups = PulseGroups(TIMING, most_pulses=5, active=True)
    told = finish(groups, [(0.02, False), (0.07, True), (0.12, False)])
    assert [PulseGroup(1, PulseFault.BEGUN_UNSEEN)] == told


def test_a_line_found_stuck_is_told_as_such_until_it_is_let_go() -> None:
    groups = PulseGroups(TIMING, most_pulses=5, active=True)
    assert [PulseGroup(0, PulseFault.BEGUN_UNSEEN)] == list(groups.rest())
    assert is_stuck(groups)
    assert [] == finish(groups, [(0.0, False)])
    assert [PulseGroup(1)] == finish(groups, SLOT.train(1), at=200.0)


def test_more_pulses_of_a_coin_that_was_taken_for_ended_are_a_doubt() -> None:
    groups = resting()
    assert [PulseGroup(1)] == finish(groups, SLOT.train(1))
    late = finish(groups, SLOT.train(4), at=100.1)
    assert [PulseGroup(4, PulseFault.GOES_ON)] == late


@pytest.mark.parametrize(
    "edges",
    [
        [(0.0, True), (0.05, False), (0.15, False)],  # the rise between was not seen
        [(0.0, True), (0.1, True), (0.15, False)],  # the fall between was not seen
        [(0.15, False)],
        [(0.0, True), (0.1, True), (0.1005, True), (0.15, False)],
    ],
)
def test_an_edge_that_was_not_seen_is_a_doubt(edges: list[Edge]) -> None:
    (group,) = finish(resting(), edges)
    assert PulseFault.EDGE_LOST is group.fault


def test_time_that_goes_back_is_a_doubt() -> None:
    groups = resting()
    (group,) = finish(groups, [(0.0, True), (0.05, False), (-9.0, True), (-8.95, False)])
    assert PulseFault.TIME is group.fault


def test_edges_that_could_not_be_kept_are_a_doubt_also_when_nothing_else_came() -> None:
    groups = resting()
    groups.lose()
    assert is_pending(groups)
    assert [PulseGroup(0, PulseFault.OVERFLOW)] == list(groups.rest())


def test_pulses_without_end_are_told_once_and_then_swallowed_until_a_rest() -> None:
    groups = resting()
    told = play(groups, SLOT.train(400))
    assert [PulseGroup(6, PulseFault.COUNT)] == told
    assert is_noisy(groups)
    assert is_pending(groups)
    assert [] == list(groups.rest())
    assert not is_noisy(groups)
    assert [PulseGroup(1)] == finish(groups, SLOT.train(1), at=900.0)


def test_a_hum_faster_than_a_bounce_does_not_pass_for_one_long_pulse() -> None:
    groups = resting()
    hum = [(number * 0.001, number % 2 == 0) for number in range(1000)]
    assert [PulseGroup(1, PulseFault.WIDTH)] == play(groups, hum)
    assert is_noisy(groups)


COIN = st.sampled_from([1, 2, 5])


@given(coins=st.lists(COIN, max_size=12), rests=st.lists(st.booleans(), min_size=12, max_size=12))
def test_every_coin_is_told_once_whether_the_loop_looks_in_time_or_late(
    coins: list[int], rests: list[bool]
) -> None:
    groups = resting()
    told: list[PulseGroup] = []
    at = 50.0
    for pulses, rest in zip(coins, rests, strict=False):
        edges = SLOT.train(pulses)
        told += play(groups, edges, at=at)
        at += SLOT.seconds(edges) + 0.26
        if rest:
            told += groups.rest()
    told += groups.rest()
    assert [PulseGroup(pulses) for pulses in coins] == told


MOMENT = st.floats(0.0001, 0.4)


@given(moments=st.lists(MOMENT, max_size=60), lost=st.sets(st.integers(0, 59)), rest_at=st.integers(0, 60))
def test_whatever_a_line_does_nothing_is_a_coin_unless_each_pulse_is_one(
    moments: list[float], lost: set[int], rest_at: int
) -> None:
    """An independent judge: a coin is a run of whole pulses, all of them seen and all of a good width."""
    groups = resting()
    told: list[PulseGroup] = []
    at, level = 10.0, False
    seen: list[Edge] = []
    for number, moment in enumerate(moments):
        at += moment
        level = not level
        if number not in lost:
            seen.append((at, level))
            told += groups.edge(at, level)
        if number == rest_at:
            told += groups.rest()
    told += groups.rest()
    widths = [fall - rise for (rise, _), (fall, _) in zip(seen[::2], seen[1::2], strict=False)]
    credited = sum(group.pulses for group in told if group.fault is None)
    assert credited <= len(seen) // 2 + 1
    if not lost:
        good = sum(0.015 <= width <= 0.15 for width in widths)
        assert credited <= good + sum(moment < 0.003 for moment in moments)
    assert sum(group.pulses for group in told) <= len(seen)


def judge(edges: Sequence[Edge]) -> list[int | None]:
    """All at once and by hand: how many pulses each coin has, None where one of them is no pulse."""
    stretches: list[list[float]] = []
    for (rise, _), (fall, _) in zip(edges[::2], edges[1::2], strict=True):
        if stretches and rise - stretches[-1][1] < 0.003:
            stretches[-1][1] = fall
        else:
            stretches.append([rise, fall])
    coins: list[list[bool]] = []
    last_fall = float("-inf")
    for rise, fall in stretches:
        if rise - last_fall > 0.25:
            coins.append([])
        coins[-1].append(0.015 <= fall - rise <= 0.15)
        last_fall = fall
    return [len(coin) if all(coin) else None for coin in coins]


PART = st.one_of(st.floats(0.0002, 0.0029), st.floats(0.0151, 0.149), st.floats(0.0031, 0.4))


@given(parts=st.lists(PART, max_size=10).filter(lambda parts: len(parts) % 2 == 0))
def test_edge_by_edge_comes_to_the_same_as_all_at_once(parts: list[float]) -> None:
    groups = resting()
    at, edges = 10.0, list[Edge]()
    for number, part in enumerate(parts):
        edges.append((at, number % 2 == 0))
        at += part
    told = [group for moment, active in edges for group in groups.edge(moment, active)]
    if is_noisy(groups):
        return
    told += groups.rest()
    assert judge(edges) == [None if group.fault else group.pulses for group in told]

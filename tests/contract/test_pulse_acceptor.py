"""The pulse acceptor on simulated pins: noise is never money, and nobody's coin is let in unwatched."""

import asyncio
import threading
import time

import pytest

from firmware.core.facts import AcceptorLevel
from firmware.errors import DeviceGone
from firmware.logbook import EventId
from firmware.ports import CoinAccepted, CoinMark, CoinsSuspect
from hw.coin.pulse_wires import MOST_EDGES
from tests.contract.coin_rig import Ear
from tests.contract.pulse_rig import INHIBIT, PULSE, PulseRig, pulse_acceptor_on, pulse_rig
from tests.simulators.coin.pulse import Edges

COINS = frozenset({100, 500})


def doubt(counter: int, lost: int = 1) -> CoinsSuspect:
    return CoinsSuspect(lost, 0, CoinMark(0, counter))


@pytest.mark.parametrize(("pulse_level", "inhibit_level"), [(0, 0), (0, 1), (1, 0), (1, 1)])
async def test_levels_are_as_wired(pulse_level: int, inhibit_level: int) -> None:
    ear = Ear()
    with pulse_rig(pulse_level=pulse_level, inhibit_level=inhibit_level) as rig:
        async with pulse_acceptor_on(rig, ear) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            assert rig.board.level(INHIBIT) == bool(inhibit_level)
            await acceptor.accept(COINS)
            assert rig.board.level(INHIBIT) != bool(inhibit_level)
            assert rig.drop_coin(500)
            await acceptor.stop()
        assert [500] == ear.yen
        assert rig.board.level(INHIBIT) == bool(inhibit_level)


async def test_bounce_makes_no_coin_more() -> None:
    ear = Ear()
    with pulse_rig() as rig:
        rig.slot.bounce_seconds = 0.0004
        async with pulse_acceptor_on(rig, ear) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.accept(COINS)
            for yen in (500, 100, 500):
                assert rig.drop_coin(yen)
            await acceptor.stop()
        assert [500, 100, 500] == ear.yen
        assert [] == ear.suspects


def spike(rig: PulseRig) -> Edges:
    return rig.slot.spike()


def wide(rig: PulseRig) -> Edges:
    return rig.slot.train(1, pulse_seconds=0.1)


def odd(rig: PulseRig) -> Edges:
    return rig.slot.train(3)


@pytest.mark.parametrize("disturbance", [spike, wide, odd])
async def test_what_is_no_coin_is_a_doubt_and_shuts_the_slot(disturbance: object) -> None:
    ear = Ear()
    with pulse_rig() as rig:
        async with pulse_acceptor_on(rig, ear) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.accept(COINS)
            assert rig.drop_coin(100)
            assert callable(disturbance)
            rig.play(disturbance(rig))
            await ear.until(lambda: len(ear.coins) == 2)
            assert [CoinAccepted(100, CoinMark(0, 1)), doubt(2)] == ear.coins
            assert not rig.slot_is_open
            assert EventId.COIN_SUSPECT in ear.logged


async def test_no_pulse_is_missed_while_the_loop_is_held_up() -> None:
    ear = Ear()
    with pulse_rig() as rig:
        async with pulse_acceptor_on(rig, ear) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.accept(COINS)

            def throw() -> None:
                for yen in (500, 100, 100, 500, 500, 100):
                    rig.drop_coin(yen)

            thread = threading.Thread(target=throw)
            thread.start()
            thread.join()  # the loop cannot run meanwhile: the hazard itself
            time.sleep(0.3)  # noqa: ASYNC251
            await acceptor.stop()
        assert [500, 100, 100, 500, 500, 100] == ear.yen
        assert [] == ear.suspects
        assert rig.slot.cash_box.total() == 6


async def test_more_edges_than_can_be_kept_are_a_doubt() -> None:
    ear = Ear()
    with pulse_rig() as rig:
        async with pulse_acceptor_on(rig, ear) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.accept(COINS)
            rig.play(rig.slot.train(MOST_EDGES))
            await ear.until(lambda: ear.suspects != [])
            assert [] == ear.yen


async def test_a_stuck_line_takes_the_acceptor_out_until_it_is_let_go() -> None:
    ear = Ear()
    with pulse_rig() as rig:
        async with pulse_acceptor_on(rig, ear) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.accept(COINS)
            rig.board.drive(PULSE, bool(rig.slot.pulse_level))
            await ear.until(lambda: not ear.acceptor_works)
            assert [doubt(1)] == ear.coins
            assert not rig.slot_is_open
            await acceptor.stop()
            rig.idle()
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.accept(COINS)
            assert rig.drop_coin(100)
            await acceptor.stop()
            assert [100] == ear.yen
            assert (1, 1) == (
                ear.logged.count(EventId.COIN_ACCEPTOR_GONE),
                ear.logged.count(EventId.COIN_ACCEPTOR_BACK),
            )


async def test_noise_without_end_takes_the_acceptor_out_and_stop_returns_all_the_same() -> None:
    ear = Ear()
    with pulse_rig() as rig:
        async with pulse_acceptor_on(rig, ear) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.accept(COINS)
            humming = asyncio.create_task(_hum(rig))
            await ear.until(lambda: not ear.acceptor_works)
            await acceptor.stop()
            assert [doubt(1)] == ear.coins
            humming.cancel()
            await ear.until(lambda: ear.acceptor_works)


async def _hum(rig: PulseRig) -> None:
    while True:
        rig.play(rig.slot.train(10), pause_seconds=0.005)
        await asyncio.sleep(0.02)


async def test_a_coin_while_the_kiosk_starts_is_a_doubt_and_never_less_than_it_was() -> None:
    """Four of its five pulses went by unseen: the fifth alone would be 100 yen."""
    ear = Ear()
    with pulse_rig() as rig:
        async with pulse_acceptor_on(rig, ear, seen=CoinMark(0, 7)):
            watched = rig.board.wait_until
            assert await asyncio.to_thread(watched, lambda: bool(rig.board.driven_by_kiosk(INHIBIT)), 10)
            rig.play(rig.slot.train(1))
            await ear.until(lambda: ear.acceptor_works)
            assert [doubt(8)] == ear.coins


async def test_an_inhibit_line_that_nobody_held_is_told_at_the_next_start() -> None:
    ear = Ear()
    with pulse_rig(pulled=False) as rig:
        async with pulse_acceptor_on(rig, ear, seen=CoinMark(0, 41)) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            assert [doubt(42, lost=0)] == ear.coins
            assert CoinMark(0, 42) == acceptor.mark
            assert not rig.slot_is_open


async def test_pins_that_vanish_while_the_slot_is_open_leave_a_doubt() -> None:
    ear = Ear()
    with pulse_rig() as rig:
        async with pulse_acceptor_on(rig, ear) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.accept(COINS)
            rig.board.cut_power()
            await ear.until(lambda: not ear.acceptor_works)
            rig.board.restore_power()
            await ear.until(lambda: ear.acceptor_works)
            assert [doubt(1, lost=0)] == ear.coins


async def test_a_mark_of_another_unit_begins_a_new_count_and_the_count_leaves_out_0() -> None:
    for seen, expected in ((CoinMark(123456, 200), 1), (CoinMark(0, 255), 1), (CoinMark(0, 3), 4)):
        ear = Ear()
        with pulse_rig() as rig:
            async with pulse_acceptor_on(rig, ear, seen=seen) as acceptor:
                await ear.until(lambda ear=ear: ear.acceptor_works)  # type: ignore[misc]
                await acceptor.accept(COINS)
                assert rig.drop_coin(100)
                await acceptor.stop()
            assert [CoinAccepted(100, CoinMark(0, expected))] == ear.coins


async def test_only_some_of_its_coins_cannot_be_asked_for_and_the_visit_is_told() -> None:
    ear = Ear()
    with pulse_rig() as rig:
        async with pulse_acceptor_on(rig, ear) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            with pytest.raises(DeviceGone):
                await acceptor.accept(frozenset({100}))
            assert not rig.slot_is_open
            await ear.until(lambda: len(ear.levels) == 3)
            assert [AcceptorLevel(works) for works in (True, False, True)] == ear.levels


async def test_a_pulse_after_the_slot_was_shut_is_still_money() -> None:
    ear = Ear()
    with pulse_rig() as rig:
        async with pulse_acceptor_on(rig, ear):
            await ear.until(lambda: ear.acceptor_works)
            rig.play(rig.slot.train(5))
            await ear.until(lambda: ear.yen == [500])


async def test_a_line_that_crackles_with_the_slot_shut_is_told_once_and_opens_all_the_same() -> None:
    ear = Ear()
    with pulse_rig() as rig:
        async with pulse_acceptor_on(rig, ear) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.stop()
            for _ in range(5):
                rig.play(rig.slot.spike())
            await ear.until(lambda: ear.suspects != [])
            await acceptor.stop()
            await acceptor.accept(COINS)
            assert rig.drop_coin(100)
            await acceptor.stop()
            assert [doubt(1), CoinAccepted(100, CoinMark(0, 2))] == ear.coins

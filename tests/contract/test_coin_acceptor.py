"""CoinAcceptor: every coin is told once, whatever happens. On real ccTalk frames over a pseudo-terminal."""

import asyncio
import itertools
import random
import time

import pytest

from firmware.core.facts import AcceptorLevel
from firmware.errors import DeviceGone
from firmware.logbook import EventId
from firmware.ports import CoinAccepted, CoinMark, CoinsSuspect
from hw.coin.acceptor import CcTalkAcceptor
from hw.coin.bus import CcTalkBus
from hw.coin.hopper import CcTalkHopper
from hw.coin.identity import Commissioned
from hw.coin.keep import GoneReason
from tests.contract.coin_rig import Ear, acceptor_on
from tests.simulators.coin import CoinMachine
from tests.virtual_time import in_virtual_time

SERIAL = 123456
COINS = frozenset({100, 500})


def mark(counter: int) -> CoinMark:
    return CoinMark(SERIAL, counter)


async def test_the_slot_is_closed_until_accept_and_after_stop() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        before = machine.drop_coin(500)
        await acceptor.accept(COINS)
        between = machine.drop_coin(500)
        await acceptor.stop()
        after = machine.drop_coin(500)
        assert (before, between, after) == (False, True, False)
        assert ear.yen == [500]


async def test_only_the_coins_asked_for_are_taken() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(frozenset({100}))
        assert [machine.drop_coin(yen) for yen in (10, 50, 100, 500)] == [False, False, True, False]
        await acceptor.accept(COINS)
        assert [machine.drop_coin(yen) for yen in (50, 500)] == [False, True]
        await acceptor.stop()
        assert ear.yen == [100, 500]
        assert machine.cash_box_yen == ear.credited_yen


async def test_both_500_yen_issues_are_500_yen() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert machine.drop_coin(500, issue="A")
        assert machine.drop_coin(500, issue="B")
        await acceptor.stop()
        assert ear.yen == [500, 500]


async def test_an_issue_that_is_not_programmed_falls_through() -> None:
    ear = Ear()
    async with CoinMachine(coin_ids=["JP100A", "JP500A"]) as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert not machine.drop_coin(500, issue="B")


async def test_a_wrapping_counter_loses_no_coin_and_every_coin_has_its_mark() -> None:
    ear = Ear()
    async with CoinMachine() as machine:
        machine.acceptor.counter = 253
        async with acceptor_on(machine, ear, seen=mark(253)) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.accept(COINS)
            assert machine.burst([100, 500, 100, 500]) == 4
            await acceptor.stop()
        expected = [
            CoinAccepted(100, mark(254)),
            CoinAccepted(500, mark(255)),
            CoinAccepted(100, mark(1)),
            CoinAccepted(500, mark(2)),
        ]
        assert expected == ear.coins


async def test_a_burst_of_five_between_two_polls_is_told_whole() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert machine.burst([100, 500, 100, 100, 500]) == 5
        await acceptor.stop()
        assert ear.yen == [100, 500, 100, 100, 500]
        assert ear.suspects == []


async def test_a_burst_of_eight_tells_five_says_three_are_lost_and_closes_the_slot() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert machine.burst([500, 500, 500, 100, 100, 500, 100, 500]) == 8
        await ear.until(lambda: len(ear.coins) == 6)
        assert CoinsSuspect(lost=3, code=0, mark=mark(3), coins=3) == ear.coins[0]
        assert ear.yen == [100, 100, 500, 100, 500]
        await _polls(machine, 2)
        assert not machine.drop_coin(100)
        assert machine.cash_box_yen - ear.credited_yen == 1500


@pytest.mark.parametrize("echo", [True, False])
@in_virtual_time
async def test_garbled_and_lost_replies_neither_lose_nor_double_a_coin(echo: bool) -> None:
    ear = Ear()
    async with CoinMachine(echo=echo) as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        machine.garble_next(2, header=229)
        assert machine.drop_coin(500)
        await ear.until(lambda: ear.credited_yen == 500)
        machine.drop_replies(2, header=229)
        assert machine.drop_coin(100)
        await ear.until(lambda: ear.credited_yen == 600)
        machine.noise(b"\x00\xff\x01")
        assert machine.drop_coin(100)
        await acceptor.stop()
        assert ear.yen == [500, 100, 100]
        assert EventId.COIN_ACCEPTOR_GONE not in ear.logged


@in_virtual_time
async def test_a_coin_in_flight_at_stop_is_told_before_stop_returns() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear, drain_seconds=0.3) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert machine.drop_coin(500, flight_seconds=0.2)
        await acceptor.stop()
        assert ear.yen == [500]


async def test_a_line_lost_while_accepting_tells_its_coin_later_and_leaves_the_slot_closed() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        machine.vanish()
        assert machine.drop_coin(500), "the acceptor does not know yet that nobody listens"
        await ear.until(lambda: not ear.acceptor_works)
        with pytest.raises(DeviceGone):
            await acceptor.accept(COINS)
        machine.come_back()
        await ear.until(lambda: ear.acceptor_works and ear.credited_yen == 500)
        await _polls(machine, 2)
        assert not machine.drop_coin(500)
        await acceptor.accept(COINS)
        assert machine.drop_coin(500)
        await acceptor.stop()
        assert ear.yen == [500, 500]
        assert ear.logged.count(EventId.COIN_ACCEPTOR_GONE) == 1
        assert ear.logged.count(EventId.COIN_ACCEPTOR_BACK) == 1


async def test_a_serial_adapter_that_hangs_without_hanging_up_is_opened_anew() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert machine.drop_coin(500)
        machine.hang_adapter()
        await ear.until(lambda: not ear.acceptor_works)
        await ear.until(lambda: ear.acceptor_works)
        assert ear.yen == [500]


async def test_coins_taken_while_the_kiosk_was_dead_are_told_at_its_start() -> None:
    before, after = Ear(), Ear()
    async with CoinMachine() as machine:
        async with acceptor_on(machine, before) as acceptor:
            await before.until(lambda: before.acceptor_works)
            await acceptor.accept(COINS)
            assert machine.burst([500, 100, 500]) == 3
            await before.until(lambda: len(before.coins) == 3)
        journaled = before.coins[0].mark
        async with acceptor_on(machine, after, seen=journaled):
            await after.until(lambda: after.acceptor_works)
        assert before.coins[1:] == after.coins


async def test_a_coin_that_was_journaled_is_not_told_again() -> None:
    before, after = Ear(), Ear()
    async with CoinMachine() as machine:
        async with acceptor_on(machine, before) as acceptor:
            await before.until(lambda: before.acceptor_works)
            await acceptor.accept(COINS)
            assert machine.drop_coin(500)
            await acceptor.stop()
        async with acceptor_on(machine, after, seen=before.coins[-1].mark) as acceptor:
            await after.until(lambda: after.acceptor_works)
            await acceptor.stop()
        assert after.coins == []


async def test_the_slot_of_a_kiosk_that_died_is_closed_at_the_next_start() -> None:
    before, after = Ear(), Ear()
    async with CoinMachine() as machine:
        async with acceptor_on(machine, before) as acceptor:
            await before.until(lambda: before.acceptor_works)
            machine.acceptor.mask, machine.acceptor.master = 0xFFFF, True
            assert machine.slot_is_open
            machine.drop_requests(99, header=228)
            assert acceptor.mark is not None
        machine.clear_faults()
        assert machine.slot_is_open
        async with acceptor_on(machine, after) as acceptor:
            await after.until(lambda: after.acceptor_works)
            await acceptor.stop()
            assert not machine.slot_is_open


async def test_an_acceptor_restarted_while_open_is_suspect_and_stays_closed() -> None:
    ear = Ear()
    async with CoinMachine(restart_seconds=0.05) as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert machine.drop_coin(100)
        await ear.until(lambda: ear.credited_yen == 100)
        machine.power_cycle()
        await ear.until(lambda: len(ear.levels) == 3 and ear.acceptor_works)
        assert [CoinsSuspect(lost=0, code=0, mark=mark(0), coins=0)] == ear.suspects
        assert not machine.slot_is_open
        await acceptor.accept(COINS)
        assert machine.drop_coin(500)
        await acceptor.stop()
        assert ear.yen == [100, 500]


async def test_an_acceptor_switched_off_over_night_is_not_suspect() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear, seen=mark(77)) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.stop()
        assert ear.coins == []
        assert mark(0) == acceptor.mark


async def test_another_unit_than_the_commissioned_one_is_refused_until_it_is_back() -> None:
    ear = Ear()
    async with (
        CoinMachine(serial=999) as machine,
        acceptor_on(machine, ear, commissioned=Commissioned(serial=SERIAL)),
    ):
        await ear.until(lambda: EventId.COIN_ACCEPTOR_GONE in ear.logged)
        assert [AcceptorLevel(working=False)] == ear.levels
        machine.acceptor.serial = SERIAL
        await ear.until(lambda: ear.acceptor_works)
        assert ear.logged.count(EventId.COIN_ACCEPTOR_GONE) == 1


@pytest.mark.parametrize("seen", [None, CoinMark(42, 200)])
async def test_the_first_coins_of_a_unit_are_told_even_if_the_kiosk_died_before_it_read_them(
    seen: CoinMark | None,
) -> None:
    before, after = Ear(), Ear()
    async with CoinMachine() as machine:
        async with acceptor_on(machine, before, seen=seen) as acceptor:
            await before.until(lambda: before.acceptor_works)
            await acceptor.accept(COINS)
            assert machine.drop_coin(500)
        async with acceptor_on(machine, after, seen=seen):
            await after.until(lambda: after.acceptor_works)
        assert after.coins == [CoinAccepted(500, mark(1))]


async def test_something_else_at_the_address_is_not_an_acceptor() -> None:
    ear = Ear()
    async with CoinMachine() as machine:
        machine.acceptor.category = b"Bill Validator"
        async with acceptor_on(machine, ear):
            await ear.until(lambda: EventId.COIN_ACCEPTOR_GONE in ear.logged)
            assert not ear.acceptor_works


async def test_a_failed_self_check_takes_the_acceptor_out_and_a_good_one_brings_it_back() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        machine.fail_self_check(3)
        machine.reject_next(14)
        machine.drop_coin(100)
        await ear.until(lambda: not ear.acceptor_works)
        machine.fail_self_check(0)
        await ear.until(lambda: ear.acceptor_works)
        assert ear.coins == []


@pytest.mark.parametrize("code", [7, 16, 17, 18, 19, 20, 23, 31, 36, 39, 40])
async def test_a_coin_kept_without_credit_is_told_as_suspect(code: int) -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        machine.reject_next(code)
        assert machine.drop_coin(500)
        await acceptor.stop()
        assert [CoinsSuspect(lost=0, code=code, mark=mark(1))] == ear.coins
        assert machine.uncredited_yen == 500


@pytest.mark.parametrize("code", [6, 34, 100])
async def test_a_coin_of_which_nobody_knows_where_it_is_is_told_as_suspect(code: int) -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        machine.reject_next(code)
        machine.drop_coin(500)
        await acceptor.stop()
        assert [CoinsSuspect(lost=0, code=code, mark=mark(1))] == ear.coins


async def test_a_returned_coin_is_told_and_counts_for_nothing() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        machine.reject_next(1)
        assert not machine.drop_coin(500)
        await acceptor.stop()
        assert (1, []) == (ear.returned, ear.coins)
        assert EventId.COIN_REJECTED in ear.logged


async def test_a_credit_on_a_position_without_value_is_suspect_and_never_money() -> None:
    ear = Ear()
    async with CoinMachine(coin_ids=["TK001A", "JP500A"]) as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        machine.acceptor.counter, machine.acceptor.pairs[0] = 1, (1, 1)
        await acceptor.stop()
        assert [CoinsSuspect(lost=1, code=0, mark=mark(1))] == ear.coins


async def test_a_burst_of_eight_is_sized_by_the_units_own_count_of_coins() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert machine.drop_coin(100)
        await ear.until(lambda: ear.yen == [100])
        machine.burst([500, 10, 100, 10, 10, 500, 100, 100])  # 10 yen fall through
        await acceptor.stop()
        assert [CoinsSuspect(lost=3, code=0, mark=mark(4), coins=2)] == ear.suspects
        assert ear.yen == [100, 500, 100, 100]
        assert machine.cash_box_yen == ear.credited_yen + 600


async def test_a_unit_that_counts_no_coins_leaves_the_size_of_a_loss_open() -> None:
    ear = Ear()
    async with CoinMachine() as machine:
        machine.acceptor.unknown_headers = frozenset({225, 249, 246, 244, 241, 192, 4})
        async with acceptor_on(machine, ear) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.accept(COINS)
            assert machine.burst([100] * 6) == 6
            await acceptor.stop()
            assert [CoinsSuspect(lost=1, code=0, mark=mark(1), coins=None)] == ear.suspects


async def test_a_line_lost_while_a_loss_is_sized_loses_no_report() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        machine.drop_requests(3, header=228)
        assert machine.burst([100] * 7) == 7
        await ear.until(lambda: not ear.acceptor_works)
        assert ear.coins == []
        await ear.until(lambda: ear.acceptor_works)
        assert [CoinsSuspect(lost=2, code=0, mark=mark(2), coins=2)] == ear.suspects
        assert ear.yen == [100] * 5


async def test_a_counter_that_caught_up_after_a_reset_is_seen_by_what_the_slots_hold() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert machine.drop_coin(100)
        await ear.until(lambda: ear.yen == [100])
        machine.acceptor.counter, machine.acceptor.pairs = 1, [(0, 2), *[(0, 0)] * 4]
        await ear.until(lambda: ear.suspects != [])
        assert [CoinsSuspect(lost=0, code=0, mark=mark(0), coins=0)] == ear.suspects
        await ear.until(lambda: len(ear.levels) == 3 and ear.acceptor_works)
        assert not machine.slot_is_open


async def test_slots_that_contradict_what_was_read_are_suspect_and_never_money() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert machine.burst([100] * 5) == 5
        await ear.until(lambda: len(ear.yen) == 5)
        machine.acceptor.counter, machine.acceptor.pairs = 7, [(4, 1)] * 5
        await ear.until(lambda: ear.suspects != [])
        await acceptor.stop()
        assert [CoinsSuspect(lost=2, code=0, mark=mark(7), coins=0)] == ear.suspects
        assert ear.yen == [100] * 5


async def test_a_unit_that_takes_an_unknown_coin_whatever_it_is_told_is_refused() -> None:
    ear = Ear()
    async with CoinMachine(coin_ids=["JP100A", "EU200A", "JP500A"]) as machine:
        machine.acceptor.stuck_mask = 0b010
        async with acceptor_on(machine, ear):
            await ear.until(lambda: EventId.COIN_ACCEPTOR_GONE in ear.logged)
            assert [AcceptorLevel(working=False)] == ear.levels
            machine.acceptor.stuck_mask = 0
            await ear.until(lambda: ear.acceptor_works)


async def test_an_unknown_coin_that_can_be_kept_out_is_kept_out() -> None:
    ear = Ear()
    ids = ["JP100A", "JP5000", "JP500A"]
    async with CoinMachine(coin_ids=ids) as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        assert machine.acceptor.mask == 0b101


async def test_a_unit_that_goes_on_taking_other_coins_than_it_was_told_is_not_opened() -> None:
    ear = Ear()
    async with CoinMachine() as machine:
        machine.acceptor.stuck_mask = 0b1
        async with acceptor_on(machine, ear) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            with pytest.raises(DeviceGone):
                await acceptor.accept(COINS)
            assert not machine.acceptor.master


async def test_a_unit_that_inhibited_itself_meanwhile_is_opened_again() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear, self_inhibit_seconds=0.2) as acceptor:
        machine.acceptor.self_inhibit_seconds, machine.acceptor.latches_inhibit = 0.25, True
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        time.sleep(0.3)  # noqa: ASYNC251 - the hazard itself: a loop that is held up
        assert not machine.drop_coin(100)
        await _heard(machine, 228, b"\x01")
        assert machine.drop_coin(100)
        await acceptor.stop()
        assert ear.yen == [100]


async def test_no_coin_comes_while_a_slow_self_check_keeps_the_unit_from_being_polled() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        machine.reject_next(14)
        checked = len(machine.frames)
        assert not machine.drop_coin(100)
        await _heard(machine, 228, b"\x01")
        since = [(frame.header, frame.data) for frame in machine.frames[checked:]]
        assert since.index((228, b"\x00")) < since.index((232, b"")) < since.index((228, b"\x01"))
        assert machine.slot_is_open
        assert machine.drop_coin(100)
        await acceptor.stop()
        assert ear.yen == [100]


@pytest.mark.parametrize(
    ("commissioned", "works"),
    [
        (Commissioned(SERIAL, "MOCK", "SIM-2"), True),
        (Commissioned(SERIAL + 1), False),
        (Commissioned(product="SIM-3"), False),
        (Commissioned(manufacturer="OTHER"), False),
    ],
)
async def test_the_unit_is_compared_with_the_one_that_was_installed(
    commissioned: Commissioned, works: bool
) -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear, commissioned=commissioned):
        await ear.until(lambda: ear.levels != [])
        assert [AcceptorLevel(works)] == ear.levels
        assert (EventId.COIN_ACCEPTOR_FOUND in ear.logged) is works


async def test_a_unit_that_asks_to_be_polled_more_often_is() -> None:
    ear = Ear()
    async with CoinMachine() as machine, CcTalkBus(ear.log, path=machine.path) as bus:
        machine.acceptor.polling_priority = bytes((1, 30))
        acceptor = CcTalkAcceptor(bus, ear.log, poll_seconds=60.0)
        acceptor.start(ear.level, ear.coin, None)
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        async with asyncio.timeout(30):
            await _polls(machine, 4)
        await acceptor.close()


async def test_an_absent_acceptor_is_reported_and_found_when_it_comes() -> None:
    ear = Ear()
    machine = await CoinMachine().start()
    machine.vanish()
    async with acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.levels == [AcceptorLevel(working=False)])
        with pytest.raises(DeviceGone):
            await acceptor.accept(COINS)
        machine.come_back()
        await ear.until(lambda: ear.acceptor_works)
    await machine.stop()


async def test_a_cancelled_accept_leaves_the_slot_closed() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        for turns in range(10):
            opening = asyncio.create_task(acceptor.accept(COINS))
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            await _polls(machine, 2)
            assert not machine.slot_is_open


async def test_a_cancelled_stop_closes_the_slot_all_the_same() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        closed = asyncio.Event()
        machine.watch_frames(lambda frame: closed.set() if frame.header == 228 else None)
        stopping = asyncio.create_task(acceptor.stop())
        await asyncio.sleep(0)
        stopping.cancel()
        async with asyncio.timeout(60):
            await closed.wait()
        assert not machine.slot_is_open


async def test_close_closes_the_slot_and_may_be_called_twice() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.accept(COINS)
        await acceptor.close()
        await acceptor.close()
        assert not machine.slot_is_open


async def test_a_silent_hopper_does_not_starve_the_polls_that_keep_the_slot_open() -> None:
    """The best of three: a machine that is busy with something else starves them, too."""
    for _ in range(3):
        if (gap_seconds := await _longest_gap_beside_a_silent_hopper()) < 0.7:
            return
    raise AssertionError(f"no poll for {gap_seconds} s")


async def _longest_gap_beside_a_silent_hopper() -> float:
    ear = Ear()
    async with CoinMachine() as machine, CcTalkBus(ear.log, path=machine.path) as bus:
        machine.hopper.restart_seconds = 60.0
        machine.hopper.power_cycle()
        acceptor = CcTalkAcceptor(bus, ear.log)
        hopper = CcTalkHopper(bus, ear.log, coins=50, first_pause_seconds=0.01, longest_pause_seconds=0.01)
        acceptor.start(ear.level, ear.coin, None)
        await ear.until(lambda: ear.acceptor_works)
        hopper.start(ear.level)
        await acceptor.accept(COINS)
        opened = asyncio.get_running_loop().time()
        await ear.until(lambda: ear.logged.count(EventId.HOPPER_GONE) == 1)
        await asyncio.wait_for(_polls(machine, 4), 60)
        await hopper.close()
        await acceptor.close()
        polls = [frame.at for frame in machine.frames if frame.header == 229 and frame.at > opened]
        return max(b - a for a, b in itertools.pairwise(polls))


async def _heard(machine: CoinMachine, header: int, data: bytes) -> None:
    """Wait until the acceptor has acted on this frame."""
    heard = asyncio.Event()
    machine.watch_frames(lambda frame: heard.set() if (frame.header, frame.data) == (header, data) else None)
    async with asyncio.timeout(60):
        await heard.wait()


async def _polls(machine: CoinMachine, count: int) -> None:
    """Wait for so many more polls of the acceptor."""
    enough = asyncio.Event()
    polls = 0

    def count_poll(frame: object) -> None:
        nonlocal polls
        polls += getattr(frame, "header", 0) == 229
        if polls >= count:
            enough.set()

    machine.watch_frames(count_poll)
    await enough.wait()


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_the_line_does_the_books_agree_with_the_cash_box(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret
    ear = Ear()
    async with CoinMachine(restart_seconds=0.02) as machine, acceptor_on(machine, ear) as acceptor:
        for _ in range(8):
            await ear.until(lambda: ear.acceptor_works)
            trouble = chance.choice(["none", "garble", "lose", "deaf", "noise", "vanish"])
            try:
                await acceptor.accept(COINS)
                match trouble:
                    case "garble":
                        machine.garble_next(chance.randint(1, 4))
                    case "lose":
                        machine.drop_replies(chance.randint(1, 4))
                    case "deaf":
                        machine.drop_requests(chance.randint(1, 4))
                    case "noise":
                        machine.noise(chance.randbytes(chance.randint(1, 20)))
                    case "vanish":
                        machine.vanish()
                machine.burst(chance.choices([10, 50, 100, 500], k=chance.randint(0, 5)))
            except DeviceGone:
                pass
            if trouble == "vanish":
                machine.come_back()
            await acceptor.stop()
        machine.clear_faults()
        await ear.until(lambda: ear.acceptor_works)
        await acceptor.stop()
        assert machine.cash_box_yen == ear.credited_yen
        assert ear.suspects == []


@pytest.mark.parametrize(("yesterday", "coins"), [(0, 1), (1, 1), (2, 1), (2, 3), (3, 3), (7, 5)])
async def test_coins_of_a_unit_that_lost_its_power_over_night_outlive_a_kiosk_that_dies_before_their_records(
    yesterday: int, coins: int
) -> None:
    before, after = Ear(), Ear()
    async with CoinMachine() as machine:
        async with acceptor_on(machine, before, seen=mark(yesterday)) as acceptor:
            await before.until(lambda: before.acceptor_works)
            opened = acceptor.mark  # journaled before the slot opens
            await acceptor.accept(COINS)
            assert machine.burst([500] * coins) == coins
            await before.until(lambda: len(before.yen) == coins)
        async with acceptor_on(machine, after, seen=opened, was_open=True) as acceptor:
            await after.until(lambda: after.acceptor_works)
            await acceptor.stop()
        assert (machine.cash_box_yen, []) == (after.credited_yen, after.suspects)


@pytest.mark.parametrize("rejected", range(5))
async def test_an_acceptor_that_restarted_while_open_is_suspect_however_far_its_counter_has_come(
    rejected: int,
) -> None:
    before, after = Ear(), Ear()
    async with CoinMachine() as machine:
        async with acceptor_on(machine, before) as acceptor:
            await before.until(lambda: before.acceptor_works)
            await acceptor.accept(COINS)
            assert machine.burst([100, 500]) == 2
            await before.until(lambda: len(before.yen) == 2)
        machine.acceptor.counter = rejected
        machine.acceptor.pairs = [(0, 2)] * rejected + [(0, 0)] * (5 - rejected)
        async with acceptor_on(machine, after, seen=before.coins[-1].mark, was_open=True) as acceptor:
            await after.until(lambda: after.acceptor_works)
            await acceptor.stop()
        assert [CoinsSuspect(lost=0, code=0, mark=mark(0))] == after.coins


@pytest.mark.parametrize("was_open", [True, False])
async def test_a_power_cut_before_the_first_event_of_an_open_slot_is_one_doubt_and_of_a_shut_one_none(
    was_open: bool,
) -> None:
    before, after = Ear(), Ear()
    async with CoinMachine() as machine:
        async with acceptor_on(machine, before) as acceptor:
            await before.until(lambda: before.acceptor_works)
            opened = acceptor.mark
            await acceptor.accept(COINS)
        machine.acceptor.power_cycle()
        async with acceptor_on(machine, after, seen=opened, was_open=was_open) as acceptor:
            await after.until(lambda: after.acceptor_works)
            machine.vanish()
            await after.until(lambda: not after.acceptor_works)
            machine.come_back()
            await after.until(lambda: after.acceptor_works)
            await acceptor.accept(COINS)
            await acceptor.stop()
        assert opened is not None
        assert ([CoinsSuspect(lost=0, code=0, mark=opened)] if was_open else []) == after.coins


async def test_a_lost_line_before_the_first_event_is_no_doubt_and_neither_is_another_unit() -> None:
    ear = Ear()
    async with CoinMachine() as machine:
        async with acceptor_on(machine, ear, seen=CoinMark(SERIAL + 1, 0), was_open=True) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.accept(COINS)
            machine.vanish()
            await ear.until(lambda: not ear.acceptor_works)
            machine.come_back()
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.stop()
        async with acceptor_on(machine, ear, was_open=True) as acceptor:
            await acceptor.stop()
        assert [] == ear.coins


@pytest.mark.parametrize("seen", [mark(1), CoinMark(SERIAL, 1, "0101" * 5)])
async def test_rejected_coins_before_a_shut_slot_are_no_suspects_however_many(seen: CoinMark) -> None:
    ear = Ear()
    async with CoinMachine() as machine:
        machine.acceptor.counter, machine.acceptor.pairs = 8, [(0, 2)] * 5
        async with acceptor_on(machine, ear, seen=seen) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.stop()
            assert ear.coins == []
            assert EventId.COIN_EVENTS_MISSED in ear.logged
            assert mark(8) == acceptor.mark


async def test_a_coin_behind_a_slot_that_was_called_shut_makes_missing_events_suspect() -> None:
    ear = Ear()
    async with CoinMachine() as machine:
        machine.acceptor.counter, machine.acceptor.pairs = 8, [(0, 2), (4, 1), *[(0, 2)] * 3]
        async with acceptor_on(machine, ear, seen=mark(1)) as acceptor:
            await ear.until(lambda: ear.acceptor_works)
            await acceptor.stop()
        assert [CoinsSuspect(lost=2, code=0, mark=mark(3)), CoinAccepted(500, mark(7))] == ear.coins


async def test_a_coin_before_a_shut_slot_falls_through_and_is_told() -> None:
    ear = Ear()
    async with CoinMachine() as machine, acceptor_on(machine, ear) as acceptor:
        await ear.until(lambda: ear.acceptor_works)
        assert not machine.drop_coin(500)
        await ear.until(lambda: ear.returned == 1)
        await acceptor.stop()
        assert (ear.coins, mark(1)) == ([], acceptor.mark)


@pytest.mark.parametrize("known", [["JP500A"], ["JP010A", "JP050A"]])
async def test_a_unit_that_does_not_know_a_wanted_coin_is_refused(known: list[str]) -> None:
    ear = Ear()
    async with CoinMachine(coin_ids=known) as machine, acceptor_on(machine, ear, denominations=COINS):
        await ear.until(lambda: EventId.COIN_ACCEPTOR_GONE in ear.logged)
        assert [AcceptorLevel(working=False)] == ear.levels
        assert (GoneReason.MISSING_COIN, 100) == ear.gone

"""CoinPayout: one coin a command and never a coin twice. On real ccTalk frames over a pseudo-terminal.

What needs no fault on the wire stands in `test_coin_payout_port.py`.
"""

import asyncio
from collections.abc import Callable

import pytest

from firmware.core.terms import Certainty
from firmware.logbook import EventId
from tests.contract.coin_rig import Ear, hopper_on
from tests.simulators.coin import CoinMachine
from tests.simulators.coin.wire import SeenFrame
from tests.virtual_time import in_virtual_time

LIFE = 1000
DISPENSE, ENABLE, LIFE_COUNT, STATUS = 167, 164, 168, 166


def commands(machine: CoinMachine) -> int:
    """Dispense commands the hopper has heard."""
    return sum(frame.header == DISPENSE for frame in machine.frames)


@pytest.mark.parametrize("header", [DISPENSE, STATUS, LIFE_COUNT])
@in_virtual_time
async def test_lost_and_garbled_replies_pay_exactly_once(header: int) -> None:
    ear = Ear()
    async with CoinMachine() as machine, hopper_on(machine, ear) as hopper:
        await ear.until(lambda: ear.hopper.working)
        machine.drop_replies(1, header=header)
        assert await hopper.pay_one(LIFE) is Certainty.DONE
        machine.garble_next(1, header=header)
        assert await hopper.pay_one(LIFE + 1) is Certainty.DONE
        assert (machine.paid_coins, commands(machine)) == (2, 2)


@in_virtual_time
async def test_a_command_the_hopper_never_heard_is_sent_again() -> None:
    ear = Ear()
    async with CoinMachine() as machine, hopper_on(machine, ear) as hopper:
        await ear.until(lambda: ear.hopper.working)
        machine.drop_requests(1, header=DISPENSE)
        assert await hopper.pay_one(LIFE) is Certainty.DONE
        assert machine.paid_coins == 1


@in_virtual_time
async def test_a_hopper_empty_at_the_second_coin_says_so_after_one_more_try() -> None:
    ear = Ear()
    async with CoinMachine(hopper_coins=1) as machine, hopper_on(machine, ear, coins=20) as hopper:
        await ear.until(lambda: ear.hopper.working)
        assert await hopper.pay_one(LIFE) is Certainty.DONE
        assert await hopper.pay_one(LIFE + 1) is Certainty.NOT_DONE
        assert commands(machine) == 3
        assert (hopper.coins, ear.hopper.coins, ear.hopper.working) == (0, 0, True)
        assert EventId.HOPPER_FAULT in ear.logged
        machine.refill(10)
        hopper.set_coins(10)
        assert await hopper.pay_one(LIFE + 1) is Certainty.DONE
        assert machine.paid_coins == 2


@in_virtual_time
async def test_a_lost_reply_of_an_empty_hopper_is_no_other_than_an_empty_hopper() -> None:
    ear = Ear()
    async with CoinMachine(hopper_coins=0) as machine, hopper_on(machine, ear, coins=20) as hopper:
        await ear.until(lambda: ear.hopper.working)
        machine.drop_replies(2, header=DISPENSE)
        assert await hopper.pay_one(LIFE) is Certainty.NOT_DONE
        assert (commands(machine), ear.hopper.coins) == (2, 0)


@in_virtual_time
async def test_a_jam_that_frees_itself_pays_at_the_second_try() -> None:
    ear = Ear()
    async with CoinMachine() as machine, hopper_on(machine, ear) as hopper:
        await ear.until(lambda: ear.hopper.working)
        machine.jam_hopper()
        heard: list[int] = []

        def free_after_first(frame: SeenFrame) -> None:
            if frame.header == DISPENSE:
                heard.append(frame.header)
            if frame.header == ENABLE and heard:
                machine.refill(0)

        machine.watch_frames(free_after_first)
        assert await hopper.pay_one(LIFE) is Certainty.DONE
        assert (machine.paid_coins, len(heard)) == (1, 2)


@in_virtual_time
async def test_a_coin_that_falls_after_the_hopper_gave_up_is_not_paid_again() -> None:
    ear = Ear()
    async with CoinMachine() as machine, hopper_on(machine, ear) as hopper:
        await ear.until(lambda: ear.hopper.working)
        machine.jam_hopper()
        machine.watch_frames(lambda frame: _late_coin(machine) if frame.header == DISPENSE else None)
        assert await hopper.pay_one(LIFE) is Certainty.DONE
        assert commands(machine) == 1


def _late_coin(machine: CoinMachine) -> None:
    """The jammed coin falls while the hopper already says that it is unpaid."""

    def fall(frame: SeenFrame) -> None:
        hopper = machine.hopper
        if frame.header == ENABLE or (frame.header == STATUS and hopper.unpaid and not machine.paid_coins):
            hopper.paid_coins += 1
            hopper.life_count += 1

    machine.watch_frames(fall)


@pytest.mark.parametrize("nak_counts", [False, True])
@in_virtual_time
async def test_a_refused_command_pays_nothing_and_is_known_to_pay_nothing(nak_counts: bool) -> None:
    ear = Ear()
    async with CoinMachine() as machine, hopper_on(machine, ear) as hopper:
        await ear.until(lambda: ear.hopper.working)
        assert await hopper.pay_one(LIFE) is Certainty.DONE
        machine.hopper.nak_counts = nak_counts
        machine.hopper.serial = 1
        assert await hopper.pay_one(LIFE + 1) is Certainty.NOT_DONE
        assert machine.paid_coins == 1


@in_virtual_time
async def test_a_garbled_refusal_never_counts_the_coin_before_as_this_one() -> None:
    ear = Ear()
    async with CoinMachine() as machine, hopper_on(machine, ear) as hopper:
        await ear.until(lambda: ear.hopper.working)
        assert await hopper.pay_one(LIFE) is Certainty.DONE
        machine.hopper.nak_counts = True
        machine.hopper.serial = 1
        machine.garble_next(1, header=DISPENSE)
        assert await hopper.pay_one(LIFE + 1) is Certainty.UNKNOWN
        assert machine.paid_coins == 1


@in_virtual_time
async def test_a_hopper_that_only_acknowledges_is_followed_too() -> None:
    ear = Ear()
    async with CoinMachine() as machine, hopper_on(machine, ear) as hopper:
        await ear.until(lambda: ear.hopper.working)
        machine.hopper.ack_only = True
        assert await hopper.pay_one(LIFE) is Certainty.DONE


@in_virtual_time
async def test_a_line_lost_while_paying_is_waited_for() -> None:
    ear = Ear()
    async with CoinMachine() as machine, hopper_on(machine, ear) as hopper:
        await ear.until(lambda: ear.hopper.working)
        loop = asyncio.get_running_loop()

        def unplug_a_while(frame: SeenFrame) -> None:
            if frame.header == DISPENSE:
                loop.call_soon(machine.vanish)
                loop.call_later(0.3, machine.come_back)

        machine.watch_frames(unplug_a_while)
        assert await hopper.pay_one(LIFE) is Certainty.DONE
        assert (machine.paid_coins, commands(machine)) == (1, 1)


@in_virtual_time
async def test_a_line_lost_for_good_while_paying_is_unknown_until_reconciled() -> None:
    ear = Ear()
    async with CoinMachine() as machine, hopper_on(machine, ear, payout_seconds=0.3) as hopper:
        await ear.until(lambda: ear.hopper.working)
        loop = asyncio.get_running_loop()

        def unplug(frame: SeenFrame) -> None:
            if frame.header == DISPENSE:
                loop.call_soon(machine.vanish)

        machine.watch_frames(unplug)
        assert await hopper.pay_one(LIFE) is Certainty.UNKNOWN
        assert (ear.hopper.working, ear.hopper.coins) == (False, 49)
        machine.watch_frames(None)
        machine.come_back()
        assert await hopper.reconcile(LIFE, None) is Certainty.DONE
        assert machine.paid_coins == 1


@in_virtual_time
async def test_a_hopper_restarted_before_the_coin_fell_pays_it_once() -> None:
    ear = Ear()
    async with (
        CoinMachine(coin_seconds=0.2, restart_seconds=0.1) as machine,
        hopper_on(machine, ear) as hopper,
    ):
        await ear.until(lambda: ear.hopper.working)
        loop = asyncio.get_running_loop()
        restarts: list[asyncio.TimerHandle] = []

        def restart_once(frame: SeenFrame) -> None:
            if frame.header == DISPENSE and not restarts:
                restarts.append(loop.call_later(0.05, machine.power_cycle))

        machine.watch_frames(restart_once)
        assert await hopper.pay_one(LIFE) is Certainty.DONE
        assert (machine.paid_coins, commands(machine)) == (1, 2)


@in_virtual_time
async def test_a_manipulated_exit_takes_the_hopper_out_and_pays_nothing() -> None:
    ear = Ear()
    async with CoinMachine(restart_seconds=0.01) as machine, hopper_on(machine, ear) as hopper:
        await ear.until(lambda: ear.hopper.working)
        machine.hopper_fraud()
        assert await hopper.pay_one(LIFE) is Certainty.NOT_DONE
        assert (commands(machine), ear.hopper.working) == (0, False)
        machine.power_cycle()
        await ear.until(lambda: ear.hopper.working)
        assert await hopper.pay_one(LIFE) is Certainty.DONE


@in_virtual_time
async def test_the_life_counter_wraps_at_24_bits() -> None:
    ear = Ear()
    async with CoinMachine() as machine:
        machine.hopper.life_count = 0xFFFFFF
        async with hopper_on(machine, ear) as hopper:
            await ear.until(lambda: ear.hopper.working)
            assert await hopper.pay_one(0xFFFFFF) is Certainty.DONE
            assert ear.hopper.life_count == 0


@in_virtual_time
async def test_a_motor_that_never_ends_is_stopped_and_the_coin_is_not_paid() -> None:
    ear = Ear()
    async with (
        CoinMachine(timeout_seconds=60.0) as machine,
        hopper_on(machine, ear, payout_seconds=0.2) as hopper,
    ):
        await ear.until(lambda: ear.hopper.working)
        machine.jam_hopper()
        assert await hopper.pay_one(LIFE) is Certainty.NOT_DONE
        assert machine.paid_coins == 0
        assert [frame.header for frame in machine.frames].count(172) == 2


@pytest.mark.parametrize("wrong", ["serial", "category"])
@in_virtual_time
async def test_another_unit_than_the_commissioned_one_is_refused(wrong: str) -> None:
    ear = Ear()
    async with CoinMachine() as machine:
        if wrong == "serial":
            machine.hopper.serial = 1
        else:
            machine.hopper.category = b"Changer"
        async with hopper_on(machine, ear, expected_serial=654321) as hopper:
            await ear.until(lambda: EventId.HOPPER_GONE in ear.logged)
            assert await hopper.pay_one(LIFE) is Certainty.NOT_DONE
        assert machine.paid_coins == 0


@in_virtual_time
async def test_below_its_low_sensor_the_hopper_is_not_trusted_for_more_than_lie_there() -> None:
    ear = Ear()
    async with (
        CoinMachine(hopper_coins=9, low_below=10) as machine,
        hopper_on(machine, ear, coins=50) as hopper,
    ):
        await ear.until(lambda: ear.hopper.working)
        assert ear.hopper.coins == 9
        machine.refill(20)
        await ear.until(lambda: ear.hopper.coins == 50)
        hopper.set_coins(29)
        assert ear.hopper.coins == 29
        with pytest.raises(ValueError, match="-1 coins"):
            hopper.set_coins(-1)


@in_virtual_time
async def test_a_hopper_without_a_level_sensor_works_by_its_count() -> None:
    ear = Ear()
    async with CoinMachine(hopper_coins=3) as machine:
        machine.hopper.unknown_headers = frozenset({217, 171})
        async with hopper_on(machine, ear, coins=50) as hopper:
            await ear.until(lambda: ear.hopper.working)
            assert ear.hopper.coins == 50
            assert await hopper.pay_one(LIFE) is Certainty.DONE
            assert ear.hopper.coins == 49


@pytest.mark.parametrize(
    ("coin_id", "works"), [(b"JP100A", True), (b"------", True), (b"JP500B", False), (b"EU100A", False)]
)
@in_virtual_time
async def test_a_hopper_that_is_made_for_another_coin_pays_nothing(coin_id: bytes, works: bool) -> None:
    ear = Ear()
    async with CoinMachine() as machine:
        machine.hopper.coin_id = coin_id
        async with hopper_on(machine, ear) as hopper:
            await ear.until(lambda: ear.hopper.working or EventId.HOPPER_GONE in ear.logged)
            assert ear.hopper.working is works
            assert await hopper.pay_one(LIFE) is (Certainty.DONE if works else Certainty.NOT_DONE)


@pytest.mark.parametrize("flag", [0x01, 0x08, 0x10, 0x20])
@in_virtual_time
async def test_a_fault_that_shows_while_a_coin_is_paid_is_not_paid_against(flag: int) -> None:
    ear = Ear()
    async with CoinMachine(hopper_coins=0) as machine, hopper_on(machine, ear, coins=9) as hopper:
        await ear.until(lambda: ear.hopper.working)

        def raise_flag(frame: SeenFrame) -> None:
            if frame.header == DISPENSE:
                machine.hopper.flags |= flag

        machine.watch_frames(raise_flag)
        assert await hopper.pay_one(LIFE) is Certainty.NOT_DONE
        assert (1, False) == (commands(machine), ear.hopper.working)


@in_virtual_time
async def test_a_hopper_switched_on_again_is_enabled_anew_for_its_next_coin() -> None:
    ear = Ear()
    async with CoinMachine(restart_seconds=0.01) as machine, hopper_on(machine, ear) as hopper:
        await ear.until(lambda: ear.hopper.working)
        assert await hopper.pay_one(LIFE) is Certainty.DONE
        machine.power_cycle()
        assert not machine.hopper.enabled
        await ear.until(lambda: ear.hopper.working)
        assert await hopper.pay_one(LIFE + 1) is Certainty.DONE
        assert machine.paid_coins == 2


MOMENTS: dict[str, Callable[[SeenFrame], bool]] = {
    "before the hopper is enabled": lambda frame: frame.header == STATUS,
    "before the command": lambda frame: frame.header == ENABLE and frame.data == b"\xa5",
    "after the command": lambda frame: frame.header == DISPENSE,
    "after the result": lambda frame: frame.header == ENABLE and frame.data == b"\x00",
}


@pytest.mark.parametrize("coin_before", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
@in_virtual_time
async def test_a_kiosk_killed_at_any_moment_finds_out_whether_the_coin_was_paid(
    moment: str, coin_before: bool
) -> None:
    ear = Ear()
    async with CoinMachine() as machine:
        life_count = await _kill_while_paying(machine, MOMENTS[moment], coin_before)
        async with hopper_on(machine, ear) as hopper:
            certainty = await hopper.reconcile(life_count, None)
        paid = machine.paid_coins == int(coin_before) + 1
        assert certainty is (Certainty.DONE if paid else Certainty.NOT_DONE)
        assert paid == (moment in {"after the command", "after the result"})
        assert 50 - int(paid) == ear.hopper.coins


@pytest.mark.parametrize("coin_before", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
@in_virtual_time
async def test_a_power_cut_at_any_moment_never_ends_in_a_wrong_certainty(
    moment: str, coin_before: bool
) -> None:
    ear = Ear()
    async with CoinMachine(restart_seconds=0.05) as machine:
        life_count = await _kill_while_paying(machine, MOMENTS[moment], coin_before)
        machine.power_cycle()
        async with hopper_on(machine, ear) as hopper:
            certainty = await hopper.reconcile(life_count, None)
        paid = machine.paid_coins == int(coin_before) + 1
        assert certainty is not (Certainty.NOT_DONE if paid else Certainty.DONE)
        assert certainty is not Certainty.UNKNOWN or coin_before


async def _kill_while_paying(
    machine: CoinMachine, moment: Callable[[SeenFrame], bool], coin_before: bool
) -> int:
    """Pay one coin if coin_before, then die at moment while paying; the life count of that intent."""
    ear = Ear()
    async with hopper_on(machine, ear) as hopper:
        await ear.until(lambda: ear.hopper.working)
        if coin_before:
            assert await hopper.pay_one(LIFE) is Certainty.DONE
        life_count = ear.hopper.life_count
        paying = asyncio.create_task(hopper.pay_one(life_count))

        def die_at(frame: SeenFrame) -> None:
            if moment(frame):
                paying.cancel()

        machine.watch_frames(die_at)
        with pytest.raises(asyncio.CancelledError):
            await paying
        machine.watch_frames(None)
    return life_count


async def test_another_hopper_proves_nothing_about_a_coin_of_the_one_before() -> None:
    ear = Ear()
    async with CoinMachine() as machine, hopper_on(machine, ear) as hopper:
        await ear.until(lambda: ear.hopper.working)
        assert 654321 == ear.hopper.serial
        life_count = ear.hopper.life_count
        assert await hopper.reconcile(life_count, 111) is Certainty.UNKNOWN
        assert 49 == hopper.coins
        assert await hopper.reconcile(life_count, 654321) is Certainty.NOT_DONE
        assert 0 == machine.paid_coins

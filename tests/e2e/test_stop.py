"""The service is stopped: by SIGTERM at rest and with coins in, and by a port that is taken."""

import asyncio
import sys

from tests.e2e.books import agreed_books
from tests.e2e.test_coin_line import CREDIT
from tests.e2e.visitor import kiosk
from tests.simulators.world import REPOSITORY, World


async def test_a_stop_with_coins_in_is_settled_at_the_next_start() -> None:
    async with kiosk() as visitor:
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100, 100])
        assert 0 == await visitor.world.stop_kiosk()
        assert not visitor.world.coins.slot_is_open
        await visitor.world.start_kiosk()
        await visitor.ends_with("power_cut", seconds=30.0)
        assert 200 == visitor.world.coins.change_cup_yen
        await visitor.leave()


async def test_a_coin_that_rolls_in_while_the_kiosk_stops_outlives_the_acceptor_s_power() -> None:
    async with kiosk() as visitor:
        world = visitor.world
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100])
        assert world.coins.drop_coin(100, flight_seconds=0.25)
        assert 0 == await world.stop_kiosk()
        world.coins.power_cycle()
        await world.start_kiosk()
        await visitor.ends_with("power_cut", seconds=30.0)
        assert 200 == await visitor.leave()


async def test_a_start_right_after_a_stop_works() -> None:
    async with kiosk() as visitor:
        await visitor.rests()
        for _ in range(2):
            assert 0 == await visitor.world.stop_kiosk()
            await visitor.world.start_kiosk()
            await visitor.rests(seconds=30.0)


async def test_a_second_daemon_on_the_same_port_says_so_and_ends_with_78() -> None:
    async with kiosk() as visitor:
        await visitor.rests()
        second = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.simulators.gpio.host", "--socket"),
            str(visitor.world.directory / "second"),
            *("--wiring", visitor.world._wiring.to_json(), "--", "run", "--config"),
            str(visitor.world.config),
            cwd=REPOSITORY,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await second.communicate()
        assert 78 == second.returncode
        last = said.decode().strip().splitlines()[-1]
        assert last.startswith("madoguchi: screen port 127.0.0.1:")
        await visitor.walk_to("coins", kind="2")
        await visitor.pays(100, 100, 100)
        await visitor.sees("take_all", "thanks")
        await visitor.leave()


async def _looked_for_coins(world: World) -> None:
    """The kiosk has asked twice from now, once for certain behind what was told: a busy one skips nothing."""

    def polls() -> int:
        return sum(frame.header == CREDIT for frame in world.coins.frames)

    wanted = polls() + 2
    async with asyncio.timeout(60.0):
        while polls() < wanted:  # noqa: ASYNC110 - a line tells nobody
            await asyncio.sleep(0.01)


async def test_coins_that_fell_through_before_a_stop_are_no_suspects_after_it() -> None:
    async with kiosk() as visitor:
        world = visitor.world
        await visitor.walk_to("coins", kind="2")
        await visitor.drop([100])
        for _ in range(8):
            world.coins.reject_next(1)
            assert not world.coins.drop_coin(100)
            await _looked_for_coins(world)
        await visitor.stops()
        await visitor.ends_with("cancelled")
        await visitor.leave()
        await visitor.rests()
        await world.stop_kiosk()
        await world.start_kiosk()
        await visitor.rests(seconds=30.0)
        assert 0 == (await agreed_books(world)).suspected

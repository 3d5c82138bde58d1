"""A technician's day at a VT100: login, tests, coins, settlement, bundle, logout; nobody without an order."""

import asyncio
import json
import signal
import sys
import tarfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.canaries import invent, people
from tests.e2e.books import agreed_books
from tests.e2e.clean_log import assert_log_is_clean, events
from tests.e2e.visitor import Visitor, kiosk
from tests.municipality.maintenance import Issuer, new_issuer
from tests.simulators.vt100 import SECONDS, Vt100, vt100
from tests.simulators.world import REPOSITORY, World

KIOSK = "urn:kiosk:demo-0001"
HOLDER = "shiken_taro"


def terminal(world: World) -> AbstractAsyncContextManager[Vt100]:
    """`madoguchi console` as its unit starts it."""
    command = (sys.executable, "-m", "firmware", "console", "--config", str(world.config))
    return vt100(command, REPOSITORY)


@asynccontextmanager
async def ordered_kiosk(issuer: Issuer, keys: Path) -> AsyncIterator[Visitor]:
    """A kiosk that obeys nobody without an order, root included."""
    await asyncio.to_thread(keys.write_text, issuer.jwks, encoding="utf-8")
    console = {"order_keys": str(keys), "order_always": True, "test_seconds": 20.0}
    municipality = {"people": await asyncio.to_thread(invent, keys.parent)}
    async with kiosk(
        overrides={"console": console}, module="tests.e2e.dying_kiosk", municipality=municipality
    ) as visitor:
        yield visitor


async def buys(visitor: Visitor, *coins: int) -> None:
    """A resident before the technician comes: nothing of hers may be in what he takes away."""
    await visitor.walk_to("coins", kind="2")
    await visitor.pays(*coins)
    await visitor.sees("take_all", "thanks", seconds=40.0)
    await visitor.leave()
    await visitor.rests()


async def once(world: World, *words: str) -> tuple[int, str]:
    """One command for a script."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "firmware", "console", "--config", str(world.config), *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=REPOSITORY,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def is_tested(line: Vt100, world: World) -> None:
    """Every part, the hands of the technician included."""
    assert "network: fit" in await line.answers("test network")
    assert "hopper: fit, each hopper paid one coin" in await line.answers("test hopper --yes")
    assert 100 == await world.take_change(), "the coin lies in the cup"
    assert "printer: fit, a test page came out, proven" in await line.answers("test printer")
    await world.take_paper()
    await world.set_printer_fault("paper_out")
    assert "printer: unfit, media-empty" in await line.answers("test printer")
    await world.set_printer_fault(None)
    assert "receipt: fit" in await line.answers("test receipt")
    assert "voice: unfit, not configured: voice.clips is empty" in await line.answers("test voice")
    await line.types("test lamp")
    await line.sees("Did every lamp light? (yes/no):")
    line.says("yes")
    await line.sees("lamp: fit")
    await line.types("test card")
    await world.insert_card("shiken_taro")
    await line.sees("card: fit, a My Number Card was read, 3 tries left")
    await world.remove_card()
    await line.types("test keypad")
    felt = asyncio.create_task(line.sees("keypad: fit, all 13 keys were felt"))
    while not felt.done():
        # A keypad starved of its processor misses a press; a technician presses again what it did not feel.
        for key in (*"1234567890", "correct", "cancel", "confirm"):
            await world.press(key)
    await felt
    await line.types("test coin")
    await line.sees("test coin")
    while not await world.slot_is_open():  # noqa: ASYNC110 - a machine tells nobody
        await asyncio.sleep(0.05)
    await world.drop_coin(100)
    await line.sees("coin: fit, a coin of 100 yen was taken")


async def is_settled(line: Vt100, visitor: Visitor) -> None:
    """Coins are handled with the door open only, the one of the hopper's test too; then the day is closed."""
    await line.types("cash refill 3 20")
    await line.sees("Are you sure")
    line.says("yes")
    await line.sees("open the door")
    await visitor.world.set_door(True)
    while "BAD door" not in await line.answers("status"):
        pass
    await visitor.world.refill_hopper(21)
    for command, said in (
        ("cash refill 3 21", "21 coins into hopper 3"),
        ("cash collect box 100 1", "1 coins of 100 yen out of the cash box"),
        ("cash count 3 100 68", "as the books say"),
        ("settle", "is closed"),
    ):
        await line.types(command)
        await line.sees("Are you sure")
        line.says("yes")
        await line.sees(said)


@pytest.mark.timeout(600)
async def test_a_technicians_whole_day(tmp_path: Path) -> None:
    issuer = new_issuer()
    async with ordered_kiosk(issuer, tmp_path / "orders.jwks") as visitor:
        world = visitor.world
        await visitor.rests()
        visitor.card = HOLDER
        await buys(visitor, 500)
        order = issuer.order(KIOSK)
        async with terminal(world) as line:
            await line.sees("Paste a maintenance order")
            line.says(order[:-6] + "AAAAAA")
            await line.sees("no maintenance order: signature")
            assert "log in with a maintenance order first" in await line.answers("status")
            await line.types("login")
            await line.sees("Paste a maintenance order")
            line.says(order)
            await line.sees("tech-17 may look cash service settle system until")
            status = await line.answers("status")
            assert "Idle, serves people" in status
            assert "health    well" in status, "a task that is watched does not live"
            assert 24 >= len(status.splitlines()), "more than one screen"
            await line.types("lang ja")
            assert "時計" in await line.answers("status")
            await line.types("maintenance on")
            await line.sees("よろしいですか (yes/no):")
            line.says("yes")
            await line.sees("保守中です。誰も利用できません")
            await line.types("lang en")
            await visitor.sees("closed")
            await is_tested(line, world)
            await is_settled(line, visitor)
            assert "0 open" in await line.answers("status")
            assert "none missing" in await line.answers("journal verify")
            assert "days left" in await line.answers("certificate show")
            assert "fees: good" in await line.answers("config check")
            said = await line.answers("support-bundle")
            assert "SHA-256" in said
            await world.set_door(False)
            await line.types("maintenance off")
            await line.sees("maintenance is off")
            await visitor.rests()
            await line.types("logout")
            await line.sees("the order is spent")
            assert 0 == await line.process.wait()
            assert order not in line.shown
            assert [] == [one for one in (b"\x1b[38", b"\x1b[6n") if one in line.sent], "colours, cursor"
        await _assert_books_agree(world)
        await _assert_nobody_else_gets_in(world, order, tmp_path / "order")
        _assert_bundle_is_clean(world, order, tmp_path / "people.toml")
        assert_log_is_clean(world, visitor.pins)
        assert [] == events(world, "door-opened-unordered")


async def _assert_books_agree(world: World) -> None:
    """Kiosk, coin machine and municipality, after all that the technician did; as a program reads it."""
    books = await agreed_books(world)
    assert (1, 100, 300) == (books.trial_coins, books.unclaimed, books.total("earned"))
    cash = (await book(world, "cash", "show"))["cash"]
    assert [world.coins.hopper_coins] == [place["coins"] for place in cash if place["hopper"] == 3]
    assert 0 == sum(place["difference"] for place in cash)
    (day,) = (await book(world, "day", "list"))["days"]
    assert 300 == day["totals"]["fees_yen"]


async def book(world: World, *words: str) -> dict[str, Any]:
    """What a command of the books says to a program."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "firmware", *words, "--json", "--config", str(world.config)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )
    said, _ = await process.communicate()
    answer: dict[str, Any] = json.loads(said)
    assert answer["done"], answer
    return answer


async def _assert_nobody_else_gets_in(world: World, order: str, spent: Path) -> None:
    """Root without an order, and the order a second time; all that was done stands in the journal."""
    code, said = await once(world, "--command", "status", "--json")
    assert (1, True) == (code, "log in" in said)
    await asyncio.to_thread(spent.write_text, order, encoding="utf-8")
    assert "spent" in (await once(world, "--order-file", str(spent), "--command", "status"))[1]
    _, lines, _ = await world.journal_lines()
    given = [json.loads(one) for one in lines if '"CommandGiven"' in one]
    assert len({one["order_id"] for one in given}) == 1
    assert {"status", "test card", "refill", "collect", "close_day", "bundle", "logout"} <= {
        one["command"] for one in given
    }


def _assert_bundle_is_clean(world: World, order: str, register: Path) -> None:
    """What the municipality knows of people is nowhere in it, nor an order, nor the journal's key."""
    (path,) = (world.directory / "support").glob("bundle-*.tar.gz")
    with tarfile.open(path) as archive:
        texts = {
            entry.name: file.read() for entry in archive if (file := archive.extractfile(entry)) is not None
        }
    assert {"bundle/status.txt", "bundle/events.jsonl", "bundle/journal.txt", "bundle/kiosk.toml"} <= set(
        texts
    )
    whole = b"\n".join(texts.values())
    found = [word for word, forms in people(register).items() if any(form in whole for form in forms)]
    assert [] == found
    assert order.encode() not in whole
    assert (world.directory / "journal.key").read_bytes() not in whole


async def dies_with_a_coin_out(line: Vt100, world: World) -> None:
    """The hopper has paid its test coin, and the power goes before that is on disk."""
    die = world.directory / "die"
    told = json.dumps({"moment": "before", "record": "TrialCoinEnded", "seconds": 0.0})
    await asyncio.to_thread(die.write_text, told, encoding="utf-8")
    assert "no answer: look into the journal" in await line.answers("test hopper --yes")
    await world.kiosk_ended()
    await asyncio.to_thread(die.unlink)
    assert 100 == await world.take_change()


@pytest.mark.timeout(400)
async def test_either_side_may_die_and_the_order_goes_on(tmp_path: Path) -> None:
    issuer = new_issuer()
    async with ordered_kiosk(issuer, tmp_path / "orders.jwks") as visitor:
        world = visitor.world
        await visitor.rests()
        order = issuer.order(KIOSK, roles=["look", "service", "cash"])
        async with terminal(world) as line:
            await line.sees("Paste a maintenance order")
            line.says(order)
            await line.sees("tech-17 may look service")
            assert "does not allow this: it needs the role settle" in await line.answers("settle --yes")
            await line.types("maintenance on --yes")
            await line.sees("maintenance is on")
            await dies_with_a_coin_out(line, world)
            assert "the kiosk does not run" in await line.answers("status")
            await world.start_kiosk()
            while "serves nobody: maintenance" not in await line.answers("status"):
                pass
            log = await line.answers("logs daemon-started 5")
            assert 2 == log.count("version="), "what was logged before the crash is not found"
            await line.prompted()
            assert -signal.SIGHUP == await line.hangs_up()
        # The line is gone; the session is not, and the same order takes it up.
        await visitor.sees("closed")
        async with terminal(world) as line:
            await line.sees("Paste a maintenance order")
            line.says(order)
            await line.sees("tech-17 may look service")
            await line.completes("sta", "status")
            await line.sees("maint.    on")
            await line.types("maintenance off")
            await line.sees("maintenance is off")
            await visitor.rests()
            await line.types("watch")
            world.municipality.command("command-0001", "maintenance-on")
            await line.sees("maintenance-began")
            line.interrupts()
            await line.prompted()
        world.municipality.command("command-0002", "open-the-door")
        await visitor.sees("closed")
        world.municipality.command("command-0003", "maintenance-off")
        await visitor.rests()
        world.municipality.command("command-0004", "reboot")
        wanted = ["done", "refused", "done", "done"]
        async with asyncio.timeout(SECONDS):
            while wanted != [world.municipality.outcome(f"command-000{n}") for n in range(1, 5)]:  # noqa: ASYNC110 - heartbeats
                await asyncio.sleep(0.1)
        assert await asyncio.to_thread((world.directory / "rebooted").exists)
        assert 1 == (await agreed_books(world)).trial_coins, "the coin that was out when the power went"

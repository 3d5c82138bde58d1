"""A business day: visits, coins handled by staff, the closing, and the municipality's word on it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.books import agreed_books, read_books
from tests.e2e.hasty_kiosk import FastClock
from tests.e2e.visitor import Visitor, kiosk
from tests.municipality.pki import KIOSK
from tests.simulators.world import REPOSITORY, World

REFUSED = (
    "madoguchi: the door is shut or a visit is under way: open the door, wait for the visit to end,"
    " say it again\n"
)
CASH = """\
place       coin  coins  unsure     in    out   diff       yen
cash box     500      0       0      0      1     +0         0
hopper 3     100 {:>6}       0     50      0     +0 {:>9}
all                                                  {:>9}
"""


async def staff(world: World, *words: str) -> tuple[int, str]:
    """A command of the kiosk: exit status, and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "firmware",
        *words,
        "--config",
        str(world.config),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def buys(visitor: Visitor, *coins: int) -> None:
    await visitor.walk_to("coins", kind="2")
    await visitor.pays(*coins)
    await visitor.sees("take_all", "thanks", seconds=40.0)
    await visitor.leave()
    await visitor.rests()


async def compared(world: World) -> str:
    """Wait for the municipality's word on the last closed day."""
    while True:
        books = await read_books(world)
        if books.compared:
            return books.compared[-1]
        await asyncio.sleep(0.1)


async def is_owed(visitor: Visitor, yen: int) -> str:
    """Put a coin in, change one's mind, and get a slip from a kiosk that cannot pay; the claim's number."""
    world = visitor.world
    await visitor.walk_to("coins", kind="3")
    await visitor.drop([yen])
    await world.jam_hopper(True)
    await visitor.stops()
    await visitor.ends_with("cancelled", seconds=40.0)
    await visitor.leave()
    await agreed_books(world)
    claim = (await world.municipality.claims())[-1]
    assert (yen, None) == (claim["yen"], claim["settled_by"])
    return str(claim["claim_no"])


async def free_the_hopper(visitor: Visitor) -> None:
    """Staff free the jam and count: until then nothing certainly lies there, and the kiosk serves nobody."""
    world = visitor.world
    await visitor.sees("out_of_service")
    await world.set_door(True)
    await world.jam_hopper(False)
    status, _ = await staff(world, "cash", "count", "3", "100", str(world.coins.hopper_coins))
    assert 0 == status
    await world.set_door(False)
    await visitor.rests()


async def test_every_coin_that_staff_handle_is_where_the_books_say() -> None:
    async with kiosk(hopper_coins=20, clock=FastClock.from_noon()) as visitor:
        world = visitor.world
        await buys(visitor, 500)
        assert (69, REFUSED) == await staff(world, "cash", "refill", "3", "30")
        await world.set_door(True)
        await visitor.sees("out_of_service")
        world.coins.refill(30)
        assert (0, "30 coins into hopper 3\n") == await staff(world, "cash", "refill", "3", "30")
        found = world.coins.hopper_coins
        said = f"{found} coins of 100 yen in the hopper 3: as the books say\n"
        assert (0, said) == await staff(world, "cash", "count", "3", "100", str(found))
        status, said = await staff(world, "cash", "collect", "box", "500", "2")
        assert (69, True) == (status, "1 coins of 500 yen lie in the cash box: count them first" in said)
        said = "1 coins of 500 yen out of the cash box\n"
        assert (0, said) == await staff(world, "cash", "collect", "box", "500", "1")
        assert (0, CASH.format(found, 100 * found, 100 * found)) == await staff(world, "cash", "show")
        await world.set_door(False)
        await visitor.rests()
        await world.kill_kiosk()
        await world.start_kiosk()
        await buys(visitor, 100, 100, 500)
        status, said = await staff(world, "cash", "show")
        assert (0, True) == (status, f"hopper 3     100 {world.coins.hopper_coins:>6}" in said)


async def test_a_closed_day_agrees_with_the_municipality_and_never_changes(tmp_path: Path) -> None:
    async with kiosk(clock=FastClock.from_noon()) as visitor:
        world = visitor.world
        await buys(visitor, 500)
        await is_owed(visitor, 500)
        await free_the_hopper(visitor)
        status, said = await staff(world, "day", "close")
        assert (0, " is closed\n") == (status, said[10:])
        day = said[:10]
        assert "" == await compared(world)
        status, before = await staff(world, "day", "show", day)
        assert (0, "municipality: agrees\n") == (status, before.splitlines(keepends=True)[-1])
        pdf = tmp_path / "day.pdf"
        assert (0, "") == await staff(world, "day", "pdf", day, "--out", str(pdf))
        assert pdf.read_bytes().startswith(b"%PDF")
        slips = len(world.receipts.slips)
        assert (0, f"{day} is printed\n") == await staff(world, "day", "print", day)
        text = world.receipts.text(world.receipts.slips[slips])
        assert "市区町村の記録と一致しました" in text
        assert (0, "the self-test is printed\n") == await staff(world, "slip", "test")
        assert "ここまで読めれば正常です" in world.receipts.text(world.receipts.slips[-1])
        await world.take_receipt()
        await buys(visitor, 100, 100, 100)
        assert (0, before) == await staff(world, "day", "show", day)
        status, said = await staff(world, "day", "close")
        assert (69, f"madoguchi: {day} is closed, and ") == (status, said[: 27 + len(day)])


async def test_a_claim_is_paid_once_at_the_store_or_at_the_counter() -> None:
    async with kiosk(clock=FastClock.from_noon()) as visitor:
        world = visitor.world
        number = await is_owed(visitor, 500)
        said = f"claim {number} is settled: pay 500 yen\n"
        assert (0, said) == await staff(world, "claims", "settle", number)
        status, said = await staff(world, "claims", "settle", number)
        noted = f"madoguchi: claim {number} was noted as paid by uid:{os.getuid()}: pay it only if its slip"
        assert (69, f"{noted} is not among the paid ones\n") == (status, said)
        assert not await world.municipality.pay_claim(KIOSK, number)
        await free_the_hopper(visitor)
        other = await is_owed(visitor, 100)
        assert await world.municipality.pay_claim(KIOSK, other)
        status, said = await staff(world, "claims", "settle", other)
        assert (69, "madoguchi: the municipality says claim_conflict: do not pay\n") == (status, said)
        said = f"claim {other}: 100 yen, paid by counter\n"
        assert (0, said) == await staff(world, "claims", "show", other)
        status, said = await staff(world, "claims", "list")
        assert f"{other}     100  paid by counter\n" in said

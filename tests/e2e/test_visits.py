"""The three certificates, bought with the coins people have."""

import asyncio
import json
from collections.abc import Sequence

import pytest

from tests.e2e.books import agreed_books
from tests.e2e.visitor import kiosk
from tests.municipality.pki import KIOSK
from tests.simulators.resident import Kind
from tests.simulators.world import World


@pytest.mark.parametrize(
    ("kind", "copies", "coins", "sheets", "change_yen"),
    [
        ("inkan", 1, (100, 100, 100), 1, 0),
        ("shotoku", 2, (100, 500), 2, 0),
        ("juminhyo", 1, (500,), 2, 200),
    ],
)
async def test_a_certificate_is_paid_printed_and_taken(
    kind: Kind, copies: int, coins: Sequence[int], sheets: int, change_yen: int
) -> None:
    async with kiosk() as visitor:
        await visitor.walk_to("choose_kind")
        await visitor.choose(kind, copies=copies)
        await visitor.pay(coins)
        picture = await visitor.sees("take_all")
        world = visitor.world
        await world.eyes.until(lambda now: now["checklist"][1]["state"] == "now", 20.0)
        assert change_yen == world.coins.change_cup_yen
        assert sheets == await world.take_paper()
        assert (change_yen > 0) is any(item["id"] == "change" for item in picture["checklist"])
        await visitor.take_everything()
        assert (sheets,) == tuple(job.sheets for job in world.printer.jobs())
        (slip,) = world.receipts.slips
        text = world.receipts.text(slip)
        assert f"{300 * copies:,}" in text
        assert (f"{change_yen:,}" in text) or not change_yen
        books = await agreed_books(world)
        assert (sum(coins), 300 * copies, change_yen) == (
            books.last.taken,
            books.last.earned,
            books.last.paid_out,
        )
        await _copied(world)


async def _copied(world: World) -> None:
    """The municipality has every line of the journal up to now, as it stands there."""
    _, printed, _ = await world.journal_lines()
    lines = [json.loads(line) for line in printed]
    while True:
        kept = await world.municipality.journal(KIOSK)
        if len(kept) >= len(lines):
            break
        await asyncio.sleep(0.1)
    for line, copy in zip(lines, kept, strict=False):
        assert (line["seq"], line["record"]) == (copy["seq"], copy["record"])
        assert json.loads(copy["fields"]).items() <= line.items()


async def test_visits_after_one_another_mix_nothing_up_and_the_next_card_is_served_too() -> None:
    async with kiosk() as visitor:
        for card, kind in (
            ("mihon_hitori", "2"),
            ("sample_maria", "3"),
            ("jisedai_ichiro", "2"),
            ("shiken_taro", "1"),
        ):
            visitor.card = card
            await visitor.walk_to("coins", kind=kind)
            await visitor.pays(500)
            await visitor.sees("take_all", "thanks")
            assert 200 == await visitor.leave()
            await visitor.sees("thanks", "idle")
            await visitor.leave()
        await visitor.rests()
        assert 4 == len({order.number for order in await visitor.world.municipality.orders()})

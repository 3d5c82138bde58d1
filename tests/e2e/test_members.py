"""世帯の一部: two members of five are printed, and the daemon that let them be chosen knows nobody's name."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pypdfium2

from firmware.core.terms import MemberRole
from tests.e2e.visitor import Visitor, kiosk
from tests.erasure import Canaries, in_memory, words
from tests.municipality.register import Household, load_people
from tests.simulators.world import World

CARD = "shiken_taro"
CHOSEN = "13"


def household() -> Household:
    day = datetime.now(UTC).date()  # any day will do
    return next(home for home, resident in load_people(day).residents() if resident.id == CARD)


def persons() -> Canaries:
    """Each name, reading and birth date of the household, as they stand in the register and on paper."""
    texts = {household().address}
    for who in household().resident:
        texts |= {who.name, who.kana or who.name, who.birth_date.isoformat()}
    return words(texts)


async def test_members_one_and_three_of_five_are_printed_alone_and_the_daemon_never_knows_a_name() -> None:
    async with kiosk() as visitor:
        world = visitor.world
        picture = await visitor.walk_to("choose_members", members=CHOSEN)
        shown = [f"{one['label']} {one['more']}".strip() for one in picture["choices"]]
        assert ["本人", "夫か妻", "子 1人目", "子 2人目", "父か母"] == shown
        assert [] == await knows(world)
        for screen in ("choose_subjects", "choose_kind"):
            await visitor.touch("correct")
            await visitor.sees(screen)
        await visitor.choose("juminhyo", members=CHOSEN)
        confirmed = next(one["rows"] for one in world.eyes.pictures if one["screen"] == "confirm")
        assert ["だれの", "5人のうち 2人", ["5人のうち", "2人"]] in confirmed
        assert ["のせる人", "本人・子 1人目", ["本人", "子", "1人目"]] in confirmed
        assert [] == await knows(world)
        await visitor.pays(100, 100, 100)
        await visitor.sees("take_all", seconds=60.0)
        await visitor.leave()
        await visitor.rests()
        await only_these_were_printed(visitor)
        assert not personal(await journal(world))


async def knows(world: World) -> list[str]:
    """Of the household in the daemon's memory and in what the page was sent."""
    assert world.kiosk is not None
    wanted = persons()
    sent = json.dumps(world.eyes.pictures, ensure_ascii=False)
    found = await asyncio.to_thread(in_memory, world.kiosk.pid, wanted, deep=False)
    return found + [f"page: {word}" for word in wanted if word in sent]


async def only_these_were_printed(visitor: Visitor) -> None:
    (job,) = visitor.world.printer.jobs()
    front = await asyncio.to_thread(front_text, job.pdf)
    for at, who in enumerate(household().resident, start=1):
        is_there = "".join(who.name.split()) in front
        assert is_there is (str(at) in CHOSEN), who.id
    assert "世帯一部" in front
    assert "世帯全員" not in front
    (slip,) = visitor.world.receipts.slips
    receipt = visitor.world.receipts.text(slip)
    assert not [word for word in ("人目", "本人", "世帯") if word in receipt]


def front_text(pdf: Path) -> str:
    with pypdfium2.PdfDocument(pdf) as document:
        return "".join(document[0].get_textpage().get_text_range().split())


async def journal(world: World) -> list[dict[str, Any]]:
    _, lines, _ = await world.journal_lines()
    return [json.loads(line) for line in lines]


def personal(lines: list[dict[str, Any]]) -> list[str]:
    """Words of the choice in any line."""
    told = json.dumps(lines)
    return [
        word for word in ("member", "subjects", *(f'"{role.value}"' for role in MemberRole)) if word in told
    ]

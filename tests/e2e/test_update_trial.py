"""A system on trial whose display, receipt printer or document worker is dead is not marked good."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.test_technician import once
from tests.e2e.visitor import kiosk
from tests.simulators.world import World

TRIAL = {"standing": "trial", "slot": "B", "version": "0.2.0", "other": "good", "wanted": "", "before": []}
SECONDS = 120.0


async def told(world: World, command: str) -> tuple[int, str]:
    """What the console says to a program, and its status."""
    return await once(world, "--command", command, "--json")


async def answer(world: World, command: str) -> dict[str, Any] | None:
    """None while nobody listens yet."""
    status, said = await told(world, command)
    facts: dict[str, Any] | None = None if status else json.loads(said)
    return facts


async def lacks(world: World) -> list[str]:
    """What keeps it from being fit, as a technician is told."""
    said = await answer(world, "update status")
    return ["console"] if said is None else list(said["update"]["lacks"])


async def has_screen(world: World) -> bool:
    """Whether a page draws on the display, as `status` says."""
    said = await answer(world, "status")
    assert said is not None
    [screen] = [device for device in said["devices"] if device["name"] == "screen"]
    return bool(screen["well"])


async def lacks_only(world: World, *parts: str) -> None:
    """Wait for just these."""
    found = None
    try:
        async with asyncio.timeout(SECONDS):
            while (found := await lacks(world)) != list(parts):  # noqa: ASYNC110 - asked of another process
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise AssertionError(f"lacks {found}, expected {parts}") from None


async def draws(url: str) -> None:
    """As a page that stands on a display; it ends never."""
    headers = {"Origin": url.rstrip("/")}
    async with aiohttp.ClientSession() as client:
        while True:
            async with client.post(f"{url}alive", json={"seq": 1}, headers=headers) as answer:
                assert 204 == answer.status
            await asyncio.sleep(5.0)


async def test_no_display_and_no_receipt_printer_keep_an_update_from_being_marked_good(
    tmp_path: Path,
) -> None:
    files = {name: str(tmp_path / name) for name in ("state", "wish", "fit")}
    fit = tmp_path / "fit"
    await asyncio.to_thread((tmp_path / "state").write_text, json.dumps(TRIAL))
    async with kiosk(overrides={"updates": files}) as visitor:
        world = visitor.world
        await visitor.sees("closed")
        await lacks_only(world, "screen")
        assert not await has_screen(world)
        await world.set_receipt_fault("paper_out")
        await lacks_only(world, "receipt", "screen")
        await world.set_receipt_fault(None)
        await lacks_only(world, "screen")
        assert not await asyncio.to_thread(fit.exists)
        page = asyncio.create_task(draws(world.screen_url))
        await lacks_only(world)
        assert await has_screen(world)
        async with asyncio.timeout(SECONDS):
            while not await asyncio.to_thread(fit.exists):  # noqa: ASYNC110 - files tell nobody
                await asyncio.sleep(0.2)
        page.cancel()
        await asyncio.gather(page, return_exceptions=True)


async def test_a_display_that_may_still_come_is_not_excused_as_one_that_was_missing(tmp_path: Path) -> None:
    files = {name: str(tmp_path / name) for name in ("state", "wish", "fit")}
    steady = TRIAL | {"standing": "steady"}
    await asyncio.to_thread(Path(files["state"]).write_text, json.dumps(steady))
    async with kiosk(overrides={"updates": files}) as visitor:
        await visitor.rests()
        status, said = await told(visitor.world, "update install /media/stick/a.raucb --yes")
        assert (1, True) == (status, "no page has drawn since the start" in said), said
        assert not await asyncio.to_thread(Path(files["wish"]).exists)

"""The display of the emulated machine: what stands on it, and a finger."""

import asyncio
import contextlib
import os
from pathlib import Path

from PIL import Image

from tests.appliance.report import Report
from tests.appliance.store import BOOT_SECONDS, Store

EXTRA = ("-device", "virtio-gpu-pci,xres=1280,yres=800", "-device", "virtio-tablet-pci")
"""A graphics card of 1280 by 800 and something that points at it."""

CONFIRM = (0.88, 0.93)
"""Where the key 確定 lies on every screen, in shares of its width and height."""

_LOOK_SECONDS = 2.0
_ANSWER_SECONDS = 20.0
_MAXIMUM = 0x7FFF
"""Of an axis. Source: QEMU 7.2, qapi/ui.json, InputMoveEvent."""


class Displayed(Store):
    """A store whose machine has a display, and memory for its browser."""

    def __init__(self, image: Path, *, directory: Path | None = None) -> None:
        super().__init__(image, directory=directory)
        self._screen_port = 8080  # where the browser of the kiosk looks
        self.memory_mib = 2560
        self.extra = EXTRA


async def display_works(store: Store, report: Report, pictures: Path) -> None:
    """The start screen stands on it, a finger is felt, and the browser that is begun anew draws again."""
    with report.timed("picture"):
        await shown(store, pictures / "start.png")
    with report.timed("touch"):
        await touched(store)
    with report.timed("nightly restart to picture"):
        await restarted_picture(store, pictures / "again.png")


async def shown(store: Store, to: Path, *, seconds: float = BOOT_SECONDS) -> None:
    """Wait until the display shows a screen of the kiosk; the picture is kept. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            await _dump(store, to)
            if await asyncio.to_thread(is_drawn, to):
                return
            await asyncio.sleep(_LOOK_SECONDS)


def is_drawn(picture: Path) -> bool:
    """Whether it has the page's colours, light with dark text, and not one colour or a terminal's; and the
    page its whole size, its dark bar reaching the upper right corner: a browser draws before it has that."""
    with Image.open(picture) as opened:
        small = opened.convert("L").resize((160, 100))
    levels, corner = small.histogram(), small.crop((158, 0, 160, 2)).histogram()
    is_page = sum(levels[200:]) > 160 * 100 // 3 and len([count for count in levels if count]) > 40
    return is_page and not sum(corner[80:])


async def touched(store: Store) -> None:
    """Touch 確定 on the start screen until the next one stands: of a page that was just drawn a finger may
    not be felt yet."""
    before = store.eyes.now
    async with asyncio.timeout(BOOT_SECONDS):
        while True:
            await tap(store, *CONFIRM)
            with contextlib.suppress(TimeoutError):
                await store.eyes.until(
                    lambda now: before is None or now["screen"] != before["screen"], _ANSWER_SECONDS
                )
                return


async def tap(store: Store, x: float, y: float) -> None:
    """A finger at this share of width and height."""
    for axis, share in (("x", x), ("y", y)):
        await _send(store, {"type": "abs", "data": {"axis": axis, "value": round(share * _MAXIMUM)}})
    for down in (True, False):
        await _send(store, {"type": "btn", "data": {"button": "left", "down": down}})
        await asyncio.sleep(0.3)


async def restarted_picture(store: Store, to: Path) -> None:
    """What the timer starts each night: another browser, and the picture is back."""
    before = await _process(store)
    status, said = await store.shell("systemctl start madoguchi-screen-restart.service")
    if status:
        raise RuntimeError(f"the restart failed: {said}")
    after = await _process(store)
    if after in {before, "0"}:
        raise RuntimeError(f"process {before} of the display runs on ({after})")
    await shown(store, to)


async def _process(store: Store) -> str:
    return (await store.shell("systemctl show -p MainPID --value madoguchi-screen.service"))[1].strip()


async def _dump(store: Store, to: Path) -> None:
    await store.machine.ask("screendump", filename=os.path.abspath(to), format="png")  # noqa: PTH100, ASYNC240


async def _send(store: Store, event: dict[str, object]) -> None:
    await store.machine.ask("input-send-event", events=[event])

"""A machine's end: by a technician's order nothing of the kiosk stays, wherever the power goes meanwhile."""

import asyncio
import random
import shutil
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from tests.appliance.machine import copy_out
from tests.appliance.shocks import Guest
from tests.appliance.store import BOOT_SECONDS, KIOSK_URN, SOON, Store
from tests.appliance.technician import admitted
from tests.appliance.write_log import Entry, Later, after_cut, entries, write_sparse
from tests.simulators.vt100 import Vt100
from tests.simulators.world import PKI

PLACES = ("etc", "madoguchi", "cups", "console", "published", "updates", "ssh")
"""Of the data partition."""
MARK = "etc/erasing"
CONFIG = "etc/kiosk.toml"
WHOLE = frozenset({CONFIG, "etc/journal.key", "madoguchi/own/kiosk.key", "madoguchi/journal.db"})
"""Without one of these a kiosk is none."""


async def ends(guest: Guest) -> list[str]:
    """After a visit paid with 500 yen: all that a technician does until the machine is off; what is left."""
    store = guest.store
    assert store.kiosk is not None
    await store.set_door(True)
    async with admitted(store) as line:
        for command, said in (
            ("maintenance on", "the kiosk serves nobody"),
            ("cash collect box 500 1", "out of the cash box"),
            (f"cash collect 3 100 {store.coins.hopper_coins}", "out of the hopper 3"),
            ("settle", "is closed"),
            (f"decommission {KIOSK_URN}", "is being erased"),
        ):
            await _until_said(line, command, said)
        async with asyncio.timeout(SOON):
            await store.kiosk.wait()
    await store.kill_kiosk()
    left = await left_on(store.written, store.directory / "left")
    key = (PKI / "kiosk" / "key.pem").read_bytes().splitlines()[1]
    disk = await asyncio.to_thread(store.written.read_bytes)
    return [*left, *(["the device's key, in the free blocks"] if key in disk else [])]


async def cut_meanwhile(guest: Guest, cuts: int, luck: random.Random) -> list[str]:
    """Cut the disk at so many writes of the erasure, then start the machine from one of them; what is wrong.

    Each must be a whole kiosk, or carry the mark, or be empty.
    """
    store, wrong = guest.store, []
    base = await asyncio.to_thread(store.data.read_bytes)
    done = entries(await asyncio.to_thread(store.log_of_writes.read_bytes))
    work = store.directory / "cut.ext4"
    first = await asyncio.to_thread(_first_of_erasure, base, done, work)
    marked: list[bytearray] = []
    for _ in range(cuts):
        at, later = luck.randrange(max(first - 5, 0), len(done) + 1), luck.choice(list(Later))
        disk = after_cut(base, done[:at], later, luck)
        await asyncio.to_thread(write_sparse, disk, work)
        left = set(await left_on(work, store.directory / "left"))
        if MARK in left:
            marked.append(disk)
        elif left and not left >= WHOLE:
            wrong.append(
                f"behind {at} of {len(done)} writes, then {later.value}: no mark, and {sorted(left)}"
            )
    if not marked:
        return [*wrong, "no cut fell between the first file and the last"]
    await asyncio.to_thread(write_sparse, luck.choice(marked), store.data)
    return [*wrong, *await _goes_on(store)]


async def left_on(disk: Path, out: Path) -> list[str]:
    """What lies in the kiosk's places on the data partition of a machine that is off."""
    shutil.rmtree(out, ignore_errors=True)
    copy = out.with_suffix(".ext4")
    await asyncio.to_thread(shutil.copy, disk, copy)
    for place in PLACES:
        await copy_out(copy, f"/{place}", out)
    return await asyncio.to_thread(_named, out)


async def _goes_on(store: Store) -> list[str]:
    """The machine is switched on with half a kiosk: no daemon starts, and it switches itself off, empty."""
    await store.start_kiosk()
    assert store.kiosk is not None
    async with asyncio.timeout(BOOT_SECONDS):
        await store.kiosk.wait()
    await store.kill_kiosk()
    started = "systemd[1]: Started madoguchi.service" in store.said()
    left = await left_on(store.written, store.directory / "left")
    return [*left, *(["a kiosk started beside its erasure"] if started else [])]


async def _until_said(line: Vt100, command: str, said: str) -> None:
    """The door is felt a moment later, a day compared, a copy sent: he says it again."""
    answer = ""
    try:
        async with asyncio.timeout(SOON):
            while said not in (answer := " ".join((await line.answers(f"{command} --yes")).split())):
                pass
    except TimeoutError:
        raise TimeoutError(f"{command}: {answer!r}, expected {said!r}") from None


def _named(out: Path) -> list[str]:
    """All below the places themselves."""
    return sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.parent != out)


def _first_of_erasure(base: bytes, done: Sequence[Entry], work: Path) -> int:
    """Behind how many writes, all of them done, the mark is there, or files are not."""

    def began(at: int) -> bool:
        write_sparse(after_cut(base, done[:at], Later.ALL, random.Random(0)), work)  # noqa: S311
        left = set(asyncio.run(left_on(work, work.with_name("began"))))
        return MARK in left or CONFIG not in left

    return bisect_left(range(len(done)), True, key=began)

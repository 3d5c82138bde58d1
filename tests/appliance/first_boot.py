"""The first start of an image's machines: python -m tests.appliance.first_boot IMAGE [--cuts N] [--seed S]

Two machines are made of one image: each makes itself a key of its journal, root's alone, not the same; a
second start keeps it. Then the power of the first start is cut at N points: a key is there whole or not at
all. Figures and findings are JSON on standard output; the exit status is 0 only if nothing is wrong.
"""

import argparse
import asyncio
import random
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.appliance.machine import Disk, Machine, copy_out
from tests.appliance.report import Report
from tests.appliance.store import BOOT_SECONDS
from tests.appliance.write_log import Later, after_cut, entries, write_sparse

KEY = "etc/journal.key"
"""On the data partition."""
KEY_BYTES = 32
MADE = "Finished madoguchi-first-boot.service"
SPARED = re.compile(r"madoguchi-first-boot\.service.*was skipped")
"""Said by a start of a machine that has its key."""
_LOOK_SECONDS = 0.2


class Fresh:
    """A machine just unpacked: the image, and a data partition of its own."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.disk, self.log, self.console = (folder / name for name in ("data.ext4", "log", "console"))
        self._image, self._folder = image, folder
        folder.mkdir(parents=True)
        shutil.copy(image / "data.ext4", self.disk)

    async def start_until(self, happened: Callable[[str], bool]) -> str:
        """Switch it on until it says so, then cut its power; what it said."""
        self.log.write_bytes(b"")
        self.console.write_bytes(b"")
        with tempfile.TemporaryDirectory(prefix="first-") as sockets:
            machine = Machine(
                kernel=self._image / "vmlinuz",
                initrd=self._image / "initrd.img",
                disks=(Disk(self._image / "root.squashfs", writable=False), Disk(self.disk, log=self.log)),
                console=self.console,
                monitor_socket=Path(sockets) / "qmp",
            )
            await machine.start()
            try:
                async with asyncio.timeout(BOOT_SECONDS):
                    while not happened(self._said()):  # noqa: ASYNC110 - a file
                        await asyncio.sleep(_LOOK_SECONDS)
            finally:
                await machine.kill()
        return self._said()

    def _said(self) -> str:
        return self.console.read_text(encoding="utf-8", errors="replace")


async def key_on(disk: Path, out: Path) -> tuple[bytes | None, str]:
    """The key that lies there, and what is wrong with it."""
    shutil.rmtree(out, ignore_errors=True)
    await copy_out(disk, "/etc", out)
    file = out / KEY
    if not file.exists():
        return None, ""
    status, key = file.stat(), file.read_bytes()
    wrong = []
    if len(key) != KEY_BYTES or not any(key):
        wrong.append(f"a key of {len(key)} bytes: {key.hex()[:8]}…")
    if (status.st_uid, stat.S_IMODE(status.st_mode)) != (0, 0o400):
        wrong.append(f"owner {status.st_uid}, mode {stat.S_IMODE(status.st_mode):o}")
    return key, ", ".join(wrong)


async def first_starts(image: Path, work: Path, report: Report, cuts: int, luck: random.Random) -> None:
    keys = []
    for name in ("one", "other"):
        fresh = Fresh(image, work / name)
        before = fresh.disk.read_bytes()
        with report.timed(f"{name}: first start"):
            await fresh.start_until(lambda said: MADE in said)
        key, wrong = await _after_the_cut(before, fresh, work)
        report.wrong += [f"{name}: {wrong}"] if wrong else []
        if key is None:
            report.wrong.append(f"{name}: the unit had ended, and no key is on the disk")
        keys.append(key)
        if name == "one":
            one, bare = fresh, before
    if keys[0] == keys[1]:
        report.wrong.append("two machines have the same key")
    with report.timed(f"{cuts} cuts of the first start"):
        report.said["cuts"] = await _cut(bare, one, report, cuts, luck)
    await _after_the_cut(bare, one, work)
    shutil.copy(work / "cut.ext4", one.disk)
    with report.timed("second start"):
        said = await one.start_until(lambda said: bool(SPARED.search(said)) or MADE in said)
    if MADE in said:
        report.wrong.append("the second start made a key, too")
    again, wrong = await key_on(one.disk, work / "out")
    report.wrong += [wrong] if wrong else []
    if again != keys[0]:
        report.wrong.append("the second start did not keep the key")


async def _after_the_cut(before: bytes, fresh: Fresh, work: Path) -> tuple[bytes | None, str]:
    done = entries(fresh.log.read_bytes())
    write_sparse(after_cut(before, done, Later.NONE, random.Random(0)), work / "cut.ext4")  # noqa: S311
    return await key_on(work / "cut.ext4", work / "out")


async def _cut(before: bytes, fresh: Fresh, report: Report, cuts: int, luck: random.Random) -> dict[str, int]:
    """So many cuts of this start; how often a key was there."""
    work = fresh.disk.parent
    done = entries(fresh.log.read_bytes())
    found = {"with a key": 0, "without": 0}
    for _ in range(cuts):
        at, later = luck.randrange(len(done) + 1), luck.choice(list(Later))
        write_sparse(after_cut(before, done[:at], later, luck), work / "one-cut.ext4")
        key, wrong = await key_on(work / "one-cut.ext4", work / "out")
        found["without" if key is None else "with a key"] += 1
        if wrong:
            report.wrong.append(f"behind {at} of {len(done)} writes, then {later.value}: {wrong}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="the first start of an image's machines")
    parser.add_argument("image", type=Path, help="what scripts/image/build made")
    parser.add_argument("--cuts", type=int, default=100, metavar="N")
    parser.add_argument("--seed", type=int, default=1, help="draws points and what a disk loses")
    said = parser.parse_args()
    report = Report()
    luck = random.Random(said.seed)  # noqa: S311 - the same luck each time
    with tempfile.TemporaryDirectory(prefix="madoguchi-first-") as work:
        return report.run(first_starts(said.image, Path(work), report, said.cuts, luck))


if __name__ == "__main__":
    sys.exit(main())

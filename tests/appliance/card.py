"""A Pi's card without a Pi: python -m tests.appliance.card IMAGE [--authorized-key FILE] [--boot]

IMAGE: what scripts/image/build --flavour pi made. scripts/image/disk makes its card, which is read part by
part, nothing is mounted: what firmware, kernel and root look for, and what must not be in an image of many
machines. --authorized-key: the keys that it was built with, and nobody else's. --boot starts it in QEMU's
Pi 3 (raspi3b), too, from its emulated card: slot A comes up, the first partition is mounted, the data
partition grows. The firmware itself, tryboot among it, runs on a Pi alone, and QEMU 7.2 has no Pi 4. Findings
are JSON on standard output; the exit status is 0 only if nothing is wrong.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PARTITIONS = ("madoguchi-boot", "boot-a", "boot-b", "root-a", "root-b", "data")
SECTOR_BYTES = 512
KEYS = "root/.ssh/authorized_keys"
BOOT_SECONDS = 1200.0
_LOOK_SECONDS = 0.5
_ARM64_KERNEL = slice(0x38, 0x3C), b"ARM\x64"
"""Source: Linux, Documentation/arm64/booting.rst, the header's magic number."""
_CLOCK, _WATCHDOG = b"maxim,ds3231", b"brcm,bcm2835-pm-wdt"

# QEMU resets its Pi as soon as systemd arms that watchdog.
WORDS = (
    "console=ttyS1,115200 console=ttyAMA0,115200 systemd.journald.forward_to_console=1 "
    "systemd.default_timeout_start_sec=900 modprobe.blacklist=bcm2835_wdt"
)


@dataclass(frozen=True, slots=True)
class Card:
    """An image file of a whole card. starts, sizes: bytes, by the name of the partition."""

    file: Path
    starts: dict[str, int]
    sizes: dict[str, int]

    @classmethod
    def read(cls, file: Path) -> "Card":
        table = json.loads(_said("sfdisk", "--json", str(file)))["partitiontable"]["partitions"]
        return cls(
            file,
            {part["name"]: part["start"] * SECTOR_BYTES for part in table},
            {part["name"]: part["size"] * SECTOR_BYTES for part in table},
        )

    def fat(self, partition: str, name: str) -> bytes:
        """A file of a FAT partition. Raises CalledProcessError if it is not there."""
        return _bytes("mtype", "-i", f"{self.file}@@{self.starts[partition]}", f"::{name}")

    def fat_names(self, partition: str) -> set[str]:
        listed = _said("mdir", "-b", "-i", f"{self.file}@@{self.starts[partition]}", "::")
        return {line.removeprefix("::/") for line in listed.split()}

    def root(self, partition: str, name: str) -> bytes:
        """A file of a squashfs."""
        return _bytes("unsquashfs", "-o", str(self.starts[partition]), "-cat", str(self.file), name)

    def root_names(self, partition: str) -> set[str]:
        listed = _said("unsquashfs", "-o", str(self.starts[partition]), "-l", "-d", "", str(self.file))
        return set(listed.splitlines())

    def root_file(self, partition: str, name: str) -> tuple[str, str] | None:
        """Its mode and owner, as ls shows them; None if it is not there."""
        where = ("-o", str(self.starts[partition]), "-d", "", str(self.file), name)
        listed = [line.split() for line in _said("unsquashfs", "-ll", *where).splitlines()]
        found = [(mode, owner) for mode, owner, *_, at in filter(None, listed) if at == f"/{name}"]
        return found[0] if found else None

    def data(self, command: str) -> str:
        """What debugfs says of the data partition."""
        where = f"{self.file}?offset={self.starts['data']}"
        return _said("debugfs", "-R", command, where)


def wrong_with(card: Card, keys: bytes | None = None) -> list[str]:
    """What must be otherwise, a line each. keys: of those whom it was built to let in, if any."""
    if tuple(card.starts) != PARTITIONS:
        return [f"partitions: {list(card.starts)}, expected {list(PARTITIONS)}"]
    return [*wrong_first_partition(card), *wrong_slot(card), *wrong_root(card, keys), *wrong_data(card)]


def wrong_first_partition(card: Card) -> list[str]:
    """autoboot.txt leads to the FATs of the two slots."""
    lines = card.fat("madoguchi-boot", "autoboot.txt").decode().split()
    numbers = [int(line.removeprefix("boot_partition=")) for line in lines if "boot_partition=" in line]
    wrong = [] if "tryboot_a_b=1" in lines else ["autoboot.txt: no tryboot_a_b=1"]
    led = [PARTITIONS[number - 1] for number in numbers]
    return wrong + ([] if led == ["boot-a", "boot-b"] else [f"autoboot.txt leads to {led}"])


def wrong_slot(card: Card) -> list[str]:
    """Everything that config.txt names is there, and each slot's words name a root that there is."""
    names = card.fat_names("boot-a")
    config = card.fat("boot-a", "config.txt").decode().splitlines()
    named = {re.split("[= ]", line)[1] for line in config if line.startswith(("kernel=", "initramfs "))}
    wanted = named | {"cmdline.txt", "start4.elf", "fixup4.dat", "bcm2711-rpi-4-b.dtb"}
    wrong = [f"boot-a: no {name}" for name in sorted(wanted - names)]
    place, magic = _ARM64_KERNEL
    if card.fat("boot-a", "vmlinuz")[place] != magic:
        wrong.append("boot-a: vmlinuz is no arm64 kernel")
    tree = card.fat("boot-a", "bcm2711-rpi-4-b.dtb")
    wrong += [f"device tree: no {part.decode()}" for part in (_CLOCK, _WATCHDOG) if part not in tree]
    wrong += [f"config.txt: {line}" for line in config if re.search("uart|spi|i2s|audio", line)]
    if card.fat("boot-a", "cmdline.txt") != card.fat("boot-a", "cmdline-a.txt"):
        wrong.append("boot-a: cmdline.txt is not that of slot A")
    if card.fat("boot-a", "tryboot.txt") != card.fat("boot-a", "config.txt"):
        wrong.append("boot-a: a slot on trial is started otherwise")
    for letter in "ab":
        words = card.fat("boot-a", f"cmdline-{letter}.txt").decode().split()
        roots = [word for word in words if word.startswith("root=")]
        if roots != [f"root=PARTLABEL=root-{letter}"] or f"rauc.slot={letter.upper()}" not in words:
            wrong.append(f"cmdline-{letter}.txt: {' '.join(words)}")
    return wrong


def wrong_root(card: Card, keys: bytes | None) -> list[str]:
    """Mount points are there; nothing in it is one machine's, nobody else can log in, nothing is a key."""
    names = card.root_names("root-a")
    fstab = card.root("root-a", "etc/fstab").decode()
    entries = [line.split() for line in fstab.splitlines() if line and not line.startswith("#")]
    wrong = [f"fstab: no folder {at}" for _, at, *_ in entries if at not in names]
    wrong += [
        f"fstab: {at}" for _, at, kind, options, *_ in entries if at == "/data" and "growfs" not in options
    ]
    if "/boot/firmware" not in names:
        wrong.append("no /boot/firmware")
    if card.root("root-a", "etc/machine-id"):
        wrong.append("machine-id: the image has one")
    secret = re.compile(r"/etc/ssh/ssh_host_|/random-seed$|/authorized_keys$|\.key$|/credential\.secret$")
    secrets = {name for name in names if secret.search(name)}
    if keys is not None:
        secrets.discard(f"/{KEYS}")
        wrong += wrong_way_in(card, keys)
    wrong += [f"in the root: {name}" for name in sorted(secrets)]
    shadow = card.root("root-a", "etc/shadow").decode().splitlines()
    wrong += [f"shadow: {line.split(':')[0]}" for line in shadow if line.split(":")[1][:1] not in {"*", "!"}]
    return wrong


def wrong_way_in(card: Card, keys: bytes) -> list[str]:
    """They are the given keys, and sshd takes them: root's, and nobody else writes them or their folders."""
    wrong = []
    for name, mode in {"root": "drwx------", "root/.ssh": "drwx------", KEYS: "-rw-------"}.items():
        found = card.root_file("root-a", name)
        if found != (mode, "root/root"):
            wrong.append(f"{name}: {found}, expected {(mode, 'root/root')}")
    if not wrong and card.root("root-a", KEYS) != keys:
        wrong.append(f"{KEYS}: other keys")
    return wrong


def wrong_data(card: Card) -> list[str]:
    """The kiosk's configuration as shipped, and no key of any machine."""
    found = card.data("ls -p /etc").splitlines()
    names = {line.split("/")[5] for line in found if line.count("/") > 5}
    wrong = [f"data/etc: no {name}" for name in sorted({"kiosk.toml", "cups"} - names)]
    wrong += [f"data/etc: {name}" for name in sorted(names) if name.endswith((".key", ".pem", ".code"))]
    kept = {line.split("/")[5] for line in card.data("ls -p /madoguchi").splitlines() if line.count("/") > 5}
    return wrong + [f"data/madoguchi: {name}" for name in sorted(kept - {".", ".."})]


async def boot(card: Card, image: Path, work: Path, report: dict[str, Any]) -> list[str]:
    """Slot A on QEMU's Pi 3; what it did not come to."""
    file = work / "sd.img"
    await asyncio.to_thread(_bytes, "cp", "--sparse=always", str(card.file), str(file))
    size = 1 << (file.stat().st_size - 1).bit_length()  # the emulated slot takes powers of two alone
    with file.open("r+b") as grown:
        grown.truncate(size)
    words = card.fat("boot-a", "cmdline.txt").decode().strip()
    lines = [work / "uart0.log", work / "uart1.log"]
    command = [
        *("setpriv", "--pdeathsig", "KILL"),
        *(
            "qemu-system-aarch64",
            "-M",
            "raspi3b",
            "-accel",
            "tcg,thread=multi",
            "-display",
            "none",
            "-no-reboot",
        ),
        *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd.img")),
        *("-dtb", str(image / "firmware/bcm2837-rpi-3-b.dtb"), "-append", f"{words} {WORDS}"),
        *("-drive", f"file={file},if=sd,format=raw,cache=unsafe", "-monitor", "none"),
        *(word for line in lines for word in ("-serial", f"file:{line}")),
    ]
    begun = time.monotonic()
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
    awaited = ("Mounted boot-firmware.mount", "madoguchi.service")
    try:
        async with asyncio.timeout(BOOT_SECONDS):
            while True:
                said = "".join(line.read_text(errors="replace") for line in lines if line.exists())
                missing = [words for words in awaited if words not in said]
                if not missing or process.returncode is not None:
                    break
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    report["boot_seconds"] = round(time.monotonic() - begun, 1)
    wrong = [f"not said by the machine: {words}" for words in missing]
    now = Card.read(file)
    report["data_mib"] = [card.sizes["data"] >> 20, now.sizes["data"] >> 20]
    if now.starts["data"] + now.sizes["data"] < size - (8 << 20):
        wrong.append("the data partition has not grown")
    if wrong:
        sys.stderr.write(said[-6000:])
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="a Pi's card without a Pi")
    parser.add_argument("image", type=Path, help="what scripts/image/build --flavour pi made")
    parser.add_argument("--authorized-key", type=Path, metavar="FILE", help="the keys that it was built with")
    parser.add_argument("--boot", action="store_true", help="in QEMU's Pi 3, too")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave card and console there")
    said = parser.parse_args()
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="card-") as made:
        work = said.keep or Path(made)
        work.mkdir(parents=True, exist_ok=True)
        file = work / "card.img"
        disk = [str(REPOSITORY / "scripts/image/disk"), str(said.image), str(file), "--flavour", "pi"]
        subprocess.run(disk, check=True)
        card = Card.read(file)
        report["mib"] = {name: size >> 20 for name, size in card.sizes.items()}
        report["wrong"] = wrong_with(card, said.authorized_key and said.authorized_key.read_bytes())
        if said.boot:
            report["wrong"] += asyncio.run(boot(card, said.image, work, report))
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 1 if report["wrong"] else 0


def _bytes(*command: str) -> bytes:
    return subprocess.run(command, capture_output=True, check=True).stdout


def _said(*command: str) -> str:
    return _bytes(*command).decode()


if __name__ == "__main__":
    sys.exit(main())

"""A Pi's card as scripts/image/disk makes it, of an image of few words: what is wrong with it is named."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.appliance.card import KEYS, Card, wrong_with

ROOT = Path(__file__).parents[2]
ARM64 = bytes(0x38) + b"ARM\x64" + bytes(64)
FSTAB = "LABEL=madoguchi-data /data ext4 rw,x-systemd.growfs 0 2\n/data/etc /etc/madoguchi none bind 0 0\n"


def write(at: Path, content: bytes | str = b"") -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_bytes(content if isinstance(content, bytes) else content.encode())


def make_parts(folder: Path) -> None:
    """Of an image's three: firmware, root and data."""
    for name in ("start4.elf", "fixup4.dat", "initrd.img"):
        write(folder / "firmware" / name, name)
    write(folder / "firmware/vmlinuz", ARM64)
    write(folder / "firmware/bcm2711-rpi-4-b.dtb", b"maxim,ds3231 brcm,bcm2835-pm-wdt")
    write(folder / "firmware/config.txt", "arm_64bit=1\nkernel=vmlinuz\ninitramfs initrd.img\n")
    write(folder / "firmware/cmdline.txt", "rootfstype=squashfs ro\n")
    for name in ("data", "etc/madoguchi", "boot/firmware"):
        (folder / "root" / name).mkdir(parents=True)
    write(folder / "root/etc/fstab", FSTAB)
    write(folder / "root/etc/machine-id")
    write(folder / "root/etc/shadow", "root:*:1::::::\nmadoguchi:!:1::::::\n")
    write(folder / "data/etc/kiosk.toml", "[kiosk]\n")
    (folder / "data/etc/cups").mkdir()
    (folder / "data/madoguchi").mkdir()


def make_card(folder: Path, to: Path) -> Card:
    run("mksquashfs", folder / "root", folder / "root.squashfs", "-quiet", "-no-progress", "-all-root")
    run("truncate", "-s", "8M", folder / "data.ext4")
    run("mke2fs", "-q", "-t", "ext4", "-L", "madoguchi-data", "-d", folder / "data", folder / "data.ext4")
    run(ROOT / "scripts/image/disk", folder, to, "--flavour", "pi", "--slot", "8")
    return Card.read(to)


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Card]:
    """An image with nothing wrong, and its card."""
    folder = tmp_path_factory.mktemp("whole")
    make_parts(folder)
    return folder, make_card(folder, folder / "card.img")


def test_a_card_has_all_that_firmware_kernel_and_root_look_for(whole: tuple[Path, Card]) -> None:
    assert [] == wrong_with(whole[1])


def test_a_card_made_twice_is_the_same(whole: tuple[Path, Card], tmp_path: Path) -> None:
    folder, card = whole
    run(ROOT / "scripts/image/disk", folder, tmp_path / "again.img", "--flavour", "pi", "--slot", "8")
    run("cmp", card.file, tmp_path / "again.img")


def test_what_a_bundle_brings_for_either_slot_can_start_neither_yet(whole: tuple[Path, Card]) -> None:
    folder, _ = whole
    listed = subprocess.run(["mdir", "-b", "-i", folder / "boot.vfat", "::"], capture_output=True, check=True)
    names = {line.removeprefix("::/") for line in listed.stdout.decode().split()}
    assert {"cmdline-a.txt", "cmdline-b.txt", "tryboot.txt", "config.txt", "vmlinuz"} <= names
    assert "cmdline.txt" not in names


@pytest.mark.parametrize(
    ("slot", "hook", "words"),
    [
        ("boot.0", "slot-post-install", "words of A"),
        ("boot.1", "slot-post-install", "words of B"),
        ("rootfs.1", "slot-post-install", None),
        ("boot.1", "install-check", None),
    ],
)
def test_an_updated_slot_gets_its_own_words_and_no_others(
    tmp_path: Path, slot: str, hook: str, words: str | None
) -> None:
    device, programs = tmp_path / "device", tmp_path / "programs"
    write(device / "cmdline-a.txt", "words of A")
    write(device / "cmdline-b.txt", "words of B")
    write(programs / "mount", '#!/bin/sh\nexec cp -r "$3/." "$4"\n')
    write(programs / "umount", '#!/bin/sh\nexec cp -r "$1/." "$RAUC_SLOT_DEVICE"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    told = {"RAUC_SLOT_NAME": slot, "RAUC_SLOT_DEVICE": str(device), "TMPDIR": str(tmp_path)}
    told["PATH"] = f"{programs}:/usr/bin:/bin"
    done = subprocess.run([ROOT / "scripts/image/pi/boot-hook", hook], env=told, check=False)
    assert (done.returncode == 0) is (slot != "rootfs.1")
    found = device / "cmdline.txt"
    assert words == (found.read_text() if found.exists() else None)


def test_what_the_card_lacks_and_what_must_not_be_on_it_is_named(tmp_path: Path) -> None:
    make_parts(tmp_path)
    (tmp_path / "firmware/start4.elf").unlink()
    write(tmp_path / "firmware/vmlinuz", b"MZ" + bytes(128))
    write(tmp_path / "firmware/bcm2711-rpi-4-b.dtb", b"brcm,bcm2835-pm-wdt")
    write(tmp_path / "firmware/config.txt", "kernel=vmlinux\ninitramfs initrd.img\nenable_uart=1\n")
    shutil.rmtree(tmp_path / "root/boot")
    write(
        tmp_path / "root/etc/fstab", FSTAB.replace("x-systemd.growfs", "noatime") + "x /data/none none bind\n"
    )
    write(tmp_path / "root/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    write(tmp_path / "root/etc/ssh/ssh_host_ed25519_key", "key")
    write(tmp_path / "root/etc/ssl/private/some.key", "key")
    write(tmp_path / "root/etc/shadow", "root::1::::::\nmadoguchi:!:1::::::\n")
    write(tmp_path / "data/etc/journal.key", "key")
    write(tmp_path / "data/madoguchi/journal.db", "entries")
    expected = {
        "boot-a: no start4.elf",
        "boot-a: no vmlinux",
        "boot-a: vmlinuz is no arm64 kernel",
        "device tree: no maxim,ds3231",
        "config.txt: enable_uart=1",
        "no /boot/firmware",
        "fstab: /data",
        "fstab: no folder /data/none",
        "machine-id: the image has one",
        "in the root: /etc/ssh/ssh_host_ed25519_key",
        "in the root: /etc/ssl/private/some.key",
        "shadow: root",
        "data/etc: journal.key",
        "data/madoguchi: journal.db",
    }
    assert expected == set(wrong_with(make_card(tmp_path, tmp_path / "card.img")))


@pytest.mark.parametrize(
    ("mode", "given", "expected"),
    [
        (0o600, b"ours", []),
        (0o600, None, [f"in the root: /{KEYS}"]),
        (0o600, b"others", [f"{KEYS}: other keys"]),
        (0o666, b"ours", [f"{KEYS}: ('-rw-rw-rw-', 'root/root'), expected ('-rw-------', 'root/root')"]),
    ],
)
def test_a_card_lets_those_in_whose_keys_it_was_built_with_and_nobody_else(
    tmp_path: Path, mode: int, given: bytes | None, expected: list[str]
) -> None:
    make_parts(tmp_path)
    keys = tmp_path / "root" / KEYS
    write(keys, "ours")
    keys.chmod(mode)
    for folder in (keys.parent, keys.parent.parent):
        folder.chmod(0o700)
    assert expected == wrong_with(make_card(tmp_path, tmp_path / "card.img"), given)


def test_a_card_without_the_keys_that_it_was_built_with_lets_nobody_in(whole: tuple[Path, Card]) -> None:
    assert f"{KEYS}: None, expected ('-rw-------', 'root/root')" in wrong_with(whole[1], b"ours")

"""Bundles as scripts/image/bundle makes them, before RAUC itself: who signed, what is said, what was altered.

Installing needs device-mapper and two slots: that is done in the emulator (tests/appliance/updates.py).
"""

import configparser
import json
import random
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from firmware.compose.boot_sector import SECTOR_BYTES, newest
from firmware.compose.update_root import Machine, SectorStore, check, install
from firmware.core.updates import BootChoice, Slot, started

REPOSITORY = Path(__file__).resolve().parents[2]
SYSTEM = REPOSITORY / "systemd/update/system.conf"
NEWER = "9.0.0"


def run(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass
class Signers:
    """Two who sign, each with an authority of its own; the root they sign."""

    folder: Path

    def make(self) -> None:
        for name in ("operator", "foreign"):
            run(
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                ),
                *("-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.pem"),
                *("-days", "3650", "-subj", f"/CN={name}, for tests alone"),
            )
        tree = self.folder / "tree"
        (tree / "etc/rauc").mkdir(parents=True)
        shutil.copy(self.folder / "operator.pem", tree / "etc/rauc/keyring.pem")
        (tree / "system").write_bytes(random.Random(1).randbytes(2**20))  # noqa: S311
        run("mksquashfs", tree, self.folder / "root.squashfs", "-quiet", "-no-progress")

    def bundle(self, name: str, *more: str, signer: str = "operator") -> Path:
        made = self.folder / f"{name}.raucb"
        run(
            *(REPOSITORY / "scripts/image/bundle", self.folder / "root.squashfs", made),
            *("--key", self.folder / f"{signer}.key", "--certificate", self.folder / f"{signer}.pem", *more),
        )
        return made


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Signers:
    made = Signers(tmp_path_factory.mktemp("signers"))
    made.make()
    return made


@dataclass
class Store:
    """A machine with slot A running, whose `rauc info` is the real one; `rauc install` is only noted."""

    root: Path
    keyring: Path
    installed: list[str] = field(default_factory=list)

    def machine(self) -> Machine:
        for name in ("kept", "told", "asked"):
            (self.root / name).mkdir(exist_ok=True)
        (self.root / "choice").write_bytes(bytes(2 * SECTOR_BYTES))
        (self.root / "cmdline").write_text("quiet rauc.slot=A\n")
        return Machine(
            SectorStore(self.root / "choice"),
            kept=self.root / "kept",
            told=self.root / "told",
            asked=self.root / "asked",
            command_line=self.root / "cmdline",
            system=SYSTEM,
            keyring=self.keyring,
            run=self.run,
        )

    def run(self, words: Sequence[str]) -> tuple[int, str]:
        if words[:2] != ("rauc", "info"):
            self.installed += words[2:] if words[:2] == ("rauc", "install") else []
            return 0, ""
        command = ["rauc", "info", f"--keyring={self.keyring}", *words[2:]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def asks(self, bundle: Path) -> str:
        """Why it is refused; empty if RAUC is told to install it."""
        machine = self.machine()
        (self.root / "asked/update-held").touch()
        wish = {"bundle": str(bundle), "before": [], "nonce": "n1"}
        (self.root / "asked/update-wanted").write_text(json.dumps(wish))
        install(machine)
        return str(machine.told_state().get("refused", ""))


@pytest.fixture
def store(tmp_path: Path, signers: Signers) -> Store:
    return Store(tmp_path, signers.folder / "operator.pem")


def test_a_bundle_of_the_operator_is_given_to_rauc_and_no_other(store: Store, signers: Signers) -> None:
    good = signers.bundle("good", "--version", NEWER)
    assert store.asks(good) == ""
    assert store.installed == [str(good)]


@pytest.mark.parametrize(
    ("options", "signer", "reason"),
    [
        (("--version", NEWER), "foreign", "signature"),
        (("--version", "0.0.1"), "operator", "older"),
        (("--version", "newest"), "operator", "version"),
        (("--version", NEWER, "--compatible", "madoguchi-pi"), "operator", "other-machine"),
    ],
)
def test_rauc_is_not_told_to_install_what_may_not_be(
    store: Store, signers: Signers, options: tuple[str, ...], signer: str, reason: str
) -> None:
    assert store.asks(signers.bundle(reason, *options, signer=signer)) == reason
    assert store.installed == []


def test_a_number_put_into_a_signed_manifest_by_hand_is_another_s_signature(
    store: Store, signers: Signers
) -> None:
    whole = signers.bundle("altered", "--version", "0.0.1")
    # The manifest that counts lies in the signature behind the squashfs.
    before, found, behind = whole.read_bytes().rpartition(b"version=0.0.1")
    assert found
    whole.write_bytes(before + b"version=9.0.1" + behind)
    assert store.asks(whole) == "signature"
    assert store.installed == []


def test_half_a_bundle_and_a_file_that_is_none_are_refused(store: Store, signers: Signers) -> None:
    whole = signers.bundle("half", "--version", NEWER).read_bytes()
    for name, content in (("half", whole[: len(whole) // 2]), ("none", b"hello"), ("empty", b"")):
        file = signers.folder / f"{name}.raucb"
        file.write_bytes(content)
        assert store.asks(file) in {"signature", "unreadable"}, name
    assert store.installed == []


def test_the_manifest_that_rauc_mounts_is_the_one_that_was_signed(store: Store, signers: Signers) -> None:
    bundle = signers.bundle("mounted", "--version", NEWER)
    folder = store.root / "mounted"
    run("unsquashfs", "-q", "-n", "-no-xattrs", "-d", folder, bundle, "manifest.raucm")
    assert store.asks(bundle) == "", "the kiosk is held from here on"
    assert check(store.machine(), folder) == 0
    older = signers.bundle("mounted-older", "--version", "0.0.1")
    run("unsquashfs", "-q", "-n", "-f", "-no-xattrs", "-d", folder, older, "manifest.raucm")
    assert check(store.machine(), folder) == 1


@pytest.mark.parametrize("keyring", [None, b"", b"no certificate\n"])
def test_a_root_without_a_keyring_is_no_update_and_a_disk_of_it_says_that_it_takes_none(
    tmp_path: Path, signers: Signers, keyring: bytes | None
) -> None:
    (tmp_path / "tree/etc/rauc").mkdir(parents=True)
    if keyring is not None:
        (tmp_path / "tree/etc/rauc/keyring.pem").write_bytes(keyring)
    run("mksquashfs", tmp_path / "tree", tmp_path / "root.squashfs", "-quiet", "-no-progress")
    keys = ("--key", signers.folder / "operator.key", "--certificate", signers.folder / "operator.pem")
    words = (REPOSITORY / "scripts/image/bundle", tmp_path / "root.squashfs", tmp_path / "out.raucb", *keys)
    refused = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert (refused.returncode, (tmp_path / "out.raucb").exists()) == (1, False)
    assert "/etc/rauc/keyring.pem" in refused.stderr
    assert "takes no updates" in disk_of(tmp_path, "--slot", "1")


def disk_of(image: Path, *more: str) -> str:
    """Made beside its parts, with an empty data partition; what scripts/image/disk said."""
    run("truncate", "-s", "8M", image / "data.ext4")
    run("mke2fs", "-q", "-t", "ext4", "-L", "madoguchi-data", image / "data.ext4")
    words = [str(REPOSITORY / "scripts/image/disk"), str(image), str(image / "disk.img"), *more]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_pi_s_bundle_brings_what_its_firmware_reads_and_is_for_its_processor_alone(
    store: Store, signers: Signers, tmp_path: Path
) -> None:
    image = tmp_path / "image"
    (image / "firmware").mkdir(parents=True)
    shutil.copy(signers.folder / "root.squashfs", image)
    (image / "architecture").write_text("arm64\n")
    keys = ("--key", signers.folder / "operator.key", "--certificate", signers.folder / "operator.pem")
    words = (REPOSITORY / "scripts/image/bundle", image, tmp_path / "pi.raucb", *keys, "--version", NEWER)
    without = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert (without.returncode, "boot.vfat" in without.stderr) == (1, True)
    (image / "boot.vfat").write_bytes(random.Random(2).randbytes(2**16))  # noqa: S311
    run(*words)
    run("unsquashfs", "-q", "-n", "-no-xattrs", "-d", tmp_path / "pi", tmp_path / "pi.raucb")
    assert (tmp_path / "pi/boot.img").read_bytes() == (image / "boot.vfat").read_bytes()
    manifest = configparser.ConfigParser()
    manifest.read_string((tmp_path / "pi/manifest.raucm").read_text())
    assert manifest["image.boot"]["filename"] == "boot.img"
    assert manifest["image.boot"]["hooks"].split(";")[0] == "post-install"
    assert (tmp_path / "pi" / manifest["hooks"]["filename"]).stat().st_mode & 0o100
    assert "[slot.boot.1]\ndevice=/dev/disk/by-partlabel/boot-b\n" in SYSTEM.read_text()
    assert store.asks(tmp_path / "pi.raucb") == "other-machine"


def test_the_disk_of_a_machine_with_two_slots_starts_its_first_system_and_has_no_second(
    tmp_path: Path, signers: Signers
) -> None:
    shutil.copy(signers.folder / "root.squashfs", tmp_path)
    assert "takes no updates" not in disk_of(tmp_path, "--slot", "2", "--data", "12")
    disk = tmp_path / "disk.img"
    table = json.loads(run("sfdisk", "--json", disk))["partitiontable"]["partitions"]
    places = {part["name"]: (part["start"] * 512, part["size"] * 512) for part in table}
    assert list(places) == ["madoguchi-choice", "root-a", "root-b", "data"]
    assert {f"by-partlabel/{name}" for name in ("root-a", "root-b")} <= {
        word.removeprefix("device=/dev/disk/") for word in SYSTEM.read_text().split()
    }
    written = disk.read_bytes()
    slot_a, slot_b = (written[at : at + size] for at, size in (places["root-a"], places["root-b"]))
    root = (tmp_path / "root.squashfs").read_bytes()
    assert slot_a.startswith(root)
    assert not any(slot_b)
    at, _ = places["madoguchi-choice"]
    sectors = written[at : at + SECTOR_BYTES], written[at + SECTOR_BYTES : at + 2 * SECTOR_BYTES]
    choice, serial = newest(sectors)
    assert (choice, serial) == (BootChoice(), 0)
    assert started(choice)[0] is Slot.A
    assert places["data"][1] == 12 * 1024 * 1024

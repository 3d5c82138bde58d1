"""What the image's scripts decide, without making one: packages, modules, words for a kernel, wheels."""

import gzip
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from tests.appliance.machine import BOARDS, Disk, Machine

ROOT = Path(__file__).parents[2]
KINDS = [("amd64", "virt"), ("arm64", "virt"), ("arm64", "pi")]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> ModuleType:
    """The script named by the test, as a module."""
    name = f"script_{Path(request.param).name}"
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader(name, str(ROOT / request.param))
    module = module_from_spec(spec_from_loader(name, loader))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, name, module)
    loader.exec_module(module)
    return module


def of(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("script", [name], indirect=True)


@of("scripts/image/recipe")
def test_a_pi_and_the_emulator_get_the_same_root_and_the_same_initrd(script: ModuleType) -> None:
    virt, pi = script.recipe("arm64", "virt"), script.recipe("arm64", "pi")
    assert virt["packages"] == pi["packages"]
    assert virt["modules"] == pi["modules"]


@of("scripts/image/recipe")
@pytest.mark.parametrize(("architecture", "flavour"), KINDS)
def test_every_image_has_the_kiosks_packages_and_one_kernel(
    script: ModuleType, architecture: str, flavour: str
) -> None:
    packages = script.recipe(architecture, flavour)["packages"]
    assert {"pcscd", "cups-daemon", "systemd-sysv", "rauc", "busybox-static"} <= set(packages)
    assert [f"linux-image-{architecture}"] == [name for name in packages if name.startswith("linux-image")]
    assert ("python3-pyscard" in packages) is (architecture == "arm64")
    assert len(packages) == len(set(packages))
    assert "chromium" not in packages
    assert "chromium" in script.recipe(architecture, flavour, display=True)["packages"]
    assert "openssh-server" not in packages
    assert "openssh-server" in script.recipe(architecture, flavour, ssh=True)["packages"]
    if flavour != "pi":
        assert {"tpm2-tools", "tpm-udev"} <= {*script.recipe(architecture, flavour, tpm=True)["packages"]}
    # A compiler or an initrd made in the tree costs an emulated one a quarter of an hour.
    assert not {"initramfs-tools", "gcc", "python3-dev"} & set(packages)


@of("scripts/image/recipe")
@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["amd64", "pi"], "amd64: virt"),
        (["riscv64", "virt"], "amd64, arm64"),
        (["arm64", "pi", "--with", "tpm"], "without --with tpm"),
    ],
)
def test_an_image_that_cannot_be_is_refused_by_name(
    script: ModuleType, wanted: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 64 == script.main(["packages", *wanted])
    assert said in capsys.readouterr().err


@of("scripts/image/recipe")
def test_a_pi_speaks_on_none_of_the_pins_that_are_wired_and_names_no_root_of_one_slot(
    script: ModuleType,
) -> None:
    pi = script.recipe("arm64", "pi")
    lines = pi["config"].splitlines()
    assert {"arm_64bit=1", "kernel=vmlinuz", "initramfs initrd.img"} <= set(lines)
    # SPI 7 to 11, PWM 18: lamps, contacts and the coins' inhibit hang there (hw/README.md).
    assert not [line for line in lines if "uart" in line or "spi" in line or "audio" in line]
    words = pi["command_line"].split()
    assert "ro" in words
    assert "systemd.wants=boot-firmware.mount" in words
    assert not [
        word for word in words if word.startswith(("root=", "rauc.slot=", "console=ttyA", "console=ttyS"))
    ]
    assert "\n" not in pi["command_line"]
    assert {"start4.elf", "fixup4.dat"} <= set(pi["files"])
    assert "bcm2711-rpi-4-b" in pi["boards"]


@of("scripts/image/initrd")
def test_a_module_is_loaded_after_those_it_needs_and_once(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "modules.dep").write_text(
        "kernel/a/ring.ko:\nkernel/a/bus.ko: kernel/a/ring.ko\n"
        "kernel/a/bus-pci.ko: kernel/a/bus.ko kernel/a/ring.ko\n"
        "kernel/a/disk.ko: kernel/a/bus.ko kernel/a/ring.ko\n"
    )
    needs = script.dependencies(tmp_path)
    loaded = script.in_order(["disk", "bus_pci"], needs)
    assert [f"kernel/a/{name}.ko" for name in ("ring", "bus", "disk", "bus-pci")] == loaded
    with pytest.raises(KeyError, match="tape"):
        script.in_order(["tape"], needs)


@of("scripts/image/initrd")
def test_an_initrd_made_twice_is_the_same_and_holds_its_modules_in_their_order(
    script: ModuleType, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        tree = tmp_path / name
        modules = tree / "lib/modules/6.1-test"
        (modules / "kernel").mkdir(parents=True)
        (modules / "modules.dep").write_text("kernel/disk.ko: kernel/bus.ko\nkernel/bus.ko:\n")
        (modules / "kernel/disk.ko").write_bytes(b"disk")
        (modules / "kernel/bus.ko").write_bytes(b"bus")
        (tree / "bin").mkdir()
        (tree / "bin/busybox").write_bytes(b"busybox")
        (tree / "bin/busybox").chmod(0o755)
        script.main(tree, "6.1-test", tmp_path / f"{name}.img", ["disk"])
    assert (tmp_path / "one.img").read_bytes() == (tmp_path / "two.img").read_bytes()
    packed = gzip.decompress((tmp_path / "one.img").read_bytes())
    assert packed.startswith(b"070701")
    assert {b"init", b"modules", b"bin/busybox", b"bin/switch_root", b"root", b"proc"} <= set(_names(packed))
    assert b"/lib/modules/6.1-test/kernel/bus.ko\n/lib/modules/6.1-test/kernel/disk.ko\n" in packed


def _names(packed: bytes) -> Iterator[bytes]:
    """What a kernel reads: names of a cpio archive (newc), each at a multiple of four bytes."""
    at = 0
    while at < len(packed):
        assert b"070701" == packed[at : at + 6]
        size, length = (int(packed[at + place : at + place + 8], 16) for place in (54, 94))
        yield packed[at + 110 : at + 110 + length - 1]
        at += -(-(110 + length) // 4) * 4
        at += -(-size // 4) * 4


@of("scripts/install")
@pytest.mark.parametrize(("here", "asks"), [("x86_64", True), ("aarch64", False)])
def test_a_tree_of_another_architecture_takes_wheels_of_its_own_kind_alone(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str, asks: bool
) -> None:
    monkeypatch.setattr(script.platform, "machine", lambda: here)
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text("Package: dpkg\nArchitecture: arm64\n\n")
    for wheel in (
        "a-1-cp311-cp311-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
        "b-1-cp311-cp311-manylinux_2_28_x86_64.whl",
        "c-1-py3-none-any.whl",
    ):
        (tmp_path / wheel).touch()
    words = script.foreign_kind(script.Machine(tmp_path), tmp_path)
    assert asks is bool(words)
    if asks:
        platforms = [word for word in words if word.startswith("--platform=")]
        named = ("any", "manylinux2014_aarch64", "manylinux_2_17_aarch64")
        assert [f"--platform={name}" for name in named] == platforms
        assert "--only-binary=:all:" in words


@pytest.mark.parametrize("architecture", BOARDS)
def test_the_emulated_machine_says_its_log_on_the_line_that_its_kernel_knows(
    architecture: str, tmp_path: Path
) -> None:
    machine = Machine(
        kernel=tmp_path / "vmlinuz",
        initrd=tmp_path / "initrd.img",
        disks=(Disk(tmp_path / "root"),),
        console=tmp_path / "console",
        monitor_socket=tmp_path / "qmp",
        architecture=architecture,
    )
    command = machine._command()
    board = BOARDS[architecture]
    assert board.program in command
    assert f"console={board.line}" in command[command.index("-append") + 1].split()
    assert "tcg,thread=multi" in command


def test_a_disk_that_is_no_partition_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "data.ext4"
    file.write_bytes(bytes(4096))
    grow = ROOT / "scripts/image/files/usr/lib/madoguchi-image/grow"
    done = subprocess.run([grow, file], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    assert bytes(4096) == file.read_bytes()

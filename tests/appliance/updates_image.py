"""What the machine of the updates is made of: systems, their signed bundles, the disk, the stick."""

import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.appliance.updates_machine import MIB, run

REPOSITORY = Path(__file__).resolve().parents[2]
LAYER = Path(__file__).with_name("updates_layer")
KIOSK = Path(__file__).with_name("updates_kiosk.py")
PACKAGES = (
    "systemd-sysv,dbus,polkitd,udev,kmod,python3,rauc,rauc-service,linux-image-amd64,"
    "busybox-static,e2fsprogs,fdisk"
)
FIRST, SECOND, UNFIT, DEAD, STUCK = "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0"
PLACES = ("etc", "madoguchi", "cups", "console", "published", "updates")
"""Folders of the data partition, as scripts/image/build makes them."""

_PROGRAMS = (
    "mmdebstrap",
    "mksquashfs",
    "mke2fs",
    "sfdisk",
    "rauc",
    "openssl",
    "depmod",
    "mkfs.vfat",
    "mcopy",
    "qemu-system-x86_64",
)
_FROM = "mmdebstrap squashfs-tools e2fsprogs fdisk rauc openssl kmod dosfstools mtools qemu-system-x86"
_NEITHER = re.compile(r"madoguchi(-(worker|cups|sound|screen|console|pcscd).*)?\.|madoguchi-.*@")
"""Units of devices and programs that this machine has not."""

_DRIVERS = (
    *("gpu", "net", "media", "infiniband", "scsi", "usb", "iio", "staging", "isdn", "hwmon", "input"),
    "thunderbolt",
)
_STICK = frozenset("usb-common usbcore xhci-hcd xhci-pci usb-storage scsi_common scsi_mod sd_mod".split())
"""What of those drivers leads to the stick."""


def make_images(folder: Path) -> None:
    """Everything that `run` needs. Raises RuntimeError naming the programs that are missing."""
    if missing := [program for program in _PROGRAMS if shutil.which(program) is None]:
        raise RuntimeError(f"install what brings {', '.join(missing)}: {_FROM}")
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / "bare.tar"
    if not base.exists():
        _make_base(base)
    for name in ("signer", "foreign"):
        _make_signer(folder, name)
    with _tree(folder, base) as tree:
        for version in (FIRST, SECOND, UNFIT, STUCK):
            _make_root(folder, tree, version)
        # No system, but with a keyring: without one it would be no bundle.
        held = (
            "etc d 755 0 0",
            "etc/rauc d 755 0 0",
            f"etc/rauc/keyring.pem f 644 0 0 cat {folder / 'signer.pem'}",
        )
        pseudo = [word for one in held for word in ("-p", one)]
        _pack(tree / "boot", folder / f"root-{DEAD}.squashfs", "-keep-as-directory", *pseudo)
    _make_stick(folder)
    _make_disk(folder)


def root_of(folder: Path, version: str) -> Path:
    """The system of a version."""
    return folder / f"root-{version}.squashfs"


def _make_base(to: Path) -> None:
    # No initrd by the kernel's package: scripts/image/initrd makes it.
    run(
        *(
            "env",
            "INITRD=No",
            "mmdebstrap",
            "--quiet",
            "--format=tar",
            "--variant=minbase",
            f"--include={PACKAGES}",
        ),
        *('--aptopt=APT::Install-Recommends "false"', "--dpkgopt=path-exclude=/usr/share/man/*"),
        *("--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/doc/*"),
        *("bookworm", f"{to}.new"),
    )
    Path(f"{to}.new").replace(to)


def _make_signer(folder: Path, name: str) -> None:
    if (folder / f"{name}.pem").exists():
        return
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")),
        *("-days", "3650", "-subj", f"/CN={name} of updates, for tests alone"),
    )


@contextmanager
def _tree(folder: Path, base: Path) -> Iterator[Path]:
    """Debian with RAUC, the kiosk's units and its side of updates, without its devices."""
    with tempfile.TemporaryDirectory(prefix="tree-", dir=folder) as made:
        tree = Path(made)
        tree.chmod(0o755)
        run("tar", "-C", str(tree), "-xf", str(base))
        without = [word for part in ("packages", "python", "display") for word in ("--without", part)]
        run(str(REPOSITORY / "scripts/install"), "--root", str(tree), *without)
        for found in (tree / "etc/systemd/system").rglob("madoguchi*"):
            if _NEITHER.match(found.name):
                found.unlink() if not found.is_dir() else shutil.rmtree(found)
        shutil.copytree(LAYER, tree, symlinks=True, dirs_exist_ok=True)
        shutil.copy(KIOSK, tree / "usr/lib/madoguchi")
        shutil.copytree(
            Path(msgspec.__file__).parent, tree / "usr/lib/python3/dist-packages/msgspec", dirs_exist_ok=True
        )
        shutil.copytree(REPOSITORY / "scripts/image/files", tree, symlinks=True, dirs_exist_ok=True)
        for place in (
            "data",
            "media/stick",
            "media/export",
            "boot/firmware",
            "var/lib/madoguchi",
            *(f"var/lib/madoguchi-{name}" for name in PLACES[2:]),
        ):
            (tree / place).mkdir(parents=True, exist_ok=True)
        shutil.rmtree(tree / "etc/madoguchi")
        (tree / "etc/madoguchi").mkdir()
        shutil.copy(folder / "signer.pem", tree / "etc/rauc/keyring.pem")
        (tree / "etc/machine-id").write_text("")
        for unit in ("getty@tty1.service", "serial-getty@.service", "systemd-binfmt.service"):
            (tree / "etc/systemd/system" / unit).symlink_to("/dev/null")
        _prune(tree)
        _make_initrd(tree)
        yield tree


def _make_root(folder: Path, tree: Path, version: str) -> None:
    init = tree / "usr/lib/madoguchi/firmware/__init__.py"
    init.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', init.read_text()))
    if version == UNFIT:
        (tree / "usr/lib/rig-unfit").touch()
        quick = tree / "etc/systemd/system/madoguchi-trial.timer.d"
        quick.mkdir()
        (quick / "rig.conf").write_text("[Timer]\nOnBootSec=\nOnActiveSec=25\n")
    if version == STUCK:
        with (tree / "etc/fstab").open("a") as mounts:
            mounts.write("tmpfs /mnt tmpfs nonsense=1 0 0\n")
        patience = tree / "etc/systemd/system/emergency.service.d/madoguchi.conf"
        patience.write_text(patience.read_text().replace("sleep 300", "sleep 20"))
    run("python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-f",
        "-s", str(tree), "-p", "/", str(tree / "usr/lib/madoguchi/firmware"))  # fmt: skip
    _pack(tree, root_of(folder, version))


def _pack(tree: Path, to: Path, *options: str) -> None:
    to.unlink(missing_ok=True)
    quick = ("-quiet", "-no-progress", "-comp", "zstd", "-Xcompression-level", "1")
    run("mksquashfs", str(tree), str(to), *quick, *options)


def _prune(tree: Path) -> None:
    """Drivers of a machine that nobody emulates here."""
    shutil.rmtree(tree / "usr/share/mime", ignore_errors=True)
    for modules in (tree / "usr/lib/modules").glob("*"):
        for name in ("sound", "net/wireless", *(f"drivers/{kind}" for kind in _DRIVERS)):
            for file in (modules / "kernel" / name).rglob("*.ko"):
                if file.stem not in _STICK:
                    file.unlink()
        run("depmod", "-b", str(tree), modules.name)


def _make_initrd(tree: Path) -> None:
    """As in the image, beside the kernel."""
    boot = tree / "boot"
    for kind in ("initrd.img", "config", "System.map"):
        for file in boot.glob(f"{kind}-*"):
            file.unlink()
    [kernel] = (file.name.removeprefix("vmlinuz-") for file in boot.glob("vmlinuz-*"))
    recipe = tomllib.loads((REPOSITORY / "scripts/image/flavours.toml").read_text())
    modules = recipe["architectures"]["amd64"]["modules"]
    program = str(REPOSITORY / "scripts/image/initrd")
    run(program, str(tree), kernel, str(boot / f"initrd.img-{kernel}"), *modules)


def _make_stick(folder: Path) -> None:
    """The bundles, good and bad, on a technician's stick."""
    media = folder / "media"
    shutil.rmtree(media, ignore_errors=True)
    media.mkdir()
    for name, version in (("good", SECOND), ("unfit", UNFIT), ("dead", DEAD), ("stuck", STUCK)):
        _bundle(folder, version, media / f"{name}.raucb", version)
    # What is refused before a byte of it is read holds the small system. The version is the manifest's.
    _bundle(folder, DEAD, media / "foreign.raucb", SECOND, signer="foreign")
    _bundle(folder, DEAD, media / "older.raucb", "0.1.9")
    _bundle(folder, DEAD, media / "other.raucb", SECOND, "--compatible", "madoguchi-pi")
    damaged = bytearray((media / "good.raucb").read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 8] = bytes(byte ^ 0xFF for byte in damaged[middle : middle + 8])
    (media / "damaged.raucb").write_bytes(damaged)
    size = sum(file.stat().st_size for file in media.iterdir()) // MIB + 64
    image = folder / "media.img"
    image.unlink(missing_ok=True)
    run("truncate", "-s", f"{size}M", str(image))
    run("mkfs.vfat", "-F", "32", "-n", "TECHNICIAN", str(image))
    run("mcopy", "-i", str(image), *map(str, sorted(media.iterdir())), "::")
    shutil.rmtree(media)


def _bundle(folder: Path, content: str, to: Path, version: str, *more: str, signer: str = "signer") -> None:
    keys = ("--key", str(folder / f"{signer}.key"), "--certificate", str(folder / f"{signer}.pem"))
    words = ("scripts/image/bundle", str(root_of(folder, content)), str(to), *keys, "--version", version)
    run(str(REPOSITORY / words[0]), *words[1:], *more)


def _make_disk(folder: Path) -> None:
    """By the product's own recipe, with the first system in slot A."""
    with tempfile.TemporaryDirectory(prefix="image-", dir=folder) as made:
        image, content = Path(made), Path(made) / "content"
        for place in PLACES:
            (content / place).mkdir(parents=True)
        (content / "madoguchi").chmod(0o700)
        os.chown(content / "madoguchi", 880, 880)
        data = image / "data.ext4"
        run("truncate", "-s", "64M", str(data))
        run("mke2fs", "-q", "-t", "ext4", "-L", "madoguchi-data", "-d", str(content), str(data))
        os.link(root_of(folder, FIRST), image / "root.squashfs")
        sizes = [root_of(folder, version).stat().st_size for version in (FIRST, SECOND, UNFIT, STUCK)]
        slot = str(max(sizes) // MIB + 8)
        run(str(REPOSITORY / "scripts/image/disk"), str(image), str(folder / "fresh.img"), "--slot", slot)

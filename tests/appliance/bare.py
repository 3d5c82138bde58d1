"""A bare Debian 12 for the emulated machine, with all that scripts/install has to change: a disk, and a tape.

The disk is a machine as somebody might hand it over: swap, dumps of memory kept by systemd-coredump, its own
print server, timers that update it, a log on disk. The tape holds the release, its wheels and, as an archive
of Debian packages, what install.toml asks for: such a machine needs no network.
"""

import subprocess
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
THERE = (
    "systemd-sysv,dbus,udev,kmod,python3,linux-image-amd64,initramfs-tools,zstd,e2fsprogs,iproute2,"
    "cups-daemon,systemd-coredump,cron,man-db,rauc,rauc-service"
)
"""What is on the machine before: of the kiosk's own packages as little as a Debian can be without.

RAUC, as in the image: so that there is somebody to be commanded (attempts)."""
RELEASE = (
    "firmware",
    "hw",
    "config",
    "systemd",
    "scripts",
    "LICENSE",
    "README.md",
    "requirements-kiosk.lock",
)
CARRIED = "/root/carried"
DISK_MIB, SWAP_MIB = 6144, 64

FSTAB = """\
/dev/vda / ext4 errors=remount-ro 0 1
/dev/disk/by-id/virtio-swap none swap sw 0 0
"""
ARCHIVE = f"deb [trusted=yes] file:{CARRIED}/debs ./\n"
SHELL_UNIT = """\
[Unit]
DefaultDependencies=no
After=local-fs.target
[Service]
ExecStart=/bin/sh /usr/local/lib/rig-shell
StandardInput=tty
StandardOutput=tty
StandardError=null
TTYPath=/dev/ttyS1
Restart=always
[Install]
WantedBy=multi-user.target
"""


def make(folder: Path, wheels: Path) -> None:
    """bare.ext4, swap.img, tape.tar, vmlinuz, initrd.img, architecture; as root, in some minutes."""
    folder.mkdir(parents=True, exist_ok=True)
    tree, debs = folder / "tree", folder / "debs"
    for old in (tree, debs):
        _run("rm", "-rf", str(old))
    debs.mkdir()
    said = tomllib.loads((REPOSITORY / "systemd/install.toml").read_text(encoding="utf-8"))["packages"]
    wanted = " ".join([*said["kiosk"], *said["display"]])
    download = (
        'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -y -qq --no-install-recommends --download-only '
        f'install {wanted} && mv "$1"/var/cache/apt/archives/*.deb {debs}/'
    )
    _run(
        *("mmdebstrap", "--quiet", "--format=directory", "--variant=minbase", f"--include={THERE}"),
        '--aptopt=APT::Install-Recommends "false"',
        *("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
        *(f"--customize-hook={download}", "bookworm", str(tree)),
    )
    _lived_in(tree)
    for name in ("vmlinuz", "initrd.img"):
        [file] = (tree / "boot").glob(f"{name}-*")
        _run("cp", str(file), str(folder / name))
    (folder / "architecture").write_text("amd64\n", encoding="ascii")
    disk, swap = folder / "bare.ext4", folder / "swap.img"
    for file, size in ((disk, DISK_MIB), (swap, SWAP_MIB)):
        file.unlink(missing_ok=True)
        _run("truncate", "-s", f"{size}M", str(file))
    _run("mke2fs", "-q", "-t", "ext4", "-d", str(tree), str(disk))
    _run("mkswap", "-q", str(swap))
    _run("rm", "-rf", str(tree))
    _scan(debs)
    record(folder, wheels)


def record(folder: Path, wheels: Path) -> None:
    """tape.tar anew: the release as it is now."""
    tape = folder / "tape.tar"
    tape.unlink(missing_ok=True)
    plain = ("tar", "--owner=0", "--group=0", "--exclude=__pycache__")
    _run(*plain, "-cf", str(tape), "-C", str(REPOSITORY), *(f"./{name}" for name in RELEASE))
    _run(*plain, "-rf", str(tape), "-C", str(folder), "./debs")
    renamed = r"--transform=s,^\.,./wheels,"
    _run(*plain, renamed, "-rf", str(tape), "-C", str(wheels), ".")


def _lived_in(tree: Path) -> None:
    """What is found on a machine that somebody has had before."""
    for at, text in (
        ("etc/fstab", FSTAB),
        ("etc/hostname", "debian\n"),
        ("etc/hosts", "127.0.0.1 localhost debian\n"),
        ("etc/apt/sources.list", ARCHIVE),
        ("etc/machine-id", "uninitialized\n"),
        ("etc/systemd/system/rig-shell.service", SHELL_UNIT),
        ("etc/sysctl.d/50-mine.conf", "vm.swappiness = 10\n"),
        ("etc/systemd/journald.conf.d/mine.conf", "[Journal]\nStorage=persistent\n"),
    ):
        (tree / at).parent.mkdir(parents=True, exist_ok=True)
        (tree / at).write_text(text, encoding="utf-8")
    (tree / "usr/local/lib/rig-shell").write_bytes((Path(__file__).with_name("shell")).read_bytes())
    wants = tree / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / "rig-shell.service").symlink_to("/etc/systemd/system/rig-shell.service")
    default = tree / "etc/systemd/system/default.target"
    default.unlink(missing_ok=True)
    default.symlink_to("/lib/systemd/system/multi-user.target")  # as raspi-config's boot to a console
    for file in (tree / "etc/apt/sources.list.d").glob("*"):
        file.unlink()
    for list_of_packages in (tree / "var/lib/apt/lists").glob("*_*"):
        list_of_packages.unlink()


def _scan(debs: Path) -> None:
    said = subprocess.run(
        ["dpkg-scanpackages", "--multiversion", "."], cwd=debs, capture_output=True, check=True
    )
    (debs / "Packages").write_bytes(said.stdout)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)

"""scripts/install into a tree: the same twice, differences named, everything put back byte for byte."""

import base64
import hashlib
import json
import os
import platform
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tomllib
import zipfile
from contextlib import closing
from copy import deepcopy
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from firmware import __version__
from firmware.__main__ import _parser
from firmware.settings import load

ROOT = Path(__file__).parents[2]
PASSWD = "root:x:0:0:root:/root:/bin/bash\nlp:x:7:7:lp:/var/spool/lpd:/usr/sbin/nologin\n"
GROUP = "root:x:0:\nlp:x:7:\ndialout:x:20:\naudio:x:29:\n"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")


def install(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            ROOT / "scripts/install",
            "--root",
            tree,
            "--without",
            "packages",
            "--without",
            "python",
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def picture(tree: Path) -> dict[str, object]:
    """Every file, link and folder with its mode, owner, time of change and text."""
    seen: dict[str, object] = {}
    for file in sorted(tree.rglob("*")):
        status = file.lstat()
        text = file.readlink() if file.is_symlink() else file.read_bytes() if file.is_file() else None
        when = status.st_mtime_ns if file.is_file() else 0
        seen[str(file.relative_to(tree))] = (stat.filemode(status.st_mode), status.st_uid, when, text)
    return seen


def timeless(seen: dict[str, object]) -> dict[str, object]:
    return {name: (said[0], said[1], said[3]) for name, said in seen.items() if isinstance(said, tuple)}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A Debian of few words, with things that the kiosk replaces."""
    return bare(tmp_path / "root")


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = bare(tmp_path_factory.mktemp("once") / "root")
    assert 0 == install(root).returncode
    return root


@pytest.fixture
def installed(once: Path, tmp_path: Path) -> Path:
    """Such a Debian with the kiosk on it."""
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", once, root], check=True)
    return root


def bare(root: Path) -> Path:
    (root / "etc/systemd/system").mkdir(parents=True)
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    (root / "etc/systemd/system/cups.service").write_text("somebody's own unit\n")
    (root / "etc/systemd/system/cups.service").chmod(0o640)
    (root / "etc/systemd/system/swap.target").symlink_to("/lib/systemd/system/swap.target")
    return root


def test_installing_again_changes_nothing(installed: Path) -> None:
    first = picture(installed)
    assert 0 == install(installed).returncode
    assert first == picture(installed)
    assert (0, "nothing differs\n") == (
        install(installed, "--check").returncode,
        install(installed, "--check").stdout,
    )


@pytest.mark.parametrize(("architecture", "is_linked"), [("arm64", True), ("amd64", False)])
def test_where_no_wheel_is_for_the_architecture_debians_module_is_linked(
    tree: Path, architecture: str, is_linked: bool
) -> None:
    (tree / "var/lib/dpkg").mkdir(parents=True)
    (tree / "var/lib/dpkg/status").write_text(
        f"Package: adduser\nArchitecture: all\n\nPackage: dpkg\nArchitecture: {architecture}\n\n"
    )
    before = timeless(picture(tree))
    assert 0 == install(tree).returncode
    link = tree / "usr/lib/madoguchi/.venv/lib/python3.11/site-packages/smartcard"
    assert is_linked is link.is_symlink()
    assert not is_linked or str(link.readlink()) == "/usr/lib/python3/dist-packages/smartcard"
    assert 0 == install(tree, "--check").returncode
    assert 0 == install(tree, "--uninstall").returncode
    assert before == timeless(picture(tree))


PACKAGES = ROOT / ".venv" / "tpm"
needs_package = pytest.mark.skipif(
    not [*PACKAGES.glob("*_amd64.deb")],
    reason="missing: the package of OpenSSL's TPM provider (scripts/tpm_provider)",
)


def of_amd64(tree: Path) -> Path:
    (tree / "var/lib/dpkg").mkdir(parents=True)
    (tree / "var/lib/dpkg/status").write_text("Package: dpkg\nArchitecture: amd64\n\n")
    return tree


@needs_package
def test_a_tpm_said_once_holds_for_every_later_run_until_it_is_uninstalled(tree: Path) -> None:
    before = timeless(picture(of_amd64(tree)))
    wheels = ("--wheels", str(PACKAGES))
    ran = install(tree, "--with", "tpm", *wheels)
    assert 0 == ran.returncode, ran.stderr
    said = tomllib.loads((tree / "etc/madoguchi/kiosk.toml").read_text())["municipality"]
    assert ("tpm", "/usr/lib/madoguchi/tpm") == (said["key_store"], said["tpm_provider"])
    assert b"\x7fELF" == (tree / "usr/lib/madoguchi/tpm/tpm2.so").read_bytes()[:4]
    dropin = tree / "etc/systemd/system/madoguchi.service.d/key-store.conf"
    assert {"SupplementaryGroups=tss", "DeviceAllow=/dev/tpmrm0 rw"} <= {*dropin.read_text().splitlines()}
    laid = picture(tree)
    assert 0 == install(tree, *wheels).returncode
    assert laid == picture(tree)
    assert "nothing differs\n" == install(tree, "--check", *wheels).stdout
    dropin.write_text("[Service]\n")
    assert f"/{dropin.relative_to(tree)}: other text\n" == install(tree, "--check", *wheels).stdout
    assert 0 == install(tree, "--uninstall").returncode
    after = timeless(picture(tree))
    assert [] == [name for name in after if name not in before and not name.startswith("etc/madoguchi")]


@pytest.mark.parametrize(("package", "said"), [(b"", "is not the package"), (None, "is missing")])
def test_a_tpm_without_the_pinned_package_changes_nothing(
    tree: Path, tmp_path: Path, package: bytes | None, said: str
) -> None:
    before = picture(of_amd64(tree))
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    if package is not None:
        (wheels / "tpm2-openssl_1.3.0-1_amd64.deb").write_bytes(package)
    ran = install(tree, "--with", "tpm", "--wheels", str(wheels))
    assert (1, True) == (ran.returncode, said in ran.stderr), ran.stderr
    assert before == picture(tree)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("echo x >>etc/madoguchi/cups/cupsd.conf", "/etc/madoguchi/cups/cupsd.conf: other text"),
        ("chmod 666 etc/sysctl.d/90-madoguchi.conf", "/etc/sysctl.d/90-madoguchi.conf: other mode"),
        ("rm usr/local/bin/madoguchi", "/usr/local/bin/madoguchi: missing"),
        ("rm etc/systemd/system/cups.socket", "/etc/systemd/system/cups.socket: missing"),
        ("ln -sf /x etc/systemd/system/cups.path", "/etc/systemd/system/cups.path: other link"),
        ("sed -i /madoguchi-worker/d etc/passwd", "user madoguchi-worker: missing"),
        ("rm usr/lib/madoguchi/hw/coin/bus.py", "/usr/lib/madoguchi/hw/coin/bus.py: missing"),
    ],
)
def test_the_check_names_what_differs_and_installing_mends_it(installed: Path, spoil: str, said: str) -> None:
    subprocess.run(["sh", "-c", spoil], cwd=installed, check=True)
    found = install(installed, "--check")
    assert (1, f"{said}\n") == (found.returncode, found.stdout)
    assert 0 == install(installed).returncode
    assert 0 == install(installed, "--check").returncode


needs_mounts = pytest.mark.skipif(
    subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0,
    reason="mounts are not allowed here",
)


@needs_mounts
@pytest.mark.skipif(
    Path("/usr/bin/python3").resolve().name != "python3.11", reason="the Python here is not Debian 12's"
)
@pytest.mark.parametrize("by", [(), ("runuser", "-u", "madoguchi", "-G", "tss", "--")])
def test_the_bare_command_runs_for_root_and_for_the_kiosks_user(
    installed: Path, tmp_path: Path, by: tuple[str, ...]
) -> None:
    """The installed tree over this machine, whose Python it takes; the packages are those of the tests."""
    with (installed / "etc/group").open("a") as group:
        group.write("tss:x:990:\n")
    site = Path(pytest.__file__).parents[1]
    place = tmp_path / "place"
    laid = f"""mount -t tmpfs tmpfs {place} && cp -a {installed} {place}/tree || exit 1
        cd {place} && mkdir new tree/site
        mount -t overlay overlay -o lowerdir={place}/tree:/ new && mount --bind {site} new/site || exit 75
        PATH=/usr/local/bin:/usr/bin:/usr/sbin PYTHONPATH=/site exec chroot new "$@" """
    place.mkdir()
    asked = ["unshare", "--mount", "sh", "-c", laid, "sh", *by, "madoguchi", "--version"]
    ran = subprocess.run(asked, capture_output=True, text=True, check=False)
    if ran.returncode == 75:
        pytest.skip(f"no overlay here: {ran.stderr}")
    assert (0, f"madoguchi {__version__}") == (ran.returncode, ran.stdout.strip()), ran.stderr


def test_what_others_may_write_a_key_that_is_none_and_what_is_not_of_the_release_are_named_and_mended(
    installed: Path,
) -> None:
    spoils = {
        "chmod 666 etc/madoguchi/kiosk.toml": ("/etc/madoguchi/kiosk.toml: other mode"),
        "chown 880 etc/madoguchi/shibukawa.toml": "/etc/madoguchi/shibukawa.toml: other owner",
        ": >etc/madoguchi/journal.key": "/etc/madoguchi/journal.key: has 0 bytes, not even 16",
        "chown 880 etc/systemd/system/madoguchi.service": (
            "/etc/systemd/system/madoguchi.service: other owner"
        ),
        "echo x >usr/lib/madoguchi/firmware/evil.py": (
            "/usr/lib/madoguchi/firmware/evil.py: not of this release"
        ),
        "mkdir -p usr/lib/madoguchi/evil/a": "/usr/lib/madoguchi/evil: not of this release",
        "ln -s /x usr/lib/madoguchi/hw/evil": "/usr/lib/madoguchi/hw/evil: not of this release",
        "chmod 777 usr/lib/madoguchi/hw/coin": "/usr/lib/madoguchi/hw/coin: other mode",
        "chown 880 usr/lib/madoguchi/hw": "/usr/lib/madoguchi/hw: other owner",
        "chmod 700 usr/lib/madoguchi/firmware": "/usr/lib/madoguchi/firmware: other mode",
    }
    whole = timeless(picture(installed))
    for spoil in spoils:
        subprocess.run(["sh", "-c", spoil], cwd=installed, check=True)
    found = install(installed, "--check")
    assert (1, sorted(spoils.values())) == (found.returncode, sorted(found.stdout.splitlines()))
    assert 0 == install(installed).returncode
    assert "nothing differs\n" == install(installed, "--check").stdout
    mended = timeless(picture(installed))
    key = "etc/madoguchi/journal.key"
    assert 32 == len((installed / key).read_bytes())
    assert [key] == [name for name in whole if whole[name] != mended[name]]
    assert {*whole} == {*mended}
    (installed / key).chmod(0o644)
    assert f"/{key}: other mode\n" == install(installed, "--check").stdout
    drawn = (installed / key).read_bytes()
    assert 0 == install(installed).returncode
    assert (0o400, drawn) == (stat.S_IMODE((installed / key).stat().st_mode), (installed / key).read_bytes())


@pytest.mark.parametrize(
    ("fstab", "never_checked"),
    [
        ("UUID=1 / ext4 defaults 0 1", ""),
        ("UUID=1 / ext4 defaults 0 0", "/"),
        ("UUID=1 / ext4 defaults", "/"),
        ("UUID=1 / ext4 defaults 0 0\nUUID=2 /var/lib ext4 noatime 0 2", ""),
        ("UUID=1 / ext4 defaults 0 1\nUUID=2 /var/lib ext4 noatime 0 0", "/var/lib"),
        ("overlay / overlay defaults 0 0\n#UUID=1 / ext4 defaults 0 0", ""),
    ],
)
def test_a_journal_whose_file_system_no_start_checks_is_named(
    installed: Path, fstab: str, never_checked: str
) -> None:
    (installed / "etc/fstab").write_text(f"{fstab}\n")
    found = install(installed, "--check").stdout
    named = [line.split()[1] for line in found.splitlines() if "checked at no start" in line]
    assert ([never_checked] if never_checked else []) == named


@pytest.mark.parametrize(
    ("controllers", "model", "has_clock", "named"),
    [
        ("cpuset cpu io memory pids\n", "Raspberry Pi 4 Model B Rev 1.4\0", True, []),
        ("cpuset cpu io pids\n", "", False, ["memory"]),
        ("cpuset cpu io memory pids\n", "Raspberry Pi 4 Model B Rev 1.4\0", False, ["clock"]),
        ("cpu io pids\n", "Raspberry Pi Compute Module 4 Rev 1.0\0", False, ["memory", "clock"]),
        ("memory\n", "linux,dummy-virt\0", False, []),
    ],
)
def test_a_pi_whose_firmware_takes_the_limits_of_memory_or_has_no_clock_is_left_to_its_owner(
    installed: Path, controllers: str, model: str, has_clock: bool, named: list[str]
) -> None:
    for at, text in (("sys/fs/cgroup/cgroup.controllers", controllers), ("proc/device-tree/model", model)):
        (installed / at).parent.mkdir(parents=True)
        (installed / at).write_text(text)
    (installed / "dev").mkdir()
    if has_clock:
        (installed / "dev/rtc0").touch()
    remedies = {
        "memory": "cgroup_enable=memory in the line of /boot/firmware/cmdline.txt",
        "clock": "dtparam=i2c_arm=on and dtoverlay=i2c-rtc,ds3231 in /boot/firmware/config.txt",
    }
    checked, again = install(installed, "--check"), install(installed)
    assert (1 if named else 0, 0) == (checked.returncode, again.returncode)
    assert named == [line.split(":")[0] for line in checked.stdout.splitlines() if ": " in line]
    told = [line.removeprefix("install: left to you: ") for line in again.stdout.splitlines()]
    assert named == [line.split(":")[0] for line in told]
    assert all(remedies[name] in checked.stdout and remedies[name] in again.stdout for name in named)
    assert all(remedies[name] in handbook("Commissioning").replace("`", "") for name in named)


@pytest.mark.parametrize(("kernel", "named"), [("yama", False), ("", True), (None, False)])
def test_a_kernel_that_forbids_no_reading_of_memory_is_named_and_makes_no_difference(
    installed: Path, kernel: str | None, named: bool
) -> None:
    """kernel: what /proc shows of it; None: nothing, as in a tree."""
    if kernel is not None:
        (installed / "proc/sys/kernel" / kernel).mkdir(parents=True)
    checked, again = install(installed, "--check"), install(installed)
    assert (0, 0) == (checked.returncode, again.returncode)
    first, *more = checked.stdout.splitlines()
    assert "nothing differs" == first
    assert [named] * len(more) == [line.startswith("as good as this kernel allows: yama:") for line in more]
    assert named is bool(more)
    assert named is again.stdout.startswith("install: left to you: yama: this kernel has none")
    assert "kernel.yama.ptrace_scope = 3\n" in (installed / "etc/sysctl.d/90-madoguchi.conf").read_text()
    assert "`kernel.yama.ptrace_scope`" in handbook("Commissioning")


def test_the_check_of_a_bare_machine_names_every_part_and_changes_nothing(tree: Path) -> None:
    before = picture(tree)
    found = subprocess.run(
        [ROOT / "scripts/install", "--root", tree, "--check", "--wheels", tree],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 1 == found.returncode
    for part in (
        "package pcscd: missing",
        "/etc/systemd/system/madoguchi.service: missing",
        "user madoguchi: ",
    ):
        assert part in found.stdout
    assert "other Python packages" in found.stdout
    assert before == picture(tree)


def test_uninstalling_puts_everything_back_byte_for_byte(tree: Path) -> None:
    before = timeless(picture(tree))
    assert 0 == install(tree).returncode
    assert before != timeless(picture(tree))
    assert 0 == install(tree, "--uninstall").returncode
    assert before == timeless(picture(tree))
    assert 1 == install(tree, "--uninstall").returncode


def test_uninstalling_keeps_what_others_have_added_since(installed: Path) -> None:
    with (installed / "etc/passwd").open("a") as passwd:
        passwd.write("ann:x:1000:1000::/home/ann:/bin/sh\n")
    (installed / "etc/group").write_text(
        (installed / "etc/group").read_text().replace("dialout:x:20:", "dialout:x:20:ann,")
    )
    (installed / "etc/sysctl.d/other.conf").write_text("x = 1\n")
    assert 0 == install(installed, "--uninstall").returncode
    assert PASSWD + "ann:x:1000:1000::/home/ann:/bin/sh\n" == (installed / "etc/passwd").read_text()
    assert GROUP.replace("dialout:x:20:", "dialout:x:20:ann") == (installed / "etc/group").read_text()
    assert (installed / "etc/sysctl.d/other.conf").exists()


def test_an_installation_between_a_change_of_accounts_and_the_end_brings_no_old_password_back(
    tree: Path,
) -> None:
    """The files as they once were are never put back: only what was made for the kiosk goes."""
    own = "madoguchi:x:880:lp\n"
    (tree / "etc/group").write_text(GROUP + own)
    (tree / "etc/shadow").write_text("root:$y$old:19000::::::\nlp:*:19000::::::\n")
    (tree / "etc/shadow").chmod(0o640)
    os.chown(tree / "etc/shadow", 0, 42)
    assert 0 == install(tree).returncode
    ann = "ann:x:1000:1000::/home/ann:/bin/sh\n"
    for at, before, after in (
        ("passwd", "root:x:0:0:root", f"{ann}root:x:0:0:root"),
        ("shadow", "root:$y$old:19000", "ann:$y$hers:20000::::::\nroot:$y$new:20000"),
        ("group", "audio:x:29:", "audio:x:29:ann,madoguchi-worker"),
    ):
        text = (tree / "etc" / at).read_text()
        assert before in text
        (tree / "etc" / at).write_text(text.replace(before, after))
    assert 0 == install(tree).returncode
    assert 0 == install(tree, "--uninstall").returncode
    assert ann + PASSWD == (tree / "etc/passwd").read_text()
    shadow = "ann:$y$hers:20000::::::\nroot:$y$new:20000::::::\nlp:*:19000::::::\n"
    assert shadow == (tree / "etc/shadow").read_text()
    status = (tree / "etc/shadow").stat()
    assert (0o640, 0, 42) == (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    members = GROUP.replace("audio:x:29:", "audio:x:29:ann")
    assert members + own == (tree / "etc/group").read_text()


def test_what_an_earlier_version_kept_of_the_accounts_is_understood_and_never_put_back(tree: Path) -> None:
    assert 0 == install(tree).returncode
    kept = tree / "var/lib/madoguchi-install/before.json"
    said = json.loads(kept.read_text())
    assert "root:x" not in kept.read_text()
    texts = {"etc/passwd": PASSWD, "etc/group": f"{GROUP}gpio:x:997:ann\n"}
    files = {
        at: {"text": base64.b64encode(text.encode()).decode(), "mode": 0o644, "owner": [0, 0]}
        for at, text in texts.items()
    }
    said["accounts"] = {at: {"before": was, "after": was} for at, was in files.items()}
    said["accounts"] |= {"etc/shadow": {"before": None, "after": None}}
    kept.write_text(json.dumps(said))
    with (tree / "etc/passwd").open("a") as passwd:
        passwd.write("ann:x:1000:1000::/home/ann:/bin/sh\n")
    assert 0 == install(tree, "--uninstall").returncode
    assert PASSWD + "ann:x:1000:1000::/home/ann:/bin/sh\n" == (tree / "etc/passwd").read_text()
    assert ["gpio"] == [
        line.split(":")[0] for line in (tree / "etc/group").read_text().splitlines() if line not in GROUP
    ]
    assert not (tree / "etc/shadow").exists()


def test_what_was_written_for_this_machine_is_never_overwritten(installed: Path) -> None:
    key = (installed / "etc/madoguchi/journal.key").read_bytes()
    config = installed / "etc/madoguchi/kiosk.toml"
    config.write_text(config.read_text().replace("demo-0001", "store-0007"))
    assert 0 == install(installed).returncode
    assert key == (installed / "etc/madoguchi/journal.key").read_bytes()
    assert "store-0007" in config.read_text()
    assert (32, 0o400) == (len(key), stat.S_IMODE((installed / "etc/madoguchi/journal.key").stat().st_mode))


def test_a_file_of_an_older_release_goes_with_it(tree: Path, tmp_path: Path) -> None:
    old = tmp_path / "release"
    shutil.copytree(
        ROOT, old, ignore=shutil.ignore_patterns(".git", ".venv", "build", "tests", "node_modules")
    )
    (old / "systemd/madoguchi-old.service").write_text("[Service]\nExecStart=/bin/true\n")
    subprocess.run(
        [old / "scripts/install", "--root", tree, "--without", "packages", "--without", "python"],
        check=True,
        capture_output=True,
    )
    assert (tree / "etc/systemd/system/madoguchi-old.service").exists()
    assert 0 == install(tree).returncode
    assert not (tree / "etc/systemd/system/madoguchi-old.service").exists()
    assert not (tree / "usr/lib/madoguchi/systemd/madoguchi-old.service").exists()


def test_the_configuration_that_is_laid_down_is_one_that_the_kiosk_takes(installed: Path) -> None:
    config = installed / "etc/madoguchi/kiosk.toml"
    laid = tomllib.loads(config.read_text())
    assert "/run/madoguchi-worker.sock" == laid["documents"]["worker_socket"]
    config.write_text(config.read_text().replace("/usr/lib/madoguchi", str(ROOT)))
    assert "urn:kiosk:demo-0001" == load(config).file.kiosk.urn


def test_what_is_published_is_written_by_the_kiosk_and_read_by_worker_and_console(installed: Path) -> None:
    """Each loads the kiosk's configuration: one that cannot would not start, or start with other fees."""
    folder = Path(load(ROOT / "config/kiosk.toml").file.municipality.publication_folder)
    folders = (installed / "etc/tmpfiles.d/madoguchi.conf").read_text().splitlines()
    assert ["d", str(folder), "0755", "madoguchi", "madoguchi", "-"] in [line.split() for line in folders]
    for unit, writes in (("madoguchi", True), ("madoguchi-worker@", False), ("madoguchi-console@", False)):
        said = (installed / f"etc/systemd/system/{unit}.service").read_text().splitlines()
        paths = {
            key: [Path(path.lstrip("-")) for path in line.partition("=")[2].split()]
            for line in said
            if (key := line.partition("=")[0]) in {"ReadWritePaths", "InaccessiblePaths"}
        }
        assert writes is (folder in paths.get("ReadWritePaths", [])), unit
        assert not [path for path in paths.get("InaccessiblePaths", []) if folder.is_relative_to(path)], unit
    data = (ROOT / "scripts/image/files/etc/fstab").read_text()
    assert f" {folder} none bind" in data, "an update of the image would lose it"


def test_decommissioning_erases_the_right_kiosk_alone(installed: Path) -> None:
    own = installed / "var/lib/madoguchi/own"
    own.mkdir(parents=True)
    (own / "kiosk.key").write_text("the device's key")
    published = installed / "var/lib/madoguchi-published"
    published.mkdir()
    (published / "configuration.jws").write_text("the city's fees")
    held = os.open(own / "kiosk.key", os.O_RDONLY)
    refused = install(installed, "--uninstall", "--erase", "urn:kiosk:other")
    assert 1 == refused.returncode
    assert "this kiosk is urn:kiosk:demo-0001" in refused.stderr
    assert (own / "kiosk.key").exists()
    chain = os.open(installed / "etc/madoguchi/journal.key", os.O_RDONLY)
    config = os.open(installed / "etc/madoguchi/kiosk.toml", os.O_RDONLY)
    assert 0 == install(installed, "--uninstall", "--erase", "urn:kiosk:demo-0001").returncode
    assert bytes(16) == os.pread(held, 16, 0), "it was removed and not overwritten"
    assert bytes(32) == os.pread(chain, 32, 0), "it was removed and not overwritten"
    os.close(held)
    os.close(chain)
    assert not os.read(config, 4096).strip(b"\0"), "it was removed and not overwritten"
    os.close(config)
    assert not (installed / "var/lib/madoguchi").exists()
    assert not published.exists()
    assert not (installed / "etc/madoguchi").exists()


def test_the_journal_is_erased_only_once_every_entry_of_it_was_handed_over(
    installed: Path, tmp_path: Path
) -> None:
    folder = installed / "var/lib/madoguchi"
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "journal.db")) as journal, journal:
        journal.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY, at TEXT, record TEXT, fields TEXT)")
        journal.executemany(
            "INSERT INTO entries VALUES (?, ?, ?, ?)",
            [
                (1, "2026-01-05T01:00:00Z", "CoinTaken", '{"yen": 500, "visit": "v1"}'),
                (2, "2026-01-05T01:01:00Z", "FeeEarned", '{"lines": [{"yen": 300}]}'),
            ],
        )
    export, inside = tmp_path / "journal.jsonl", folder / "support.jsonl"
    erase = ("--uninstall", "--erase", "urn:kiosk:demo-0001")
    first = '{"seq": 1, "at": "2026-01-05T01:00:00Z", "record": "CoinTaken", "yen": 500, "visit": "v1"}\n'
    second = (
        '{"seq": 2, "at": "2026-01-05T01:01:00Z", "record": "FeeEarned", "lines": [{"yen": 300}], "new": 0}\n'
    )
    whole = first + second
    inside.write_text(whole)
    for text, words, refusal in (
        ("", (), "the journal has 2 entries"),
        (first, ("--journal", str(export)), "lacks 1 entries, from 2 on"),
        ("no export", ("--journal", str(export)), "no export of a journal"),
        (whole, ("--journal", str(inside)), "would be erased with the rest"),
        (whole.replace("Earned", "Returned"), ("--journal", str(export)), "lacks 1 entries"),
        (whole.replace("01:00:00", "02:00:00"), ("--journal", str(export)), "lacks 1 entries, from 1 on"),
        (whole.replace('"v1"', '"v2"'), ("--journal", str(export)), "lacks 1 entries, from 1 on"),
        (whole.replace('"yen": 300', '"yen": 1'), ("--journal", str(export)), "lacks 1 entries, from 2 on"),
        (whole.replace(', "visit": "v1"', ""), ("--journal", str(export)), "lacks 1 entries, from 1 on"),
        (first + "[2]\n", ("--journal", str(export)), "no export of a journal"),
    ):
        export.write_text(text)
        refused = install(installed, *erase, *words)
        assert (1, True) == (refused.returncode, refusal in refused.stderr), refused.stderr
        assert (folder / "journal.db").exists()
    export.write_text(whole)
    assert 0 == install(installed, *erase, "--journal", str(export)).returncode
    assert not folder.exists()
    assert whole == export.read_text()


def test_the_kiosk_is_stopped_before_its_journal_is_compared(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    running = [False]

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        done.append(" ".join(words[:2]))
        assert not [word for word in words if word.endswith(".mount")], "the export may lie there"
        return subprocess.CompletedProcess(words, 0 if words[1] == "is-active" and running[0] else 3)

    script = loaded(monkeypatch)
    monkeypatch.setattr(script.subprocess, "run", run)
    monkeypatch.setattr(script.Machine, "live", property(lambda _: True))
    (installed / "var/lib/madoguchi").mkdir(parents=True)
    (installed / "var/lib/madoguchi/journal.db").write_bytes(b"")
    manifest = tomllib.loads((ROOT / "systemd/install.toml").read_text(encoding="utf-8"))
    erase = (script.Machine(installed), manifest, "urn:kiosk:demo-0001", tmp_path / "none.jsonl")

    def compare(*_: object) -> None:
        done.append("compared")
        raise script.Refused("an entry is missing")

    monkeypatch.setattr(script, "must_be_handed_over", compare)

    with pytest.raises(script.Refused, match="an entry is missing"):
        script.uninstall(*erase)
    assert ["systemctl stop", "systemctl is-active", "compared"] == done
    running[0] = True
    with pytest.raises(script.Refused, match="does not stop"):
        script.uninstall(*erase)
    assert (installed / "var/lib/madoguchi/journal.db").exists()


def loaded(monkeypatch: pytest.MonkeyPatch) -> Any:
    """scripts/install as a module."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("scripts_install", str(ROOT / "scripts/install"))
    script = module_from_spec(spec_from_loader("scripts_install", loader))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "scripts_install", script)
    loader.exec_module(script)
    return script


def test_a_running_kiosk_is_not_changed_and_what_to_do_first_is_said(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, said = loaded(monkeypatch), [""]

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert words == ["systemctl", "show", "--property=ActiveState", "--value", "madoguchi.service"]
        return subprocess.CompletedProcess(words, 0, f"{said[0]}\n")

    monkeypatch.setattr(script.subprocess, "run", run)
    monkeypatch.setattr(script.Machine, "live", property(lambda _: True))
    manifest = tomllib.loads((ROOT / "systemd/install.toml").read_text(encoding="utf-8"))
    machine, nothing, parts = script.Machine(installed), installed / "none", {"display"}
    wanted = script.wanted_items(manifest, machine, parts, nothing)
    running = ("active", "activating", "deactivating", "reloading")
    for said[0] in running:
        script.may_install(machine, manifest, parts, nothing, wanted)
    (installed / "usr/lib/madoguchi/hw/coin/bus.py").write_text("another text\n")
    before, todo = picture(installed), r"`maintenance on`.*`systemctl stop madoguchi-screen madoguchi`"
    for said[0] in running:
        with pytest.raises(script.Refused, match=todo):
            script.install(machine, deepcopy(manifest), parts, nothing)
    assert before == picture(installed)
    for said[0] in ("inactive", "failed"):
        script.may_install(machine, manifest, parts, nothing, wanted)


def test_an_installed_machine_is_told_to_start_anew_only_if_something_was_changed(
    installed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script, done = loaded(monkeypatch), []

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        done.append(words[:2])
        return subprocess.CompletedProcess(words, 0, "inactive\n")

    monkeypatch.setattr(script.subprocess, "run", run)
    monkeypatch.setattr(script.Machine, "live", property(lambda _: True))
    manifest = tomllib.loads((ROOT / "systemd/install.toml").read_text(encoding="utf-8"))
    said = []
    for spoil in ("", "another text\n"):
        with (installed / "usr/lib/madoguchi/hw/coin/bus.py").open("a") as file:
            file.write(spoil)
        script.install(script.Machine(installed), deepcopy(manifest), {"display"}, installed / "none")
        said.append("`reboot`" in capsys.readouterr().out)
    assert [False, True] == said
    started = [
        words for words in done if words[0] == "systemctl" and words[1] not in {"show", "daemon-reload"}
    ]
    assert [] == started


@pytest.mark.parametrize(
    ("at", "ours", "newer", "said"),
    [
        ("firmware/__init__.py", '__version__ = "', '__version__ = "7', "is the older 0."),
        (
            "firmware/compose/update_root.py",
            "JOURNAL_FORMAT: Final = ",
            "JOURNAL_FORMAT: Final = 9",
            "reads 1",
        ),
    ],
)
def test_an_older_release_or_one_that_cannot_read_the_journal_takes_no_newer_ones_place(
    installed: Path, at: str, ours: str, newer: str, said: str
) -> None:
    there = installed / "usr/lib/madoguchi" / at
    text = there.read_text()
    assert 1 == text.count(ours)
    there.write_text(text.replace(ours, newer))
    before = picture(installed)
    refused = install(installed)
    assert (1, True) == (refused.returncode, said in refused.stderr), refused.stderr
    assert before == picture(installed)


def test_the_packages_that_came_with_the_kiosk_go_with_it_unless_others_need_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script, done, simulated = loaded(monkeypatch), [], ["Purg pcscd [1]", "Purg sway [1]"]

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        done.append(words)
        return subprocess.CompletedProcess(words, 0, "\n".join(simulated))

    monkeypatch.setattr(script.subprocess, "run", run)
    script.take_out(["pcscd", "sway"])
    assert ["purge", "-y", "-qq", "pcscd", "sway"] == done[-1][-5:]
    simulated.append("Remv somebodys-own [1]")
    done.clear()
    script.take_out(["pcscd", "sway"])
    assert [["--simulate"]] == [words[-1:] for words in done]
    assert "others need them: somebodys-own" in capsys.readouterr().err


def test_an_installation_that_was_cut_off_after_the_accounts_is_taken_back_whole(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, before = loaded(monkeypatch), timeless(picture(tree))
    manifest = tomllib.loads((ROOT / "systemd/install.toml").read_text(encoding="utf-8"))

    def cut(*words: str) -> None:
        raise RuntimeError(f"the power is gone at {words}")

    monkeypatch.setattr(script.Machine, "run", lambda _, *words: cut(*words))
    with pytest.raises(RuntimeError, match="systemd-tmpfiles"):
        script.install(script.Machine(tree), manifest, set(), tree)
    assert "madoguchi:" in (tree / "etc/passwd").read_text()
    assert 0 == install(tree).returncode
    assert 0 == install(tree, "--uninstall").returncode
    assert before == timeless(picture(tree))


def test_a_group_that_was_there_before_stays_though_others_changed_the_file_since(tree: Path) -> None:
    (tree / "etc/group").write_text(f"{GROUP}gpio:x:997:ann\n")
    assert 0 == install(tree).returncode
    with (tree / "etc/group").open("a") as group:
        group.write("own:x:1000:\n")
    assert 0 == install(tree, "--uninstall").returncode
    assert f"{GROUP}gpio:x:997:ann\nown:x:1000:\n" == (tree / "etc/group").read_text()


def test_without_any_pip_it_is_refused_before_anything_is_changed(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, before = loaded(monkeypatch), picture(tree)
    (tmp_path / "requirements.txt").write_text("")
    manifest = tomllib.loads((ROOT / "systemd/install.toml").read_text(encoding="utf-8"))
    monkeypatch.setattr(script, "RELEASE", tmp_path)
    monkeypatch.setattr(script.sys, "executable", "/bin/false")
    with pytest.raises(script.Refused, match="no pip is at hand"):
        script.install(script.Machine(tree), manifest, {"python"}, tmp_path)
    assert before == picture(tree)


def test_the_wheelhouse_brings_a_pip_that_is_not_installed_with_the_rest() -> None:
    """A bare Debian has none."""
    text = (ROOT / "scripts/wheels").read_text(encoding="utf-8")
    assert "-r requirements-pip.lock" in text
    assert "pip-*) continue" in text
    assert (ROOT / "requirements-pip.lock").read_text().startswith("pip==")


def test_uninstalling_without_erasing_keeps_the_books_and_the_key_that_proves_them(installed: Path) -> None:
    (installed / "var/lib/madoguchi").mkdir(parents=True)
    (installed / "var/lib/madoguchi/journal.db").write_text("yen")
    key = (installed / "etc/madoguchi/journal.key").read_bytes()
    assert 0 == install(installed, "--uninstall").returncode
    assert "yen" == (installed / "var/lib/madoguchi/journal.db").read_text()
    assert 0 == install(installed).returncode
    assert key == (installed / "etc/madoguchi/journal.key").read_bytes()


@pytest.mark.parametrize("spoil", [": >journal.key", "rm journal.key"])
def test_a_journal_whose_key_is_lost_gets_no_new_one(installed: Path, spoil: str) -> None:
    (installed / "var/lib/madoguchi").mkdir(parents=True)
    (installed / "var/lib/madoguchi/journal.db").write_text("yen")
    subprocess.run(["sh", "-c", spoil], cwd=installed / "etc/madoguchi", check=True)
    before = picture(installed)
    for words in ((), ("--check",)):
        ran = install(installed, *words)
        [said] = [*ran.stdout.splitlines(), *ran.stderr.splitlines()]
        assert 1 == ran.returncode
        assert "/etc/madoguchi/journal.key: missing or too short" in said
        assert "put the key back" in said
    assert before == picture(installed)


def test_a_careless_umask_closes_no_folder_to_the_kiosk(tree: Path) -> None:
    former = os.umask(0o077)
    try:
        assert 0 == install(tree).returncode
    finally:
        os.umask(former)
    folders = {0o755: "usr/lib/madoguchi/firmware/core", 0o644: "usr/lib/madoguchi/hw/coin/bus.py"}
    assert {*folders} == {stat.S_IMODE((tree / at).stat().st_mode) for at in folders.values()}


def wheelhouse(
    folder: Path, name: str = "parts", *, version: int = 1, tag: str = "py3-none-any", filling: int = 0
) -> Path:
    """One small package as a wheel, and the pip that is at hand. filling: bytes that it has more."""
    folder.mkdir(exist_ok=True)
    of = f"{name}-{version}"
    texts = {
        f"{name}/__init__.py": f"WORD = {version}\n" + "#" * filling,
        f"{of}.data/data/share/{name}.1": ".TH\n",
        f"{of}.data/scripts/{name}": "#!python\n",
        f"{of}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{of}.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    digests = {at: hashlib.sha256(text.encode()).digest() for at, text in texts.items()}
    hashed = {at: base64.urlsafe_b64encode(said).rstrip(b"=").decode() for at, said in digests.items()}
    record = [f"{at},sha256={hashed[at]},{len(text)}\n" for at, text in texts.items()]
    texts[f"{of}.dist-info/RECORD"] = "".join([*record, f"{of}.dist-info/RECORD,,\n"])
    wheel = folder / f"{of}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        for at, text in texts.items():
            file.writestr(at, text)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    with (folder / "requirements.txt").open("a") as wanted:
        wanted.write(f"{name}=={version} --hash=sha256:{digest}\n")
    return folder


def with_python(tree: Path, wheels: Path, *words: str) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "scripts/install")
    asked = [script, "--root", str(tree), "--without", "packages", "--wheels", str(wheels), *words]
    return subprocess.run(asked, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("packed")
    root, wheels = bare(folder / "root"), wheelhouse(folder / "wheels")
    ran = with_python(root, wheels)
    assert 0 == ran.returncode, ran.stderr
    return root, wheels


@pytest.fixture
def with_packages(packed: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """A Debian with the kiosk and its Python packages on it, and the wheels that they came from."""
    subprocess.run(["cp", "-a", packed[0], tmp_path / "root"], check=True)
    return tmp_path / "root", packed[1]


def test_packages_that_are_damaged_added_or_compiled_from_another_text_are_named_and_mended(
    with_packages: tuple[Path, Path],
) -> None:
    tree, wheels = with_packages
    site = "usr/lib/madoguchi/.venv/lib/python3.11/site-packages"
    assert "WORD = 1\n" == (tree / site / "parts/__init__.py").read_text()
    assert (tree / site / "share/parts.1").exists()
    compiled = "usr/lib/madoguchi/hw/coin/__pycache__/bus.cpython-311.pyc"
    assert (tree / compiled).exists()
    whole = picture(tree)
    assert "nothing differs\n" == with_python(tree, wheels, "--check").stdout
    assert 0 == with_python(tree, wheels).returncode
    assert whole == picture(tree)
    spoils = {
        f"echo WORD = 2 >{site}/parts/__init__.py": f"/{site}/parts/__init__.py: other text",
        f"rm {site}/parts-1.dist-info/METADATA": f"/{site}/parts-1.dist-info/METADATA: missing",
        f"echo >{site}/evil.py": f"/{site}/evil.py: not of this release",
        f"cp {compiled} {compiled.replace('bus.', 'keep.')}": (
            f"/{compiled.replace('bus.', 'keep.')}: compiled from another text"
        ),
        f"cp {compiled} {site}/parts/__pycache__/__init__.cpython-311.pyc": (
            f"/{site}/parts/__pycache__/__init__.cpython-311.pyc: compiled from another text"
        ),
    }
    for spoil in spoils:
        subprocess.run(["sh", "-c", spoil], cwd=tree, check=True)
    said = with_python(tree, wheels, "--check").stdout.splitlines()
    assert sorted(spoils.values()) == sorted(said)
    assert 0 == with_python(tree, wheels).returncode
    assert "nothing differs\n" == with_python(tree, wheels, "--check").stdout
    assert {*whole} == {*picture(tree)}


def test_a_release_that_was_installed_over_another_runs_its_own_text(
    with_packages: tuple[Path, Path],
) -> None:
    """Its modules are compiled and never held against their source: what an earlier text made must go."""
    tree, wheels = with_packages
    release = tree / "usr/lib/madoguchi"
    other = release / "firmware/__init__.py"
    other.write_text('__version__ = "0.0.1"\n')
    compiling = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(other)]
    subprocess.run([sys.executable, *compiling], check=True)
    asked = [sys.executable, "-c", "import firmware; print(firmware.__version__)"]
    runs = [subprocess.check_output(asked, cwd=release, text=True)]
    assert 0 == with_python(tree, wheels).returncode
    runs.append(subprocess.check_output(asked, cwd=release, text=True))
    assert ["0.0.1\n", f"{__version__}\n"] == runs


@pytest.mark.parametrize(
    ("machine", "kind", "fits"),
    [
        ("", "x86_64", True),
        ("", "aarch64", False),
        ("amd64", "x86_64", True),
        ("amd64", "aarch64", False),
        ("arm64", "aarch64", True),
        ("arm64", "x86_64", False),
    ],
)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="what is foreign here is not there")
def test_wheels_of_another_processor_are_refused_before_anything_is_changed(
    tree: Path, tmp_path: Path, machine: str, kind: str, fits: bool
) -> None:
    """machine: the tree's, an image's perhaps, as dpkg says it; empty: this one's."""
    wheels = wheelhouse(tmp_path / "wheels")
    wheelhouse(wheels, "engine", tag=f"cp311-cp311-manylinux_2_28_{kind}")
    if machine:
        (tree / "var/lib/dpkg").mkdir(parents=True)
        (tree / "var/lib/dpkg/status").write_text(f"Package: dpkg\nArchitecture: {machine}\n\n")
    before = picture(tree)
    ran = with_python(tree, wheels)
    assert (0 if fits else 1) == ran.returncode, ran.stderr
    if fits:
        assert (tree / "usr/lib/madoguchi/.venv/lib/python3.11/site-packages/engine").is_dir()
    else:
        [refusal] = ran.stderr.splitlines()
        assert f"not every wheel in {wheels} is for this machine ({machine or platform.machine()})" in refusal
        assert "No matching distribution found for engine==1" in refusal
        assert before == picture(tree)


def of_an_older_release(tree: Path) -> None:
    """What an upgrade would replace, and a unit that it would take away."""
    (tree / "usr/lib/madoguchi/firmware/__init__.py").write_text('__version__ = "0.0.1"\n')
    (tree / "etc/systemd/system/madoguchi-old.service").write_text("[Service]\nExecStart=/bin/true\n")
    kept = tree / "var/lib/madoguchi-install/before.json"
    said = json.loads(kept.read_text())
    said["entries"]["/etc/systemd/system/madoguchi-old.service"] = None
    kept.write_text(json.dumps(said))


@needs_mounts
def test_an_upgrade_unpacks_the_packages_on_the_disk_of_the_release_however_small_tmp_is(
    with_packages: tuple[Path, Path], tmp_path: Path
) -> None:
    """Of a kiosk /tmp is memory, and holds a third of them."""
    tree, wheels = with_packages[0], wheelhouse(tmp_path / "wheels", "parts", version=2, filling=200_000)
    of_an_older_release(tree)
    small = tmp_path / "small"
    small.mkdir()
    script = [str(ROOT / "scripts/install"), "--root", str(tree), "--without", "packages"]
    mounted = f'mount -t tmpfs -o size=64k tmpfs {small} && TMPDIR={small} exec "$@"'
    asked = ["unshare", "--mount", "sh", "-c", mounted, "sh", *script, "--wheels", str(wheels)]
    ran = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert 0 == ran.returncode, ran.stderr
    site = tree / "usr/lib/madoguchi/.venv/lib/python3.11/site-packages"
    assert ["parts-2.dist-info"] == [folder.name for folder in site.glob("*.dist-info")]
    assert [site] == [*site.parent.iterdir()]
    assert not (tree / "etc/systemd/system/madoguchi-old.service").exists()
    assert "nothing differs\n" == with_python(tree, wheels, "--check").stdout


@pytest.mark.parametrize("end", ["sys.exit(2)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_pip_that_fails_leaves_the_installed_release_with_its_own_packages(
    with_packages: tuple[Path, Path], tmp_path: Path, end: str
) -> None:
    tree, wheels = with_packages[0], wheelhouse(tmp_path / "wheels", "parts", version=2)
    of_an_older_release(tree)
    (wheels / "pip-0.whl/pip").mkdir(parents=True)
    (wheels / "pip-0.whl/pip/__main__.py").write_text(
        f"""import os, pathlib, signal, sys
if "--dry-run" in sys.argv:
    sys.exit(0)
half = pathlib.Path(sys.argv[sys.argv.index("--target") + 1], "parts")
half.mkdir(parents=True)
(half / "__init__.py").write_text("WORD = 2")
pathlib.Path(os.environ["TMPDIR"], "rest").write_text("")
print("ERROR: No space left on device", file=sys.stderr)
{end}
"""
    )
    before = picture(tree)
    ran = with_python(tree, wheels)
    error, refusal = ran.stderr.splitlines()
    assert (1, "ERROR: No space left on device") == (ran.returncode, error)
    assert refusal.startswith("install: pip could not unpack the Python packages")
    assert before == picture(tree)


def test_every_new_file_is_whole_on_the_disk_before_it_has_its_name_and_the_stamp_comes_last(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, wheels = loaded(monkeypatch), wheelhouse(tmp_path / "wheels")
    manifest = tomllib.loads((ROOT / "systemd/install.toml").read_text(encoding="utf-8"))
    unit = tree / "etc/systemd/system/madoguchi.service"
    stamp = tree / "usr/lib/madoguchi/.venv/stamp"
    steps, real = [], script.on_disk

    def seen(folders: set[Path]) -> None:
        real(folders)
        beside = unit.with_name(f".{unit.name}.new")
        whole = beside.exists() and (ROOT / "systemd/madoguchi.service").read_bytes() == beside.read_bytes()
        remembered = (tree / "var/lib/madoguchi-install/before.json").exists()
        steps.append((remembered, whole, unit.exists(), stamp.exists(), unit.parent in folders))

    monkeypatch.setattr(script, "on_disk", seen)
    script.install(script.Machine(tree), manifest, {"python"}, wheels)
    packages = (True, False, False, False, False)
    assert [packages, (True, True, False, False, True), *[(True, False, True, False, True)] * 2] == steps
    assert stamp.exists()


def handbook(title: str) -> str:
    text = (ROOT / "systemd/README.md").read_text(encoding="utf-8")
    return text.split(f"## {title}")[1].split("\n## ")[0]


def test_the_handbooks_commands_install_a_kiosk_and_find_nothing_different(tree: Path) -> None:
    commands = handbook("Commissioning").split("```")[1].split("\n")
    lines = [line.strip() for line in commands if line.strip()]
    assert ["scripts/install", "scripts/install --check"] == lines
    done = [install(tree, *line.split()[1:]) for line in lines]
    assert [0, 0] == [each.returncode for each in done]
    assert "`nothing differs`" in handbook("Commissioning")
    assert "nothing differs\n" == done[1].stdout


def test_every_path_and_command_of_the_handbook_is_there_once_installed(installed: Path) -> None:
    text = handbook("Commissioning")
    named = set(re.findall(r"(/(?:usr/lib|etc)/[\w./-]+)", text))
    brought = {
        "/etc/madoguchi/server_ca.pem",
        "/etc/madoguchi/orders.jwks",
        "/etc/madoguchi/publication.jwks",
    }  # by the municipality and the operator
    assert brought < named
    assert [] == sorted(name for name in named - brought if not (installed / name.lstrip("/")).exists())
    for words in re.findall(r"madoguchi ((?:certificate enrol|check-config) --config \S+)`", text):
        assert _parser().parse_args(words.split()).config == Path("/etc/madoguchi/kiosk.toml")
    (erasing,) = re.findall(r"`scripts/install (--uninstall --erase) URN --journal FILE`", text)
    assert 0 == install(installed, *erasing.split(), "urn:kiosk:demo-0001").returncode


def test_the_two_addresses_of_the_store_are_all_that_the_units_let_through() -> None:
    text = handbook("Commissioning")
    for unit in re.findall(r"systemctl edit (madoguchi[\w-]*)`", text):
        said = (ROOT / "systemd" / f"{unit}.service").read_text()
        assert "\nIPAddressDeny=any\nIPAddressAllow=localhost\n" in said
    assert "\n   [Service]\n   IPAddressAllow=" in text

"""Which USB stick is mounted where, by the rules that udev gets; and that it can do nothing else there."""

import configparser
import fnmatch
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "systemd/udev/71-madoguchi-stick.rules"
TOKEN = re.compile(r'([A-Z]+)(?:\{([^}]*)\})?(==|!=|\+=|=)"([^"]*)"')


@dataclass
class Device:
    """A block device of these properties; the bus it hangs on and what the disk says of itself."""

    label: str = "TECH"
    kind: str = "vfat"
    bus: str = "usb"
    removable: str = "1"
    partition: str = ""
    subsystem: str = "block"
    action: str = "add"
    env: dict[str, str] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)

    def given(self, key: str, name: str) -> str:
        told = {
            "ACTION": self.action,
            "SUBSYSTEM": self.subsystem,
            "SUBSYSTEMS": self.bus,
            "ATTRS": self.removable,
        }
        return self.env.get(name, "") if key == "ENV" else told[key]

    def wanted(self) -> str:
        """After all rules: which units systemd is asked for. Source: udev(7), rules files."""
        self.env |= {"ID_FS_TYPE": self.kind, "ID_FS_LABEL": self.label, "ID_PART_ENTRY_NAME": self.partition}
        skipped = ""
        for line in RULES.read_text().splitlines():
            if line.startswith("#"):
                continue
            tokens = TOKEN.findall(line)
            assert (
                ", ".join(
                    f'{key}{"{" + name + "}" if name else ""}{op}"{value}"' for key, name, op, value in tokens
                )
                == line
            )
            if skipped and ("LABEL", "", "=", skipped) not in tokens:
                continue
            skipped = ""
            tests = [token for token in tokens if token[2] in {"==", "!="}]
            if all(self._holds(*token) for token in tests):
                skipped = self._does([token for token in tokens if token[2] in {"=", "+="}])
        return self.env.get("SYSTEMD_WANTS", "")

    def _holds(self, key: str, name: str, op: str, value: str) -> bool:
        found = any(fnmatch.fnmatchcase(self.given(key, name), one) for one in value.split("|"))
        return found is (op == "==")

    def _does(self, tokens: list[tuple[str, str, str, str]]) -> str:
        jump = ""
        for key, name, _, value in tokens:
            if key == "ENV":
                self.env[name] = value
            elif key == "SYMLINK":
                self.links.append(value)
            elif key == "GOTO":
                jump = value
        return jump


def mount(name: str) -> configparser.SectionProxy:
    said = configparser.ConfigParser(interpolation=None)
    said.optionxform = str  # type: ignore[assignment, method-assign]
    said.read(ROOT / "systemd/mounts" / name, encoding="utf-8")
    return said["Mount"]


@pytest.mark.parametrize(
    ("kind", "label", "place"),
    [
        ("vfat", "TECH", "stick"),
        ("vfat", "", "stick"),
        ("vfat", "MADO-EXPORT", "export"),
        ("exfat", "MADO-EXPORT", "export"),
    ],
)
def test_a_stick_is_mounted_by_its_name(kind: str, label: str, place: str) -> None:
    stick = Device(label=label, kind=kind)
    assert f"media-{place}.mount" == stick.wanted()
    said = mount(f"media-{place}.mount")
    assert [said["What"]] == [f"/dev/{link}" for link in stick.links]
    assert f"/media/{place}" == said["Where"]


@pytest.mark.parametrize(
    "device",
    [
        Device(kind="ext4"),  # what such a file system can do to a kernel is more than a stick needs
        Device(kind="ext4", label="MADO-EXPORT"),
        Device(kind="exfat"),  # RAUC 1.8 takes no bundle from it: better that nothing is there
        Device(bus="pci"),
        Device(removable="0"),
        Device(removable="0", label="MADO-EXPORT"),
        Device(partition="madoguchi-boot", label="X"),
        Device(partition="boot-a", label="X"),
        Device(partition="boot-b", label="MADO-EXPORT"),
        Device(label="bootfs"),
        Device(subsystem="net"),
        Device(action="remove"),
    ],
)
def test_nothing_else_is_mounted_least_of_all_what_a_machine_starts_from(device: Device) -> None:
    assert "" == device.wanted()
    assert [] == device.links


def test_what_a_pis_card_holds_is_no_stick_by_either_of_its_names() -> None:
    made = (ROOT / "scripts/image/disk").read_text()
    labels = re.findall(r"mkfs\.vfat .* -n (\S+)", made)
    assert {"BOOT", "MADOGUCHI"} == set(labels)
    for label in labels:
        assert "" == Device(label=label).wanted()


def test_no_program_device_or_right_comes_from_a_stick_and_only_the_kiosk_writes_to_one() -> None:
    stick, export = (mount(f"media-{place}.mount")["Options"].split(",") for place in ("stick", "export"))
    for options in (stick, export):
        assert {"nosuid", "nodev", "noexec", "fmask=0177", "dmask=0077"} <= set(options)
    assert ("ro" in stick, "rw" in export) == (True, True)
    assert {"uid=madoguchi", "gid=madoguchi"} <= set(export)
    for file in (ROOT / "systemd").glob("*.service"):
        named = "/media" in file.read_text()
        assert named is (file.name == "madoguchi.service"), file.name


def test_the_kiosk_looks_where_the_stick_is_mounted_and_the_image_has_the_folders() -> None:
    shipped = tomllib.loads((ROOT / "config/kiosk.toml").read_text())["console"]["stick_folder"]
    assert mount("media-export.mount")["Where"] == shipped
    assert "media/stick,media/export" in (ROOT / "scripts/image/build").read_text()
    manifest = tomllib.loads((ROOT / "systemd/install.toml").read_text())
    rules = [entry for entry in manifest["files"] if entry["to"] == "/etc/udev/rules.d/"]
    assert [f"systemd/udev/{RULES.name}"] == [
        one for entry in rules for one in entry["from"] if "stick" in one
    ]
    # After the file system is known (60-persistent-storage.rules), before systemd is told (99-systemd.rules).
    assert 60 < int(RULES.name[:2]) < 99
    assert len("MADO-EXPORT") <= 11, "a FAT has no longer name"

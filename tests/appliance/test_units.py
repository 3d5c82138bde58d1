"""scripts/verify_units: no unit of ours is left out, wherever it stands."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GROW = "scripts/image/files/etc/systemd/system/madoguchi-grow.service"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    for folder in ("systemd", "scripts"):
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True)
    return tmp_path


def verified(release: Path) -> tuple[int, str]:
    done = subprocess.run([release / "scripts/verify_units"], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def without(file: Path, pattern: str) -> None:
    text = file.read_text()
    changed = re.sub(rf"^(?:{pattern})=.*\n", "", text, flags=re.MULTILINE)
    assert changed != text
    file.write_text(changed)


def test_every_unit_of_ours_is_verified_and_none_too_exposed() -> None:
    assert (0, "") == verified(ROOT)


@pytest.mark.parametrize(
    ("unit", "loses"),
    [
        (GROW, "CapabilityBoundingSet|PrivateNetwork|SystemCallFilter"),
        ("systemd/pcscd.service.d/madoguchi.conf", "CapabilityBoundingSet|RestrictAddressFamilies"),
        ("systemd/madoguchi-erase.service", "SystemCallFilter|PrivateNetwork|PrivateDevices"),
    ],
)
def test_a_unit_that_loses_its_restrictions_is_named(release: Path, unit: str, loses: str) -> None:
    without(release / unit, loses)
    status, said = verified(release)
    assert 1 == status
    assert f"{unit} is more exposed than 20" in said


@pytest.mark.parametrize("folder", ["scripts/image/ssh/etc/systemd/system", "systemd/tpm", "scripts/new"])
def test_a_new_unit_counts_wherever_it_stands(release: Path, folder: str) -> None:
    unit = release / folder / "madoguchi-new.service"
    unit.parent.mkdir(exist_ok=True)
    unit.write_text("[Service]\nType=oneshot\nExecStart=/usr/bin/true\n")
    status, said = verified(release)
    assert 1 == status
    assert f"{folder}/madoguchi-new.service is more exposed than 20" in said


@pytest.mark.parametrize(
    "unit", [GROW, "systemd/tpm/madoguchi.service.d/key-store.conf", "systemd/pcscd.service.d/madoguchi.conf"]
)
def test_a_word_that_systemd_does_not_know_is_named(release: Path, unit: str) -> None:
    with (release / unit).open("a") as file:
        file.write("[Service]\nProtectSystemm=strict\n")
    status, said = verified(release)
    assert 1 == status
    assert "ProtectSystemm" in said


def test_the_partition_grows_before_the_file_systems_so_it_has_no_tmp_of_its_own() -> None:
    """PrivateTmp= orders a unit after systemd-tmpfiles-setup.service, which comes after the file systems."""
    unit = (ROOT / GROW).read_text()
    assert "Before=data.mount" in unit
    assert not re.search(r"^(PrivateTmp|WorkingDirectory|RequiresMountsFor)=", unit, re.MULTILINE)

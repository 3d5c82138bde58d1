"""What the image has beyond an installed machine: a system that does not come up starts anew by itself."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = REPOSITORY / "scripts/image/files"
UNITS = "etc/systemd/system"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Debian's units under the image's."""
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    for program in ("usr/bin/sh", "bin/sh", "sbin/init"):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy("/usr/bin/true", tmp_path / program)
    return tmp_path


def complaints(root: Path, unit: str) -> list[str]:
    words = ["systemd-analyze", "verify", f"--root={root}", "--man=no", unit]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stderr
    return [line for line in said.splitlines() if unit in line]


@pytest.mark.parametrize("unit", ["emergency.service", "rescue.service"])
def test_where_nobody_can_log_in_a_system_that_does_not_come_up_starts_anew(root: Path, unit: str) -> None:
    """A slot on trial then loses a try, and the former system comes back."""
    assert complaints(root, unit) == []
    dropin = root / UNITS / f"{unit}.d/madoguchi.conf"
    said = configparser.ConfigParser(strict=False, interpolation=None)
    said.optionxform = str  # type: ignore[assignment, method-assign]
    said.read_string(dropin.read_text(encoding="utf-8"))
    # However it ends: by its time, or because there is no terminal to say it on.
    assert {"reboot-force"} == {said["Unit"]["SuccessAction"], said["Unit"]["FailureAction"]}
    lines = dropin.read_text(encoding="utf-8").splitlines()
    starts = [line for line in lines if line.startswith("ExecStart=")]
    assert starts[0] == "ExecStart=", "Debian's asks for root's password, which nobody has"
    assert len(starts) == 2
    assert "list-units --failed" in starts[1]
    assert "exec sleep 300" in starts[1]
    assert said["Service"]["StandardInput"] == "null"
    dropin.write_text(dropin.read_text().replace("reboot-force", "restart"))
    assert complaints(root, unit), "else the check above would show nothing"

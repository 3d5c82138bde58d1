"""What the live installation's rig decides without a machine: sandboxes, pictures, what may be left."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from tests.appliance.display import is_drawn
from tests.appliance.install import KEPT, OWN
from tests.appliance.sandbox import ALLOWED, UNITS, copy_of, said_allowed

HERE = Path(__file__).parent


def test_every_unit_of_the_kiosk_is_tried() -> None:
    assert {file.name for file in UNITS.glob("*.service")} == set(ALLOWED)


def test_the_copy_that_is_tried_has_every_restriction_and_only_another_program() -> None:
    for unit in ALLOWED:
        kept = set(copy_of(unit, "/bin/attempts").splitlines())
        own = {line for line in (UNITS / unit).read_text().splitlines() if "=" in line and line[:1] != "#"}
        about = {line.partition("=")[0] for line in own - kept}
        allowed_to_go = (
            "Exec",
            "Type",
            "Notify",
            "Watchdog",
            "Restart",
            "Standard",
            "TTY",
            "Send",
            "Timeout",
        )
        of_the_unit = (
            "Description",
            "Documentation",
            "Condition",
            "After",
            "Before",
            "Wants",
            "Requires",
            "WantedBy",
        )
        more = (
            "Conflicts",
            "BindsTo",
            "StartLimit",
            "CollectMode",
            "KillMode",
            "SuccessExit",
            "RemainAfter",
            *("SuccessAction", "RebootArgument"),
        )
        preserved = ("RuntimeDirectoryPreserve",)
        left = [key for key in about if not key.startswith((*allowed_to_go, *of_the_unit, *more, *preserved))]
        assert [] == left, unit
        assert [line for line in kept if line.startswith("Exec") and "Paths" not in line] == [
            "ExecStart=/bin/attempts"
        ], unit


def test_attempts_that_ended_early_prove_nothing() -> None:
    assert frozenset({"a"}) == said_allowed("ATTEMPT a allowed\nATTEMPT b refused\nATTEMPT end\n")
    with pytest.raises(ValueError, match="ended early"):
        said_allowed("ATTEMPT a refused\n")


def test_the_attempts_are_made_in_the_emulated_machine_alone() -> None:
    said = subprocess.run([sys.executable, HERE / "attempts"], capture_output=True, text=True, check=False)
    assert (1, "") == (said.returncode, said.stdout)
    assert "no machine of the rig" in said.stderr


def test_a_display_without_a_page_is_told_from_one_with_it(tmp_path: Path) -> None:
    picture = Image.new("RGB", (1280, 800), "#000000")
    picture.save(tmp_path / "black.png")
    ImageDraw.Draw(picture).text((10, 10), "debian login:")
    picture.save(tmp_path / "terminal.png")
    Image.new("RGB", (1280, 800), "#00316a").save(tmp_path / "background.png")
    page = Image.radial_gradient("L").resize((1280, 800)).convert("RGB")
    page.paste("#f2f7fb", (0, 80, 1280, 700))
    page.paste("#00316a", (0, 0, 1018, 72))
    page.save(tmp_path / "still-growing.png")
    page.paste("#00316a", (0, 0, 1280, 72))
    page.save(tmp_path / "page.png")
    drawn = {file.stem: is_drawn(file) for file in tmp_path.glob("*.png")}
    assert {"page"} == {name for name, is_page in drawn.items() if is_page}
    assert {"black", "terminal", "background", "still-growing", "page"} == drawn.keys()


def test_a_file_of_ours_that_stays_is_not_taken_for_dpkgs() -> None:
    for at in (
        "/etc/systemd/system/madoguchi.service",
        "/usr/lib/madoguchi/firmware",
        "/etc/sysctl.d/90-x.conf",
    ):
        assert not KEPT.fullmatch(at)
        assert not OWN.fullmatch(at)
    assert KEPT.fullmatch("/var/lib/dpkg/status")
    assert OWN.fullmatch("/var/lib/madoguchi/journal.db")

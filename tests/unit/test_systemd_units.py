"""The units agree with the configuration and with each other."""

import configparser
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def unit(name: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read(ROOT / "systemd" / name, encoding="utf-8")
    return parsed


def test_the_file_that_the_kiosk_writes_for_a_new_pcscd_is_the_one_that_is_watched() -> None:
    shipped = tomllib.loads((ROOT / "config" / "kiosk.toml").read_text(encoding="utf-8"))
    watched = unit("madoguchi-pcscd-restart.path")["Path"]
    assert {"PathChanged": shipped["card_reader"]["restart_request"]} == dict(watched)
    assert "multi-user.target" == unit("madoguchi-pcscd-restart.path")["Install"]["WantedBy"]
    service = unit("madoguchi-pcscd-restart.service")
    assert service["Service"]["ExecStart"].endswith("systemctl restart pcscd.service")
    assert "0" == service["Unit"]["StartLimitIntervalSec"]


def test_the_kiosk_may_write_that_file_and_nobody_else() -> None:
    kiosk = unit("madoguchi.service")["Service"]
    assert ("madoguchi", "madoguchi") == (kiosk["User"], kiosk["RuntimeDirectory"])
    watched = Path(unit("madoguchi-pcscd-restart.path")["Path"]["PathChanged"])
    assert Path("/run/madoguchi") == watched.parent


@pytest.mark.parametrize(
    "name",
    [
        "madoguchi.service",
        "madoguchi-cups.service",
        "madoguchi-screen.service",
        "madoguchi-console@.service",
        "pcscd.service.d/madoguchi.conf",
    ],
)
def test_no_process_that_may_hold_something_of_a_person_is_swapped_or_dumped(name: str) -> None:
    service = unit(name)["Service"]
    assert ("0", "1") == (service["MemorySwapMax"], service["LimitCORE"])


def test_a_pcscd_that_hangs_is_killed_before_the_kiosk_asks_again() -> None:
    shipped = tomllib.loads((ROOT / "config" / "kiosk.toml").read_text(encoding="utf-8"))
    stops_in = float(unit("pcscd.service.d/madoguchi.conf")["Service"]["TimeoutStopSec"])
    assert stops_in < shipped["card_reader"]["restart_seconds"]

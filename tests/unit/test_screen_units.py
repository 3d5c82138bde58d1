"""The display's unit: no way out of the page, and a watchdog that is fed only while the page draws."""

import json
import re
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
SCREEN = UNITS / "screen"


def test_the_browser_may_open_the_kiosks_page_and_nothing_else() -> None:
    policy = json.loads((SCREEN / "policy.json").read_text(encoding="utf-8"))
    assert ["*"] == policy["URLBlocklist"]
    [allowed] = policy["URLAllowlist"]
    assert f"{allowed}/" in (SCREEN / "browser").read_text(encoding="utf-8")
    assert 2 == policy["DeveloperToolsAvailability"]
    assert not policy["RemoteDebuggingAllowed"]
    assert not policy["PrintingEnabled"]
    assert 3 == policy["DownloadRestrictions"]
    for device in ("WebUsb", "WebHid", "Serial", "WebBluetooth"):
        assert 2 == policy[f"Default{device}GuardSetting"]


def test_no_key_leads_out_of_the_page_and_the_browser_keeps_its_sandbox() -> None:
    assert "bindsym" not in (SCREEN / "sway.conf").read_text(encoding="utf-8")
    assert "--no-sandbox" not in (SCREEN / "browser").read_text(encoding="utf-8")
    assert "--kiosk" in (SCREEN / "browser").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("curl_exit", "fed"), [(0, True), (22, False), (7, True)], ids=["draws", "draws-nothing", "daemon-down"]
)
def test_the_watchdog_is_fed_unless_a_running_daemon_sees_no_drawing(
    tmp_path: Path, curl_exit: int, fed: bool
) -> None:
    told = tmp_path / "told"
    for name, script in (
        ("curl", f"echo curl >>{told}; exit {curl_exit}"),
        ("systemd-notify", f'echo "$@" >>{told}'),
        ("sleep", "kill $WATCHED; wait; exit 0"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    with subprocess.Popen(["/bin/sleep", "600"]) as watched:
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "WATCHED": str(watched.pid)}
        with subprocess.Popen([SCREEN / "watch", str(watched.pid)], env=environment) as watch:
            watched.wait(30)
            watch.wait(30)
    assert fed == ("WATCHDOG=1" in told.read_text())


def test_the_page_says_that_it_draws_more_often_than_the_watchdog_waits() -> None:
    page = Path(__file__).parents[2] / "firmware" / "screen" / "page" / "kiosk.js"
    [every_ms] = re.findall(r"ALIVE_MS = (\d+)", page.read_text(encoding="utf-8"))
    [watchdog] = re.findall(
        r"WatchdogSec=(\d+)", (UNITS / "madoguchi-screen.service").read_text(encoding="utf-8")
    )
    assert int(every_ms) / 1000 * 2 < 15 < int(watchdog) / 2

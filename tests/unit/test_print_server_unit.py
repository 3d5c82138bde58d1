"""The print server's unit and configuration: nothing printed twice, nothing kept. cupsd itself runs in
tests/contract/test_document_printer.py, by the lines of this unit."""

import re
from pathlib import Path

import pytest

from tests.simulators.printers.print_server import CONFIG, UNIT, unit_lines

KIOSK_UNIT = UNIT.with_name("madoguchi.service")


def settings(file: Path) -> dict[str, str]:
    """Directives outside of sections, by name."""
    found = re.findall(r"^(\w+)[ \t]+(.+?)$", file.read_text(), re.MULTILINE)
    return {name: value.strip() for name, value in found}


def test_whatever_holds_a_page_lies_in_memory_and_is_wiped_before_a_start() -> None:
    files = settings(CONFIG / "cups-files.conf")
    kept = {name: files[name] for name in ("RequestRoot", "TempDir", "CacheDir", "StateDir")}
    assert {"/run/madoguchi-cups"} == {str(Path(path).parent) for path in kept.values()}
    wipe, *_ = unit_lines("ExecStartPre")
    assert ["/bin/rm", "-rf"] == wipe.split()[:2]
    assert set(kept.values()) <= set(wipe.split()[2:])
    assert ["no"] == unit_lines("RuntimeDirectoryPreserve")


@pytest.mark.parametrize(
    ("directive", "value"),
    [
        ("ErrorPolicy", "abort-job"),
        ("PreserveJobFiles", "No"),
        ("JobRetryLimit", "1"),
        ("LogDebugHistory", "0"),
        ("LogLevel", "warn"),
        ("MaxCopies", "1"),
        ("WebInterface", "No"),
        ("Browsing", "No"),
        ("Listen", "/run/madoguchi-cups/cups.sock"),
    ],
)
def test_no_job_is_kept_repeated_logged_or_taken_from_outside(directive: str, value: str) -> None:
    assert value == settings(CONFIG / "cupsd.conf")[directive]
    assert 1 == len(re.findall(rf"^{directive} ", (CONFIG / "cupsd.conf").read_text(), re.MULTILINE))


def test_its_processes_end_with_it_and_leave_no_core_and_no_swap() -> None:
    found = {key: unit_lines(key) for key in ("KillMode", "LimitCORE", "MemorySwapMax", "Restart")}
    assert {
        "KillMode": ["control-group"],
        "LimitCORE": ["1"],
        "MemorySwapMax": ["0"],
        "Restart": ["always"],
    } == found


def test_the_kiosk_starts_after_its_print_server_and_may_reach_it() -> None:
    kiosk = KIOSK_UNIT.read_text()
    for key in ("Wants", "After", "SupplementaryGroups"):
        [line] = [line for line in kiosk.splitlines() if re.match(rf"{key}=.*(cups|lp)", line)]
        assert line
    assert ["lp"] == unit_lines("Group")
    assert ["0710"] == unit_lines("RuntimeDirectoryMode")


def test_a_printer_that_does_not_answer_holds_no_job_for_a_week() -> None:
    assert "?contimeout=$connect_seconds" in (CONFIG / "make-queue").read_text()

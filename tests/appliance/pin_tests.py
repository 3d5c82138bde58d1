"""Contract tests of keypad and panel, and their figures, in the machine on a GPIO chip of the kernel."""

import json
import re
import shutil
from collections.abc import Awaitable, Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

TESTS: Final = Path(__file__).parents[1]
SITE: Final = "usr/lib/madoguchi/tests/appliance/site"
_NEEDED: Final = (
    "pytest",
    "pluggy",
    "iniconfig",
    "packaging",
    "pygments",
    "pytest-asyncio",
    "typing-extensions",
)
_LAID: Final = (
    "contract/__init__.py",
    "contract/pin_boards.py",
    "contract/test_keypad.py",
    "contract/test_panel.py",
    "appliance/press_figures.py",
)

ONLY_ON_MOCK_PINS: Final = {
    "test_the_simulated_matrix_has_ghosts": "asks the mock board alone",
    "test_a_quiet_keypad_uses_no_processor_time": "a figure of a processor that is not emulated",
    "test_scanning_never_blocks_the_loop_noticeably": "a figure of a processor that is not emulated",
}
"""What the machine is not asked, and why."""

_RUN: Final = (
    "cd /usr/lib/madoguchi && env GPIOZERO_PIN_FACTORY=lgpio LG_WD=/run/lg PINS=gpio-sim"
    f" PYTHONPATH=/{SITE}:/usr/lib/madoguchi PYTHONDONTWRITEBYTECODE=1 .venv/bin/python3"
)

Shell = Callable[[str], Awaitable[tuple[int, str]]]


def lay_pin_tests(to: Path) -> None:
    """Into the layer's tree: the suites, and pytest, which no kiosk has."""
    for name in _LAID:
        place = to / "usr/lib/madoguchi/tests" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TESTS / name, place)
    for name in _NEEDED:
        found = distribution(name)
        for file in found.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (to / SITE / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(found.locate_file(file)), to / SITE / file)


async def contract_tests(shell: Shell) -> tuple[dict[str, int], list[str]]:
    """Run them while no kiosk runs; how many passed and so on, and what failed."""
    left_out = " and ".join(f"not {name}" for name in ONLY_ON_MOCK_PINS)
    _, said = await shell(
        f"{_RUN} -m pytest -c /dev/null --rootdir=/usr/lib/madoguchi --noconftest -p no:cacheprovider"
        f" -o asyncio_mode=auto -o markers=on_rig -q -rf --tb=short -k '{left_out}'"
        " tests/contract/test_keypad.py tests/contract/test_panel.py 2>&1"
    )
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?)\b", said)}
    complete = counts.get("passed", 0) > 0 and set(counts) == {"passed"}
    return counts, [] if complete else [said[-6000:]]


async def press_figures(shell: Shell, presses: int) -> dict[str, Any]:
    """From the contact to the event, over so many presses. Raises RuntimeError with what it said instead."""
    status, said = await shell(f"{_RUN} -m tests.appliance.press_figures {presses} 2>&1")
    lines = [line for line in said.splitlines() if line.startswith("{")]
    if status or not lines:
        raise RuntimeError(said[-3000:])
    figures: dict[str, Any] = json.loads(lines[-1])
    return figures

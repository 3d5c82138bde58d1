"""Two files of tests run side by side, each whole in one process: what takes longest must begin first."""

import os

import pytest
from hypothesis import settings

settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")
"""No example has a time of its own: 200 ms are nothing when two processes share a core."""

os.environ["LC_ALL"] = "C.UTF-8"
"""Commands answer in the language of the terminal; the tests read English, also on a Japanese machine."""

LONGEST = (
    *("test_kills", "test_nothing_stays", "test_crowd", "test_crash_images", "test_session_walk"),
    *("test_journal_fails", "test_pcscd_killed", "test_measure_command", "test_technician"),
    *("test_business_day", "test_soak", "test_timeouts", "test_screen_sheets", "test_touch_in_browser"),
    *("test_one_printer", "test_one_after_another", "test_rig_of_simulators"),
)
"""Modules that alone take minutes; the others follow as they are collected."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones in front; everything else keeps its order."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))

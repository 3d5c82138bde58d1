"""What the soak holds a day against, and the fast clock that the kiosk lives by meanwhile."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.hasty_kiosk import FastClock
from tests.e2e.soak import MOST_GROWTH_MB, WARM_VISITS, Sample, Told, Wanted, complaints, kilobytes_a_visit
from tests.figures.processes import Taken

ROOT = Path(__file__).parents[2]
DAY = Wanted(24.0, 30.0, 1, "06:30", "23:00")


def day(*, grows_mb: float = 0.0, grows_threads: int = 0, grows_descriptors: int = 0, **more: object) -> Told:
    """A day of 48 samples in which something grows evenly."""
    told = Told(DAY, visits=300, days_compared=[""])
    for hour in range(48):
        share = hour / 47
        taken = Taken(
            80.0,
            70.0 + grows_mb * share,
            11 + round(grows_threads * share),
            30 + round(grows_descriptors * share),
        )
        told.samples.append(Sample(hour / 2, 1, 8 * hour, taken, None, taken))
    for name, value in more.items():
        setattr(told, name, value)
    return told


def test_a_day_on_which_nothing_grows_has_no_complaint() -> None:
    assert [] == complaints(day(grows_mb=1.0, grows_threads=1, grows_descriptors=1))


@pytest.mark.parametrize(
    ("told", "word"),
    [
        (day(grows_mb=3 * MOST_GROWTH_MB), "pss_mb of the kiosk grew"),
        (day(grows_threads=9), "threads of the kiosk grew"),
        (day(grows_descriptors=9), "descriptors of the kiosk grew"),
        (day(days_compared=[]), "no day was closed"),
        (day(days_compared=["100 yen less"]), "the municipality's day differs"),
        (day(given_up=["slow"] * 20), "20 of 300 visits were given up"),
    ],
)
def test_what_grows_or_is_missing_is_named(told: Told, word: str) -> None:
    [complaint] = complaints(told)
    assert word in complaint


def test_what_fills_during_the_first_visits_is_no_growth() -> None:
    told = day()
    for place, sample in enumerate(told.samples):
        if sample.visits < WARM_VISITS:
            cold = replace(sample.kiosk, pss_mb=40.0)
            told.samples[place] = replace(sample, kiosk=cold)
    assert [] == complaints(told)
    assert 0.0 == kilobytes_a_visit(told)


def test_each_life_of_the_kiosk_is_held_against_itself() -> None:
    """A restart gives memory back; what leaked before it must not be hidden by that."""
    told = day(grows_mb=3 * MOST_GROWTH_MB)
    second = day().samples
    told.samples += [Sample(one.hours, 2, one.visits, one.kiosk, None, one.simulators) for one in second]
    assert ["life 1"] == [complaint.split(":")[0] for complaint in complaints(told)]


def test_a_hasty_kiosk_takes_every_moment_from_the_fast_clock(tmp_path: Path) -> None:
    clock = FastClock(began=1_000_000_000.0, speed=1.0)
    clock.write(tmp_path)
    assert clock == FastClock.read(tmp_path)
    asked = """
import importlib, json, sys
from datetime import timedelta
from tests.e2e.hasty_kiosk import FastClock, hasten, _LOADED
for name in _LOADED:
    importlib.import_module(name)
clock = FastClock(began=1_000_000_000.0, speed=2.0)
hasten(clock)
from firmware.shell.clock import now_utc
from firmware.compose import console
loaded = [module for name, module in sys.modules.items() if name.startswith("firmware.shell")]
left = [module for module in loaded if type(getattr(module, "datetime", None)) is type]
moments = now_utc(), console.datetime.now(console.JST)
near = [abs(now - clock.now()) < timedelta(minutes=10) for now in moments]
print(json.dumps([*near, len(left)]))
"""
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [True, True, 0] == json.loads(done.stdout)

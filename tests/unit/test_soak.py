"""What the soak holds a day against, and the fast clock that the kiosk lives by meanwhile."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.hasty_kiosk import FastClock
from tests.e2e.soak import (
    MOST_GROWTH_MB,
    MOST_KB_A_VISIT,
    WARM_VISITS,
    Sample,
    Told,
    Wanted,
    complaints,
    kilobytes_a_visit,
)
from tests.figures.processes import Taken

ROOT = Path(__file__).parents[2]
DAY = Wanted(24.0, 30.0, 1, "06:30", "23:00")


def day(
    *,
    visits: int = 376,
    grows_mb: float = 0.0,
    grows_threads: int = 0,
    grows_descriptors: int = 0,
    **more: object,
) -> Told:
    """A day of 48 samples in which something grows evenly."""
    told = Told(DAY, visits=visits, days_compared=[""])
    for hour in range(48):
        share = hour / 47
        taken = Taken(
            100.0,
            80.0,
            70.0 + grows_mb * share,
            11 + round(grows_threads * share),
            30 + round(grows_descriptors * share),
        )
        told.samples.append(Sample(hour / 2, 1, visits * hour // 47, taken, None, taken))
    for name, value in more.items():
        setattr(told, name, value)
    return told


def test_a_day_on_which_nothing_grows_has_no_complaint() -> None:
    assert [] == complaints(day(grows_mb=1.0, grows_threads=1, grows_descriptors=1))


def test_a_little_with_each_visit_is_named_before_it_is_much() -> None:
    told = day(visits=600, grows_mb=600 * (MOST_KB_A_VISIT + 1.0) / 1024)
    assert complaints(told) == ["life 1: the kiosk takes 6.0 kB more with each visit"]
    assert [] == complaints(day(visits=600, grows_mb=600 * (MOST_KB_A_VISIT - 1.0) / 1024))


def test_one_sample_taken_at_a_bad_moment_is_no_growth() -> None:
    told = day()
    last = told.samples[-1]
    told.samples[-1] = replace(last, kiosk=replace(last.kiosk, private_mb=90.0))
    assert [] == complaints(told)
    assert 0.0 == kilobytes_a_visit(told, 1)


def test_a_day_with_too_few_visits_says_that_it_judged_no_memory() -> None:
    told = day(visits=200)
    assert kilobytes_a_visit(told, 1) is None
    [complaint] = complaints(told)
    assert "its memory is not judged" in complaint
    assert [] == complaints(replace(told, wanted=replace(DAY, hours=2.0)))


@pytest.mark.parametrize(
    ("told", "word"),
    [
        (day(visits=3000, grows_mb=3 * MOST_GROWTH_MB), "private_mb of the kiosk grew"),
        (day(grows_threads=9), "threads of the kiosk grew"),
        (day(grows_descriptors=9), "descriptors of the kiosk grew"),
        (day(days_compared=[]), "no day was closed"),
        (day(days_compared=["100 yen less"]), "the municipality's day differs"),
        (day(given_up=["slow"] * 20), "20 of 376 visits were given up"),
    ],
)
def test_what_grows_or_is_missing_is_named(told: Told, word: str) -> None:
    [complaint] = complaints(told)
    assert word in complaint


def test_what_fills_during_the_first_visits_is_no_growth() -> None:
    told = day()
    for place, sample in enumerate(told.samples):
        if sample.visits < WARM_VISITS:
            cold = replace(sample.kiosk, private_mb=40.0)
            told.samples[place] = replace(sample, kiosk=cold)
    assert [] == complaints(told)
    assert 0.0 == kilobytes_a_visit(told, 1)


def test_each_life_of_the_kiosk_is_held_against_itself() -> None:
    """A restart gives memory back; what leaked before it must not be hidden by that."""
    told = day(visits=3000, grows_mb=3 * MOST_GROWTH_MB)
    second = day(visits=3000).samples
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

"""Wrong persons: nobody among many at once gets somebody else's certificate, and the test would see it."""

import os
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.municipality import breaker
from tests.municipality.crowd import crowd_at
from tests.municipality.mutants import MUTANTS, Mutant
from tests.municipality.store import Store

ISSUANCES = int(os.environ.get("MADOGUCHI_CROWD", "100000"))
"""100,000 take two minutes of one core; a million by python -m tests.municipality.crowd."""


@pytest.mark.timeout(60 + ISSUANCES // 50)
async def test_many_issuances_at_once_and_nobody_gets_somebody_elses(tmp_path: Path) -> None:
    tally, _ = await crowd_at(tmp_path / "m.sqlite", issuances=ISSUANCES, at_once=256)
    assert (ISSUANCES, 0, 0, 0) == (
        tally.issued + tally.given_up,
        tally.refused,
        tally.shut,
        tally.wrong,
    )
    assert tally.issued == len(tally.numbers) == len(tally.receipts)


async def test_on_either_database_what_is_sealed_as_built_opens_for_its_own_visit_alone(
    either_database: Path | str,
) -> None:
    tally, _ = await crowd_at(either_database, issuances=150, hpke=True)
    assert (150, 0, 0, 0) == (tally.issued + tally.given_up, tally.refused, tally.shut, tally.wrong)


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_a_published_fault_is_seen_among_64_at_once(mutant: type[Mutant], tmp_path: Path) -> None:
    with patch.object(breaker, "read_back", lambda *_: None):
        tally, _ = await crowd_at(tmp_path / "m.sqlite", issuances=400, reserve=mutant())
    assert tally.wrong > 0


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_a_published_fault_trips_the_breaker_before_anybody_has_the_paper(
    mutant: type[Mutant], tmp_path: Path
) -> None:
    database = tmp_path / "m.sqlite"
    tally, _ = await crowd_at(database, issuances=400, reserve=mutant())
    store = Store(database)
    await store.open()
    alarms = await store.transact(breaker.alarms)
    reset = [await store.transact(breaker.reset) for _ in range(2)]
    await store.close()
    assert (0, {"subject"}, [True, False]) == (tally.wrong, {alarm["reason"] for alarm in alarms}, reset)
    assert tally.issued < 400 - tally.given_up

"""A module of money that was moved or misspelt in the list of its coverage would be measured no more."""

import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
REPORT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["coverage"]["report"]


def test_every_module_whose_branches_are_measured_is_there_once() -> None:
    listed = REPORT["include"]
    assert [] == [path for path in listed if not (ROOT / path).is_file()]
    assert sorted(set(listed)) == sorted(listed)
    assert 100 == REPORT["fail_under"]


def test_every_test_that_measures_them_is_there() -> None:
    said = subprocess.run(
        [ROOT / "scripts" / "branches", "--list"], check=True, capture_output=True, text=True
    ).stdout.split()
    assert [] == [path for path in said if not (ROOT / path).is_file()]

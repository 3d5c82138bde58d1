"""The list of planted faults fits the sources: each can be planted, in exactly one place."""

import os
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.plant import ROOT, TESTS_FAILED, Nest, misplaced
from tests.faults.planted import FAULTS, Fault

SECONDS = 100.0


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.hazard)
def test_a_fault_can_be_planted_and_its_tests_exist(fault: Fault) -> None:
    assert "" == misplaced(fault)
    assert fault.instead != fault.text
    assert all((ROOT / word).is_file() for word in fault.tests.split() if word.endswith(".py"))


def test_there_are_enough_of_them_and_each_hazard_is_one() -> None:
    assert len(FAULTS) >= 25
    assert {1} == set(Counter(fault.hazard for fault in FAULTS).values())


def test_each_run_reads_the_sources_as_they_stand_and_says_what_came_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    source, tests = tmp_path / "rule.py", tmp_path / "test_rule.py"
    source.write_text("RIGHT = 1\n", encoding="utf-8")
    tests.write_text("from rule import RIGHT\n\ndef test_rule():\n    assert RIGHT\n", encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    with closing(Nest(tmp_path)) as nest:
        assert 0 == nest.run([str(tests)], SECONDS)[0]
        source.write_text("RIGHT = 0\n", encoding="utf-8")
        status, said = nest.run([str(tests)], SECONDS)
        assert TESTS_FAILED == status
        assert "assert RIGHT" in said
        assert TESTS_FAILED < nest.run([str(tests), "-k", "no_such_test"], SECONDS)[0], "nothing was run"
        source.write_text("RIGHT =", encoding="utf-8")
        assert TESTS_FAILED < nest.run([str(tests)], SECONDS)[0], "nothing could be imported"

"""The list of planted faults fits the sources: each can be planted, in exactly one place."""

from collections import Counter

import pytest

from tests.faults.plant import ROOT, misplaced
from tests.faults.planted import FAULTS, Fault


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.hazard)
def test_a_fault_can_be_planted_and_its_tests_exist(fault: Fault) -> None:
    assert "" == misplaced(fault)
    assert fault.instead != fault.text
    assert all((ROOT / word).is_file() for word in fault.tests.split() if word.endswith(".py"))


def test_there_are_enough_of_them_and_each_hazard_is_one() -> None:
    assert len(FAULTS) >= 25
    assert {1} == set(Counter(fault.hazard for fault in FAULTS).values())

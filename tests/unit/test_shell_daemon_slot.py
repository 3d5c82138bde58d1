"""Could coins come in when the journal ends?"""

from collections.abc import Sequence

import pytest

from firmware.core import records as r
from firmware.core.states import EndReason
from firmware.core.terms import OrderId, VisitId
from firmware.shell.daemon import slot_was_open

VISIT, ORDER = VisitId("ab" * 16), OrderId("cd" * 16)
RESERVED = r.OrderReserved(VISIT, ORDER, 300, 1, 2)
COIN = r.CoinTaken(VISIT, 100, 1, 1)
SHUT = r.SlotShut(VISIT, 1, 1)
INTENDED = r.IssueIntended(VISIT, ORDER, 300)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], False),
        ([RESERVED], True),
        ([RESERVED, COIN], True),
        ([RESERVED, COIN, SHUT], False),
        ([RESERVED, COIN, INTENDED], False),
        ([RESERVED, COIN, SHUT, RESERVED], True),
    ],
)
def test_the_slot_is_open_from_the_reservation_until_something_says_shut(
    records: Sequence[r.Record], expected: bool
) -> None:
    assert expected is slot_was_open(records)


def test_a_visit_that_ended_without_coins_left_nothing_open() -> None:
    assert not slot_was_open([RESERVED, r.VisitEnded(VISIT, EndReason.NO_CHANGE)])

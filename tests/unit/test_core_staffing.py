"""Staff with a code to type: whose coin it is that falls in meanwhile, and what is open when they give up."""

from dataclasses import replace

import pytest

from firmware.core import events as e
from firmware.core import orders as o
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.complaints import CODE_DIGITS
from firmware.core.facts import Facts, PanelLevel, StaffLevel
from firmware.core.session import step
from firmware.core.terms import CertificateKind, KeypadKey, OrderId, Subjects, VisitId
from tests.unit.test_core_cells import RULES

A = VisitId("a" * 32)
PURCHASE = s.Purchase(
    OrderId(f"{A}-1"), CertificateKind.INKAN, Subjects.SELF, frozenset(), 1, fee_yen=300, sheets=1, pages=2
)
FACTS = Facts(A, panel=PanelLevel(paper_in_tray=True), staff=StaffLevel(CODE_DIGITS))
"""Of a kiosk that is closed: at rest it serves nobody."""

UNPROVEN = s.Attending(A, PURCHASE, 300, "R-1", pages_out=1)
COMPLAINT = replace(UNPROVEN, paid_yen=0, sold=True)
LEFT = s.TakingAll(A, PURCHASE, 0, 0)
ON_STRING, SWALLOWED = 20, 36


@pytest.mark.parametrize(
    ("attending", "left", "back"),
    [
        (UNPROVEN, None, UNPROVEN),
        (COMPLAINT, LEFT, LEFT),
        (COMPLAINT, None, s.NotServing()),
    ],
)
@pytest.mark.parametrize(
    ("event", "staff"),
    [
        (e.KeyPressed(KeypadKey.CANCEL), FACTS.staff),
        (e.TimedOut(), FACTS.staff),
        (e.FactsChanged(), replace(FACTS.staff, waits=True)),
        (e.FactsChanged(), StaffLevel()),
    ],
    ids=["cancelled", "timed out", "too many wrong codes", "no code any more"],
)
def test_a_code_that_is_not_typed_leads_back_to_where_staff_were_called_from(
    attending: s.Attending, left: s.TakingAll | None, back: s.State, event: e.Event, staff: StaffLevel
) -> None:
    done = step(s.EnteringStaffCode(attending, left=left), event, replace(FACTS, staff=staff), RULES)
    assert ((), back) == (done.records, done.state)


def test_a_key_or_a_fact_that_says_nothing_of_the_code_leaves_staff_typing() -> None:
    typing = s.EnteringStaffCode(UNPROVEN, digits=3)
    for event in (e.KeyPressed(KeypadKey.DIGIT_1), e.FactsChanged()):
        assert typing == step(typing, event, FACTS, RULES).state
    assert replace(typing, digits=4) == step(typing, e.StaffDigits(4), FACTS, RULES).state


def test_staff_let_in_to_a_print_that_nobody_can_prove_open_no_other_visit() -> None:
    done = step(s.CheckingStaffCode(UNPROVEN), e.StaffKnown(), FACTS, RULES)
    assert (replace(UNPROVEN, admitted=True), (r.StaffAdmitted(A),)) == (done.state, done.records)


WAITING = (s.EnteringStaffCode, s.CheckingStaffCode, s.Refetching)


@pytest.mark.parametrize("waiting", WAITING)
def test_a_coin_that_falls_in_while_staff_type_belongs_to_the_visit_they_decide(
    waiting: type[s.EnteringStaffCode | s.CheckingStaffCode | s.Refetching],
) -> None:
    coin = e.CoinInserted(100, 7, 9)
    done = step(waiting(UNPROVEN), coin, FACTS, RULES)
    assert (waiting(replace(UNPROVEN, paid_yen=400)), (r.CoinTaken(A, 100, 7, 9),)) == (
        done.state,
        done.records,
    )
    sold = step(waiting(COMPLAINT), coin, FACTS, RULES)
    assert (waiting(COMPLAINT), (r.CoinUnclaimed(100, 7, 9),)) == (sold.state, sold.records)


@pytest.mark.parametrize("waiting", WAITING)
@pytest.mark.parametrize("code", [ON_STRING, SWALLOWED])
def test_a_coin_without_credit_withholds_the_money_of_a_visit_that_has_some(
    waiting: type[s.EnteringStaffCode | s.CheckingStaffCode | s.Refetching], code: int
) -> None:
    trouble, withdrawn = e.CoinTrouble(0, code, 7, 9), code == ON_STRING
    done = step(waiting(UNPROVEN), trouble, FACTS, RULES)
    assert waiting(replace(UNPROVEN, withheld=withdrawn)) == done.state
    assert (r.CoinsSuspected(A, 0, code, withdrawn, 7, 9),) == done.records
    assert (o.Sound(o.Alarm.ATTENTION),) == done.orders
    unbegun = step(waiting(COMPLAINT), trouble, FACTS, RULES)
    assert waiting(COMPLAINT) == unbegun.state
    assert [r.CoinsSuspected] == [type(record) for record in unbegun.records]

"""Print defects (印刷不良): which sale may be complained of, who may decide, and what may come again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from firmware.core import events as e
from firmware.core import orders as o
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.complaints import CODE_DIGITS, SHIPPED_RULE, LastSale
from firmware.core.facts import (
    DocumentPrinterLevel,
    Facts,
    MaintenanceLevel,
    PanelLevel,
    ReaderLevel,
    ReceiptPrinterLevel,
    StaffLevel,
)
from firmware.core.lockout import STAFF, Mistakes, after, wait_seconds
from firmware.core.money import ledger
from firmware.core.paying import held_in
from firmware.core.recovery import recover
from firmware.core.screens import Row
from firmware.core.session import bound, step
from firmware.core.storyboard import screen_of
from firmware.core.telling import Subject, Tell, Telling
from firmware.core.terms import (
    Certainty,
    CertificateKind,
    KeypadKey,
    OrderId,
    PrinterSupply,
    Refusal,
    Subjects,
    VisitId,
)
from tests.unit.test_core_cells import RULES

A, B = VisitId("a" * 32), VisitId("b" * 32)
ORDER = OrderId(f"{A}-1")
KIND = CertificateKind.INKAN
PURCHASE = s.Purchase(ORDER, KIND, Subjects.SELF, frozenset(), 1, 300, 1, 2, "f" * 64)
SALE = s.Sale(PURCHASE, "R-1")
SOLD: tuple[r.Record, ...] = (
    r.VisitBegan(A),
    r.OrderAsked(A, ORDER, KIND, 1),
    r.OrderReserved(A, ORDER, 300, 1, 2, "f" * 64),
    r.IssueIntended(A, ORDER, 300),
    r.IssueCommitted(A, ORDER, "R-1"),
    r.PrintEnded(A, ORDER, Certainty.DONE, 2),
    r.FeeEarned(A, ORDER, 300),
    r.VisitEnded(A, None),
)
OPENED = r.DefectOpened(B, ORDER, KIND, 1, 300, 1, 2, "R-1", "f" * 64, 0)
COMPLAINED: tuple[r.Record, ...] = (r.VisitBegan(B), r.StaffAdmitted(B), OPENED)
DESTROYED = r.SheetsDestroyed(B, ORDER)
NOON = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)
LOW = frozenset({PrinterSupply.MEDIA_LOW})
FACTS = Facts(
    B,
    printer=DocumentPrinterLevel(frozenset()),
    receipt=ReceiptPrinterLevel(ready=True),
    staff=StaffLevel(CODE_DIGITS, sale=SALE),
)
CALLED = s.Attending(B, PURCHASE, 0, "R-1", 2, sold=True)
ADMITTED = replace(CALLED, admitted=True)
CORRECT, ONE = e.KeyPressed(KeypadKey.CORRECT), e.KeyPressed(KeypadKey.DIGIT_1)
CONFIRM, CANCEL = e.KeyPressed(KeypadKey.CONFIRM), e.KeyPressed(KeypadKey.CANCEL)


@pytest.mark.parametrize(
    ("later", "seconds", "expected"),
    [
        ((), 299, SALE),
        ((), 301, None),
        ((), -1, None),
        ((r.VisitBegan(B),), 1, None),
        ((r.DayClosed("2026-06-01", "2026-06-01T12:00:00+09:00"),), 1, None),
        ((*COMPLAINED, r.VisitEnded(B, None)), 1, SALE),
        ((*COMPLAINED, r.ReprintIntended(B, ORDER, 1), r.VisitEnded(B, None)), 1, replace(SALE, attempt=1)),
        ((*COMPLAINED, r.FeeReturned(B, ORDER, KIND, 1, 300), r.VisitEnded(B, None)), 1, None),
    ],
)
def test_only_the_last_sale_may_be_complained_of_and_only_for_a_while(
    later: tuple[r.Record, ...], seconds: int, expected: s.Sale | None
) -> None:
    last = LastSale((NOON, record) for record in (*SOLD, *later))
    assert expected == last.sale(NOON + timedelta(seconds=seconds), 300.0)


@pytest.mark.parametrize("state", [s.Idle(), s.NotServing(), s.Thanks(A, PURCHASE, 0, 0)])
@pytest.mark.parametrize(
    ("staff", "called"),
    [
        (FACTS.staff, True),
        (StaffLevel(0, sale=SALE), False),
        (StaffLevel(CODE_DIGITS), False),
        (StaffLevel(CODE_DIGITS, waits=True, sale=SALE), False),
    ],
)
def test_a_press_alone_calls_staff_and_writes_nothing(
    state: s.State, staff: StaffLevel, called: bool
) -> None:
    done = step(state, CORRECT, replace(FACTS, staff=staff), RULES)
    assert called is isinstance(done.state, s.EnteringStaffCode)
    assert () == done.records


@pytest.mark.parametrize("state", [s.Idle(), s.NotServing(), s.TakingAll(A, PURCHASE, 0, 0)])
def test_no_refund_begins_beside_a_technicians_coin(state: s.State) -> None:
    lies = replace(FACTS, maintenance=MaintenanceLevel(on=True), panel=PanelLevel(paper_in_tray=True))
    assert not isinstance(step(state, CORRECT, lies, RULES).state, s.EnteringStaffCode)


@pytest.mark.parametrize("wrong", [False, True])
@pytest.mark.parametrize("how", [CANCEL, e.TimedOut(), "waits"])
def test_a_card_left_behind_begins_no_visit_when_staff_are_called_in_vain(
    wrong: bool, how: e.Event | str
) -> None:
    lies = replace(FACTS, reader=ReaderLevel(working=True, card_present=True))
    taking = s.TakingAll(A, PURCHASE, 200, 100, receipt_out=False, alarms=1)
    state = step(taking, CORRECT, lies, RULES).state
    if wrong:
        checking = step(state, e.StaffCodeEntered(), lies, RULES).state
        state = step(checking, e.StaffUnknown(), lies, RULES).state
    assert isinstance(state, s.EnteringStaffCode)
    waits = replace(lies, staff=replace(lies.staff, waits=True))
    event, facts = (e.FactsChanged(), waits) if isinstance(how, str) else (how, lies)
    again = step(state, event, facts, RULES)
    assert (taking, ()) == (again.state, again.records)
    timed = replace(RULES, timeouts_seconds={"TakingAll": 20.0})
    assert frozenset({o.RunTimer("TakingAll", 1, 20.0)}) == bound(again.state, timed), "nobody is reminded"
    assert isinstance(step(again.state, e.FactsChanged(), FACTS, RULES).state, s.Thanks)


def test_nobody_decides_before_the_code_is_right_or_the_door_is_open() -> None:
    for event in (ONE, CONFIRM, CANCEL):
        assert CALLED == step(CALLED, event, FACTS, RULES).state
    open_door = replace(FACTS, panel=PanelLevel(door_open=True))
    assert CALLED == step(CALLED, ONE, open_door, RULES).state, "the door alone prints nothing"


def test_the_same_issuance_is_fetched_with_its_intent_and_the_bad_sheets_are_noted() -> None:
    done = step(ADMITTED, ONE, FACTS, RULES)
    assert (DESTROYED, r.ReprintIntended(B, ORDER, 1)) == done.records
    assert (o.FetchAgain(B, ORDER, 1),) == done.orders


@pytest.mark.parametrize(
    "event",
    [
        e.DocumentPrepared(300, 1, 2, "0" * 64),
        e.DocumentPrepared(300, 1, 4, "f" * 64),
        e.DocumentPrepared(600, 1, 2, "f" * 64),
        e.DocumentRefused(),
        e.MunicipalityRefused(Refusal.REPRINT_REFUSED),
    ],
)
def test_anything_but_the_very_same_issuance_is_never_printed(event: e.Event) -> None:
    refetching = s.Refetching(replace(ADMITTED, attempt=1, destroyed=True))
    done = step(refetching, event, FACTS, RULES)
    assert replace(refetching.attending, refused=True) == done.state
    assert () == done.records
    assert replace(FACTS.printer, reasons=frozenset()) == FACTS.printer
    assert done.state == step(done.state, ONE, FACTS, RULES).state, "asking again changes nothing"


def test_a_wrong_code_is_written_down_and_the_right_one_begins_the_visit() -> None:
    checking = s.CheckingStaffCode(CALLED)
    wrong = step(checking, e.StaffUnknown(), FACTS, RULES)
    assert (s.EnteringStaffCode(CALLED, wrong=True), (r.StaffRefused(""),)) == (wrong.state, wrong.records)
    right = step(checking, e.StaffKnown(), FACTS, RULES)
    assert (ADMITTED, COMPLAINED) == (right.state, right.records)


def test_staff_who_go_away_leave_the_door_shut() -> None:
    assert isinstance(step(ADMITTED, e.TimedOut(), FACTS, RULES).state, s.TakingAll | s.Thanks)
    owing = replace(ADMITTED, destroyed=True)
    assert replace(owing, admitted=False) == step(owing, e.TimedOut(), FACTS, RULES).state


def test_a_power_cut_keeps_a_complaint_open_once_the_sheets_are_destroyed() -> None:
    assert isinstance(recover((*SOLD, *COMPLAINED)).state, s.TakingAll)
    intended = (*SOLD, *COMPLAINED, DESTROYED, r.ReprintIntended(B, ORDER, 1))
    assert replace(CALLED, pages_out=0, attempt=1, destroyed=True) == recover(intended).state
    printing = recover((*intended, r.PrintIntended(B, ORDER, "cert-b-1", 2)))
    assert (o.FollowPrint(B, "cert-b-1", 2),) == printing.orders


def test_the_municipality_hears_of_each_reprint_and_of_a_fee_that_is_none() -> None:
    again = (*COMPLAINED, r.ReprintIntended(B, ORDER, 1), r.PrintEnded(B, ORDER, Certainty.UNKNOWN, 1))
    back = (
        r.FeeReturned(B, ORDER, KIND, 1, 300),
        r.PayoutEnded(B, ORDER, s.PayoutPurpose.REFUND, 300, 0),
    )
    assert (
        Tell(ORDER, Subject.RESULT, Certainty.DONE, 2),
        Tell(ORDER, Subject.REPRINT, Certainty.UNKNOWN, 1, attempt=1),
        Tell(ORDER, Subject.REFUND, back_yen=300, defect=True),
    ) == Telling((*SOLD, *again, *back)).pending


def test_guessing_gets_a_try_an_hour_and_a_restart_gives_none_back() -> None:
    mistakes = Mistakes(SHIPPED_RULE, STAFF)
    for n in range(8):
        mistakes.enter(r.StaffRefused(""), NOON + timedelta(seconds=n))
    lockout = mistakes.row(NOON + timedelta(minutes=1))
    assert (8, 3600.0) == (lockout.strikes, wait_seconds(lockout.strikes, SHIPPED_RULE))
    assert 0 == after(lockout, r.StaffAdmitted(B), NOON, SHIPPED_RULE, STAFF).strikes
    a_year = 8 + 365 * 86_400 / 3600.0
    assert a_year / 10**CODE_DIGITS < 0.0001


def test_a_reprint_that_comes_whole_decides_a_print_nobody_could_prove() -> None:
    unproven = (*SOLD[:5], r.PrintEnded(A, ORDER, Certainty.UNKNOWN, 1))
    again = (r.SheetsDestroyed(A, ORDER), r.ReprintIntended(A, ORDER, 1))
    told = Telling((*unproven, *again, r.PrintEnded(A, ORDER, Certainty.DONE, 2))).pending
    assert (
        Tell(ORDER, Subject.RESULT, Certainty.UNKNOWN, 1),
        Tell(ORDER, Subject.REPRINT, Certainty.DONE, 2, attempt=1),
        Tell(ORDER, Subject.DECISION, Certainty.DONE),
    ) == tuple(told)


@pytest.mark.parametrize("state", [CALLED, s.Printing(B, PURCHASE, 0, "R-1", sold=True)])
def test_a_coin_after_the_sale_is_nobodys_payment(state: s.Attending | s.Printing) -> None:
    done = step(state, e.CoinInserted(100, 7, 1), FACTS, RULES)
    assert state == done.state
    assert (r.CoinUnclaimed(100, 7, 1),) == done.records


@pytest.mark.parametrize(
    "state", [s.EnteringStaffCode(CALLED), s.CheckingStaffCode(CALLED), s.Refetching(ADMITTED)]
)
def test_a_machine_whose_staff_are_at_work_holds_no_money_of_a_sale(state: s.State) -> None:
    assert (B, 0) == held_in(state)


def test_staff_who_find_the_sheets_good_leave_the_sale_as_it_is() -> None:
    done = step(ADMITTED, CONFIRM, FACTS, RULES)
    assert isinstance(done.state, s.Thanks)
    assert (r.VisitEnded(B, None),) == done.records


def test_a_fee_that_goes_back_is_a_fee_no_more_and_the_bad_sheets_are_noted() -> None:
    done = step(ADMITTED, CANCEL, FACTS, RULES)
    assert (DESTROYED, r.FeeReturned(B, ORDER, KIND, 1, 300)) == done.records[:2]
    assert [300, -300] == [one.fee_yen for one in ledger((*SOLD, *done.records)).visits.values()]


def test_staff_who_are_called_to_an_unproven_print_may_type_their_code() -> None:
    unproven = s.Attending(B, PURCHASE, 500, "R-1", 1)
    assert s.EnteringStaffCode(unproven) == step(unproven, CORRECT, FACTS, RULES).state


def test_the_very_same_issuance_is_printed_again_and_ends_the_visit_when_it_is_proven() -> None:
    again = replace(ADMITTED, attempt=1)
    printing = step(s.Refetching(again), e.DocumentPrepared(300, 1, 2, "f" * 64), FACTS, RULES)
    assert (r.PrintIntended(B, ORDER, f"cert-{B[:16]}-1", 2),) == printing.records
    ended = step(printing.state, e.PrintFinished(Certainty.DONE, 2), FACTS, RULES)
    assert (r.PrintEnded(B, ORDER, Certainty.DONE, 2), r.VisitEnded(B, None)) == ended.records


TOO_FEW = replace(FACTS, printer=DocumentPrinterLevel(frozenset(), LOW, most_sheets=0))
JUST_ENOUGH = replace(FACTS, printer=DocumentPrinterLevel(frozenset(), LOW, most_sheets=1))


@pytest.mark.parametrize(
    ("admitted", "reason"),
    [
        (ADMITTED, "defect"),
        (s.Attending(B, PURCHASE, 500, "R-1", 1, admitted=True), "print_unknown"),
    ],
)
def test_sheets_that_would_not_suffice_are_never_begun_again_and_staff_are_told_to_refill(
    admitted: s.Attending, reason: str
) -> None:
    assert admitted == step(admitted, ONE, TOO_FEW, RULES).state
    told = screen_of(admitted, TOO_FEW, RULES)
    assert (f"{reason}_refused", ()) == (told.reason, told.choices)
    assert Row("row.supplies", ("supply.media-low",)) in told.rows

    assert isinstance(step(admitted, ONE, JUST_ENOUGH, RULES).state, s.Refetching)
    offered = screen_of(admitted, JUST_ENOUGH, RULES)
    assert (f"{reason}_admitted", 1, 1) == (offered.reason, len(offered.choices), len(offered.rows))


@pytest.mark.parametrize("facts", [TOO_FEW, replace(FACTS, printer=DocumentPrinterLevel())])
def test_a_printer_that_came_to_less_while_it_was_fetched_begins_nothing_and_may_be_asked_again(
    facts: Facts,
) -> None:
    again = replace(ADMITTED, attempt=1, destroyed=True)
    kept = step(s.Refetching(again), e.DocumentPrepared(300, 1, 2, "f" * 64), facts, RULES)
    assert (again, ()) == (kept.state, kept.records)
    asked = step(kept.state, ONE, FACTS, RULES)
    assert (o.FetchAgain(B, ORDER, 2),) == asked.orders

"""The ways of one visit's money, step by step: what is recorded, what is ordered, who owns every yen."""

from dataclasses import dataclass, field, replace

import pytest

from firmware.core import events as e
from firmware.core import orders as o
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.facts import (
    AcceptorLevel,
    ClockLevel,
    DocumentPrinterLevel,
    Facts,
    HopperLevel,
    PanelLevel,
    ReaderLevel,
    StaffLevel,
)
from firmware.core.money import ledger
from firmware.core.paying import held_in, job_name, may_keep, may_refund
from firmware.core.recovery import recover
from firmware.core.rules import WITHDRAWN_CODES, Rules
from firmware.core.screens import Row
from firmware.core.session import bound, step
from firmware.core.storyboard import screen_of
from firmware.core.terms import (
    Certainty,
    CertificateKind,
    KeypadKey,
    Language,
    OrderId,
    PrinterReason,
    Refusal,
    ServiceHours,
    Subjects,
    VisitId,
    Yen,
)

VISIT = VisitId("ab12cd34" + "0" * 24)
ORDER = OrderId(f"{VISIT}-1")
PURCHASE = s.Purchase(ORDER, CertificateKind.INKAN, Subjects.SELF, frozenset(), 1, 300, sheets=1, pages=2)
RULES = Rules(
    timeouts_seconds={},
    denominations_yen=frozenset({100, 500}),
    minimum_change_coins={3: 3},
    withdrawn_codes=WITHDRAWN_CODES,
    most_alarms=1,
    most_copies=9,
    languages=(Language.JA, Language.EN),
)
HUNDREDS = HopperLevel(3, working=True, coins=20, coin_yen=100, life_count=40)
FIFTIES = HopperLevel(4, working=True, coins=20, coin_yen=50, life_count=70)
FACTS = Facts(
    VisitId("f" * 32),
    acceptor=AcceptorLevel(working=True),
    hoppers=(HUNDREDS,),
    printer=DocumentPrinterLevel(frozenset()),
    clock=ClockLevel(trusted=True, hours=ServiceHours.OPEN),
)
TOO_FEW = DocumentPrinterLevel(frozenset(), most_sheets=0)
JAMMED = DocumentPrinterLevel(frozenset({PrinterReason.MEDIA_JAM}))
CONFIRM, CANCEL = e.KeyPressed(KeypadKey.CONFIRM), e.KeyPressed(KeypadKey.CANCEL)
STOP = (CANCEL, CONFIRM)
"""取消, and yes to the question."""

DIGIT = e.KeyPressed(KeypadKey.DIGIT_5)
SHUT = e.CoinsClosed(7, 9)
DONE, NOT_DONE, UNKNOWN = Certainty
PAID, NOT_PAID, IN_DOUBT = (e.CoinPaid(certainty) for certainty in Certainty)
PRINTED = e.PrintFinished(DONE, 2)
RELEASED = e.IssueReleased("R-1")
SLIP = e.SlipFinished(DONE)


def coin(yen: Yen) -> e.CoinInserted:
    return e.CoinInserted(yen, 7, 9)


@dataclass
class Visit:
    """The engine with one visit in it, and all it has written and ordered since."""

    state: s.State = field(default_factory=lambda: s.CollectingCoins(VISIT, PURCHASE, exact=False))
    facts: Facts = FACTS
    records: list[r.Record] = field(default_factory=list)
    orders: list[o.Order] = field(default_factory=list)

    def goes(self, *events: e.Event) -> "Visit":
        for event in events:
            done = step(self.state, event, self.facts, RULES)
            self.state = done.state
            self.records += done.records
            self.orders += done.orders
        return self

    def kinds(self) -> list[str]:
        return [type(record).__name__ for record in self.records]

    def owns(self) -> tuple[Yen, Yen, Yen, Yen]:
        """Taken, fee, paid back, owed; nothing else may be held."""
        books = ledger(self.records)
        assert books.faults() == ()
        assert 0 == books.held_yen
        return books.taken_yen, books.fees_yen, books.paid_out_yen, books.claims_yen


BOUGHT = (coin(500), CONFIRM, SHUT, RELEASED, e.PagesOut(1), PRINTED)


def test_a_sale_with_change_is_written_down_step_by_step() -> None:
    visit = Visit().goes(*BOUGHT, PAID, PAID, SLIP)
    assert [
        r.CoinTaken(VISIT, 500, 7, 9),
        r.SlotShut(VISIT, 7, 9),
        r.IssueIntended(VISIT, ORDER, 300),
        r.IssueCommitted(VISIT, ORDER, "R-1"),
        r.PrintIntended(VISIT, ORDER, job_name(VISIT), 2),
        r.PrintEnded(VISIT, ORDER, DONE, 2),
        r.FeeEarned(VISIT, ORDER, 300),
        r.PayoutBegan(VISIT, s.PayoutPurpose.CHANGE, 200, None),
        r.CoinPayIntended(VISIT, 3, 100, 40),
        r.CoinPayEnded(VISIT, 3, 100, DONE),
        r.CoinPayIntended(VISIT, 3, 100, 40),
        r.CoinPayEnded(VISIT, 3, 100, DONE),
        r.PayoutEnded(VISIT, ORDER, s.PayoutPurpose.CHANGE, 200, 0),
        r.SlipEnded(VISIT, s.Slip.RECEIPT, DONE),
        r.VisitEnded(VISIT, None),
    ] == visit.records
    assert (500, 300, 200, 0) == visit.owns()
    assert s.Thanks(VISIT, PURCHASE, 200, 0) == visit.state


def test_a_sale_for_the_exact_fee_pays_nothing_back() -> None:
    visit = Visit().goes(coin(100), coin(100), coin(100), CONFIRM, SHUT, RELEASED, PRINTED, SLIP)
    assert (300, 300, 0, 0) == visit.owns()
    assert not any(isinstance(order, o.PayCoin) for order in visit.orders)


def test_a_receipt_that_did_not_come_out_is_not_promised() -> None:
    visit = Visit().goes(*BOUGHT, PAID, PAID, e.SlipFinished(UNKNOWN))
    assert s.Thanks(VISIT, PURCHASE, 200, 0, receipt_out=False) == visit.state


@pytest.mark.parametrize(
    ("events", "facts", "reason"),
    [
        (STOP, FACTS, s.EndReason.CANCELLED),
        ((e.TimedOut(), e.TimedOut()), FACTS, s.EndReason.TIMED_OUT),
        ((e.FactsChanged(),), replace(FACTS, panel=PanelLevel(door_open=True)), s.EndReason.DOOR_OPENED),
        ((e.FactsChanged(),), replace(FACTS, panel=PanelLevel(paper_in_tray=True)), s.EndReason.PAPER_LEFT),
        ((e.FactsChanged(),), replace(FACTS, acceptor=AcceptorLevel()), s.EndReason.COIN_FAULT),
        ((e.FactsChanged(),), replace(FACTS, printer=JAMMED), s.EndReason.PRINTER_NOT_READY),
        ((e.FactsChanged(),), replace(FACTS, printer=TOO_FEW), s.EndReason.TOO_FEW_SHEETS),
        (
            (e.FactsChanged(),),
            replace(FACTS, clock=ClockLevel(True, ServiceHours.CLOSED)),
            s.EndReason.OUTSIDE_HOURS,
        ),
    ],
)
def test_what_ends_the_payment_gives_every_coin_back(
    events: tuple[e.Event, ...], facts: Facts, reason: s.EndReason
) -> None:
    visit = Visit().goes(coin(100), coin(100))
    visit.facts = facts
    closing = visit.goes(*events).state
    assert s.ClosingCoins(VISIT, PURCHASE, 200, reason) == closing
    visit.goes(SHUT, PAID, PAID)
    assert s.Ended(VISIT, reason, back_yen=200) == visit.state
    assert (200, 0, 200, 0) == visit.owns()


def test_the_whole_sum_goes_back_not_only_the_fee() -> None:
    visit = Visit().goes(coin(500), *STOP, SHUT, *[PAID] * 5)
    assert (500, 0, 500, 0) == visit.owns()


def test_a_time_out_with_the_fee_paid_buys_nothing() -> None:
    timed_out = Visit().goes(coin(500), e.TimedOut(), e.TimedOut()).state
    assert s.EndReason.TIMED_OUT == timed_out.refund  # type: ignore[union-attr]


def test_who_has_paid_before_the_hours_end_may_still_print() -> None:
    visit = Visit().goes(coin(500))
    visit.facts = replace(FACTS, clock=ClockLevel(True, ServiceHours.CLOSED))
    assert isinstance(visit.goes(e.FactsChanged()).state, s.CollectingCoins)


def test_a_visit_without_a_coin_ends_without_a_payout() -> None:
    visit = Visit().goes(*STOP, SHUT)
    assert ["SlotShut", "VisitEnded"] == visit.kinds()


@pytest.mark.parametrize("key", [CONFIRM, DIGIT])
def test_keys_that_mean_nothing_yet_change_nothing(key: e.KeyPressed) -> None:
    visit = Visit().goes(coin(100))
    before = visit.state
    assert before == visit.goes(key).state


def test_an_acceptor_that_was_never_heard_leaves_no_mark() -> None:
    assert "SlotShut" not in Visit().goes(coin(100), *STOP, e.CoinsClosed()).kinds()


def test_a_slot_that_does_not_say_it_is_shut_ends_by_time() -> None:
    visit = Visit().goes(coin(100), *STOP, e.TimedOut(), PAID)
    assert (100, 0, 100, 0) == visit.owns()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (replace(FACTS, panel=PanelLevel(door_open=True)), s.EndReason.DOOR_OPENED),
        (replace(FACTS, panel=PanelLevel(paper_in_tray=True)), s.EndReason.PAPER_LEFT),
        (replace(FACTS, printer=JAMMED), s.EndReason.PRINTER_NOT_READY),
        (replace(FACTS, printer=TOO_FEW), s.EndReason.TOO_FEW_SHEETS),
    ],
)
def test_the_last_look_before_the_commit_still_gives_back(facts: Facts, reason: s.EndReason) -> None:
    visit = Visit().goes(coin(500), CONFIRM)
    visit.facts = facts
    visit.goes(SHUT, *[PAID] * 5)
    assert "IssueIntended" not in visit.kinds()
    assert s.Ended(VISIT, reason, back_yen=500) == visit.state


@pytest.mark.parametrize(
    ("answer", "certainty"),
    [
        (e.MunicipalityRefused(Refusal.MAINTENANCE), NOT_DONE),
        (e.MunicipalityFailed(NOT_DONE), NOT_DONE),
        (e.MunicipalityFailed(UNKNOWN), UNKNOWN),
    ],
)
def test_without_a_release_everything_goes_back(answer: e.Event, certainty: Certainty) -> None:
    visit = Visit().goes(coin(500), CONFIRM, SHUT, answer, *[PAID] * 5)
    assert r.IssueFailed(VISIT, ORDER, certainty) in visit.records
    assert (500, 0, 500, 0) == visit.owns()


def test_a_print_that_failed_for_sure_gives_everything_back() -> None:
    visit = Visit().goes(*BOUGHT[:-1], e.PrintFinished(NOT_DONE, 0), *[PAID] * 5)
    assert (500, 0, 500, 0) == visit.owns()
    assert s.Ended(VISIT, s.EndReason.PRINT_FAILED, back_yen=500) == visit.state


ATTENDING = s.Attending(VISIT, PURCHASE, 500, "R-1", pages_out=1)
OPEN_DOOR = replace(FACTS, panel=PanelLevel(door_open=True))
SILENT = replace(OPEN_DOOR, printer=DocumentPrinterLevel())
HOLDS_JOB = replace(OPEN_DOOR, printer=DocumentPrinterLevel(frozenset({PrinterReason.JOBS_WAITING})))


def test_a_print_nobody_can_prove_waits_for_staff() -> None:
    visit = Visit().goes(*BOUGHT[:-1], e.PrintFinished(UNKNOWN, 1))
    assert ATTENDING == visit.state
    assert o.Sound(o.Alarm.ALARM) in visit.orders


@pytest.mark.parametrize(
    ("facts", "key"),
    [
        (FACTS, CONFIRM),
        (FACTS, CANCEL),
        (OPEN_DOOR, DIGIT),
        (HOLDS_JOB, CANCEL),
        (SILENT, CANCEL),
        (HOLDS_JOB, CONFIRM),
        (SILENT, CONFIRM),
    ],
)
def test_nobody_else_settles_a_doubtful_print(facts: Facts, key: e.KeyPressed) -> None:
    assert [] == Visit(ATTENDING, facts).goes(key).records


@pytest.mark.parametrize("held", [HOLDS_JOB, SILENT])
def test_no_sheet_that_comes_later_is_left_to_nobody(held: Facts) -> None:
    """Whatever staff say, the visit ends when the printer is proven empty, and not before."""
    for reprinted in (ATTENDING, replace(ATTENDING, sold=True, attempt=1, destroyed=True)):
        visit = Visit(reprinted, held).goes(CONFIRM)
        assert ([], reprinted) == (visit.records, visit.state)
        assert screen_of(reprinted, held, RULES).legend.confirm is None
        visit.facts = OPEN_DOOR
        assert visit.goes(CONFIRM).state != reprinted


DEAD = replace(
    OPEN_DOOR,
    printer=DocumentPrinterLevel(
        frozenset({PrinterReason.UNREACHABLE, PrinterReason.JOBS_WAITING}), dead=True
    ),
)


def test_an_answer_at_the_console_is_the_key_at_the_machine_for_that_visit_alone() -> None:
    at_the_machine = Visit(ATTENDING, OPEN_DOOR).goes(CANCEL).records
    assert at_the_machine == Visit(ATTENDING, OPEN_DOOR).goes(e.ConsoleKey(VISIT, KeypadKey.CANCEL)).records
    other = Visit(ATTENDING, OPEN_DOOR).goes(e.ConsoleKey(VisitId("f" * 32), KeypadKey.CANCEL))
    assert (ATTENDING, []) == (other.state, other.records)


SAY_OFF = e.KeyPressed(KeypadKey.DIGIT_2)
OFF = r.PrinterOff(VISIT, ORDER)
COMPLAINT = replace(ATTENDING, paid_yen=0, sold=True, admitted=True)


@pytest.mark.parametrize(
    ("key", "printed", "owns"), [(CONFIRM, True, (500, 300, 200, 0)), (CANCEL, False, (500, 0, 500, 0))]
)
def test_a_dead_printer_that_staff_have_switched_off_keeps_nobodys_money_inside(
    key: e.KeyPressed, printed: bool, owns: tuple[Yen, ...]
) -> None:
    visit = Visit(ATTENDING, DEAD, [r.CoinTaken(VISIT, 500, 7, 9)])
    assert (ATTENDING, 1) == (visit.goes(key).state, len(visit.records)), "nobody has said that it is off"
    visit.goes(SAY_OFF, SAY_OFF, key, *[PAID] * 5, SLIP)
    assert [OFF, r.StaffDecided(VISIT, ORDER, printed)] == visit.records[1:3]
    assert owns == visit.owns()


@pytest.mark.parametrize("facts", [HOLDS_JOB, SILENT, OPEN_DOOR, replace(DEAD, panel=PanelLevel())])
def test_only_of_a_dead_printer_and_at_the_open_door_staff_can_say_that_it_is_off(facts: Facts) -> None:
    for attending in (ATTENDING, replace(ATTENDING, admitted=True)):
        visit = Visit(attending, facts).goes(SAY_OFF)
        assert (attending, []) == (visit.state, visit.records)


@pytest.mark.parametrize("back", [HOLDS_JOB, SILENT])
def test_what_staff_said_of_a_dead_printer_holds_no_more_once_it_shows_itself(back: Facts) -> None:
    visit = Visit(ATTENDING, DEAD).goes(SAY_OFF)
    visit.facts = back
    assert ATTENDING == visit.goes(CONFIRM, CANCEL, e.FactsChanged()).state
    visit.facts = DEAD
    assert [OFF] == visit.goes(CONFIRM, CANCEL).records, "it is dead again, and nobody has looked since"


def test_after_a_power_cut_staff_say_again_that_the_printer_is_off() -> None:
    print_ended = r.PrintEnded(VISIT, ORDER, UNKNOWN, 1)
    records = (r.VisitBegan(VISIT), r.PrintIntended(VISIT, ORDER, "cert-a", 2), print_ended, OFF)
    recovered = recover(records)
    assert isinstance(recovered.state, s.Attending)
    assert not recovered.state.printer_off
    assert (o.CancelPrint(VISIT, "cert-a"),) == recovered.orders


def test_whoever_has_no_key_settles_nothing_that_staff_have_said_off() -> None:
    visit = Visit(replace(ATTENDING, printer_off=True), replace(DEAD, panel=PanelLevel()))
    assert [] == visit.goes(CONFIRM, CANCEL).records


def test_a_fee_goes_back_for_a_bad_print_whose_printer_has_died_since() -> None:
    visit = Visit(COMPLAINT, DEAD, [r.CoinTaken(VISIT, 300, 7, 9), r.FeeEarned(VISIT, ORDER, 300)])
    visit.goes(CANCEL)
    assert COMPLAINT == visit.state
    visit.goes(SAY_OFF, CANCEL, *[PAID] * 3)
    assert (300, 0, 300, 0) == visit.owns()


ATTENDED = (
    *(ATTENDING, COMPLAINT, replace(COMPLAINT, attempt=1, destroyed=True)),
    replace(COMPLAINT, attempt=1, destroyed=True, admitted=False),
)
PRINTERS = (FACTS.printer, JAMMED, TOO_FEW, HOLDS_JOB.printer, SILENT.printer, DEAD.printer)


@pytest.mark.parametrize("state", ATTENDED)
@pytest.mark.parametrize("printer", PRINTERS)
@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("code", [True, False])
@pytest.mark.parametrize("off", [True, False])
def test_staff_are_offered_every_key_that_is_taken_and_no_other(
    state: s.Attending, printer: DocumentPrinterLevel, is_open: bool, code: bool, off: bool
) -> None:
    state = replace(state, admitted=state.admitted and code, printer_off=off and printer.dead)
    panel = PanelLevel(door_open=is_open)
    facts = replace(FACTS, printer=printer, panel=panel, staff=StaffLevel(8 if code else 0))
    screen = screen_of(state, facts, RULES)
    legend = screen.legend
    offered = {KeypadKey(str(choice.digit)) for choice in screen.choices} | {
        key
        for key, label in (
            (KeypadKey.CONFIRM, legend.confirm),
            (KeypadKey.CANCEL, legend.cancel),
            (KeypadKey.CORRECT, legend.correct),
        )
        if label is not None
    }
    taken = {key for key in KeypadKey if step(state, e.KeyPressed(key), facts, RULES).state != state}
    assert taken == offered
    settles = may_keep(state, facts) or may_refund(state, facts)
    assert settles is (screen.reason not in {"print_waits", "printer_dead"}), screen.reason


@pytest.mark.parametrize("facts", [OPEN_DOOR, HOLDS_JOB, SILENT])
def test_a_complaint_of_sheets_that_all_came_out_ends_whatever_the_printer_does(facts: Facts) -> None:
    complaint = replace(ATTENDING, paid_yen=0, sold=True, admitted=True)
    assert isinstance(Visit(complaint, facts).goes(CONFIRM).state, s.TakingAll | s.Thanks)


def test_staff_who_found_the_paper_keep_the_fee() -> None:
    visit = Visit(ATTENDING, OPEN_DOOR, [r.CoinTaken(VISIT, 500, 7, 9)]).goes(CONFIRM, PAID, PAID, SLIP)
    assert r.StaffDecided(VISIT, ORDER, printed=True) in visit.records
    assert (500, 300, 200, 0) == visit.owns()


def test_staff_who_found_no_paper_give_everything_back() -> None:
    visit = Visit(ATTENDING, OPEN_DOOR, [r.CoinTaken(VISIT, 500, 7, 9)]).goes(CANCEL, *[PAID] * 5)
    assert r.StaffDecided(VISIT, ORDER, printed=False) in visit.records
    assert (500, 0, 500, 0) == visit.owns()


def test_a_coin_that_comes_while_money_goes_back_goes_back_too() -> None:
    visit = Visit().goes(coin(100), *STOP, SHUT, coin(100), PAID, PAID)
    assert (200, 0, 200, 0) == visit.owns()


def test_after_a_doubtful_coin_everything_left_is_owed_and_no_more_paid() -> None:
    visit = Visit().goes(coin(500), *STOP, SHUT, PAID, IN_DOUBT, SLIP)
    assert 2 == sum(isinstance(order, o.PayCoin) for order in visit.orders)
    assert r.ClaimOpened(VISIT, "AB12-CD34", 400) in visit.records
    assert (500, 0, 100, 400) == visit.owns()
    assert s.Ended(VISIT, s.EndReason.CANCELLED, back_yen=100, owed_yen=400) == visit.state


def test_a_claim_without_a_slip_is_shown_long_enough_to_write_its_number_down() -> None:
    visit = Visit().goes(coin(500), *STOP, SHUT, PAID, IN_DOUBT, e.SlipFinished(NOT_DONE))
    ended = s.Ended(VISIT, s.EndReason.CANCELLED, back_yen=100, owed_yen=400, slip_out=False)
    assert ended == visit.state
    rules = replace(RULES, timeouts_seconds={"Ended": 10.0})
    [timer] = bound(ended, rules)
    assert o.RunTimer("Ended", 0, 60.0) == timer
    assert Row("row.write_down", (), text="AB12-CD34") in screen_of(ended, FACTS, rules).rows
    assert o.RunTimer("Ended", 0, 10.0) in bound(replace(ended, slip_out=True), rules)


def test_a_hopper_that_pays_nothing_is_asked_once_and_the_next_goes_on() -> None:
    visit = Visit(facts=replace(FACTS, hoppers=(HUNDREDS, FIFTIES)))
    visit.goes(coin(100), *STOP, SHUT, NOT_PAID, PAID, PAID)
    assert [3, 4, 4] == [order.hopper for order in visit.orders if isinstance(order, o.PayCoin)]
    assert (100, 0, 100, 0) == visit.owns()


def test_what_no_hopper_pays_is_owed_by_a_claim_slip_before_the_receipt() -> None:
    visit = Visit().goes(*BOUGHT, NOT_PAID)
    assert s.Slip.CLAIM == visit.orders[-1].slip  # type: ignore[union-attr]
    visit.goes(SLIP)
    assert s.Slip.RECEIPT == visit.orders[-1].slip  # type: ignore[union-attr]
    visit.goes(SLIP)
    assert (500, 300, 0, 200) == visit.owns()


def test_a_hopper_that_turns_out_empty_is_written_down_with_what_should_lie_there() -> None:
    visit = Visit().goes(coin(100), *STOP, SHUT)
    visit.facts = FACTS.with_level(replace(HUNDREDS, coins=0))
    visit.goes(NOT_PAID)
    assert r.HopperFoundEmpty(VISIT, 3, 20) in visit.records


def test_the_last_coin_of_a_hopper_is_no_surprise() -> None:
    visit = Visit(facts=FACTS.with_level(replace(HUNDREDS, coins=1))).goes(coin(100), *STOP, SHUT)
    visit.facts = FACTS.with_level(replace(HUNDREDS, coins=0))
    assert "HopperFoundEmpty" not in visit.goes(PAID).kinds()


def test_a_coin_reconciled_as_not_paid_is_asked_of_the_same_hopper_again() -> None:
    paying = s.PayingOut(
        VISIT,
        PURCHASE,
        s.PayoutPurpose.REFUND,
        100,
        100,
        reason=s.EndReason.POWER_CUT,
        coin=s.CoinOnItsWay(3, 100, None),
    )
    visit = Visit(paying, records=[r.CoinTaken(VISIT, 100, 7, 9)]).goes(NOT_PAID, PAID)
    assert (100, 0, 100, 0) == visit.owns()


def test_an_answer_for_no_coin_changes_nothing() -> None:
    paying = s.PayingOut(VISIT, PURCHASE, s.PayoutPurpose.REFUND, 100, 100, reason=s.EndReason.CANCELLED)
    visit = Visit(paying).goes(PAID)
    assert (paying, []) == (visit.state, visit.records)


PREPARING = s.Preparing(VISIT, PURCHASE)
PREPARED = e.DocumentPrepared(300, 1, 2)


@pytest.mark.parametrize(
    ("event", "facts", "state"),
    [
        (e.DocumentPrepared(310, 1, 2), FACTS, s.Ended(VISIT, s.EndReason.DOCUMENT_REFUSED)),
        (
            PREPARED,
            replace(FACTS, panel=PanelLevel(paper_in_tray=True)),
            s.Ended(VISIT, s.EndReason.PAPER_LEFT),
        ),
        (PREPARED, replace(FACTS, printer=JAMMED), s.Ended(VISIT, s.EndReason.PRINTER_NOT_READY)),
        (PREPARED, replace(FACTS, printer=TOO_FEW), s.Ended(VISIT, s.EndReason.TOO_FEW_SHEETS)),
        (PREPARED, replace(FACTS, hoppers=()), s.Ended(VISIT, s.EndReason.NO_CHANGE)),
        (
            PREPARED,
            FACTS.with_level(replace(HUNDREDS, coins=3)),
            s.CollectingCoins(VISIT, PURCHASE, exact=True),
        ),
        (PREPARED, FACTS, s.CollectingCoins(VISIT, PURCHASE, exact=False)),
    ],
)
def test_what_could_go_wrong_is_looked_at_before_the_first_coin(
    event: e.Event, facts: Facts, state: s.State
) -> None:
    assert state == Visit(PREPARING, facts).goes(event).state


LEFT = replace(FACTS, panel=PanelLevel(paper_in_tray=True))
TAKING = s.TakingAll(VISIT, PURCHASE, 200, 0)
THANKS = s.Thanks(VISIT, PURCHASE, 200, 0)


@pytest.mark.parametrize(
    ("state", "facts", "event", "after"),
    [
        (TAKING, LEFT, e.TimedOut(), replace(TAKING, alarms=1)),
        (replace(TAKING, alarms=1), LEFT, e.TimedOut(), s.NotServing()),
        (TAKING, FACTS, e.FactsChanged(), THANKS),
        (THANKS, LEFT, e.FactsChanged(), TAKING),
        (THANKS, FACTS, DIGIT, THANKS),
    ],
)
def test_paper_left_behind_keeps_the_kiosk(
    state: s.State, facts: Facts, event: e.Event, after: s.State
) -> None:
    assert after == Visit(state, facts).goes(event).state


ENDED = s.Ended(VISIT, s.EndReason.CANCELLED, back_yen=100)
FORGOTTEN = replace(FACTS, reader=ReaderLevel(working=True, card_present=True))


@pytest.mark.parametrize("event", [CONFIRM, e.TimedOut()])
def test_a_card_left_behind_is_called_for_in_turn(event: e.Event) -> None:
    visit = Visit(ENDED, FORGOTTEN)
    assert [1, 2, 1] == [visit.goes(event).state.alarms for _ in range(3)]  # type: ignore[union-attr]


@pytest.mark.parametrize("state", [THANKS, ENDED])
def test_a_person_who_has_taken_everything_may_leave_at_once(state: s.State) -> None:
    visit = Visit(state).goes(CONFIRM)
    assert isinstance(visit.state, s.Idle | s.NotServing)
    assert [o.Speak(Language.JA)] == visit.orders


def test_other_keys_end_nothing() -> None:
    assert ENDED == Visit(ENDED).goes(DIGIT).state


def test_once_reminded_a_person_is_done_when_the_card_is_taken() -> None:
    assert not isinstance(Visit(replace(ENDED, alarms=1)).goes(e.FactsChanged()).state, s.Ended)


PAYING = s.PayingOut(VISIT, PURCHASE, s.PayoutPurpose.REFUND, 500, 400)


@pytest.mark.parametrize(
    ("state", "held"),
    [
        (s.Idle(), ("", 0)),
        (s.CollectingCoins(VISIT, PURCHASE, exact=False, paid_yen=200), (VISIT, 200)),
        (s.ClosingCoins(VISIT, PURCHASE, 200), (VISIT, 200)),
        (s.Committing(VISIT, PURCHASE, 500), (VISIT, 500)),
        (s.Printing(VISIT, PURCHASE, 500, "R-1"), (VISIT, 500)),
        (ATTENDING, (VISIT, 500)),
        (PAYING, (VISIT, 400)),
        (replace(PAYING, coin=s.CoinOnItsWay(3, 100, 9)), (VISIT, None)),
        (TAKING, (VISIT, 0)),
        (replace(ENDED, owed_yen=300), (VISIT, 300)),
        (s.PrintingSlip(VISIT, PURCHASE, (s.Slip.CLAIM,), 500, 0, 500, "", None), (VISIT, 500)),
    ],
)
def test_what_the_machine_holds_of_a_visit(state: s.State, held: tuple[VisitId, Yen | None]) -> None:
    assert held == held_in(state)


@pytest.mark.parametrize("state", [s.Idle(), THANKS, PREPARING])
def test_a_coin_nobody_was_asked_for_is_kept_apart(state: s.State) -> None:
    visit = Visit(state).goes(coin(500))
    assert [r.CoinUnclaimed(500, 7, 9)] == visit.records
    assert 500 == ledger(visit.records).unclaimed_yen


def test_where_the_acceptor_stands_is_written_down_before_its_slot_opens() -> None:
    visit = Visit(PREPARING).goes(replace(PREPARED, serial=7, counter=9, pairs="0301"))
    assert r.SlotOpened(VISIT, 7, 9, "0301") == visit.records[-1]
    assert ["OrderReserved", "SlotOpened"] == visit.kinds()


@pytest.mark.parametrize("state", [s.Idle(), s.NotServing()])
def test_a_slot_of_which_only_now_is_heard_is_shut_outside_a_visit(state: s.State) -> None:
    done = step(state, e.CoinsClosed(7, 9, "0301"), FACTS, RULES)
    assert (r.SlotShut(VisitId(""), 7, 9, "0301"),) == done.records
    assert () == step(state, e.CoinsClosed(), FACTS, RULES).records
    silent = FACTS.with_level(AcceptorLevel(working=False))
    assert () == step(state, e.CoinsClosed(7, 9), silent, RULES).records


def test_without_an_acceptor_or_without_change_no_slot_opens() -> None:
    assert ["OrderReserved"] == Visit(PREPARING).goes(PREPARED).kinds()
    heard = replace(PREPARED, serial=7, counter=9)
    no_change = Visit(PREPARING, replace(FACTS, hoppers=())).goes(heard)
    assert "SlotOpened" not in no_change.kinds()
    silent = Visit(PREPARING, FACTS.with_level(AcceptorLevel(working=False))).goes(heard)
    assert ["OrderReserved"] == silent.kinds()


def test_an_acceptor_that_takes_all_its_coins_or_none_asks_nobody_for_exact_money() -> None:
    few = FACTS.with_level(replace(HUNDREDS, coins=3))
    done = step(PREPARING, PREPARED, few, replace(RULES, selective_acceptor=False))
    assert s.Ended(VISIT, s.EndReason.NO_CHANGE) == done.state
    plenty = step(PREPARING, PREPARED, FACTS, replace(RULES, selective_acceptor=False))
    assert s.CollectingCoins(VISIT, PURCHASE, exact=False) == plenty.state


def test_the_slot_of_a_silent_acceptor_is_not_called_shut() -> None:
    silent = FACTS.with_level(AcceptorLevel(working=False))
    visit = Visit(facts=silent).goes(coin(100), SHUT)
    assert "SlotShut" not in visit.kinds()
    assert "CoinTaken" in visit.kinds()


def test_records_of_coins_keep_the_acceptors_last_events() -> None:
    inserted = replace(coin(100), pairs="0301")
    trouble = e.CoinTrouble(1, 0, 7, 10, "0002")
    visit = Visit().goes(inserted, trouble, replace(SHUT, pairs="0003"), replace(coin(100), pairs="0004"))
    kept = [record.pairs for record in visit.records if hasattr(record, "pairs")]
    assert ["0301", "0002", "0003", "0004"] == kept
    assert r.CoinUnclaimed(100, 7, 9, "0301") == Visit(s.Idle()).goes(inserted).records[0]


def test_a_coin_is_intended_from_the_hopper_that_shall_pay_it_and_asked_of_no_other() -> None:
    facts = FACTS.with_level(replace(HUNDREDS, serial=654321))
    visit = Visit(facts=facts).goes(coin(100), *STOP, SHUT)
    intended = visit.records[-1]
    assert r.CoinPayIntended(VISIT, 3, 100, 40, 654321) == intended
    began = (r.VisitBegan(VISIT), *visit.records)
    assert (o.ReconcileCoin(VISIT, 3, 40, 654321),) == recover(began).orders

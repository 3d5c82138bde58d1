"""Cells of the table that the walk does not enter: faults of the acceptor, pages, refused kinds."""

from dataclasses import replace

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
    ReceiptPrinterLevel,
    ScreenLevel,
)
from firmware.core.paying import next_coin
from firmware.core.rules import WITHDRAWN_CODES, Rules
from firmware.core.screens import Legend, Place, Row
from firmware.core.session import step
from firmware.core.steps import Step
from firmware.core.storyboard import screen_of
from firmware.core.terms import (
    Aid,
    Certainty,
    CertificateKind,
    KeypadKey,
    Language,
    Offer,
    OrderId,
    Page,
    PrinterReason,
    PrinterSupply,
    ServiceHours,
    Subjects,
    VisitId,
)
from tests.unit.test_core_storyboard import GOOD

VISIT = VisitId("a" * 32)
FACTS = Facts(VisitId("b" * 32), acceptor=AcceptorLevel(working=True))
RULES = Rules(
    timeouts_seconds={},
    denominations_yen=frozenset({100, 500}),
    minimum_change_coins={3: 3},
    withdrawn_codes=WITHDRAWN_CODES,
    most_alarms=1,
    most_copies=9,
    languages=(Language.EN, Language.JA),
)
PURCHASE = s.Purchase(
    OrderId("a-1"), CertificateKind.INKAN, Subjects.SELF, frozenset(), 1, fee_yen=300, sheets=1, pages=3
)
MENU = s.Menu((Offer(CertificateKind.INKAN, 300, 9, household=False),), ())
LIES = replace(
    FACTS,
    clock=ClockLevel(trusted=True, hours=ServiceHours.OPEN),
    reader=ReaderLevel(working=True, card_present=True),
)
BLIND = replace(LIES, reader=ReaderLevel(working=False))
TROUBLE = e.CoinTrouble(lost=2, code=254, serial=7, counter=9)
OPEN = ClockLevel(trusted=True, hours=ServiceHours.OPEN)
BEEP = (o.Sound(o.Alarm.ATTENTION),)


@pytest.mark.parametrize("state", [s.AwaitingCard(VISIT), s.TakingCard(VISIT, MENU)])
def test_a_reader_that_is_gone_neither_misses_a_card_nor_sees_it_taken(state: s.State) -> None:
    after = step(state, e.FactsChanged(), BLIND, RULES).state
    assert isinstance(after, s.Ended)
    assert s.EndReason.READER_FAULT is after.reason


@pytest.mark.parametrize(
    "state",
    [
        s.ChoosingKind(VISIT, MENU),
        s.ChoosingSubjects(VISIT, MENU, MENU.offers[0]),
        s.ChoosingMembers(VISIT, MENU, MENU.offers[0]),
        s.ChoosingItems(VISIT, MENU, MENU.offers[0], Subjects.SELF),
        s.ChoosingCopies(VISIT, MENU, MENU.offers[0], Subjects.SELF, frozenset()),
        s.Confirming(VISIT, MENU, MENU.offers[0], Subjects.SELF, frozenset(), 1),
    ],
)
def test_a_card_that_lies_there_again_is_taken_before_anything_goes_on(state: s.State) -> None:
    assert s.TakingCard(VISIT, MENU) == step(state, e.FactsChanged(), LIES, RULES).state


def test_a_card_left_at_the_end_is_called_for_as_long_as_it_lies_there() -> None:
    taking: s.State = s.TakingAll(VISIT, PURCHASE, 0, 0)
    for _ in range(2 * RULES.most_alarms + 3):
        done = step(taking, e.TimedOut(), LIES, RULES)
        assert (o.Sound(o.Alarm.ALARM),) == done.orders
        assert taking != done.state, "the timer would not begin anew"
        taking = done.state
    screen = screen_of(taking, LIES, RULES)
    assert ("card", Place.CARD) == (screen.reason, screen.place)
    assert isinstance(step(s.Thanks(VISIT, PURCHASE, 0, 0), e.FactsChanged(), LIES, RULES).state, s.TakingAll)
    gone = replace(LIES, reader=ReaderLevel(working=True))
    assert isinstance(step(taking, e.FactsChanged(), gone, RULES).state, s.Thanks)


def test_a_challenge_that_expired_before_the_pin_ends_the_visit_by_time() -> None:
    after = step(s.Signing(VISIT), e.MunicipalityFailed(Certainty.NOT_DONE), LIES, RULES).state
    assert isinstance(after, s.Ended)
    assert s.EndReason.TIMED_OUT is after.reason


@pytest.mark.parametrize(
    ("state", "visit", "after"),
    [
        (s.NotServing(), "", s.NotServing()),
        (s.Committing(VISIT, PURCHASE, 300), VISIT, s.Committing(VISIT, PURCHASE, 300)),
        (
            s.ClosingCoins(VISIT, PURCHASE, 300),
            VISIT,
            s.ClosingCoins(VISIT, PURCHASE, 300),
        ),
    ],
)
def test_coins_nobody_can_count_are_noted_and_give_no_credit(
    state: s.State, visit: str, after: s.State
) -> None:
    expected = Step(after, (r.CoinsSuspected(visit, 2, 254, False, 7, 9),), BEEP)
    assert expected == step(state, TROUBLE, FACTS, RULES)


def test_a_visit_whose_coins_cannot_be_counted_gets_the_known_ones_back() -> None:
    facts = FACTS.with_level(DocumentPrinterLevel(frozenset())).with_level(OPEN)
    done = step(s.CollectingCoins(VISIT, PURCHASE, exact=False, paid_yen=200), TROUBLE, facts, RULES)
    assert s.ClosingCoins(VISIT, PURCHASE, 200, s.EndReason.COIN_FAULT) == done.state
    assert (r.CoinsSuspected(VISIT, 2, 254, False, 7, 9),) == done.records


WITHDRAWN = e.CoinTrouble(lost=0, code=20, serial=7, counter=9)
NOTED = r.CoinsSuspected(VISIT, 0, 20, True, 7, 9)
TWO_HOPPERS = FACTS.with_level(
    HopperLevel(3, working=True, coins=10, coin_yen=100, life_count=40)
).with_level(HopperLevel(4, working=True, coins=2, coin_yen=500, life_count=70))
REFUND = s.PayingOut(
    VISIT,
    PURCHASE,
    s.PayoutPurpose.REFUND,
    paid_yen=700,
    remaining_yen=700,
    reason=s.EndReason.CANCELLED,
)


def test_a_coin_pulled_out_again_ends_the_payment_on_a_claim_slip() -> None:
    facts = TWO_HOPPERS.with_level(DocumentPrinterLevel(frozenset())).with_level(OPEN)
    collecting = s.CollectingCoins(VISIT, PURCHASE, exact=False, paid_yen=200)
    closing = step(collecting, WITHDRAWN, facts, RULES)
    assert Step(s.ClosingCoins(VISIT, PURCHASE, 200, s.EndReason.COIN_FAULT, True), (NOTED,), BEEP) == closing
    done = step(closing.state, e.CoinsClosed(), facts, RULES)
    assert [o.PrintSlip] == [type(order) for order in done.orders]
    assert r.ClaimOpened(VISIT, "AAAA-AAAA", 200) in done.records


def test_a_coin_pulled_out_while_the_slot_shuts_buys_nothing() -> None:
    done = step(s.ClosingCoins(VISIT, PURCHASE, 300), WITHDRAWN, FACTS, RULES)
    assert s.ClosingCoins(VISIT, PURCHASE, 300, s.EndReason.COIN_FAULT, True) == done.state


@pytest.mark.parametrize(
    "state",
    [
        s.Committing(VISIT, PURCHASE, 500),
        s.Printing(VISIT, PURCHASE, 500, "R-1"),
        s.Attending(VISIT, PURCHASE, 500, "R-1", 1),
        REFUND,
    ],
    ids=lambda state: type(state).__name__,
)
def test_a_coin_pulled_out_later_keeps_the_hoppers_shut(
    state: s.Committing | s.Printing | s.Attending | s.PayingOut,
) -> None:
    done = step(state, WITHDRAWN, FACTS, RULES)
    assert (replace(state, withheld=True), (NOTED,)) == (done.state, done.records)


def test_what_is_withheld_stays_so_until_the_change() -> None:
    facts = TWO_HOPPERS
    printing = step(s.Committing(VISIT, PURCHASE, 500, True), e.IssueReleased("R-1"), facts, RULES).state
    unproven = step(printing, e.PrintFinished(Certainty.UNKNOWN, 1), facts, RULES).state
    assert isinstance(unproven, s.Attending)
    assert unproven.withheld
    staff = facts.with_level(PanelLevel(door_open=True)).with_level(DocumentPrinterLevel(frozenset()))
    for done in (
        step(printing, e.PrintFinished(Certainty.DONE, 3), facts, RULES),
        step(unproven, e.KeyPressed(KeypadKey.CONFIRM), staff, RULES),
    ):
        assert r.ClaimOpened(VISIT, "AAAA-AAAA", 200) in done.records
        assert not any(isinstance(order, o.PayCoin) for order in done.orders)


def test_each_coin_comes_from_the_hopper_with_the_largest_that_fits() -> None:
    first = next_coin(REFUND, TWO_HOPPERS)
    coin = s.CoinOnItsWay(4, 500, 2)
    assert (r.CoinPayIntended(VISIT, 4, 500, 70),) == first.records
    assert (o.PayCoin(VISIT, 4, 70),) == first.orders
    assert replace(REFUND, coin=coin) == first.state
    second = step(first.state, e.CoinPaid(Certainty.DONE), TWO_HOPPERS, RULES)
    assert (
        r.CoinPayEnded(VISIT, 4, 500, Certainty.DONE),
        r.CoinPayIntended(VISIT, 3, 100, 40),
    ) == second.records
    assert replace(REFUND, remaining_yen=200, back_yen=500, coin=s.CoinOnItsWay(3, 100, 10)) == second.state


def test_a_hopper_that_paid_nothing_is_left_for_the_others_and_its_emptiness_is_kept() -> None:
    paying = replace(REFUND, coin=s.CoinOnItsWay(4, 500, 2))
    empty = TWO_HOPPERS.with_level(HopperLevel(4, working=True, coins=0, coin_yen=500, life_count=70))
    done = step(paying, e.CoinPaid(Certainty.NOT_DONE), empty, RULES)
    assert (
        r.CoinPayEnded(VISIT, 4, 500, Certainty.NOT_DONE),
        r.HopperFoundEmpty(VISIT, 4, 2),
        r.CoinPayIntended(VISIT, 3, 100, 40),
    ) == done.records
    assert replace(REFUND, coin=s.CoinOnItsWay(3, 100, 10), failed=frozenset({4})) == done.state


@pytest.mark.parametrize(
    ("certainty", "coins", "left", "found"),
    [
        (Certainty.DONE, 1, 0, ()),
        (Certainty.UNKNOWN, 1, 0, ()),
        (Certainty.UNKNOWN, 3, 0, (r.HopperFoundEmpty(VISIT, 3, 2),)),
        (Certainty.NOT_DONE, 1, 0, (r.HopperFoundEmpty(VISIT, 3, 1),)),
        (Certainty.NOT_DONE, 1, 1, ()),
        (Certainty.NOT_DONE, None, 0, ()),
    ],
)
def test_the_last_coin_leaves_a_hopper_empty_and_is_no_fault(
    certainty: Certainty, coins: int | None, left: int, found: tuple[r.Record, ...]
) -> None:
    facts = FACTS.with_level(HopperLevel(3, working=True, coins=left))
    paying = replace(REFUND, remaining_yen=100, coin=s.CoinOnItsWay(3, 100, coins))
    done = step(paying, e.CoinPaid(certainty), facts, RULES)
    assert found == tuple(record for record in done.records if isinstance(record, r.HopperFoundEmpty))


def test_a_coin_that_a_power_cut_kept_back_is_paid_after_it() -> None:
    asked = replace(REFUND, remaining_yen=100, coin=s.CoinOnItsWay(3, 100, None))
    done = step(asked, e.CoinPaid(Certainty.NOT_DONE), TWO_HOPPERS, RULES)
    assert (o.PayCoin(VISIT, 3, 40),) == done.orders


def test_an_answer_about_no_coin_changes_nothing() -> None:
    assert Step(REFUND) == step(REFUND, e.CoinPaid(Certainty.DONE), TWO_HOPPERS, RULES)


def test_pages_out_never_count_down() -> None:
    printing = s.Printing(VISIT, PURCHASE, 300, "R-1", pages_out=2)
    assert Step(printing) == step(printing, e.PagesOut(1), FACTS, RULES)


@pytest.mark.parametrize(
    ("reasons", "refundable"),
    [
        ({PrinterReason.JOBS_WAITING, PrinterReason.MEDIA_JAM}, False),
        ({PrinterReason.UNREACHABLE}, False),
        ({PrinterReason.MEDIA_JAM}, True),
        (set(), True),
    ],
)
def test_staff_settle_nothing_while_the_printer_can_still_print_it_or_nobody_sees_whether(
    reasons: set[PrinterReason], refundable: bool
) -> None:
    attending = s.Attending(VISIT, PURCHASE, 300, "R-1", pages_out=1)
    printer = DocumentPrinterLevel(frozenset(reasons))
    facts = FACTS.with_level(PanelLevel(door_open=True)).with_level(printer)
    done = step(attending, e.KeyPressed(KeypadKey.CANCEL), facts, RULES)
    legend = screen_of(attending, facts, RULES).legend
    assert refundable is (done != Step(attending))
    assert refundable is (r.StaffDecided(VISIT, PURCHASE.order_id, printed=False) in done.records)
    assert (Legend("staff_not_printed", None, "staff_printed") if refundable else Legend()) == legend


@pytest.mark.parametrize(
    ("most_sheets", "digit", "chosen"),
    [(None, 9, 9), (3, 3, 3), (3, 4, None), (1, 2, None), (1, 1, 1), (0, 1, 1)],
)
def test_no_more_copies_are_offered_than_the_printer_has_sheets(
    most_sheets: int | None, digit: int, chosen: int | None
) -> None:
    choosing = s.ChoosingCopies(VISIT, MENU, MENU.offers[0], Subjects.SELF, frozenset())
    facts = FACTS.with_level(OPEN).with_level(DocumentPrinterLevel(frozenset(), most_sheets=most_sheets))
    done = step(choosing, e.KeyPressed(KeypadKey(str(digit))), facts, RULES)
    offered = [choice.digit for choice in screen_of(choosing, facts, RULES).choices]
    assert chosen == getattr(done.state, "copies", None)
    assert (digit in offered) == (chosen is not None)


@pytest.mark.parametrize(
    ("paid", "reason", "confirm"), [(0, "no_receipt", None), (300, "paid_no_receipt", "print")]
)
def test_whoever_pays_is_told_before_that_no_receipt_will_come(
    paid: int, reason: str, confirm: str | None
) -> None:
    confirming = s.Confirming(VISIT, MENU, MENU.offers[0], Subjects.SELF, frozenset(), 1)
    asked = screen_of(confirming, FACTS, RULES)
    assert ("no_receipt", "pay_no_receipt") == (asked.reason, asked.legend.confirm)
    collecting = screen_of(s.CollectingCoins(VISIT, PURCHASE, exact=False, paid_yen=paid), FACTS, RULES)
    assert (reason, confirm) == (collecting.reason, collecting.legend.confirm)
    ready = FACTS.with_level(ReceiptPrinterLevel(ready=True))
    assert ("", "pay") == (
        screen_of(confirming, ready, RULES).reason,
        screen_of(confirming, ready, RULES).legend.confirm,
    )


def test_staff_who_open_the_door_read_what_runs_low() -> None:
    low = DocumentPrinterLevel(frozenset(), frozenset({PrinterSupply.TONER_LOW}), 5)
    facts = FACTS.with_level(PanelLevel(door_open=True)).with_level(low)
    facts = facts.with_level(ReceiptPrinterLevel(ready=True, paper_low=True))
    shown = screen_of(s.NotServing(), facts, RULES)
    assert (Row("row.supplies", ("supply.toner-low", "supply.receipt-paper-low")),) == shown.rows
    assert () == screen_of(s.NotServing(), facts.with_level(PanelLevel()), RULES).rows
    assert "supplies" == screen_of(s.Idle(), facts, RULES).reason
    full = facts.with_level(DocumentPrinterLevel(frozenset())).with_level(ReceiptPrinterLevel(ready=True))
    assert "" == screen_of(s.Idle(), full, RULES).reason


def test_the_next_person_finds_the_first_language_after_paper_was_forgotten() -> None:
    facts = FACTS.with_level(PanelLevel(paper_in_tray=True))
    done = step(s.TakingAll(VISIT, PURCHASE, 0, 0, alarms=1), e.TimedOut(), facts, RULES)
    assert Step(s.NotServing(), orders=(o.Speak(Language.EN),)) == done


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (e.KeyPressed(KeypadKey.DIGIT_3), s.EndReason.GO_TO_COUNTER),
        (e.KeyPressed(KeypadKey.DIGIT_1), None),
        (e.KeyPressed(KeypadKey.DIGIT_9), None),
    ],
)
def test_a_refused_kind_leads_to_the_counter_and_an_unknown_one_nowhere(
    event: e.KeyPressed, expected: s.EndReason | None
) -> None:
    menu = s.Menu((Offer(CertificateKind.INKAN, 300, 1, household=False),), (CertificateKind.SHOTOKU,))
    choosing = s.ChoosingKind(VISIT, menu)
    open_facts = FACTS.with_level(OPEN)
    done = step(choosing, event, open_facts, RULES)
    assert (choosing if expected is None else s.Ended(VISIT, expected)) == done.state


@pytest.mark.parametrize(("key", "aid"), [("8", Aid.LARGE), ("9", Aid.CONTRAST), ("0", Aid.VOICE)], ids=str)
def test_the_last_three_digits_turn_an_aid_on_or_off_on_the_start_screen(key: str, aid: Aid) -> None:
    done = step(s.Idle(), e.KeyPressed(KeypadKey(key)), FACTS, RULES)
    assert (o.Adapt(aid),) == done.orders
    assert () == done.records


@pytest.mark.parametrize(
    ("page", "closes"),
    [(Page.AWAITED, False), (Page.DRAWS, False), (Page.MISSING, False), (Page.GONE, True)],
)
def test_nobody_begins_a_visit_where_the_display_went_dark_and_a_rig_without_one_serves(
    page: Page, closes: bool
) -> None:
    facts = GOOD.with_level(ScreenLevel(page))
    for state in (s.Idle(), s.NotServing()):
        after = step(state, e.FactsChanged(), facts, RULES).state
        assert (s.NotServing() if closes else s.Idle()) == after
    pressed = step(s.Idle(), e.FactsChanged(), facts, RULES).state
    begun = step(pressed, e.KeyPressed(KeypadKey.CONFIRM), facts, RULES).state
    assert closes is isinstance(begun, s.NotServing)


def test_a_display_that_goes_dark_takes_no_visit_from_a_person() -> None:
    dark = GOOD.with_level(ScreenLevel(Page.GONE))
    assert isinstance(step(s.Signing(VISIT), e.FactsChanged(), dark, RULES).state, s.Signing)

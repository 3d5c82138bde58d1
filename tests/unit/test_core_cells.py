"""Cells of the table that the walk does not enter: faults of the acceptor, pages, refused kinds."""

import pytest

from firmware.core import events as e
from firmware.core import orders as o
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.facts import AcceptorLevel, ClockLevel, DocumentPrinterLevel, Facts, PanelLevel
from firmware.core.rules import Rules
from firmware.core.screens import Legend
from firmware.core.session import step
from firmware.core.steps import Step
from firmware.core.storyboard import screen_of
from firmware.core.terms import (
    CertificateKind,
    KeypadKey,
    Language,
    Offer,
    OrderId,
    PrinterReason,
    ServiceHours,
    Subjects,
    VisitId,
)

VISIT = VisitId("a" * 32)
FACTS = Facts(VisitId("b" * 32), acceptor=AcceptorLevel(working=True))
RULES = Rules(
    timeouts_seconds={},
    denominations_yen=frozenset({100, 500}),
    minimum_change_coins=3,
    most_alarms=1,
    most_copies=9,
    languages=(Language.EN, Language.JA),
)
PURCHASE = s.Purchase(
    OrderId("a-1"), CertificateKind.INKAN, Subjects.SELF, frozenset(), 1, fee_yen=300, sheets=1, pages=3
)
TROUBLE = e.CoinTrouble(lost=2, code=254, serial=7, counter=9)
OPEN = ClockLevel(trusted=True, hours=ServiceHours.OPEN)
BEEP = (o.Sound(o.Alarm.ATTENTION),)


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
    expected = Step(after, (r.CoinsSuspected(visit, 2, 254, 7, 9),), BEEP)
    assert expected == step(state, TROUBLE, FACTS, RULES)


def test_a_visit_whose_coins_cannot_be_counted_gets_the_known_ones_back() -> None:
    facts = FACTS.with_level(DocumentPrinterLevel(frozenset())).with_level(OPEN)
    done = step(s.CollectingCoins(VISIT, PURCHASE, exact=False, paid_yen=200), TROUBLE, facts, RULES)
    assert s.ClosingCoins(VISIT, PURCHASE, 200, s.EndReason.COIN_FAULT) == done.state
    assert (r.CoinsSuspected(VISIT, 2, 254, 7, 9),) == done.records


def test_pages_out_never_count_down() -> None:
    printing = s.Printing(VISIT, PURCHASE, 300, "R-1", pages_out=2)
    assert Step(printing) == step(printing, e.PagesOut(1), FACTS, RULES)


@pytest.mark.parametrize(
    ("reasons", "refundable"),
    [
        ({PrinterReason.JOBS_WAITING, PrinterReason.MEDIA_JAM}, False),
        ({PrinterReason.UNREACHABLE}, True),
        (set(), True),
    ],
)
def test_staff_refund_nothing_while_the_printer_can_still_print_it(
    reasons: set[PrinterReason], refundable: bool
) -> None:
    attending = s.Attending(VISIT, PURCHASE, 300, "R-1", pages_out=1)
    printer = DocumentPrinterLevel(frozenset(reasons))
    facts = FACTS.with_level(PanelLevel(door_open=True)).with_level(printer)
    done = step(attending, e.KeyPressed(KeypadKey.CANCEL), facts, RULES)
    legend = screen_of(attending, facts, RULES).legend
    assert refundable is (done != Step(attending))
    assert refundable is (r.StaffDecided(VISIT, PURCHASE.order_id, printed=False) in done.records)
    assert Legend("staff_not_printed" if refundable else None, None, "staff_printed") == legend


def test_the_next_person_finds_the_first_language_after_paper_was_forgotten() -> None:
    facts = FACTS.with_level(PanelLevel(paper_in_tray=True))
    done = step(s.TakingAll(VISIT, PURCHASE, 0, 0, alarms=1), e.TimedOut(), facts, RULES)
    assert Step(s.NotServing(), orders=(o.Speak(Language.EN),)) == done


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (e.KeyPressed(KeypadKey.DIGIT_3), s.EndReason.GO_TO_COUNTER),
        (e.KeyPressed(KeypadKey.CANCEL), s.EndReason.CANCELLED),
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

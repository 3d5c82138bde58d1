"""What the screen says while nobody can be served: when it opens again, or which part needs hands."""

from dataclasses import replace

import pytest

from firmware.core.facts import (
    AcceptorLevel,
    ClockLevel,
    DocumentPrinterLevel,
    Facts,
    HopperLevel,
    JournalLevel,
    KeypadLevel,
    MunicipalityLevel,
    PanelLevel,
    ReaderLevel,
    ReceiptPrinterLevel,
)
from firmware.core.rules import WITHDRAWN_CODES, Rules
from firmware.core.screens import Place, ScreenId
from firmware.core.states import EnteringPin, NotServing, PinWasWrong
from firmware.core.storyboard import screen_of
from firmware.core.terms import Language, PrinterReason, ServiceHours, VisitId

RULES = Rules(
    timeouts_seconds={},
    denominations_yen=frozenset({100, 500}),
    minimum_change_coins={3: 3},
    withdrawn_codes=WITHDRAWN_CODES,
    most_alarms=1,
    most_copies=9,
    languages=(Language.JA,),
)
GOOD = Facts(
    next_visit=VisitId("a" * 32),
    reader=ReaderLevel(working=True),
    keypad=KeypadLevel(working=True),
    acceptor=AcceptorLevel(working=True),
    hoppers=(HopperLevel(working=True, coins=20),),
    printer=DocumentPrinterLevel(frozenset()),
    receipt=ReceiptPrinterLevel(ready=True),
    municipality=MunicipalityLevel(reachable=True),
    clock=ClockLevel(trusted=True, hours=ServiceHours.OPEN),
)


@pytest.mark.parametrize(
    ("clock", "reason"),
    [
        (ClockLevel(trusted=True, hours=ServiceHours.CLOSED), "hours"),
        (ClockLevel(trusted=True, hours=ServiceHours.CLOSING), "hours"),
        (ClockLevel(trusted=True, hours=ServiceHours.MAINTENANCE), "maintenance"),
        (ClockLevel(True, ServiceHours.MAINTENANCE, (11, 2, 6, 30)), "maintenance_until"),
    ],
)
def test_a_closed_kiosk_tells_when_it_opens_again(clock: ClockLevel, reason: str) -> None:
    screen = screen_of(NotServing(), replace(GOOD, clock=clock), RULES)
    assert (ScreenId.CLOSED, reason) == (screen.id, screen.reason)
    assert (reason == "maintenance_until") == bool(screen.numbers)


@pytest.mark.parametrize(
    ("facts", "part"),
    [
        (replace(GOOD, clock=ClockLevel()), "clock"),
        (replace(GOOD, journal=JournalLevel(room=False)), "journal"),
        (replace(GOOD, reader=ReaderLevel()), "card_reader"),
        (replace(GOOD, keypad=KeypadLevel()), "keypad"),
        (replace(GOOD, acceptor=AcceptorLevel()), "coin_acceptor"),
        (replace(GOOD, hoppers=(HopperLevel(working=True, coins=2),)), "hopper"),
        (replace(GOOD, printer=DocumentPrinterLevel(frozenset({PrinterReason.MEDIA_JAM}))), "printer"),
        (replace(GOOD, municipality=MunicipalityLevel()), "municipality"),
        (replace(GOOD, panel=PanelLevel(door_open=True)), "door"),
        (replace(GOOD, panel=PanelLevel(paper_in_tray=True)), "left_behind"),
    ],
)
def test_a_kiosk_out_of_service_names_the_part(facts: Facts, part: str) -> None:
    screen = screen_of(NotServing(), facts, RULES)
    assert (ScreenId.OUT_OF_SERVICE, part) == (screen.id, screen.reason)


def test_what_was_left_behind_is_pointed_at() -> None:
    screen = screen_of(NotServing(), replace(GOOD, panel=PanelLevel(change_in_cup=True)), RULES)
    assert (Place.CHANGE, True) == (screen.place, screen.alarm)


@pytest.mark.parametrize(("tries_left", "reason"), [(3, ""), (2, ""), (1, "last_try")])
def test_the_tries_are_shown_and_the_last_one_is_warned_of_before_it_is_typed(
    tries_left: int, reason: str
) -> None:
    for state in (EnteringPin(VisitId("v"), tries_left), PinWasWrong(VisitId("v"), tries_left)):
        screen = screen_of(state, GOOD, RULES)
        assert (reason, tries_left) == (screen.reason, dict(screen.numbers)["tries_left"])

"""Row of the session engine: steps of one visit, over and over, without shell and devices."""

import time
from collections.abc import Iterator
from dataclasses import replace

from firmware.core import events as e
from firmware.core import states as s
from firmware.core.facts import (
    AcceptorLevel,
    ClockLevel,
    DocumentPrinterLevel,
    Facts,
    HopperLevel,
    KeypadLevel,
    MunicipalityLevel,
    PanelLevel,
    ReaderLevel,
    ReceiptPrinterLevel,
)
from firmware.core.rules import WITHDRAWN_CODES, Rules
from firmware.core.session import STATES, step
from firmware.core.terms import (
    Certainty,
    CertificateKind,
    KeypadKey,
    Language,
    Offer,
    ServiceHours,
    VisitId,
)
from tests.figures.rows import Effort, MeasureError, Row, median

FEE_YEN = 300
VISITS_A_ROUND = 200

_RULES = Rules(
    timeouts_seconds={state.__name__: 60.0 for state in STATES},
    denominations_yen=frozenset({100, 500}),
    minimum_change_coins={3: 8},
    withdrawn_codes=WITHDRAWN_CODES,
    most_alarms=17,
    most_copies=9,
    languages=(Language.JA, Language.EN),
)
_READY = Facts(
    next_visit=VisitId("0123456789abcdef0123456789abcdef"),
    reader=ReaderLevel(working=True),
    keypad=KeypadLevel(working=True),
    acceptor=AcceptorLevel(working=True),
    hoppers=(HopperLevel(working=True, coins=50, life_count=1000),),
    printer=DocumentPrinterLevel(frozenset()),
    receipt=ReceiptPrinterLevel(ready=True),
    municipality=MunicipalityLevel(reachable=True),
    clock=ClockLevel(trusted=True, hours=ServiceHours.OPEN),
)
_CARD_LIES = replace(_READY, reader=ReaderLevel(working=True, card_present=True))
_PAPER_LIES = replace(_READY, panel=PanelLevel(paper_in_tray=True))


def rows(effort: Effort) -> tuple[Row, ...]:
    """Steps a second, beside the least a pure step can do: make one new state of the old one."""
    visit = tuple(_visit())
    _require_whole(visit)
    steps = median("engine.steps", [_steps_a_second(visit) for _ in range(effort.repetitions)])
    copies = median("engine.copies", [_copies_a_second() for _ in range(effort.repetitions)])
    return (
        Row("engine.steps-of-a-visit", len(visit), "steps"),
        Row.beside("engine.steps", steps, "/s", "dataclasses.replace of one state", copies),
    )


def _visit() -> Iterator[tuple[e.Event, Facts]]:
    """Every event of a visit that buys a seal certificate with 500 yen, each with the facts of its moment."""
    key = KeypadKey
    offers = (Offer(CertificateKind.INKAN, FEE_YEN, 9, household=False),)
    yield e.KeyPressed(key.CONFIRM), _READY
    yield e.KeyPressed(key.CONFIRM), _READY
    yield e.FactsChanged(), _CARD_LIES
    yield e.CardRead(3), _CARD_LIES
    yield e.SessionOpened(), _CARD_LIES
    for digits in range(1, 5):
        yield e.PinDigits(digits), _CARD_LIES
    yield e.PinEntered(), _CARD_LIES
    yield e.CardSigned(), _CARD_LIES
    yield e.PersonKnown(offers, ()), _CARD_LIES
    yield e.FactsChanged(), _READY
    yield e.KeyPressed(key.DIGIT_2), _READY
    yield e.KeyPressed(key.DIGIT_1), _READY
    yield e.KeyPressed(key.CONFIRM), _READY
    yield e.DocumentPrepared(FEE_YEN, 1, 2), _READY
    yield e.CoinInserted(500, 123456, 1), _READY
    yield e.KeyPressed(key.CONFIRM), _READY
    yield e.CoinsClosed(), _READY
    yield e.IssueReleased("R-1"), _READY
    yield e.PagesOut(1), _READY
    yield e.PrintFinished(Certainty.DONE, 2), _PAPER_LIES
    yield e.CoinPaid(Certainty.DONE), _PAPER_LIES
    yield e.CoinPaid(Certainty.DONE), _PAPER_LIES
    yield e.SlipFinished(Certainty.DONE), _PAPER_LIES
    yield e.FactsChanged(), _READY
    yield e.KeyPressed(key.CONFIRM), _READY


def _require_whole(visit: tuple[tuple[e.Event, Facts], ...]) -> None:
    """Each step changes the state, and the last leads to rest."""
    state: s.State = s.Idle()
    for event, facts in visit:
        after = step(state, event, facts, _RULES).state
        if after == state and not isinstance(event, e.PagesOut):
            raise MeasureError(f"engine.steps: {type(event).__name__} does nothing in {type(state).__name__}")
        state = after
    if not isinstance(state, s.Idle):
        raise MeasureError(f"engine.steps: the visit ends in {type(state).__name__}")


def _steps_a_second(visit: tuple[tuple[e.Event, Facts], ...]) -> float:
    state: s.State = s.Idle()
    began = time.perf_counter()
    for _ in range(VISITS_A_ROUND):
        for event, facts in visit:
            state = step(state, event, facts, _RULES).state
    return VISITS_A_ROUND * len(visit) / (time.perf_counter() - began)


def _copies_a_second() -> float:
    times = VISITS_A_ROUND * 30
    state = s.EnteringPin(_READY.next_visit, 3, 0)
    began = time.perf_counter()
    for digits in range(times):
        replace(state, digits=digits & 3)
    return times / (time.perf_counter() - began)

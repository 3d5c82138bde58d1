"""A machine around the engine that does what it is told at once, for persons who press, hear and take."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from firmware.core import events as e
from firmware.core import orders as o
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.facts import Facts, HopperLevel, PanelLevel, ReaderLevel
from firmware.core.rules import WITHDRAWN_CODES, Rules
from firmware.core.screens import Screen
from firmware.core.session import bound, settle, step
from firmware.core.steps import Step
from firmware.core.storyboard import screen_of
from firmware.core.terms import (
    Aid,
    Certainty,
    CertificateKind,
    KeypadKey,
    Language,
    Member,
    MemberRole,
    Offer,
)
from tests.unit.test_core_storyboard import GOOD

TIMED = (
    "Notice AwaitingCard ReadingCard OpeningSession EnteringPin PinWasWrong Authenticating TakingCard"
    " ChoosingKind ChoosingSubjects ChoosingMembers ChoosingItems ChoosingCopies Confirming Preparing"
    " CollectingCoins ClosingCoins TakingAll Thanks Ended Attending EnteringStaffCode"
).split()
"""States that a time-out ends."""

SECONDS = dict.fromkeys(TIMED, 60.0)
RULES = Rules(
    timeouts_seconds=SECONDS,
    denominations_yen=frozenset({100, 500}),
    minimum_change_coins={3: 3},
    withdrawn_codes=WITHDRAWN_CODES,
    most_alarms=3,
    most_copies=9,
    languages=tuple(Language),
)
MEMBERS = (
    Member(1, MemberRole.SELF),
    Member(2, MemberRole.SPOUSE),
    Member(3, MemberRole.CHILD, 1),
    Member(4, MemberRole.CHILD, 2),
    Member(5, MemberRole.PARENT),
)
OFFERS = tuple(
    Offer(kind, 300, 9, is_record, MEMBERS if is_record else ())
    for kind in CertificateKind
    for is_record in (kind is CertificateKind.JUMINHYO,)
)

FULL = replace(GOOD, hoppers=(HopperLevel(3, working=True, coins=99, coin_yen=100),))

Shown = Callable[[Screen, Language, frozenset[Aid]], None]


@dataclass
class Machine:
    """pin: the right one. shown: called with each new screen, as the daemon does."""

    pin: str = "1234"
    shown: Shown = lambda *_: None
    facts: Facts = FULL
    state: s.State = field(default_factory=s.Idle)
    records: list[r.Record] = field(default_factory=list)
    language: Language = Language.JA
    aids: frozenset[Aid] = frozenset()
    visits: int = 0
    _typed: str = ""
    _tries: int = 3
    _bound: frozenset[o.BoundOrder] = frozenset()
    _screen: Screen | None = None

    def press(self, key: str) -> None:
        """A key of the keypad, by its value."""
        pressed = KeypadKey(key)
        if not any(isinstance(order, o.CollectPin) for order in self._bound) or pressed is KeypadKey.CANCEL:
            return self._do(e.KeyPressed(pressed))
        if pressed is KeypadKey.CONFIRM:
            return self._do(e.PinEntered() if len(self._typed) == 4 else e.KeyPressed(pressed))
        self._typed = self._typed[:-1] if pressed is KeypadKey.CORRECT else (self._typed + key)[:4]
        return self._do(e.PinDigits(len(self._typed)))

    def lay_card(self, lies: bool = True) -> None:
        self._sense(replace(self.facts, reader=ReaderLevel(working=True, card_present=lies)))

    def take_paper(self) -> None:
        self._sense(replace(self.facts, panel=replace(self.facts.panel, paper_in_tray=False)))

    def take_change(self) -> None:
        self._sense(replace(self.facts, panel=replace(self.facts.panel, change_in_cup=False)))

    def drop(self, yen: int) -> None:
        """A coin, which falls through while the slot is shut."""
        taken = [order for order in self._bound if isinstance(order, o.AcceptCoins)]
        if taken and yen in taken[0].denominations:
            self._do(e.CoinInserted(yen, 7, 9))

    def wait(self) -> bool:
        """Until the time of this screen is over; False if it has none."""
        timed = any(isinstance(order, o.RunTimer) for order in self._bound)
        if timed:
            self._do(e.TimedOut())
        return timed

    @property
    def screen(self) -> Screen:
        return screen_of(self.state, self.facts, RULES)

    def begin(self) -> None:
        self._follow(settle(Step(self.state), self.facts, RULES))

    def _sense(self, facts: Facts) -> None:
        if facts != self.facts:
            self.facts = facts
            self._do(e.FactsChanged())

    def _do(self, event: e.Event) -> None:
        self._follow(step(self.state, event, self.facts, RULES))

    def _follow(self, done: Step) -> None:
        self.state = done.state
        self.records += done.records
        if any(isinstance(record, r.VisitBegan) for record in done.records):
            self.visits += 1
            self.facts = replace(self.facts, next_visit=type(self.facts.next_visit)(f"{self.visits:032x}"))
        wanted = bound(self.state, RULES)
        fresh, self._bound = wanted - self._bound, wanted
        if any(isinstance(order, o.CollectPin) for order in fresh):
            self._typed = ""
        if self.screen != self._screen:
            self._screen = self.screen
            self.shown(self.screen, self.language, self.aids)
        for order in (*done.orders, *fresh):
            if order in self._bound or not isinstance(order, o.BoundOrder):
                self._carry_out(order)

    def _carry_out(self, order: o.Order) -> None:  # noqa: C901, PLR0912 - a line each
        match order:
            case o.ReadCard():
                self._do(e.CardRead(self._tries))
            case o.OpenSession():
                self._do(e.SessionOpened())
            case o.SignWithPin():
                right = self._typed == self.pin
                self._tries = 3 if right else self._tries - 1
                self._do(e.CardSigned() if right else e.PinWasRefused(self._tries))
                self._tries = self._tries or 3
            case o.Authenticate():
                self._do(e.PersonKnown(OFFERS, ()))
            case o.Prepare(purchase=purchase):
                self._do(e.DocumentPrepared(purchase.fee_yen, purchase.copies, 2 * purchase.copies))
            case o.CloseCoins():
                self._do(e.CoinsClosed(7, 9))
            case o.Release():
                self._do(e.IssueReleased("R-1"))
            case o.Print(pages=pages):
                for page in range(1, pages + 1):
                    self._do(e.PagesOut(page))
                self.facts = replace(self.facts, panel=replace(self.facts.panel, paper_in_tray=True))
                self._do(e.PrintFinished(Certainty.DONE, pages))
            case o.PayCoin():
                self.facts = replace(self.facts, panel=replace(self.facts.panel, change_in_cup=True))
                self._do(e.CoinPaid(Certainty.DONE))
            case o.PrintSlip():
                self._do(e.SlipFinished(Certainty.DONE))
            case o.Speak(language=language):
                self.language = language
                self.shown(self.screen, self.language, self.aids)
            case o.Adapt(aid=aid):
                self.aids ^= {aid}
                self.shown(self.screen, self.language, self.aids)
            case _:
                pass


def nothing_lies_there(machine: Machine) -> bool:
    """No card, no paper, no coins."""
    return machine.facts.panel == PanelLevel() and not machine.facts.reader.card_present

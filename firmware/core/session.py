"""The session engine: one total table, a pure function.

`TABLE` says what each event does in each state, `IGNORED` which events do nothing there and why;
together they are exactly STATES × EVENTS, which a test enforces. `GUARDS` are the transitions
that the facts alone trigger; they run to a fixed point after every event.
"""

from typing import Any, Final, get_args

from firmware.core import asking as q
from firmware.core import bookkeeping as b
from firmware.core import choosing as c
from firmware.core import events as e
from firmware.core import household as h
from firmware.core import orders as o
from firmware.core import paying as p
from firmware.core import staffing as st
from firmware.core import states as s
from firmware.core.facts import Facts
from firmware.core.rules import Rules
from firmware.core.steps import Guard, Handler, Step
from firmware.core.terms import Yen

STATES: Final[tuple[type[Any], ...]] = get_args(s.State)
EVENTS: Final[tuple[type[Any], ...]] = get_args(e.Event)

_MOST_GUARD_STEPS = 8
_WRITING_TIMES = 6
"""So many times longer a person needs who must write a number down."""

TABLE: Final[dict[type[Any], dict[type[Any], Handler]]] = {
    s.NotServing: {
        e.KeyPressed: st.resting_key,
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
        e.CoinsClosed: p.shut_at_rest,
        e.Booked: b.booked,
    },
    s.Idle: {
        e.KeyPressed: st.idle_key,
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
        e.CoinsClosed: p.shut_at_rest,
        e.Booked: b.booked_at_rest,
    },
    s.Notice: {
        e.KeyPressed: q.on_key(c.notice_key),
        e.TimedOut: q.on_time(c.timed_out),
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.AwaitingCard: {
        e.KeyPressed: q.on_key(c.cancel_only),
        e.TimedOut: q.on_time(c.no_card_came),
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.ReadingCard: {
        e.KeyPressed: c.cancel_only,
        e.TimedOut: c.timed_out,
        e.CardRead: c.card_read,
        e.CardRefused: c.card_refused,
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.OpeningSession: {
        e.KeyPressed: c.cancel_only,
        e.TimedOut: c.municipality_silent,
        e.SessionOpened: c.session_opened,
        e.MunicipalityRefused: c.municipality_refused,
        e.MunicipalityFailed: c.municipality_silent,
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.EnteringPin: {
        e.KeyPressed: q.on_key(c.cancel_only),
        e.TimedOut: q.on_time(c.timed_out),
        e.PinDigits: c.pin_digits,
        e.PinEntered: c.pin_entered,
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.Signing: {
        e.CardSigned: c.card_signed,
        e.PinWasRefused: c.pin_refused,
        e.PinIsLocked: c.pin_locked,
        e.PinInDoubt: c.pin_in_doubt,
        e.CardRefused: c.card_refused,
        e.MunicipalityFailed: c.timed_out,
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.PinWasWrong: {
        e.KeyPressed: q.on_key(c.pin_wrong_key),
        e.TimedOut: q.on_time(c.timed_out),
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.Authenticating: {
        e.KeyPressed: c.cancel_only,
        e.TimedOut: c.municipality_silent,
        e.PersonKnown: c.person_known,
        e.MunicipalityRefused: c.municipality_refused,
        e.MunicipalityFailed: c.municipality_silent,
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.TakingCard: {
        e.KeyPressed: c.cancel_only,
        e.TimedOut: c.card_forgotten,
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.ChoosingKind: {
        e.KeyPressed: q.on_key(c.kind_key),
        e.TimedOut: q.on_time(c.timed_out),
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.ChoosingSubjects: {
        e.KeyPressed: q.on_key(c.subjects_key),
        e.TimedOut: q.on_time(c.timed_out),
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.ChoosingMembers: {
        e.KeyPressed: q.on_key(h.members_key),
        e.TimedOut: q.on_time(c.timed_out),
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.ChoosingItems: {
        e.KeyPressed: q.on_key(c.items_key),
        e.TimedOut: q.on_time(c.timed_out),
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.ChoosingCopies: {
        e.KeyPressed: q.on_key(c.copies_key),
        e.TimedOut: q.on_time(c.timed_out),
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.Confirming: {
        e.KeyPressed: q.on_key(h.confirming_key),
        e.TimedOut: q.on_time(c.timed_out),
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.Preparing: {
        e.KeyPressed: c.cancel_only,
        e.TimedOut: c.municipality_silent,
        e.DocumentPrepared: p.document_prepared,
        e.DocumentRefused: c.document_refused,
        e.MunicipalityRefused: c.municipality_refused,
        e.MunicipalityFailed: c.municipality_silent,
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.CollectingCoins: {
        e.KeyPressed: p.key_felt(q.on_key(p.collecting_key)),
        e.TimedOut: p.rejection_told(q.on_time(p.collecting_timed_out)),
        e.CoinInserted: p.coin,
        e.CoinRejected: p.coin_rejected,
        e.CoinTrouble: p.coin_trouble,
    },
    s.ClosingCoins: {
        e.TimedOut: p.closing_done,
        e.CoinsClosed: p.coins_closed,
        e.CoinInserted: p.coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.Committing: {
        e.IssueReleased: p.released,
        e.MunicipalityRefused: p.release_refused,
        e.MunicipalityFailed: p.release_failed,
        e.CoinInserted: p.coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.Printing: {
        e.PagesOut: p.pages_out,
        e.PrintFinished: p.print_finished,
        e.CoinInserted: p.coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.PayingOut: {
        e.CoinPaid: p.coin_paid,
        e.CoinInserted: p.late_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.PrintingSlip: {
        e.SlipFinished: p.slip_finished,
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.TakingAll: {
        e.KeyPressed: st.resting_key,
        e.TimedOut: p.paper_forgotten,
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.Thanks: {
        e.KeyPressed: st.thanks_key,
        e.TimedOut: p.leave,
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.Ended: {
        e.KeyPressed: p.ended_key,
        e.TimedOut: p.ended_timed_out,
        e.CoinInserted: p.stray_coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.Attending: {
        e.KeyPressed: p.attending_key,
        e.ConsoleKey: p.attending_console,
        e.TimedOut: p.attending_timed_out,
        e.CoinInserted: p.coin,
        e.CoinTrouble: p.coin_trouble,
    },
    s.EnteringStaffCode: {
        e.KeyPressed: st.code_key,
        e.TimedOut: st.code_given_up,
        e.StaffDigits: st.code_digits,
        e.StaffCodeEntered: st.code_entered,
        e.CoinInserted: st.coin,
        e.CoinTrouble: st.coin_trouble,
    },
    s.CheckingStaffCode: {
        e.StaffKnown: st.staff_known,
        e.StaffUnknown: st.staff_unknown,
        e.CoinInserted: st.coin,
        e.CoinTrouble: st.coin_trouble,
    },
    s.Refetching: {
        e.DocumentPrepared: p.fetched_again,
        e.DocumentRefused: p.not_fetched,
        e.MunicipalityRefused: p.not_fetched,
        e.MunicipalityFailed: p.not_fetched,
        e.CoinInserted: st.coin,
        e.CoinTrouble: st.coin_trouble,
    },
}

# Answers to orders that the state did not give: the shell drops them with their order.
_CARD = {e.CardRead, e.CardRefused}
_SESSION = {e.SessionOpened}
_PIN = {e.PinDigits, e.PinEntered}
_SIGNATURE = {e.CardSigned, e.PinWasRefused, e.PinIsLocked, e.PinInDoubt}
_PERSON = {e.PersonKnown}
_MUNICIPALITY = {e.MunicipalityRefused, e.MunicipalityFailed}
_DOCUMENT = {e.DocumentPrepared, e.DocumentRefused}
_SLOT = {e.CoinsClosed}
_RELEASE = {e.IssueReleased}
_PRINT = {e.PagesOut, e.PrintFinished}
_HOPPER = {e.CoinPaid}
_SLIP = {e.SlipFinished}
_CODE = {e.StaffDigits, e.StaffCodeEntered}
_STAFF = {e.StaffKnown, e.StaffUnknown}
# The console answers for a visit that waits for staff, and for nothing else.
_CONSOLE = {e.ConsoleKey}
# The guards do the work of a changed level.
_LEVEL = {e.FactsChanged}
# While a visit is under way the books rest: staff and the clock ask again.
_VISIT = _LEVEL | {e.Booked}
# A coin that fell through is told to whoever is asked for coins.
_REJECTED = {e.CoinRejected}
# No timer runs: the state rests, or a committed order ends it.
_TIMER = {e.TimedOut}
# No key does anything on this screen.
_KEY = {e.KeyPressed}

_ANSWERS = (
    _CARD
    | _SESSION
    | _PIN
    | _SIGNATURE
    | _PERSON
    | _MUNICIPALITY
    | _DOCUMENT
    | _SLOT
    | _RELEASE
    | _PRINT
    | _HOPPER
    | _SLIP
    | _CODE
    | _STAFF
    | _CONSOLE
)

IGNORED: Final[dict[type[Any], frozenset[type[Any]]]] = {
    s.NotServing: frozenset(_LEVEL | _REJECTED | _TIMER | _ANSWERS - _SLOT),
    s.Idle: frozenset(_LEVEL | _REJECTED | _TIMER | _ANSWERS - _SLOT),
    s.Notice: frozenset(_VISIT | _REJECTED | _ANSWERS),
    s.AwaitingCard: frozenset(_VISIT | _REJECTED | _ANSWERS),
    s.ReadingCard: frozenset(_VISIT | _REJECTED | _ANSWERS - _CARD),
    s.OpeningSession: frozenset(_VISIT | _REJECTED | _ANSWERS - _SESSION - _MUNICIPALITY),
    s.EnteringPin: frozenset(_VISIT | _REJECTED | _ANSWERS - _PIN),
    s.Signing: frozenset(
        _VISIT | _REJECTED | _TIMER | _KEY | _ANSWERS - _SIGNATURE - {e.CardRefused, e.MunicipalityFailed}
    ),
    s.PinWasWrong: frozenset(_VISIT | _REJECTED | _ANSWERS),
    s.Authenticating: frozenset(_VISIT | _REJECTED | _ANSWERS - _PERSON - _MUNICIPALITY),
    s.TakingCard: frozenset(_VISIT | _REJECTED | _ANSWERS),
    s.ChoosingKind: frozenset(_VISIT | _REJECTED | _ANSWERS),
    s.ChoosingSubjects: frozenset(_VISIT | _REJECTED | _ANSWERS),
    s.ChoosingMembers: frozenset(_VISIT | _REJECTED | _ANSWERS),
    s.ChoosingItems: frozenset(_VISIT | _REJECTED | _ANSWERS),
    s.ChoosingCopies: frozenset(_VISIT | _REJECTED | _ANSWERS),
    s.Confirming: frozenset(_VISIT | _REJECTED | _ANSWERS),
    s.Preparing: frozenset(_VISIT | _REJECTED | _ANSWERS - _DOCUMENT - _MUNICIPALITY),
    s.CollectingCoins: frozenset(_VISIT | _ANSWERS),
    s.ClosingCoins: frozenset(_VISIT | _REJECTED | _KEY | _ANSWERS - _SLOT),
    s.Committing: frozenset(_VISIT | _REJECTED | _TIMER | _KEY | _ANSWERS - _RELEASE - _MUNICIPALITY),
    s.Printing: frozenset(_VISIT | _REJECTED | _TIMER | _KEY | _ANSWERS - _PRINT),
    s.PayingOut: frozenset(_VISIT | _REJECTED | _TIMER | _KEY | _ANSWERS - _HOPPER),
    s.PrintingSlip: frozenset(_VISIT | _REJECTED | _TIMER | _KEY | _ANSWERS - _SLIP),
    s.TakingAll: frozenset(_VISIT | _REJECTED | _ANSWERS),
    s.Thanks: frozenset(_VISIT | _REJECTED | _ANSWERS),
    s.Ended: frozenset(_VISIT | _REJECTED | _ANSWERS),
    s.Attending: frozenset(_VISIT | _REJECTED | _ANSWERS - _CONSOLE),
    s.EnteringStaffCode: frozenset(_VISIT | _REJECTED | _ANSWERS - _CODE),
    s.CheckingStaffCode: frozenset(_VISIT | _REJECTED | _TIMER | _KEY | _ANSWERS - _STAFF),
    s.Refetching: frozenset(_VISIT | _REJECTED | _TIMER | _KEY | _ANSWERS - _DOCUMENT - _MUNICIPALITY),
}


def _rests(_state: s.State, _facts: Facts, _rules: Rules) -> Step | None:
    """A committed order is on its way; facts alone move nothing."""
    return None


GUARDS: Final[dict[type[Any], Guard]] = {
    s.NotServing: c.not_serving_guard,
    s.Idle: c.idle_guard,
    s.Notice: c.shop_guard,
    s.AwaitingCard: c.awaiting_card_guard,
    s.ReadingCard: c.card_lies_guard,
    s.OpeningSession: c.card_lies_guard,
    s.EnteringPin: c.card_lies_guard,
    s.Signing: _rests,
    s.PinWasWrong: c.card_lies_guard,
    s.Authenticating: c.shop_guard,
    s.TakingCard: c.taking_card_guard,
    s.ChoosingKind: c.choosing_guard,
    s.ChoosingSubjects: c.choosing_guard,
    s.ChoosingMembers: c.choosing_guard,
    s.ChoosingItems: c.choosing_guard,
    s.ChoosingCopies: c.choosing_guard,
    s.Confirming: c.choosing_guard,
    s.Preparing: c.shop_guard,
    s.CollectingCoins: p.collecting_guard,
    s.ClosingCoins: _rests,
    s.Committing: _rests,
    s.Printing: _rests,
    s.PayingOut: _rests,
    s.PrintingSlip: _rests,
    s.TakingAll: p.taking_all_guard,
    s.Thanks: p.thanks_guard,
    s.Ended: p.ended_guard,
    s.Attending: p.attending_guard,
    s.EnteringStaffCode: st.code_guard,
    s.CheckingStaffCode: _rests,
    s.Refetching: _rests,
}


def step(state: s.State, event: e.Event, facts: Facts, rules: Rules) -> Step:
    """What follows from event in state while facts hold.

    Raises KeyError for a cell nobody decided, RuntimeError when the guards chase each other.
    """
    if type(event) in IGNORED[type(state)]:
        return settle(Step(state), facts, rules)
    return settle(TABLE[type(state)][type(event)](state, event, facts, rules), facts, rules)


def settle(done: Step, facts: Facts, rules: Rules) -> Step:
    """Run the fact-triggered transitions to their fixed point."""
    for _ in range(_MOST_GUARD_STEPS):
        more = GUARDS[type(done.state)](done.state, facts, rules)
        if more is None:
            return done
        done = done.before(more)
    raise RuntimeError(f"guards of {type(done.state).__name__} do not settle")


def bound(state: s.State, rules: Rules) -> frozenset[o.BoundOrder]:
    """The bound orders in force in this state."""
    timer = _timer(state, rules)
    return frozenset(_work(state, rules) if timer is None else (timer, *_work(state, rules)))


def _timer(state: s.State, rules: Rules) -> o.RunTimer | None:
    """A new turn restarts the timer: each digit, coin or alarm gives the full time again."""
    name = type(state).__name__
    seconds = rules.timeouts_seconds.get(name)
    if seconds is None:
        return None
    match state:
        case s.Attending(admitted=False):
            return None
        case s.EnteringPin(digits=digits) | s.EnteringStaffCode(digits=digits):
            turn = digits
        case s.CollectingCoins(question=None, telling=True, rejected=rejected):
            return o.RunTimer(f"{name} rejected", rejected, rules.rejected_seconds)
        case s.CollectingCoins(paid_yen=paid_yen):
            turn = paid_yen
        case s.ChoosingItems(items=items):
            turn = sum(2**digit for digit, item in c.ITEM_DIGITS.items() if item in items)
        case s.ChoosingMembers(chosen=chosen, page=page):
            turn = sum(2**number for number in chosen) * h.pages(state.offer) + page
        case s.Ended(alarms=0, slip_out=False):
            return o.RunTimer(name, 0, seconds * _WRITING_TIMES)
        case s.TakingCard(alarms=at) | s.TakingAll(alarms=at) | s.Ended(alarms=at) | s.Confirming(page=at):
            turn = at
        case _:
            turn = 0
    asked, asked_seconds = q.question_of(state), q.question_seconds(state, rules)
    if asked_seconds is None:
        return o.RunTimer(name, turn, seconds)
    if asked is None:
        return o.RunTimer(name, turn, seconds - asked_seconds)
    return o.RunTimer(f"{name} {asked.value}", turn, asked_seconds)


def _work(state: s.State, rules: Rules) -> tuple[o.BoundOrder, ...]:
    match state:
        case s.ReadingCard(visit=visit):
            return (o.ReadCard(visit),)
        case s.OpeningSession(visit=visit):
            return (o.OpenSession(visit),)
        case s.EnteringPin(visit=visit):
            return (o.CollectPin(visit),)
        case s.Authenticating(visit=visit):
            return (o.Authenticate(visit),)
        case s.Preparing(visit=visit, purchase=purchase):
            return (o.Prepare(visit, purchase),)
        case s.CollectingCoins(visit=visit, purchase=purchase, paid_yen=paid_yen):
            if paid_yen >= purchase.fee_yen:
                return ()
            return (o.AcceptCoins(visit, _coins_taken(state, rules)),)
        case s.ClosingCoins(visit=visit):
            return (o.CloseCoins(visit),)
        case s.EnteringStaffCode(attending=s.Attending(visit=visit)):
            return (o.CollectStaffCode(visit),)
        case _:
            return ()


def _coins_taken(state: s.CollectingCoins, rules: Rules) -> frozenset[Yen]:
    smallest = min(rules.denominations_yen)
    return frozenset({smallest}) if state.exact else rules.denominations_yen

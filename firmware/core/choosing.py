"""Steps from the start screen to the order, before any money: nothing here is irreversible but a PIN try."""

from dataclasses import replace

from firmware.core import events as e
from firmware.core import orders as o
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.facts import Facts
from firmware.core.rules import Rules, obstacles
from firmware.core.steps import Step, begin, end, reason_for
from firmware.core.terms import (
    Aid,
    CardRefusal,
    CertificateKind,
    KeypadKey,
    Language,
    Offer,
    OrderId,
    RecordItem,
    ServiceHours,
    Strike,
    Subjects,
    VisitId,
)

KIND_DIGITS = {1: CertificateKind.JUMINHYO, 2: CertificateKind.INKAN, 3: CertificateKind.SHOTOKU}
SUBJECT_DIGITS = {1: Subjects.SELF, 2: Subjects.HOUSEHOLD, 3: Subjects.MEMBERS}
AID_KEYS = {KeypadKey.DIGIT_8: Aid.LARGE, KeypadKey.DIGIT_9: Aid.CONTRAST, KeypadKey.DIGIT_0: Aid.VOICE}
"""On the start screen; the digits before them choose a language."""

ITEM_DIGITS = {
    1: RecordItem.HEAD_AND_RELATION,
    2: RecordItem.REGISTERED_DOMICILE,
    3: RecordItem.MY_NUMBER,
}

_WRONG_CARDS = frozenset(
    {
        CardRefusal.NOT_A_MY_NUMBER_CARD,
        CardRefusal.JUKI_CARD,
        CardRefusal.SMARTPHONE,
        CardRefusal.DRIVING_LICENCE,
        CardRefusal.RESIDENCE_CARD,
        CardRefusal.FELICA,
        CardRefusal.BANK_CARD,
    }
)

BeforeOrder = (
    s.Notice
    | s.AwaitingCard
    | s.ReadingCard
    | s.OpeningSession
    | s.EnteringPin
    | s.PinWasWrong
    | s.Authenticating
    | s.TakingCard
    | s.ChoosingKind
    | s.ChoosingSubjects
    | s.ChoosingMembers
    | s.ChoosingItems
    | s.ChoosingCopies
    | s.Confirming
    | s.Preparing
)


def idle_key(state: s.Idle, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    if event.key is KeypadKey.CONFIRM:
        return begin(facts)
    if event.key in AID_KEYS:
        return Step(state, orders=(o.Adapt(AID_KEYS[event.key]),))
    language = languages(rules).get(event.key.digit or 0)
    return Step(state) if language is None else Step(state, orders=(o.Speak(language),))


def languages(rules: Rules) -> dict[int, Language]:
    """The digit that chooses each language on the start screen."""
    return dict(enumerate(rules.languages, start=1))


def idle_guard(_state: s.Idle, facts: Facts, rules: Rules) -> Step | None:
    if obstacles(facts, rules):
        return Step(s.NotServing())
    return begin(facts) if facts.reader.card_present else None


def not_serving_guard(_state: s.NotServing, facts: Facts, rules: Rules) -> Step | None:
    return None if obstacles(facts, rules) else Step(s.Idle())


def _struck(visit: VisitId, strike: Strike, done: Step) -> Step:
    """done, and a strike toward the kiosk's own lockout; `firmware.core.lockout` says what follows."""
    return replace(done, records=(r.CardStrike(visit, strike), *done.records))


def cancel_only(state: BeforeOrder, event: e.KeyPressed, _facts: Facts, _rules: Rules) -> Step:
    """A screen whose only key is 取消."""
    return end(state.visit, s.EndReason.CANCELLED) if event.key is KeypadKey.CANCEL else Step(state)


def timed_out(state: BeforeOrder, _event: e.TimedOut, _facts: Facts, _rules: Rules) -> Step:
    return end(state.visit, s.EndReason.TIMED_OUT)


def no_card_came(state: s.AwaitingCard, _event: e.TimedOut, _facts: Facts, _rules: Rules) -> Step:
    """Perhaps a 通知カード lies there: it is paper, and no reader sees it."""
    return end(state.visit, s.EndReason.NO_CARD)


def municipality_silent(state: BeforeOrder, _event: e.Event, _facts: Facts, _rules: Rules) -> Step:
    return end(state.visit, s.EndReason.MUNICIPALITY_DOWN)


def municipality_refused(
    state: BeforeOrder, event: e.MunicipalityRefused, _facts: Facts, _rules: Rules
) -> Step:
    return end(state.visit, reason_for(event.refusal))


def shop_guard(state: BeforeOrder, facts: Facts, _rules: Rules) -> Step | None:
    """Door, hours and paper of somebody else end a visit that has not paid yet.

    A sheet can fall when its owner has gone and the next visit has begun.
    """
    if facts.panel.door_open:
        return end(state.visit, s.EndReason.DOOR_OPENED)
    if facts.panel.paper_in_tray:
        return end(state.visit, s.EndReason.PAPER_LEFT)
    if not facts.clock.trusted or facts.clock.hours in {ServiceHours.CLOSED, ServiceHours.MAINTENANCE}:
        return end(state.visit, s.EndReason.OUTSIDE_HOURS)
    return None


def notice_key(state: s.Notice, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    if event.key is KeypadKey.CONFIRM:
        return Step(s.AwaitingCard(state.visit))
    return cancel_only(state, event, facts, rules)


def awaiting_card_guard(state: s.AwaitingCard, facts: Facts, rules: Rules) -> Step | None:
    """A reader that is gone finds no card: that is not the person's fault."""
    if not facts.reader.working:
        return end(state.visit, s.EndReason.READER_FAULT)
    if facts.reader.card_present:
        return Step(s.ReadingCard(state.visit))
    return shop_guard(state, facts, rules)


def card_lies_guard(
    state: s.ReadingCard | s.OpeningSession | s.EnteringPin | s.PinWasWrong, facts: Facts, rules: Rules
) -> Step | None:
    """The card must stay until it has signed."""
    if not facts.reader.working:
        return end(state.visit, s.EndReason.READER_FAULT)
    if not facts.reader.card_present:
        return end(state.visit, s.EndReason.MOVED)
    return shop_guard(state, facts, rules)


def card_read(state: s.ReadingCard, event: e.CardRead, _facts: Facts, _rules: Rules) -> Step:
    if event.tries_left == 0:
        return _struck(state.visit, Strike.LOCKED_CARD, end(state.visit, s.EndReason.PIN_LOCKED))
    return Step(s.OpeningSession(state.visit, event.tries_left))


def card_refused(
    state: s.ReadingCard | s.Signing, event: e.CardRefused, _facts: Facts, _rules: Rules
) -> Step:
    ended = end(state.visit, s.EndReason(event.refusal.value))
    if event.refusal in _WRONG_CARDS:
        return _struck(state.visit, Strike.WRONG_CARD, ended)
    return ended


def session_opened(state: s.OpeningSession, _event: e.SessionOpened, _facts: Facts, _rules: Rules) -> Step:
    return Step(s.EnteringPin(state.visit, state.tries_left))


def pin_digits(state: s.EnteringPin, event: e.PinDigits, _facts: Facts, _rules: Rules) -> Step:
    return Step(replace(state, digits=event.count, question=None))


def pin_entered(state: s.EnteringPin, _event: e.PinEntered, _facts: Facts, _rules: Rules) -> Step:
    """確定 says first that the person goes on, if that was asked."""
    if state.question is not None:
        return Step(replace(state, question=None))
    return Step(s.Signing(state.visit), orders=(o.SignWithPin(state.visit),))


def pin_refused(state: s.Signing, event: e.PinWasRefused, facts: Facts, rules: Rules) -> Step:
    if event.tries_left == 0:
        return pin_locked(state, e.PinIsLocked(), facts, rules)
    wrong = s.PinWasWrong(state.visit, event.tries_left)
    return _struck(state.visit, Strike.WRONG_PIN, Step(wrong, orders=(o.Sound(o.Alarm.ATTENTION),)))


def pin_locked(state: s.Signing, _event: e.PinIsLocked, _facts: Facts, _rules: Rules) -> Step:
    return _struck(state.visit, Strike.WRONG_PIN, end(state.visit, s.EndReason.PIN_LOCKED))


def pin_in_doubt(state: s.Signing, _event: e.PinInDoubt, _facts: Facts, _rules: Rules) -> Step:
    return end(state.visit, s.EndReason.PIN_UNCERTAIN)


def pin_wrong_key(state: s.PinWasWrong, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    if event.key is KeypadKey.CONFIRM:
        return Step(s.EnteringPin(state.visit, state.tries_left))
    return cancel_only(state, event, facts, rules)


def card_signed(state: s.Signing, _event: e.CardSigned, _facts: Facts, _rules: Rules) -> Step:
    return Step(s.Authenticating(state.visit))


def person_known(state: s.Authenticating, event: e.PersonKnown, _facts: Facts, _rules: Rules) -> Step:
    if not event.offers:
        return end(state.visit, s.EndReason.GO_TO_COUNTER)
    return Step(
        s.TakingCard(state.visit, s.Menu(event.offers, event.refused)),
        (r.PersonAuthenticated(state.visit),),
        (o.Sound(o.Alarm.KEY),),
    )


def taking_card_guard(state: s.TakingCard, facts: Facts, rules: Rules) -> Step | None:
    """Nothing goes on until the card is gone, and a reader that is gone does not say that it is."""
    if not facts.reader.working:
        return end(state.visit, s.EndReason.READER_FAULT)
    if not facts.reader.card_present:
        return Step(s.ChoosingKind(state.visit, state.menu))
    return shop_guard(state, facts, rules)


def choosing_guard(
    state: s.ChoosingKind
    | s.ChoosingSubjects
    | s.ChoosingMembers
    | s.ChoosingItems
    | s.ChoosingCopies
    | s.Confirming,
    facts: Facts,
    rules: Rules,
) -> Step | None:
    """The card lies there again, or the reader had only lost sight of it."""
    if facts.reader.card_present:
        return Step(s.TakingCard(state.visit, state.menu))
    return shop_guard(state, facts, rules)


def card_forgotten(state: s.TakingCard, _event: e.TimedOut, _facts: Facts, rules: Rules) -> Step:
    if state.alarms >= rules.most_alarms:
        return end(state.visit, s.EndReason.TIMED_OUT)
    return Step(replace(state, alarms=state.alarms + 1), orders=(o.Sound(o.Alarm.ALARM),))


def kind_key(state: s.ChoosingKind, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    kind = KIND_DIGITS.get(event.key.digit or 0)
    offer = next((offer for offer in state.menu.offers if offer.kind is kind), None)
    if offer is None:
        if kind in state.menu.refused:
            return end(state.visit, s.EndReason.GO_TO_COUNTER)
        return cancel_only(state, event, facts, rules)
    if kind is not CertificateKind.JUMINHYO:
        return Step(s.ChoosingCopies(state.visit, state.menu, offer, Subjects.SELF, frozenset()))
    if offer.household:
        return Step(s.ChoosingSubjects(state.visit, state.menu, offer))
    return Step(s.ChoosingItems(state.visit, state.menu, offer, Subjects.SELF))


def subjects_key(state: s.ChoosingSubjects, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    if event.key is KeypadKey.CORRECT:
        return Step(s.ChoosingKind(state.visit, state.menu))
    subjects = subject_digits(state.offer).get(event.key.digit or 0)
    if subjects is None:
        return cancel_only(state, event, facts, rules)
    if subjects is Subjects.MEMBERS:
        return Step(s.ChoosingMembers(state.visit, state.menu, state.offer))
    return Step(s.ChoosingItems(state.visit, state.menu, state.offer, subjects))


def subject_digits(offer: Offer) -> dict[int, Subjects]:
    """The digit of each answer to whose record it shall be."""
    can_choose = bool(offer.members)
    return {key: one for key, one in SUBJECT_DIGITS.items() if can_choose or one is not Subjects.MEMBERS}


def items_key(state: s.ChoosingItems, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    if event.key is KeypadKey.CORRECT:
        return Step(s.ChoosingKind(state.visit, state.menu))
    if event.key is KeypadKey.CONFIRM:
        return Step(
            s.ChoosingCopies(
                state.visit,
                state.menu,
                state.offer,
                state.subjects,
                state.items,
                members=state.members,
            )
        )
    item = ITEM_DIGITS.get(event.key.digit or 0)
    if item is None:
        return cancel_only(state, event, facts, rules)
    return Step(replace(state, items=state.items ^ {item}))


def copies_key(state: s.ChoosingCopies, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    if event.key is KeypadKey.CORRECT:
        return Step(s.ChoosingKind(state.visit, state.menu))
    copies = event.key.digit
    if copies is None or not 1 <= copies <= most_copies(state.offer, facts, rules):
        return cancel_only(state, event, facts, rules)
    return Step(
        s.Confirming(
            state.visit,
            state.menu,
            state.offer,
            state.subjects,
            state.items,
            copies,
            members=state.members,
        )
    )


def most_copies(offer: Offer, facts: Facts, rules: Rules) -> int:
    """Copies that may be chosen: each takes a sheet at least. How many it takes the document tells later."""
    sheets = facts.printer.most_sheets
    most = min(rules.most_copies, offer.max_copies)
    return most if sheets is None else min(most, max(1, sheets))


def confirming_key(state: s.Confirming, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    if event.key is KeypadKey.CORRECT:
        return Step(s.ChoosingKind(state.visit, state.menu))
    if event.key is not KeypadKey.CONFIRM:
        return cancel_only(state, event, facts, rules)
    purchase = s.Purchase(
        order_id=OrderId(f"{state.visit}-1"),
        kind=state.offer.kind,
        subjects=state.subjects,
        items=state.items,
        copies=state.copies,
        fee_yen=state.offer.fee_yen * state.copies,
        members=state.members,
    )
    return Step(
        s.Preparing(state.visit, purchase),
        (r.OrderAsked(state.visit, purchase.order_id, purchase.kind, purchase.copies),),
    )


def document_refused(state: s.Preparing, _event: e.DocumentRefused, _facts: Facts, _rules: Rules) -> Step:
    return end(state.visit, s.EndReason.DOCUMENT_REFUSED)

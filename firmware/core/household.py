"""世帯の一部: members of the household are chosen by role and number; nobody here knows a name."""

from dataclasses import replace

from firmware.core import choosing as c
from firmware.core import events as e
from firmware.core import states as s
from firmware.core.facts import Facts
from firmware.core.rules import Rules
from firmware.core.steps import Step
from firmware.core.terms import KeypadKey, Member, MemberRole, Offer, Subjects

_CALLED = 5
"""Members whom a page of the confirmation has room to tell one by one."""

_PLACES = 9
"""On a page of the list, one digit key each; of several pages each has one less, for the 0 that turns it."""


def pages(offer: Offer) -> int:
    """How many pages the list of members takes."""
    return -(-len(offer.members) // _a_page(offer))


def shown(state: s.ChoosingMembers) -> dict[int, Member]:
    """The members on this page of the list, each with its digit."""
    first = state.page * _a_page(state.offer)
    return dict(enumerate(state.offer.members[first : first + _a_page(state.offer)], start=1))


def chosen_of(offer: Offer, numbers: tuple[int, ...]) -> tuple[Member, ...]:
    """The members of these numbers, in the order of the register."""
    return tuple(member for member in offer.members if member.number in numbers)


def members_key(state: s.ChoosingMembers, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    """A digit chooses or gives up one; 確定 goes on with at least one, be it the person or not (R4)."""
    if event.key is KeypadKey.CORRECT:
        return Step(s.ChoosingSubjects(state.visit, state.menu, state.offer))
    if event.key is KeypadKey.CONFIRM:
        return Step(_with_these(state) if state.chosen else state)
    if event.key is KeypadKey.DIGIT_0 and pages(state.offer) > 1:
        return Step(replace(state, page=(state.page + 1) % pages(state.offer)))
    member = shown(state).get(event.key.digit or 0)
    if member is None:
        return c.cancel_only(state, event, facts, rules)
    return Step(replace(state, chosen=state.chosen ^ {member.number}))


def told(state: s.Confirming) -> tuple[bool, tuple[Member, ...]]:
    """Whom the confirmation tells one by one: those chosen, or those left out if they are fewer, and whether
    they are those chosen."""
    chosen = chosen_of(state.offer, state.members)
    others = tuple(member for member in state.offer.members if member not in chosen)
    if len(chosen) <= max(_CALLED, len(others)):
        return True, chosen
    return False, others


def told_here(state: s.Confirming) -> tuple[Member, ...]:
    """Those of them on this page."""
    return told(state)[1][state.page * _CALLED : (state.page + 1) * _CALLED]


def tells_more(state: s.Confirming) -> bool:
    """Whether some of them are on a later page: nobody pays for a choice that was not told whole."""
    return state.subjects is Subjects.MEMBERS and len(told(state)[1]) > (state.page + 1) * _CALLED


def confirming_key(state: s.Confirming, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
    """確定 turns the page while there is another, and then goes on to the payment."""
    if event.key is KeypadKey.CONFIRM and tells_more(state):
        return Step(replace(state, page=state.page + 1))
    return c.confirming_key(state, event, facts, rules)


def _a_page(offer: Offer) -> int:
    return _PLACES if len(offer.members) <= _PLACES else _PLACES - 1


def _with_these(state: s.ChoosingMembers) -> s.ChoosingItems:
    """Everybody is the whole household, and the person alone is the person: the order says it in one way."""
    members = chosen_of(state.offer, tuple(state.chosen))
    subjects, numbers = Subjects.MEMBERS, tuple(sorted(member.number for member in members))
    if len(members) == len(state.offer.members):
        subjects, numbers = Subjects.HOUSEHOLD, ()
    elif all(member.role is MemberRole.SELF for member in members):
        subjects, numbers = Subjects.SELF, ()
    return s.ChoosingItems(state.visit, state.menu, state.offer, subjects, members=numbers)

"""世帯の一部: every way to choose members ends in an order of exactly these, by numbers alone."""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

import pytest

from firmware.core import events as e
from firmware.core import orders as o
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.screens import Row, Said
from firmware.core.session import bound, step
from firmware.core.storyboard import screen_of
from firmware.core.terms import (
    CertificateKind,
    KeypadKey,
    Language,
    Member,
    MemberRole,
    Offer,
    Subjects,
    VisitId,
)
from firmware.screen.narration import narrate
from firmware.screen.texts import Texts
from tests.unit.engine_world import FULL, MEMBERS, RULES
from tests.unit.test_screen_storyboard import AMOUNTS, MESSAGES, NAMES

VISIT = VisitId("a" * 32)
CHOOSING = s.ChoosingSubjects | s.ChoosingMembers | s.ChoosingItems | s.ChoosingCopies | s.Confirming


def offer_of(members: Iterable[Member]) -> Offer:
    return Offer(CertificateKind.JUMINHYO, 300, 9, household=True, members=tuple(members))


def crowd(count: int) -> tuple[Member, ...]:
    """The person and so many others, whose numbers have gaps."""
    others = (Member(2 * at, MemberRole.OTHER, at) for at in range(1, count))
    return (Member(1, MemberRole.SELF), *others)


def subjects(members: Iterable[Member] = MEMBERS) -> s.ChoosingSubjects:
    offer = offer_of(members)
    return s.ChoosingSubjects(VISIT, s.Menu((offer,), ()), offer)


def after(state: s.State, *keys: str) -> s.State:
    for key in keys:
        state = step(state, e.KeyPressed(KeypadKey(key)), FULL, RULES).state
    return state


def choices(state: s.State) -> list[tuple[int, str, bool | None]]:
    return [(one.digit, one.text, one.selected) for one in screen_of(state, FULL, RULES).choices]


@pytest.mark.parametrize(
    ("keys", "expected", "numbers"),
    [
        ("3", Subjects.MEMBERS, (3,)),
        ("31", Subjects.MEMBERS, (1, 3)),
        ("5432", Subjects.MEMBERS, (2, 3, 4, 5)),
        ("1", Subjects.SELF, ()),
        ("12345", Subjects.HOUSEHOLD, ()),
        ("123451", Subjects.MEMBERS, (2, 3, 4, 5)),
        ("1221", None, ()),
        ("67890", None, ()),
    ],
    ids=["another", "both", "all-others", "oneself", "everybody", "given-up", "nobody", "no-such-key"],
)
def test_the_order_has_exactly_the_members_whose_keys_are_on(
    keys: str, expected: Subjects | None, numbers: tuple[int, ...]
) -> None:
    state = after(subjects(), "3", *keys, "confirm")
    if expected is None:
        assert isinstance(state, s.ChoosingMembers)
        assert screen_of(state, FULL, RULES).legend.confirm is None
        return
    assert isinstance(state, s.ChoosingItems)
    assert (expected, numbers) == (state.subjects, state.members)
    preparing = after(state, "2", "confirm", "1", "confirm")
    assert isinstance(preparing, s.Preparing)
    assert (expected, numbers) == (preparing.purchase.subjects, preparing.purchase.members)


def test_who_lives_alone_or_cannot_choose_is_not_asked_for_single_members() -> None:
    alone = subjects(())
    assert ["subjects.self", "subjects.household"] == [text for _, text, _ in choices(alone)]
    assert after(alone, "3") == alone


def test_a_switch_shows_what_it_is_and_nothing_but_role_and_age() -> None:
    state = after(subjects(), "3", "2", "4")
    expected = ["self", "spouse", "child", "child", "parent"]
    on = [False, True, False, True, False]
    assert [(at, f"member.{role}", on[at - 1]) for at, role in enumerate(expected, 1)] == choices(state)
    more = [one.more for one in screen_of(state, FULL, RULES).choices]
    assert [None, None, Said("members.nth", 1), Said("members.nth", 2), None] == more


@pytest.mark.parametrize(("count", "pages"), [(9, 1), (10, 2), (17, 3), (45, 6)])
def test_any_number_of_members_is_reached_by_turning_pages(count: int, pages: int) -> None:
    members = crowd(count)
    state = after(subjects(members), "3")
    for _ in range(pages):
        here = [digit for digit, text, _ in choices(state) if text.startswith("member.")]
        assert ((0, "choice.others", None) in choices(state)) is (pages > 1)
        state = after(state, *map(str, here), *("0" if pages > 1 else ""))
    assert isinstance(state, s.ChoosingMembers)
    assert 0 == state.page
    assert {member.number for member in members} == state.chosen
    last = after(state, "1", "confirm")
    assert isinstance(last, s.ChoosingItems)
    assert tuple(member.number for member in members[1:]) == last.members


def test_back_forgets_the_choice_and_stop_asks_first() -> None:
    choosing = after(subjects(), "3", "1", "2")
    assert subjects() == after(choosing, "correct")
    asked = after(choosing, "cancel")
    assert isinstance(asked, s.ChoosingMembers)
    assert s.Question.STOP is asked.question
    assert choosing == after(asked, "cancel")
    assert isinstance(after(asked, "confirm"), s.Ended)


def test_each_key_that_changes_something_gives_the_full_time_again() -> None:
    state = after(subjects(crowd(12)), "3")
    timers = set()
    for key in "10203010":
        (timer,) = (one for one in bound(state, RULES) if isinstance(one, o.RunTimer))
        assert timer not in timers
        timers.add(timer)
        state = after(state, key)


def test_every_way_through_the_choice_ends_in_an_order_of_what_the_screen_said() -> None:
    """All states of five members that keys and time reach."""
    texts = Texts.load(MESSAGES, NAMES, AMOUNTS)
    keys = [*map(str, range(10)), "correct", "confirm"]
    seen: set[s.State] = {subjects()}
    queue, orders = deque(seen), set()
    while queue:
        state = queue.popleft()
        events: list[e.Event] = [e.TimedOut(), *(e.KeyPressed(KeypadKey(key)) for key in keys)]
        for event in events:
            done = step(state, event, FULL, RULES)
            if isinstance(done.state, s.Preparing):
                purchase = done.state.purchase
                assert isinstance(state, s.Confirming)
                assert (state.subjects, state.members) == (purchase.subjects, purchase.members)
                assert [r.OrderAsked(VISIT, purchase.order_id, purchase.kind, purchase.copies)] == list(
                    done.records
                )
                orders.add(purchase.members)
            elif isinstance(done.state, CHOOSING) and done.state not in seen:
                if isinstance(done.state, s.ChoosingItems) and done.state.items:
                    continue  # which items is another question
                if isinstance(done.state, s.ChoosingCopies | s.Confirming) and done.state.question:
                    continue
                seen.add(done.state)
                queue.append(done.state)
                texts.snapshot(screen_of(done.state, FULL, RULES), RULES.languages[0])
    some = {number.members for number in seen if isinstance(number, s.ChoosingItems)} - {()}
    assert 2**5 - 3 == len(some), "all but nobody, everybody and oneself"
    assert some | {()} == orders


@pytest.mark.parametrize(
    ("keys", "label", "told"),
    [
        ("13", "row.members", [("self", 0), ("child", 1)]),
        ("2345", "row.members", [("spouse", 0), ("child", 1), ("child", 2), ("parent", 0)]),
    ],
)
def test_the_confirmation_says_how_many_of_how_many_and_who(
    keys: str, label: str, told: list[tuple[str, int]]
) -> None:
    state = after(subjects(), "3", *keys, "confirm", "confirm", "1")
    rows = screen_of(state, FULL, RULES).rows
    assert (
        Row("row.subjects", (), parts=((Said("members.of", 5), Said("members.chosen", len(keys))),)) in rows
    )
    (row,) = (row for row in rows if row.label == label)
    shown = [(f"member.{role}", *((nth,) if nth else ())) for role, nth in told]
    assert shown == [(role.text, *(more.number for more in nth)) for role, *nth in row.parts]


def confirming(members: int, left_out: int) -> s.State:
    """Of so many members the first are left out."""
    choosing = after(subjects(crowd(members)), "3")
    assert isinstance(choosing, s.ChoosingMembers)
    chosen = frozenset(member.number for member in crowd(members)[left_out:])
    return after(replace(choosing, chosen=chosen), "confirm", "confirm", "1")


@pytest.mark.parametrize(
    ("members", "left_out", "label", "pages"),
    [
        (10, 5, "row.members", 1),
        (11, 5, "row.members_left_out", 1),
        (11, 6, "row.members", 1),
        (12, 6, "row.members", 2),
        (20, 6, "row.members_left_out", 2),
        (20, 14, "row.members", 2),
        (45, 1, "row.members_left_out", 1),
        (45, 22, "row.members_left_out", 5),
        (45, 23, "row.members", 5),
    ],
)
def test_nobody_pays_before_everyone_chosen_or_everyone_left_out_was_told(
    members: int, left_out: int, label: str, pages: int
) -> None:
    state, told, timers = confirming(members, left_out), [], set()
    for page in range(1, pages + 1):
        assert isinstance(state, s.Confirming)
        screen = screen_of(state, FULL, RULES)
        (row,) = (row for row in screen.rows if "members" in row.label)
        assert (label, True) == (row.label, 1 <= len(row.parts) <= 5)
        told += [(role.text, *(more.number for more in nth)) for role, *nth in row.parts]
        assert ("pay" if page == pages else "next") == screen.legend.confirm
        timers |= {one for one in bound(state, RULES) if isinstance(one, o.RunTimer)}
        assert state == after(state, "cancel", "cancel"), "who goes on after all is where they were"
        state = after(state, "confirm")
    assert isinstance(state, s.Preparing)
    assert pages == len(timers), "each page has the full time"
    everyone = [("member.self",), *(("member.other", nth) for nth in range(1, members))]
    assert told == (everyone[left_out:] if label == "row.members" else everyone[:left_out])


def test_each_page_of_the_confirmation_is_heard_whole() -> None:
    texts = Texts.load(MESSAGES, NAMES, AMOUNTS)
    first = confirming(20, 12)
    one, two = (
        texts.snapshot(screen_of(state, FULL, RULES), Language.EN)
        for state in (first, after(first, "confirm"))
    )
    heard = narrate(two, one).private
    assert {"Members", "Go to payment"} <= set(heard)
    assert not narrate(one, one).private

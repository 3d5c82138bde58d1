"""取消 asks once where something is at stake; time warns before it runs out, and one key gives it again."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from firmware.core import asking
from firmware.core import events as e
from firmware.core import orders as o
from firmware.core import states as s
from firmware.core.facts import PaceLevel, PanelLevel
from firmware.core.screens import Legend, Place, ScreenId
from firmware.core.session import bound, step
from firmware.core.storyboard import screen_of
from firmware.core.terms import CertificateKind, KeypadKey, Offer, OrderId, Subjects, VisitId
from tests.unit.engine_world import FULL, RULES

VISIT = VisitId("a" * 32)
OFFER = Offer(CertificateKind.JUMINHYO, 300, 9, household=True)
MENU = s.Menu((OFFER,), ())
PURCHASE = s.Purchase(
    OrderId("a-1"), CertificateKind.JUMINHYO, Subjects.SELF, frozenset(), 1, fee_yen=300, sheets=1, pages=2
)
COLLECTING = s.CollectingCoins(VISIT, PURCHASE, exact=False, paid_yen=100)
CARD_LIES = replace(FULL, reader=replace(FULL.reader, card_present=True))
WAITING: tuple[s.State, ...] = (
    s.Notice(VISIT),
    s.AwaitingCard(VISIT),
    s.EnteringPin(VISIT, 3, 2),
    s.PinWasWrong(VISIT, 2),
    s.ChoosingKind(VISIT, MENU),
    s.ChoosingSubjects(VISIT, MENU, OFFER),
    s.ChoosingMembers(VISIT, MENU, OFFER),
    s.ChoosingItems(VISIT, MENU, OFFER, Subjects.SELF),
    s.ChoosingCopies(VISIT, MENU, OFFER, Subjects.SELF, frozenset()),
    s.Confirming(VISIT, MENU, OFFER, Subjects.SELF, frozenset(), 1),
    COLLECTING,
)
CANCEL, CONFIRM = e.KeyPressed(KeypadKey.CANCEL), e.KeyPressed(KeypadKey.CONFIRM)


def after(state: s.State, event: e.Event) -> s.State:
    facts = CARD_LIES if isinstance(state, s.EnteringPin | s.PinWasWrong) else FULL
    return step(state, event, facts, RULES).state


def timer(state: s.State) -> o.RunTimer:
    [found] = [order for order in bound(state, RULES) if isinstance(order, o.RunTimer)]
    return found


def ends(state: s.State) -> s.EndReason | None:
    return state.reason if isinstance(state, s.Ended) else getattr(state, "refund", None)


def asks(state: Any, question: s.Question) -> Any:
    return replace(state, question=question)


def test_every_state_that_can_ask_is_here() -> None:
    assert set(get_args(asking.Asking)) == {type(state) for state in WAITING}


@pytest.mark.parametrize("state", WAITING, ids=lambda state: type(state).__name__)
def test_time_warns_once_and_one_key_gives_the_full_time_again_any_number_of_times(state: s.State) -> None:
    for _ in range(12):
        warned = step(state, e.TimedOut(), CARD_LIES if "Pin" in str(state) else FULL, RULES)
        assert asks(state, s.Question.GO_ON) == warned.state
        assert (o.Sound(o.Alarm.ATTENTION),) == warned.orders
        assert (40.0, 20.0) == (timer(state).seconds, timer(warned.state).seconds)
        assert timer(state).state != timer(warned.state).state, "the timer would not begin anew"
        assert state == after(warned.state, CONFIRM)
    reason = s.EndReason.NO_CARD if isinstance(state, s.AwaitingCard) else s.EndReason.TIMED_OUT
    assert reason == ends(after(warned.state, e.TimedOut()))
    assert s.EndReason.CANCELLED == ends(after(warned.state, CANCEL))
    assert warned.state == after(warned.state, e.KeyPressed(KeypadKey.DIGIT_7))


@pytest.mark.parametrize("state", WAITING, ids=lambda state: type(state).__name__)
def test_cancel_asks_once_where_card_and_pin_would_be_needed_anew(state: s.State) -> None:
    pressed = after(state, CANCEL)
    if not isinstance(state, asking.AT_STAKE):
        assert s.EndReason.CANCELLED == ends(pressed)
        return
    assert asks(state, s.Question.STOP) == pressed
    assert state == after(pressed, CANCEL)
    assert s.EndReason.CANCELLED == ends(after(pressed, CONFIRM))
    assert s.EndReason.TIMED_OUT == ends(after(pressed, e.TimedOut()))
    assert 30.0 == timer(pressed).seconds


def test_the_question_says_what_happens_to_the_money_and_goes_before_the_screen_under_it() -> None:
    for question, legend in (
        (s.Question.STOP, Legend(cancel="go_on", confirm="stop")),
        (s.Question.GO_ON, Legend(cancel="stop", confirm="go_on")),
    ):
        shown = screen_of(asks(COLLECTING, question), FULL, RULES)
        assert (ScreenId(question.value), "money", 4) == (shown.id, shown.reason, shown.step)
        assert (legend, (("refund_yen", 100),)) == (shown.legend, shown.numbers)
        assert "" == screen_of(asks(WAITING[4], question), FULL, RULES).reason


def test_a_short_time_is_halved_and_none_has_no_end() -> None:
    short = replace(RULES, timeouts_seconds={"Notice": 1.0})
    assert 0.5 == asking.question_seconds(s.Notice(VISIT), short)
    assert None is asking.question_seconds(s.Notice(VISIT), replace(RULES, timeouts_seconds={}))
    assert None is asking.question_seconds(s.TakingCard(VISIT, MENU), RULES)


def test_a_digit_of_the_pin_answers_that_the_person_goes_on_and_confirm_does_not_sign() -> None:
    asked = asks(s.EnteringPin(VISIT, 3, 4), s.Question.GO_ON)
    assert s.EnteringPin(VISIT, 3, 3) == after(asked, e.PinDigits(3))
    done = step(asked, e.PinEntered(), CARD_LIES, RULES)
    assert (s.EnteringPin(VISIT, 3, 4), ()) == (done.state, done.orders)
    assert any(isinstance(order, o.CollectPin) for order in bound(asked, RULES)), (
        "what was typed would be gone"
    )


def test_a_coin_answers_the_clock_but_not_the_cancel_key() -> None:
    coin = e.CoinInserted(100, 7, 9)
    assert replace(COLLECTING, paid_yen=200) == after(asks(COLLECTING, s.Question.GO_ON), coin)
    stopping = asks(COLLECTING, s.Question.STOP)
    assert replace(stopping, paid_yen=200) == after(stopping, coin)
    assert any(isinstance(order, o.AcceptCoins) for order in bound(stopping, RULES))


def test_what_the_facts_end_they_end_under_a_question_too() -> None:
    door = replace(FULL, panel=PanelLevel(door_open=True))
    for state in (asks(COLLECTING, s.Question.STOP), asks(WAITING[4], s.Question.GO_ON)):
        assert s.EndReason.DOOR_OPENED == ends(step(state, e.FactsChanged(), door, RULES).state)


@pytest.mark.parametrize("state", WAITING, ids=lambda state: type(state).__name__)
def test_a_sheet_that_falls_when_its_owner_has_gone_ends_the_next_visit(state: s.State) -> None:
    """Whatever is printed then would come to lie on it, and be taken with it."""
    facts = CARD_LIES if isinstance(state, s.EnteringPin | s.PinWasWrong) else FULL
    fell = replace(facts, panel=PanelLevel(paper_in_tray=True))
    assert s.EndReason.PAPER_LEFT == ends(step(state, e.FactsChanged(), fell, RULES).state)


def test_a_coin_that_fell_through_is_told_for_a_while_and_costs_no_time() -> None:
    told = after(COLLECTING, e.CoinRejected())
    again = after(told, e.CoinRejected())
    assert timer(told) != timer(again), "the timer would not begin anew"
    for state in (told, again):
        shown = screen_of(state, FULL, RULES)
        assert ("rejected", Place.CHANGE, 100) == (shown.reason, shown.place, shown.paid_yen)
        told_all = after(state, e.TimedOut())
        assert (5.0, timer(COLLECTING)) == (timer(state).seconds, timer(told_all)), "it costs time"
        assert screen_of(COLLECTING, FULL, RULES) == screen_of(told_all, FULL, RULES)
        assert replace(COLLECTING, paid_yen=200) == after(state, e.CoinInserted(100, 7, 9))
    stopping = asks(COLLECTING, s.Question.STOP)
    assert s.Question.STOP == asking.question_of(after(stopping, e.CoinRejected()))
    assert s.EndReason.TIMED_OUT == ends(after(after(stopping, e.CoinRejected()), e.TimedOut()))


def test_a_bad_coin_thrown_in_for_ever_holds_no_visit_open() -> None:
    state: s.State = COLLECTING
    for _ in range(RULES.most_rejected):
        state = after(asks(after(state, e.TimedOut()), s.Question.GO_ON), e.CoinRejected())
        assert asking.question_of(state) is None, "it still gives time"
    asked = asks(after(state, e.TimedOut()), s.Question.GO_ON)
    assert (asked, timer(asked)) == (after(asked, e.CoinRejected()), timer(after(asked, e.CoinRejected())))
    assert s.EndReason.TIMED_OUT == ends(after(after(asked, e.CoinRejected()), e.TimedOut()))
    for sign in (e.CoinInserted(100, 7, 9), e.KeyPressed(KeypadKey.CONFIRM)):
        there = after(after(asked, sign), e.CoinRejected())
        assert "rejected" == screen_of(there, FULL, RULES).reason, "whoever is there is told again"


@pytest.mark.parametrize(("pace", "out", "expected"), [(4.0, 1, 4.0), (4.0, 2, None), (0.0, 0, None)])
def test_the_seconds_to_go_follow_the_pace_of_the_last_prints(
    pace: float, out: int, expected: float | None
) -> None:
    printing = s.Printing(VISIT, PURCHASE, 300, "R-1", pages_out=out)
    assert expected == screen_of(printing, FULL.with_level(PaceLevel(pace)), RULES).ready_seconds

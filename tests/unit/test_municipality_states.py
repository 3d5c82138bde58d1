"""What a kiosk's report makes of an order: the whole table, and what may never be."""

from itertools import product

import pytest

from tests.municipality.states import TERMINAL, Outcome, State, after_refund, after_result

OUTCOMES: tuple[Outcome, ...] = ("done", "not_done", "unknown")


@pytest.mark.parametrize(("state", "outcome"), list(product(sorted(TERMINAL), OUTCOMES)))
def test_a_terminal_state_is_kept_or_contradicted(state: State, outcome: Outcome) -> None:
    assert after_result(state, outcome) in {state, None}


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_a_refund_does_not_move_a_terminal_state(state: State) -> None:
    assert after_refund(state) in {state, None}


@pytest.mark.parametrize("state", sorted(set(State) - {State.RELEASED, State.UNCERTAIN, State.ISSUED}))
def test_only_what_was_released_can_be_printed(state: State) -> None:
    assert after_result(state, "done") is None


def test_what_was_issued_is_not_refunded() -> None:
    assert after_refund(State.ISSUED) is None


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("done", State.ISSUED), ("not_done", State.PRINT_FAILED), ("unknown", State.UNCERTAIN)],
)
def test_an_uncertain_print_is_settled_by_a_later_word(outcome: Outcome, expected: State) -> None:
    assert [expected, expected] == [
        after_result(state, outcome) for state in (State.RELEASED, State.UNCERTAIN)
    ]


@pytest.mark.parametrize("state", [State.RELEASED, State.PRINT_FAILED, State.UNCERTAIN])
def test_money_given_back_after_a_release_is_a_refund(state: State) -> None:
    assert State.REFUNDED == after_refund(state)

"""States of an order, and what a kiosk's report makes of them.

RESERVED -> RELEASED -> ISSUED, or PRINT_FAILED or UNCERTAIN, and from those REFUNDED;
RESERVED -> CANCELLED or EXPIRED. A terminal state never changes, but that a certificate printed badly may
be paid back while its day is not settled: ISSUED -> REFUNDED.
"""

from enum import StrEnum
from typing import Literal

Outcome = Literal["done", "not_done", "unknown"]


class State(StrEnum):
    """Where an order stands."""

    RESERVED = "RESERVED"
    RELEASED = "RELEASED"
    ISSUED = "ISSUED"
    PRINT_FAILED = "PRINT_FAILED"
    UNCERTAIN = "UNCERTAIN"
    REFUNDED = "REFUNDED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


TERMINAL = frozenset({State.ISSUED, State.REFUNDED, State.CANCELLED, State.EXPIRED})

_AFTER_PRINT = {"done": State.ISSUED, "not_done": State.PRINT_FAILED, "unknown": State.UNCERTAIN}

_AFTER_RESULT: dict[State, dict[str, State]] = {
    # What was never released cannot have been printed: the kiosk gave up.
    State.RESERVED: {"not_done": State.CANCELLED, "unknown": State.CANCELLED},
    State.RELEASED: _AFTER_PRINT,
    State.UNCERTAIN: _AFTER_PRINT,
    State.PRINT_FAILED: {"not_done": State.PRINT_FAILED},
    State.ISSUED: {"done": State.ISSUED},
    State.REFUNDED: {"not_done": State.REFUNDED, "unknown": State.REFUNDED},
    State.CANCELLED: {"not_done": State.CANCELLED, "unknown": State.CANCELLED},
    State.EXPIRED: {"not_done": State.EXPIRED, "unknown": State.EXPIRED},
}

_AFTER_REFUND = {
    State.RESERVED: State.CANCELLED,
    State.RELEASED: State.REFUNDED,
    State.UNCERTAIN: State.REFUNDED,
    State.PRINT_FAILED: State.REFUNDED,
    State.REFUNDED: State.REFUNDED,
    State.CANCELLED: State.CANCELLED,
    State.EXPIRED: State.EXPIRED,
}


def after_result(state: State, outcome: Outcome) -> State | None:
    """The state after a print result, or None if the report contradicts the state."""
    return _AFTER_RESULT[state].get(outcome)


def after_refund(state: State, *, defect: bool = False) -> State | None:
    """The state after money went back, or None if it contradicts the state.

    defect: it was printed badly (印刷不良).
    """
    if defect:
        return State.REFUNDED if state in {State.ISSUED, State.REFUNDED} else None
    return _AFTER_REFUND.get(state)

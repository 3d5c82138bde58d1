"""Questions before something is given up: 取消 asks once (中止確認), and time warns before it runs out.

Source: WCAG 2.2, success criterion 2.2.1: the person is warned, and one key extends the time, however often.
"""

from dataclasses import replace
from typing import Any, Final

from firmware.core import events as e
from firmware.core import orders as o
from firmware.core import states as s
from firmware.core.facts import Facts
from firmware.core.rules import Rules
from firmware.core.states import Question
from firmware.core.steps import Handler, Step
from firmware.core.terms import KeypadKey

Asking = (
    s.Notice
    | s.AwaitingCard
    | s.EnteringPin
    | s.PinWasWrong
    | s.ChoosingKind
    | s.ChoosingSubjects
    | s.ChoosingMembers
    | s.ChoosingItems
    | s.ChoosingCopies
    | s.Confirming
    | s.CollectingCoins
)
"""States that wait for the person, and can ask."""

AT_STAKE = (
    s.ChoosingKind,
    s.ChoosingSubjects,
    s.ChoosingMembers,
    s.ChoosingItems,
    s.ChoosingCopies,
    s.Confirming,
    s.CollectingCoins,
)
"""After the PIN: who stops here must lay the card down again, and choose or pay anew."""

_KEYS: Final = {
    Question.STOP: (KeypadKey.CONFIRM, KeypadKey.CANCEL),
    Question.GO_ON: (KeypadKey.CANCEL, KeypadKey.CONFIRM),
}
"""The keys that stop and that go on."""


def on_key(handler: Handler) -> Handler:
    """handler, but 取消 asks first where something is at stake, and a question is answered first of all."""

    def asked(state: Any, event: e.KeyPressed, facts: Facts, rules: Rules) -> Step:
        if state.question is None:
            if event.key is KeypadKey.CANCEL and isinstance(state, AT_STAKE):
                return Step(replace(state, question=Question.STOP))
            return handler(state, event, facts, rules)
        stop, go_on = _KEYS[state.question]
        answered = replace(state, question=None)
        if event.key is stop:
            return handler(answered, e.KeyPressed(KeypadKey.CANCEL), facts, rules)
        return Step(answered if event.key is go_on else state)

    return asked


def on_time(handler: Handler) -> Handler:
    """handler, but the person is asked before; a question that nobody answers is answered by handler."""

    def warned(state: Any, event: e.TimedOut, facts: Facts, rules: Rules) -> Step:
        if state.question is None:
            asked = replace(state, question=Question.GO_ON)
            return Step(asked, orders=(o.Sound(o.Alarm.ATTENTION),))
        return handler(replace(state, question=None), event, facts, rules)

    return warned


def question_of(state: s.State) -> Question | None:
    """The question that stands in this state."""
    return state.question if isinstance(state, Asking) else None


def question_seconds(state: s.State, rules: Rules) -> float | None:
    """How long a question stands: the last part of its screen's time, None if that has no end."""
    whole = rules.timeouts_seconds.get(type(state).__name__)
    if whole is None or not isinstance(state, Asking):
        return None
    longest = rules.stop_seconds if question_of(state) is Question.STOP else rules.warning_seconds
    return min(longest, whole / 2)

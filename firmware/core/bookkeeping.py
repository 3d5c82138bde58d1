"""Entries in the books between two visits: coins handled by staff, and the end of the business day."""

from firmware.core import events as e
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.facts import Facts
from firmware.core.rules import Rules
from firmware.core.steps import Step


def booked(state: s.NotServing, event: e.Booked, facts: Facts, _rules: Rules) -> Step:
    """Coins are handled through the open door; a day ends with the door open or shut."""
    handled = any(not isinstance(entry, r.DayClosed) for entry in event.entries)
    return Step(state, event.entries if facts.panel.door_open or not handled else ())


def booked_at_rest(state: s.Idle, event: e.Booked, _facts: Facts, _rules: Rules) -> Step:
    """The door is shut, so nobody handles coins."""
    only_days = all(isinstance(entry, r.DayClosed) for entry in event.entries)
    return Step(state, event.entries if only_days else ())

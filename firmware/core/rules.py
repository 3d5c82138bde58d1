"""What a city and a store set for the session engine, as values."""

from collections.abc import Mapping
from dataclasses import dataclass

from firmware.core.facts import Facts
from firmware.core.terms import Language, ServiceHours, Yen


@dataclass(frozen=True, slots=True)
class Rules:
    """timeouts_seconds: by the name of the state class; a state without one has no time-out.

    minimum_change_coins: fewer coins in the hopper keep the kiosk out of service.
    most_copies: of one certificate in one visit, at most 9, one digit key each.
    most_alarms: reminders before a kiosk gives up waiting for card or paper to be taken.
    """

    timeouts_seconds: Mapping[str, float]
    denominations_yen: frozenset[Yen]
    minimum_change_coins: int
    most_alarms: int
    most_copies: int
    languages: tuple[Language, ...]


def obstacles(facts: Facts, rules: Rules) -> tuple[str, ...]:
    """Why no visit can begin, as words for log and screen; empty when one can."""
    return tuple(
        name
        for name, holds in (
            ("clock", not facts.clock.trusted),
            ("hours", facts.clock.hours is not ServiceHours.OPEN),
            ("reader", not facts.reader.working),
            ("keypad", not facts.keypad.working),
            ("acceptor", not facts.acceptor.working),
            ("change", not facts.hopper.working or facts.hopper.coins < rules.minimum_change_coins),
            ("printer", bool(facts.printer.reasons)),
            ("receipt", not facts.receipt.ready),
            ("municipality", not facts.municipality.reachable),
            ("door", facts.panel.door_open),
            ("paper-left", facts.panel.paper_in_tray),
            ("change-left", facts.panel.change_in_cup),
        )
        if holds
    )

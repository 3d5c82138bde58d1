"""What a city and a store set for the session engine, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from firmware.core.facts import Facts
from firmware.core.terms import Language, Page, ServiceHours, Yen

WITHDRAWN_CODES: Final = frozenset({20, *range(160, 192)})
"""Coin on a string and credit cancelled, by position. Source: ccTalk part 3, table 2."""


@dataclass(frozen=True, slots=True)
class Rules:
    """timeouts_seconds: by the name of the state class; a state without one has no time-out.

    minimum_change_coins: by hopper; fewer coins in it keep the kiosk out of service, with 0
    it may be missing.
    withdrawn_codes: acceptor errors by which a coin already credited may have left through the entry.
    most_copies: of one certificate in one visit, at most 9, one digit key each.
    most_alarms: reminders before a kiosk gives up waiting for card or paper to be taken.
    warning_seconds: so long before a screen's time is over the person is asked whether to go on.
    stop_seconds: so long the question stands that 取消 asks. rejected_seconds: so long the screen tells of a
    coin that fell through. most_rejected: so many in a row are told of and give the full time again.
    selective_acceptor: it can take some of its coins and not the others.
    """

    timeouts_seconds: Mapping[str, float]
    denominations_yen: frozenset[Yen]
    minimum_change_coins: Mapping[int, int]
    withdrawn_codes: frozenset[int]
    most_alarms: int
    most_copies: int
    languages: tuple[Language, ...]
    warning_seconds: float = 20.0
    stop_seconds: float = 30.0
    rejected_seconds: float = 5.0
    most_rejected: int = 5
    selective_acceptor: bool = True


def obstacles(facts: Facts, rules: Rules) -> tuple[str, ...]:
    """Why no visit can begin, as words for log and screen; empty when one can.

    The receipt printer is none: the person is told before paying and may go on without a receipt.
    A display is missed only where one was: a rig has none.
    """
    return tuple(
        name
        for name, holds in (
            ("clock", not facts.clock.trusted),
            ("hours", facts.clock.hours is not ServiceHours.OPEN),
            ("journal", not facts.journal.room),
            ("screen", facts.screen.page is Page.GONE),
            ("reader", not facts.reader.working),
            ("keypad", not facts.keypad.working),
            ("acceptor", not facts.acceptor.working),
            ("change", not _enough_change(facts, rules)),
            ("printer", bool(facts.printer.reasons)),
            ("municipality", not facts.municipality.reachable),
            ("door", facts.panel.door_open),
            ("paper-left", facts.panel.paper_in_tray),
            ("change-left", facts.panel.change_in_cup),
            ("lockout", facts.lockout.waits),
            ("maintenance", facts.maintenance.on),
        )
        if holds
    )


def unfit(facts: Facts, rules: Rules, *, worker: bool) -> frozenset[str]:
    """Every part that does not do its work, in the words of `obstacles` and more: an update takes none away.

    A visit may do without a receipt, the engine sees no display, and change is lacked with a dead hopper as
    with an empty one. worker: a document worker works.
    """
    parts = (
        ("hopper", not all(facts.hopper(hopper).working for hopper in rules.minimum_change_coins)),
        ("screen", not facts.screen.draws),
        ("receipt", not facts.receipt.ready),
        ("worker", not worker),
    )
    return frozenset(obstacles(facts, rules)) | {name for name, holds in parts if holds}


def _enough_change(facts: Facts, rules: Rules) -> bool:
    levels = ((facts.hopper(hopper), least) for hopper, least in rules.minimum_change_coins.items() if least)
    return all(level.working and level.coins >= least for level, least in levels)

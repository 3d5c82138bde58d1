"""What must be done before a kiosk may be erased for good. 廃止"""

from dataclasses import dataclass, fields
from typing import Final

from firmware.core.accounts import Accounts, place_named
from firmware.core.totals import DayTotals
from firmware.core.wording import Sentence, told

_WITHOUT_MONEY: Final = frozenset({"cash"})


@dataclass(frozen=True, slots=True)
class Standing:
    """What the books do not say. resting: no visit. updating: root writes a slot. testing: a part is tested.

    waiting: messages without the municipality's answer. kept_seq: the last entry of the journal of which the
    municipality has said that it keeps it, None while it has not. head_seq: the last entry of all.
    """

    resting: bool
    updating: bool
    testing: bool
    waiting: int
    kept_seq: int | None
    head_seq: int


def first_to_do(accounts: Accounts, standing: Standing) -> Sentence | None:
    """What stands between this kiosk and its end, and what is to be done about it first; None: nothing.

    In the order in which staff can do it: what is done later may not undo what was done before.
    """
    return (
        _under_way(standing)
        or _owed(accounts)
        or _lies_there(accounts)
        or _unsettled(accounts)
        or _untold(standing)
    )


def _under_way(standing: Standing) -> Sentence | None:
    if standing.updating:
        return told("an update is under way")
    if standing.testing:
        return told("a test is running: say it again when it has ended")
    if not standing.resting:
        return told("a visit is under way: maintenance on, and say it again when it has ended")
    return None


def _owed(accounts: Accounts) -> Sentence | None:
    claims = accounts.open_claims
    if not claims:
        return None
    return told(
        "{count} claims of {yen} yen are owed: claims list, then claims settle",
        count=len(claims),
        yen=sum(claim.yen for claim in claims),
    )


def _lies_there(accounts: Accounts) -> Sentence | None:
    for (hopper, coin_yen), position in sorted(accounts.positions.items(), key=_place):
        place = place_named(hopper)
        if position.unsure:
            return told(
                "nobody is sure of {unsure} coins of {yen} yen in the {place}: cash count, then cash collect",
                unsure=position.unsure,
                yen=coin_yen,
                place=place,
            )
        if position.coins:
            return told(
                "{coins} coins of {yen} yen lie in the {place}: cash collect",
                coins=position.coins,
                yen=coin_yen,
                place=place,
            )
    return None


def _unsettled(accounts: Accounts) -> Sentence | None:
    if _has_moved(accounts.open_day()):
        return told(
            "money or coins have moved since the last closing: settle, at the latest when the day has ended"
        )
    for day in accounts.days.values():
        if day.settled is None:
            return told("day {day} is closed and not settled yet: wait", day=day.business_date)
        if day.compared is None:
            return told(
                "the municipality has not compared day {day} yet: wait, see status", day=day.business_date
            )
    return None


def _untold(standing: Standing) -> Sentence | None:
    if standing.waiting:
        return told("{count} messages wait for the municipality: see status", count=standing.waiting)
    if standing.kept_seq is None:
        return told("the municipality does not say how much of the journal it keeps: see logs, say it again")
    if standing.kept_seq != standing.head_seq:
        return told(
            "the municipality keeps {kept} of {all} entries of the journal: say it again",
            kept=standing.kept_seq,
            all=standing.head_seq,
        )
    return None


def _has_moved(day: DayTotals) -> bool:
    """Whether anything stands in the open day that a closing would put before the municipality."""
    figures = any(getattr(day, one.name) for one in fields(day) if one.name not in _WITHOUT_MONEY)
    return figures or any(place.refilled or place.collected or place.difference for place in day.cash)


def _place(item: tuple[tuple[int | None, int], object]) -> tuple[int, int]:
    (hopper, coin_yen), _ = item
    return (-1 if hopper is None else hopper), coin_yen

"""Yen: what change can be given, and the ledger that must balance after every record.

Conservation, at every instant: coins taken = fees kept + coins paid out + claims owed +
unclaimed coins + what is held for the visit under way.
"""

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from firmware.core import records as r
from firmware.core.facts import HopperLevel
from firmware.core.terms import Certainty, VisitId, Yen


class ChangePlan(enum.Enum):
    """Which coins may be taken so that every yen can go back."""

    ANY = "any"
    EXACT = "exact"  # only coins that can never overpay
    NONE = "none"  # not even a refund is sure


def change_due_yen(paid_yen: Yen, fee_yen: Yen) -> Yen:
    """Change for a sale. Raises ValueError if the fee is not covered."""
    if paid_yen < fee_yen:
        raise ValueError(f"paid {paid_yen} yen is less than fee {fee_yen} yen")
    return paid_yen - fee_yen


def change_plan(
    fee_yen: Yen, denominations: frozenset[Yen], hoppers: Collection[HopperLevel], *, selective: bool = True
) -> ChangePlan:
    """Decided before the first coin: every refund and every change that can arise must be payable.

    selective: the acceptor can take some coins and not the others.
    """
    if _always_payable(fee_yen, denominations, hoppers):
        return ChangePlan.ANY
    if not selective:
        return ChangePlan.NONE
    smallest_yen = min(denominations)
    if fee_yen % smallest_yen == 0 and _always_payable(fee_yen, frozenset({smallest_yen}), hoppers):
        return ChangePlan.EXACT
    return ChangePlan.NONE


def _always_payable(fee_yen: Yen, denominations: frozenset[Yen], hoppers: Collection[HopperLevel]) -> bool:
    """The slot shuts when the fee is covered, so that only sums below it are added to."""
    payable = _payable_sums(hoppers, fee_yen + max(denominations))
    sums, growing = set[Yen](), {0}
    while growing:
        sums |= growing
        growing = {paid + yen for paid in growing if paid < fee_yen for yen in denominations} - sums
    changes = {paid - fee_yen for paid in sums if paid >= fee_yen}
    return all(payable >> yen & 1 for yen in sums | changes)


def coin_to_pay(owed_yen: Yen, hoppers: Collection[HopperLevel]) -> HopperLevel | None:
    """The hopper whose coin is paid next, largest coins first, so that all of owed_yen is paid that can be.

    None when no coin of theirs fits any more.
    """
    payable = _payable_sums(hoppers, owed_yen)
    most_yen = (payable & (1 << owed_yen + 1) - 1).bit_length() - 1
    for hopper in sorted(hoppers, key=lambda level: -level.coin_yen):
        rest = [replace(level, coins=level.coins - (level is hopper)) for level in hoppers]
        after_yen = most_yen - hopper.coin_yen
        if _coins(hopper) and after_yen >= 0 and _payable_sums(rest, after_yen) >> after_yen & 1:
            return hopper
    return None


def _payable_sums(hoppers: Iterable[HopperLevel], most_yen: Yen) -> int:
    """Bit n is set if n yen, up to most_yen, can be paid to the yen."""
    sums, within = 1, (1 << most_yen + 1) - 1
    for hopper in hoppers:
        for _ in range(min(_coins(hopper), most_yen // hopper.coin_yen)):
            sums |= sums << hopper.coin_yen & within
    return sums


def _coins(hopper: HopperLevel) -> int:
    return hopper.coins if hopper.working else 0


@dataclass(frozen=True, slots=True)
class VisitBalance:
    """One visit's money. held_yen is owed to the person or to the fee until it is 0."""

    taken_yen: Yen = 0
    fee_yen: Yen = 0
    paid_out_yen: Yen = 0
    claims_yen: Yen = 0
    ended: bool = False

    @property
    def held_yen(self) -> Yen:
        return self.taken_yen - self.fee_yen - self.paid_out_yen - self.claims_yen


@dataclass(frozen=True, slots=True)
class Ledger:
    """The whole journal's money."""

    visits: dict[VisitId, VisitBalance]
    unclaimed_yen: Yen = 0

    @property
    def taken_yen(self) -> Yen:
        return self.unclaimed_yen + sum(v.taken_yen for v in self.visits.values())

    @property
    def fees_yen(self) -> Yen:
        return sum(v.fee_yen for v in self.visits.values())

    @property
    def paid_out_yen(self) -> Yen:
        return sum(v.paid_out_yen for v in self.visits.values())

    @property
    def claims_yen(self) -> Yen:
        return sum(v.claims_yen for v in self.visits.values())

    @property
    def held_yen(self) -> Yen:
        return sum(v.held_yen for v in self.visits.values())

    def faults(self) -> tuple[str, ...]:
        """What contradicts conservation, in words; empty when the books are right."""
        found = []
        for visit, balance in self.visits.items():
            if balance.held_yen < 0:
                found.append(f"visit {visit[:8]}: {-balance.held_yen} yen more went out than came in")
            if balance.ended and balance.held_yen:
                found.append(f"visit {visit[:8]}: ended with {balance.held_yen} yen nobody owns")
        return tuple(found)


def ledger(records: Iterable[r.Record]) -> Ledger:
    """Fold the journal into balances."""
    visits: dict[VisitId, VisitBalance] = {}
    unclaimed_yen = 0
    for record in records:
        match record:
            case r.CoinUnclaimed(yen=yen):
                unclaimed_yen += yen
            case (
                r.CoinTaken()
                | r.FeeEarned()
                | r.FeeReturned()
                | r.CoinPayEnded()
                | r.ClaimOpened()
                | r.VisitEnded()
            ):
                visits[record.visit] = _after(visits.get(record.visit, VisitBalance()), record)
            case _:
                pass
    return Ledger(visits, unclaimed_yen)


_Money = r.CoinTaken | r.FeeEarned | r.FeeReturned | r.CoinPayEnded | r.ClaimOpened | r.VisitEnded


def _after(balance: VisitBalance, record: _Money) -> VisitBalance:
    match record:
        case r.CoinTaken(yen=yen):
            return replace(balance, taken_yen=balance.taken_yen + yen)
        case r.FeeEarned(yen=yen):
            return replace(balance, fee_yen=balance.fee_yen + yen)
        case r.FeeReturned(yen=yen):
            return replace(balance, fee_yen=balance.fee_yen - yen)
        case r.CoinPayEnded(yen=yen, certainty=certainty):
            paid = yen if certainty is Certainty.DONE else 0
            return replace(balance, paid_out_yen=balance.paid_out_yen + paid)
        case r.ClaimOpened(yen=yen):
            return replace(balance, claims_yen=balance.claims_yen + yen)
        case r.VisitEnded():
            return replace(balance, ended=True)
        case _:
            assert_never(record)

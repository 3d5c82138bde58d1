"""The books of the counter: where the coins lie, what is owed, and each business day (日計).

A fold of the journal. A visit counts for the day in which it ends.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from firmware.core import records as r
from firmware.core.states import PayoutPurpose
from firmware.core.terms import Certainty, CertificateKind, OrderId, VisitId, Yen
from firmware.core.totals import ClaimTotal, DayTotals, PlaceTotal, SoldTotal
from firmware.core.wording import Sentence, told

Place = tuple[int | None, Yen]
"""A hopper's address, or None for the cash box, and the value of the coins there."""

_NO_ORDER = OrderId("")


@dataclass(slots=True)
class Position:
    """Coins of one value in one place; see PlaceTotal. known: somebody has said how many there are."""

    coins: int = 0
    unsure: int = 0
    refilled: int = 0
    collected: int = 0
    difference: int = 0
    known: bool = False

    @property
    def sure_coins(self) -> int:
        """Coins that certainly lie there by the books."""
        return max(0, self.coins - self.unsure)

    def put(self, coins: int) -> None:
        self.coins += coins
        self.refilled += coins
        self.known = True

    def take(self, coins: int) -> None:
        self.coins -= coins
        self.collected += coins
        self.unsure = min(self.unsure, max(0, self.coins))

    def count(self, coins: int) -> None:
        self.difference += coins - self.coins
        self.coins, self.unsure, self.known = coins, 0, True

    def pay(self, certainty: Certainty) -> None:
        match certainty:
            case Certainty.DONE:
                self.coins -= 1
                self.unsure = min(self.unsure, max(0, self.coins))
            case Certainty.UNKNOWN:
                self.unsure = min(self.unsure + 1, max(0, self.coins))
            case Certainty.NOT_DONE:
                pass
            case _:
                assert_never(certainty)


@dataclass(frozen=True, slots=True)
class Claim:
    """Money owed by a slip; settled_by: None while it is open."""

    claim_no: str
    order_id: OrderId
    yen: Yen
    settled_by: str | None = None


@dataclass(slots=True)
class _Visit:
    """One visit that has not ended. asked: kind and copies by order; order_id: the last one."""

    asked: dict[OrderId, tuple[CertificateKind, int]] = field(default_factory=dict)
    order_id: OrderId = _NO_ORDER
    taken_yen: Yen = 0
    paid_out_yen: Yen = 0
    claim: ClaimTotal | None = None
    earned: r.FeeEarned | None = None
    returned: r.FeeReturned | None = None
    intended: bool = False
    given_back: bool = False
    uncertain: bool = False


@dataclass(slots=True)
class _Day:
    """What has happened since the last closing."""

    visits: int = 0
    sold: dict[CertificateKind, list[int]] = field(default_factory=dict)
    taken_yen: Yen = 0
    fees_yen: Yen = 0
    paid_out_yen: Yen = 0
    unclaimed_yen: Yen = 0
    claims_settled_yen: Yen = 0
    suspects: int = 0
    issued: list[OrderId] = field(default_factory=list)
    given_back: list[OrderId] = field(default_factory=list)
    uncertain: list[OrderId] = field(default_factory=list)
    claims: list[ClaimTotal] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ClosedDay:
    """A day as the journal's records before its closing say.

    open_claims_yen: of all claims that nobody had paid then. settled: as it was kept, None until then.
    """

    business_date: str
    closed_at: str
    totals: DayTotals
    open_claims_yen: Yen
    settled: r.DaySettled | None = None
    compared: r.DayCompared | None = None


class Accounts:
    """Enter every record once, in the journal's order.

    positions: by place; claims: by number; days: closed ones by business date, oldest first. These stay,
    for staff and municipality may ask for any of them: a day's totals once, which its orders' numbers are
    most of, some 9 kB for 100 visits.
    """

    def __init__(self, records: Iterable[r.Record] = ()) -> None:
        self.positions: dict[Place, Position] = {}
        self.claims: dict[str, Claim] = {}
        self.days: dict[str, ClosedDay] = {}
        self._day = _Day()
        self._visits: dict[VisitId, _Visit] = {}
        self._faults: list[str] = []
        for record in records:
            self.enter(record)

    def enter(self, record: r.Record) -> None:
        """Take the next record of the journal into the books."""
        match record:
            case r.CoinTaken() | r.CoinUnclaimed():
                self._position((None, record.yen)).coins += 1
                self._taken(record)
            case r.CoinsSuspected():
                self._day.suspects += 1
            case r.CoinPayEnded() | r.HopperFoundEmpty():
                self._hopper(record)
            case r.CoinsRefilled() | r.CoinsCollected() | r.CoinsCounted() | r.TrialCoinEnded():
                self._handled(record)
            case r.ClaimOpened() | r.ClaimSettled() | r.ClaimPaidElsewhere():
                self._claim(record)
            case r.DayClosed() | r.DaySettled() | r.DayCompared():
                self._closing(record)
            case r.VisitEnded(visit=visit):
                self._ended(self._visits.pop(visit, _Visit()))
            case _:
                self._noted(record)

    def position(self, hopper: int | None, coin_yen: Yen) -> Position:
        """What lies in this place; an unknown one is empty."""
        return self.positions.get((hopper, coin_yen), Position())

    @property
    def open_claims(self) -> tuple[Claim, ...]:
        """Claims nobody has settled here, oldest first."""
        return tuple(claim for claim in self.claims.values() if claim.settled_by is None)

    @property
    def unsettled(self) -> ClosedDay | None:
        """A day that is closed and whose totals are not kept yet: the power went between."""
        return next((day for day in self.days.values() if day.settled is None), None)

    @property
    def last_closed(self) -> str | None:
        """The business date of the last closing."""
        return max(self.days, default=None)

    def open_day(self) -> DayTotals:
        """The totals of the open day so far, without the visit under way."""
        day = self._day
        sold = tuple(SoldTotal(kind, *counts) for kind, counts in sorted(day.sold.items(), key=_kind))
        return DayTotals(
            visits=day.visits,
            sold=sold,
            taken_yen=day.taken_yen,
            fees_yen=day.fees_yen,
            paid_out_yen=day.paid_out_yen,
            claims_yen=sum(claim.yen for claim in day.claims),
            unclaimed_yen=day.unclaimed_yen,
            claims_settled_yen=day.claims_settled_yen,
            suspects=day.suspects,
            issued=tuple(day.issued),
            given_back=tuple(day.given_back),
            uncertain=tuple(day.uncertain),
            claims=tuple(day.claims),
            cash=tuple(
                PlaceTotal(hopper, yen, p.coins, p.unsure, p.refilled, p.collected, p.difference)
                for (hopper, yen), p in sorted(self.positions.items(), key=_place)
            ),
        )

    def faults(self) -> tuple[str, ...]:
        """What contradicts itself, in words; empty when the books are right."""
        return (*self._faults, *self._impossible())

    def _impossible(self) -> Iterator[str]:
        for (hopper, coin_yen), position in self.positions.items():
            if position.coins < 0:
                yield f"{place_name(hopper)}: {-position.coins} coins of {coin_yen} yen more out than in"
        for day in self.days.values():
            if not day.totals.balanced:
                yield f"day {day.business_date}: does not balance"
            if day.settled is not None and (day.settled.totals, day.settled.closed_at) != (
                day.totals,
                day.closed_at,
            ):
                yield f"day {day.business_date}: its totals are not what the journal says"

    def _position(self, place: Place) -> Position:
        return self.positions.setdefault(place, Position())

    def _visit(self, visit: VisitId) -> _Visit:
        return self._visits.setdefault(visit, _Visit())

    def _taken(self, record: r.CoinTaken | r.CoinUnclaimed) -> None:
        match record:
            case r.CoinTaken(visit=visit, yen=yen):
                self._visit(visit).taken_yen += yen
            case r.CoinUnclaimed(yen=yen):
                self._day.taken_yen += yen
                self._day.unclaimed_yen += yen
            case _:
                assert_never(record)

    def _hopper(self, record: r.CoinPayEnded | r.HopperFoundEmpty) -> None:
        match record:
            case r.CoinPayEnded(visit=visit, hopper=hopper, yen=yen, certainty=certainty):
                self._position((hopper, yen)).pay(certainty)
                self._visit(visit).paid_out_yen += yen if certainty is Certainty.DONE else 0
            case r.HopperFoundEmpty(hopper=hopper):
                for place, position in self.positions.items():
                    if place[0] == hopper:
                        position.unsure = max(0, position.coins)
            case _:
                assert_never(record)

    def _handled(
        self, record: r.CoinsRefilled | r.CoinsCollected | r.CoinsCounted | r.TrialCoinEnded
    ) -> None:
        position = self._position((record.hopper, record.coin_yen))
        match record:
            case r.CoinsRefilled(coins=coins):
                position.put(coins)
            case r.CoinsCollected(coins=coins):
                position.take(coins)
            case r.CoinsCounted(coins=coins):
                position.count(coins)
            case r.TrialCoinEnded(certainty=Certainty.DONE):
                position.take(1)
            case r.TrialCoinEnded(certainty=certainty):
                position.pay(certainty)
            case _:
                assert_never(record)

    def _claim(self, record: r.ClaimOpened | r.ClaimSettled | r.ClaimPaidElsewhere) -> None:
        match record:
            case r.ClaimOpened(visit=visit, claim_no=claim_no, yen=yen):
                order_id = self._visit(visit).order_id
                self._visit(visit).claim = ClaimTotal(claim_no, order_id, yen)
                if claim_no in self.claims:
                    self._faults.append(f"claim {claim_no}: the number was given twice")
                self.claims.setdefault(claim_no, Claim(claim_no, order_id, yen))
            case r.ClaimPaidElsewhere(claim_no=claim_no, by=by):
                claim = self.claims.get(claim_no)
                if claim is None or claim.settled_by is not None:
                    self._faults.append(f"claim {claim_no}: paid elsewhere and not owed here")
                    return
                self.claims[claim_no] = replace(claim, settled_by=by)
            case r.ClaimSettled(claim_no=claim_no, yen=yen, by=by):
                claim = self.claims.get(claim_no)
                if claim is None or claim.settled_by is not None or claim.yen != yen:
                    self._faults.append(f"claim {claim_no}: settled for {yen} yen that nobody was owed")
                    return
                self.claims[claim_no] = replace(claim, settled_by=by)
                self._day.claims_settled_yen += yen
            case _:
                assert_never(record)

    def _noted(self, record: r.Record) -> None:
        match record:
            case r.OrderAsked(visit=visit, order_id=order_id, kind=kind, copies=copies):
                self._visit(visit).asked[order_id] = kind, copies
                self._visit(visit).order_id = order_id
            case r.DefectOpened(visit=visit, order_id=order_id):
                self._visit(visit).order_id = order_id
            case r.FeeReturned(visit=visit):
                self._visit(visit).returned = record
            case r.IssueIntended(visit=visit):
                self._visit(visit).intended = True
            case (
                r.IssueFailed(visit=visit, certainty=certainty)
                | r.PrintEnded(visit=visit, certainty=certainty)
            ):
                self._visit(visit).uncertain |= certainty is Certainty.UNKNOWN
            case r.FeeEarned(visit=visit):
                self._visit(visit).earned = record
            case r.PayoutEnded(visit=visit, purpose=PayoutPurpose.REFUND):
                self._visit(visit).given_back = True
            case _:
                pass

    def _ended(self, visit: _Visit) -> None:
        day = self._day
        day.visits += 1
        day.taken_yen += visit.taken_yen
        day.paid_out_yen += visit.paid_out_yen
        if visit.claim is not None:
            day.claims.append(visit.claim)
        if visit.uncertain:
            day.uncertain.append(visit.order_id)
        if visit.given_back and visit.intended:
            day.given_back.append(visit.order_id)
        if visit.returned is not None:
            self._returned(visit.returned)
        if visit.earned is not None:
            day.fees_yen += visit.earned.yen
            day.issued.append(visit.earned.order_id)
            self._sold(visit.earned, visit)

    def _returned(self, returned: r.FeeReturned) -> None:
        """Only what was sold in this very day: a closing ends the time to complain."""
        day = self._day
        counts = day.sold.get(returned.kind)
        if returned.order_id not in day.issued or counts is None:
            self._faults.append(f"order {returned.order_id[:8]}: a fee returned that was not kept")
            return
        day.issued.remove(returned.order_id)
        day.given_back.append(returned.order_id)
        day.fees_yen -= returned.yen
        for index, fewer in enumerate((1, returned.copies, returned.yen)):
            counts[index] -= fewer
        if not counts[0]:
            del day.sold[returned.kind]

    def _sold(self, earned: r.FeeEarned, visit: _Visit) -> None:
        if earned.order_id not in visit.asked:
            self._faults.append(f"order {earned.order_id[:8]}: a fee for what nobody asked")
            return
        kind, copies = visit.asked[earned.order_id]
        counts = self._day.sold.setdefault(kind, [0, 0, 0])
        for index, more in enumerate((1, copies, earned.yen)):
            counts[index] += more

    def _closing(self, record: r.DayClosed | r.DaySettled | r.DayCompared) -> None:
        match record:
            case r.DayClosed(business_date=date, closed_at=closed_at):
                if date <= (self.last_closed or ""):
                    # The first closing stands; what has come since stays in the open day.
                    self._faults.append(f"day {date}: closed after {self.last_closed}")
                    return
                owed_yen = sum(claim.yen for claim in self.open_claims)
                self.days[date] = ClosedDay(date, closed_at, self.open_day(), owed_yen)
                self._day = _Day()
                for position in self.positions.values():
                    position.refilled = position.collected = position.difference = 0
            case r.DaySettled(business_date=date):
                self._add_to_day(date, settled=record)
            case r.DayCompared(business_date=date):
                self._add_to_day(date, compared=record)
            case _:
                assert_never(record)

    def _add_to_day(
        self, date: str, settled: r.DaySettled | None = None, compared: r.DayCompared | None = None
    ) -> None:
        day = self.days.get(date)
        if day is None or (settled is not None and day.settled is not None):
            self._faults.append(f"day {date}: totals without its closing")
            return
        if settled is not None and settled.totals == day.totals:
            settled = replace(settled, totals=day.totals)
        self.days[date] = replace(day, settled=settled or day.settled, compared=compared or day.compared)


def misplaced_hoppers(accounts: Accounts, coin_yen: Mapping[int, Yen]) -> tuple[int, ...]:
    """Hoppers in which the books know coins, and which are configured no more, or for other coins.

    coin_yen: what each configured hopper pays.
    """
    return tuple(
        hopper
        for (hopper, yen), position in accounts.positions.items()
        if hopper is not None and position.coins and coin_yen.get(hopper) != yen
    )


def place_named(hopper: int | None) -> Sentence:
    """How the books call a place."""
    return told("cash box") if hopper is None else told("hopper {hopper}", hopper=hopper)


def place_name(hopper: int | None) -> str:
    """The same, in English."""
    return str(place_named(hopper))


def sum_yen(totals: Iterable[PlaceTotal]) -> Yen:
    """What coins are worth."""
    return sum(total.coins * total.coin_yen for total in totals)


def _kind(item: tuple[CertificateKind, list[int]]) -> int:
    return list(CertificateKind).index(item[0])


def _place(item: tuple[Place, Position]) -> tuple[int, Yen]:
    (hopper, coin_yen), _ = item
    return (-1 if hopper is None else hopper), coin_yen

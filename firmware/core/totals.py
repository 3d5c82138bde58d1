"""The totals of a business day (日計), as they are kept, printed and told. Whole yen and coins."""

from dataclasses import dataclass

from firmware.core.terms import CertificateKind, OrderId, Yen


@dataclass(frozen=True, slots=True)
class SoldTotal:
    """One kind of certificate: issues, copies and fees. 証明書別の件数・通数・手数料"""

    kind: CertificateKind
    issues: int
    copies: int
    yen: Yen


@dataclass(frozen=True, slots=True)
class ClaimTotal:
    """Money owed by a claim slip (返金引換券)."""

    claim_no: str
    order_id: OrderId
    yen: Yen


@dataclass(frozen=True, slots=True)
class PlaceTotal:
    """The coins of one value in one place, after the day. 現金在高

    hopper: None for the cash box. coins: by the books. unsure: how many of them may not be there: a
    payout nobody saw, a hopper found empty. refilled, collected: in the day. difference: coins counted
    more (+) or fewer (-) than the books said, in the day.
    """

    hopper: int | None
    coin_yen: Yen
    coins: int
    unsure: int
    refilled: int
    collected: int
    difference: int


@dataclass(frozen=True, slots=True)
class DayTotals:
    """taken = fees + paid_out + claims + unclaimed, to the yen.

    visits: ended in the day, of them given_back with money back instead of a certificate.
    issued: orders whose fee was earned. uncertain: orders whose print or release nobody could prove at
    first. claims_yen: owed by the slips in claims; claims_settled_yen: paid by staff in the day.
    suspects: times the acceptor could not say what went in.
    """

    visits: int
    sold: tuple[SoldTotal, ...]
    taken_yen: Yen
    fees_yen: Yen
    paid_out_yen: Yen
    claims_yen: Yen
    unclaimed_yen: Yen
    claims_settled_yen: Yen
    suspects: int
    issued: tuple[OrderId, ...]
    given_back: tuple[OrderId, ...]
    uncertain: tuple[OrderId, ...]
    claims: tuple[ClaimTotal, ...]
    cash: tuple[PlaceTotal, ...]

    @property
    def balanced(self) -> bool:
        """Every yen has an owner."""
        owned_yen = self.fees_yen + self.paid_out_yen + self.claims_yen + self.unclaimed_yen
        return self.taken_yen == owned_yen

"""Fees with their days of validity (R4 R5 R6)."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from firmware.core.terms import CertificateKind, Yen


@dataclass(frozen=True, slots=True)
class Fee:
    """valid_to: last day, None for an open end."""

    kind: CertificateKind
    yen: Yen
    valid_from: date
    valid_to: date | None = None

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


def fee_on(fees: Iterable[Fee], kind: CertificateKind, day: date) -> Yen | None:
    """The fee of one copy on this day, or None if the city does not sell it then."""
    return next((fee.yen for fee in fees if fee.kind is kind and fee.holds_on(day)), None)


def overlaps(fees: Iterable[Fee]) -> tuple[tuple[Fee, Fee], ...]:
    """Pairs of fees of one kind that hold on a common day."""
    ordered = sorted(fees, key=lambda fee: (fee.kind.value, fee.valid_from))
    return tuple(
        (earlier, later)
        for earlier, later in itertools.pairwise(ordered)
        if earlier.kind is later.kind and (earlier.valid_to is None or later.valid_from <= earlier.valid_to)
    )

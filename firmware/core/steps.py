"""The result of one step, and the ways a visit begins and ends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from firmware.core import orders as o
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.facts import Facts
from firmware.core.rules import Rules
from firmware.core.terms import Refusal, VisitId, Yen


@dataclass(frozen=True, slots=True)
class Step:
    """The next state, what the journal must keep first, and what the shell does then."""

    state: s.State
    records: tuple[r.Record, ...] = ()
    orders: tuple[o.CommittedOrder, ...] = ()

    def before(self, later: "Step") -> "Step":
        """Both steps as one, this one's records and orders first."""
        return Step(later.state, self.records + later.records, self.orders + later.orders)


Handler = Callable[[Any, Any, Facts, Rules], Step]
"""(state, event, facts, rules) -> Step"""

Guard = Callable[[Any, Facts, Rules], Step | None]
"""(state, facts, rules) -> Step, or None when the facts call for nothing"""


def end(
    visit: VisitId, reason: s.EndReason, back_yen: Yen = 0, owed_yen: Yen = 0, *, slip_out: bool = True
) -> Step:
    """The visit ends without a certificate."""
    return Step(
        s.Ended(visit, reason, back_yen, owed_yen, slip_out=slip_out),
        (r.VisitEnded(visit, reason),),
        (o.EndVisit(visit), o.Sound(o.Alarm.ATTENTION)),
    )


def begin(facts: Facts) -> Step:
    """A visit begins."""
    return Step(s.Notice(facts.next_visit), (r.VisitBegan(facts.next_visit),))


_REASONS = {
    Refusal.UNDER_15: s.EndReason.UNDER_15,
    Refusal.OUTSIDE_HOURS: s.EndReason.OUTSIDE_HOURS,
    Refusal.MAINTENANCE: s.EndReason.OUTSIDE_HOURS,
    Refusal.NOT_THIS_MUNICIPALITY: s.EndReason.NOT_THIS_MUNICIPALITY,
    Refusal.CERT_REVOKED: s.EndReason.CERTIFICATE_NOT_ACCEPTED,
    Refusal.CERT_EXPIRED: s.EndReason.CERTIFICATE_NOT_ACCEPTED,
    Refusal.CERT_NOT_TRUSTED: s.EndReason.CERTIFICATE_NOT_ACCEPTED,
    Refusal.SIGNATURE_INVALID: s.EndReason.CERTIFICATE_NOT_ACCEPTED,
}


def reason_for(refusal: Refusal) -> s.EndReason:
    """What the screen may say; every private refusal looks the same to a bystander (R7)."""
    return _REASONS.get(refusal, s.EndReason.GO_TO_COUNTER)

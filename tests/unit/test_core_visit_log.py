"""The last visits by their outcome, as the journal tells them."""

from datetime import UTC, datetime

from firmware.core import records as r
from firmware.core.states import EndReason
from firmware.core.terms import Certainty, OrderId, VisitId
from firmware.core.visit_log import KEPT, VisitLog

NOON = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
A, B = VisitId("a" * 32), VisitId("b" * 32)
ORDER = OrderId(f"{A}-1")


def seen(*records: r.Record) -> list[tuple[str, str, bool]]:
    log = VisitLog()
    for record in records:
        log.enter(record, NOON)
    return [(one.visit[0], one.outcome, one.unsure) for one in log.last]


def test_each_visit_stands_with_its_outcome() -> None:
    assert [("a", "sold", False), ("b", "cancelled", False)] == seen(
        r.VisitBegan(A), r.VisitEnded(A, None), r.VisitBegan(B), r.VisitEnded(B, EndReason.CANCELLED)
    )


def test_a_print_that_is_not_proven_is_unsure_until_somebody_decided() -> None:
    begun = (r.VisitBegan(A), r.PrintEnded(A, ORDER, Certainty.UNKNOWN, 0))
    assert [("a", "open", True)] == seen(*begun)
    assert [("a", "open", False)] == seen(*begun, r.StaffDecided(A, ORDER, printed=True))
    assert [("a", "open", False)] == seen(r.VisitBegan(A), r.PrintEnded(A, ORDER, Certainty.DONE, 3))


def test_paper_that_came_out_later_stands_beside_its_visit_however_it_ended() -> None:
    log = VisitLog()
    for record in (r.VisitBegan(A), r.VisitEnded(A, EndReason.PRINT_FAILED), r.PaperFound(A, ORDER)):
        log.enter(record, NOON)
    assert [("print_failed", True)] == [(one.outcome, one.found) for one in log.last]


def test_only_the_last_are_kept_and_what_is_older_is_forgotten() -> None:
    visits = [VisitId(f"{n:032x}") for n in range(KEPT + 5)]
    assert KEPT == len(seen(*map(r.VisitBegan, visits), r.VisitEnded(visits[0], None)))

"""The outbox tells the municipality everything it must know, once, through every silence."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest

from firmware.core import records as r
from firmware.core.accounts import Accounts
from firmware.core.states import PayoutPurpose
from firmware.core.telling import Telling
from firmware.core.terms import Certainty, OrderId, Refusal, VisitId, Yen
from firmware.errors import (
    JournalError,
    MunicipalityDown,
    MunicipalityUncertain,
    Refused,
    ReportRefused,
)
from firmware.logbook import FIELDS, EventId, FieldValue
from firmware.ports import DayAnswer, Municipality
from firmware.shell.outbox import Outbox, OutboxState

A = VisitId("a" * 32)
ORDER, NEXT = OrderId("a-1"), OrderId("b-1")
Told = tuple[object, ...]


AGREES = DayAnswer(matched=True, differences=())


@dataclass
class Desk:
    """The municipality's ear. failing: by order, what it does instead of listening."""

    told: list[Told] = field(default_factory=list)
    failing: dict[OrderId, Exception] = field(default_factory=dict)
    asked: int = 0
    found: DayAnswer = AGREES
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def report_result(self, order_id: OrderId, outcome: Certainty, pages_out: int) -> None:
        self._hear(order_id, (order_id, outcome, pages_out))

    async def report_refund(
        self, order_id: OrderId, yen: Yen, owed_yen: Yen, *, defect: bool = False
    ) -> None:
        self._hear(order_id, (order_id, yen, owed_yen, *(("defect",) if defect else ())))

    async def report_reprint(
        self, order_id: OrderId, attempt: int, outcome: Certainty, pages_out: int
    ) -> None:
        self._hear(order_id, (order_id, attempt, outcome, pages_out))

    async def report_claim(self, order_id: OrderId, claim_no: str, yen: Yen) -> None:
        self._hear(order_id, (order_id, claim_no, yen))

    async def report_day(self, day: r.DaySettled) -> DayAnswer:
        self._hear(OrderId(day.business_date), (day.business_date,))
        return self.found

    def _hear(self, order_id: OrderId, told: Told) -> None:
        self.asked += 1
        self.heard.set()
        if order_id in self.failing:
            raise self.failing[order_id]
        self.told.append(told)

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self.heard.clear()
            await self.heard.wait()


@dataclass
class Kept:
    records: list[r.Record] = field(default_factory=list)
    full: bool = False

    async def append(self, records: Sequence[r.Record]) -> None:
        if self.full:
            raise JournalError("full")
        self.records.extend(records)


class Office:
    def __init__(self) -> None:
        self.desk, self.kept = Desk(), Kept()
        self.noted: list[r.Record] = []
        self.logged = asyncio.Event()
        self.log: list[tuple[EventId, dict[str, FieldValue]]] = []
        self.outbox = Outbox(
            telling=Telling(),
            municipality=cast("Municipality", self.desk),
            journal=self.kept,
            log=self.write,
            noted=self.noted.extend,
            first_pause_seconds=0.001,
            longest_pause_seconds=0.004,
        )

    def write(self, event: EventId, /, **fields: FieldValue) -> None:
        assert fields.keys() <= FIELDS
        self.log.append((event, fields))
        self.logged.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.outbox.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def idle(self) -> None:
        """Everything is told, and the outbox has found that out."""
        while self.outbox.waiting:
            self.logged.clear()
            await self.logged.wait()
        await asyncio.sleep(0)


def intended(order_id: OrderId = ORDER) -> r.IssueIntended:
    return r.IssueIntended(A, order_id, 300)


def printed(certainty: Certainty, order_id: OrderId = ORDER) -> r.PrintEnded:
    return r.PrintEnded(A, order_id, certainty, 1)


REFUND = r.PayoutEnded(A, ORDER, PayoutPurpose.REFUND, 200, 100)
OWED = (ORDER, "AAAA-AAAA", 100)
DAY = r.DaySettled("2026-11-25", "2026-11-25T23:00:00+09:00", Accounts().open_day())


async def test_the_end_of_the_journal_is_that_it_was_told() -> None:
    office = Office()
    office.outbox.note((intended(), printed(Certainty.DONE)))
    async with office.open():
        await office.idle()
    assert [(ORDER, Certainty.DONE, 1)] == office.desk.told
    assert [r.MunicipalityTold(ORDER, "result", accepted=True)] == office.kept.records


async def test_a_refund_is_told_also_when_nothing_was_left_to_tell_in_between() -> None:
    """The commit is on record long before the refund; an outbox that runs empty must not forget it."""
    office = Office()
    async with office.open():
        for record in (intended(), printed(Certainty.NOT_DONE), REFUND):
            office.outbox.note((record,))
            await office.idle()
    assert [(ORDER, Certainty.NOT_DONE, 1), (ORDER, 200, 100), OWED] == office.desk.told


async def test_each_reprint_is_told_with_its_attempt() -> None:
    office = Office()
    async with office.open():
        again = (r.ReprintIntended(A, ORDER, 1), printed(Certainty.DONE))
        for record in (intended(), printed(Certainty.DONE), *again):
            office.outbox.note((record,))
            await office.idle()
    assert [(ORDER, Certainty.DONE, 1), (ORDER, 1, Certainty.DONE, 1)] == office.desk.told


async def test_what_was_told_is_not_told_again_when_more_comes() -> None:
    office = Office()
    async with office.open():
        for record in (
            intended(),
            printed(Certainty.UNKNOWN),
            r.StaffDecided(A, ORDER, printed=False),
            REFUND,
        ):
            office.outbox.note((record,))
            await office.idle()
    assert [
        (ORDER, Certainty.UNKNOWN, 1),
        (ORDER, Certainty.NOT_DONE, 0),
        (ORDER, 200, 100),
        OWED,
    ] == office.desk.told


async def test_only_the_newest_order_is_kept_in_mind() -> None:
    office = Office()
    async with office.open():
        office.outbox.note((intended(), printed(Certainty.DONE), intended(NEXT)))
        await office.idle()
        assert [NEXT] == list(office.outbox._telling._orders)


@pytest.mark.parametrize(
    "failure", [MunicipalityDown("x"), MunicipalityUncertain("x"), Refused(Refusal.MAINTENANCE)]
)
async def test_silence_is_waited_out_and_logged_once(failure: Exception) -> None:
    office = Office()
    office.desk.failing[ORDER] = failure
    office.outbox.note((intended(), printed(Certainty.DONE)))
    async with office.open():
        await office.desk.until(lambda: office.desk.asked == 5)
        word = failure.refusal.value if isinstance(failure, Refused) else type(failure).__name__
        assert (1, word) == (office.outbox.state.waiting, office.outbox.state.refusal)
        office.desk.failing.clear()
        await office.idle()
    assert (0, "") == (office.outbox.state.waiting, office.outbox.state.refusal)
    assert [(ORDER, Certainty.DONE, 1)] == office.desk.told
    assert [r.MunicipalityTold(ORDER, "result", accepted=True)] == office.kept.records
    assert [EventId.MUNICIPALITY_GONE, EventId.MUNICIPALITY_TOLD] == [event for event, _ in office.log]


async def test_pauses_grow_to_their_longest_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office()
    pauses: list[float] = []

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 6:
            office.desk.failing.clear()

    office.desk.failing[ORDER] = MunicipalityDown("x")
    office.outbox.note((intended(), printed(Certainty.DONE)))
    monkeypatch.setattr("firmware.shell.outbox.asyncio.sleep", noted)
    monkeypatch.setattr("firmware.shell.outbox.random.uniform", lambda _, most: most)
    async with office.open():
        await office.desk.until(lambda: bool(office.desk.told))
    assert [0.001, 0.002, 0.004, 0.004, 0.004, 0.004] == pauses


async def test_a_last_word_of_the_municipality_is_kept_as_such() -> None:
    office = Office()
    office.desk.failing[ORDER] = Refused(Refusal.NOT_THIS_MUNICIPALITY)
    office.outbox.note((intended(), printed(Certainty.DONE)))
    async with office.open():
        await office.idle()
    assert [r.MunicipalityTold(ORDER, "result", accepted=False)] == office.kept.records


@pytest.mark.parametrize("code", ["order_unknown", "order_conflict"])
async def test_what_contradicts_the_municipalitys_books_is_kept_as_such_and_not_said_for_ever(
    code: str,
) -> None:
    office = Office()
    office.desk.failing[ORDER] = ReportRefused(code)
    office.outbox.note((intended(), printed(Certainty.DONE)))
    async with office.open():
        await office.idle()
    assert [r.MunicipalityTold(ORDER, "result", accepted=False)] == office.kept.records
    assert 1 == office.desk.asked


async def test_staff_see_what_the_municipality_contradicts_until_the_day_is_closed() -> None:
    office = Office()
    office.desk.failing[ORDER] = ReportRefused("order_unknown")
    office.outbox.note((intended(), printed(Certainty.DONE)))
    async with office.open():
        await office.idle()
    assert (
        EventId.REPORT_CONTRADICTED,
        {"order": "result", "code": "order_unknown", "visit": "a-1"},
    ) in office.log
    assert OutboxState(0, 0.0, (f"{ORDER} result",)) == office.outbox.state

    after_a_start = Office()
    after_a_start.outbox.note((intended(), printed(Certainty.DONE), *office.kept.records))
    assert office.outbox.state == after_a_start.outbox.state
    office.outbox.note((DAY,))
    assert () == office.outbox.state.contradicted


async def test_a_report_that_nobody_takes_for_long_is_told_to_staff_once_and_goes_on() -> None:
    office = Office()
    hours = iter(range(1000))
    office.outbox._monotonic = lambda: next(hours) * 1800.0
    office.desk.failing[ORDER] = MunicipalityDown("x")
    office.outbox.note((intended(), printed(Certainty.DONE)))
    async with office.open():
        await office.desk.until(lambda: office.desk.asked >= 8)
        state = office.outbox.state
        assert (1, True) == (state.waiting, state.unheard_seconds >= 3600)
        office.desk.failing.clear()
        await office.idle()
    unheard = [fields for event, fields in office.log if event is EventId.REPORT_UNHEARD]
    assert [{"order": "result", "count": 1}] == unheard
    assert OutboxState(0, 0.0, ()) == office.outbox.state


@pytest.mark.parametrize("found", [DayAnswer(True, ()), DayAnswer(False, ("fees:600:300",))])
async def test_a_days_comparison_is_kept_and_noted(found: DayAnswer) -> None:
    office = Office()
    office.desk.found = found
    office.outbox.note((DAY,))
    async with office.open():
        await office.idle()
    expected = r.DayCompared("2026-11-25", found.matched, found.differences)
    assert [expected] == office.kept.records == office.noted
    assert (EventId.MUNICIPALITY_TOLD, {"order": "day", "outcome": found.matched}) == office.log[-1]


@pytest.mark.parametrize(
    ("failure", "code"),
    [(ReportRefused("day_conflict"), "day_conflict"), (Refused(Refusal.CERT_REVOKED), "cert_revoked")],
)
async def test_a_day_the_municipality_does_not_take_differs_as_a_whole(failure: Exception, code: str) -> None:
    office = Office()
    office.desk.failing[OrderId("2026-11-25")] = failure
    office.outbox.note((DAY,))
    async with office.open():
        await office.idle()
    assert [r.DayCompared("2026-11-25", False, (f"refused:{code}",))] == office.kept.records


async def test_a_day_waits_until_everything_before_it_is_told_and_nothing_waits_for_the_day() -> None:
    office = Office()
    office.desk.failing[ORDER] = MunicipalityUncertain("x")
    office.outbox.note(
        (intended(), printed(Certainty.DONE), DAY, intended(NEXT), printed(Certainty.DONE, NEXT))
    )
    async with office.open():
        await office.desk.until(lambda: office.desk.asked == 4)
        assert [(NEXT, Certainty.DONE, 1)] == office.desk.told
        office.desk.failing.clear()
        await office.idle()
    assert [(ORDER, Certainty.DONE, 1), ("2026-11-25",)] == office.desk.told[1:]


async def test_a_day_that_always_fails_holds_up_no_order() -> None:
    office = Office()
    office.desk.failing[OrderId("2026-11-25")] = MunicipalityUncertain("x")
    office.outbox.note(
        (DAY, intended(), printed(Certainty.DONE), intended(NEXT), printed(Certainty.DONE, NEXT))
    )
    async with office.open():
        await office.desk.until(lambda: len(office.desk.told) == 2)
        office.desk.failing.clear()
        await office.idle()
    assert {(ORDER, Certainty.DONE, 1), (NEXT, Certainty.DONE, 1)} == set(office.desk.told[:2])
    assert [("2026-11-25",)] == office.desk.told[2:]


async def test_an_order_that_always_fails_holds_up_no_other() -> None:
    office = Office()
    office.desk.failing[ORDER] = MunicipalityUncertain("x")
    office.outbox.note((intended(), printed(Certainty.DONE), REFUND))
    office.outbox.note((intended(NEXT), printed(Certainty.DONE, NEXT)))
    async with office.open():
        await office.desk.until(lambda: bool(office.desk.told))
    assert [(NEXT, Certainty.DONE, 1)] == office.desk.told


async def test_a_journal_that_fails_ends_the_outbox() -> None:
    office = Office()
    office.kept.full = True
    office.outbox.note((intended(), printed(Certainty.DONE)))
    async with office.open() as running:
        with pytest.raises(JournalError):
            await running


async def test_an_unforeseen_answer_to_one_order_is_no_answer_and_holds_up_no_other() -> None:
    office = Office()
    office.desk.failing[ORDER] = ArithmeticError("見本　一人")
    office.outbox.note((intended(), printed(Certainty.DONE), intended(NEXT), printed(Certainty.DONE, NEXT)))
    async with office.open():
        await office.desk.until(lambda: bool(office.desk.told))
        assert [(NEXT, Certainty.DONE, 1)] == office.desk.told
        del office.desk.failing[ORDER]
        await office.idle()
    assert [(NEXT, Certainty.DONE, 1), (ORDER, Certainty.DONE, 1)] == office.desk.told
    assert (EventId.TASK_FAILED, {"order": "outbox", "error": "ArithmeticError"}) == office.log[0]

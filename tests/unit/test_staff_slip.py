"""A staff slip on the one printer of a machine never comes into a visit, whatever becomes of it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import cast

import pytest

from firmware.compose.a4_slips import A4SlipPrinter
from firmware.compose.desk import StaffDesk
from firmware.console.wire import PrintSelfTest
from firmware.core import records as r
from firmware.core import states as s
from firmware.core.facts import DocumentPrinterLevel, Level, ReaderLevel
from firmware.core.lockout import LockoutRule
from firmware.core.maintenance import Maintenance
from firmware.core.screens import ScreenId
from firmware.core.terms import Certainty, KeypadKey, PrinterReason
from firmware.errors import DeviceGone, OfficeRefused
from firmware.logbook import EventId
from firmware.ports import PrintProgress, PrintResult, SlipLine
from firmware.shell.maintenance import MaintenanceWatch
from firmware.shell.office import Office
from hw.printer import ipp
from hw.printer.exit_sensor import ExitSensor
from hw.printer.ipp_partner import Condition, JobReport, JobState
from tests.unit.test_shell_runner import Kiosk

IDLE = Condition(1, stopped=False, accepting=True, reasons=frozenset(), jobs_waiting=0)
CARD = ReaderLevel(working=True, card_present=True)
SILENT = frozenset({PrinterReason.UNREACHABLE})
PRINTS = "print(1)"
A_VISIT = "a visit is under way: say it again when it has ended"


@dataclass
class Paper:
    """The printer with the sensor at its exit: it takes each job that is looked for, and prints it when told.

    counts: whether it counts printed sides.
    """

    counts: bool = True
    sheets: int = 0
    silent: bool = False
    taken: dict[str, JobReport] = field(default_factory=dict)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def condition(self) -> Condition:
        await asyncio.sleep(0)
        if self.silent:
            raise DeviceGone("unplugged")
        on_seconds = int(asyncio.get_running_loop().time())
        waiting = sum(job.state.active for job in self.taken.values())
        return replace(IDLE, clock_seconds=on_seconds, jobs_waiting=waiting)

    async def jobs(self, job_name: str) -> tuple[JobReport, ...]:
        await asyncio.sleep(0)
        if self.silent:
            raise DeviceGone("unplugged")
        job = JobReport(len(self.taken) + 1, JobState.PROCESSING, frozenset(), self._sides(0), 1)
        self.taken.setdefault(job_name, job)
        self.asked.set()
        return (self.taken[job_name],)

    async def cancel(self, job_id: int) -> None:
        for name, job in self.taken.items():
            if job.job_id == job_id:
                self.taken[name] = replace(job, state=JobState.CANCELED)

    def comes_out(self, job_name: str) -> None:
        self.sheets += 1
        job = self.taken[job_name]
        out = frozenset({"job-completed-successfully"})
        self.taken[job_name] = replace(job, state=JobState.COMPLETED, reasons=out, impressions=self._sides(1))

    def aborts(self, job_name: str) -> None:
        self.taken[job_name] = replace(self.taken[job_name], state=JobState.ABORTED)

    def falls_silent(self, _job_name: str) -> None:
        self.silent = True

    def _sides(self, sides: int) -> int | None:
        return sides if self.counts else None

    def start(self) -> None: ...

    async def until(self, sheets: int, seconds: float) -> None: ...

    async def close(self) -> None: ...


class EmptyQueue:
    """The print server, which has passed everything on."""

    async def condition(self) -> Condition:
        return IDLE

    async def jobs(self, _job_name: str) -> tuple[JobReport, ...]:
        return ()

    async def close(self) -> None: ...


def printer_of(
    paper: Paper, monkeypatch: pytest.MonkeyPatch, log: Callable[..., None]
) -> ipp.IppDocumentPrinter:
    monkeypatch.setattr(ipp, "IppPartner", lambda *_, **__: paper)
    monkeypatch.setattr(ipp, "PrintServer", lambda *_, **__: EmptyQueue())
    return ipp.IppDocumentPrinter(
        printer_uri="",
        cups_socket="",
        queue="",
        log=log,
        poll_seconds=0.01,
        follow_seconds=0.001,
        appear_seconds=0.2,
        stall_seconds=0.2,
        silent_seconds=0.2,
        purge_seconds=0.01,
        exit_sensor=cast("ExitSensor", paper),
    )


class Machine(Kiosk):
    """The runner, the maintenance, the one printer and the staff's desk, all of them real."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> None:
        super().__init__()
        self.runner.report(ReaderLevel(working=True))
        self.paper = Paper()
        self.printer = printer_of(self.paper, monkeypatch, self.write)
        self.maintenance = MaintenanceWatch(
            state=Maintenance(),
            read_order=None,
            rule=LockoutRule(((3, 60.0),), 3600.0),
            log=self.write,
            now=lambda: datetime(2026, 11, 25, tzinfo=UTC),
            trusted=lambda: True,
        )
        self.desk = StaffDesk(
            office=cast("Office", self),
            receipt=A4SlipPrinter(
                self.printer, self.write, command=command, submit_seconds=20.0, in_visit=False
            ),
            day_slip=lambda _day: (),
            self_test=lambda: (SlipLine("自己診断"),),
            keep_on=self.maintenance.kept_on,
            caught_up=self.runner.caught_up,
            held=self.held,
        )

    def resting(self) -> bool:
        return isinstance(self.runner.state, s.Idle | s.NotServing)

    def held(self) -> bool:
        return isinstance(self.runner.state, s.NotServing) and self.runner.facts.maintenance.on

    async def keep(self, records: tuple[r.Record, ...]) -> None:
        """The journal of the maintenance."""

    async def prints(self) -> asyncio.Task[object]:
        """The slip is on its way."""
        printing = asyncio.create_task(self.desk.act(PrintSelfTest(), "uid:0"))
        asked = asyncio.create_task(self.paper.asked.wait())
        await asyncio.wait({printing, asked}, return_when=asyncio.FIRST_COMPLETED)
        assert asked.done(), printing
        return printing

    @property
    def jobs(self) -> list[str]:
        return list(self.paper.taken)


@pytest.fixture
def command() -> tuple[str, ...]:
    """Hands a slip over."""
    return (sys.executable, "-c", PRINTS)


@pytest.fixture
async def machine(monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]) -> AsyncIterator[Machine]:
    machine = Machine(monkeypatch, command)
    machine.printer.start(machine.runner.report)
    machine.maintenance.start(machine.runner.report, machine.keep)
    async with machine.running(s.Idle()):
        yield machine
    await machine.printer.close()
    await machine.maintenance.close()


@pytest.mark.parametrize(
    ("end", "certainty"),
    [
        (Paper.comes_out, Certainty.DONE),
        (Paper.aborts, Certainty.NOT_DONE),
        (Paper.falls_silent, Certainty.UNKNOWN),
    ],
)
async def test_no_visit_begins_before_a_staff_slip_has_ended(
    machine: Machine, end: Callable[[Paper, str], None], certainty: Certainty
) -> None:
    printing = await machine.prints()
    machine.runner.report(CARD)
    machine.runner.key(KeypadKey.CONFIRM)
    await machine.runner.caught_up()
    assert isinstance(machine.runner.state, s.NotServing)
    shown = machine.screens[-1]
    assert (ScreenId.CLOSED, "maintenance", False) == (shown.id, shown.reason, shown.error)
    [slip] = machine.jobs
    end(machine.paper, slip)
    [said] = await asyncio.gather(printing, return_exceptions=True)
    assert (certainty is Certainty.DONE) == (str(said) == "the self-test is printed"), said
    ended = [fields for event, fields in machine.log if event is EventId.RECEIPT_ENDED]
    assert [{"certainty": certainty}] == ended
    await machine.runner.caught_up()
    assert not machine.runner.facts.maintenance.on
    if machine.paper.silent:
        assert SILENT <= machine.runner.facts.printer.reasons
    else:
        await machine.reaches(s.Notice)


@pytest.mark.parametrize("command", [("/nowhere/python",), (sys.executable, "-c", "raise SystemExit(3)")])
async def test_a_slip_that_nothing_prints_keeps_nobody_waiting(machine: Machine) -> None:
    with pytest.raises((OfficeRefused, FileNotFoundError)):
        await machine.desk.act(PrintSelfTest(), "uid:0")
    machine.runner.report(CARD)
    await machine.reaches(s.Notice)


async def test_a_visit_that_is_just_about_to_begin_keeps_the_slip_back(machine: Machine) -> None:
    """The touch came first; the engine has not taken it yet."""
    machine.runner.key(KeypadKey.CONFIRM)
    with pytest.raises(OfficeRefused, match=A_VISIT):
        await machine.desk.act(PrintSelfTest(), "uid:0")
    assert isinstance(machine.runner.state, s.Notice)
    assert ([], False) == (machine.jobs, machine.maintenance.on)


async def test_a_maintenance_that_just_ended_lets_no_slip_into_the_visit_that_it_let_begin(
    machine: Machine,
) -> None:
    await machine.maintenance.switch(on=True, by="uid:0")
    machine.runner.report(CARD)
    await machine.runner.caught_up()
    assert machine.held()
    await machine.maintenance.switch(on=False, by="uid:0")
    with pytest.raises(OfficeRefused, match=A_VISIT):
        await machine.desk.act(PrintSelfTest(), "uid:0")
    assert isinstance(machine.runner.state, s.Notice)
    assert [] == machine.jobs


async def test_a_slip_and_a_test_at_once_keep_the_kiosk_closed_until_both_have_ended(
    machine: Machine,
) -> None:
    printing = await machine.prints()
    with machine.maintenance.kept_on():
        pass
    assert machine.maintenance.on
    machine.paper.comes_out(machine.jobs[0])
    await printing
    assert not machine.maintenance.on


@pytest.mark.parametrize(
    ("in_visit", "expected"), [(True, frozenset()), (False, frozenset({PrinterReason.JOBS_WAITING}))]
)
async def test_only_the_job_that_a_visit_waits_for_is_no_obstacle(
    monkeypatch: pytest.MonkeyPatch, in_visit: bool, expected: frozenset[PrinterReason]
) -> None:
    paper, levels = Paper(), list[Level]()
    printer = printer_of(paper, monkeypatch, lambda *_, **__: None)
    printer.start(levels.append)
    job = asyncio.create_task(printer.follow("slip-a", 1, _nothing, sheets=1, in_visit=in_visit))
    await paper.asked.wait()
    assert expected == (await printer.refresh()).reasons
    paper.comes_out("slip-a")
    assert PrintResult(Certainty.DONE, 1) == await job
    assert DocumentPrinterLevel(frozenset()) == levels[-1]
    await printer.close()


async def test_each_job_has_its_own_count_of_the_exit_from_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A printer that counts nothing: without the sensor's word nobody knows what came out."""
    paper = Paper(counts=False)
    printer = printer_of(paper, monkeypatch, lambda *_, **__: None)
    await printer.expect("slip-a")
    job = asyncio.create_task(printer.follow("slip-a", 1, _nothing, sheets=1))
    await paper.asked.wait()
    await printer.expect("cert-b")
    paper.comes_out("slip-a")
    assert PrintResult(Certainty.DONE, 1) == await job
    await printer.close()


def _nothing(_progress: PrintProgress) -> None:
    """Nobody looks."""

"""A print that nobody can prove, settled at the console: only what the keys at the machine would settle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from firmware.console import wire as w
from firmware.core import events as e
from firmware.core import states as s
from firmware.core.facts import DocumentPrinterLevel, Facts, PanelLevel, StaffLevel
from firmware.core.terms import KeypadKey, PrinterReason, VisitId
from firmware.shell.runner import Runner
from tests.unit.test_console_desk import ME, Bench, refused
from tests.unit.test_money_paths import ATTENDING, DEAD, HOLDS_JOB, OPEN_DOOR, SILENT
from tests.unit.test_shell_runner import Kiosk

NAME = ATTENDING.visit[:8]
RESOLVE, KEEP = w.ResolveVisit(NAME, printed=False), w.ResolveVisit(NAME, printed=True)
SAY_OFF = w.SayPrinterOff(NAME)
ELSEWHERE = "nothing was decided from here"
CODE = StaffLevel(digits=8)


class Attended(Bench):
    """A desk at a kiosk with the real runner, which waits for a decision."""

    def __init__(self, kiosk: Kiosk) -> None:
        super().__init__()
        self.kiosk = kiosk

    @property
    def facts(self) -> Facts:
        return self.kiosk.runner.facts

    @property
    def state(self) -> s.State | None:
        return self.kiosk.runner.state

    async def ask(self, what: Any) -> Any:
        return await self.runner.ask(what)

    @property
    def runner(self) -> Runner:
        return self.kiosk.runner

    def written(self) -> list[str]:
        return [type(record).__name__ for record in self.kiosk.journal.records]


@asynccontextmanager
async def attended(facts: Facts, state: s.State = ATTENDING) -> AsyncIterator[Attended]:
    kiosk = Kiosk()
    for level in (facts.printer, facts.panel, CODE):
        kiosk.runner.report(level)
    async with kiosk.running(state):
        yield Attended(kiosk)


async def test_a_dead_printer_is_said_to_be_off_first_and_the_print_is_settled_then() -> None:
    async with attended(DEAD) as bench:
        assert f"visit printer-off {NAME}" in await refused(bench, RESOLVE)
        assert [] == bench.written()
        await bench.desk.act(SAY_OFF, ME)
        assert ["PrinterOff"] == bench.written()
        await bench.desk.act(RESOLVE, ME)
        assert "StaffDecided" in bench.written()


@pytest.mark.parametrize("request_", [RESOLVE, KEEP])
@pytest.mark.parametrize("facts", [HOLDS_JOB, SILENT])
async def test_a_printer_that_may_still_bring_out_a_page_is_waited_for(
    facts: Facts, request_: w.ResolveVisit
) -> None:
    async with attended(facts) as bench:
        assert "still holds the job" in await refused(bench, request_)
        assert "wait" in await refused(bench, SAY_OFF)
        assert (ATTENDING, []) == (bench.state, bench.written())


@pytest.mark.parametrize(("request_", "said"), [(RESOLVE, "not printed"), (KEEP, "the fee is kept")])
async def test_what_is_decided_is_told_once_it_is_on_disk(request_: w.ResolveVisit, said: str) -> None:
    async with attended(OPEN_DOOR) as bench:
        assert said in str(await bench.desk.act(request_, ME))
        assert "StaffDecided" == bench.written()[0]


async def test_with_its_door_shut_or_for_another_visit_nothing_is_said_or_decided() -> None:
    async with attended(replace(DEAD, panel=PanelLevel())) as shut:
        for request in (RESOLVE, SAY_OFF):
            assert "open the door" in await refused(shut, request)
    async with attended(DEAD) as bench:
        for request in (w.ResolveVisit("ffff", printed=True), w.SayPrinterOff("ffff")):
            assert "no visit ffff" in await refused(bench, request)
    async with attended(DEAD, s.NotServing()) as idle:
        assert "no visit" in await refused(idle, SAY_OFF)


async def test_a_printer_that_shows_itself_just_then_is_not_off() -> None:
    async with attended(DEAD) as bench:
        bench.runner.report(DocumentPrinterLevel(frozenset({PrinterReason.JOBS_WAITING})))
        assert "wait" in await refused(bench, SAY_OFF)
        assert [] == bench.written()


async def test_a_door_that_shuts_just_then_decides_nothing() -> None:
    async with attended(OPEN_DOOR) as bench:
        bench.runner.report(PanelLevel())
        assert "open the door" in await refused(bench, KEEP)
        assert (ATTENDING, []) == (bench.state, bench.written())


@pytest.mark.parametrize("first", [True, False])
async def test_staff_who_begin_to_type_their_code_have_decided_nothing(first: bool) -> None:
    """While the printer holds the job: neither before nor behind their key a decision is told."""
    async with attended(HOLDS_JOB) as bench:
        if first:
            bench.runner.key(KeypadKey.CORRECT)
            assert ELSEWHERE in await refused(bench, KEEP)
        else:
            asked = asyncio.create_task(refused(bench, KEEP))
            await asyncio.sleep(0)
            bench.runner.key(KeypadKey.CORRECT)
            assert "still holds the job" in await asked
        assert isinstance(await bench.kiosk.reaches(s.EnteringStaffCode), s.EnteringStaffCode)
        assert [] == bench.written()


async def test_the_other_decision_at_the_keypad_just_then_is_not_told_as_ours() -> None:
    async with attended(OPEN_DOOR) as bench:
        bench.runner.key(KeypadKey.CANCEL)
        assert ELSEWHERE in await refused(bench, KEEP)
        assert 1 == bench.written().count("StaffDecided")
        assert "FeeEarned" not in bench.written()


async def test_an_answer_for_one_visit_decides_no_other() -> None:
    async with attended(OPEN_DOOR) as bench:
        taken = await bench.runner.ask(e.ConsoleKey(VisitId("f" * 32), KeypadKey.CONFIRM))
        assert taken is not None
        assert (ATTENDING, []) == (taken.done.state, bench.written())


async def test_a_kiosk_that_ends_meanwhile_has_decided_nothing() -> None:
    async with attended(OPEN_DOOR) as bench:
        pass
    asked = asyncio.create_task(refused(bench, KEEP))
    await asyncio.sleep(0)
    await bench.runner.keep_late_coins()
    assert ELSEWHERE in await asked
    assert [] == bench.written()

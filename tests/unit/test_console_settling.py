"""A print that nobody can prove, settled at the console: only what the keys at the machine would settle."""

from dataclasses import dataclass, field, replace

import pytest

from firmware.compose import technician
from firmware.console import wire as w
from firmware.core import events as e
from firmware.core import states as s
from firmware.core.facts import DocumentPrinterLevel, Facts, PanelLevel
from firmware.core.session import step
from firmware.core.terms import PrinterReason
from tests.unit.test_console_desk import ME, Bench, refused
from tests.unit.test_money_paths import ATTENDING, DEAD, HOLDS_JOB, OPEN_DOOR, RULES, SILENT

RESOLVE, SAY_OFF = w.ResolveVisit(ATTENDING.visit[:8], printed=False), w.SayPrinterOff(ATTENDING.visit[:8])


@dataclass
class Attended(Bench):
    """The engine waits for a decision; story: what it wrote."""

    facts: Facts = OPEN_DOOR
    state: s.State = field(default=ATTENDING)

    def post(self, event: e.Event) -> None:
        done = step(self.state, event, self.facts, RULES)
        self.state = done.state
        self.story += [type(record).__name__ for record in done.records]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(technician, "_DECIDE_SECONDS", 0.01)


async def test_a_dead_printer_is_said_to_be_off_first_and_the_print_is_settled_then() -> None:
    bench = Attended(facts=DEAD)
    assert f"visit printer-off {ATTENDING.visit[:8]}" in await refused(bench, RESOLVE)
    assert [] == bench.story
    await bench.desk.act(SAY_OFF, ME)
    assert ["PrinterOff"] == bench.story
    await bench.desk.act(RESOLVE, ME)
    assert "StaffDecided" in bench.story


@pytest.mark.parametrize("facts", [HOLDS_JOB, SILENT])
async def test_a_printer_that_may_still_bring_out_a_page_is_waited_for(facts: Facts) -> None:
    bench = Attended(facts=facts)
    assert "still" in await refused(bench, RESOLVE)
    assert "wait" in await refused(bench, SAY_OFF)
    assert (ATTENDING, []) == (bench.state, bench.story)


async def test_with_its_door_shut_or_for_another_visit_nothing_is_said_or_decided() -> None:
    shut = Attended(facts=replace(DEAD, panel=PanelLevel()))
    for request in (RESOLVE, SAY_OFF):
        assert "open the door" in await refused(shut, request)
    for request in (w.ResolveVisit("ffff", printed=True), w.SayPrinterOff("ffff")):
        assert "no visit ffff" in await refused(Attended(facts=DEAD), request)
    assert "no visit" in await refused(Attended(facts=DEAD, state=s.Idle()), SAY_OFF)


async def test_a_printer_that_shows_itself_just_then_is_not_off() -> None:
    class Woken(Attended):
        def post(self, event: e.Event) -> None:
            reasons = frozenset({PrinterReason.JOBS_WAITING})
            self.facts = replace(self.facts, printer=DocumentPrinterLevel(reasons))
            super().post(event)

    bench = Woken(facts=DEAD)
    assert "wait" in await refused(bench, SAY_OFF)
    assert [] == bench.story

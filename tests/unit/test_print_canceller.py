"""A job that could not be cancelled is cancelled until neither printer nor print server has it."""

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest

from firmware.errors import DeviceGone
from hw.printer.canceller import Canceller
from hw.printer.ipp_partner import IppPartner, JobReport, JobState

NAME = "cert-a"


@dataclass
class Partner:
    """A printer or a print server. obeys: a cancelled job is gone at the next look."""

    active: set[str] = field(default_factory=set)
    silent: bool = False
    obeys: bool = True
    cancels: int = 0

    async def jobs(self, job_name: str) -> tuple[JobReport, ...]:
        self._answer()
        state = JobState.PROCESSING if job_name in self.active else JobState.CANCELED
        return (JobReport(1, state, frozenset(), 0, 1),)

    async def waiting(self) -> frozenset[str]:
        self._answer()
        return frozenset(self.active)

    async def cancel(self, _job_id: int) -> None:
        self._answer()
        self.cancels += 1
        if self.obeys:
            self.active.clear()

    def _answer(self) -> None:
        if self.silent:
            raise DeviceGone("silent")


def canceller(printer: Partner, server: Partner) -> Canceller:
    return Canceller(cast("IppPartner", printer), cast("IppPartner", server), look_seconds=0.001)


async def test_a_job_is_cancelled_at_both_and_looked_for_once_more() -> None:
    printer, server = Partner({NAME}), Partner({NAME})
    cancelling = canceller(printer, server)

    assert await cancelling.purge(NAME, seconds=5)
    assert (1, 1) == (printer.cancels, server.cancels)
    assert not cancelling.leftovers


async def test_a_silent_printer_keeps_the_job_in_mind_and_cupsd_from_sending_it() -> None:
    printer, server = Partner({NAME}, silent=True), Partner({NAME})
    cancelling = canceller(printer, server)

    assert not await cancelling.purge(NAME, seconds=0.01)
    assert 1 == server.cancels
    assert cancelling.leftovers
    await cancelling.hunt()
    assert cancelling.leftovers


async def test_a_printer_that_answers_again_is_cancelled_again_until_it_is_empty() -> None:
    printer = Partner({NAME}, silent=True, obeys=False)
    cancelling = canceller(printer, Partner())
    await cancelling.purge(NAME, seconds=0.01)
    printer.silent = False
    for _ in range(3):
        await cancelling.hunt()
    assert (3, True) == (printer.cancels, cancelling.leftovers)

    printer.active.clear()
    await cancelling.hunt()
    assert cancelling.leftovers, "one clean look is not enough: a backend may hand it over"
    await cancelling.hunt()
    assert not cancelling.leftovers


async def test_a_job_seen_again_between_two_looks_begins_the_proof_anew() -> None:
    printer = Partner(silent=True)
    cancelling = canceller(printer, Partner())
    await cancelling.purge(NAME, seconds=0.01)
    printer.silent = False
    await cancelling.hunt()
    printer.active.add(NAME)
    await cancelling.hunt()
    await cancelling.hunt()
    assert cancelling.leftovers
    await cancelling.hunt()
    assert not cancelling.leftovers


@pytest.mark.parametrize("where", ["printer", "print server"])
async def test_what_a_run_before_left_is_cancelled_and_then_nothing_keeps_the_kiosk_closed(
    where: str,
) -> None:
    strays = {"cert-old", "slip-old"}
    printer, server = (Partner(strays), Partner()) if where == "printer" else (Partner(), Partner(strays))
    cancelling = canceller(printer, server)
    cancelling.hunt_strays()

    assert cancelling.leftovers, "nobody has looked yet"
    for _ in range(4):
        await cancelling.hunt()
    assert (set(), set()) == (printer.active, server.active)
    assert not cancelling.leftovers


async def test_the_job_that_is_followed_and_those_of_others_are_no_strays() -> None:
    theirs = {NAME, "front-panel"}
    printer = Partner(set(theirs))
    cancelling = canceller(printer, Partner())
    cancelling.hunt_strays()
    cancelling.spare(NAME)
    for _ in range(2):
        await cancelling.hunt()

    assert (0, theirs) == (printer.cancels, printer.active)
    assert not cancelling.leftovers


@pytest.mark.parametrize("silent", ["printer", "print server"])
async def test_as_long_as_one_of_them_is_silent_strays_may_wait_there(silent: str) -> None:
    printer, server = Partner(silent=silent == "printer"), Partner(silent=silent != "printer")
    cancelling = canceller(printer, server)
    cancelling.hunt_strays()
    for _ in range(3):
        await cancelling.hunt()
    assert cancelling.leftovers

    printer.silent = server.silent = False
    await cancelling.hunt()
    assert not cancelling.leftovers


async def test_the_end_of_a_job_that_is_all_out_takes_both_looks_and_keeps_nobody_waiting() -> None:
    printer, server = Partner(), Partner({NAME})
    cancelling = canceller(printer, server)
    ending = asyncio.create_task(cancelling.end(NAME, seconds=5))
    while not server.cancels:
        assert not cancelling.leftovers
        await asyncio.sleep(0)
    await ending

    assert 1 == server.cancels, "cupsd would hand it over once more"
    assert not cancelling.leftovers


async def test_an_end_that_cannot_be_proven_keeps_the_kiosk_closed() -> None:
    cancelling = canceller(Partner(), Partner(silent=True))
    await cancelling.end(NAME, seconds=0.01)

    assert cancelling.leftovers

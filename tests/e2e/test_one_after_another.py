"""The first person leaves at any moment, the second comes at once and gets a paper with nobody else on it."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

from firmware.documents.scramble.keys import load_keys
from firmware.documents.settings import DocumentSettings
from firmware.documents.verification.scans import pictures
from firmware.documents.verification.verdict import Report, Verdict, judge
from tests.e2e.visitor import Visitor, kiosk
from tests.simulators.world import PKI

FIRST, FIRST_NAME = "mihon_hitori", "見本一人"
SECOND, SECOND_NAME = "sample_maria", "SAMPLEMARIATESTPERSON"
SLOW_SECONDS = 4.0


async def test_whatever_the_first_visit_still_waits_for_the_second_gets_its_own_paper() -> None:
    async with kiosk() as visitor:
        world = visitor.world

        async def lay_the_card() -> None:
            await world.insert_card(visitor.card)

        async def enter_pin() -> None:
            await visitor.type_pin(visitor.pin)

        async def confirm() -> None:
            await visitor.touch("confirm")

        for round_, (path, before, act, waiting) in enumerate(
            (
                ("/v1/sessions", "present_card", lay_the_card, "reading_card"),
                ("/v1/sessions/*/authenticate", "pin", enter_pin, "checking"),
                ("/v1/orders", "confirm", confirm, "preparing"),
                ("", "confirm", confirm, "coins"),
            ),
            start=1,
        ):
            await _leave_halfway(visitor, path, before, act, waiting)
            await _buy(visitor)
            jobs = world.printer.jobs()
            assert round_ == len(jobs)
            text = _text(jobs[-1].pdf)
            assert (True, False) == (SECOND_NAME in text, FIRST_NAME in text)
        report = await asyncio.to_thread(_verified, world.printer.jobs()[-1].pdf)
        assert (Verdict.GENUINE, ()) == (report.verdict, report.findings)
        assert SECOND_NAME in "".join("".join(report.sheets[0].lines or ()).split())


def _verified(pdf: Path) -> Report:
    """What the municipality's keys say of the paper that came out, front and back."""
    keys = load_keys([PKI / "scramble" / "public.json"], [PKI / "scramble" / "opening.json"])
    return judge(pictures(pdf), keys, DocumentSettings())


async def _leave_halfway(
    visitor: Visitor, path: str, before: str, act: Callable[[], Awaitable[None]], waiting: str
) -> None:
    """The first person gives up while the municipality is still at work."""
    visitor.card = FIRST
    await visitor.walk_to(before, kind="2")
    if path:
        visitor.world.municipality.delay_next(SLOW_SECONDS, path)
    await act()
    await visitor.world.eyes.until(
        lambda now: now["screen"] == waiting and now["keys"]["cancel"]["enabled"], 30.0
    )
    await visitor.stops()
    await visitor.ends_with("cancelled")
    await visitor.leave()


async def _buy(visitor: Visitor) -> None:
    visitor.card = SECOND
    await visitor.walk_to("coins", kind="2")
    await visitor.pays(100, 100, 100)
    await visitor.sees("take_all", seconds=30.0)
    await visitor.leave()
    await visitor.sees("thanks")
    await visitor.leave()


def _text(pdf: object) -> str:
    return "".join(
        subprocess.run(["pdftotext", str(pdf), "-"], capture_output=True, check=True).stdout.decode().split()
    )

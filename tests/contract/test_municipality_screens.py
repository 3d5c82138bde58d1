"""The line fails around each message: the right sentence on the screen, and the same books on both sides.

Cut, delayed, duplicated or garbled, before and after each of the six messages of a visit, once or from then
on until the visit has ended. The line is spoiled under TLS; a duplicate is one that the backend gets twice.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio

from firmware.municipality.client import HttpsMunicipality
from firmware.municipality.exchange import Call, Exchange, Patience, Reply
from tests.contract.faulty_line import Fault, FaultyLine, When
from tests.contract.test_municipality import Clock, Log, Place, Watched, pki
from tests.contract.test_municipality_faults import FEE_YEN, PATHS
from tests.contract.whole_visit import WholeVisit
from tests.municipality import MunicipalityServer

__all__ = ["pki"]  # the fixture

MESSAGES = tuple(PATHS)
PATIENCE = Patience(
    connect_seconds=20,
    answer_seconds=20,
    total_seconds=40,
    first_retry_seconds=0.01,
    longest_retry_seconds=0.05,
)
GIVES_UP_SECONDS = 1.5
COIN_YEN = 500


@dataclass
class Street:
    """One backend for all these visits, and the line to it."""

    place: Place
    line: FaultyLine

    def kiosk(self) -> HttpsMunicipality:
        return self.place.kiosk(patience=PATIENCE, url=f"https://localhost:{self.line.port}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(pki: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    clock = Clock()
    database = tmp_path_factory.mktemp("screens") / "municipality.sqlite"
    server = MunicipalityServer(pki=pki, database=database, now=clock)
    await server.start()
    line = FaultyLine(server.port)
    await line.start()
    place = Place(server, pki, clock, Log(), Watched(), Watched())
    yield Street(place, line)
    for municipality in place.made:
        await municipality.close()
    await line.stop()
    await server.stop()


class Striking:
    """Spoils the first attempt at one message, or every attempt from then on; one attempt at a time."""

    def __init__(
        self, exchange: Exchange, message: str, street: Street, fault: Fault, when: When, *, once: bool
    ) -> None:
        self._exchange, self._message, self._line = exchange, message, street.line
        self._fault, self._when, self._once = fault, when, once
        self._one = asyncio.Lock()
        self._attempt = exchange.once
        self.attempts: list[str] = []

    async def once(self, call: Call, seconds: float | None = None) -> Reply:
        async with self._one:
            first = call.message == self._message and call.message not in self.attempts
            self.attempts.append(call.message)
            if not first:
                return await self._attempt(call, seconds)
            if self._once:
                self._line.strike(self._fault, self._when)
            else:
                self._line.break_for_good(self._when)
            return await self._attempt(call, GIVES_UP_SECONDS if self._fault == "delay" else seconds)


async def visit(
    street: Street, message: str, fault: Fault | Literal["duplicate"], when: When, *, once: bool = True
) -> WholeVisit:
    """A visit on a line that fails at this message; mended when it has ended."""
    kiosk = street.kiosk()
    if fault == "duplicate":
        street.place.server.duplicate_next(when, PATHS[message])
    else:
        striking = Striking(kiosk._exchange, message, street, fault, when, once=once)
        kiosk._exchange.once = striking.once  # type: ignore[method-assign]
        if not once:
            kiosk._patience = kiosk._exchange._patience = Patience(
                connect_seconds=20, answer_seconds=20, total_seconds=2.5, first_retry_seconds=0.01
            )
    struck = street.line.struck
    whole = WholeVisit(kiosk, street.place.card("mihon_hitori"), street.place.clock)
    await whole.make(street.line.mend)
    assert fault == "duplicate" or street.line.struck > struck
    assert 0 == street.place.server.faults_left()
    return whole


async def agree(street: Street, whole: WholeVisit, *, paper: bool) -> None:
    """Coins, journal, paper and the municipality's orders say the same."""
    machine, day = whole.machine, whole.accounts.open_day()
    fee = FEE_YEN if paper else 0
    assert COIN_YEN * machine.coins_in - 100 * machine.coins_out == fee
    assert (fee, 0, 0) == (day.fees_yen, day.claims_yen, day.unclaimed_yen)
    assert 2 * paper == machine.pages
    orders = [order for order in await street.place.server.orders() if order.order_id in whole.orders]
    assert fee == sum(one.paid_yen or 0 for one in orders if one.state.value == "ISSUED")
    # What is told of a refund is all that was given back, with what was too much for the fee.
    assert {100 * machine.coins_out} >= {one.refunded_yen for one in orders if one.refunded_yen is not None}
    states = [one.state.value for one in orders]
    if paper:
        assert ["ISSUED"] == states
    else:
        assert states in ([], ["RESERVED"], ["CANCELLED"], ["REFUNDED"])
    assert () == whole.outbox.waiting + tuple(whole.outbox.state.contradicted)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", ["cut", "delay", "garble", "duplicate"])
@pytest.mark.parametrize("message", MESSAGES)
async def test_a_fault_of_the_line_at_one_message_is_outlasted_or_said_before_any_money(
    street: Street, message: str, fault: Fault | Literal["duplicate"], when: When
) -> None:
    whole = await visit(street, message, fault, when)
    assert ("thanks", "") == whole.ended_as
    await agree(street, whole, paper=True)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("message", MESSAGES)
async def test_a_line_that_stays_away_ends_the_visit_with_its_sentence_and_every_coin_where_it_belongs(
    street: Street, message: str, when: When
) -> None:
    whole = await visit(street, message, "cut", when, once=False)
    issued = message in {"result", "end_session"}
    assert (("thanks", "") if issued else ("ended", "municipality_down")) == whole.ended_as
    assert (message not in {"open_session", "authenticate", "reserve"}) is bool(whole.machine.coins_in)
    await agree(street, whole, paper=issued)

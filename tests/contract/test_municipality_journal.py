"""The journal's copy at the municipality, by the kiosk's own journal and client over real TLS."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest

from firmware.core import records as r
from firmware.core.facts import MunicipalityLevel
from firmware.core.terms import VisitId
from firmware.errors import Refused
from firmware.logbook import EventId
from firmware.municipality.tls import Credentials
from firmware.shell.journal import Journal
from firmware.shell.journal_copy import JournalCopy
from firmware.shell.open_orders import OpenOrders
from tests.contract.test_municipality import (
    NOON,
    ONCE,
    ORDER,
    Place,
    Watched,
    Witnessed,
    admitted,
    pki,
    place,
    wanted,
)
from tests.municipality.journals import seals
from tests.municipality.pki import KIOSK

__all__ = ["pki", "place"]  # the fixtures

KEY = b"k" * 32


@asynccontextmanager
async def kept(path: Path) -> AsyncIterator[Journal]:
    journal = Journal(path, KEY, now=lambda: NOON)
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


def visits(first: int, last: int) -> list[r.Record]:
    return [r.VisitBegan(VisitId(f"{number:032x}")) for number in range(first, last + 1)]


async def test_the_copy_is_the_journal_and_only_what_is_new_is_sent(place: Place, tmp_path: Path) -> None:
    async with kept(tmp_path / "j.db") as journal:
        copy = JournalCopy(place.kiosk(), journal, place.log, every_seconds=60)
        await copy.send()
        assert 0 == copy.kept_seq
        await journal.append(visits(1, 300))  # more than one message holds
        await copy.send()
        await journal.append(visits(301, 302))
        await copy.send()
        again = JournalCopy(place.kiosk(), journal, place.log, every_seconds=60)
        await again.send()
        entries = tuple(journal.read())
    lines = await place.server.journal(KIOSK)
    assert 302 == copy.kept_seq == again.kept_seq
    assert [json.loads(entry.line())["visit"] for entry in entries] == [
        json.loads(line["fields"])["visit"] for line in lines
    ]
    assert [] == place.log.events


async def test_a_line_longer_than_all_others_together_is_sent_alone(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware.shell.journal_copy._MOST_CHARACTERS", 10)
    async with kept(tmp_path / "j.db") as journal:
        await journal.append(visits(1, 4))
        copy = JournalCopy(place.kiosk(), journal, place.log, every_seconds=60)
        await copy.send()
    assert 4 == copy.kept_seq == len(await place.server.journal(KIOSK))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_copy_whose_answer_is_lost_is_sent_again_and_stands_once(
    place: Place, tmp_path: Path, when: Literal["before", "after"]
) -> None:
    async with kept(tmp_path / "j.db") as journal:
        await journal.append(visits(1, 3))
        for _ in range(200):
            place.server.drop_next(when, "/v1/journal")
        copy = JournalCopy(place.kiosk(patience=ONCE), journal, place.log, every_seconds=60)
        await copy.send()
        await copy.send()
        place.server.forget_faults()
        await copy.send()
        await copy.send()
    assert 3 == len(await place.server.journal(KIOSK))
    assert [EventId.JOURNAL_COPY_GONE, EventId.JOURNAL_COPY_BACK] == [event for event, _ in place.log.events]


async def test_the_kiosk_signs_the_link_of_its_own_lines_whatever_the_municipality_names(
    place: Place, tmp_path: Path
) -> None:
    """Who has changed a kept line and its links there gets no signature of the kiosk under it."""
    async with kept(tmp_path / "j.db") as journal:
        await journal.append(visits(1, 300))
        await JournalCopy(place.kiosk(), journal, place.log, every_seconds=60).send()
        (last,) = await journal.lines(300, 1, 10**6)
        forged = [(b"f" * 32, 299), (place.kiosk().journal_link(b"f" * 32, [last]), 300)]
        store = place.server.store
        await store.transact(lambda c: c.execute("DROP TRIGGER journals_stay"))
        await store.transact(lambda c: c.executemany("UPDATE journal SET link = ? WHERE seq = ?", forged))
        await journal.append(visits(301, 302))
        copy = JournalCopy(place.kiosk(), journal, place.log, every_seconds=60)
        await copy.send()
        assert 300 == len(await place.server.journal(KIOSK))
        assert [{"reason": "Refused"}] == place.log.named(EventId.JOURNAL_COPY_GONE)


async def test_every_seal_can_be_held_against_copy_and_certificate_by_the_database_alone(
    place: Place, tmp_path: Path
) -> None:
    async with kept(tmp_path / "j.db") as journal:
        copy = JournalCopy(place.kiosk(), journal, place.log, every_seconds=60)
        for first in (1, 4):
            await journal.append(visits(first, first + 2))
            await copy.send()
    found = await place.server.store.transact(lambda c: seals(c, KIOSK))
    assert [(3, None), (6, None)] == [(one["seq"], one["fault"]) for one in found]
    await place.server.store.transact(lambda c: c.execute("DROP TRIGGER journals_stay"))
    await place.server.store.transact(
        lambda c: c.execute("UPDATE journal SET at = '2026-01-01T00:00:00' WHERE seq = 5")
    )
    found = await place.server.store.transact(lambda c: seals(c, KIOSK))
    assert [(3, None), (6, "signature")] == [(one["seq"], one["fault"]) for one in found]


async def test_a_journal_begun_anew_does_not_fit_its_copy_and_says_so_once(
    place: Place, tmp_path: Path
) -> None:
    async with kept(tmp_path / "one.db") as journal:
        await journal.append(visits(1, 3))
        await JournalCopy(place.kiosk(), journal, place.log, every_seconds=60).send()
    async with kept(tmp_path / "two.db") as journal:
        await journal.append(visits(7, 12))
        copy = JournalCopy(place.kiosk(), journal, place.log, every_seconds=60)
        await copy.send()
        await copy.send()
    gone = place.log.named(EventId.JOURNAL_COPY_GONE)
    assert [{"reason": "journal_cut"}] == gone
    assert 3 == len(await place.server.journal(KIOSK))


async def test_a_tail_cut_off_after_its_copy_keeps_the_kiosk_out_of_service(
    place: Place, tmp_path: Path
) -> None:
    async with kept(tmp_path / "j.db") as journal:
        await journal.append(visits(1, 5))
        await JournalCopy(place.kiosk(), journal, place.log, every_seconds=60).send()
        chains = [line.chain for line in await journal.lines(1, 5, 10**6)]
    place.journal = Witnessed(chains[:3])
    levels = Watched()
    place.kiosk().start(levels)
    await levels.until(MunicipalityLevel(reachable=False))
    assert "journal_cut" == levels.values[0].fault
    assert [4, 5] == [line["seq"] for line in (await place.server.journal(KIOSK))[3:]]


async def test_a_link_signed_for_other_lines_keeps_nothing(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kept(tmp_path / "j.db") as journal:
        await journal.append(visits(1, 2))
        lines = await journal.lines(1, 2, 10**6)
    kiosk = place.kiosk()
    before = await kiosk.journal_kept()
    sign = Credentials.sign
    monkeypatch.setattr(Credentials, "sign", lambda own, part: sign(own, part[:-1] + bytes([part[-1] ^ 1])))
    with pytest.raises(Refused):
        await kiosk.keep_journal(before, lines)
    assert [] == await place.server.journal(KIOSK)


# --- orders without an end ------------------------------------------------------------------------


async def test_after_a_start_an_order_that_nobody_tells_of_is_named_once_and_left_alone(place: Place) -> None:
    kiosk = place.kiosk()
    session_id, _ = await admitted(kiosk, place.card("mihon_hitori"))
    await kiosk.reserve(session_id, wanted())
    await kiosk.release(ORDER, 300)

    mine = OpenOrders(kiosk, lambda: [ORDER], place.log, pause_seconds=0.01)
    await mine.run()
    assert () == mine.strays

    nobodys = OpenOrders(kiosk, list, place.log, pause_seconds=0.01)
    await nobodys.run()
    assert [(ORDER, "RELEASED")] == [(one.order_id, one.state) for one in nobodys.strays or ()]
    assert [{"visit": ORDER[:8], "outcome": "released"}] == place.log.named(EventId.ORDER_STRAY)
    assert ["RELEASED"] == [order.state.value for order in await place.server.orders()]


async def test_orders_are_compared_as_soon_as_the_line_is_there(place: Place) -> None:
    place.server.drop_next("after", "/v1/open-orders")
    place.server.answer_garbage_next("/v1/open-orders")
    found = OpenOrders(place.kiosk(patience=ONCE), list, place.log, pause_seconds=0.01)
    async with asyncio.timeout(30):
        await found.run()
    assert () == found.strays

"""The four published ways in which real systems printed somebody else's certificate, as mutants.

Each draws the page, leaves it somewhere and fetches it again for the same request, as those systems did;
the backend as built does all of it in one transaction and names the page by its order. The test of the
crowd must see each of them (`test_crowd`).
"""

import asyncio
import itertools
import random
from typing import Any
from unittest.mock import patch

from tests.municipality import contents, orders, records
from tests.municipality.crowd import NOON, Crowd
from tests.municipality.desk import Kiosk
from tests.municipality.store import Connection
from tests.municipality.wire import ReserveRequest

Page = dict[str, Any]


class Mutant:
    """Reserves with a page that went through a place shared by all requests."""

    def __init__(self, seed: int = 1) -> None:
        self._draw = random.Random(seed)  # noqa: S311 - draws, not secrets

    async def __call__(self, crowd: Crowd, kiosk: Kiosk, request: ReserveRequest) -> dict[str, Any]:
        page = await crowd.store.transact(lambda c: self._drawn(crowd, c, kiosk, request))
        fetched = await self.fetch(page)

        def reserve(connection: Connection) -> dict[str, Any]:
            with patch.object(contents, "_document", lambda _entry, _wanted: fetched):
                return orders.reserve(crowd.desk(connection, kiosk), request, crowd.office, b"")

        return await crowd.store.transact(reserve)

    async def fetch(self, page: Page) -> Page:
        """The page as the faulty system finds it again."""
        raise NotImplementedError

    async def wait(self) -> None:
        """Let others go on for a while."""
        for _ in range(self._draw.randrange(4)):
            await asyncio.sleep(0)

    def _drawn(self, crowd: Crowd, connection: Connection, kiosk: Kiosk, request: ReserveRequest) -> Page:
        session = connection.execute(
            "SELECT resident FROM session WHERE id = ?", (request.session_id,)
        ).fetchone()
        entry = records.entry(crowd.desk(connection, kiosk), session["resident"])
        wanted = contents.Wanted(request.kind, whole_household=False, items=frozenset(), copies=1)
        document: Page = contents.certificate(entry, wanted, crowd.city, "", NOON.date())["document"]
        return document


class NextInLine(Mutant):
    """横浜 2023-03: a time-out lifts the lock, and the printer takes the next page that lies there."""

    def __init__(self) -> None:
        super().__init__()
        self._line: list[Page] = []

    async def fetch(self, page: Page) -> Page:
        """Whichever lies there first."""
        await self.wait()
        self._line.append(page)
        await self.wait()
        return self._line.pop(0)


class NamedByTheClock(Mutant):
    """川崎 2023-05: two people in one second; the later page overwrites the earlier."""

    def __init__(self) -> None:
        super().__init__()
        self._pages: dict[int, Page] = {}

    async def fetch(self, page: Page) -> Page:
        """The page of this second."""
        second = int(asyncio.get_running_loop().time())
        self._pages[second] = page
        await self.wait()
        return self._pages[second]


class PreviousOutput(Mutant):
    """宗像 2023-06: the new page is late, and the one of the person before still lies there."""

    def __init__(self) -> None:
        super().__init__()
        self._output: Page | None = None

    async def fetch(self, page: Page) -> Page:
        """What lies in the tray when patience ends."""
        late = asyncio.create_task(self._put(page))
        await self.wait()
        found = self._output
        await late
        return page if found is None else found

    async def _put(self, page: Page) -> None:
        await self.wait()
        self._output = page


class UniqueInOneProcess(Mutant):
    """高松 2024-04: a program for one server runs on two, and both count from one in one folder."""

    def __init__(self) -> None:
        super().__init__()
        self._servers = itertools.cycle([itertools.count(1), itertools.count(1)])
        self._folder: dict[int, Page] = {}

    async def fetch(self, page: Page) -> Page:
        """The page of this number."""
        number = next(next(self._servers))
        self._folder[number] = page
        await self.wait()
        return self._folder[number]


MUTANTS = (NextInLine, NamedByTheClock, PreviousOutput, UniqueInOneProcess)

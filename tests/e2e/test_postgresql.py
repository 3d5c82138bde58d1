"""A kiosk whose municipality keeps its books in PostgreSQL: the same visit, the same yen."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.books import agreed_books
from tests.e2e.visitor import kiosk
from tests.municipality.databases import PostgresqlServer


@pytest.fixture
def database() -> Iterator[str]:
    """An empty one on a server with a short path: the name of a Unix socket holds 107 octets."""
    with tempfile.TemporaryDirectory(prefix="madoguchi-pg-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        server = PostgresqlServer(Path(folder) / "pg")
        server.start()
        try:
            yield server.make_database()
        finally:
            server.stop()


async def test_a_certificate_is_paid_and_printed_and_a_lost_answer_costs_nobody_anything(
    database: str,
) -> None:
    async with kiosk(database=database) as visitor:
        world = visitor.world
        world.municipality.drop_next("after", "*/release")
        await visitor.walk_to("choose_kind")
        await visitor.choose("juminhyo")
        await visitor.pay((500,))
        await visitor.sees("take_all")
        assert 2 == await world.take_paper()
        await visitor.take_everything()
        books = await agreed_books(world)
        assert (500, 300, 200) == (books.last.taken, books.last.earned, books.last.paid_out)
        assert ["ISSUED"] == [order.state.value for order in await world.municipality.orders()]

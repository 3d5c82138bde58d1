"""The database under the backend: MADOGUCHI_DATABASE=postgresql runs every test on a PostgreSQL server.

By default most run on SQLite, and those that take `either_database` on both.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.municipality.databases import PostgresqlServer


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A server with a short path: the name of a Unix socket holds 107 octets."""
    with tempfile.TemporaryDirectory(prefix="madoguchi-pg-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        server = PostgresqlServer(Path(folder) / "pg")
        server.start()
        yield server
        server.stop()


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """An empty database: SQLite's file, or PostgreSQL's URL."""
    return _empty(request, os.environ.get("MADOGUCHI_DATABASE", "sqlite"), tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def either_database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """An empty database of each kind."""
    return _empty(request, request.param, tmp_path)


def _empty(request: pytest.FixtureRequest, kind: str, folder: Path) -> Path | str:
    if kind == "sqlite":
        return folder / "m.sqlite"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.make_database()

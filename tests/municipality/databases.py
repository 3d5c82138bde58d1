"""A real PostgreSQL server for the tests, from Debian's package, in a folder of its own."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from tests.municipality.postgresql import Postgresql
from tests.municipality.store import Connection

EDIT_REFUSED = (sqlite3.IntegrityError, psycopg.IntegrityError)
"""What a database says to somebody who edits what ended."""


class PostgresqlServer:
    """Listens on a socket in its folder until stopped; root lends it the account of the package."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._account = "postgres" if os.geteuid() == 0 else None
        self._numbers = count(1)

    def start(self) -> None:
        """Make a cluster and serve from it. Raises CalledProcessError, FileNotFoundError."""
        self._folder.mkdir(parents=True, mode=0o755)
        if self._account is not None:
            shutil.chown(self._folder, self._account)
        self._run("initdb", "-A", "trust", "-U", "city", "--no-sync", "-D", str(self._cluster))
        options = f"-k {self._folder} -c listen_addresses='' -c unix_socket_permissions=0777 -c fsync=off"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._cluster), "-w", "-l", log, "-o", options, "start")

    def make_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"municipality_{next(self._numbers)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self._url(name)

    def stop(self) -> None:
        """End it and every connection."""
        self._run("pg_ctl", "-D", str(self._cluster), "-w", "-m", "immediate", "stop")

    @property
    def _cluster(self) -> Path:
        return self._folder / "cluster"

    def _url(self, name: str) -> str:
        return f"postgresql://city@/{name}?host={self._folder}"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(_programs() / program), *arguments],
            user=self._account,
            cwd=self._folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )


@contextmanager
def edited(database: Path | str) -> Iterator[Connection]:
    """A second connection, as of somebody who edits the database by hand; committed at the end."""
    if isinstance(database, Path):
        with sqlite3.connect(database) as connection:
            connection.row_factory = sqlite3.Row
            yield connection
        connection.close()
        return
    engine = Postgresql(database)
    connection_to_server = engine.open(serving=False)
    engine.begin()
    try:
        yield connection_to_server
        engine.commit()
    finally:
        engine.rollback()
        engine.close()


def _programs() -> Path:
    """Debian keeps the server's programs out of PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        raise FileNotFoundError("/usr/lib/postgresql: install Debian's package postgresql")
    return folders[-1]

"""The city clerk's desk: claims and business days of the kiosks. python -m tests.municipality.clerk --db FILE

claims         what the kiosks owe to people by slips, and who has paid
pay CLAIM_NO   the counter pays a claim; refused if somebody has paid it before
days           the business days of the kiosks, with what differs from the municipality's own books
"""

import argparse
import asyncio
import json
import sqlite3
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.municipality.claims import COUNTER, pay
from tests.municipality.store import Store


def claims(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Every claim, oldest first; settled_by None while it is open."""
    rows = connection.execute("SELECT claim_no, kiosk, order_id, yen, settled_by FROM claim ORDER BY rowid")
    return [dict(row) for row in rows]


def days(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Every settled business day by kiosk and date: totals as reported, differences as words."""
    rows = connection.execute("SELECT * FROM settlement ORDER BY business_date, kiosk")
    return [
        {
            "kiosk": row["kiosk"],
            "business_date": row["business_date"],
            "totals": json.loads(row["totals"]),
            "differences": json.loads(row["differences"]),
        }
        for row in rows
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """One look at the books; exit status 1 if a claim cannot be paid."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.municipality.clerk",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--db", type=Path, required=True, help="the backend's SQLite file")
    parser.add_argument("look", choices=("claims", "pay", "days"))
    parser.add_argument("claim_no", nargs="?")
    wanted = parser.parse_args(arguments)
    if (wanted.look == "pay") != (wanted.claim_no is not None):
        parser.error("pay needs a claim's number, nothing else takes one")
    return asyncio.run(_look(wanted.db, wanted.look, wanted.claim_no))


async def _look(database: Path, look: str, claim_no: str | None) -> int:
    store = Store(database)
    await store.open()
    try:
        if claim_no is None:
            rows = await store.transact(claims if look == "claims" else days)
            for row in rows:
                sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
            return 0
        moment = datetime.now(UTC).timestamp()
        paid = await store.transact(lambda c: pay(c, claim_no, COUNTER, moment))
    finally:
        await store.close()
    sys.stdout.write(f"{claim_no}: {'paid' if paid else 'is not open'}\n")
    return 0 if paid else 1


if __name__ == "__main__":
    sys.exit(main())

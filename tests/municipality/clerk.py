"""The city clerk's desk: claims and business days of the kiosks. python -m tests.municipality.clerk --db FILE

claims             what the kiosks owe to people by slips, and who has paid
pay URN CLAIM_NO   the counter pays a claim; refused if somebody has paid it before
days               the business days of the kiosks, with what differs from the municipality's own books
tick ORDER_ID      an order that no business day names was looked at: ask for it no more
alarms             what tripped the breaker: somebody's paper was about to carry somebody else's data
reset              the cause of the alarms is found and gone: issue again
invite URN         a code for one kiosk's first certificate, good once and for ten minutes
forget URN         the kiosk's journal was looked at and begins anew: a new disk, or its tail is lost
journal URN        the copy of the kiosk's journal, line by line
seals URN          the kiosk's signatures under its journal, each held against the copy and its certificate
publish KIND FILE KEYS [URN]  sign and hand out a configuration (a profile, TOML) or a calendar (JSON:
                   closures with begins and ends) with the key in the folder KEYS, to one kiosk or to all
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.municipality import breaker, enrolment, journals, publications
from tests.municipality.claims import COUNTER, pay
from tests.municipality.heartbeats import forget_journal
from tests.municipality.register import load_city
from tests.municipality.settlement import tick
from tests.municipality.store import Connection, Store


def claims(connection: Connection) -> list[dict[str, Any]]:
    """Every claim, oldest first; settled_by None while it is open."""
    rows = connection.execute(
        "SELECT claim_no, kiosk, order_id, yen, settled_by FROM claim ORDER BY opened_at, order_id"
    )
    return [dict(row) for row in rows]


def days(connection: Connection) -> list[dict[str, Any]]:
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


_WORDS = {
    "claims": (0,),
    "pay": (2,),
    "days": (0,),
    "tick": (1,),
    "forget": (1,),
    "alarms": (0,),
    "reset": (0,),
    "invite": (1,),
    "journal": (1,),
    "seals": (1,),
    "publish": (3, 4),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """One look at the books; exit status 1 if nothing could be done."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.municipality.clerk",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--db", required=True, help="the backend's SQLite file, or postgresql://…")
    parser.add_argument("look", choices=tuple(_WORDS))
    parser.add_argument("words", nargs="*", help="a kiosk's URN, a claim's number, an order's id")
    wanted = parser.parse_args(arguments)
    if len(wanted.words) not in (takes := _WORDS[wanted.look]):
        parser.error(f"{wanted.look} takes {' or '.join(map(str, takes))} words")
    return asyncio.run(_look(wanted.db, wanted.look, wanted.words))


async def _look(database: str, look: str, words: list[str]) -> int:
    store = Store(database)
    await store.open()
    try:
        return await store.transact(lambda connection: _act(connection, look, words))
    finally:
        await store.close()


def _act(connection: Connection, look: str, words: list[str]) -> int:
    match [look, *words]:
        case ["pay", kiosk, claim_no]:
            moment = datetime.now(UTC).timestamp()
            done = pay(connection, kiosk, claim_no, COUNTER, moment)
            lines = (f"{claim_no}: paid", f"{claim_no}: is not open")
        case ["tick", order_id]:
            done = tick(connection, order_id)
            lines = (f"{order_id}: ticked off", f"{order_id}: is in no need of it")
        case ["invite", kiosk]:
            sys.stdout.write(enrolment.invite(connection, kiosk, datetime.now(UTC)) + "\n")
            return 0
        case ["journal", kiosk]:
            rows = journals.lines(connection, kiosk)
            sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            return 0 if rows else 1
        case ["seals", kiosk]:
            found = journals.seals(connection, kiosk)
            sys.stdout.writelines(json.dumps(one) + "\n" for one in found)
            return 0 if found and all(one["fault"] is None for one in found) else 1
        case ["publish", "configuration" | "calendar" as kind, file, keys, *to]:
            serial = _publish(connection, kind, Path(file), Path(keys), *to)
            sys.stdout.write(f"{kind} {serial}: published\n")
            return 0
        case ["reset"]:
            done = breaker.reset(connection)
            lines = ("issuing again", "nothing was tripped")
        case ["forget", kiosk]:
            done = forget_journal(connection, kiosk)
            lines = (f"{kiosk}: forgotten", f"{kiosk}: is not known")
        case _:
            rows = {"claims": claims, "days": days, "alarms": breaker.alarms}[look](connection)
            sys.stdout.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            return 0
    sys.stdout.write(lines[0 if done else 1] + "\n")
    return 0 if done else 1


def _publish(
    connection: Connection,
    kind: publications.Kind,
    file: Path,
    keys: Path,
    to: str = publications.EVERY_KIOSK,
) -> int:
    """Raises OSError, ValueError for what cannot be read."""
    text = file.read_text(encoding="utf-8")
    content = {"profile": text} if kind == "configuration" else json.loads(text)
    key = publications.PublicationKey.load(keys, load_city().audience)
    serial = publications.last(connection, kind) + 1
    signed = key.sign(kind, serial, content, datetime.now(UTC), to)
    publications.publish(connection, kind, serial, to, signed)
    return serial


if __name__ == "__main__":
    sys.exit(main())

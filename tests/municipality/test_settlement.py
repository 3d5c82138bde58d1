"""Business days and claims at the reference backend: every lie about a yen or an order is found."""

import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests.municipality import MunicipalityServer, settlement
from tests.municipality.databases import EDIT_REFUSED, edited
from tests.municipality.pki import KIOSK
from tests.municipality.test_server import ROOT, Wire, client, order, pki

__all__ = ["pki"]  # the fixture

NOON = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
CLOSED_AT = "2026-11-25T23:00:00.000+09:00"
ISSUED, BACK, OWED = (f"{digit * 32}-1" for digit in "abc")
CLAIM = "CCCC-CCCC"
NOWHERE = "f" * 34


class Counter:
    """A kiosk's day at a backend: one certificate sold, one given back in coins, one by a claim slip."""

    def __init__(self, wire: Wire, server: MunicipalityServer, database: Path | str) -> None:
        self.wire = wire
        self.server = server
        self.database = database

    async def begin(self) -> None:
        for order_id in (ISSUED, BACK, OWED):
            session_id, _ = await self.wire.admitted("mihon_hitori", X25519PrivateKey.generate())
            await self.wire.send("POST", "/v1/orders", order(session_id, order_id))
            await self.post(f"orders/{order_id}/release", {"paid_yen": 300})
        await self.post(f"orders/{ISSUED}/result", {"outcome": "done", "pages_out": 2})
        for order_id, owed_yen in ((BACK, 0), (OWED, 500)):
            await self.post(f"orders/{order_id}/result", {"outcome": "not_done", "pages_out": 0})
            await self.post(f"orders/{order_id}/refund", {"yen": 500 - owed_yen, "owed_yen": owed_yen})
        await self.post("claims", {"claim_no": CLAIM, "order_id": OWED, "yen": 500})

    async def post(self, path: str, message: object) -> Any:
        answer = await self.wire.send("POST", f"/v1/{path}", message)
        assert 200 == answer.status, answer.message
        return answer.message

    async def settle(self, date: str = "2026-11-25", /, **changes: object) -> Any:
        return await self.post(f"settlements/{date}", day(**changes))

    async def problem(
        self, path: str, message: object | None = None, method: str = "POST"
    ) -> tuple[int, str]:
        answer = await self.wire.send(method, f"/v1/{path}", message)
        return answer.status, answer.message["code"]


def cash(box_500: int = 3, hopper_100: int = 43, **moved: int) -> list[dict[str, object]]:
    """500 yen came in three times; 200 yen of change and 500 yen back went out of 50 coins."""
    still = {"unsure": 0, "refilled": 0, "collected": 0, "difference": 0}
    return [
        {"hopper": None, "coin_yen": 500, "coins": box_500, **still},
        {"hopper": 3, "coin_yen": 100, "coins": hopper_100, **still, "refilled": 50, **moved},
    ]


def day(**changes: object) -> dict[str, object]:
    return {
        "closed_at": CLOSED_AT,
        "visits": 3,
        "sold": [{"kind": "juminhyo", "issues": 1, "copies": 1, "yen": 300}],
        "taken_yen": 1500,
        "fees_yen": 300,
        "paid_out_yen": 700,
        "claims_yen": 500,
        "unclaimed_yen": 0,
        "claims_settled_yen": 0,
        "suspects": 0,
        "issued": [ISSUED],
        "given_back": [BACK, OWED],
        "uncertain": [],
        "claims": [{"claim_no": CLAIM, "order_id": OWED, "yen": 500}],
        "cash": cash(),
    } | changes


def nothing(box_500: int = 3) -> dict[str, object]:
    """A day without a visit."""
    yen = ("visits", "taken_yen", "fees_yen", "paid_out_yen", "claims_yen")
    none = ("sold", "issued", "given_back", "claims")
    coins = [line | {"refilled": 0} for line in cash(box_500=box_500)]
    return dict.fromkeys(yen, 0) | {name: [] for name in none} | {"cash": coins}


@pytest.fixture
async def counter(pki: Path, database: Path | str) -> AsyncIterator[Counter]:
    server = MunicipalityServer(pki=pki, database=database, now=lambda: NOON)
    await server.start()
    async with client(pki) as http:
        counter = Counter(Wire(server.url, pki, http), server, database)
        await counter.begin()
        yield counter
    await server.stop()


async def test_a_day_that_is_true_agrees_and_is_kept(counter: Counter) -> None:
    agreed = {"business_date": "2026-11-25", "matched": True, "differences": []}
    assert agreed == await counter.settle()
    assert agreed == await counter.settle()
    [kept] = await counter.server.settlements()
    assert (KIOSK, "2026-11-25", []) == (kept["kiosk"], kept["business_date"], kept["differences"])
    assert 300 == kept["totals"]["fees_yen"]


SOLD_HERE = "1-1-300"


def sold(kind: str, copies: int) -> list[dict[str, object]]:
    return [{"kind": kind, "issues": 1, "copies": copies, "yen": 300}]


@pytest.mark.parametrize(
    ("changes", "differences"),
    [
        (
            {"issued": [], "fees_yen": 0, "sold": [], "unclaimed_yen": 300},
            [f"order-not-reported:{ISSUED}:ISSUED"],
        ),
        (
            {"issued": [ISSUED, BACK]},
            [
                "order-twice",
                f"order-state:{BACK}:REFUNDED",
                f"sold-juminhyo:{SOLD_HERE}:2-2-600",
                "fees:300:600",
            ],
        ),
        (
            {"issued": [NOWHERE]},
            [
                f"order-missing:{NOWHERE}",
                f"order-not-reported:{ISSUED}:ISSUED",
                f"sold-juminhyo:{SOLD_HERE}:0-0-0",
                "fees:300:0",
            ],
        ),
        ({"given_back": [BACK]}, [f"order-not-reported:{OWED}:REFUNDED"]),
        (
            {
                "given_back": [BACK, OWED, ISSUED],
                "issued": [],
                "sold": [],
                "fees_yen": 0,
                "paid_out_yen": 1000,
            },
            [f"order-state:{ISSUED}:ISSUED", "cash:5800:5500"],
        ),
        ({"fees_yen": 200, "unclaimed_yen": 100}, ["fees:200:300"]),
        (
            {"sold": sold("inkan", 1)},
            [f"sold-inkan:{SOLD_HERE}:0-0-0", f"sold-juminhyo:none:{SOLD_HERE}"],
        ),
        ({"sold": sold("juminhyo", 2)}, [f"sold-juminhyo:1-2-300:{SOLD_HERE}"]),
        ({"unclaimed_yen": 100}, ["unbalanced:1500:1600"]),
        ({"claims": []}, ["claims:500:0"]),
        (
            {"claims": [{"claim_no": "AAAA-AAAA", "order_id": OWED, "yen": 500}]},
            ["claim-missing:AAAA-AAAA"],
        ),
        (
            {"claims": [{"claim_no": CLAIM, "order_id": OWED, "yen": 400}]},
            [f"claim-yen:{CLAIM}:400:500", "claims:500:400"],
        ),
        ({"cash": cash(box_500=2)}, ["cash:5300:5800"]),
        ({"cash": cash(hopper_100=44)}, ["cash:5900:5800"]),
        ({"cash": cash(hopper_100=44, difference=1)}, []),
        ({"cash": cash(hopper_100=3, collected=40)}, []),
    ],
)
async def test_every_lie_is_a_difference(
    counter: Counter, changes: dict[str, object], differences: list[str]
) -> None:
    answer = await counter.settle(**changes)
    assert (differences, differences == []) == (answer["differences"], answer["matched"])


async def test_an_order_is_settled_in_one_day_only_and_one_forgotten_is_asked_for_until_it_comes(
    counter: Counter,
) -> None:
    await counter.settle(given_back=[BACK])
    later = {**nothing(), "closed_at": "2026-11-26T23:00:00.000+09:00"}
    asked = await counter.settle("2026-11-26", **later)
    assert [f"order-not-reported:{OWED}:REFUNDED"] == asked["differences"]
    again = await counter.settle("2026-11-27", **later | {"given_back": [OWED, BACK]})
    assert [f"order-settled:{BACK}:2026-11-25"] == again["differences"]
    assert (await counter.settle("2026-11-28", **later))["matched"]


async def test_coins_must_go_on_from_the_last_settled_day(counter: Counter) -> None:
    await counter.settle()
    lost = await counter.settle("2026-11-26", **nothing(box_500=2))
    assert ["cash:5300:5800"] == lost["differences"]


async def test_an_order_that_no_day_names_is_asked_for_until_the_clerk_has_looked(counter: Counter) -> None:
    await counter.settle(given_back=[BACK])
    with edited(counter.database) as connection:
        assert settlement.tick(connection, OWED)
        assert not settlement.tick(connection, OWED)
    later = {**nothing(), "closed_at": "2026-11-26T23:00:00.000+09:00"}
    assert (await counter.settle("2026-11-26", **later))["matched"]


async def test_a_day_of_ten_thousand_orders_is_taken(counter: Counter) -> None:
    strange = [f"{number:032x}-1" for number in range(10_000)]
    answer = await counter.settle(given_back=[BACK, OWED, *strange])
    assert 10_000 == len(answer["differences"])


async def test_a_day_once_settled_takes_no_other_word(counter: Counter) -> None:
    await counter.settle()
    assert (409, "day_conflict") == await counter.problem("settlements/2026-11-25", day(visits=4))
    assert (409, "day_conflict") == await counter.problem("settlements/2026-11-24", day())
    for text in ("2026-11-31", "20261125", "today"):
        assert (400, "request_invalid") == await counter.problem(f"settlements/{text}", day())
    for wrong in (day(extra=1), day(visits=-1), day(closed_at="2026-11-25T23:00:00"), {}):
        assert (400, "request_invalid") == await counter.problem("settlements/2026-11-26", wrong)


async def test_a_claim_is_paid_once_by_whoever_comes_first(counter: Counter) -> None:
    asked = {"claim_no": CLAIM, "order_id": OWED, "yen": 500, "settled_by": None}
    assert asked == (await counter.wire.send("GET", f"/v1/claims/{CLAIM}")).message
    for _ in range(2):
        paid = await counter.post(f"claims/{CLAIM}/settle", {"yen": 500})
        assert KIOSK == paid["settled_by"]
    assert not await counter.server.pay_claim(KIOSK, CLAIM)


async def test_a_claim_the_counter_has_paid_is_refused_to_the_store(counter: Counter) -> None:
    assert await counter.server.pay_claim(KIOSK, CLAIM)
    assert (409, "claim_conflict") == await counter.problem(f"claims/{CLAIM}/settle", {"yen": 500})


@pytest.mark.parametrize(
    ("path", "message", "expected"),
    [
        (f"claims/{CLAIM}/settle", {"yen": 400}, (409, "claim_conflict")),
        ("claims/0000-0000/settle", {"yen": 500}, (404, "claim_unknown")),
        ("claims", {"claim_no": CLAIM, "order_id": OWED, "yen": 400}, (409, "claim_conflict")),
        ("claims", {"claim_no": CLAIM, "order_id": BACK, "yen": 500}, (409, "claim_conflict")),
        ("claims", {"claim_no": "0000-0000", "order_id": OWED, "yen": 500}, (409, "claim_conflict")),
        ("claims", {"claim_no": "0000-0000", "order_id": NOWHERE, "yen": 500}, (404, "order_unknown")),
        ("claims", {"claim_no": "0000-0000", "order_id": BACK, "yen": 0}, (400, "request_invalid")),
        ("claims", {"claim_no": "zzzz-0000", "order_id": BACK, "yen": 1}, (400, "request_invalid")),
    ],
)
async def test_a_claim_that_contradicts_the_books_is_refused(
    counter: Counter, path: str, message: dict[str, object], expected: tuple[int, str]
) -> None:
    assert expected == await counter.problem(path, message)


async def test_an_unknown_claim_is_not_shown(counter: Counter) -> None:
    assert (404, "claim_unknown") == await counter.problem("claims/0000-0000", method="GET")


async def test_the_clerk_sees_and_pays_claims_and_reads_the_days(counter: Counter) -> None:
    await counter.settle()
    await counter.server.stop()

    def clerk(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.municipality.clerk", "--db", str(counter.database), *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    assert CLAIM in clerk("claims")[1]
    assert (0, f"{CLAIM}: paid\n") == clerk("pay", KIOSK, CLAIM)
    assert (1, f"{CLAIM}: is not open\n") == clerk("pay", KIOSK, CLAIM)
    assert (1, f"{CLAIM}: is not open\n") == clerk("pay", "urn:kiosk:nobody", CLAIM)
    assert (1, f"{ISSUED}: is in no need of it\n") == clerk("tick", ISSUED)
    assert (1, f"{NOWHERE}: is in no need of it\n") == clerk("tick", NOWHERE)
    assert (0, f"{KIOSK}: forgotten\n") == clerk("forget", KIOSK)
    assert (1, "nobody: is not known\n") == clerk("forget", "nobody")
    assert '"differences": []' in clerk("days")[1]
    assert 2 == clerk("pay")[0]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE settlement SET cash_yen = 0", "DELETE FROM settlement", "UPDATE claim SET settled_by = NULL"],
)
async def test_what_was_settled_cannot_be_edited(counter: Counter, statement: str) -> None:
    await counter.settle()
    await counter.server.pay_claim(KIOSK, CLAIM)
    with pytest.raises(EDIT_REFUSED), edited(counter.database) as connection:
        connection.execute(statement)

"""The figures on their socket are Prometheus' text, and go with the kiosk."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from firmware.console.metrics import Figures, MetricsServer
from firmware.console.sayings import say_in, width
from firmware.console.status import DeviceStatus, Status, status_page
from firmware.core.terms import Language
from firmware.logbook import EventId, FieldValue

FIGURES = Figures(
    serving=True,
    well=True,
    loop_lag_seconds=0.25,
    loop_longest_seconds=1.5,
    journal_entries=42,
    open_claims_yen=400,
    change_yen={"hopper 3 100": 5000},
    devices={"printer": False},
    events={"coin-accepted": 3},
)


@asynccontextmanager
async def served(path: Path, figures: Figures = FIGURES) -> AsyncIterator[list[EventId]]:
    said: list[EventId] = []

    def log(event: EventId, /, **_: FieldValue) -> None:
        said.append(event)

    server = MetricsServer(path, lambda: figures, log)
    await server.start()
    yield said
    await server.close()
    await server.close()
    assert not path.exists()  # noqa: ASYNC240 - nothing else runs


async def test_they_are_read_by_anybody_who_knows_the_format(tmp_path: Path) -> None:
    path = tmp_path / "metrics"
    async with (
        served(path),
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as client,
        client.get("http://kiosk/metrics") as answer,
    ):
        text = await answer.text()
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert {
        ("madoguchi_serving",): 1.0,
        ("madoguchi_well",): 1.0,
        ("madoguchi_loop_lag_seconds",): 0.25,
        ("madoguchi_loop_longest_seconds",): 1.5,
        ("madoguchi_journal_entries",): 42.0,
        ("madoguchi_open_claims_yen",): 400.0,
        ("madoguchi_change_yen", "hopper 3 100"): 5000.0,
        ("madoguchi_device_up", "printer"): 0.0,
        ("madoguchi_events_total", "coin-accepted"): 3.0,
    } == values


async def test_a_socket_that_cannot_be_made_is_logged_and_nothing_else(tmp_path: Path) -> None:
    async with served(tmp_path / "nowhere" / "metrics") as said:
        assert [EventId.CONSOLE_GONE] == said


STATUS = Status(
    kiosk="urn:kiosk:demo-0001",
    version="0.1.0",
    now="11-25 12:00:00",
    up_seconds=93_784,
    state="NotServing",
    obstacles=("printer", "door", "change", "receipt", "municipality", "journal", "maintenance", "lockout"),
    devices=tuple(DeviceStatus(f"device-{n}", n % 2 == 0, "says more than fits " * 3) for n in range(18)),
    change_yen={"cash box": 123_400, **{f"hopper {n}": 100_000 for n in range(3, 11)}},
    hours="06:30-23:00, now open",
    clock="NOT TRUSTED",
    certificate_days=12,
    visits={f"outcome_{n}": n for n in range(12)},
    unsure=("ab" * 16,) * 20,
    open_claims=3,
    open_claims_yen=1200,
    untold=4,
    untold_seconds=1830,
    untold_refusal="MunicipalityUncertain",
    contradicted=("0123456789abcdef-1 result",) * 9,
    strays=("fedcba9876543210-1 released",) * 9,
    business_day="2026-11-25",
    maintenance="on, planned 11-26 02:00 to 11-26 04:00",
    session="order order-0123456789ab, tech-17, until 11-25 20:00",
    loop_milliseconds=4,
    health="card-reader",
)


@pytest.mark.parametrize("language", [Language.EN, Language.JA])
def test_the_worst_day_fits_one_screen_of_a_terminal_in_either_language(language: Language) -> None:
    lines = list(status_page(STATUS, say_in(language)))
    assert len(lines) <= 23, "the prompt wants a line, too"
    assert max(map(width, lines)) <= 80


def test_the_worst_day_is_told_in_full() -> None:
    lines = list(status_page(STATUS))
    assert "up 1d 02:03" in lines[0]
    assert any(
        line.startswith("BAD device-1") for line in "\n".join(lines).replace("BAD", "\nBAD").split("\n")
    )


def test_a_well_kiosk_says_so() -> None:
    well = msgspec.structs.replace(
        STATUS, state="Idle", obstacles=(), unsure=(), contradicted=(), strays=(), untold=0
    )
    page = "\n".join(status_page(well))
    assert "untold" not in page
    assert "Idle, serves people" in page
    assert "unsure" not in page


def test_what_the_municipality_does_not_know_or_waits_for_is_seen() -> None:
    few = msgspec.structs.replace(STATUS, contradicted=STATUS.contradicted[:1], strays=STATUS.strays[:1])
    page = "\n".join(status_page(few))
    assert "municipality waits for fedcba98  municipality contradicts 01234567" in page
    assert "3 open, 1200 yen  untold 4, for 30 minutes  MunicipalityUncertain" in page
    facts = few.facts()
    assert ("fedcba9876543210-1 released",) == tuple(facts["strays"])
    assert (4, 1830, "MunicipalityUncertain") == (
        facts["untold"],
        facts["untold_seconds"],
        facts["untold_refusal"],
    )

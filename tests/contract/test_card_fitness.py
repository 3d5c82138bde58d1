"""`madoguchi card-test` against the virtual reader: fit or not, and nothing of the holder."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests.simulators.card import CardStand
from tests.simulators.card.personalise import CardIssuer
from tests.simulators.card.watch import wait_for_card

ROOT = Path(__file__).parents[2]
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CardStand, Path]]:
    cards = tmp_path_factory.mktemp("cards")
    issuer = CardIssuer()
    issuer.personalise(cards / "taro")
    issuer.personalise(cards / "expired", valid_from=NOW - timedelta(days=30), valid_days=29)
    issuer.personalise(cards / "not_yet", valid_from=NOW + timedelta(days=2))
    issuer.personalise(cards / "very_slow", delay_ms=250)
    stand = CardStand(tmp_path_factory.mktemp("stand"), cards)
    asyncio.run(stand.start())
    os.environ.update(stand.environment)
    yield stand, cards
    asyncio.run(stand.stop())


def card_test() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "firmware", "card-test", "--config", str(ROOT / "config" / "kiosk.toml")),
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def judged(stand: CardStand, name: str) -> subprocess.CompletedProcess[str]:
    await asyncio.to_thread(wait_for_card, present=False, seconds=20.0)
    await stand.insert(name)
    try:
        return await asyncio.to_thread(card_test)
    finally:
        await stand.remove()


def lines(ended: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {line[:17].strip(): line[17:] for line in ended.stdout.splitlines()}


async def test_a_good_reader_is_fit_and_the_holder_stays_unknown(stand: tuple[CardStand, Path]) -> None:
    bench, cards = stand
    ended = await judged(bench, "taro")
    said = lines(ended)
    assert (0, "fit") == (ended.returncode, said["verdict"])
    assert "Virtual PCD 00 00" == said["reader"]
    assert "My Number Card, certificate in force" == said["card"]
    assert "can be used" == said["PIN"]
    assert "106, 212, 424 kbit/s" == said["card offers"]
    assert said["extended length"].startswith("yes")
    assert said["read"].startswith("10 commands, ")
    certificate = x509.load_der_x509_certificate((cards / "taro" / "certificate.der").read_bytes())
    for secret in (
        str(certificate.serial_number),
        f"{certificate.serial_number:x}",
        "997794E9",
        f"{certificate.not_valid_after_utc:%Y}",
        "1234",
        "JPKI",
    ):
        assert secret not in ended.stdout + ended.stderr
    state = await bench.state("taro")
    assert (0, 0, 0, 3) == tuple(
        state[key] for key in ("verify_count", "signatures", "forbidden", "tries_left")
    )
    assert 0 < state["power_offs"]


@pytest.mark.parametrize(
    ("status", "name", "expected"),
    [
        (0, "taro~no_extended", {"extended length": "no (the kiosk needs none)", "verdict": "fit"}),
        (0, "taro~locked", {"PIN": "locked", "verdict": "fit"}),
        (0, "expired", {"card": "My Number Card, certificate expired", "verdict": "fit"}),
        (0, "not_yet", {"card": "My Number Card, certificate not yet valid", "verdict": "fit"}),
        (1, "very_slow", {"verdict": "not fit: reading takes more than 2 s"}),
        (1, "felica", {"card": "cannot be used: felica"}),
        (1, "mute", {"card": "cannot be used: unreadable"}),
        (1, "taro~with_bank_card", {"card": "cannot be used: several cards"}),
        (
            1,
            "taro~no_certificate",
            {"verdict": "not tested: lay down a My Number Card that works"},
        ),
    ],
)
async def test_each_card_and_reader_gets_its_verdict(
    stand: tuple[CardStand, Path], status: int, name: str, expected: dict[str, str]
) -> None:
    ended = await judged(stand[0], name)
    assert status == ended.returncode, ended.stderr
    assert expected.items() <= lines(ended).items()


async def test_a_card_pulled_away_during_the_test_is_said(stand: tuple[CardStand, Path]) -> None:
    ended = await judged(stand[0], "taro~dies_reading")
    assert (69, "") == (ended.returncode, ended.stdout)
    assert "card reader: " in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_without_a_reader_or_without_pcscd_the_technician_is_told_so(
    stand: tuple[CardStand, Path],
) -> None:
    bench, _ = stand
    await bench.unplug()
    ended = await asyncio.to_thread(card_test)
    assert 69 == ended.returncode
    assert "there is no such card reader" in ended.stderr
    await bench.kill_pcscd()
    ended = await asyncio.to_thread(card_test)
    assert 69 == ended.returncode
    assert "pcscd does not answer" in ended.stderr
    await bench.plug()

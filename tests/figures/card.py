"""Rows of the card: what one visit says to it, beside the least that the protocol allows."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from firmware.core.facts import Level, ReaderLevel
from firmware.logbook import EventId, FieldValue
from hw.card import Acceptance, PcscCardReader
from tests.figures.rows import Effort, MeasureError, Row, median
from tests.simulators.card.stand import CardStand
from tests.simulators.card.watch import wait_for_card

READ_BYTES = 256
SIGNATURE_BYTES = 256
SEEN_SECONDS = 10.0
PCSCD_POLL_MS = 400.0
"""PCSCLITE_STATUS_POLL_RATE: how often pcscd looks at a reader that tells nothing by itself."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Commands, and their bytes to and from the card."""

    apdus: int
    bytes_both_ways: int


def least_exchange(certificate_bytes: int) -> Exchange:
    """The fewest commands of the JPKI application that read and use a certificate of this length.

    Each file is selected once and read in the largest short reads; a certificate's first read tells its
    length. VERIFY follows the question for the tries in the same file. Every answer has two bytes more.
    """
    select_application, select_file, read, ask_tries, verify = 5 + 10, 5 + 2, 5, 4, 5 + 4
    sign = 5 + 51 + 1  # DigestInfo of SHA-256
    reads = -(-certificate_bytes // READ_BYTES)
    commands = (
        (select_application, 0),
        (select_file, 0),  # 0006 token
        (read, 32),
        (select_file, 0),  # 0008 which certificates there are
        (read, 3),
        (select_file, 0),  # 000A certificate
        *((read, min(READ_BYTES, certificate_bytes - at * READ_BYTES)) for at in range(reads)),
        (select_file, 0),  # 0018 PIN
        (ask_tries, 0),
        (verify, 0),
        (select_file, 0),  # 0017 key
        (sign, SIGNATURE_BYTES),
    )
    return Exchange(len(commands), sum(sent + 2 + answered for sent, answered in commands))


def rows(visit_apdus: int, session: Exchange, certificate_bytes: int) -> Iterator[Row]:
    """visit_apdus: by the card's own count in a whole visit; session: by the reader's, in a session alone.

    Raises MeasureError if the two counted different conversations.
    """
    if visit_apdus != session.apdus:
        raise MeasureError(
            f"card.bytes: {visit_apdus} commands in the visit, {session.apdus} when its bytes were counted"
        )
    least = least_exchange(certificate_bytes)
    peer = f"least for a certificate of {certificate_bytes} bytes"
    yield Row.beside("card.apdus-of-a-visit", visit_apdus, "APDUs", peer, least.apdus)
    yield Row.beside("card.bytes-of-a-visit", session.bytes_both_ways, "bytes", peer, least.bytes_both_ways)


async def session_alone(stand: CardStand, name: str) -> tuple[Exchange, int]:
    """Commands and bytes of reading the card and signing once, by the reader; the certificate's length.

    The first use of PC/SC in this process: libpcsclite looks into the environment once.
    """
    os.environ.update(stand.environment)
    seen = asyncio.Event()

    def report(level: Level) -> None:
        if isinstance(level, ReaderLevel) and level.card_present:
            seen.set()

    reader = PcscCardReader(
        log=_no_log,
        reader_name="",
        apdu_timeout_seconds=5.0,
        reconnect_seconds=0.5,
        now=lambda: datetime.now(UTC),
        acceptance=Acceptance(),
    )
    reader.start(report)
    try:
        await stand.insert(name)
        async with asyncio.timeout(SEEN_SECONDS):
            await seen.wait()
        reading = await reader.read()
        await reader.sign(bytearray(b"1234"), b"what the card signs")
        stats = reader.stats
        counted = Exchange(stats.apdus, stats.bytes_to_card + stats.bytes_from_card)
    finally:
        await reader.close()
        await stand.remove()
    return counted, len(reading.certificate_der)


async def detection_rows(stand: CardStand, name: str, effort: Effort) -> tuple[Row, ...]:
    """How long pcscd takes to tell of a card, without any code of the kiosk.

    It looks at intervals: what a person does is spread over one, so that the middle is the usual wait.
    """
    down, gone = [], []
    for number in range(effort.repetitions):
        pause_seconds = PCSCD_POLL_MS / 1000 * (number + 0.5) / effort.repetitions
        await asyncio.sleep(pause_seconds)
        down.append(await _detected(lambda: stand.insert(name), present=True))
        await asyncio.sleep(pause_seconds)
        gone.append(await _detected(stand.remove, present=False))
    peer, its_ms = "its polling interval", PCSCD_POLL_MS
    return (
        Row.beside("pcscd.card-laid-down", median("pcscd", down), "ms", peer, its_ms),
        Row.beside("pcscd.card-taken-away", median("pcscd", gone), "ms", peer, its_ms),
    )


async def _detected(act: Callable[[], Awaitable[None]], *, present: bool) -> float:
    watching = asyncio.create_task(asyncio.to_thread(wait_for_card, present=present, seconds=SEEN_SECONDS))
    began = time.perf_counter()
    await act()
    return (await watching - began) * 1000


def _no_log(_event: EventId, /, **_fields: FieldValue) -> None:
    """The figures are all that is told."""

"""Rows of the card: what one visit says to it, beside the least that the protocol allows."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from firmware.core.facts import Level, ReaderLevel
from firmware.logbook import EventId, FieldValue
from hw.card import Acceptance, PcscCardReader
from tests.figures.rows import Effort, MeasureError, Row, median
from tests.figures.timed_eyes import TimedEyes
from tests.simulators.card.stand import CardStand
from tests.simulators.card.watch import wait_for_card
from tests.simulators.eyes import Picture
from tests.simulators.world import World

READ_BYTES = 256
SIGNATURE_BYTES = 256
SEEN_SECONDS = 60.0
FRAME_MS = 1000 / 60
PCSCD_POLL_MS = 400.0
"""PCSCLITE_STATUS_POLL_RATE: how often pcscd looks at a reader that tells nothing by itself."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Commands, and their bytes to and from the card."""

    apdus: int
    bytes_both_ways: int


def least_exchange(certificate_bytes: int) -> Exchange:
    """The fewest commands of the JPKI application that read and use a certificate of this length.

    By SELECT and short APDUs, which every such card and reader knows. The label tells the card, the tries are
    known before the PIN is asked for; each file is selected once and read in the largest short reads; a
    certificate's first read tells its length. VERIFY follows the question for the tries in the same file.
    Every answer has two bytes more.
    """
    select_application, select_file, read, ask_tries, verify = 5 + 10, 5 + 2, 5, 4, 5 + 4
    sign = 5 + 51 + 1  # DigestInfo of SHA-256
    reads = -(-certificate_bytes // READ_BYTES)
    commands = (
        (select_application, 0),
        (select_file, 0),  # 0006 token
        (read, 32),
        (select_file, 0),  # 000A certificate
        *((read, min(READ_BYTES, certificate_bytes - at * READ_BYTES)) for at in range(reads)),
        (select_file, 0),  # 0018 PIN
        (ask_tries, 0),
        (verify, 0),
        (select_file, 0),  # 0017 key
        (sign, SIGNATURE_BYTES),
    )
    return Exchange(len(commands), sum(sent + 2 + answered for sent, answered in commands))


def rows(visit_apdus: int, session: Exchange, certificate_bytes: int, opensc: Exchange) -> Iterator[Row]:
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
    yield Row("card.apdus-beyond-the-least", visit_apdus - least.apdus, "APDUs", "goal: at most 1 APDUs")
    mine = "card.apdus-of-a-visit"
    yield Row.beside("opensc.apdus-for-the-same", opensc.apdus, "APDUs", mine, visit_apdus)
    mine = "card.bytes-of-a-visit"
    yield Row.beside(
        "opensc.bytes-for-the-same", opensc.bytes_both_ways, "bytes", mine, session.bytes_both_ways
    )


async def opensc_alone(stand: CardStand, name: str, pin: str) -> Exchange:
    """What OpenSC's tools, told which card it is, need to read the certificate and to sign once.

    Counted by the card. The card lies down anew for each tool: the first leaves its PIN verified.
    """
    before = await stand.state(name)
    with TemporaryDirectory() as directory:
        to_sign, signature = Path(directory) / "to-sign", Path(directory) / "signature"
        configuration = Path(directory) / "opensc.conf"
        configuration.write_text("app default { card_drivers = jpki; }\n")
        to_sign.write_bytes(b"what the card signs")
        sign = (
            *("pkcs11-tool", "--login", "--pin", pin, "--sign", "--mechanism", "SHA256-RSA-PKCS"),
            *("--id", "01", "--input-file", str(to_sign), "--output-file", str(signature)),
        )
        environment = {**os.environ, **stand.environment, "OPENSC_CONF": str(configuration)}
        for command in (("pkcs15-tool", "--read-certificate", "1"), sign):
            await _lies(present=False)
            await stand.insert(name)
            await _lies(present=True)
            await _run(command, environment)
            await stand.remove()
    after = await stand.state(name)
    both_ways = ("bytes_to_card", "bytes_from_card")
    return Exchange(after["apdus"] - before["apdus"], sum(after[way] - before[way] for way in both_ways))


async def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    tool = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaints = await tool.communicate()
    if tool.returncode:
        raise MeasureError(f"{command[0]}: {complaints.decode(errors='replace').strip()}")


async def screen_rows(world: World, name: str, effort: Effort) -> tuple[Row, ...]:
    """From pcscd telling of a card laid down or taken away to the picture that follows from it.

    Another program, told by pcscd in the same instant as the kiosk, is the clock.
    """
    os.environ.update(world.cards_stand.environment)
    down, gone = [], []
    eyes = await TimedEyes(world.screen_url).open()
    try:
        for _ in range(effort.repetitions):
            await eyes.until_screen("idle", seconds=SEEN_SECONDS)
            down.append(await _told_to_picture(eyes, world, name, present=True))
            await eyes.touched("cancel", "card.told-to-picture")
            await eyes.until_screen("ended", seconds=SEEN_SECONDS)
            gone.append(await _told_to_picture(eyes, world, name, present=False))
            await eyes.touched("confirm", "card.told-to-picture")
    except TimeoutError as error:
        raise MeasureError(f"card.told-to-picture: {error}") from error
    finally:
        await eyes.close()
    frame = "one frame of a screen of 60 Hz"
    return (
        Row.beside("card.laid-down-to-picture", median("card", down), "ms", frame, FRAME_MS),
        Row.beside("card.taken-away-to-picture", median("card", gone), "ms", frame, FRAME_MS),
    )


async def _told_to_picture(eyes: TimedEyes, world: World, name: str, *, present: bool) -> float:
    watching = asyncio.create_task(asyncio.to_thread(wait_for_card, present=present, seconds=SEEN_SECONDS))
    before = len(eyes.seen)
    await (world.insert_card(name) if present else world.remove_card())

    def follows(picture: Picture) -> bool:
        return picture["screen"] == "notice" if present else picture["place"] is None

    await eyes.until(lambda _: any(follows(picture) for _, picture in eyes.seen[before:]), SEEN_SECONDS)
    came = next(moment for moment, picture in eyes.seen[before:] if follows(picture))
    return (came - await watching) * 1000


async def _lies(*, present: bool) -> None:
    await asyncio.to_thread(wait_for_card, present=present, seconds=SEEN_SECONDS)


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
        domain=b"what the card signs",
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

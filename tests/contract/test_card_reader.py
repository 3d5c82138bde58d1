"""`firmware.ports.CardReader` against a virtual card behind the real pcscd."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from smartcard import scard as untyped_scard

from firmware.core.facts import Level, ReaderLevel
from firmware.core.terms import CardRefusal
from firmware.errors import (
    CardGone,
    CardUnusable,
    DeviceGone,
    PinBlocked,
    PinUncertain,
    PinWrong,
)
from firmware.logbook import EventId, FieldValue, line
from firmware.ports import CardReading
from hw.card import Acceptance, PcscCardReader, label
from tests.simulators.card import CardStand
from tests.simulators.card.personalise import CardIssuer

scard: Any = untyped_scard

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DOMAIN = b"madoguchi-card-auth-v1"
MESSAGE = DOMAIN + b" and the challenge"
ABSENT = ReaderLevel()
EMPTY = ReaderLevel(working=True)
PRESENT = ReaderLevel(working=True, card_present=True)
APDU_TIMEOUT_SECONDS = 4.0
"""Longer than a busy machine keeps pcscd and the card from their work; a card that hangs takes it whole."""

LIMIT_SECONDS = 30.0

ACCEPTANCE = Acceptance(
    issuer_organizations=frozenset({"JPKI-DEVSIM"}),
    smartphone_labels=frozenset({label("JPKIAPGPSETOKEN"), label("JPKIAPIOSTOKEN")}),
)

READ_APDUS, SELECT_PIN, VERIFY, SELECT_KEY, SIGN = 10, 11, 12, 13, 14
"""Where the commands stand for the certificate of the test cards, counted from 1."""

ATRS = (
    "3B888001000041E0B381A1003B",
    "3B888001004B51FF0081D100BC",
    "3B888001004B51FFB381D1000F",
    "3B88800112345678B381A10092",  # a reader that puts the card's random number there
    "3BDA13FF8131FB468012392F31C173C601C03B",
    "3BC5FF8131FB458073C6010000",
    "3BE000FF8131FE4514",  # known as the old card's
)
"""Seen on My Number Cards by contactless and contact readers, and two that nobody may decide by."""

VERIFY_WITH_DIGITS = re.compile(rb"\x00\x20\x00\x80\x04[0-9]{4}")

HARMLESS: dict[str, object] = {
    "die_at_apdu": None,
    "die_after_effect": False,
    "die_at_command": None,
    "swap_for": None,
    "silent_at_apdu": None,
    "delay_ms": 0,
    "answers": {},
    "flip_signature": False,
}


NOBODYS = CardReading(b"", 3)
"""Of no session: its release only waits for what the reader's worker has to do before."""


@dataclass
class Bench:
    """A reader under test, the stand with its cards, and everything that the reader said."""

    stand: CardStand
    reader_name: str = "Virtual PCD"
    levels: list[ReaderLevel] = field(default_factory=list)
    restart_request: Path | None = None
    log: list[str] = field(default_factory=list)
    reasons: list[FieldValue] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.reader = PcscCardReader(
            log=self.write,
            reader_name=self.reader_name,
            apdu_timeout_seconds=APDU_TIMEOUT_SECONDS,
            reconnect_seconds=0.2,
            now=lambda: NOW,
            acceptance=ACCEPTANCE,
            domain=DOMAIN,
            restart_request=self.restart_request,
            restart_seconds=0.2,
        )
        self.reader.start(self.report)

    def write(self, event: EventId, /, **fields: FieldValue) -> None:
        line(event, NOW, fields)  # refuses what must not be logged
        self.log.append(event.value)
        self.reasons += [fields["reason"]] if "reason" in fields else []
        self.changed.set()

    def report(self, level: Level) -> None:
        assert isinstance(level, ReaderLevel)
        self.levels.append(level)
        self.changed.set()

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not reached():
                self.changed.clear()
                await self.changed.wait()

    async def logs(self, event: str) -> None:
        await self.until(lambda: event in self.log)

    async def becomes(self, level: ReaderLevel) -> None:
        await self.until(lambda: self.levels[-1:] == [level])

    async def lay_down(self, name: str, **settings: object) -> None:
        """The card lies on the reader, with all its tries and these faults, and the reader knows it."""
        lying = (await self.stand.state())["card"]
        if lying not in (None, name):
            await self.take_away()
        if lying != name:
            await self.stand.insert(name)
        await self.becomes(PRESENT)
        if name == "taro":
            await self.stand.set(name, **(HARMLESS | {"tries_left": 3} | settings))

    async def take_away(self) -> None:
        await self.stand.remove()
        await self.becomes(EMPTY)


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cards = tmp_path_factory.mktemp("cards")
    issuer = CardIssuer()
    begins = NOW - timedelta(days=30)
    issuer.personalise(cards / "taro", valid_from=begins)
    issuer.personalise(cards / "hanako", valid_from=begins, pin="9876")
    issuer.personalise(cards / "expired", valid_from=begins, valid_days=29)
    issuer.personalise(cards / "not_yet", valid_from=NOW + timedelta(days=1))
    for number, atr in enumerate(ATRS):
        issuer.personalise(cards / f"atr_{number}", valid_from=begins, atr=atr)
    issuer.personalise(cards / "next", valid_from=begins, next_card=True)
    issuer.personalise(cards / "next_in_der", valid_from=begins, next_card=True, ecdsa_in_der=True)
    CardIssuer("JPKI-OTHER").personalise(cards / "foreign", valid_from=begins)
    return cards


@pytest.fixture(scope="module")
def card_stand(cards: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CardStand]:
    stand = CardStand(tmp_path_factory.mktemp("stand"), cards)
    asyncio.run(stand.start())
    os.environ.update(stand.environment)
    yield stand
    asyncio.run(stand.stop())


@pytest.fixture
async def bench(card_stand: CardStand) -> AsyncIterator[Bench]:
    bench = Bench(card_stand)
    yield bench
    await bench.reader.close()


def pin(digits: bytes = b"1234") -> bytearray:
    return bytearray(digits)


def is_signed_by(reading: CardReading, signature: bytes, message: bytes) -> bool:
    key = x509.load_der_x509_certificate(reading.certificate_der).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    return True


async def test_a_card_is_read_and_signs_what_it_is_given(bench: Bench, cards: Path) -> None:
    await bench.lay_down("taro")
    before = (await bench.stand.state())["apdus"]
    reading = await bench.reader.read()
    assert CardReading((cards / "taro" / "certificate.der").read_bytes(), 3) == reading
    signed = await bench.reader.sign(pin(), MESSAGE)
    assert "RS256" == signed.algorithm
    assert is_signed_by(reading, signed.signature, MESSAGE)
    state = await bench.stand.state()
    assert SIGN == state["apdus"] - before
    assert 0 == state["forbidden"]
    assert ["card-read"] == bench.log
    assert (1, SIGN) == (bench.reader.stats.sessions, bench.reader.stats.apdus)


async def test_a_wrong_pin_leaves_the_session_open_for_the_right_one(bench: Bench) -> None:
    await bench.lay_down("taro")
    before = await bench.stand.state()
    reading = await bench.reader.read()
    with pytest.raises(PinWrong) as raised:
        await bench.reader.sign(pin(b"0000"), MESSAGE)
    assert 2 == raised.value.tries_left
    signed = await bench.reader.sign(pin(), MESSAGE)
    assert is_signed_by(reading, signed.signature, MESSAGE)
    after = await bench.stand.state()
    assert 2 == after["verify_count"] - before["verify_count"]
    assert 3 == after["tries_left"]
    assert ["card-read", "pin-refused"] == bench.log


async def test_the_third_wrong_pin_locks_and_a_locked_card_is_never_asked_again(bench: Bench) -> None:
    await bench.lay_down("taro")
    await bench.reader.read()
    for left in (2, 1):
        with pytest.raises(PinWrong) as raised:
            await bench.reader.sign(pin(b"0000"), MESSAGE)
        assert left == raised.value.tries_left
    with pytest.raises(PinBlocked):
        await bench.reader.sign(pin(b"0000"), MESSAGE)
    locked = await bench.stand.state()
    assert not locked["verified"]
    assert 0 == (await bench.reader.read()).tries_left
    with pytest.raises(PinBlocked):
        await bench.reader.sign(pin(), MESSAGE)
    assert locked["verify_count"] == (await bench.stand.state())["verify_count"]
    with pytest.raises(CardGone):
        await bench.reader.sign(pin(), MESSAGE)


async def test_tries_used_up_elsewhere_are_told_before_any_pin_is_asked_for(bench: Bench) -> None:
    await bench.lay_down("taro", tries_left=1)
    assert 1 == (await bench.reader.read()).tries_left


@pytest.mark.parametrize(
    ("expected", "name"),
    [
        (CardRefusal.FELICA, "felica"),
        (CardRefusal.DRIVING_LICENCE, "licence"),
        (CardRefusal.RESIDENCE_CARD, "residence"),
        (CardRefusal.BANK_CARD, "bank"),
        (CardRefusal.NOT_A_MY_NUMBER_CARD, "other"),
        (CardRefusal.NOT_A_MY_NUMBER_CARD, "foreign"),
        (CardRefusal.JUKI_CARD, "juki"),
        (CardRefusal.SEVERAL_CARDS, "taro~with_bank_card"),
        (CardRefusal.SMARTPHONE, "taro~phone"),
        (CardRefusal.SMARTPHONE, "taro~android"),
        (CardRefusal.UNREADABLE, "mute"),
        (CardRefusal.UNREADABLE, "two_cards"),
        (CardRefusal.UNREADABLE, "taro~garbled"),
        (CardRefusal.NO_CERTIFICATE, "taro~no_certificate"),
        (CardRefusal.CERTIFICATE_EXPIRED, "expired"),
        (CardRefusal.CERTIFICATE_NOT_YET_VALID, "not_yet"),
    ],
)
async def test_a_card_that_cannot_be_used_is_refused_with_its_reason_and_powered_down(
    bench: Bench, expected: CardRefusal, name: str
) -> None:
    await bench.lay_down(name)
    with pytest.raises(CardUnusable) as raised:
        await bench.reader.read()
    assert expected == raised.value.refusal
    state = await bench.stand.state()
    assert (0, 0) == (state["verify_count"], state["forbidden"])
    assert ["card-refused"] == bench.log
    with pytest.raises(CardGone):
        await bench.reader.sign(pin(), MESSAGE)
    await bench.take_away()


@pytest.mark.parametrize("variant", ["sleepy", "slow", "short_reads", "in_parts", "no_extended"])
async def test_a_card_with_manners_of_its_own_is_read_and_signs_all_the_same(
    bench: Bench, cards: Path, variant: str
) -> None:
    """Not awake at its first command, late with every answer, 6CXX, 61XX, short APDUs only."""
    await bench.lay_down(f"taro~{variant}")
    reading = await bench.reader.read()
    assert CardReading((cards / "taro" / "certificate.der").read_bytes(), 3) == reading
    signed = await bench.reader.sign(pin(), MESSAGE)
    assert is_signed_by(reading, signed.signature, MESSAGE)
    assert 1 == (await bench.stand.state())["verify_count"]
    await bench.take_away()


@pytest.mark.parametrize("number", range(len(ATRS)))
async def test_a_my_number_card_is_known_by_its_application_whatever_its_atr(
    bench: Bench, number: int
) -> None:
    await bench.lay_down(f"atr_{number}")
    assert 3 == (await bench.reader.read()).tries_left
    await bench.take_away()


@pytest.mark.parametrize("name", ["next", "next_in_der"])
async def test_the_next_card_signs_with_p384_through_the_same_reader(bench: Bench, name: str) -> None:
    await bench.lay_down(name)
    reading = await bench.reader.read()
    signed = await bench.reader.sign(pin(), MESSAGE)
    assert ("ES384", 96) == (signed.algorithm, len(signed.signature))
    r, s = (int.from_bytes(signed.signature[at : at + 48], "big") for at in (0, 48))
    key = x509.load_der_x509_certificate(reading.certificate_der).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(encode_dss_signature(r, s), MESSAGE, ec.ECDSA(hashes.SHA384()))
    await bench.take_away()


@pytest.mark.on_rig
async def test_a_card_is_read_without_its_pin_each_time_it_is_laid_down(bench: Bench) -> None:
    for _ in range(2):
        await bench.lay_down("taro")
        reading = await bench.reader.read()
        await bench.reader.release(reading)
        assert 0 <= reading.tries_left <= 3
        assert x509.load_der_x509_certificate(reading.certificate_der).issuer
        await bench.take_away()


@pytest.mark.on_rig
async def test_without_a_card_nothing_is_read_and_nothing_hangs(bench: Bench) -> None:
    await bench.lay_down("taro")
    await bench.take_away()
    with pytest.raises(CardGone):
        await bench.reader.read()
    await bench.lay_down("taro")
    reading = await bench.reader.read()
    assert reading.certificate_der
    await bench.reader.release(reading)
    await bench.take_away()


async def test_a_card_presented_twice_in_a_row_is_read_twice(bench: Bench) -> None:
    for _ in range(2):
        await bench.lay_down("taro")
        await bench.reader.read()
        await bench.reader.sign(pin(), MESSAGE)
        await bench.take_away()
    assert 2 == bench.reader.stats.sessions
    assert 2 * SIGN == bench.reader.stats.apdus


async def test_a_card_taken_away_during_the_pin_gets_no_pin_even_when_it_comes_back(bench: Bench) -> None:
    await bench.lay_down("taro")
    before = await bench.stand.state()
    await bench.reader.read()
    await bench.take_away()
    await bench.lay_down("taro")
    entry = pin()
    with pytest.raises(CardGone):
        await bench.reader.sign(entry, MESSAGE)
    assert bytearray(4) == entry
    assert before["verify_count"] == (await bench.stand.state())["verify_count"]
    assert ["card-read", "card-gone"] == bench.log
    assert [f"card-SCardTransmit:-{scard.SCARD_W_REMOVED_CARD & 0xFFFFFFFF:08X}"] == bench.reasons
    await bench.reader.read()


async def test_the_pin_of_one_card_never_reaches_another_laid_in_its_place(bench: Bench) -> None:
    await bench.lay_down("taro")
    await bench.reader.read()
    await bench.take_away()
    await bench.lay_down("hanako")
    with pytest.raises(CardGone):
        await bench.reader.sign(pin(), MESSAGE)
    assert 0 == (await bench.stand.state("hanako"))["verify_count"]
    await bench.take_away()


async def test_a_card_swapped_between_pin_and_signature_signs_nothing_and_gets_no_pin(bench: Bench) -> None:
    """hanako's card lies there a moment after taro's PIN was accepted; the reader tells of no change."""
    await bench.lay_down("taro", die_at_command="00a4020c020017", swap_for="hanako")
    before = await bench.stand.state("hanako")
    await bench.reader.read()
    with pytest.raises(CardGone):
        await bench.reader.sign(pin(), MESSAGE)
    after = await bench.stand.state("hanako")
    assert (0, 0) == (
        after["verify_count"] - before["verify_count"],
        after["signatures"] - before["signatures"],
    )
    await bench.becomes(PRESENT)
    await bench.take_away()


async def reads_and_signs(reader: PcscCardReader, entry: bytearray) -> None:
    await reader.read()
    await reader.sign(entry, MESSAGE)


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("index", range(1, SIGN + 1))
async def test_a_card_pulled_at_any_command_of_a_visit_never_sees_a_second_verify(
    bench: Bench, index: int, after_effect: bool
) -> None:
    """before or after the command took effect: the kiosk cannot tell, and says so of VERIFY alone."""
    await bench.lay_down("taro", die_at_apdu=index, die_after_effect=after_effect)
    before = (await bench.stand.state())["verify_count"]
    entry = pin(b"0000") if index == VERIFY else pin()
    with pytest.raises(PinUncertain if index == VERIFY else CardGone):
        await reads_and_signs(bench.reader, entry)
    assert index <= READ_APDUS or bytearray(4) == entry
    await bench.becomes(EMPTY)
    await bench.stand.set("taro", **HARMLESS)
    state = await bench.stand.state()
    assert (2 if index == VERIFY and after_effect else 3) == state["tries_left"]
    reached = index > VERIFY or (index == VERIFY and after_effect)
    assert int(reached) == state["verify_count"] - before
    assert "card-gone" in bench.log or "pin-uncertain" in bench.log


async def test_a_card_torn_away_and_laid_down_at_once_is_there_again(bench: Bench) -> None:
    await bench.lay_down("taro", die_at_apdu=1)
    told = len(bench.levels)
    with pytest.raises(CardGone):
        await bench.reader.read()
    await bench.stand.set("taro", **HARMLESS)
    await bench.stand.insert("taro")
    await bench.until(lambda: bench.levels[told:] == [EMPTY, PRESENT])
    await bench.reader.read()


async def test_after_a_verify_in_doubt_the_tries_are_asked_before_another_is_sent(bench: Bench) -> None:
    await bench.lay_down("taro", die_at_command="0020008004", die_after_effect=True)
    await bench.reader.read()
    with pytest.raises(PinUncertain):
        await bench.reader.sign(pin(b"0000"), MESSAGE)
    await bench.becomes(EMPTY)
    await bench.lay_down("taro", tries_left=2)
    with pytest.raises(CardGone):
        await bench.reader.sign(pin(), MESSAGE)
    before = await bench.stand.state()
    assert 2 == (await bench.reader.read()).tries_left
    asked = await bench.stand.state()
    assert "00200080" == asked["headers"][-1]
    assert before["verify_count"] == asked["verify_count"]
    await bench.reader.sign(pin(), MESSAGE)


@pytest.mark.parametrize("answer", ["6F00", "6102", "6C00", "009000", "90", "6300", "6200"])
async def test_an_unsure_answer_to_verify_is_uncertain_and_ends_the_session(
    bench: Bench, answer: str
) -> None:
    await bench.lay_down("taro")
    before = await bench.stand.state()
    await bench.reader.read()
    await bench.stand.set("taro", answers={"20": answer})
    with pytest.raises(PinUncertain):
        await bench.reader.sign(pin(b"0000"), MESSAGE)
    after = await bench.stand.state()
    assert 1 == after["verify_count"] - before["verify_count"]
    assert not after["verified"]
    with pytest.raises(CardGone):
        await bench.reader.sign(pin(), MESSAGE)
    assert after["verify_count"] == (await bench.stand.state())["verify_count"]


async def test_a_card_that_refuses_to_try_the_pin_ends_the_session(bench: Bench) -> None:
    await bench.lay_down("taro")
    await bench.reader.read()
    await bench.stand.set("taro", answers={"20": "6985"})
    with pytest.raises(CardGone):
        await bench.reader.sign(pin(), MESSAGE)
    assert not (await bench.stand.state())["verified"]


async def test_a_signature_with_one_wrong_bit_is_never_given_out(bench: Bench) -> None:
    await bench.lay_down("taro", flip_signature=True)
    await bench.reader.read()
    with pytest.raises(CardGone):
        await bench.reader.sign(pin(), MESSAGE)
    assert not (await bench.stand.state())["verified"]


Way = Callable[[PcscCardReader, CardReading], Awaitable[object]]


async def signs(reader: PcscCardReader, _reading: CardReading) -> None:
    await reader.sign(pin(), MESSAGE)


async def signs_with_a_wrong_pin_and_gives_up(reader: PcscCardReader, reading: CardReading) -> None:
    with pytest.raises(PinWrong):
        await reader.sign(pin(b"0000"), MESSAGE)
    await reader.release(reading)


async def signs_with_no_pin(reader: PcscCardReader, _reading: CardReading) -> None:
    with pytest.raises(ValueError, match="not a PIN"):
        await reader.sign(pin(b"12"), MESSAGE)


async def is_cancelled_while_signing(reader: PcscCardReader, reading: CardReading) -> None:
    entry = pin()
    signing = asyncio.create_task(reader.sign(entry, MESSAGE))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    signing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await signing
    assert bytearray(4) == entry
    await reader.release(reading)


async def is_released_twice(reader: PcscCardReader, reading: CardReading) -> None:
    await reader.release(reading)
    await reader.release(reading)


async def is_closed_twice(reader: PcscCardReader, _reading: CardReading) -> None:
    await reader.close()
    await reader.close()


@pytest.mark.parametrize(
    "way",
    [
        signs,
        signs_with_a_wrong_pin_and_gives_up,
        signs_with_no_pin,
        is_cancelled_while_signing,
        is_released_twice,
        is_closed_twice,
    ],
)
async def test_the_card_is_powered_down_however_a_session_ends(bench: Bench, way: Way) -> None:
    await bench.lay_down("taro")
    reading = await bench.reader.read()
    before = await bench.stand.state()
    await way(bench.reader, reading)
    after = await bench.stand.state()
    assert 1 == after["power_offs"] - before["power_offs"]
    assert (False, 0) == (after["verified"], after["resets"])


async def test_the_session_of_the_visit_before_ends_late_and_takes_nothing_of_the_next(bench: Bench) -> None:
    await bench.lay_down("taro")
    before = await bench.reader.read()
    await bench.take_away()
    await bench.lay_down("taro")
    reading = await bench.reader.read()
    await bench.reader.release(before)
    assert await bench.reader.sign(pin(), MESSAGE)
    await bench.reader.release(reading)


async def test_a_cancelled_read_leaves_no_session_behind(bench: Bench) -> None:
    await bench.lay_down("taro")
    reading = asyncio.create_task(bench.reader.read())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    with pytest.raises(CardGone):
        await bench.reader.sign(pin(), MESSAGE)
    assert 3 == (await bench.reader.read()).tries_left


async def test_a_key_left_open_by_a_process_that_died_is_shut_when_the_next_one_starts(
    bench: Bench,
) -> None:
    await bench.lay_down("taro")
    await bench.reader.close()
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    _, name = scard.SCardListReaders(context, [])
    _, handle, protocol = scard.SCardConnect(context, name[0], scard.SCARD_SHARE_SHARED, 3)
    for command in ("00A4040C0AD392F000260100000001", "00A4020C020018", "0020008004" + b"1234".hex()):
        assert (0, [0x90, 0x00]) == tuple(scard.SCardTransmit(handle, protocol, list(bytes.fromhex(command))))
    assert (await bench.stand.state())["verified"]
    scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
    scard.SCardReleaseContext(context)
    starting = Bench(bench.stand)
    await starting.becomes(PRESENT)
    await starting.reader.release(NOBODYS)
    assert not (await bench.stand.state())["verified"]
    await starting.reader.close()


async def test_no_verify_command_stays_in_this_process(bench: Bench) -> None:
    await bench.lay_down("taro")
    await bench.reader.read()
    with pytest.raises(PinWrong):
        await bench.reader.sign(pin(b"0000"), MESSAGE)
    await bench.reader.sign(pin(), MESSAGE)
    assert 0 == verify_commands_in_memory()
    planted = bytearray(b"\x00\x20\x00\x80\x04") + bytearray(b"5678")
    assert 1 <= verify_commands_in_memory()
    del planted


def verify_commands_in_memory() -> int:
    """Places in this process's writable memory where VERIFY stands with four digits."""
    found = 0
    with Path("/proc/self/maps").open() as maps, Path("/proc/self/mem").open("rb", buffering=0) as memory:
        for region in maps:
            bounds, rights, *_ = region.split()
            if rights.startswith("rw"):
                begin, end = (int(bound, 16) for bound in bounds.split("-"))
                memory.seek(begin)
                found += len(VERIFY_WITH_DIGITS.findall(memory.read(end - begin)))
    return found


async def test_a_card_stuck_in_verify_is_uncertain_and_the_reader_is_gone_until_it_comes_back(
    bench: Bench,
) -> None:
    await bench.lay_down("taro", silent_at_apdu=VERIFY)
    await bench.reader.read()
    entry = pin()
    with pytest.raises(PinUncertain):
        await bench.reader.sign(entry, MESSAGE)
    assert bytearray(4) == entry
    assert ABSENT == bench.levels[-1]
    with pytest.raises(DeviceGone):
        await bench.reader.read()
    await bench.reader.release(NOBODYS)
    await bench.take_away()
    assert ["card-read", "card-reader-gone", "pin-uncertain", "card-reader-back"] == bench.log


async def test_a_card_stuck_while_being_read_is_gone_and_close_does_not_hang(card_stand: CardStand) -> None:
    bench = Bench(card_stand)
    await bench.lay_down("taro", silent_at_apdu=3)
    with pytest.raises(CardGone):
        await bench.reader.read()
    await bench.reader.close()
    await card_stand.remove()


async def test_pcscd_killed_and_restarted_is_told_once_each_and_the_card_is_there_again(bench: Bench) -> None:
    await bench.lay_down("taro")
    await bench.reader.read()
    await bench.stand.kill_pcscd()
    await bench.becomes(ABSENT)
    with pytest.raises(DeviceGone):
        await bench.reader.sign(pin(), MESSAGE)
    with pytest.raises(DeviceGone):
        await bench.reader.read()
    await bench.reader.release(NOBODYS)
    await bench.stand.restart_pcscd()
    await bench.becomes(PRESENT)
    assert ["card-read", "card-reader-gone", "card-reader-back"] == bench.log
    await bench.reader.read()
    await bench.reader.sign(pin(), MESSAGE)
    assert [PRESENT, ABSENT, EMPTY, PRESENT] == bench.levels[-4:]


async def test_a_reader_that_is_not_there_is_waited_for(card_stand: CardStand) -> None:
    bench = Bench(card_stand, reader_name="Sony RC-S300")
    await bench.becomes(ABSENT)
    with pytest.raises(DeviceGone):
        await bench.reader.read()
    await bench.reader.close()
    assert ["card-reader-gone"] == bench.log


async def test_reading_again_starts_from_a_card_powered_down(bench: Bench) -> None:
    await bench.lay_down("taro")
    first = await bench.reader.read()
    assert first == await bench.reader.read()
    signed = await bench.reader.sign(pin(), MESSAGE)
    assert is_signed_by(first, signed.signature, MESSAGE)


async def test_a_sign_without_a_card_read_is_refused_and_wipes_the_pin(bench: Bench) -> None:
    await bench.lay_down("taro")
    entry = pin()
    with pytest.raises(CardGone):
        await bench.reader.sign(entry, MESSAGE)
    assert bytearray(4) == entry


HOLDS_THE_CARD = """
import sys
from smartcard import scard
share, in_transaction = int(sys.argv[1]), sys.argv[2] == "True"
_, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
_, names = scard.SCardListReaders(context, [])
result, handle, _ = scard.SCardConnect(context, names[0], share, 3)
if result == 0 and (not in_transaction or scard.SCardBeginTransaction(handle) == 0):
    print("held", flush=True)
    sys.stdin.read()
    scard.SCardDisconnect(handle, scard.SCARD_UNPOWER_CARD)
"""


@asynccontextmanager
async def held_by_another_program(share: int, *, in_transaction: bool = False) -> AsyncIterator[None]:
    holder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDS_THE_CARD, str(share), str(in_transaction)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        assert b"held\n" == await holder.stdout.readline()
        yield
    finally:
        holder.stdin.close()
        await holder.wait()


@pytest.mark.parametrize("share", [scard.SCARD_SHARE_EXCLUSIVE, scard.SCARD_SHARE_SHARED])
async def test_a_card_that_another_program_holds_is_left_alone_and_read_when_it_is_free(
    bench: Bench, share: int
) -> None:
    await bench.lay_down("taro")
    await bench.reader.release(NOBODYS)  # what a program that died may have left open is shut by now
    before = (await bench.stand.state())["apdus"]
    async with held_by_another_program(share):
        with pytest.raises(DeviceGone):
            await bench.reader.read()
        assert before == (await bench.stand.state())["apdus"]
        assert ["card-reader-failed"] == bench.log
        assert ["card-reader-another-program-holds-the-card"] == bench.reasons
    assert 3 == (await bench.reader.read()).tries_left
    await bench.reader.sign(pin(), MESSAGE)


async def test_another_program_in_the_midst_of_its_transaction_stops_the_reader_and_not_the_kiosk(
    bench: Bench,
) -> None:
    """pcscd lets us wait for the end of the transaction, however long it takes."""
    await bench.lay_down("taro")
    await bench.reader.release(NOBODYS)
    async with held_by_another_program(scard.SCARD_SHARE_SHARED, in_transaction=True):
        with pytest.raises(CardGone):
            await bench.reader.read()
        assert ABSENT == bench.levels[-1]
        with pytest.raises(DeviceGone):
            await bench.reader.read()
    await bench.becomes(PRESENT)
    assert 3 == (await bench.reader.read()).tries_left
    await bench.reader.sign(pin(), MESSAGE)


async def test_another_program_gets_no_card_while_a_visit_holds_it(bench: Bench) -> None:
    await bench.lay_down("taro")
    await bench.reader.read()
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    _, names = scard.SCardListReaders(context, [])
    for share in (scard.SCARD_SHARE_SHARED, scard.SCARD_SHARE_EXCLUSIVE):
        result, _, _ = scard.SCardConnect(context, names[0], share, 3)
        assert scard.SCARD_E_SHARING_VIOLATION & 0xFFFFFFFF == result & 0xFFFFFFFF
    scard.SCardReleaseContext(context)
    await bench.reader.sign(pin(), MESSAGE)


async def test_a_card_in_another_reader_is_neither_seen_nor_touched(card_stand: CardStand) -> None:
    bench = Bench(card_stand, reader_name="Virtual PCD 00 00")
    await card_stand.remove()
    await bench.becomes(EMPTY)
    await card_stand.insert_in_other("hanako")
    before = await card_stand.state("hanako")
    await bench.lay_down("taro")
    await bench.reader.read()
    await bench.reader.sign(pin(), MESSAGE)
    after = await card_stand.state("hanako")
    assert before["apdus"] == after["apdus"]
    await bench.take_away()
    assert ABSENT not in bench.levels[1:]
    await card_stand.remove_from_other()
    await bench.reader.close()


async def test_a_reader_unplugged_and_plugged_in_again_is_told_once_each(bench: Bench) -> None:
    await bench.lay_down("taro")
    await bench.reader.read()
    await bench.stand.unplug()
    await bench.becomes(ABSENT)
    with pytest.raises(DeviceGone):
        await bench.reader.sign(pin(), MESSAGE)
    with pytest.raises(DeviceGone):
        await bench.reader.read()
    await bench.stand.plug()
    await bench.becomes(PRESENT)
    assert ["card-read", "card-reader-gone", "card-reader-back"] == bench.log
    await bench.reader.read()
    await bench.reader.sign(pin(), MESSAGE)


async def test_a_pcscd_that_hangs_ends_the_visit_and_is_used_again_when_it_goes_on(bench: Bench) -> None:
    await bench.lay_down("taro")
    before = await bench.stand.state()
    await bench.reader.read()
    await bench.stand.freeze_pcscd()
    entry = pin()
    with pytest.raises(CardGone):
        await bench.reader.sign(entry, MESSAGE)
    assert bytearray(4) == entry
    assert ABSENT == bench.levels[-1]
    with pytest.raises(DeviceGone):
        await bench.reader.read()
    await bench.reader.release(NOBODYS)
    await bench.stand.thaw_pcscd()
    await bench.becomes(PRESENT)
    assert 3 == (await bench.reader.read()).tries_left
    assert before["verify_count"] == (await bench.stand.state())["verify_count"]


async def test_the_reader_is_closed_although_pcscd_hangs(card_stand: CardStand) -> None:
    bench = Bench(card_stand)
    await bench.lay_down("taro")
    await bench.reader.release(NOBODYS)
    await card_stand.freeze_pcscd()
    try:
        async with asyncio.timeout(20):
            await bench.reader.close()
    finally:
        await card_stand.thaw_pcscd()


@pytest.mark.parametrize("message", [b"", b"pay 1,000,000 yen", MESSAGE[1:]])
async def test_a_message_of_another_domain_is_signed_by_no_card_and_costs_no_try(
    bench: Bench, message: bytes
) -> None:
    await bench.lay_down("taro")
    before = await bench.stand.state()
    await bench.reader.read()
    entry = pin()
    with pytest.raises(ValueError, match="not of this kiosk's domain"):
        await bench.reader.sign(entry, message)
    assert bytearray(4) == entry
    after = await bench.stand.state()
    assert before["verify_count"] == after["verify_count"]
    assert before["signatures"] == after["signatures"]


async def test_pcscd_killed_during_verify_leaves_the_pin_in_doubt_and_it_is_not_sent_again(
    bench: Bench,
) -> None:
    await bench.lay_down("taro", silent_at_apdu=VERIFY)
    before = (await bench.stand.state())["verify_count"]
    await bench.reader.read()
    entry = pin(b"0000")
    signing = asyncio.create_task(bench.reader.sign(entry, MESSAGE))
    async with asyncio.timeout(LIMIT_SECONDS):
        while before == (await bench.stand.state())["verify_count"]:  # noqa: ASYNC110 - a card tells nobody
            await asyncio.sleep(0.01)
    await bench.stand.kill_pcscd()
    with pytest.raises(PinUncertain):
        await signing
    assert bytearray(4) == entry
    await bench.stand.restart_pcscd()
    await bench.becomes(PRESENT)
    await bench.stand.set("taro", **HARMLESS)
    assert 2 == (await bench.reader.read()).tries_left
    assert before + 1 == (await bench.stand.state())["verify_count"]


@pytest.mark.parametrize("hangs", ["card", "pcscd"])
async def test_a_reader_that_swallows_a_command_works_again_after_the_restart_it_asks_for(
    card_stand: CardStand, tmp_path: Path, hangs: str
) -> None:
    """The test does what systemd does when it sees the request: it ends pcscd and starts it anew."""
    bench = Bench(card_stand, restart_request=tmp_path / "restart-pcscd")
    await bench.lay_down("taro", silent_at_apdu=VERIFY if hangs == "card" else None)
    before = (await bench.stand.state())["verify_count"]
    await bench.reader.read()
    if hangs == "pcscd":
        await bench.stand.freeze_pcscd()
    with pytest.raises(PinUncertain if hangs == "card" else CardGone):
        await bench.reader.sign(pin(b"0000"), MESSAGE)
    assert ABSENT == bench.levels[-1]
    await bench.logs("pcscd-restart-asked")
    assert b"" == (tmp_path / "restart-pcscd").read_bytes()
    await bench.stand.restart_pcscd()
    await bench.becomes(PRESENT)
    await bench.stand.set("taro", **HARMLESS)
    left = (await bench.reader.read()).tries_left
    verified = (await bench.stand.state())["verify_count"] - before
    assert ((2, 1) if hangs == "card" else (3, 0)) == (left, verified)
    await bench.reader.sign(pin(), MESSAGE)
    assert "card-reader-back" in bench.log
    await bench.reader.close()

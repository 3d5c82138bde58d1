"""A TPM that keeps the device's key: asked for little, by one thread at a time, and by no loop."""

import asyncio
import os
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import aiohttp
import msgspec
import pytest
from aiohttp.client_reqrep import ConnectionKey
from cryptography.hazmat.primitives import serialization

from firmware.core.facts import Level, MunicipalityLevel
from firmware.errors import ConfigError, KeyStoreFault, MunicipalityDown
from firmware.logbook import EventId, FieldValue
from firmware.municipality.exchange import Call, Exchange, Patience, Reply
from firmware.municipality.heartbeat import Heartbeat, Listeners
from firmware.municipality.key_store import LOST, SEALED, TpmKeyStore
from firmware.municipality.tls import Credentials, load_credentials
from firmware.ports import JournalWitness
from tests.municipality.pki import KIOSK, make_authority, make_kiosk
from tests.virtual_time import run

NOW = datetime.now(UTC)
ABSENT = KeyStoreFault("tpm-absent", "no TPM answers there")


@dataclass
class Store:
    """A TPM's store whose answers tests give; whoever is not expected fails the test."""

    seconds: float = 60.0
    answer: bool | None = None
    fault: KeyStoreFault | None = None
    answered: int = 0

    def load(self) -> None:
        raise AssertionError("a key was loaded")

    def answers(self) -> bool:
        self.answered += 1
        assert self.answer is not None, "the TPM was asked"
        return self.answer

    def examine(self, _key_pem: bytes | None) -> None:
        if self.fault is not None:
            raise self.fault


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """ca.pem, certificate.pem and key.pem, in clear."""
    authority = make_authority("test", NOW)
    (tmp_path / "ca.pem").write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    make_kiosk(tmp_path, authority, KIOSK, NOW - timedelta(days=1))
    return tmp_path


def credentials(folder: Path, store: Store, *, patient: bool = False) -> Credentials:
    return load_credentials(
        ca_file=folder / "ca.pem",
        certificate_file=folder / "certificate.pem",
        key_file=folder / "key.pem",
        kiosk=KIOSK,
        store=cast("TpmKeyStore", store),
        patient=patient,
    )


def in_use(folder: Path, store: Store) -> Credentials:
    """As if the TPM had given the key."""
    made = credentials(folder, store)
    made.is_sealed = True
    return made


def sealed(folder: Path) -> None:
    (folder / "key.pem").write_bytes(SEALED + b"\nsealed\n" + SEALED.replace(b"BEGIN", b"END") + b"\n")


def test_no_tpm_is_asked_for_the_first_picture(folder: Path) -> None:
    sealed(folder)
    made = credentials(folder, Store(fault=ABSENT), patient=True)
    assert (True, False) == (made.is_sealed, made.worked)
    with pytest.raises(AssertionError, match="a key was loaded"):
        made.look()


def test_a_kiosk_with_another_certificate_does_not_start_for_all_its_patience(folder: Path) -> None:
    sealed(folder)
    (folder / "certificate.pem").write_bytes(b"rubbish")
    with pytest.raises(ConfigError, match=r"certificate.pem: not a readable PEM certificate"):
        credentials(folder, Store(), patient=True)


def test_a_look_reads_the_files_and_loads_the_key_only_if_they_changed_or_for_a_doubt(folder: Path) -> None:
    store = Store(answer=True)
    made = in_use(folder, store)
    file = folder / "certificate.pem"
    before = file.stat()
    file.write_bytes(b"rubbish")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert made.look() is None
    assert 1 == store.answered
    made.doubt()
    with pytest.raises(ConfigError, match="not a readable PEM certificate"):
        made.look()
    made.is_doubted = False
    os.utime(file)
    with pytest.raises(ConfigError, match="not a readable PEM certificate"):
        made.look()
    assert 1 == store.answered


@pytest.mark.parametrize(("fault", "reason"), [(ABSENT, "tpm-absent"), (None, LOST)])
async def test_a_tpm_that_does_not_answer_is_named_and_its_key_looked_after(
    folder: Path, fault: KeyStoreFault | None, reason: str
) -> None:
    made = in_use(folder, Store(answer=False, fault=fault))
    with pytest.raises(KeyStoreFault) as raised:
        await made.renewed()
    assert (reason, True) == (raised.value.reason, made.is_doubted)
    context = made.context
    assert not await made.renewed(), "it is the same certificate"
    assert (True, False) == (context is not made.context, made.is_doubted)


def test_two_threads_never_load_a_key_at_once(folder: Path) -> None:
    """A process's three places in its TPM take one key in use and one that is loaded."""
    other = threading.Event()
    most: list[int] = []

    class Counted(Store):
        inside = 0

        def load(self) -> None:
            self.inside += 1
            most.append(self.inside)
            if self.inside > 1:
                other.set()
            other.wait(0.2)
            self.inside -= 1
            raise ABSENT

    sealed(folder)
    made = credentials(folder, Counted(), patient=True)

    def look() -> None:
        with pytest.raises(KeyStoreFault):
            made.look()

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [1, 1] == most


async def test_a_tpm_that_hangs_is_silent_and_holds_up_one_thread_alone(folder: Path) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    class Hanging(Store):
        def answers(self) -> bool:
            self.answered += 1
            begun.set()
            return goes_on.wait(60)

    store = Hanging(seconds=0.01)
    made = in_use(folder, store)
    try:
        for _ in range(3):
            with pytest.raises(KeyStoreFault, match="tpm-silent"):
                await made.renewed()
        assert await asyncio.to_thread(begun.wait, 60)
        assert 1 == store.answered
    finally:
        goes_on.set()
    store.seconds = 60.0
    assert not await made.renewed()
    assert 1 == store.answered


# --- what the heartbeat makes of it ---------------------------------------------------------------


@dataclass
class Key:
    """Credentials by what each look at them finds; the last for ever."""

    looks: list[KeyStoreFault | None]
    worked: bool = True
    doubts: int = 0

    async def renewed(self) -> bool:
        found = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if found is not None:
            raise found
        return False

    def fault(self, _now: datetime) -> None: ...

    def doubt(self) -> None:
        self.doubts += 1


THERE = ConnectionKey("localhost", 443, True, True, None, None, None, None)


@dataclass
class Heart:
    """A heartbeat on a line that is good, or fails in one way; when a new process was asked for."""

    key: Key
    cause: OSError | None = None
    known_seq: int = 0
    requests: int = 0
    levels: list[str] = field(default_factory=list)
    asked_at: list[float] = field(default_factory=list)

    async def once(self, _call: Call) -> Reply:
        if self.cause is not None:
            failed = aiohttp.ClientConnectorSSLError(THERE, self.cause)
            failed.__cause__ = self.cause
            raise MunicipalityDown("heartbeat: no connection") from failed
        self.requests += 1
        said = {"server_time": NOW, "open": True, "reason": None, "journal_seq": self.known_seq}
        return Reply(200, msgspec.json.encode(said), is_problem=False, server_der=b"", device=b"")

    def report(self, level: Level) -> None:
        assert isinstance(level, MunicipalityLevel)
        self.levels.append(level.fault or "reached")

    def lost(self) -> None:
        self.asked_at.append(asyncio.get_running_loop().time())

    def beats(self, seconds: float, patience: Patience | None = None) -> "Heart":
        run(lambda: self._beat(seconds, patience or Patience(heartbeat_seconds=20.0)))
        return self

    async def _beat(self, seconds: float, patience: Patience) -> None:
        def log(_event: EventId, /, **_: FieldValue) -> None: ...

        heart = Heartbeat(
            exchange=cast("Exchange", self),
            credentials=cast("Credentials", self.key),
            patience=patience,
            firmware_version="1",
            log=log,
            now=lambda: NOW,
            listeners=Listeners(self.report, lambda _: None, lambda _: None, key_store_lost=self.lost),
            journal=cast("JournalWitness", Journal()),
        )
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await heart.run()


@dataclass(frozen=True)
class Head:
    seq: int = 5
    chain: bytes = bytes(32)


@dataclass(frozen=True)
class Journal:
    head: Head = Head()

    async def chain_at(self, _seq: int) -> bytes:
        return self.head.chain


LOST_ONE = KeyStoreFault(LOST, "the TPM serves, but not this process any more")


def test_a_tpm_that_was_busy_for_one_beat_is_not_told_and_asks_for_no_new_process() -> None:
    heart = Heart(Key([None, LOST_ONE, None, LOST_ONE, None])).beats(200)
    assert (["reached"], []) == (heart.levels, heart.asked_at)


def test_a_tpm_that_is_lost_for_two_beats_is_told_and_asks_for_a_new_process() -> None:
    heart = Heart(Key([None, LOST_ONE])).beats(50)
    assert ["reached", LOST] == heart.levels
    assert heart.asked_at


def test_a_tpm_that_came_back_for_others_alone_serves_nobody_meanwhile() -> None:
    heart = Heart(Key([None, ABSENT, LOST_ONE])).beats(100)
    assert ["reached", "tpm-absent", LOST] == heart.levels
    assert heart.asked_at


def test_a_request_that_proves_the_journal_is_no_second_beat() -> None:
    heart = Heart(Key([None, LOST_ONE]), known_seq=3).beats(30)
    assert (3, ["reached"], []) == (heart.requests, heart.levels, heart.asked_at)


def test_a_process_that_never_had_its_key_tells_so_and_gives_way_after_minutes() -> None:
    heart = Heart(Key([LOST_ONE], worked=False)).beats(300, Patience(lost_key_seconds=180.0))
    assert [LOST] == heart.levels
    assert heart.asked_at
    assert 180 <= heart.asked_at[0] <= 190


def test_a_process_that_gets_its_key_at_last_does_not_give_way() -> None:
    looks = [LOST_ONE, ABSENT, LOST_ONE, None]
    heart = Heart(Key(looks, worked=False)).beats(300, Patience(lost_key_seconds=180.0))
    assert ([LOST, "tpm-absent", LOST, "reached"], []) == (heart.levels, heart.asked_at)


NO_TLS = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:992)")
NO_SIGNATURE = ssl.SSLError(1, "[SSL] EVP lib (_ssl.c:992)")


@pytest.mark.parametrize("cause", [ConnectionRefusedError(111, "refused"), NO_TLS])
def test_a_line_that_fails_is_no_doubt_of_the_key(cause: OSError) -> None:
    """Each look at it takes two of the process's three places, and a line that failed may still have one."""
    assert 0 == Heart(Key([None]), cause).beats(10).key.doubts


def test_a_key_that_does_not_sign_a_handshake_is_looked_after() -> None:
    """As after a TPM was cleared, which answers all the same."""
    heart = Heart(Key([None]), NO_SIGNATURE).beats(10)
    assert ["tls-refused"] == heart.levels
    assert heart.key.doubts

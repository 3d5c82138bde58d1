"""What the kiosk needs of the world: one Protocol per device or partner.

Adapters implement these in `hw/`, `firmware/municipality/` and `firmware/documents/`;
`firmware/compose.py` picks them from the settings; `tests/contract/` holds one suite per port.

Every adapter lives on one asyncio loop. `start` begins watching and returns at once, also when the
device is absent: the adapter reconnects by itself with capped back-off, logs once when the device
is gone and once when it is back, and reports its level whenever that changes. `close` ends every
thread, task and handle and may be called twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from firmware.core.facts import DocumentPrinterLevel, Facts, Level
from firmware.core.records import DaySettled
from firmware.core.terms import (
    Certainty,
    CertificateKind,
    KeypadKey,
    Language,
    Offer,
    OrderId,
    RecordItem,
    Refusal,
    Subjects,
    Yen,
)

ReportLevel = Callable[[Level], None]
"""Called on the loop with a device's whole level after each change."""


class Watched(Protocol):
    """What has its hands on a device, and can be seen to hang."""

    def busy_seconds(self) -> float:
        """How long its present call has taken, or its watcher has not come round; 0 while nothing is due.

        A device that is gone is none of it: its watcher comes round and reports the level.
        """


@dataclass(frozen=True, slots=True)
class CardReading:
    """What a My Number Card tells without a PIN.

    certificate_der: the user-authentication certificate (利用者証明用電子証明書), X.509 DER.
    tries_left: wrong PINs until the card locks; 0 means it is locked.
    """

    certificate_der: bytes
    tries_left: int


@dataclass(frozen=True, slots=True)
class CardSignature:
    """algorithm and signature as in RFC 7518: RS256, or ES384 with r and s of 48 bytes each."""

    algorithm: str
    signature: bytes


class CardReader(Watched, Protocol):
    """A PC/SC reader with at most one card session at a time."""

    def start(self, report: ReportLevel) -> None:
        """Watch the reader; reports ReaderLevel."""

    async def read(self) -> CardReading:
        """Open a session with the card lying there and read what needs no PIN.

        Raises CardUnusable for the wrong card or certificate, CardGone, DeviceGone.
        """

    async def sign(self, pin: bytearray, message: bytes) -> CardSignature:
        """VERIFY exactly once, sign message, power the card down.

        pin: 4 ASCII digits; wiped before this returns, whatever happens. message: the checked challenge,
        which begins with this kiosk's domain.
        Raises PinWrong, PinBlocked, PinUncertain, CardGone, DeviceGone. After PinWrong the session
        stays open for another entry; after everything else it is over.
        """

    async def release(self, reading: CardReading) -> None:
        """Power the card down and end the session in which this was read: this very object, not an equal one.

        Harmless when that session is over, also while another one is open: the visit before may end late.
        """

    async def close(self) -> None: ...


class Keypad(Watched, Protocol):
    """The matrix keypad; the only way a PIN enters."""

    def start(self, report: ReportLevel, pressed: Callable[[KeypadKey], None]) -> None:
        """Watch the keys; reports KeypadLevel, and each press once, on the loop, debounced."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class CoinMark:
    """Where an acceptor's event counter stood: its serial number and the counter, 0–255.

    pairs: its last events then, in the acceptor's own words, empty if nobody knows; by them a counter
    that began anew and has caught up is told from one that stood still.
    """

    serial: int
    counter: int
    pairs: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class CoinAccepted:
    """A coin is in the machine. error-free credit only; mark is the counter after it."""

    yen: Yen
    mark: CoinMark


@dataclass(frozen=True, slots=True)
class CoinReturned:
    """A coin was not taken and fell through to the return tray; it counts for nothing."""


@dataclass(frozen=True, slots=True)
class CoinsSuspect:
    """The acceptor saw more events than it kept, or kept a coin without credit: staff must look.

    lost: events that cannot be reconstructed, 0 if none; code: the device's error code or 0.
    coins: how many coins it counted in that nobody was told of, None where it keeps no such count;
    for staff to look for, never a credit.
    """

    lost: int
    code: int
    mark: CoinMark
    coins: int | None = None


class CoinAcceptor(Watched, Protocol):
    """Takes coins; everything is inhibited unless accept is in force."""

    @property
    def mark(self) -> CoinMark | None:
        """Where its counter stands by what was reported; None before the first contact."""

    def start(
        self,
        report: ReportLevel,
        coin: Callable[[CoinAccepted | CoinsSuspect | CoinReturned], None],
        seen: CoinMark | None,
        *,
        was_open: bool = False,
    ) -> None:
        """Watch the acceptor; reports AcceptorLevel and every coin, also orphans since seen.

        A coin that fell through is reported where the acceptor tells of it.

        was_open: by the journal its slot may have been open when the last process ended. Where the acceptor
        cannot tell what came then (it lost its power too, or may have, or has no memory), CoinsSuspect is
        reported; with a slot that was surely shut no coin can be missing, and nothing is.
        """

    async def accept(self, denominations: frozenset[Yen]) -> None:
        """Open the slot for these coins only. Raises DeviceGone."""

    async def stop(self) -> None:
        """Inhibit, wait for coins in flight and report them; returns when no more can come."""

    async def close(self) -> None: ...


class CoinPayout(Watched, Protocol):
    """One hopper of one denomination."""

    def start(self, report: ReportLevel) -> None:
        """Watch the hopper; reports HopperLevel."""

    @property
    def coins(self) -> int:
        """What it counts in itself now, 0 once it has run in vain; a report may still be on its way."""

    def set_coins(self, coins: int) -> None:
        """So many coins certainly lie in it by the books; raises ValueError below 0."""

    async def pay_one(self, life_count: int) -> Certainty:
        """Pay one coin. life_count: the device's counter when the intent was journaled."""

    async def reconcile(self, life_count: int, serial: int | None) -> Certainty:
        """Was the coin paid whose intent was journaled at life_count? Pays nothing.

        serial: the hopper's then, None if it is not known. UNKNOWN by another unit, whose counter proves
        nothing.
        """

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class PrintProgress:
    """Pages that have really left the printer, of all pages (sides) of the job."""

    pages_out: int
    pages: int


@dataclass(frozen=True, slots=True)
class PrintResult:
    """DONE only with the proof of all pages; NOT_DONE only if surely nothing came or will come out."""

    certainty: Certainty
    pages_out: int


class DocumentPrinter(Watched, Protocol):
    """The A4 printer as asked directly by IPP. Submitting is the document worker's part."""

    def start(self, report: ReportLevel) -> None:
        """Watch the printer; reports DocumentPrinterLevel."""

    def hunt_strays(self, kept: str | None) -> None:
        """Have every job of the kiosk cancelled but kept; the printer is not ready until they are gone.

        Called before the start: whoever followed those jobs is no more.
        """

    async def refresh(self) -> DocumentPrinterLevel:
        """Ask the printer now and report its level, also when it is silent."""

    async def expect(self, job_name: str) -> None:
        """Note what the printer knows before a job is submitted; `follow` needs it to prove absence."""

    async def follow(
        self,
        job_name: str,
        pages: int,
        progress: Callable[[PrintProgress], None],
        *,
        sheets: int = 0,
        in_visit: bool = True,
    ) -> PrintResult:
        """Follow the job of this name at the printer to its proven end; see `Certainty`.

        sheets: of all copies, for a witness that counts sheets; 0 if nobody knows or saw all of them.
        in_visit: a visit waits for it. While any other job is followed the printer is not ready.
        """

    async def purge(self, job_name: str) -> bool:
        """Cancel the job wherever it still is; True when the printer is proven empty of it.

        If it is not, the printer is not ready until it is, and the job is cancelled again until then.
        """

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SlipLine:
    """One line on the receipt roll.

    text: the line; right: text set flush right on the same line; scale: 1 or 2 (double size).
    """

    text: str = ""
    right: str = ""
    scale: int = 1
    centred: bool = False


class ReceiptPrinter(Watched, Protocol):
    """The slip printer (レシートプリンター)."""

    def start(self, report: ReportLevel) -> None:
        """Watch the printer; reports ReceiptPrinterLevel."""

    async def print_slip(self, lines: Sequence[SlipLine]) -> Certainty:
        """Print and cut; DONE when the printer answered after the cut that it has paper and no fault."""

    async def close(self) -> None: ...


class Voice(Protocol):
    """Loudspeaker and earphone."""

    def play(
        self, clips: Sequence[Path], *, private: bool = False, gain_db: float = 0.0, rate: float = 1.0
    ) -> None:
        """Say these sound files one after another instead of what is being said; none: silence.

        private: by earphone; nothing is said where there is none. rate: 2.0 is twice as fast.
        """

    async def close(self) -> None: ...


class Panel(Watched, Protocol):
    """Lamps, buzzer, door contact, paper and change sensors."""

    def start(self, report: ReportLevel) -> None:
        """Watch the inputs; reports PanelLevel."""

    def light(self, place: str | None) -> None:
        """Light the lamp at card, keypad, coin, paper or change; None puts all out."""

    def buzz(self, pattern: str) -> None:
        """Sound key (short), attention (two) or alarm (three)."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The municipality knows the person; person_ref is a pseudonym for this session only."""

    person_ref: str
    offers: tuple[Offer, ...]
    refusals: tuple[tuple[CertificateKind, Refusal], ...]


@dataclass(frozen=True, slots=True)
class Session:
    """An opened session and the bytes the card signs (prefix and tbs), already checked by the client.

    sign_until: aware; later the municipality takes no signature, and no PIN is worth asking for.
    """

    session_id: str
    message: bytes
    sign_until: datetime


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What is asked for in one issuance. members: see `firmware.core.states.Purchase`."""

    order_id: OrderId
    kind: CertificateKind
    subjects: Subjects
    items: frozenset[RecordItem]
    copies: int
    members: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reserved:
    """An issuance reserved, nothing paid. sealed: bytes only the document worker can open."""

    order_id: OrderId
    total_yen: Yen
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Released:
    """The issuance is committed. authority: bytes only the document worker can open."""

    receipt_no: str
    authority: bytes


@dataclass(frozen=True, slots=True)
class Refetched:
    """An issuance fetched once more for a reprint: what was asked for then, sealed to the new worker."""

    request: OrderRequest
    session_id: str
    person_ref: str
    total_yen: Yen
    sealed: bytes
    authority: bytes


@dataclass(frozen=True, slots=True)
class JournalHead:
    """The journal's last entry: its number and its chain value, 32 bytes."""

    seq: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class JournalLine:
    """An entry of the journal as it lies there. fields: JSON, ASCII. chain: 32 bytes."""

    seq: int
    at: str
    record: str
    fields: str
    chain: bytes


@dataclass(frozen=True, slots=True)
class JournalKept:
    """How far the municipality keeps a copy of the journal, 0 for nothing of it.

    chain: of that entry, empty without one. link: SHA-256 over every line up to it.
    """

    seq: int
    chain: bytes
    link: bytes


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that the municipality has released and of whose end it has not heard. state: its word."""

    order_id: OrderId
    state: str


class JournalWitness(Protocol):
    """What the municipality remembers of the journal, so that a tail cut off is seen there (R18)."""

    @property
    def head(self) -> JournalHead:
        """The last entry that is certainly on disk."""

    async def chain_at(self, seq: int) -> bytes:
        """The chain value of an entry; empty if there is none."""


@dataclass(frozen=True, slots=True)
class DayAnswer:
    """What the municipality found when it compared a business day with its own books.

    differences: words such as order-missing:ORDER; empty when both agree.
    """

    matched: bool
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClaimState:
    """A claim as the municipality keeps it. settled_by: the kiosk's URN or `counter`, None while open."""

    claim_no: str
    order_id: OrderId
    yen: Yen
    settled_by: str | None


class RemoteControl(Protocol):
    """What the municipality asks of the kiosk with its heartbeat: a fixed list, each command once."""

    def asked(self, commands: Sequence[tuple[str, str]]) -> None:
        """(id, act) of every command that the municipality has no outcome of yet."""

    def outcomes(self) -> tuple[tuple[str, str], ...]:
        """(id, done or refused) of what has been asked."""


class Municipality(Protocol):
    """The municipality's backend. 市区町村の証明発行サーバ

    Raises MunicipalityDown (not sent), MunicipalityUncertain (maybe carried out),
    MunicipalityAnswerInvalid, Refused; reports also ReportRefused (contradicts the books there).
    """

    def start(self, report: ReportLevel, facts: Callable[[], Facts] | None = None) -> None:
        """Keep a heartbeat; reports MunicipalityLevel. facts: what each heartbeat tells of the devices."""

    async def open_session(self, kem_public_key: bytes, language: Language) -> Session: ...

    async def authenticate(
        self, session_id: str, certificate_der: bytes, signature: CardSignature
    ) -> Authenticated: ...

    async def reserve(self, session_id: str, request: OrderRequest) -> Reserved: ...

    async def release(self, order_id: OrderId, paid_yen: Yen) -> Released:
        """Commit the issuance against the fee; safe to repeat with the same order_id."""

    async def report_result(self, order_id: OrderId, outcome: Certainty, pages_out: int) -> None:
        """Tell how the print ended; safe to repeat."""

    async def report_refund(
        self, order_id: OrderId, yen: Yen, owed_yen: Yen, *, defect: bool = False
    ) -> None:
        """Tell what was paid back and what is owed by a claim slip; safe to repeat.

        defect: the certificate was printed badly, and its fee is no fee any more.
        """

    async def reprint(self, order_id: OrderId, attempt: int, kem_public_key: bytes) -> Refetched:
        """The same issuance again, sealed to this key; counted once for each attempt, from 1.

        Safe to repeat with the same key. Raises Refused(REPRINT_REFUSED) when it is too late or too often.
        """

    async def report_reprint(
        self, order_id: OrderId, attempt: int, outcome: Certainty, pages_out: int
    ) -> None:
        """Tell how a reprint ended; safe to repeat."""

    async def report_claim(self, order_id: OrderId, claim_no: str, yen: Yen) -> None:
        """Tell what is owed to the person by a claim slip (返金引換券); safe to repeat."""

    async def report_day(self, day: DaySettled) -> DayAnswer:
        """Tell the totals of a closed business day, to be compared; safe to repeat."""

    async def ask_claim(self, claim_no: str) -> ClaimState:
        """The claim as the municipality keeps it. Raises ReportRefused for an unknown number."""

    async def settle_claim(self, claim_no: str, yen: Yen) -> ClaimState:
        """Mark the claim as paid at this kiosk's store, once; safe to repeat.

        Raises ReportRefused if it was paid elsewhere, is not known or is about another sum.
        """

    async def open_orders(self) -> tuple[OpenOrder, ...]:
        """What was released to us and has no end there yet, to be compared after a power cut."""

    async def journal_kept(self) -> JournalKept:
        """How far our journal is kept there."""

    async def keep_journal(self, kept: JournalKept, lines: Sequence[JournalLine]) -> JournalKept:
        """Send lines in a row, the first of them the last one kept; safe to repeat.

        kept.link: computed from our own lines by `journal_link`, not what the municipality named.
        """

    def journal_link(self, link: bytes, lines: Sequence[JournalLine]) -> bytes:
        """The link of the last of these lines; link: of the line before them, 32 zero octets for none."""

    async def published(self, kind: str) -> str:
        """The newest publication of this kind, signed, not verified."""

    async def end_session(self, session_id: str) -> None:
        """Forget the session; reservations without release end with it."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """The document is made and checked; sheets of A4 and pages (printed sides) for all copies.

    fingerprint: hex SHA-256 of what was sealed; random words in there keep anybody from guessing the rest.
    """

    sheets: int
    pages: int
    fingerprint: str = ""


class DocumentWorker(Protocol):
    """The one-shot process that alone holds a person's data in clear; one per visit."""

    async def start(self) -> bytes:
        """Start the process; its X25519 public key, 32 bytes, made in its memory."""

    async def prepare(
        self, sealed: bytes, request: OrderRequest, session_id: str, person_ref: str
    ) -> Prepared:
        """Open, compare with the order, lay out, re-read. Raises DocumentError."""

    async def print(self, authority: bytes, job_name: str) -> None:
        """Complete the pages and hand them to the print queue under this opaque name.

        Raises PrintNotSubmitted (surely not handed over) or PrintUncertain.
        """

    def alive(self) -> bool:
        """False when it can do nothing any more: not started, died, or ended for certain."""

    async def end(self) -> None:
        """End the process; its memory goes with it. Returns in bounded time: see alive."""

"""The messages of the municipality protocol, version 1: JSON, unknown fields refused.

Binary values are base64url without padding. An answer that does not fit raises
MunicipalityAnswerInvalid naming message and field, never a value.
"""

import base64
import binascii
import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from firmware.core.records import DaySettled
from firmware.core.terms import (
    MOST_MEMBERS,
    Certainty,
    CertificateKind,
    Language,
    MemberRole,
    RecordItem,
    Refusal,
    Subjects,
)
from firmware.errors import MunicipalityAnswerInvalid

REQUEST_HEADER = "Madoguchi-Request"
"""Of a request, and of its answer: the name that this one request has."""

PROTOCOL_HEADER = "Madoguchi-Protocol"
PROTOCOL_VERSION = "1"

Identifier = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{16,64}\Z")]
Order = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_][A-Za-z0-9_-]{15,63}\Z")]
Word = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9-]{0,39}\Z")]
Binary = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]+\Z")]
Code = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_]{0,39}\Z")]
Claim = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-F]{4}-[0-9A-F]{4}\Z")]
Difference = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9-]{0,39}(:[A-Za-z0-9_:.-]{1,120})?\Z")]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Chain = Annotated[str, msgspec.Meta(pattern=r"\A([A-Za-z0-9_-]{43})?\Z")]
Link = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]  # what every reader of JSON has exactly (RFC 8259)
Copies = Annotated[int, msgspec.Meta(ge=1, le=99)]
MemberNumber = Annotated[int, msgspec.Meta(ge=1, le=99)]

OrderState = Literal[
    "RESERVED", "RELEASED", "ISSUED", "PRINT_FAILED", "UNCERTAIN", "REFUNDED", "CANCELLED", "EXPIRED"
]


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A JSON object of the protocol."""


class JournalMark(Message, frozen=True):
    """How far the journal goes, and what it says at the entry that the municipality knows.

    head, since_head: chain values, base64url; since_head is empty where there is no such entry.
    """

    seq: int
    head: str
    since_seq: int
    since_head: str


class HopperLine(Message, frozen=True):
    hopper: int
    coin_yen: int
    coins: int
    working: bool


class Levels(Message, frozen=True):
    """The devices as they are. printer: why it cannot print, keywords of RFC 8011; empty if it can.

    printer_low: what it will soon need, keywords too. receipt_paper_low: the roll is near its end.
    paper_left: certificates lie in the tray and the person is gone. screen_dark: no page draws there.
    """

    printer: tuple[str, ...]
    receipt_printer: bool
    card_reader: bool
    keypad: bool
    coin_acceptor: bool
    hoppers: tuple[HopperLine, ...]
    door_open: bool
    journal_has_room: bool
    printer_low: tuple[str, ...] = ()
    receipt_paper_low: bool = False
    paper_left: bool = False
    screen_dark: bool = False


class RemoteCommand(Message, frozen=True):
    """id: once for ever. act: of a fixed list, which the kiosk knows; another is refused."""

    id: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{8,64}\Z")]
    act: Annotated[str, msgspec.Meta(max_length=40)]


class RemoteOutcome(Message, frozen=True):
    id: str
    outcome: Literal["done", "refused"]


class HeartbeatRequest(Message, frozen=True, omit_defaults=True):
    """levels: left out by a kiosk that knows none yet. remote: what became of commands from afar, if any."""

    seq: int
    firmware: str
    journal: JournalMark
    levels: Levels | None = None
    remote: tuple[RemoteOutcome, ...] = ()


class Published(Message, frozen=True):
    """The newest serial number of each kind of publication, 0 for none."""

    configuration: Count
    calendar: Count


class HeartbeatAnswer(Message, frozen=True):
    """journal_seq: the journal's last entry known there. commands: those without an outcome.

    published: left out while nothing is.
    """

    server_time: Moment
    open: bool
    reason: Literal["outside_hours", "maintenance"] | None
    journal_seq: Count
    commands: Annotated[tuple[RemoteCommand, ...], msgspec.Meta(max_length=16)] = ()
    published: Published = Published(0, 0)


class PublicationAnswer(Message, frozen=True):
    """What the municipality publishes to its kiosks. signed: JWS, compact form, by its publication key."""

    serial: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    signed: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")]


class JournalLine(Message, frozen=True):
    """One line of the journal as it is kept. fields: JSON, ASCII. chain: its keyed chain value, base64url."""

    seq: int
    at: str
    record: str
    fields: str
    chain: str


class JournalRequest(Message, frozen=True):
    """Lines in a row, the first of them the last one known there. signature: DER, by the device's key."""

    lines: tuple[JournalLine, ...]
    signature: str


class JournalAnswer(Message, frozen=True):
    """The last line that is kept there, 0 for none. link: of the hashes over all lines up to it."""

    acked_seq: Count
    chain: Chain
    link: Link


class OpenSessionRequest(Message, frozen=True):
    """members: asks for the members of the household, which a kiosk that does not know them would refuse."""

    kem: str
    ui_lang: Language
    kem_alg: Literal["X25519"] = "X25519"
    members: Literal[True] = True


class OpenSessionAnswer(Message, frozen=True):
    session_id: Identifier
    tbs: Binary
    expires_at: Moment
    server_time: Moment


class ToBeSigned(Message, frozen=True, rename={"device": "device_x5t#S256", "server": "server_x5t#S256"}):
    """What the card signs for. device, server: SHA-256 of the certificates of this connection.

    kem: the public key of the process that alone may open the certificate. iat, exp: seconds since 1970.
    """

    v: Literal[1]
    aud: str
    session: str
    nonce: Binary
    kiosk: str
    device: str
    server: str
    kem: str
    purpose: Literal["cert-issuance"]
    catalog: str
    iat: int
    exp: int


class AuthenticateRequest(Message, frozen=True):
    cert: str
    alg: str
    signature: str


class MemberAnswer(Message, frozen=True):
    """A member of the household, without a name. number: opaque, for this session's orders alone.

    position: among those of the same role, from the eldest; 0 where nobody else has it.
    """

    number: MemberNumber
    role: MemberRole
    position: Annotated[int, msgspec.Meta(ge=0, le=99)]


class OfferAnswer(Message, frozen=True):
    """members: who can be chosen singly, in the order of the register; left out where nobody can.

    Sent only in a session that asked for them when it was opened.
    """

    kind: CertificateKind
    fee_yen: Count
    max_copies: Copies
    household: bool
    members: Annotated[tuple[MemberAnswer, ...], msgspec.Meta(max_length=MOST_MEMBERS)] = ()


class RefusalAnswer(Message, frozen=True):
    kind: CertificateKind
    code: Refusal


class AuthenticateAnswer(Message, frozen=True):
    session_id: str
    person_ref: Identifier
    offers: tuple[OfferAnswer, ...]
    refusals: tuple[RefusalAnswer, ...]


class ReserveRequest(Message, frozen=True, omit_defaults=True):
    """members: ascending, of a 住民票 of some of the household; else left out."""

    order_id: str
    session_id: str
    kind: CertificateKind
    subjects: Subjects
    items: tuple[RecordItem, ...]
    copies: int
    members: tuple[int, ...] = ()


class ReserveAnswer(Message, frozen=True):
    order_id: str
    state: Literal["RESERVED"]
    total_yen: Count
    sealed: Binary


class ReleaseRequest(Message, frozen=True):
    paid_yen: int


class ReleaseAnswer(Message, frozen=True):
    order_id: str
    state: Literal["RELEASED"]
    receipt_no: Word
    authority: Binary


class ResultRequest(Message, frozen=True):
    outcome: Certainty
    pages_out: int


class RefundRequest(Message, frozen=True, omit_defaults=True):
    """defect: of a certificate that was issued and printed badly."""

    yen: int
    owed_yen: int
    defect: bool = False


class ReprintRequest(Message, frozen=True):
    """The same issuance once more, sealed to this key. attempt: from 1."""

    attempt: int
    kem: str


class ReprintAnswer(Message, frozen=True):
    """What was ordered then, and both sealed parts anew."""

    order_id: str
    attempt: int
    session_id: Identifier
    person_ref: Identifier
    kind: CertificateKind
    subjects: Subjects
    items: tuple[RecordItem, ...]
    copies: Copies
    total_yen: Count
    sealed: Binary
    authority: Binary
    members: Annotated[tuple[MemberNumber, ...], msgspec.Meta(max_length=MOST_MEMBERS)] = ()


class ClaimRequest(Message, frozen=True):
    claim_no: str
    order_id: str
    yen: int


class SettleClaimRequest(Message, frozen=True):
    yen: int


class ClaimAnswer(Message, frozen=True):
    """A claim as the municipality keeps it. settled_by: a kiosk's URN or `counter`, None while it is open."""

    claim_no: Claim
    order_id: str
    yen: Count
    settled_by: Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9:-]{0,79}\Z")] | None


class SoldLine(Message, frozen=True):
    kind: CertificateKind
    issues: int
    copies: int
    yen: int


class ClaimLine(Message, frozen=True):
    claim_no: str
    order_id: str
    yen: int


class CashLine(Message, frozen=True):
    """hopper: None for the cash box."""

    hopper: int | None
    coin_yen: int
    coins: int
    unsure: int
    refilled: int
    collected: int
    difference: int


class DayRequest(Message, frozen=True):
    """The totals of a closed business day; orders by their ids, so that each can be compared."""

    closed_at: datetime
    visits: int
    sold: tuple[SoldLine, ...]
    taken_yen: int
    fees_yen: int
    paid_out_yen: int
    claims_yen: int
    unclaimed_yen: int
    claims_settled_yen: int
    suspects: int
    issued: tuple[str, ...]
    given_back: tuple[str, ...]
    uncertain: tuple[str, ...]
    claims: tuple[ClaimLine, ...]
    cash: tuple[CashLine, ...]


class DayAnswer(Message, frozen=True):
    business_date: str
    matched: bool
    differences: tuple[Difference, ...]


class OrderAnswer(Message, frozen=True):
    """An order as the municipality keeps it; None for what has not happened."""

    order_id: Order
    state: OrderState
    total_yen: Count
    number: Word
    receipt_no: Word | None
    paid_yen: Count | None
    refunded_yen: Count | None
    owed_yen: Count | None


class OpenOrdersAnswer(Message, frozen=True):
    """Orders that were released and whose end is not told yet, oldest first."""

    orders: Annotated[tuple[OrderAnswer, ...], msgspec.Meta(max_length=1000)]


class Problem(msgspec.Struct, frozen=True):
    """An answer of RFC 9457; whatever else stands in it is not read."""

    code: Code


M = TypeVar("M", bound=msgspec.Struct)

_PATH = re.compile(r"at `\$\.?([A-Za-z0-9_.#\[\]]{0,60})`\Z")
_SAYABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.#]*\Z")
_NAMED = re.compile(r"(?:required|unknown) field `([A-Za-z0-9_#]{1,40})`")


def decode(message: str, body: bytes, answer: type[M]) -> M:
    """Read an answer to this message. Raises MunicipalityAnswerInvalid."""
    try:
        return msgspec.json.decode(body, type=answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as cause:
        raise MunicipalityAnswerInvalid(f"{message}: {_field(str(cause))}") from None


def problem_code(message: str, is_problem: bool, body: bytes) -> str:
    """Why a request was refused, in the protocol's word. Raises MunicipalityAnswerInvalid."""
    if not is_problem:
        raise MunicipalityAnswerInvalid(f"{message}: status")
    return decode(message, body, Problem).code


def encode(message: Message) -> bytes:
    """JSON, UTF-8."""
    return msgspec.json.encode(message)


def day_request(day: DaySettled) -> DayRequest:
    """The message about a closed business day."""
    totals: dict[str, Any] = msgspec.to_builtins(day.totals)
    return msgspec.convert({"closed_at": day.closed_at, **totals}, DayRequest)


def b64u(octets: bytes) -> str:
    """base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def unb64u(message: str, field: str, text: str) -> bytes:
    """Octets of unpadded base64url. Raises MunicipalityAnswerInvalid."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise MunicipalityAnswerInvalid(f"{message}: {field}") from None


def _field(fault: str) -> str:
    """Where an answer is wrong, as a dotted path without any value of the answer.

    A field's name comes from outside: one that the log would not take is not said.
    """
    path = _PATH.search(fault)
    named = _NAMED.search(fault)
    parts = (path.group(1) if path else "", named.group(1) if named else "")
    dotted = ".".join(re.sub(r"\[(\d+|\.\.\.)\]", r".\1", part) for part in parts if part)
    field = dotted.replace("...", "each").strip("._#")[:80]
    return field if _SAYABLE.match(field) else "json"

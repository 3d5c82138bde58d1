"""The protocol's messages as the backend reads and writes them: JSON, strict, binary as base64url."""

import base64
import binascii
import re
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from tests.municipality.register import MOST_MEMBERS, Kind
from tests.municipality.states import Outcome

PROTOCOL = {"Madoguchi-Protocol": "1"}
"""Header of every response."""

REQUEST = "Madoguchi-Request"
"""Header of a request that its response bears, too, where it is one."""
REQUEST_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")

Id = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{16,64}\Z")]
Binary = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]*\Z", max_length=16384)]
ClaimNo = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-F]{4}-[0-9A-F]{4}\Z")]
Whole = Annotated[int, msgspec.Meta(ge=-(10**9), le=10**9)]
Chain = Annotated[str, msgspec.Meta(pattern=r"\A([A-Za-z0-9_-]{43})?\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
_FEW = msgspec.Meta(max_length=32)


class Problem(Exception):
    """An answer of RFC 9457: nothing was done, `code` says why."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request body; unknown fields are refused."""


class JournalMark(Request, frozen=True):
    """How far a kiosk's journal goes, and what it says at the entry that was known here."""

    seq: Count
    head: Chain
    since_seq: Count
    since_head: Chain


class HopperLine(Request, frozen=True):
    """A change hopper; coins: how many it can pay for sure."""

    hopper: Annotated[int, msgspec.Meta(ge=0, le=255)]
    coin_yen: Count
    coins: Count
    working: bool


Keyword = Annotated[str, msgspec.Meta(pattern=r"\A[a-z-]{1,40}\Z")]


class Levels(Request, frozen=True):
    """A kiosk's devices. printer: why it cannot print, keywords of RFC 8011; empty if it can.

    printer_low: what it will soon need, keywords too. paper_left: in the tray, and the person is gone.
    screen_dark: no page draws on the display.
    """

    printer: Annotated[tuple[Keyword, ...], _FEW]
    receipt_printer: bool
    card_reader: bool
    keypad: bool
    coin_acceptor: bool
    hoppers: Annotated[tuple[HopperLine, ...], _FEW]
    door_open: bool
    journal_has_room: bool
    printer_low: Annotated[tuple[Keyword, ...], _FEW] = ()
    receipt_paper_low: bool = False
    paper_left: bool = False
    screen_dark: bool = False


class RemoteOutcome(Request, frozen=True):
    """What became of a command from afar."""

    id: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{8,64}\Z")]
    outcome: Literal["done", "refused"]


class HeartbeatRequest(Request, frozen=True):
    """A kiosk is alive. levels: optional."""

    seq: Count
    firmware: Annotated[str, msgspec.Meta(pattern=r"\A[!-~]{1,64}\Z")]
    journal: JournalMark
    levels: Levels | None = None
    remote: Annotated[tuple[RemoteOutcome, ...], msgspec.Meta(max_length=16)] = ()


class OpenSessionRequest(Request, frozen=True):
    """members: the kiosk knows what they are and asks for them; left out, as by older ones, it does not."""

    kem: Binary
    kem_alg: Literal["X25519"]
    ui_lang: Literal["ja", "en", "zh", "ko", "pt", "vi", "easy"]
    members: bool = False


class AuthenticateRequest(Request, frozen=True):
    cert: Binary
    alg: Literal["RS256", "ES384"]
    signature: Binary


class ReserveRequest(Request, frozen=True, omit_defaults=True):
    """members: numbers of the session, ascending, of a 住民票 of some of the household; else left out."""

    order_id: Id
    session_id: Id
    kind: Kind
    subjects: Literal["self", "household", "members"]
    items: tuple[Literal["head_and_relation", "registered_domicile", "my_number"], ...]
    copies: Annotated[int, msgspec.Meta(ge=1, le=99)]
    members: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=1, le=99)], ...], msgspec.Meta(max_length=MOST_MEMBERS)
    ] = ()


class ReleaseRequest(Request, frozen=True):
    paid_yen: Count


class ResultRequest(Request, frozen=True):
    outcome: Outcome
    pages_out: Count


class RefundRequest(Request, frozen=True):
    """defect: of a certificate that was issued and printed badly."""

    yen: Count
    owed_yen: Count
    defect: bool = False


class ReprintRequest(Request, frozen=True):
    attempt: Annotated[int, msgspec.Meta(ge=1, le=99)]
    kem: Binary


class ClaimRequest(Request, frozen=True):
    claim_no: ClaimNo
    order_id: Id
    yen: Annotated[int, msgspec.Meta(ge=1, le=10**6)]


class SettleClaimRequest(Request, frozen=True):
    yen: Count


class SoldLine(Request, frozen=True):
    kind: Kind
    issues: Count
    copies: Count
    yen: Count


class CashLine(Request, frozen=True):
    """Coins of one value in one place; hopper: null for the cash box."""

    hopper: Annotated[int, msgspec.Meta(ge=0, le=255)] | None
    coin_yen: Count
    coins: Whole
    unsure: Count
    refilled: Count
    collected: Count
    difference: Whole


class DayRequest(Request, frozen=True):
    """A kiosk's totals of one business day."""

    closed_at: Annotated[datetime, msgspec.Meta(tz=True)]
    visits: Count
    sold: tuple[SoldLine, ...]
    taken_yen: Count
    fees_yen: Count
    paid_out_yen: Count
    claims_yen: Count
    unclaimed_yen: Count
    claims_settled_yen: Count
    suspects: Count
    issued: tuple[Id, ...]
    given_back: tuple[Id, ...]
    uncertain: tuple[Id, ...]
    claims: tuple[ClaimRequest, ...]
    cash: tuple[CashLine, ...]


class JournalLine(Request, frozen=True):
    """One line of a kiosk's journal as it is kept. fields: JSON, ASCII. chain: its keyed chain value."""

    seq: Annotated[int, msgspec.Meta(ge=1, le=10**9)]
    at: Annotated[str, msgspec.Meta(pattern=r"\A[0-9T:.+-]{1,40}\Z")]
    record: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z]{1,40}\Z")]
    fields: Annotated[str, msgspec.Meta(pattern=r"\A\{[ -~]*\}\Z")]
    chain: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z")]


class JournalRequest(Request, frozen=True):
    """Lines in a row, the first of them the last one known here. signature: DER, by the device's key."""

    lines: Annotated[tuple[JournalLine, ...], msgspec.Meta(min_length=1, max_length=256)]
    signature: Binary


R = TypeVar("R", bound=Request)


def decode(body: bytes, message: type[R]) -> R:
    """Read a request body. Raises Problem 400 request_invalid."""
    try:
        return msgspec.json.decode(body, type=message)
    except (msgspec.MsgspecError, UnicodeDecodeError) as cause:
        raise Problem(400, "request_invalid") from cause


def b64u(octets: bytes) -> str:
    """base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def unb64u(text: str) -> bytes:
    """Octets of unpadded base64url. Raises Problem 400 request_invalid."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as cause:
        raise Problem(400, "request_invalid") from cause


def encode(message: Any) -> bytes:
    """JSON without white space, UTF-8."""
    return msgspec.json.encode(message)

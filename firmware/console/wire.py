"""What goes over the console's socket: one JSON line there, one back, then the end.

Nothing of a person can be asked for or said.
"""

import enum
from typing import Annotated, Any

import msgspec

from firmware.core.terms import Language, Yen
from firmware.errors import ConsoleError

MOST_BYTES = 65_536
"""Of a request; an answer may be MOST_ANSWER_BYTES long."""

MOST_ANSWER_BYTES = 4 * 1024 * 1024

Hopper = Annotated[int, msgspec.Meta(ge=0, le=255)]
Coin = Annotated[Yen, msgspec.Meta(ge=1, le=500)]
Coins = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
ClaimNo = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-F]{4}-[0-9A-F]{4}\Z")]


Moment = Annotated[str, msgspec.Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d\Z")]
"""Japan time."""


class Request(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="act", omit_defaults=True
):
    """What staff want. session: the token of a login; empty for the machine's own users. language: of the
    answer, Japanese or English.
    """

    session: str = ""
    language: Language = Language.EN


class Refill(Request, frozen=True, tag="refill"):
    """Coins were put into a hopper. 釣銭補充"""

    hopper: Hopper
    coins: Coins


class Collect(Request, frozen=True, tag="collect"):
    """Coins were taken out; hopper: None for the cash box. 回収"""

    hopper: Hopper | None
    coin_yen: Coin
    coins: Coins


class Count(Request, frozen=True, tag="count"):
    """Coins were counted; hopper: None for the cash box. 在高確認"""

    hopper: Hopper | None
    coin_yen: Coin
    coins: Coins


class CloseDay(Request, frozen=True, tag="close_day"):
    """End the business day now. 締め"""


class PrintDay(Request, frozen=True, tag="print_day"):
    """Print a closed day on the receipt roll. 日計表"""

    business_date: str


class PrintSelfTest(Request, frozen=True, tag="print_self_test"):
    """Print the technician's self-test on the receipt printer. 自己診断"""


class AskClaim(Request, frozen=True, tag="ask_claim"):
    """What the municipality knows of a claim."""

    claim_no: ClaimNo


class SettleClaim(Request, frozen=True, tag="settle_claim"):
    """Staff pay a claim. 返金"""

    claim_no: ClaimNo


class Part(enum.Enum):
    """What a technician can test."""

    CARD = "card"  # カードリーダー
    KEYPAD = "keypad"  # テンキー
    COIN = "coin"  # 硬貨投入口
    HOPPER = "hopper"  # 釣銭ホッパー
    PRINTER = "printer"  # A4プリンター
    RECEIPT = "receipt"  # レシートプリンター
    LAMP = "lamp"  # ランプ
    BUZZER = "buzzer"  # ブザー
    DOOR = "door"  # 扉
    VOICE = "voice"  # 音声
    NETWORK = "network"  # 通信


class AskNonce(Request, frozen=True, tag="nonce"):
    """What an order must carry while the clock is not trusted; empty while it is."""


class Login(Request, frozen=True, tag="login"):
    """Open the session of a maintenance order. 保守指示"""

    order: Annotated[str, msgspec.Meta(max_length=8192)]


class Logout(Request, frozen=True, tag="logout"):
    """End the session; the order is spent."""


class AskStatus(Request, frozen=True, tag="status"):
    """Everything on one screen. 状態"""


class AskEvents(Request, frozen=True, tag="events"):
    """The last events of the log behind number since. event: of this id, or behind this code of the screen.

    Where the running kiosk remembers fewer, its older log is read too, unless since says where to begin.

    wait_seconds: for how long to wait for one.
    """

    since: Annotated[int, msgspec.Meta(ge=0)] = 0
    event: str = ""
    last: Annotated[int, msgspec.Meta(ge=1, le=2000)] = 20
    wait_seconds: Annotated[float, msgspec.Meta(ge=0, le=30)] = 0.0


class TestPart(Request, frozen=True, tag="test"):
    """Is this part fit? seen: the technician's own word, for what only eyes and ears can tell."""

    part: Part
    seen: bool | None = None


class ShowCash(Request, frozen=True, tag="show_cash"):
    """Where the coins lie. 現金在高"""


class ShowDays(Request, frozen=True, tag="show_days"):
    """The closed days. 日計"""


class AskJournal(Request, frozen=True, tag="journal"):
    """show: the last entries; verify: check every one; export: into a file."""

    what: Annotated[str, msgspec.Meta(pattern=r"\A(show|verify|export|balance)\Z")]
    last: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20


class ListClaims(Request, frozen=True, tag="claims"):
    """Money owed by slips. 返金引換券"""


class ListVisits(Request, frozen=True, tag="visits"):
    """The last visits by their outcome, and the one that waits for a decision."""


class ResolveVisit(Request, frozen=True, tag="resolve_visit"):
    """Somebody has looked: the pages of this visit came out and were handed over, or not."""

    visit: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{4,32}\Z")]
    printed: bool


class SayPrinterOff(Request, frozen=True, tag="printer_off"):
    """Somebody has switched the dead printer off, so that no page of this visit can come out any more."""

    visit: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{4,32}\Z")]


class SwitchMaintenance(Request, frozen=True, tag="maintenance"):
    """Out of service at the end of the running visit, or in service again. 保守中"""

    on: bool


class PlanMaintenance(Request, frozen=True, tag="plan"):
    """Out of service between two moments; both empty: no plan any more."""

    begins: Moment | None = None
    ends: Moment | None = None


class ShowHours(Request, frozen=True, tag="hours"):
    """When the kiosk serves. 営業時間"""


class MakeBundle(Request, frozen=True, tag="bundle"):
    """A file for whoever helps from afar; nothing of a person is in it."""


class ShowCertificate(Request, frozen=True, tag="certificate"):
    """The kiosk's own certificate. 端末証明書"""


class RenewCertificate(Request, frozen=True, tag="renew_certificate"):
    """Ask the municipality for a new certificate and take it; between visits only."""


class CheckConfig(Request, frozen=True, tag="check_config"):
    """Read the configuration's files and say what is wrong with them."""


class ReloadConfig(Request, frozen=True, tag="reload_config"):
    """Check the files, then start the kiosk anew with them; between visits only."""


class Reboot(Request, frozen=True, tag="reboot"):
    """Start the machine anew; between visits only."""


class AskUpdate(Request, frozen=True, tag="update"):
    """Which slot runs, and what became of the last update. 更新"""


class InstallUpdate(Request, frozen=True, tag="install_update"):
    """Install a signed bundle: out of service, then the machine starts anew; between visits only."""

    bundle: Annotated[str, msgspec.Meta(pattern=r"\A/[^\x00-\x1f]{1,1000}\Z")]


class Decommission(Request, frozen=True, tag="decommission"):
    """Erase this kiosk for good and switch the machine off. urn: its own name, typed by hand. 廃止"""

    urn: Annotated[str, msgspec.Meta(pattern=r"\A[!-~]{1,200}\Z")]


BookRequest = Refill | Collect | Count | CloseDay | PrintDay | PrintSelfTest | AskClaim | SettleClaim
"""What concerns coins, days and claims."""

AnyRequest = (
    BookRequest
    | AskNonce
    | Login
    | Logout
    | AskStatus
    | AskEvents
    | TestPart
    | ShowCash
    | ShowDays
    | AskJournal
    | ListClaims
    | ListVisits
    | ResolveVisit
    | SayPrinterOff
    | SwitchMaintenance
    | PlanMaintenance
    | ShowHours
    | MakeBundle
    | ShowCertificate
    | RenewCertificate
    | CheckConfig
    | ReloadConfig
    | Reboot
    | AskUpdate
    | InstallUpdate
    | Decommission
)


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """done: it was carried out; text: what was done, or why nothing was.

    facts: the same for a program. asks: a question for the technician, after which the request is sent
    again with the answer.
    """

    done: bool
    text: str
    facts: dict[str, Any] = {}
    asks: str = ""


_REQUESTS = msgspec.json.Decoder(AnyRequest)
_ANSWERS = msgspec.json.Decoder(Answer)


def to_line(message: AnyRequest | Answer) -> bytes:
    """One JSON line with its line end."""
    return msgspec.json.encode(message) + b"\n"


def to_request(line: bytes) -> AnyRequest:
    """Raises ConsoleError naming the field that is wrong."""
    try:
        request: AnyRequest = _REQUESTS.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as cause:
        raise ConsoleError("no request: {cause}", cause=cause) from cause
    return request


def to_answer(line: bytes) -> Answer:
    """Raises ConsoleError for anything else."""
    try:
        return _ANSWERS.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as cause:
        raise ConsoleError("the kiosk's answer is none of this console's") from cause

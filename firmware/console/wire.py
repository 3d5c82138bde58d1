"""What goes over the console's socket: one JSON line there, one back, then the end.

Nothing of a person can be asked for or said.
"""

from typing import Annotated

import msgspec

from firmware.core.terms import Yen
from firmware.errors import ConsoleError

MOST_BYTES = 65_536

Hopper = Annotated[int, msgspec.Meta(ge=0, le=255)]
Coin = Annotated[Yen, msgspec.Meta(ge=1, le=500)]
Coins = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
ClaimNo = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-F]{4}-[0-9A-F]{4}\Z")]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="act"):
    """What staff want."""


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


AnyRequest = Refill | Collect | Count | CloseDay | PrintDay | PrintSelfTest | AskClaim | SettleClaim


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """done: it was carried out; text: what was done, or why nothing was."""

    done: bool
    text: str


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
        raise ConsoleError(f"no request: {cause}") from cause
    return request


def to_answer(line: bytes) -> Answer:
    """Raises ConsoleError for anything else."""
    try:
        return _ANSWERS.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as cause:
        raise ConsoleError("the kiosk's answer is none of this console's") from cause

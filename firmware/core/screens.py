"""What a screen shows, without words: message ids, numbers and keys.

`firmware/screen/texts.py` turns a Screen and a language into the text of the page. Nothing in
here can hold a name, a number or a PIN of a person: values are integers and members of enums.
"""

import enum
from dataclasses import dataclass

from firmware.core.terms import CertificateKind, Yen


class ScreenId(enum.Enum):
    """One id per picture of the storyboard."""

    IDLE = "idle"  # 待機
    CLOSED = "closed"  # 休止 (hours, maintenance)
    OUT_OF_SERVICE = "out_of_service"  # 故障
    NOTICE = "notice"  # 同意
    PRESENT_CARD = "present_card"
    READING_CARD = "reading_card"
    PIN = "pin"  # 暗証番号
    PIN_WRONG = "pin_wrong"
    CHECKING = "checking"  # 照会中
    TAKE_CARD = "take_card"
    CHOOSE_KIND = "choose_kind"
    CHOOSE_SUBJECTS = "choose_subjects"
    CHOOSE_MEMBERS = "choose_members"
    CHOOSE_ITEMS = "choose_items"
    CHOOSE_COPIES = "choose_copies"
    CONFIRM = "confirm"
    PREPARING = "preparing"
    COINS = "coins"
    CLOSING_COINS = "closing_coins"
    COMMITTING = "committing"
    PRINTING = "printing"
    PAYING_OUT = "paying_out"  # change or refund on its way
    TAKE_ALL = "take_all"  # certificates, change, receipt
    THANKS = "thanks"
    ENDED = "ended"  # the visit ends without a certificate; reason says why
    ATTEND = "attend"  # staff needed
    STAFF_CODE = "staff_code"  # 係員コード
    STAFF_CHECKING = "staff_checking"
    STOP = "stop"  # 中止確認
    GO_ON = "go_on"  # 時間切れの前


class Place(enum.Enum):
    """The part of the machine where the person acts now; its lamp is lit."""

    CARD = "card"
    KEYPAD = "keypad"
    COIN = "coin"
    PAPER = "paper"
    CHANGE = "change"


class ItemState(enum.Enum):
    """One line of the take-everything checklist."""

    DONE = "done"
    NOW = "now"
    NEXT = "next"


@dataclass(frozen=True, slots=True)
class Legend:
    """Message ids of what 取消, 訂正 and 確定 do now; None: the key does nothing and is greyed."""

    cancel: str | None = None
    correct: str | None = None
    confirm: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A part of a sentence that is said by itself: a message id, and the number in it if it has one."""

    text: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """A numbered choice. selected: None for a plain choice, else the state of a switch.

    more: what tells it from another of the same text.
    """

    digit: int
    text: str
    fee_yen: Yen | None = None
    selected: bool | None = None
    more: Said | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: message ids of label and values, or a number, or a claim number as text.

    parts: values that are put together, each of one part or more.
    """

    label: str
    values: tuple[str, ...]
    number: int | None = None
    text: str | None = None
    parts: tuple[tuple[Said, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class CheckItem:
    """A line of the checklist: message id, count for its placeholder, state."""

    text: str
    count: int
    state: ItemState


@dataclass(frozen=True, slots=True)
class Screen:
    """Everything one screen shows.

    reason: variant of the screen; its texts stand under `<id>.<reason>` and fall back to `<id>`.
    step: 1–5 of the step indicator, or None. numbers: placeholders of the texts.
    seconds: time-out of this screen, None if it has none. ready_seconds: until what it waits for is done by
    experience, None where nobody can know.
    """

    id: ScreenId
    reason: str = ""
    step: int | None = None
    place: Place | None = None
    legend: Legend = Legend()
    choices: tuple[Choice, ...] = ()
    numbers: tuple[tuple[str, int], ...] = ()
    kind: CertificateKind | None = None
    rows: tuple[Row, ...] = ()
    pin_digits: int | None = None
    fee_yen: Yen | None = None
    paid_yen: Yen | None = None
    exact_money_only: bool = False
    pages_out: int | None = None
    pages: int | None = None
    checklist: tuple[CheckItem, ...] = ()
    alarm: bool = False
    error: bool = False
    seconds: float | None = None
    ready_seconds: float | None = None

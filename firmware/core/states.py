"""The states of the kiosk. A state carries what its screen needs, never anything of a person."""

import enum
from dataclasses import dataclass

from firmware.core.terms import (
    CertificateKind,
    Offer,
    OrderId,
    RecordItem,
    Subjects,
    VisitId,
    Yen,
)


class EndReason(enum.Enum):
    """Why a visit ends without a certificate; each has its sentence on the screen."""

    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    NOT_A_MY_NUMBER_CARD = "not_a_my_number_card"
    JUKI_CARD = "juki_card"
    SMARTPHONE = "smartphone"
    DRIVING_LICENCE = "driving_licence"
    RESIDENCE_CARD = "residence_card"
    FELICA = "felica"
    BANK_CARD = "bank_card"
    NO_CARD = "no_card"
    NO_CERTIFICATE = "no_certificate"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    SEVERAL_CARDS = "several_cards"
    UNREADABLE = "unreadable"
    MOVED = "moved"
    READER_FAULT = "reader_fault"
    PIN_LOCKED = "pin_locked"
    PIN_UNCERTAIN = "pin_uncertain"
    GO_TO_COUNTER = "go_to_counter"
    UNDER_15 = "under_15"
    NOT_THIS_MUNICIPALITY = "not_this_municipality"
    CERTIFICATE_NOT_ACCEPTED = "certificate_not_accepted"
    OUTSIDE_HOURS = "outside_hours"
    MUNICIPALITY_DOWN = "municipality_down"
    PRINTER_NOT_READY = "printer_not_ready"
    TOO_FEW_SHEETS = "too_few_sheets"
    NO_CHANGE = "no_change"
    DOCUMENT_REFUSED = "document_refused"
    COIN_FAULT = "coin_fault"
    DOOR_OPENED = "door_opened"
    PAPER_LEFT = "paper_left"  # 取り忘れ: somebody else's, and nothing of anybody may come to lie on it
    PRINT_FAILED = "print_failed"
    POWER_CUT = "power_cut"
    PRINT_DEFECT = "print_defect"  # 印刷不良: staff gave the fee back


class Question(enum.Enum):
    """What a screen asks before it gives up what the person has done; the state under it stays as it is."""

    STOP = "stop"  # 中止確認: 取消 was pressed
    GO_ON = "go_on"  # 時間切れの前: nobody has pressed anything for long


class PayoutPurpose(enum.Enum):
    """Why coins go back to the person."""

    CHANGE = "change"  # おつり
    REFUND = "refund"  # 返金


class Slip(enum.Enum):
    """What the receipt printer prints for a person."""

    RECEIPT = "receipt"  # 領収証書
    CLAIM = "claim"  # 返金引換票


@dataclass(frozen=True, slots=True)
class Purchase:
    """One issuance as ordered. sheets, pages and fee_yen are known once it is reserved (else 0).

    fingerprint: of its sealed contents, tells nothing of them; the very same issuance is known again by it.
    members: numbers of those on a 住民票 of some of the household, ascending; else empty.
    """

    order_id: OrderId
    kind: CertificateKind
    subjects: Subjects
    items: frozenset[RecordItem]
    copies: int
    fee_yen: Yen = 0
    sheets: int = 0
    pages: int = 0
    fingerprint: str = ""
    members: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Sale:
    """What was sold last, while its print may be complained of. attempt: its last reprint, 0 for none."""

    purchase: Purchase
    receipt_no: str
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Menu:
    """What the person may choose from."""

    offers: tuple[Offer, ...]
    refused: tuple[CertificateKind, ...]


@dataclass(frozen=True, slots=True)
class NotServing:
    """休止: no visit can begin; the facts say why."""


@dataclass(frozen=True, slots=True)
class Idle:
    """待機"""


@dataclass(frozen=True, slots=True)
class Notice:
    """同意: what the person must know before anything else (R9 R11 R12 R13)."""

    visit: VisitId
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class AwaitingCard:
    visit: VisitId
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class ReadingCard:
    visit: VisitId


@dataclass(frozen=True, slots=True)
class OpeningSession:
    visit: VisitId
    tries_left: int


@dataclass(frozen=True, slots=True)
class EnteringPin:
    """暗証番号: digits counts what is typed."""

    visit: VisitId
    tries_left: int
    digits: int = 0
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class Signing:
    """VERIFY and the signature are on their way to the card; nothing may interrupt them."""

    visit: VisitId


@dataclass(frozen=True, slots=True)
class PinWasWrong:
    visit: VisitId
    tries_left: int
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class Authenticating:
    visit: VisitId


@dataclass(frozen=True, slots=True)
class TakingCard:
    """Nothing goes on until the card is back with its owner."""

    visit: VisitId
    menu: Menu
    alarms: int = 0


@dataclass(frozen=True, slots=True)
class ChoosingKind:
    visit: VisitId
    menu: Menu
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class ChoosingSubjects:
    visit: VisitId
    menu: Menu
    offer: Offer
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class ChoosingMembers:
    """世帯の一部: chosen are numbers of members. page: of their list, from 0."""

    visit: VisitId
    menu: Menu
    offer: Offer
    chosen: frozenset[int] = frozenset()
    page: int = 0
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class ChoosingItems:
    """members, here and in the next two: see Purchase."""

    visit: VisitId
    menu: Menu
    offer: Offer
    subjects: Subjects
    items: frozenset[RecordItem] = frozenset()
    question: Question | None = None
    members: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ChoosingCopies:
    visit: VisitId
    menu: Menu
    offer: Offer
    subjects: Subjects
    items: frozenset[RecordItem]
    question: Question | None = None
    members: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Confirming:
    """page: of those whose record it will be, from 0; only the last one goes on to the payment."""

    visit: VisitId
    menu: Menu
    offer: Offer
    subjects: Subjects
    items: frozenset[RecordItem]
    copies: int
    question: Question | None = None
    members: tuple[int, ...] = ()
    page: int = 0


@dataclass(frozen=True, slots=True)
class Preparing:
    """The issuance is reserved and the document made before any money is asked for."""

    visit: VisitId
    purchase: Purchase


@dataclass(frozen=True, slots=True)
class CollectingCoins:
    """exact: 500-yen coins are not taken because change runs low, decided before the first coin.

    withheld, here and later: the hoppers pay none of this visit's money; what is owed goes on a claim slip.
    rejected: coins that fell through since the last coin or key, as far as they are told of. telling: the
    screen tells of one now; each restarts the timer.
    """

    visit: VisitId
    purchase: Purchase
    exact: bool
    paid_yen: Yen = 0
    withheld: bool = False
    question: Question | None = None
    rejected: int = 0
    telling: bool = False


@dataclass(frozen=True, slots=True)
class ClosingCoins:
    """The slot shuts and coins in flight arrive. refund: why the money goes back; None: it is spent."""

    visit: VisitId
    purchase: Purchase
    paid_yen: Yen
    refund: EndReason | None = None
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Committing:
    visit: VisitId
    purchase: Purchase
    paid_yen: Yen
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class Printing:
    """attempt: 0, or which reprint (再印刷) this is. sold: its fee is kept already."""

    visit: VisitId
    purchase: Purchase
    paid_yen: Yen
    receipt_no: str
    pages_out: int = 0
    withheld: bool = False
    attempt: int = 0
    sold: bool = False


@dataclass(frozen=True, slots=True)
class CoinOnItsWay:
    """A coin asked of a hopper. coins: how many it should hold, None when a power cut lay between."""

    hopper: int
    yen: Yen
    coins: int | None


@dataclass(frozen=True, slots=True)
class PayingOut:
    """One coin after another. reason: how the visit ends after a refund; None after a sale.

    coin: the one on its way. failed: hoppers that paid nothing when asked; they are not asked again.
    """

    visit: VisitId
    purchase: Purchase
    purpose: PayoutPurpose
    paid_yen: Yen
    remaining_yen: Yen
    receipt_no: str = ""
    back_yen: Yen = 0
    reason: EndReason | None = None
    coin: CoinOnItsWay | None = None
    failed: frozenset[int] = frozenset()
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class PrintingSlip:
    """slips still to print, the present one first. owed_yen: by claim slip."""

    visit: VisitId
    purchase: Purchase
    slips: tuple[Slip, ...]
    paid_yen: Yen
    back_yen: Yen
    owed_yen: Yen
    receipt_no: str
    reason: EndReason | None


@dataclass(frozen=True, slots=True)
class TakingAll:
    """お取り忘れなく: certificates, change and receipt. receipt_out: it was printed.

    reprinted: after a defect; the receipt was taken before.
    """

    visit: VisitId
    purchase: Purchase
    back_yen: Yen
    owed_yen: Yen
    receipt_out: bool = True
    alarms: int = 0
    reprinted: bool = False


@dataclass(frozen=True, slots=True)
class Thanks:
    visit: VisitId
    purchase: Purchase
    back_yen: Yen
    owed_yen: Yen
    receipt_out: bool = True
    reprinted: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The visit ended without a certificate; waits until card and coins are taken.

    alarms: 0 before the first reminder, then 1 and 2 in turn, so that each restarts the timer.
    slip_out: what is owed came on a claim slip; else its number must be written down.
    """

    visit: VisitId
    reason: EndReason
    back_yen: Yen = 0
    owed_yen: Yen = 0
    alarms: int = 0
    slip_out: bool = True


@dataclass(frozen=True, slots=True)
class Attending:
    """Nobody can prove the print, or the person complains of it (印刷不良): the store's staff decide.

    They have opened the door, or typed the staff code (admitted). sold: the fee is kept already.
    attempt: the last reprint asked for, 0 for none. refused: the municipality permits no other.
    destroyed: the sheets that came out before are, so that the person may have none. printer_off: staff say
    that the dead printer is switched off.
    """

    visit: VisitId
    purchase: Purchase
    paid_yen: Yen
    receipt_no: str
    pages_out: int
    withheld: bool = False
    sold: bool = False
    admitted: bool = False
    attempt: int = 0
    refused: bool = False
    destroyed: bool = False
    printer_off: bool = False

    @property
    def begun(self) -> bool:
        """The journal knows this visit: that of a complaint begins when staff are first let in."""
        return not self.sold or self.admitted or self.destroyed


@dataclass(frozen=True, slots=True)
class EnteringStaffCode:
    """係員コード: attending says what staff will decide. digits counts what is typed.

    left: where staff were called from while something of the person was still there to be taken.
    """

    attending: Attending
    digits: int = 0
    wrong: bool = False
    left: TakingAll | None = None


@dataclass(frozen=True, slots=True)
class CheckingStaffCode:
    """The slow hash of what was typed is being made. left: see EnteringStaffCode."""

    attending: Attending
    left: TakingAll | None = None


@dataclass(frozen=True, slots=True)
class Refetching:
    """The same issuance is fetched again, sealed to a new worker."""

    attending: Attending


State = (
    NotServing
    | Idle
    | Notice
    | AwaitingCard
    | ReadingCard
    | OpeningSession
    | EnteringPin
    | Signing
    | PinWasWrong
    | Authenticating
    | TakingCard
    | ChoosingKind
    | ChoosingSubjects
    | ChoosingMembers
    | ChoosingItems
    | ChoosingCopies
    | Confirming
    | Preparing
    | CollectingCoins
    | ClosingCoins
    | Committing
    | Printing
    | PayingOut
    | PrintingSlip
    | TakingAll
    | Thanks
    | Ended
    | Attending
    | EnteringStaffCode
    | CheckingStaffCode
    | Refetching
)

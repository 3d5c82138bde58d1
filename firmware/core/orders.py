"""What the engine asks of the shell.

A *bound* order belongs to a state: the shell starts it when the state calls for it and cancels it
when it no longer does. A *committed* order runs to its answer, whatever happens meanwhile.
"""

import enum
from dataclasses import dataclass

from firmware.core.states import Purchase, Slip
from firmware.core.terms import Aid, CertificateKind, Language, OrderId, VisitId, Yen


class Alarm(enum.Enum):
    """What the buzzer sounds."""

    KEY = "key"
    ATTENTION = "attention"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class RunTimer:
    """TimedOut after so many seconds. state and turn tell one timer from the next."""

    state: str
    turn: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ReadCard:
    """Answers: CardRead, CardRefused."""

    visit: VisitId


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Answers: SessionOpened, MunicipalityFailed, MunicipalityRefused."""

    visit: VisitId


@dataclass(frozen=True, slots=True)
class CollectPin:
    """Keys go to the PIN buffer. Answers: PinDigits, PinEntered; 取消 stays KeyPressed."""

    visit: VisitId


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Answers: PersonKnown, MunicipalityRefused, MunicipalityFailed."""

    visit: VisitId


@dataclass(frozen=True, slots=True)
class Prepare:
    """Answers: DocumentPrepared, DocumentRefused, MunicipalityRefused, MunicipalityFailed."""

    visit: VisitId
    purchase: Purchase


@dataclass(frozen=True, slots=True)
class AcceptCoins:
    """The slot is open for these coins. Answers: CoinInserted, any number."""

    visit: VisitId
    denominations: frozenset[Yen]


@dataclass(frozen=True, slots=True)
class CloseCoins:
    """Answer: CoinsClosed."""

    visit: VisitId


@dataclass(frozen=True, slots=True)
class CollectStaffCode:
    """Keys go to the staff code's buffer. Answers: StaffDigits, StaffCodeEntered; 取消 stays KeyPressed."""

    visit: VisitId


BoundOrder = (
    RunTimer
    | ReadCard
    | OpenSession
    | CollectPin
    | Authenticate
    | Prepare
    | AcceptCoins
    | CloseCoins
    | CollectStaffCode
)


@dataclass(frozen=True, slots=True)
class CheckStaffCode:
    """Answers: StaffKnown, StaffUnknown."""

    visit: VisitId


@dataclass(frozen=True, slots=True)
class FetchAgain:
    """The same issuance from the municipality, sealed to a new worker, which prepares it.

    attempt: which reprint this is, from 1; the municipality counts each once.
    Answers: DocumentPrepared, DocumentRefused, MunicipalityRefused, MunicipalityFailed.
    """

    visit: VisitId
    order_id: OrderId
    attempt: int


@dataclass(frozen=True, slots=True)
class SignWithPin:
    """One VERIFY, one signature. Answers: CardSigned, PinWasRefused, PinIsLocked, PinInDoubt, CardRefused."""

    visit: VisitId


@dataclass(frozen=True, slots=True)
class Release:
    """Commit the issuance. Answers: IssueReleased, MunicipalityRefused, MunicipalityFailed."""

    visit: VisitId
    order_id: OrderId
    fee_yen: Yen


@dataclass(frozen=True, slots=True)
class Print:
    """Hand the document over and follow it. sheets: 0 if unknown. Answers: PagesOut, PrintFinished."""

    visit: VisitId
    job_name: str
    pages: int
    sheets: int = 0


@dataclass(frozen=True, slots=True)
class FollowPrint:
    """Follow a job handed over before a power cut; print nothing. Answers: PagesOut, PrintFinished."""

    visit: VisitId
    job_name: str
    pages: int


@dataclass(frozen=True, slots=True)
class CancelPrint:
    """Cancel a job of before a power cut wherever it still is, and until it is gone. No answer."""

    visit: VisitId
    job_name: str


@dataclass(frozen=True, slots=True)
class PayCoin:
    """Answer: CoinPaid."""

    visit: VisitId
    hopper: int
    life_count: int


@dataclass(frozen=True, slots=True)
class ReconcileCoin:
    """Was the coin paid whose intent stood before a power cut? serial: that hopper's. Answer: CoinPaid."""

    visit: VisitId
    hopper: int
    life_count: int
    serial: int | None = None


@dataclass(frozen=True, slots=True)
class PrintSlip:
    """Answer: SlipFinished."""

    visit: VisitId
    slip: Slip
    kind: CertificateKind
    copies: int
    fee_yen: Yen
    paid_yen: Yen
    back_yen: Yen
    owed_yen: Yen
    receipt_no: str
    claim_no: str


@dataclass(frozen=True, slots=True)
class EndVisit:
    """Forget card session, municipal session and document worker. No answer."""

    visit: VisitId


@dataclass(frozen=True, slots=True)
class Speak:
    """Change the language of the screen. No answer."""

    language: Language


@dataclass(frozen=True, slots=True)
class Adapt:
    """Turn this aid on, or off if it is on. No answer."""

    aid: Aid


@dataclass(frozen=True, slots=True)
class Sound:
    """Sound the buzzer. No answer."""

    alarm: Alarm


CommittedOrder = (
    SignWithPin
    | Release
    | Print
    | FollowPrint
    | CancelPrint
    | PayCoin
    | ReconcileCoin
    | PrintSlip
    | EndVisit
    | Speak
    | Adapt
    | Sound
    | CheckStaffCode
    | FetchAgain
)

Order = BoundOrder | CommittedOrder

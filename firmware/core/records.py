"""What the journal keeps: visits, issuances and money, nothing of a person.

Records of one step are committed in one transaction before any order of that step leaves.
visit is empty for what happens outside a visit.
"""

from dataclasses import dataclass

from firmware.core.states import EndReason, PayoutPurpose, Slip
from firmware.core.terms import Certainty, CertificateKind, OrderId, Role, Strike, VisitId, Yen
from firmware.core.totals import DayTotals


@dataclass(frozen=True, slots=True)
class DaemonStarted:
    version: str


@dataclass(frozen=True, slots=True)
class VisitBegan:
    visit: VisitId


@dataclass(frozen=True, slots=True)
class PersonAuthenticated:
    visit: VisitId


@dataclass(frozen=True, slots=True)
class CardStrike:
    """Counts toward the kiosk's own lockout (`firmware.core.lockout`); PersonAuthenticated clears."""

    visit: VisitId
    strike: Strike


@dataclass(frozen=True, slots=True)
class OrderAsked:
    """Written before the order is sent, so that its id outlives a power cut."""

    visit: VisitId
    order_id: OrderId
    kind: CertificateKind
    copies: int


@dataclass(frozen=True, slots=True)
class OrderReserved:
    """fingerprint: by which the same issuance is known again when it is fetched for a reprint."""

    visit: VisitId
    order_id: OrderId
    fee_yen: Yen
    sheets: int
    pages: int
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class SlotOpened:
    """Coins may come in from now, whatever becomes of the kiosk; until SlotShut. visit: empty for a test.

    serial and counter: the acceptor and where its event counter stood. pairs: its last events then, as
    `firmware.ports.CoinMark` keeps them; empty, here and in the records of coins, where they are not known.
    """

    visit: VisitId
    serial: int
    counter: int
    pairs: str = ""


@dataclass(frozen=True, slots=True)
class CoinTaken:
    """A coin that counts for the visit's fee."""

    visit: VisitId
    yen: Yen
    serial: int
    counter: int
    pairs: str = ""


@dataclass(frozen=True, slots=True)
class CoinUnclaimed:
    """A coin nobody was asked for; the settlement shows it."""

    yen: Yen
    serial: int
    counter: int
    pairs: str = ""


@dataclass(frozen=True, slots=True)
class CoinsSuspected:
    """The acceptor cannot say what went in.

    withdrawn: a coin already credited may have left again; the visit's money is for staff to settle.
    """

    visit: str
    lost: int
    code: int
    withdrawn: bool
    serial: int
    counter: int
    pairs: str = ""


@dataclass(frozen=True, slots=True)
class SlotShut:
    """Where the acceptor's event counter stood then: coins that fell through have moved it too. visit: empty
    for a slot that its visit did not see shut.

    Written only if the acceptor answered: of a silent one nobody knows what it took last.
    """

    visit: VisitId
    serial: int
    counter: int
    pairs: str = ""


@dataclass(frozen=True, slots=True)
class IssueIntended:
    visit: VisitId
    order_id: OrderId
    fee_yen: Yen


@dataclass(frozen=True, slots=True)
class IssueCommitted:
    visit: VisitId
    order_id: OrderId
    receipt_no: str


@dataclass(frozen=True, slots=True)
class IssueFailed:
    """The release was refused (NOT_DONE) or never answered (UNKNOWN); nothing can be printed."""

    visit: VisitId
    order_id: OrderId
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class PrintIntended:
    visit: VisitId
    order_id: OrderId
    job_name: str
    pages: int


@dataclass(frozen=True, slots=True)
class PrintEnded:
    visit: VisitId
    order_id: OrderId
    certainty: Certainty
    pages_out: int


@dataclass(frozen=True, slots=True)
class StaffDecided:
    """Staff looked at an unproven print: printed and handed over, or not."""

    visit: VisitId
    order_id: OrderId
    printed: bool


@dataclass(frozen=True, slots=True)
class PrinterOff:
    """Staff say that the dead printer is switched off: what it held is gone, the print can be settled."""

    visit: VisitId
    order_id: OrderId


@dataclass(frozen=True, slots=True)
class PaperFound:
    """拾得用紙: paper came out after its print was settled with the printer dead. It is nobody's."""

    visit: VisitId
    order_id: OrderId


@dataclass(frozen=True, slots=True)
class StaffRefused:
    """A wrong staff code (係員コード). visit: empty at the door, and for a sale that is complained of."""

    visit: str


@dataclass(frozen=True, slots=True)
class StaffAdmitted:
    """The right staff code; clears the wrong ones before. visit: empty at the open door."""

    visit: VisitId


@dataclass(frozen=True, slots=True)
class DefectOpened:
    """印刷不良: staff look at what was sold before; a visit of its own, whose money is the fee at most.

    attempt: the last reprint of this order so far, 0 for none.
    """

    visit: VisitId
    order_id: OrderId
    kind: CertificateKind
    copies: int
    fee_yen: Yen
    sheets: int
    pages: int
    receipt_no: str
    fingerprint: str
    attempt: int


@dataclass(frozen=True, slots=True)
class SheetsDestroyed:
    """Staff say that the bad sheets are destroyed, or that none came out (不良用紙の廃棄)."""

    visit: VisitId
    order_id: OrderId


@dataclass(frozen=True, slots=True)
class ReprintIntended:
    """再印刷: written before the municipality is asked for the same issuance once more."""

    visit: VisitId
    order_id: OrderId
    attempt: int


@dataclass(frozen=True, slots=True)
class FeeReturned:
    """The fee that was kept for this order is the person's again; it is paid out or owed by a slip."""

    visit: VisitId
    order_id: OrderId
    kind: CertificateKind
    copies: int
    yen: Yen


@dataclass(frozen=True, slots=True)
class FeeEarned:
    """The fee belongs to the municipality from now (収納)."""

    visit: VisitId
    order_id: OrderId
    yen: Yen


@dataclass(frozen=True, slots=True)
class PayoutBegan:
    """All of this goes back to the person."""

    visit: VisitId
    purpose: PayoutPurpose
    yen: Yen
    reason: EndReason | None


@dataclass(frozen=True, slots=True)
class CoinPayIntended:
    """life_count: the hopper's own counter before this coin. serial: of that hopper, None if not known."""

    visit: VisitId
    hopper: int
    yen: Yen
    life_count: int
    serial: int | None = None


@dataclass(frozen=True, slots=True)
class CoinPayEnded:
    visit: VisitId
    hopper: int
    yen: Yen
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class HopperFoundEmpty:
    """No coin came although so many should lie there: it is empty or jammed. visit: empty for a trial.

    Of a trial that the power cut, too: the coin never came, and whether the hopper ran in vain nobody knows.
    """

    visit: VisitId
    hopper: int
    believed_coins: int


@dataclass(frozen=True, slots=True)
class ClaimOpened:
    """Money owed to the person by a slip with this number (返金引換票)."""

    visit: VisitId
    claim_no: str
    yen: Yen


@dataclass(frozen=True, slots=True)
class PayoutEnded:
    visit: VisitId
    order_id: OrderId
    purpose: PayoutPurpose
    back_yen: Yen
    owed_yen: Yen


@dataclass(frozen=True, slots=True)
class SlipEnded:
    visit: VisitId
    slip: Slip
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class VisitEnded:
    """reason: None for a completed sale."""

    visit: VisitId
    reason: EndReason | None


@dataclass(frozen=True, slots=True)
class MunicipalityTold:
    """The municipality answered what an earlier record had to tell it. accepted: it agreed."""

    order_id: OrderId
    subject: str
    accepted: bool


@dataclass(frozen=True, slots=True)
class ClaimSettled:
    """Staff have paid a claim at this store, and the municipality has noted it.

    by: who, as the console knows them.
    """

    claim_no: str
    yen: Yen
    by: str


@dataclass(frozen=True, slots=True)
class ClaimPaidElsewhere:
    """The municipality says that somebody else has paid a claim of this kiosk: its counter."""

    claim_no: str
    by: str


@dataclass(frozen=True, slots=True)
class CoinsRefilled:
    """Coins put into a hopper (釣銭の補充). by: who, as the console knows them."""

    hopper: int
    coin_yen: Yen
    coins: int
    by: str


@dataclass(frozen=True, slots=True)
class CoinsCollected:
    """Coins taken out (回収). hopper: None for the cash box."""

    hopper: int | None
    coin_yen: Yen
    coins: int
    by: str


@dataclass(frozen=True, slots=True)
class CoinsCounted:
    """Somebody counted so many coins there (在高確認); the books said more or fewer until then.

    hopper: None for the cash box.
    """

    hopper: int | None
    coin_yen: Yen
    coins: int
    by: str


@dataclass(frozen=True, slots=True)
class TrialCoinIntended:
    """A technician has one coin paid out to see that the hopper works (試験払出); nobody's money is in it.

    life_count, serial: as in CoinPayIntended. by: who, as the console knows them.
    """

    hopper: int
    coin_yen: Yen
    life_count: int
    by: str
    serial: int | None = None


@dataclass(frozen=True, slots=True)
class TrialCoinEnded:
    """DONE: the technician has the coin, as if collected; it comes back by CoinsRefilled."""

    hopper: int
    coin_yen: Yen
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class DayClosed:
    """The business day ends here (締め): what follows belongs to the next.

    business_date: Japan's, ISO 8601. closed_at: the kiosk's clock, ISO 8601 with offset.
    """

    business_date: str
    closed_at: str


@dataclass(frozen=True, slots=True)
class DaySettled:
    """The totals of a closed day; they never change."""

    business_date: str
    closed_at: str
    totals: DayTotals


@dataclass(frozen=True, slots=True)
class DayCompared:
    """What the municipality found when it held its own books against a closed day."""

    business_date: str
    matched: bool
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MaintenanceOpened:
    """A maintenance order (保守指示) opened a session at the console, or took its own up again.

    by: the technician as the order names them, no person's name. ends: aware, ISO 8601.
    token_sha256: of what the console says with each command, hexadecimal.
    """

    order_id: str
    by: str
    roles: tuple[Role, ...]
    ends: str
    token_sha256: str


@dataclass(frozen=True, slots=True)
class MaintenanceClosed:
    """The session of this order is over, and so is the order."""

    order_id: str


@dataclass(frozen=True, slots=True)
class MaintenanceRefused:
    """Somebody showed an order that is none; counts toward the console's lockout."""

    reason: str


@dataclass(frozen=True, slots=True)
class CommandGiven:
    """A command at the console, before it is carried out. order_id: empty for the machine's own users."""

    order_id: str
    by: str
    command: str


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """A command from afar that was given was not carried out, and will not be by this number."""

    order_id: str


@dataclass(frozen=True, slots=True)
class MaintenanceSwitched:
    """Out of service for maintenance (保守中) from now, or in service again."""

    on: bool
    by: str


@dataclass(frozen=True, slots=True)
class MaintenancePlanned:
    """Out of service between the two moments (aware, ISO 8601); both empty: no plan any more."""

    begins: str
    ends: str
    by: str


Record = (
    DaemonStarted
    | VisitBegan
    | PersonAuthenticated
    | CardStrike
    | OrderAsked
    | OrderReserved
    | CoinTaken
    | CoinUnclaimed
    | CoinsSuspected
    | SlotShut
    | IssueIntended
    | IssueCommitted
    | IssueFailed
    | PrintIntended
    | PrintEnded
    | StaffDecided
    | FeeEarned
    | PayoutBegan
    | CoinPayIntended
    | CoinPayEnded
    | HopperFoundEmpty
    | ClaimOpened
    | PayoutEnded
    | SlipEnded
    | VisitEnded
    | MunicipalityTold
    | ClaimSettled
    | ClaimPaidElsewhere
    | CoinsRefilled
    | CoinsCollected
    | CoinsCounted
    | DayClosed
    | DaySettled
    | DayCompared
    | StaffRefused
    | StaffAdmitted
    | DefectOpened
    | SheetsDestroyed
    | ReprintIntended
    | FeeReturned
    | MaintenanceOpened
    | MaintenanceClosed
    | MaintenanceRefused
    | CommandGiven
    | CommandRefused
    | MaintenanceSwitched
    | MaintenancePlanned
    | TrialCoinIntended
    | TrialCoinEnded
    | SlotOpened
    | PrinterOff
    | PaperFound
)

BookEntry = CoinsRefilled | CoinsCollected | CoinsCounted | DayClosed
"""What is entered by hand or by the clock, between two visits."""

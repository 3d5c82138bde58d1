"""Levels of the world, passed into every step of the session engine.

An edge that arrives while nobody waits for it is lost and wedges a machine; a level is
still true when somebody asks. Each device reports its level whole, whenever it changes.
"""

from dataclasses import dataclass, field, replace
from typing import assert_never

from firmware.core.states import Sale
from firmware.core.terms import Page, PrinterReason, PrinterSupply, ServiceHours, VisitId


@dataclass(frozen=True, slots=True)
class ReaderLevel:
    """The card reader: does it work, does something lie on it."""

    working: bool = False
    card_present: bool = False


@dataclass(frozen=True, slots=True)
class KeypadLevel:
    """The keypad: are its keys watched; the only way a PIN enters."""

    working: bool = False


@dataclass(frozen=True, slots=True)
class AcceptorLevel:
    """The coin acceptor: can it take coins now."""

    working: bool = False


@dataclass(frozen=True, slots=True)
class HopperLevel:
    """One change hopper.

    hopper: its address on the coin bus, which tells it from the others.
    coins: coins it can pay for sure (the adapter's count, 0 if unknown).
    life_count: the device's own counter of coins ever paid, kept through power cuts. serial: whose counter
    that is, None before it has answered.
    """

    hopper: int = 3
    working: bool = False
    coins: int = 0
    coin_yen: int = 100
    life_count: int = 0
    serial: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentPrinterLevel:
    """The A4 printer; empty reasons mean that it can print.

    low: what staff should refill before it runs out. most_sheets: no more than these may be promised, None
    while nothing speaks against any number. dead: it has been silent for long, and our print server has
    answered all that time and held no job: what is left can lie in the printer's own memory alone.
    """

    reasons: frozenset[PrinterReason] = frozenset({PrinterReason.UNREACHABLE})
    low: frozenset[PrinterSupply] = frozenset()
    most_sheets: int | None = None
    dead: bool = False

    def can_print(self, sheets: int) -> bool:
        """Whether so many sheets may be promised now."""
        return not self.reasons and (self.most_sheets is None or sheets <= self.most_sheets)

    @property
    def may_hold_job(self) -> bool:
        """A page may still come out: the printer has a job, or nobody can see whether it has one."""
        return bool(self.reasons & {PrinterReason.JOBS_WAITING, PrinterReason.UNREACHABLE})


@dataclass(frozen=True, slots=True)
class ReceiptPrinterLevel:
    """The receipt printer; a silent one is not ready. paper_low: its roll is near the end."""

    ready: bool = False
    paper_low: bool = False


@dataclass(frozen=True, slots=True)
class PanelLevel:
    """Door contact and the two sensors that see what a person has not taken yet.

    paper_left: the person who should have taken the paper is gone; said for staff, it changes no decision.
    """

    door_open: bool = False
    paper_in_tray: bool = False
    change_in_cup: bool = False
    paper_left: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class MunicipalityLevel:
    """The backend: reachable with our certificate, by the last heartbeat.

    fault: why not, in a word for technicians such as own-certificate-expired; it changes no decision.
    """

    reachable: bool = False
    fault: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ClockLevel:
    """The clock and what it says about the service.

    reopens: month, day, hour and minute in Japan time at which maintenance ends, None if nobody knows.
    """

    trusted: bool = False
    hours: ServiceHours = ServiceHours.CLOSED
    reopens: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class LockoutLevel:
    """The kiosk's own lockout: no visit may begin while it waits.

    reopens: hour and minute in Japan time from which one may again, None for a wait of seconds.
    """

    waits: bool = False
    reopens: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class JournalLevel:
    """The file system under the journal: is there room for the records of more visits.

    The engine runs only with an open journal that has taken a record, so that there is until it is told.
    """

    room: bool = True


@dataclass(frozen=True, slots=True)
class StaffLevel:
    """What the store's staff can be called for.

    digits: of the staff code, 0 if none is set. waits: too many wrong ones, none is taken for a while.
    sale: whose print the person may still complain of.
    """

    digits: int = 0
    waits: bool = False
    sale: Sale | None = None


@dataclass(frozen=True, slots=True)
class MaintenanceLevel:
    """A technician has taken the kiosk out of service (保守中)."""

    on: bool = False


@dataclass(frozen=True, slots=True)
class ScreenLevel:
    """The display: does a page draw there, by its own word."""

    page: Page = Page.AWAITED

    @property
    def draws(self) -> bool:
        return self.page is Page.DRAWS

    @property
    def dark(self) -> bool:
        """For minutes."""
        return self.page in {Page.MISSING, Page.GONE}


@dataclass(frozen=True, slots=True)
class PaceLevel:
    """How fast pages have come out of late: the median of the last prints, 0 while nobody can say."""

    seconds_per_page: float = 0.0


Level = (
    ReaderLevel
    | KeypadLevel
    | AcceptorLevel
    | HopperLevel
    | DocumentPrinterLevel
    | ReceiptPrinterLevel
    | PanelLevel
    | MunicipalityLevel
    | ClockLevel
    | LockoutLevel
    | JournalLevel
    | StaffLevel
    | MaintenanceLevel
    | PaceLevel
    | ScreenLevel
)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the engine may know beside its state and the event.

    next_visit: the identity the next visit will get; drawn by the shell, never used twice.
    hoppers: every hopper that has reported, in the order of their addresses.
    """

    next_visit: VisitId
    reader: ReaderLevel = field(default_factory=ReaderLevel)
    keypad: KeypadLevel = field(default_factory=KeypadLevel)
    acceptor: AcceptorLevel = field(default_factory=AcceptorLevel)
    hoppers: tuple[HopperLevel, ...] = ()
    printer: DocumentPrinterLevel = field(default_factory=DocumentPrinterLevel)
    receipt: ReceiptPrinterLevel = field(default_factory=ReceiptPrinterLevel)
    panel: PanelLevel = field(default_factory=PanelLevel)
    municipality: MunicipalityLevel = field(default_factory=MunicipalityLevel)
    clock: ClockLevel = field(default_factory=ClockLevel)
    lockout: LockoutLevel = field(default_factory=LockoutLevel)
    journal: JournalLevel = field(default_factory=JournalLevel)
    staff: StaffLevel = field(default_factory=StaffLevel)
    maintenance: MaintenanceLevel = field(default_factory=MaintenanceLevel)
    pace: PaceLevel = field(default_factory=PaceLevel)
    screen: ScreenLevel = field(default_factory=ScreenLevel)

    def with_level(self, level: Level) -> "Facts":  # noqa: C901, PLR0912 - a line each
        """The same facts with one device's level replaced."""
        match level:
            case ReaderLevel():
                return replace(self, reader=level)
            case KeypadLevel():
                return replace(self, keypad=level)
            case AcceptorLevel():
                return replace(self, acceptor=level)
            case HopperLevel():
                return replace(self, hoppers=self._hoppers_with(level))
            case DocumentPrinterLevel():
                return replace(self, printer=level)
            case ReceiptPrinterLevel():
                return replace(self, receipt=level)
            case PanelLevel():
                return replace(self, panel=level)
            case MunicipalityLevel():
                return replace(self, municipality=level)
            case ClockLevel():
                return replace(self, clock=level)
            case LockoutLevel():
                return replace(self, lockout=level)
            case JournalLevel():
                return replace(self, journal=level)
            case StaffLevel():
                return replace(self, staff=level)
            case MaintenanceLevel():
                return replace(self, maintenance=level)
            case PaceLevel():
                return replace(self, pace=level)
            case ScreenLevel():
                return replace(self, screen=level)
            case _:
                assert_never(level)

    def hopper(self, address: int) -> HopperLevel:
        """The hopper at this address; one that never reported does not work."""
        return next((level for level in self.hoppers if level.hopper == address), HopperLevel(address))

    def _hoppers_with(self, level: HopperLevel) -> tuple[HopperLevel, ...]:
        others = [other for other in self.hoppers if other.hopper != level.hopper]
        return tuple(sorted([*others, level], key=lambda one: one.hopper))

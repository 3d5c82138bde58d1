"""What can happen to the session engine. Answers say which order they belong to by their type;
the shell drops an answer whose order is no longer wanted, except money: a coin is never stale.
"""

from dataclasses import dataclass

from firmware.core.records import BookEntry
from firmware.core.terms import (
    CardRefusal,
    Certainty,
    CertificateKind,
    KeypadKey,
    Offer,
    Refusal,
    VisitId,
    Yen,
)


@dataclass(frozen=True, slots=True)
class FactsChanged:
    """A level changed; only the fact-triggered transitions have work."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The timer of the present state ran out."""


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key or its touch twin. While a PIN is typed its digits never become this event."""

    key: KeypadKey


@dataclass(frozen=True, slots=True)
class ConsoleKey:
    """Staff answer at the console what this key would at the machine, for this visit alone."""

    visit: VisitId
    key: KeypadKey


@dataclass(frozen=True, slots=True)
class CardRead:
    """A usable My Number Card lies on the reader."""

    tries_left: int


@dataclass(frozen=True, slots=True)
class CardRefused:
    """The thing on the reader cannot be used."""

    refusal: CardRefusal


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """The municipality sent a challenge and the kiosk has checked every field of it."""


@dataclass(frozen=True, slots=True)
class PinDigits:
    """So many digits are typed; which ones only the PIN buffer knows."""

    count: int


@dataclass(frozen=True, slots=True)
class PinEntered:
    """Four digits are typed and confirmed."""


@dataclass(frozen=True, slots=True)
class PinWasRefused:
    """The card answered that the PIN is wrong."""

    tries_left: int


@dataclass(frozen=True, slots=True)
class PinIsLocked:
    """The card answers no PIN any more."""


@dataclass(frozen=True, slots=True)
class PinInDoubt:
    """No sure answer came to VERIFY; a try may be gone."""


@dataclass(frozen=True, slots=True)
class CardSigned:
    """The card signed the challenge and is powered down."""


@dataclass(frozen=True, slots=True)
class PersonKnown:
    """The municipality knows the person; refused kinds are only for the counter (窓口)."""

    offers: tuple[Offer, ...]
    refused: tuple[CertificateKind, ...]


@dataclass(frozen=True, slots=True)
class MunicipalityRefused:
    """The municipality decided not to do what was asked."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class MunicipalityFailed:
    """No usable answer; certainty UNKNOWN if the request may have been carried out."""

    certainty: Certainty


@dataclass(frozen=True, slots=True)
class DocumentPrepared:
    """The issuance is reserved, the document made and checked. pages: printed sides of all copies.

    fingerprint: of the sealed contents, see `firmware.core.states.Purchase`. serial, counter and pairs: where
    the acceptor stands now, before the slot may open; None if it was never heard.
    """

    fee_yen: Yen
    sheets: int
    pages: int
    fingerprint: str = ""
    serial: int | None = None
    counter: int = 0
    pairs: str = ""


@dataclass(frozen=True, slots=True)
class DocumentRefused:
    """The document cannot be made or does not match the order."""


@dataclass(frozen=True, slots=True)
class CoinInserted:
    """A coin is in the machine. serial and counter: the acceptor and its event counter after it.

    pairs: see `firmware.core.records.SlotOpened`.
    """

    yen: Yen
    serial: int
    counter: int
    pairs: str = ""


@dataclass(frozen=True, slots=True)
class CoinRejected:
    """A coin fell through to the return tray: one that this machine does not take, or takes not now."""


@dataclass(frozen=True, slots=True)
class CoinTrouble:
    """Coins may be in the machine that nobody can count; staff must look."""

    lost: int
    code: int
    serial: int
    counter: int
    pairs: str = ""


@dataclass(frozen=True, slots=True)
class CoinsClosed:
    """The slot is shut and no coin is in flight.

    serial and counter: the acceptor and its event counter, None if it was never heard.
    """

    serial: int | None = None
    counter: int = 0
    pairs: str = ""


@dataclass(frozen=True, slots=True)
class IssueReleased:
    """The municipality committed the issuance; the money is owed for it from now."""

    receipt_no: str


@dataclass(frozen=True, slots=True)
class PagesOut:
    """So many pages have really left the printer."""

    count: int


@dataclass(frozen=True, slots=True)
class PrintFinished:
    """The proof of the print: DONE, surely NOT_DONE, or UNKNOWN."""

    certainty: Certainty
    pages_out: int


@dataclass(frozen=True, slots=True)
class CoinPaid:
    """The answer of the hopper that was asked for one coin."""

    certainty: Certainty


@dataclass(frozen=True, slots=True)
class SlipFinished:
    """The receipt printer's answer about one slip."""

    certainty: Certainty


@dataclass(frozen=True, slots=True)
class Booked:
    """Staff handled coins, or the business day is over. Taken between visits only; together or not at all."""

    entries: tuple[BookEntry, ...]


@dataclass(frozen=True, slots=True)
class StaffDigits:
    """So many digits of the staff code are typed."""

    count: int


@dataclass(frozen=True, slots=True)
class StaffCodeEntered:
    """All digits of the staff code are typed and confirmed."""


@dataclass(frozen=True, slots=True)
class StaffKnown:
    """The staff code is right."""


@dataclass(frozen=True, slots=True)
class StaffUnknown:
    """The staff code is wrong, or nobody can tell."""


Event = (
    FactsChanged
    | TimedOut
    | KeyPressed
    | ConsoleKey
    | CardRead
    | CardRefused
    | SessionOpened
    | PinDigits
    | PinEntered
    | PinWasRefused
    | PinIsLocked
    | PinInDoubt
    | CardSigned
    | PersonKnown
    | MunicipalityRefused
    | MunicipalityFailed
    | DocumentPrepared
    | DocumentRefused
    | CoinInserted
    | CoinRejected
    | CoinTrouble
    | CoinsClosed
    | IssueReleased
    | PagesOut
    | PrintFinished
    | CoinPaid
    | SlipFinished
    | Booked
    | StaffDigits
    | StaffCodeEntered
    | StaffKnown
    | StaffUnknown
)

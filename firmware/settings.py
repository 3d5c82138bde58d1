"""The configuration: typed TOML, every key known, every unit in its key.

`kiosk.toml` describes the machine, one or more municipality profiles describe the service. A key
that is unknown, missing, of the wrong type or contradicted by another profile is a ConfigError
that names file, key and what was expected.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from firmware.core import complaints
from firmware.core.fees import Fee, overlaps
from firmware.core.hours import Closure, HoursRule
from firmware.core.lockout import SHIPPED_FORGET_SECONDS, SHIPPED_STEPS, LockoutRule
from firmware.core.maintenance import SHIPPED_ORDER_FORGET_SECONDS, SHIPPED_ORDER_STEPS
from firmware.core.rules import WITHDRAWN_CODES, Rules
from firmware.core.screens import Place
from firmware.core.terms import CertificateKind, KeypadKey, Language, Yen
from firmware.documents.form import Form
from firmware.errors import ConfigError, PublicationInvalid
from firmware.municipality.publications import PublicationKeys, PublicationKind

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Port = Annotated[int, Meta(ge=0, le=65_535)]
Pin = Annotated[int, Meta(ge=0, le=27)]
Level = Annotated[int, Meta(ge=0, le=1)]
Coin = Annotated[Yen, Meta(gt=0, le=500)]
Word = Annotated[str, Meta(min_length=1, max_length=200)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; a key nobody reads is an error."""


class Kiosk(_Section, frozen=True, kw_only=True):
    """urn: the identity in the device certificate, urn:kiosk:… allow_swap: on a bench only; else no start."""

    urn: Annotated[str, Meta(pattern=r"^urn:kiosk:[a-z0-9][a-z0-9-]{0,62}$")]
    profiles: Annotated[list[str], Meta(min_length=1)]
    messages: str = "messages"
    languages: Annotated[list[Language], Meta(min_length=1, max_length=7)] = msgspec.field(
        default_factory=lambda: list(Language)
    )
    allow_swap: bool = False


class JournalFile(_Section, frozen=True, kw_only=True):
    """key_file: at least 16 random bytes that chain the entries; a credential, never in the repository.

    minimum_free_mib: less room on its file system keeps the kiosk out of service, and so does an eMMC more
    used up than worn_percent, or a file system that has met errors; checked every check_seconds.
    retry_seconds: between looks whether a journal that failed can be written again.
    """

    path: str
    key_file: str
    minimum_free_mib: Annotated[int, Meta(ge=0, le=1_000_000)] = 64
    worn_percent: Annotated[int, Meta(ge=0, le=110)] = 100
    check_seconds: Seconds = 10.0
    retry_seconds: Seconds = 10.0


class Screen(_Section, frozen=True, kw_only=True):
    """framed_by: origins whose pages may frame the screen; empty in a store."""

    host: Word = "127.0.0.1"
    port: Port = 8080
    keepalive_seconds: Seconds = 0.5
    silence_seconds: Seconds = 1.5
    framed_by: list[Annotated[str, Meta(pattern=r"^http://(127\.0\.0\.1|localhost):[0-9]{1,5}$")]] = []


class Voice(_Section, frozen=True, kw_only=True):
    """clips: what scripts/voice wrote; empty: the kiosk does not speak.

    speaker, earphone: ALSA devices; an empty earphone is none, and nothing private is said.
    earphone_jack: the input device whose switch knows whether the earphone is plugged in; empty: none. One
        that cannot be read is as none, until it can.
    """

    clips: str = ""
    speaker: Word = "default"
    earphone: str = ""
    earphone_jack: str = ""


class CardReader(_Section, frozen=True, kw_only=True):
    """name: a part of the reader's PC/SC name, empty for the first one.

    issuer_organizations: O of the issuers whose certificates are taken; empty leaves it to the municipality.
    smartphone_labels: token labels by which a smartphone is known.
    restart_request: the file whose writing makes the system restart pcscd, empty for none; written when a
    command has not come back restart_seconds after it was given up.
    """

    name: str = ""
    apdu_timeout_seconds: Seconds = 5.0
    reconnect_seconds: Seconds = 2.0
    issuer_organizations: list[Word] = []
    smartphone_labels: list[Annotated[str, Meta(pattern=r"\A[!-~]{1,32}\Z")]] = msgspec.field(
        default_factory=lambda: ["JPKIAPGPSETOKEN", "JPKIAPIOSTOKEN"]
    )
    restart_request: str = "/run/madoguchi/restart-pcscd"
    restart_seconds: Seconds = 10.0


class LockoutStep(_Section, frozen=True, kw_only=True):
    """After so many strikes in a row the kiosk waits as long before the next visit."""

    strikes: Annotated[int, Meta(ge=1, le=1000)]
    seconds: Seconds


class Lockout(_Section, frozen=True, kw_only=True):
    """The kiosk's own lockout, see `firmware.core.lockout`. forget_seconds: without a strike."""

    forget_seconds: Seconds = SHIPPED_FORGET_SECONDS
    steps: list[LockoutStep] = msgspec.field(
        default_factory=lambda: [
            LockoutStep(strikes=strikes, seconds=seconds) for strikes, seconds in SHIPPED_STEPS
        ]
    )

    @property
    def rule(self) -> LockoutRule:
        """As the core knows it."""
        return LockoutRule(tuple((step.strikes, step.seconds) for step in self.steps), self.forget_seconds)


class Staff(_Section, frozen=True, kw_only=True):
    """The store's staff (係員), see `firmware.shell.staff` and `firmware.core.complaints`.

    code_file: holds the hash of their code; empty, or an absent file, sets none. complaint_seconds: after
    a visit, for a print defect. door_seconds: how long after they were let in the door may stand open
    without alarm. steps, forget_seconds: as of the lockout, for wrong staff codes.
    """

    code_file: str = ""
    complaint_seconds: Seconds = 300
    door_seconds: Seconds = 900
    forget_seconds: Seconds = complaints.SHIPPED_FORGET_SECONDS
    steps: Annotated[list[LockoutStep], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: [
            LockoutStep(strikes=strikes, seconds=seconds) for strikes, seconds in complaints.SHIPPED_STEPS
        ]
    )

    @property
    def rule(self) -> LockoutRule:
        """As the core knows it."""
        return LockoutRule(tuple((step.strikes, step.seconds) for step in self.steps), self.forget_seconds)


class Keypad(_Section, frozen=True, kw_only=True):
    row_pins: list[Pin]
    column_pins: list[Pin]
    layout: list[list[str]]
    scan_seconds: Seconds = 0.01
    stable_scans: Annotated[int, Meta(ge=2, le=20)] = 3
    double_strike_seconds: Seconds = 0.3


class Sensor(_Section, frozen=True, kw_only=True):
    pin: Pin
    active_level: Level


class Panel(_Section, frozen=True, kw_only=True):
    door: Sensor
    paper: Sensor
    change: Sensor
    lamp_pins: dict[str, Pin]
    buzzer_pin: Pin
    debounce_seconds: Seconds = 0.03


class PulseCoin(_Section, frozen=True, kw_only=True):
    """What one coin says: how many pulses mean how many yen."""

    pulses: Annotated[int, Meta(ge=1, le=50)]
    yen: Coin


class PulseAcceptor(_Section, frozen=True, kw_only=True):
    """A pulse acceptor on two GPIO pins instead of a ccTalk one; levels are electrical.

    pulse_level: of the pulse line during a pulse. inhibit_level: at which no coin is taken; an outside
    resistor must hold the inhibit line there. gap_seconds: the longest pause between two pulses of a coin.
    """

    pulse_pin: Pin
    pulse_level: Level = 0
    pull: Annotated[str, Meta(pattern="^(up|down|floating)$")] = "up"
    inhibit_pin: Pin
    inhibit_level: Level
    coins: Annotated[list[PulseCoin], Meta(min_length=1, max_length=8)]
    shortest_seconds: Seconds = 0.015
    longest_seconds: Seconds = 0.15
    gap_seconds: Seconds = 0.25
    bounce_seconds: Seconds = 0.003


class Coins(_Section, frozen=True, kw_only=True):
    """device: the tty of the ccTalk bus. serial, manufacturer, product: the commissioned acceptor, 0 or
    empty for any.

    suspect_codes: error codes after which a coin may be in the machine without credit, instead of the
    standard's. withdrawn_codes: error codes by which a coin already credited may have left through the
    entry. pulse: takes the place of the ccTalk acceptor; hoppers stay on the bus.
    """

    device: str
    baud: int = 9600
    serial: Annotated[int, Meta(ge=0, le=0xFFFFFF)] = 0
    manufacturer: Annotated[str, Meta(max_length=40)] = ""
    product: Annotated[str, Meta(max_length=40)] = ""
    denominations_yen: Annotated[list[Coin], Meta(min_length=1)]
    suspect_codes: list[Annotated[int, Meta(ge=1, le=255)]] | None = None
    withdrawn_codes: list[Annotated[int, Meta(ge=1, le=255)]] = msgspec.field(
        default_factory=lambda: sorted(WITHDRAWN_CODES)
    )
    drain_seconds: Seconds = 2.0
    poll_seconds: Seconds = 0.2
    pulse: PulseAcceptor | None = None


class Hopper(_Section, frozen=True, kw_only=True):
    """address: on the ccTalk bus, 3–10. serial: the commissioned hopper, 0 for any.

    coins_loaded: coins put in before the first start; from then on the journal counts them.
    minimum_coins: fewer keep the kiosk out of service; with 0 it serves without this hopper, too.
    """

    address: Annotated[int, Meta(ge=3, le=10)] = 3
    serial: Annotated[int, Meta(ge=0, le=0xFFFFFF)] = 0
    coin_yen: Coin = 100
    coins_loaded: Annotated[int, Meta(ge=0, le=10_000)]
    minimum_coins: Annotated[int, Meta(ge=0)] = 8


class ExitSensor(_Section, frozen=True, kw_only=True):
    """A light barrier at the printer's exit. active_level: electrical, while paper is in it.

    shortest_seconds: a sheet covers it for as long at least. wait_seconds: for the last sheet to pass.
    """

    pin: Pin
    active_level: Level
    pull: Annotated[str, Meta(pattern="^(up|down|floating)$")] = "up"
    shortest_seconds: Seconds = 0.05
    wait_seconds: Seconds = 5.0


class DocumentPrinter(_Section, frozen=True, kw_only=True):
    """tell_sheets: fewer in the trays are told to staff, and no more are promised than there are.

    low_sheets: so many are promised at most while toner, or paper that nobody counts, runs low.
    silent_seconds: without an answer, after which a print is unknown. dead_seconds: without an answer, and
    with an empty print server, after which staff may say that the printer is switched off; more than cupsd
    leaves to a cancelled backend (JobKillDelay, 30 s). restart_request: the file whose writing makes the
    system restart the print server, empty for none; written when that has answered nothing for
    restart_seconds, and after each doubled pause.
    """

    uri: Word
    cups_socket: str
    queue: Word
    poll_seconds: Seconds = 2.0
    appear_seconds: Seconds = 40.0
    stall_seconds: Seconds = 300.0
    silent_seconds: Seconds = 20.0
    dead_seconds: Seconds = 120.0
    tell_sheets: Annotated[int, Meta(ge=0, le=10_000)] = 60
    low_sheets: Annotated[int, Meta(ge=0, le=1_000)] = 5
    exit_sensor: ExitSensor | None = None
    restart_request: str = "/run/madoguchi/restart-cups"
    restart_seconds: Annotated[float, Meta(ge=5, le=600)] = 30.0


class ReceiptPrinter(_Section, frozen=True, kw_only=True):
    """kind: escpos has a kanji font, raster gets pictures, a4 is the document printer.

    device: the tty of the first two.
    """

    kind: Annotated[str, Meta(pattern="^(escpos|raster|a4)$")] = "escpos"
    device: str = ""
    baud: int = 19_200
    columns: Annotated[int, Meta(ge=24, le=64)] = 32
    poll_seconds: Seconds = 2.0


class Municipality(_Section, frozen=True, kw_only=True):
    """publication_keys: JWK Set of whoever signs configurations and calendars; empty: none are taken.

    publication_folder: where the newest of each are kept; the document worker's and the console's users read
    there as well. renewal_share: of a certificate's life, after
    which it is renewed. renewal_check_seconds: between looks; renewal_retry_seconds: after a failure.
    journal_copy_seconds: between two copies of the journal. report_unheard_seconds: after which a report
    that nobody takes is told to staff. key_store: "tpm": keys are made in a TPM 2.0, and key_file is useless
    without it. tpm_provider: the folder of OpenSSL's tpm2.so. tpm_tcti: how TSS reaches the TPM. tpm_seconds:
    for one run of a program that asks it. tpm_lost_seconds: after which a process that a TPM never served,
    while it serves others, gives way to a new one. renewal_seconds: for one renewal, in a process of its own.
    """

    url: Annotated[str, Meta(pattern=r"^https://")]
    ca_file: str
    certificate_file: str
    key_file: str
    audience: Word
    heartbeat_seconds: Seconds = 20.0
    request_seconds: Seconds = 10.0
    total_seconds: Seconds = 45.0
    clock_tolerance_seconds: Seconds = 2.0
    publication_keys: str = ""
    publication_folder: str = "published"
    renewal_share: Annotated[float, Meta(ge=0.1, le=0.66)] = 0.6
    renewal_check_seconds: Seconds = 3600.0
    renewal_retry_seconds: Seconds = 300.0
    renewal_seconds: Seconds = 180.0
    journal_copy_seconds: Seconds = 300.0
    report_unheard_seconds: Seconds = 3600.0
    key_store: Literal["file", "tpm"] = "file"
    tpm_provider: Word = "/usr/lib/madoguchi/tpm"
    tpm_tcti: Word = "device:/dev/tpmrm0"
    tpm_seconds: Seconds = 20.0
    tpm_lost_seconds: Annotated[float, Meta(ge=90, le=86_400)] = 180.0


class Updates(_Section, frozen=True, kw_only=True):
    """Files in memory by which the kiosk and root speak of updates; see systemd/README.md.

    state: root writes what runs there; empty: a machine without slots. wish, fit: the kiosk writes them.
    """

    state: str = "/run/madoguchi-update/state"
    wish: Word = "/run/madoguchi/update-wanted"
    fit: Word = "/run/madoguchi/update-fit"


class Console(_Section, frozen=True, kw_only=True):
    """socket: where staff and technicians reach the running kiosk.

    idle_seconds: a technician's terminal without a key pressed for so long ends its session; 0: never.
    group: who may, beside its own user and root; that user must be in it to give it the socket.
    order_keys: public keys (JWK Set) of whoever gives maintenance orders; empty: none are taken.
    order_issuer: their `iss`. longest_order_seconds: an order for a longer time is none.
    order_always: root and the kiosk's own user need an order, too. order_lockout: refused orders in a row
    and the seconds no login is taken then. door_grace_seconds: until a door opened without an order sounds
    the alarm. test_seconds: how long a test waits for a card, a coin or the door.
    journal_seconds: how long its reading may take for a page, a check or an export at the console.
    support_folder: for bundles and exports. stick_folder: where a technician's stick is mounted to take them
    away, and then they are written there; empty: never. metrics_socket: empty for no figures.
    reboot_command: starts the machine anew. log_command: prints the kiosk's log, newest first, a line each.
    erase_request: the file by which root is asked to erase the kiosk; empty: nothing erases it from here.
    """

    socket: Word = "/run/madoguchi-console/console.sock"
    group: str = ""
    order_keys: str = ""
    order_issuer: Word = "urn:madoguchi:maintenance"
    longest_order_seconds: Seconds = 86_400.0
    order_always: bool = False
    order_lockout: Lockout = msgspec.field(
        default_factory=lambda: Lockout(
            forget_seconds=SHIPPED_ORDER_FORGET_SECONDS,
            steps=[LockoutStep(strikes=strikes, seconds=seconds) for strikes, seconds in SHIPPED_ORDER_STEPS],
        )
    )
    door_grace_seconds: Seconds = 120.0
    test_seconds: Annotated[float, Meta(gt=0, le=25)] = 20.0
    idle_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 1800.0
    journal_seconds: Seconds = 300.0
    support_folder: Word = "/var/lib/madoguchi/support"
    stick_folder: str = "/media/export"
    metrics_socket: str = ""
    reboot_command: Annotated[list[Word], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["systemctl", "reboot"]
    )
    log_command: Annotated[list[Word], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: [
            *("journalctl", "--unit=madoguchi", "--unit=madoguchi-erase", "--output=cat", "--no-pager"),
            *("--reverse", "--lines=100000"),
        ]
    )
    erase_request: str = "/run/madoguchi/erase-wanted"


class Documents(_Section, frozen=True, kw_only=True):
    """worker_socket: where systemd starts document workers; empty: they are the kiosk's children.

    void_screen_calibrated_for: model of the printer on which void_screen was chosen by the calibration sheet;
    empty: on none, and the word may be seen on originals.
    """

    worker_socket: str = ""
    value_fonts: Annotated[list[str], Meta(min_length=1)]
    label_fonts: Annotated[list[str], Meta(min_length=1)]
    gaiji_fonts: list[str] = []
    void_screen: Annotated[str, Meta(pattern=r"\A[A-C][1-5]\Z")] = "A5"
    void_screen_calibrated_for: str = ""
    detection_image: Literal["lines", "infrared"] = "lines"
    start_seconds: Seconds = 10.0
    prepare_seconds: Seconds = 20.0
    print_seconds: Seconds = 30.0


class Timeouts(_Section, frozen=True, kw_only=True):
    """How long each screen waits for the person or the other side."""

    notice_seconds: Seconds = 90
    present_card_seconds: Seconds = 60
    reading_card_seconds: Seconds = 30
    opening_session_seconds: Seconds = 20
    pin_seconds: Seconds = 60
    pin_wrong_seconds: Seconds = 60
    authenticating_seconds: Seconds = 50
    take_card_seconds: Seconds = 10
    choose_kind_seconds: Seconds = 90
    choose_subjects_seconds: Seconds = 90
    choose_members_seconds: Seconds = 120
    choose_items_seconds: Seconds = 120
    choose_copies_seconds: Seconds = 60
    confirm_seconds: Seconds = 120
    preparing_seconds: Seconds = 60
    coins_seconds: Seconds = 120
    closing_coins_seconds: Seconds = 15
    take_all_seconds: Seconds = 20
    thanks_seconds: Seconds = 10
    ended_seconds: Seconds = 20
    staff_code_seconds: Seconds = 60
    staff_decision_seconds: Seconds = 180
    refund_after_power_cut_seconds: Seconds = 600
    warning_seconds: Seconds = 20
    stop_seconds: Seconds = 30
    rejected_coin_seconds: Seconds = 5
    most_rejected_coins: Annotated[int, Meta(ge=1, le=100)] = 5
    most_alarms: Annotated[int, Meta(ge=1, le=100)] = 17


_STATE_OF_TIMEOUT = {
    "notice_seconds": "Notice",
    "present_card_seconds": "AwaitingCard",
    "reading_card_seconds": "ReadingCard",
    "opening_session_seconds": "OpeningSession",
    "pin_seconds": "EnteringPin",
    "pin_wrong_seconds": "PinWasWrong",
    "authenticating_seconds": "Authenticating",
    "take_card_seconds": "TakingCard",
    "choose_kind_seconds": "ChoosingKind",
    "choose_subjects_seconds": "ChoosingSubjects",
    "choose_members_seconds": "ChoosingMembers",
    "choose_items_seconds": "ChoosingItems",
    "choose_copies_seconds": "ChoosingCopies",
    "confirm_seconds": "Confirming",
    "preparing_seconds": "Preparing",
    "coins_seconds": "CollectingCoins",
    "closing_coins_seconds": "ClosingCoins",
    "take_all_seconds": "TakingAll",
    "thanks_seconds": "Thanks",
    "ended_seconds": "Ended",
    "staff_code_seconds": "EnteringStaffCode",
    "staff_decision_seconds": "Attending",
}


class KioskFile(_Section, frozen=True, kw_only=True):
    """kiosk.toml"""

    kiosk: Kiosk
    journal: JournalFile
    screen: Screen = Screen()
    voice: Voice = Voice()
    card_reader: CardReader = CardReader()
    lockout: Lockout = Lockout()
    staff: Staff = Staff()
    keypad: Keypad
    panel: Panel
    coins: Coins
    hoppers: Annotated[list[Hopper], Meta(min_length=1, max_length=8)]
    document_printer: DocumentPrinter
    receipt_printer: ReceiptPrinter
    municipality: Municipality
    documents: Documents
    console: Console = Console()
    updates: Updates = Updates()
    timeouts: Timeouts = Timeouts()


class Names(_Section, frozen=True, kw_only=True):
    """The city and its counters in one more language."""

    name: Word
    counters: Word


class City(_Section, frozen=True, kw_only=True):
    """other: by language; a language that is missing has the English names, やさしい日本語 the Japanese."""

    name: Word
    name_en: Word
    counters: Word
    counters_en: Word
    other: dict[Language, Names] = {}


class ClosureEntry(_Section, frozen=True, kw_only=True):
    begins: datetime
    ends: datetime


class Hours(_Section, frozen=True, kw_only=True):
    opens: str
    closes: str
    last_minutes: Annotated[int, Meta(ge=0, le=120)]
    closures: list[ClosureEntry] = []


class Settlement(_Section, frozen=True, kw_only=True):
    """day_ends: when the business day ends (締め), Japan time; when the service closes unless said."""

    day_ends: str | None = None


class FeeEntry(_Section, frozen=True, kw_only=True):
    kind: CertificateKind
    yen: Annotated[int, Meta(gt=0, le=10_000)]
    valid_from: date
    valid_to: date | None = None


Characters = Annotated[int, Meta(ge=1, le=1000)]


class CharacterLimits(_Section, frozen=True, kw_only=True):
    """Most characters of a field of a 住民票の写し; one more is for the counter (R14)."""

    address: Characters  # 住所
    head: Characters  # 世帯主名
    name: Characters  # 漢字氏名
    alias: Characters  # 通称名
    relation: Characters  # 続柄
    domicile: Characters  # 本籍
    family_head: Characters  # 筆頭者
    nationality: Characters  # 国籍・地域
    article_30_45: Characters  # 法第30条の45に規定する区分
    residence_status: Characters  # 在留資格
    residence_period: Characters  # 在留期間等
    previous_address: Characters  # 前住所


class Limits(_Section, frozen=True, kw_only=True):
    """copies: most copies in one visit, one digit key each."""

    copies: Annotated[int, Meta(ge=1, le=9)] = 9
    characters: CharacterLimits


class ProfileFile(_Section, frozen=True, kw_only=True):
    """A municipality profile, after merging."""

    city: City
    hours: Hours
    limits: Limits
    settlement: Settlement = Settlement()
    fees: Annotated[list[FeeEntry], Meta(min_length=1)]
    certificates: Form = Form()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the kiosk is told. directory: what relative paths in kiosk.toml start from.

    character_limits: by the field's name in the protocol (R14). day_ends: of the business day, Japan time.
    form: how the certificates look.
    """

    directory: Path
    file: KioskFile
    city: City
    hours: HoursRule
    fees: tuple[Fee, ...]
    character_limits: Mapping[str, int]
    form: Form
    rules: Rules
    day_ends: time

    def path(self, text: str) -> Path:
        """A path of kiosk.toml, relative to the file's folder."""
        return self.directory / text

    def optional_path(self, text: str) -> Path | None:
        """A path that may be left out by an empty text."""
        return self.path(text) if text else None


def load(path: Path, configuration: str | None = None) -> Settings:
    """Read kiosk.toml and its profiles, or the profile of the configuration that the municipality published.

    configuration: a signed one to be tried instead of the one that is kept. Raises ConfigError.
    """
    file = _typed(path.name, _table(path), KioskFile)
    _check_machine(path, file)
    _check_lockout(path.name, "lockout", file.lockout)
    _check_lockout(path.name, "staff", file.staff)
    _check_lockout(path.name, "console.order_lockout", file.console.order_lockout)
    tables = _published_profile(path, file, configuration) or [
        (Path(name).name, _table(path.parent / name)) for name in file.kiosk.profiles
    ]
    name = " + ".join(name for name, _ in tables)
    profile = _typed(name, merge(tables), ProfileFile)
    fees = _fees(name, profile)
    _check_money(path.name, file, name, fees)
    return Settings(
        directory=path.parent,
        file=file,
        city=profile.city,
        hours=_hours(name, profile.hours),
        fees=fees,
        character_limits=msgspec.structs.asdict(profile.limits.characters),
        form=profile.certificates,
        rules=_rules(file, profile.limits),
        day_ends=_day_ends(name, profile),
    )


def publication_keys(settings: KioskFile, directory: Path) -> PublicationKeys | None:
    """Who may publish for this kiosk; None if nobody may. Raises ConfigError."""
    said = settings.municipality
    if not said.publication_keys:
        return None
    keys = directory / said.publication_keys
    return PublicationKeys(keys, issuer=said.audience, kiosk=settings.kiosk.urn)


def kept_configuration(path: Path) -> Path | None:
    """Where kiosk.toml has the signed configuration kept, None if it takes none. Raises ConfigError."""
    file = _typed(path.name, _table(path), KioskFile)
    if not file.municipality.publication_keys:
        return None
    return publication_file(file, path.parent, PublicationKind.CONFIGURATION)


def publication_file(settings: KioskFile, directory: Path, kind: PublicationKind) -> Path:
    """Where the newest publication of a kind is kept."""
    return directory / settings.municipality.publication_folder / f"{kind.value}.jws"


def _published_profile(
    path: Path, file: KioskFile, configuration: str | None
) -> list[tuple[str, dict[str, Any]]]:
    keys = publication_keys(file, path.parent)
    kept = publication_file(file, path.parent, PublicationKind.CONFIGURATION)
    if keys is None:
        return []
    try:
        found = keys.configuration(
            kept.read_text(encoding="ascii") if configuration is None else configuration
        )
    except FileNotFoundError:
        return []
    except PublicationInvalid as cause:
        raise ConfigError(
            f"{kept}: {cause.reason}; expected a configuration signed by the municipality"
        ) from cause
    except UnicodeDecodeError as cause:
        raise ConfigError(
            f"{kept}: is no ASCII; expected a configuration signed by the municipality"
        ) from cause
    except OSError as cause:
        # To go on with the profile of kiosk.toml would be another configuration than the kiosk's.
        raise ConfigError(
            f"municipality.publication_folder: {kept.parent} cannot be read: {cause.strerror}; expected a"
            " folder that kiosk, document worker and console may read"
        ) from cause
    name = f"configuration {found.serial}"
    try:
        return [(name, tomllib.loads(found.profile))]
    except tomllib.TOMLDecodeError as cause:
        raise ConfigError(f"{name}: is no TOML: {cause}") from cause


def merge(tables: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Several profiles as one: lists add up, everything else may be said only once or alike.

    Raises ConfigError naming both files and the key that they contradict each other in.
    """
    merged: dict[str, Any] = {}
    said_in: dict[str, str] = {}
    for file, table in tables:
        _merge_into(merged, table, "", file, said_in)
    return merged


def _merge_into(
    merged: dict[str, Any], table: Mapping[str, Any], prefix: str, file: str, said_in: dict[str, str]
) -> None:
    for key, value in table.items():
        where = f"{prefix}{key}"
        match merged.get(key), value:
            case None, dict():
                merged[key] = {}
                _merge_into(merged[key], value, f"{where}.", file, said_in)
            case None, _:
                merged[key] = list(value) if isinstance(value, list) else value
                said_in[where] = file
            case dict() as known, dict():
                _merge_into(known, value, f"{where}.", file, said_in)
            case list() as known, list():
                known.extend(item for item in value if item not in known)
            case known, _ if known != value:
                raise ConfigError(
                    f"{file}: {where} is {value!r} but {said_in.get(where, 'another profile')} says"
                    f" {known!r}; expected one value"
                )
            case _:
                pass


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as cause:
        raise ConfigError(f"{path}: file is missing") from cause
    except (OSError, UnicodeDecodeError) as cause:
        raise ConfigError(f"{path}: cannot be read") from cause
    except tomllib.TOMLDecodeError as cause:
        raise ConfigError(f"{path}: is no TOML: {cause}") from cause


T = TypeVar("T")


def _typed(name: str, table: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(table, kind, strict=True)
    except msgspec.ValidationError as cause:
        message, _, where = str(cause).partition(" - at `$")
        key = where.rstrip("`").lstrip(".")
        raise ConfigError(f"{name}: {key or 'top level'}: {message}") from cause


def _check_machine(path: Path, file: KioskFile) -> None:
    keypad = file.keypad
    names = [name for row in keypad.layout for name in row if name]
    known = {key.value for key in KeypadKey}
    if unknown := sorted(set(names) - known):
        raise ConfigError(
            f"{path.name}: keypad.layout: unknown key {unknown[0]!r}; expected {', '.join(sorted(known))}"
        )
    if missing := sorted(known - set(names)):
        raise ConfigError(
            f"{path.name}: keypad.layout: key {missing[0]!r} is missing; expected every key once"
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{path.name}: keypad.layout: key {twice[0]!r} is there twice; expected it once")
    if len(keypad.layout) != len(keypad.row_pins) or any(
        len(row) != len(keypad.column_pins) for row in keypad.layout
    ):
        raise ConfigError(f"{path.name}: keypad.layout: expected one list a row pin, one key a column pin")
    panel = file.panel
    places = {place.value for place in Place}
    if wrong := sorted(places ^ panel.lamp_pins.keys()):
        raise ConfigError(
            f"{path.name}: panel.lamp_pins: {wrong[0]!r} is missing or unknown;"
            f" expected {', '.join(sorted(places))}"
        )
    pins = [
        *keypad.row_pins,
        *keypad.column_pins,
        *panel.lamp_pins.values(),
        panel.buzzer_pin,
        *(sensor.pin for sensor in (panel.door, panel.paper, panel.change)),
    ]
    if (exit_sensor := file.document_printer.exit_sensor) is not None:
        pins.append(exit_sensor.pin)
    if (file.receipt_printer.kind == "a4") == bool(file.receipt_printer.device):
        raise ConfigError(
            f"{path.name}: receipt_printer.device: expected a tty for kind escpos or raster, none for a4"
        )
    if (pulse := file.coins.pulse) is not None:
        pins += [pulse.pulse_pin, pulse.inhibit_pin]
        _check_pulse(path.name, file.coins, pulse)
    if shared := sorted({pin for pin in pins if pins.count(pin) > 1}):
        raise ConfigError(
            f"{path.name}: keypad, panel: GPIO {shared[0]} is used twice; expected one wire a pin"
        )


def _check_lockout(name: str, table: str, lockout: Lockout | Staff) -> None:
    for before, step in pairwise(lockout.steps):
        if step.strikes <= before.strikes or step.seconds <= before.seconds:
            raise ConfigError(
                f"{name}: {table}.steps: {step.strikes} strikes, {step.seconds:g} seconds after"
                f" {before.strikes} strikes, {before.seconds:g} seconds; expected both to rise"
            )
    longest_seconds = max((step.seconds for step in lockout.steps), default=0.0)
    if lockout.forget_seconds < longest_seconds:
        raise ConfigError(
            f"{name}: {table}.forget_seconds: {lockout.forget_seconds:g} is less than the longest wait;"
            f" expected at least {longest_seconds:g}"
        )


def _check_pulse(machine: str, coins: Coins, pulse: PulseAcceptor) -> None:
    where = f"{machine}: coins.pulse"
    if coins.serial or coins.manufacturer or coins.product:
        raise ConfigError(
            f"{where}: a pulse acceptor has no serial number, manufacturer or product; expected none"
        )
    yen_of = {coin.pulses: coin.yen for coin in pulse.coins}
    if len(yen_of) != len(pulse.coins):
        raise ConfigError(f"{where}.coins: a number of pulses is there twice; expected one coin a number")
    if set(yen_of.values()) != set(coins.denominations_yen):
        raise ConfigError(
            f"{where}.coins: {sorted(set(yen_of.values()))} yen; expected coins.denominations_yen, since it"
            " takes all of its coins or none"
        )
    if misread := misread_coin(yen_of):
        raise ConfigError(
            f"{where}.coins: several coins close together may make {misread} pulses and not be worth"
            f" {yen_of[misread]} yen; expected numbers that no other coins add up to"
        )
    if not pulse.bounce_seconds < pulse.shortest_seconds < pulse.longest_seconds:
        raise ConfigError(f"{where}: expected bounce_seconds below shortest_seconds below longest_seconds")
    if pulse.gap_seconds <= pulse.bounce_seconds:
        raise ConfigError(f"{where}.gap_seconds: expected more than bounce_seconds")


def misread_coin(yen_of: Mapping[int, Yen]) -> int | None:
    """A number of pulses that other coins in a row may add up to with another worth; None if none does.

    yen_of: the worth of a coin by its number of pulses. Coins that follow each other within the gap read
    as one.
    """
    worths: dict[int, set[Yen]] = {0: {0}}
    for pulses in range(1, max(yen_of) + 1):
        worths[pulses] = {
            worth + yen
            for number, yen in yen_of.items()
            if number <= pulses
            for worth in worths[pulses - number]
        }
        if pulses in yen_of and worths[pulses] != {yen_of[pulses]}:
            return pulses
    return None


def _fees(name: str, profile: ProfileFile) -> tuple[Fee, ...]:
    fees = tuple(Fee(f.kind, f.yen, f.valid_from, f.valid_to) for f in profile.fees)
    for fee in fees:
        if fee.valid_to is not None and fee.valid_to < fee.valid_from:
            raise ConfigError(
                f"{name}: fees: {fee.kind.value} from {fee.valid_from} has valid_to {fee.valid_to};"
                " expected no day before valid_from"
            )
    for earlier, later in overlaps(fees):
        raise ConfigError(
            f"{name}: fees: two fees of {later.kind.value} hold on {later.valid_from}"
            f" ({earlier.yen} and {later.yen} yen); expected one a day"
        )
    return fees


def _check_money(machine: str, file: KioskFile, profile: str, fees: Sequence[Fee]) -> None:
    addresses = [hopper.address for hopper in file.hoppers]
    if shared := sorted({address for address in addresses if addresses.count(address) > 1}):
        raise ConfigError(
            f"{machine}: hoppers: address {shared[0]} is there twice; expected one hopper an address"
        )
    if untold := sorted(set(file.coins.withdrawn_codes) - set(file.coins.suspect_codes or range(256))):
        raise ConfigError(
            f"{machine}: coins.withdrawn_codes: {untold[0]} is not among coins.suspect_codes;"
            " expected codes that are told"
        )
    coin_yen = min(hopper.coin_yen for hopper in file.hoppers)
    for hopper in file.hoppers:
        if hopper.coin_yen % coin_yen:
            raise ConfigError(
                f"{machine}: hoppers: {hopper.coin_yen} yen is no multiple of {coin_yen} yen;"
                " expected multiples of the smallest coin"
            )
    for yen in file.coins.denominations_yen:
        if yen % coin_yen:
            raise ConfigError(
                f"{machine}: coins.denominations_yen: {yen} yen cannot be given back in"
                f" {coin_yen}-yen coins; expected multiples"
            )
    for fee in fees:
        if fee.yen % coin_yen:
            raise ConfigError(
                f"{profile}: fees: {fee.yen} yen for {fee.kind.value} leaves change that the"
                f" {coin_yen}-yen coins of {machine} cannot make up; expected a multiple"
            )


def _hours(name: str, hours: Hours) -> HoursRule:
    closures = []
    for index, entry in enumerate(hours.closures):
        if entry.begins.tzinfo is None or entry.ends.tzinfo is None:
            raise ConfigError(f"{name}: hours.closures[{index}]: expected a time with its offset, +09:00")
        if entry.begins >= entry.ends:
            raise ConfigError(
                f"{name}: hours.closures[{index}]: ends before it begins; expected the opposite"
            )
        closures.append(Closure.said(entry.begins, entry.ends))
    opens, closes = _time(name, "hours.opens", hours.opens), _time(name, "hours.closes", hours.closes)
    if opens >= closes:
        raise ConfigError(
            f"{name}: hours.closes: {hours.closes} is not after opens; expected a time after {hours.opens}"
        )
    return HoursRule(opens, closes, hours.last_minutes, tuple(closures))


def _day_ends(name: str, profile: ProfileFile) -> time:
    said = profile.settlement.day_ends or profile.hours.closes
    day_ends = _time(name, "settlement.day_ends", said)
    if day_ends == time.min:
        raise ConfigError(f"{name}: settlement.day_ends: {said!r} is when the day begins; expected 24:00")
    return day_ends


def _time(name: str, key: str, text: str) -> time:
    if text == "24:00":
        return time.max
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a wall time in Japan, no date
    except ValueError as cause:
        raise ConfigError(f"{name}: {key}: {text!r}; expected HH:MM up to 24:00") from cause


def _rules(file: KioskFile, limits: Limits) -> Rules:
    return Rules(
        timeouts_seconds={state: getattr(file.timeouts, key) for key, state in _STATE_OF_TIMEOUT.items()},
        denominations_yen=frozenset(file.coins.denominations_yen),
        minimum_change_coins={hopper.address: hopper.minimum_coins for hopper in file.hoppers},
        withdrawn_codes=frozenset(file.coins.withdrawn_codes),
        most_alarms=file.timeouts.most_alarms,
        most_copies=limits.copies,
        languages=tuple(file.kiosk.languages),
        warning_seconds=file.timeouts.warning_seconds,
        stop_seconds=file.timeouts.stop_seconds,
        rejected_seconds=file.timeouts.rejected_coin_seconds,
        most_rejected=file.timeouts.most_rejected_coins,
        selective_acceptor=file.coins.pulse is None,
    )

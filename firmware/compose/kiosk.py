"""The kiosk put together: adapters picked from the settings."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from firmware import __version__, ports
from firmware.compose.a4_slips import A4SlipPrinter, slip_command
from firmware.compose.card_test import card_acceptance
from firmware.compose.checked import take_next
from firmware.compose.console import TechniciansConsole, order_reader
from firmware.compose.enrolment import files_of, key_store_of
from firmware.compose.errands import Errands
from firmware.compose.telling import Told, texts
from firmware.core.accounts import Accounts, misplaced_hoppers
from firmware.core.fees import fee_on
from firmware.core.hours import JST
from firmware.core.orders import PrintSlip
from firmware.core.states import Slip
from firmware.core.terms import Aid, CertificateKind, KeypadKey, Language, Yen
from firmware.documents.receipt import Sold, claim_slip, receipt
from firmware.documents.worker_client import WorkerProcess
from firmware.errors import ConfigError, JournalError
from firmware.logbook import EventId, JsonLog, Logbook
from firmware.municipality.challenge import PREFIX
from firmware.municipality.client import HttpsMunicipality
from firmware.municipality.enrolment import finish
from firmware.municipality.exchange import Patience
from firmware.screen.page_watch import PageWatch
from firmware.screen.server import ScreenServer
from firmware.settings import Coins, Hopper, Sensor, Settings, load
from firmware.settings import PulseAcceptor as PulseSettings
from firmware.shell.clock import Clock, now_utc
from firmware.shell.crew import DeviceCrew
from firmware.shell.daemon import Daemon, Parts
from firmware.shell.devices import Devices
from firmware.shell.event_ring import EventRing
from firmware.shell.health import Health, HealthRule
from firmware.shell.journal import Journal
from firmware.shell.last_words import last_words, no_strays
from firmware.shell.lockout import LockoutWatch
from firmware.shell.maintenance import MaintenanceWatch
from firmware.shell.medium import Medium
from firmware.shell.notify import ServiceManager
from firmware.shell.pace import PrintPace
from firmware.shell.past import MistakeRules, Past
from firmware.shell.pin import PinBuffer
from firmware.shell.remote import RemoteDesk
from firmware.shell.staff import StaffDoor
from firmware.shell.stranded import wait_stranded
from firmware.shell.swap import refuse_swap
from firmware.shell.updates import UpdateFiles, UpdateWatch
from firmware.shell.workers import SpareWorker
from hw.card import PcscCardReader
from hw.coin.acceptor import CcTalkAcceptor
from hw.coin.bus import CcTalkBus
from hw.coin.event_buffer import SUSPECT_CODES
from hw.coin.hopper import CcTalkHopper
from hw.coin.identity import Commissioned
from hw.coin.pulse_acceptor import PulseAcceptor
from hw.coin.pulse_wires import PulsePins
from hw.coin.pulses import PulseTiming
from hw.keypad.keypad import MatrixKeypad
from hw.panel.panel import GpioPanel
from hw.panel.wires import SensorPin
from hw.printer.exit_sensor import ExitSensor
from hw.printer.ipp import IppDocumentPrinter
from hw.printer.readiness import Reserves
from hw.printer.receipt import EscPosReceiptPrinter

_SETTLE_SECONDS = 15.0
_SLIPS_A_VISIT = 2
"""A receipt and, where change is owed, a claim slip."""
_WATCHERS = frozenset(
    {
        "coin-acceptor",
        "document-printer",
        "keypad",
        "panel",
        "municipality-heartbeat",
        "publications",
        "journal-copy",
        "certificate-renewal",
        "clock",
        "medium",
        "page",
        "maintenance",
        "runner",
        "outbox",
        "office",
    }
)
"""Tasks without which the kiosk would be deaf to something, besides those of what not every kiosk has."""


def watchers(settings: Settings) -> frozenset[str]:
    """Every task that must live while the kiosk runs; the watchdog goes hungry without one."""
    hoppers = {f"hopper-{hopper.address}" for hopper in settings.file.hoppers}
    sensor = {"exit-sensor"} if settings.file.document_printer.exit_sensor is not None else set()
    receipt = {"receipt-printer"} if settings.file.receipt_printer.kind != "a4" else set()
    updates = {"updates"} if settings.file.updates.state else set()
    return _WATCHERS | hoppers | sensor | receipt | updates


def busy_by_device(devices: Devices) -> dict[str, Callable[[], float]]:
    """How long each device has not come round, by the name of its watcher."""
    watched: dict[str, ports.Watched] = {
        "card-reader": devices.card,
        "keypad": devices.keypad,
        "coin-acceptor": devices.acceptor,
        "document-printer": devices.printer,
        "receipt-printer": devices.receipt,
        "panel": devices.panel,
        **{f"hopper-{address}": payout for address, payout in devices.payouts.items()},
    }
    return {name: device.busy_seconds for name, device in watched.items()}


async def run_kiosk(config: Path) -> None:
    """Run the kiosk until cancelled. Raises ConfigError, JournalError, KioskFailed."""
    take_next(config)
    settings = load(config)
    log = JsonLog()
    with last_words(log):
        no_strays(log)
        await _run(config, settings, log)


async def _run(config: Path, settings: Settings, log: Logbook) -> None:
    log(EventId.CONFIG_LOADED, version=__version__)
    if refuse_swap(settings.file.kiosk.allow_swap):
        log(EventId.SWAP_ON)
    async with AsyncExitStack() as undo:
        journal, medium = open_journal(settings), journal_medium(settings, log)
        undo.push_async_callback(journal.close)
        manager = ServiceManager()

        def touched(key: KeypadKey, is_shown: Callable[[], bool]) -> None:
            if daemon is not None:
                daemon.runner.touch(key, is_shown)

        daemon: Daemon | None = None
        screen = screen_server(settings, log, touched)
        language = settings.rules.languages[0]
        past = Past(mistake_rules(settings))
        told = Told(settings, screen, log)
        undo.push_async_callback(told.close)
        async with AsyncExitStack() as waiting:
            try:
                async with manager.takes_long():
                    await journal.open(past.enter)
            except JournalError:
                if not await medium.takes_writes():
                    waiting.push_async_callback(screen.close)
                    await screen.start()
                    show = partial(screen.show, language=language)
                    await wait_stranded(None, show=show, medium=medium, manager=manager, log=log)
                raise
        bus = CcTalkBus(
            log, path=str(settings.path(settings.file.coins.device)), baud=settings.file.coins.baud
        )
        undo.callback(bus.close)
        kiosk = Kiosk(settings, config, EventRing(log), told)
        daemon = Daemon(kiosk.parts(past, journal, medium, bus, screen), past, kiosk.log)
        del past  # the daemon lets go of it what is needed once only
        log(EventId.DAEMON_STARTED, version=__version__)
        await daemon.run(manager)


def open_journal(settings: Settings) -> Journal:
    """The journal file, not yet opened. Raises ConfigError if its key cannot be read."""
    key_file = _credential(settings.path(settings.file.journal.key_file))
    try:
        key = key_file.read_bytes()
    except OSError as cause:
        raise ConfigError(f"journal.key_file: {key_file} cannot be read; expected a key file") from cause
    if len(key) < 16:
        raise ConfigError(f"journal.key_file: {key_file} has {len(key)} bytes; expected at least 16")
    return Journal(settings.path(settings.file.journal.path), key)


def mistake_rules(settings: Settings) -> MistakeRules:
    """How mistakes in a row are counted here."""
    file = settings.file
    return MistakeRules(
        cards=file.lockout.rule, staff_codes=file.staff.rule, orders=file.console.order_lockout.rule
    )


def journal_medium(settings: Settings, log: Logbook) -> Medium:
    """The file system that the journal lies on."""
    said = settings.file.journal
    return Medium(
        settings.path(said.path).parent,
        minimum_free_mib=said.minimum_free_mib,
        worn_percent=said.worn_percent,
        check_seconds=said.check_seconds,
        retry_seconds=said.retry_seconds,
        log=log,
    )


def screen_server(
    settings: Settings, log: Logbook, pressed: Callable[[KeypadKey, Callable[[], bool]], None]
) -> ScreenServer:
    """The local page. Raises ConfigError for texts that do not fit together."""
    screen = settings.file.screen
    return ScreenServer(
        host=screen.host,
        port=screen.port,
        texts=texts(settings),
        pressed=pressed,
        log=log,
        keepalive_seconds=screen.keepalive_seconds,
        silence_seconds=screen.silence_seconds,
        framed_by=screen.framed_by,
    )


class Kiosk:
    """Builds what the settings ask for."""

    def __init__(self, settings: Settings, config: Path, ring: EventRing, told: Told) -> None:
        self._settings = settings
        self._told = told
        self._config = config
        self._log = self._ring = ring

    @property
    def log(self) -> Logbook:
        """Where the kiosk's events go; the console can read the last of them."""
        return self._ring

    def parts(
        self,
        past: Past,
        journal: Journal,
        medium: Medium,
        bus: CcTalkBus,
        screen: ScreenServer,
    ) -> Parts:
        """Every adapter the settings ask for. past: of the whole journal."""
        settings, config, log = self._settings, self._config, self._log
        file = settings.file
        coin_yen = {hopper.address: hopper.coin_yen for hopper in file.hoppers}
        clock = Clock(
            rule=settings.hours, tolerance_seconds=file.municipality.clock_tolerance_seconds, log=log
        )
        printer = _document_printer(settings, log)
        maintenance = MaintenanceWatch(
            state=past.maintenance,
            read_order=order_reader(settings),
            rule=file.console.order_lockout.rule,
            log=log,
            now=now_utc,
            trusted=lambda: clock.trusted,
        )
        card = PcscCardReader(
            log=log,
            reader_name=file.card_reader.name,
            apdu_timeout_seconds=file.card_reader.apdu_timeout_seconds,
            reconnect_seconds=file.card_reader.reconnect_seconds,
            now=now_utc,
            acceptance=card_acceptance(file.card_reader),
            domain=PREFIX,
            restart_request=settings.optional_path(file.card_reader.restart_request),
            restart_seconds=file.card_reader.restart_seconds,
        )
        remote = RemoteDesk(log)
        errands = Errands(settings, config, clock=clock, journal=journal, log=log)
        devices = Devices(
            card=card,
            keypad=MatrixKeypad(
                row_pins=file.keypad.row_pins,
                column_pins=file.keypad.column_pins,
                layout=file.keypad.layout,
                scan_seconds=file.keypad.scan_seconds,
                stable_scans=file.keypad.stable_scans,
                double_strike_seconds=file.keypad.double_strike_seconds,
                log=log,
            ),
            acceptor=_acceptor(settings.file.coins, bus, log),
            payouts={
                hopper.address: CcTalkHopper(
                    bus,
                    log,
                    address=hopper.address,
                    expected_serial=hopper.serial or None,
                    coins=coins_left(hopper, past.books.accounts, coin_yen),
                    coin_yen=hopper.coin_yen,
                )
                for hopper in file.hoppers
            },
            printer=printer,
            receipt=_receipt_printer(settings, config, printer, log),
            panel=_panel(settings, log),
            municipality=_municipality(settings, clock, journal, log, remote=remote, errands=errands),
            new_worker=partial(_worker, settings, config, log),
            slip_lines=partial(_slip_lines, settings),
        )
        health = Health(
            rule=HealthRule(),
            journal_busy=journal.busy_seconds,
            busy=busy_by_device(devices),
            watchers=watchers(settings),
            log=log,
        )
        door = _staff_door(settings, past, log)
        return Parts(
            rules=settings.rules,
            devices=devices,
            clock=clock,
            lockout=LockoutWatch(strikes=past.mistakes.go_on(now_utc()), log=log, now=now_utc),
            staff=door,
            pace=PrintPace(prints=past.prints, now=now_utc),
            maintenance=maintenance,
            health=health,
            journal=journal,
            medium=medium,
            show=self._told.show,
            listen=self._told.listen,
            voice_key=self._told.key,
            next_person=self._told.next_person,
            start_screen=screen.start,
            close_screen=screen.close,
            watch_page=PageWatch(screen.page_silent_seconds, log).run,
            make_crew=partial(self._crew, devices, door),
            settle_seconds=_SETTLE_SECONDS,
            late_refund_seconds=file.timeouts.refund_after_power_cut_seconds,
            coin_yen=coin_yen,
            coins_loaded={hopper.address: hopper.coins_loaded for hopper in file.hoppers},
            day_ends=settings.day_ends,
            door_grace_seconds=file.console.door_grace_seconds,
            make_console=TechniciansConsole(
                settings=settings,
                config=config,
                devices=devices,
                maintenance=maintenance,
                remote=remote,
                strays=errands.strays,
                copy_journal=errands.copy_journal,
                health=health,
                journal=journal,
                ring=self._ring,
                speak=self._told.try_voice,
                hours=lambda: clock.rule,
                updates=UpdateWatch(_update_files(settings), hold=maintenance.hold, log=log),
            ).open_at,
            begin_errands=errands.begin,
            report_unheard_seconds=file.municipality.report_unheard_seconds,
            now=now_utc,
        )

    def _crew(  # noqa: PLR0917 - bound but for what the daemon gives
        self,
        devices: Devices,
        door: StaffDoor,
        pin: PinBuffer,
        spare: SpareWorker,
        speak: Callable[[Language], None],
        adapt: Callable[[Aid], None],
    ) -> DeviceCrew:
        def fee_now(kind: CertificateKind, now: datetime) -> Yen | None:
            return fee_on(self._settings.fees, kind, now.astimezone(JST).date())

        return DeviceCrew(
            devices=devices,
            pin=pin,
            spare=spare,
            fee_now=fee_now,
            now=lambda: datetime.now(UTC),
            speak=speak,
            admits=door.admits,
            adapt=adapt,
            sound=self._told.sound,
            log=self._log,
        )


def _update_files(settings: Settings) -> UpdateFiles | None:
    said = settings.file.updates
    if not said.state:
        return None
    return UpdateFiles(settings.path(said.state), settings.path(said.wish), settings.path(said.fit))


def coins_left(hopper: Hopper, accounts: Accounts, coin_yen: Mapping[int, Yen]) -> int:
    """What certainly lies in the hopper: by the books, or as loaded when they know nothing of it yet.

    coin_yen: of all configured hoppers; coins of one that is no more may be those in this one.
    """
    position = accounts.position(hopper.address, hopper.coin_yen)
    if position.known:
        return position.sure_coins
    return 0 if misplaced_hoppers(accounts, coin_yen) else hopper.coins_loaded


def _staff_door(settings: Settings, past: Past, log: Logbook) -> StaffDoor:
    said = settings.file.staff
    return StaffDoor(
        code_file=settings.path(said.code_file) if said.code_file else None,
        complaint_seconds=said.complaint_seconds,
        door_seconds=said.door_seconds,
        last_sale=past.last_sale,
        strikes=past.staff_mistakes.go_on(now_utc()),
        log=log,
        now=now_utc,
    )


def _acceptor(coins: Coins, bus: CcTalkBus, log: Logbook) -> ports.CoinAcceptor:
    if coins.pulse is not None:
        return _pulse_acceptor(coins.pulse, coins.drain_seconds, log)
    suspect_codes = SUSPECT_CODES if coins.suspect_codes is None else frozenset(coins.suspect_codes)
    return CcTalkAcceptor(
        bus,
        log,
        commissioned=Commissioned(coins.serial or None, coins.manufacturer, coins.product),
        denominations=frozenset(coins.denominations_yen),
        suspect_codes=suspect_codes,
        poll_seconds=coins.poll_seconds,
        drain_seconds=coins.drain_seconds,
    )


def _pulse_acceptor(said: PulseSettings, drain_seconds: float, log: Logbook) -> PulseAcceptor:
    return PulseAcceptor(
        PulsePins(
            said.pulse_pin,
            said.inhibit_pin,
            pulse_level=said.pulse_level,
            pull=said.pull,
            inhibit_level=said.inhibit_level,
        ),
        {coin.pulses: coin.yen for coin in said.coins},
        log,
        timing=PulseTiming(
            shortest_seconds=said.shortest_seconds,
            longest_seconds=said.longest_seconds,
            gap_seconds=said.gap_seconds,
            bounce_seconds=said.bounce_seconds,
        ),
        drain_seconds=drain_seconds,
    )


def _document_printer(settings: Settings, log: Logbook) -> IppDocumentPrinter:
    said = settings.file.document_printer
    sensor = said.exit_sensor
    exit_sensor = None
    if sensor is not None:
        exit_sensor = ExitSensor(
            pin=sensor.pin,
            active_level=sensor.active_level,
            pull=sensor.pull,
            shortest_seconds=sensor.shortest_seconds,
            log=log,
        )
    return IppDocumentPrinter(
        printer_uri=said.uri,
        cups_socket=str(settings.path(said.cups_socket)),
        queue=said.queue,
        log=log,
        poll_seconds=said.poll_seconds,
        appear_seconds=said.appear_seconds,
        stall_seconds=said.stall_seconds,
        silent_seconds=said.silent_seconds,
        dead_seconds=said.dead_seconds,
        reserves=Reserves(
            said.tell_sheets,
            said.low_sheets,
            slip_sheets=_SLIPS_A_VISIT if settings.file.receipt_printer.kind == "a4" else 0,
        ),
        exit_sensor=exit_sensor,
        exit_seconds=sensor.wait_seconds if sensor else 0.0,
        restart_request=settings.optional_path(said.restart_request),
        restart_seconds=said.restart_seconds,
    )


def _receipt_printer(
    settings: Settings, config: Path, printer: ports.DocumentPrinter, log: Logbook
) -> ports.ReceiptPrinter:
    said = settings.file.receipt_printer
    if said.kind == "a4":
        return A4SlipPrinter(
            printer,
            log,
            command=slip_command(config),
            submit_seconds=settings.file.documents.print_seconds,
        )
    font = settings.path(settings.file.documents.label_fonts[0]) if said.kind == "raster" else None
    return EscPosReceiptPrinter(
        path=str(settings.path(said.device)),
        baud=said.baud,
        columns=said.columns,
        poll_seconds=said.poll_seconds,
        picture_font=font,
        log=log,
    )


def _panel(settings: Settings, log: Logbook) -> GpioPanel:
    panel = settings.file.panel

    def sensor(said: Sensor) -> SensorPin:
        return SensorPin(said.pin, said.active_level)

    return GpioPanel(
        door=sensor(panel.door),
        paper=sensor(panel.paper),
        change=sensor(panel.change),
        lamp_pins=panel.lamp_pins,
        buzzer_pin=panel.buzzer_pin,
        debounce_seconds=panel.debounce_seconds,
        log=log,
    )


def _municipality(
    settings: Settings, clock: Clock, journal: Journal, log: Logbook, *, remote: RemoteDesk, errands: Errands
) -> HttpsMunicipality:
    said = settings.file.municipality
    finish(files_of(settings))
    return HttpsMunicipality(
        url=said.url,
        audience=said.audience,
        ca_file=settings.path(said.ca_file),
        certificate_file=settings.path(said.certificate_file),
        key_file=settings.path(said.key_file),
        kiosk=settings.file.kiosk.urn,
        firmware_version=__version__,
        log=log,
        server_time=clock.heard,
        server_hours=clock.server_said,
        journal=journal,
        remote=remote,
        published=errands.told,
        store=key_store_of(settings),
        key_store_lost=errands.key_store_lost,
        patience=Patience(
            answer_seconds=said.request_seconds,
            total_seconds=said.total_seconds,
            heartbeat_seconds=said.heartbeat_seconds,
            lost_key_seconds=said.tpm_lost_seconds,
        ),
    )


def _credential(file: Path) -> Path:
    """The copy of a key that systemd hands over under the file's name (LoadCredential=), else the file."""
    handed_over = os.environ.get("CREDENTIALS_DIRECTORY")
    copy = Path(handed_over) / file.name if handed_over else file
    return copy if copy.exists() else file


def _worker(settings: Settings, config: Path, log: Logbook) -> WorkerProcess:
    said = settings.file.documents
    return WorkerProcess(
        command=(sys.executable, "-m", "firmware", "document-worker", "--config", str(config)),
        log=log,
        kiosk=settings.file.kiosk.urn,
        start_seconds=said.start_seconds,
        prepare_seconds=said.prepare_seconds,
        print_seconds=said.print_seconds,
        socket=settings.optional_path(said.worker_socket),
    )


def _slip_lines(settings: Settings, slip: PrintSlip, now: datetime) -> Sequence[ports.SlipLine]:
    columns = settings.file.receipt_printer.columns
    issued_at = now.astimezone(JST)
    match slip.slip:
        case Slip.RECEIPT:
            return receipt(
                municipality=settings.city.name,
                receipt_no=slip.receipt_no,
                issued_at=issued_at,
                sold=(Sold(slip.kind, slip.copies, slip.fee_yen // slip.copies),),
                paid_yen=slip.paid_yen,
                change_yen=slip.back_yen,
                columns=columns,
            )
        case Slip.CLAIM:
            return claim_slip(
                municipality=settings.city.name,
                claim_no=slip.claim_no,
                kiosk=settings.file.kiosk.urn,
                issued_at=issued_at,
                yen=slip.owed_yen,
                where=settings.city.counters,
                columns=columns,
            )

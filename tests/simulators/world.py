"""The whole outside world of one kiosk: every simulator, the reference municipality and the kiosk itself.

Tests, demo and bench start and stop everything here and nowhere else.
"""

import asyncio
import base64
import contextlib
import functools
import hashlib
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import time
from pathlib import Path
from typing import Any, Self, cast

import tomli_w

from tests.municipality.pki import make_test_pki
from tests.municipality.register import PEOPLE, People
from tests.municipality.server import MunicipalityServer
from tests.simulators.bench.world_api import (
    CardChoice,
    Key,
    NetworkMode,
    PrintedJob,
    PrinterFault,
    ReceiptFault,
    WorldRefusal,
    WorldState,
)
from tests.simulators.card.stand import CardStand
from tests.simulators.coin.machine import CoinMachine
from tests.simulators.coin.pulse_on_pins import PulseOnPins
from tests.simulators.eyes import Eyes
from tests.simulators.gpio.client import PinBench
from tests.simulators.gpio.wiring import Wiring
from tests.simulators.network import Network
from tests.simulators.nursery import Kiosk, Nursery
from tests.simulators.ports import free_port
from tests.simulators.printers.a4_printer import A4Printer
from tests.simulators.printers.a4_printer import PrintedJob as KeptJob
from tests.simulators.printers.print_server import PrintServer
from tests.simulators.printers.receipt_sink import ReceiptSink

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = REPOSITORY / "config"
PKI = REPOSITORY / "build" / "test-pki"

_HOLDER = "shiken_taro"

OTHER_CARDS: tuple[CardChoice, ...] = (
    {"name": "felica", "title": "FeliCa", "note": "a transit card"},
    {"name": "licence", "title": "運転免許証", "note": "a driving licence"},
    {"name": "residence", "title": "在留カード", "note": "a residence card"},
    {"name": "bank", "title": "Bank card", "note": "a contactless credit card"},
    {"name": "juki", "title": "住民基本台帳カード", "note": "the card before the My Number Card"},
    {"name": "other", "title": "Membership card", "note": "a card with unknown applications"},
    {"name": "mute", "title": "Broken card", "note": "never answers"},
    {"name": "two_cards", "title": "Two cards at once", "note": "they collide: the reader wakes neither"},
    *(
        CardChoice(name=f"{_HOLDER}~{variant}", title=title, note=note)
        for variant, title, note in (
            ("last_try", "Last try", "two PINs were wrong before"),
            ("locked", "Locked card", "three PINs were wrong before"),
            ("no_certificate", "No certificate", "under 15, or none installed"),
            ("phone", "iPhone", "a certificate in a smartphone"),
            ("android", "Android", "a certificate in a smartphone"),
            ("sleepy", "Sleepy card", "not awake at its first command"),
            ("slow", "Slow card", "150 ms late with every answer"),
            ("short_reads", "Stingy card", "insists on short reads (6CXX)"),
            ("in_parts", "Card in parts", "gives its answers in parts (61XX)"),
            ("no_extended", "Old card", "knows no extended length"),
            ("dies_reading", "Card that dies", "leaves the field while it is read"),
            ("dies_in_verify", "Card that dies", "leaves before it has seen the PIN"),
            ("dies_after_verify", "Card that dies", "leaves after it has seen the PIN"),
            ("dies_signing", "Card that dies", "leaves before it signs"),
            ("garbled", "Garbled card", "answers nonsense"),
            ("wrong_signature", "Lying card", "signs with one wrong bit"),
            ("with_bank_card", "Two cards in a wallet", "the reader takes the bank card first, then it"),
        )
    ),
)
"""Things that are no good My Number Card, and all that one person's card can do."""

_FULL_TRAY_SHEETS, _LOW_TRAY_SHEETS = 200, 12
_PRINTER_FAULTS: Mapping[PrinterFault, str | None] = {
    "jam": "jam",
    "paper_out": "empty",
    "cover_open": "cover",
    "offline": "offline",
    "abort": "abort",
    "paper_low": None,
    "toner_low": "toner-low",
}
COIN_ACCEPTOR_SERIAL = 960078
"""It stands in the log, where nobody's PIN may."""

STAFF_CODE = "80412657"
"""What the store's staff know. 係員コード"""

_KIOSK_STOP_SECONDS = 40.0
_SAME_KEY_SECONDS = 0.35
_LOG_SECONDS = 0.05
_SHEET_SECONDS = 0.12

_SENSOR_SECONDS = 60.0
"""An order to the pins that nobody answers must not hold up the next for good."""


class World:
    """Use as an async context manager; everything ends with it.

    directory: where kiosk, journal, log and received pages are kept; a private one by default.
    overrides: sections of kiosk.toml with keys to replace, in each of several alike. hours: of kiosk and
    municipality, Japan time.
    screen_port: 0 takes a free one. pulse_acceptor: the kiosk takes coins by pulses instead of ccTalk.
    nursery: starts the kiosks if given. module: whose main is the kiosk's. municipality: more of its.
    environment: more of the kiosk's, not of one that a nursery starts.
    """

    def __init__(
        self,
        *,
        directory: Path | None = None,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
        hours: tuple[str, str] = ("00:00", "24:00"),
        hopper_coins: int = 50,
        page_ms: int = 60,
        screen_port: int = 0,
        pulse_acceptor: bool = False,
        nursery: Nursery | None = None,
        module: str = "firmware.__main__",
        database: str | None = None,
        municipality: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._own_directory = directory is None
        self._database = database
        self.directory = directory or Path(tempfile.mkdtemp(prefix="madoguchi-"))
        self._overrides = overrides or {}
        self._hours = hours
        self._screen_port = screen_port
        self._nursery = nursery
        self._module = module
        self._municipality = municipality or {}
        self._environment = environment or {}
        self._undo = AsyncExitStack()
        self._sensor_tasks: set[asyncio.Task[None]] = set()
        self._sensing = asyncio.Lock()
        self.cards_stand = CardStand(self.directory, PKI / "cards")
        self._hand = asyncio.Lock()
        self.restart_request = self.directory / "restart-pcscd"
        self.cups_restart_request = self.directory / "restart-cups"
        self.coins = CoinMachine(
            serial=COIN_ACCEPTOR_SERIAL,
            hopper_coins=hopper_coins,
            on_change_cup=self._change_moved,
            acceptor_on_bus=not pulse_acceptor,
        )
        self.pulse_slot = PulseOnPins(self.coins) if pulse_acceptor else None
        self.printer = A4Printer(page_ms=page_ms, directory=self.directory)
        self.print_server: PrintServer
        self.receipts = ReceiptSink(columns=32)
        self.municipality: MunicipalityServer
        self.network: Network
        self.pins: PinBench | None = None
        self.eyes: Eyes
        self.kiosk: asyncio.subprocess.Process | Kiosk | None = None
        self._people: People
        self._wiring: Wiring
        self._sockets: Path
        self._lock = asyncio.Lock()
        self._state = WorldState(
            kiosk_running=False,
            screen=None,
            reason="",
            card=None,
            lamps=[],
            buzzer=False,
            beeps=0,
            change_cup_yen=0,
            cash_box_yen=0,
            returned_coins_yen=0,
            hopper_coins=hopper_coins,
            hopper_jammed=False,
            tray_sheets=0,
            jobs=[],
            receipts=[],
            receipt_waiting=False,
            door_open=False,
            printer_fault=None,
            receipt_fault=None,
            network="ok",
        )
        self._returned_taken_yen = 0
        self._last_press: tuple[str, float] = ("", 0.0)
        self._slips: list[bytes] = []
        self.press_ms = 120
        """How long a finger stays on a key."""
        self.sheets_unseen = 0
        """So many sheets to come do not cover the sensor at the exit: they are still in the printer."""
        self._sheets_to_pass: asyncio.Queue[None] = asyncio.Queue()

    @property
    def config(self) -> Path:
        """The kiosk.toml in use."""
        return self.directory / "kiosk.toml"

    @property
    def log(self) -> Path:
        """The kiosk's log, one JSON line an event."""
        return self.directory / "kiosk.log"

    @property
    def screen_url(self) -> str:
        return f"http://127.0.0.1:{self._screen_port}/"

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End everything; may be called twice."""
        await self.stop_kiosk()
        await self._undo.aclose()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    async def _start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        # A Unix socket's path is at most 107 bytes: no folder of the caller's.
        self._sockets = Path(tempfile.mkdtemp(prefix="pins-"))
        self._undo.callback(shutil.rmtree, self._sockets, ignore_errors=True)
        PKI.parent.mkdir(parents=True, exist_ok=True)
        self._people = await asyncio.to_thread(make_test_pki, PKI, PEOPLE)
        self._undo.push_async_callback(self.cards_stand.stop)
        await self.cards_stand.start()
        self._undo.push_async_callback(self.coins.stop)
        await self.coins.start()
        self._undo.push_async_callback(self.printer.stop)
        await self.printer.start()
        self.printer.on_paper(self._paper_fell)
        self.print_server = PrintServer(self.printer.uri)
        self._undo.push_async_callback(self.print_server.stop)
        await self.print_server.start()
        self._undo.push_async_callback(self.receipts.stop)
        await self.receipts.start()
        self.receipts.on_slip(self._slip_cut)
        self.municipality = MunicipalityServer(
            pki=PKI,
            database=self._database or self.directory / "municipality.db",
            checking_port=0,
            **self._municipality,
        )
        self.municipality.set_hours(_clock(self._hours[0]), _clock(self._hours[1]))
        self._undo.push_async_callback(self.municipality.stop)
        await self.municipality.start()
        self.network = Network(self.municipality.port)
        self._undo.push_async_callback(self.network.stop)
        await self.network.start()
        self._screen_port = self._screen_port or free_port()
        self._write_config()
        self.eyes = await Eyes(self.screen_url).open()
        self._undo.push_async_callback(self.eyes.close)
        passing = asyncio.create_task(self._pass_exit(), name="exit")
        self._undo.callback(passing.cancel)
        await self.start_kiosk()

    def _write_config(self) -> None:
        table = tomllib.loads((CONFIG / "kiosk.toml").read_text(encoding="utf-8"))
        mine: dict[str, dict[str, Any]] = {
            "kiosk": {
                "profiles": ["profile.toml"],
                "messages": str(CONFIG / "messages"),
                "allow_swap": True,  # the machine of a test is no kiosk
            },
            "journal": {"path": "journal.db", "key_file": "journal.key"},
            "staff": {"code_file": "staff.code"},
            "screen": {"port": self._screen_port},
            "coins": {"device": self.coins.path},
            "card_reader": {"restart_request": str(self.restart_request)},
            "console": {
                "socket": str(self._sockets / "console"),
                "support_folder": str(self.directory / "support"),
                "reboot_command": ["touch", str(self.directory / "rebooted")],
                "log_command": ["tac", str(self.log)],
            },
            "hoppers": {"coins_loaded": self.coins.hopper_coins},
            "document_printer": {
                "uri": self.printer.uri,
                "cups_socket": self.print_server.socket,
                "queue": self.print_server.queue,
                "restart_request": str(self.cups_restart_request),
                "poll_seconds": 0.5,
            },
            "receipt_printer": {"device": self.receipts.path, "poll_seconds": 0.5},
            "municipality": {
                "url": f"https://localhost:{self.network.port}",
                "audience": self.municipality.audience,
                "ca_file": str(PKI / "server_ca.pem"),
                "certificate_file": str(PKI / "kiosk" / "certificate.pem"),
                "key_file": str(PKI / "kiosk" / "key.pem"),
                "heartbeat_seconds": 2.0,
            },
        }
        if self.pulse_slot is not None:
            mine["coins"]["pulse"] = self.pulse_slot.config
        for changes in (mine, self._overrides):
            for section, keys in changes.items():
                said = table.setdefault(section, {})
                for one in said if isinstance(said, list) else [said]:
                    one.update(keys)
        self.config.write_text(tomli_w.dumps(table), encoding="utf-8")
        profile = tomllib.loads((CONFIG / "shibukawa.toml").read_text(encoding="utf-8"))
        profile["hours"] |= {"opens": self._hours[0], "closes": self._hours[1]}
        profile["settlement"] = {"day_ends": self._hours[1]}
        (self.directory / "profile.toml").write_text(tomli_w.dumps(profile), encoding="utf-8")
        key = self.directory / "journal.key"
        if not key.exists():
            key.write_bytes(secrets.token_bytes(32))
            key.chmod(0o600)
        (self.directory / "staff.code").write_text(_staff_code(), encoding="ascii")
        self._wiring = _wiring(table)

    async def start_kiosk(self, *, under: Sequence[str] = ()) -> None:
        """Start the daemon on simulated pins and wait until it answers on them.

        under: a command and its arguments that runs another one in its own process.
        """
        pin_socket = self._sockets / "pins"
        command = (
            *("--socket", str(pin_socket), "--wiring", self._wiring.to_json(), "--module", self._module),
            *("--", "run", "--config", str(self.config)),
        )
        if self._nursery is not None and not under:
            self.kiosk = await self._nursery.start(command, str(self.log), self.cards_stand.environment)
        else:
            self.kiosk = await self._start_process(under, command)
        if self.pins is None:
            connecting = asyncio.create_task(PinBench.connect(pin_socket, self._wiring, wait_seconds=30))
            ended = asyncio.create_task(self.kiosk.wait())
            await asyncio.wait({connecting, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not connecting.done():
                connecting.cancel()
                await asyncio.gather(connecting, return_exceptions=True)
                raise RuntimeError(f"the kiosk does not start: {self.last_words()}")
            ended.cancel()
            self.pins = await connecting
            self._undo.push_async_callback(self.pins.close)

    async def _start_process(
        self, under: Sequence[str], command: Sequence[str]
    ) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *under,
                *(sys.executable, "-m", "tests.simulators.gpio.host", *command),
                cwd=REPOSITORY,
                env={**os.environ, **self.cards_stand.environment, **self._environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def restart_with(self, section: str, keys: Mapping[str, Any]) -> None:
        """Stop the kiosk and start it with these overrides of a section, in place of those before."""
        await self.stop_kiosk()
        self._overrides = {**self._overrides, section: keys}
        self._write_config()
        await self.start_kiosk()

    async def kiosk_ended(self) -> None:
        """Wait until the kiosk's process is gone."""
        if self.kiosk is not None:
            await self.kiosk.wait()

    def last_words(self) -> str:
        """The last line of the kiosk's log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    async def logged(self, event: str) -> dict[str, Any]:
        """Wait until the kiosk's log has this event; its newest line."""
        while True:
            for line in reversed(self.log.read_text(encoding="utf-8", errors="replace").splitlines()):
                if f'"event": "{event}"' in line:
                    entry: dict[str, Any] = json.loads(line)
                    return entry
            await asyncio.sleep(_LOG_SECONDS)

    async def stop_kiosk(self) -> int | None:
        """Ask the daemon to stop, as systemd does; its exit status."""
        return await self._end_kiosk(signal.SIGTERM)

    async def kill_kiosk(self) -> None:
        """Power cut: SIGKILL, no chance to write anything."""
        await self._end_kiosk(signal.SIGKILL)

    async def _end_kiosk(self, number: signal.Signals) -> int | None:
        kiosk, self.kiosk = self.kiosk, None
        if kiosk is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            kiosk.send_signal(number)
        try:
            async with asyncio.timeout(_KIOSK_STOP_SECONDS):
                return await kiosk.wait()
        except TimeoutError:
            kiosk.kill()
            await kiosk.wait()
            raise

    async def journal_lines(self) -> tuple[int, list[str], str]:
        """`madoguchi journal export`: exit status, JSON lines, complaints."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "firmware",
            "journal",
            "export",
            "--config",
            str(self.config),
            cwd=REPOSITORY,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, complaints = await process.communicate()
        return process.returncode or 0, out.decode().splitlines(), complaints.decode()

    # What a person does outside: the bench panel's API.

    async def cards(self) -> list[CardChoice]:
        """Cards at hand: one of each invented resident, and things that are no My Number Card."""
        holders = [resident for _, resident in self._people.residents()] + list(self._people.visitor)
        mine: list[CardChoice] = [
            {"name": holder.id, "title": holder.id.replace("_", " "), "note": holder.shows}
            for holder in holders
            if holder.card is not None
        ]
        return mine + list(OTHER_CARDS)

    async def insert_card(self, name: str) -> None:
        if self._state["card"] is not None:
            raise WorldRefusal("a card lies on the reader already")
        if name not in {card["name"] for card in await self.cards()}:
            raise WorldRefusal("there is no such card")
        # A hand that has begun finishes, also of a visitor who is given up meanwhile: else the card would lie
        # on the reader and nobody know of it.
        await asyncio.shield(self._lay_down(name))

    async def remove_card(self) -> None:
        await asyncio.shield(self._take_away())

    async def _lay_down(self, name: str) -> None:
        async with self._hand:
            await self.cards_stand.insert(name)
            self._state["card"] = name

    async def _take_away(self) -> None:
        async with self._hand:
            if self._state["card"] is not None:
                await self.cards_stand.remove()
                self._state["card"] = None

    async def press(self, key: Key) -> None:
        """A finger needs its time for the same key again: the keypad takes a quick one for a bounce."""
        last, pressed_at = self._last_press
        wait_seconds = pressed_at + _SAME_KEY_SECONDS - asyncio.get_running_loop().time()
        if key == last and wait_seconds > 0:
            await asyncio.sleep(wait_seconds)
        await self._pins().press(key, milliseconds=self.press_ms)
        self._last_press = (key, asyncio.get_running_loop().time())

    async def type_staff_code(self) -> None:
        for key in (*STAFF_CODE, "confirm"):
            await self.press(cast("Key", key))

    async def drop_coin(self, yen: int) -> bool:
        if self.pulse_slot is not None:
            return await self.pulse_slot.drop(yen, self.pins)
        return self.coins.drop_coin(yen)

    async def slot_is_open(self) -> bool:
        """Some coin would be taken now."""
        if self.pulse_slot is not None:
            return await self.pulse_slot.is_open(self.pins)
        return self.coins.slot_is_open

    async def take_paper(self) -> int:
        sheets = self._state["tray_sheets"]
        self._state["tray_sheets"] = 0
        await self._set_sensor("paper", active=False)
        return sheets

    async def sheet_falls_late(self) -> None:
        """One that the printer has counted long ago, into a tray that its owner found empty."""
        self._state["tray_sheets"] += 1
        await self._set_sensor("paper", active=True)

    async def take_change(self) -> int:
        returned_yen = self.coins.returned_yen - self._returned_taken_yen
        self._returned_taken_yen = self.coins.returned_yen
        return self.coins.take_change() + returned_yen

    async def take_receipt(self) -> None:
        self._state["receipt_waiting"] = False

    async def set_door(self, open: bool) -> None:  # noqa: A002 - the panel's word
        await self._pins().set_sensor("door", active=open)
        self._state["door_open"] = open

    async def set_printer_fault(self, name: PrinterFault | None) -> None:
        if self._state["printer_fault"] == "paper_low":
            await self.printer.load(_FULL_TRAY_SHEETS)
        await self.printer.set_fault(None if name is None else _PRINTER_FAULTS[name])
        if name == "paper_low":
            await self.printer.load(_LOW_TRAY_SHEETS)
        self._state["printer_fault"] = name

    async def set_receipt_fault(self, name: ReceiptFault | None) -> None:
        self.receipts.set_fault(name)
        self._state["receipt_fault"] = name

    async def set_network(self, mode: NetworkMode) -> None:
        self.network.set_mode(mode)
        self._state["network"] = mode

    async def jam_hopper(self, jammed: bool) -> None:
        self.coins.hopper.jammed = jammed
        self._state["hopper_jammed"] = jammed

    async def refill_hopper(self, coins: int) -> None:
        if coins < 0:
            raise WorldRefusal("coins can only be put in")
        self.coins.refill(coins)

    async def kill_pcscd(self) -> None:
        await self.cards_stand.kill_pcscd()
        await self.cards_stand.restart_pcscd()

    async def power_cut(self) -> None:
        async with self._lock:
            await self.kill_kiosk()
            await self.start_kiosk()

    async def state(self) -> WorldState:
        outputs = self.pins.outputs() if self.pins is not None and self.pins.connected else {}
        seen = self.eyes.now
        return {
            **self._state,
            "screen": None if seen is None else str(seen["screen"]),
            "reason": "" if seen is None else str(seen["reason"]),
            "kiosk_running": self.kiosk is not None and self.kiosk.returncode is None,
            "lamps": [name for name, on in outputs.items() if on and name != "buzzer"],
            "buzzer": outputs.get("buzzer", False),
            "beeps": 0 if self.pins is None else self.pins.times_on("buzzer"),
            "change_cup_yen": self.coins.change_cup_yen,
            "cash_box_yen": self.coins.cash_box_yen,
            "returned_coins_yen": self.coins.returned_yen - self._returned_taken_yen,
            "hopper_coins": self.coins.hopper_coins,
            "jobs": [PrintedJob(id=str(n), pages=job.pages) for n, job in enumerate(self.printer.jobs())],
            "receipts": [str(number) for number in range(len(self._slips))],
        }

    async def job_page_png(self, job_id: str, page: int) -> bytes:
        return await page_png(self._job(job_id).pdf, page)

    async def receipt_png(self, receipt_id: str) -> bytes:
        try:
            slip = self._slips[int(receipt_id)]
        except (ValueError, IndexError):
            raise WorldRefusal("there is no such receipt") from None
        return await asyncio.to_thread(self.receipts.render_png, slip)

    def _job(self, job_id: str) -> KeptJob:
        try:
            return self.printer.jobs()[int(job_id)]
        except (ValueError, IndexError):
            raise WorldRefusal("there is no such job") from None

    def _pins(self) -> PinBench:
        if self.pins is None:
            raise WorldRefusal("the kiosk has not started")
        return self.pins

    async def _pass_exit(self) -> None:
        """Sheet by sheet through the light barrier behind the printer."""
        while True:
            await self._sheets_to_pass.get()
            for active in (True, False):
                with contextlib.suppress(ConnectionError):
                    await self._pins().set_sensor("exit", active)
                await asyncio.sleep(_SHEET_SECONDS)

    def _paper_fell(self, sheets: int) -> None:
        for _ in range(sheets if "exit" in self._wiring.sensors else 0):
            if self.sheets_unseen:
                self.sheets_unseen -= 1
            else:
                self._sheets_to_pass.put_nowait(None)
        self._state["tray_sheets"] += sheets
        self._sense("paper", active=True)

    def _change_moved(self, lies_there: bool) -> None:
        self._sense("change", active=lies_there)

    def _slip_cut(self, slip: bytes) -> None:
        self._slips.append(slip)
        self._state["receipt_waiting"] = True

    async def _set_sensor(self, name: str, *, active: bool) -> None:
        """One after the other: of two that overtake each other the pin would keep the older."""
        async with self._sensing, asyncio.timeout(_SENSOR_SECONDS):
            await self._pins().set_sensor(name, active)

    def _sense(self, name: str, *, active: bool) -> None:
        if self.pins is None:
            return
        task = asyncio.create_task(self._set_sensor(name, active=active))
        self._sensor_tasks.add(task)
        task.add_done_callback(self._sensor_tasks.discard)


async def page_png(pdf: Path, page: int, *, dpi: int = 100) -> bytes:
    """One page of a PDF as PNG, by poppler. Raises WorldRefusal if there is none."""
    process = await asyncio.create_subprocess_exec(
        *("pdftoppm", "-png", "-r", str(dpi), "-f", str(page), "-l", str(page), str(pdf)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    png, _ = await process.communicate()
    if process.returncode or not png:
        raise WorldRefusal("there is no such page")
    return png


def _clock(text: str) -> time:
    return time.max if text == "24:00" else time.fromisoformat(text)


def _wiring(table: Mapping[str, Any]) -> Wiring:
    keypad, panel, pulse = table["keypad"], table["panel"], table["coins"].get("pulse")
    exit_sensor = table["document_printer"].get("exit_sensor")
    sensors = {name: panel[name] for name in ("door", "paper", "change")}
    if exit_sensor is not None:
        sensors["exit"] = exit_sensor
    return Wiring(
        keys={
            name: (row_pin, column_pin)
            for row_pin, names in zip(keypad["row_pins"], keypad["layout"], strict=True)
            for column_pin, name in zip(keypad["column_pins"], names, strict=True)
            if name
        },
        sensors={name: (said["pin"], said["active_level"]) for name, said in sensors.items()},
        outputs={**panel["lamp_pins"], "buzzer": panel["buzzer_pin"]},
        idle={} if pulse is None else {pulse["pulse_pin"]: not pulse["pulse_level"]},
        pulls={} if pulse is None else {pulse["inhibit_pin"]: bool(pulse["inhibit_level"])},
    )


@functools.cache
def _staff_code() -> str:
    """RFC 7914, as `madoguchi staff-code` writes it."""
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(STAFF_CODE.encode(), salt=salt, n=1 << 12, r=8, p=1, dklen=32)
    words = (base64.b64encode(part).decode() for part in (salt, digest))
    return "$".join(("scrypt", str(1 << 12), "8", "1", *words))

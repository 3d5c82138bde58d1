"""A store with the whole machine in it: the world's simulators around an emulated kiosk."""

import asyncio
import contextlib
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import tomli_w

from firmware.core.updates import Slot
from firmware.municipality import enrolment
from firmware.municipality.tls import Files
from tests.appliance.machine import (
    STOOD_STILL,
    Disk,
    Machine,
    Peripheral,
    copy_out,
    make_data_partition,
    make_slots,
    root_name,
)
from tests.appliance.pin_tests import lay_pin_tests
from tests.appliance.write_log import Later, cut_disk, write_sparse
from tests.municipality.maintenance import new_issuer
from tests.municipality.pki import make_test_pki
from tests.municipality.register import PEOPLE
from tests.municipality.server import MunicipalityServer
from tests.simulators.card.card import Faults, VirtualCard
from tests.simulators.card.characters import BUILT_IN, load
from tests.simulators.card.stand import CardStand
from tests.simulators.card.usb_slot import UsbSlot
from tests.simulators.eyes import Eyes
from tests.simulators.gpio.client import PinBench
from tests.simulators.network import Network
from tests.simulators.ports import free_port
from tests.simulators.printers.print_server import PrintServer
from tests.simulators.tpm import SoftwareTpm
from tests.simulators.vt100 import Vt100, vt100
from tests.simulators.world import CONFIG, PKI, REPOSITORY, World, _clock

SYSUSERS = REPOSITORY / "systemd" / "sysusers" / "madoguchi.conf"
LAYER = Path(__file__).with_name("layer")
GPIO_LAYER = Path(__file__).with_name("gpio_layer")
IN_GUEST = {"screen": 7080, "pins": 7001}
IN_LAYER = ("probe", "rigged_kiosk.py", "shell")
COINS, RECEIPTS, READER = 1, 2, 3
"""USB sockets of the machine; the fourth is the technician's."""
OTHERS = ("madoguchi-screen", "madoguchi-console", "madoguchi-worker", "lp")
"""Users of the machine who may not have what is the kiosk's own."""
KIOSK_URN = "urn:kiosk:demo-0001"
BOOT_SECONDS = 900.0
SOON = 480.0
"""Seconds for what takes seconds on a machine that has nothing else to do."""

_PAUSE_SECONDS = 1.0
_LOOK_SECONDS = 0.05

Relay = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

GUEST: dict[str, dict[str, Any]] = {
    "kiosk": {"messages": "/usr/lib/madoguchi/config/messages"},
    "journal": {
        "path": "/var/lib/madoguchi/journal.db",
        "key_file": "/etc/madoguchi/journal.key",
        "minimum_free_mib": 16,
    },
    "coins": {"device": "/dev/madoguchi/cctalk", "drain_seconds": 1.0},
    "card_reader": {"restart_request": "/run/madoguchi/restart-pcscd"},
    "console": {
        "socket": "/run/madoguchi-console/console.sock",
        "support_folder": "/var/lib/madoguchi/support",
        "group": "madoguchi-console",
        "order_keys": "/etc/madoguchi/orders.jwks",
        "order_always": True,
        "journal_seconds": 600.0,
        "reboot_command": ["systemctl", "reboot"],
        "log_command": ["journalctl", "--unit=madoguchi", "--output=cat", "--no-pager", "--reverse"],
    },
    # Nothing here is as quick as what a print server that hangs is known by.
    "document_printer": {
        "uri": "ipp://localhost:7631/ipp/print",
        "poll_seconds": 2.0,
        "restart_seconds": 300.0,
    },
    "receipt_printer": {"device": "/dev/madoguchi/receipt"},
    "documents": {
        "worker_socket": "/run/madoguchi-worker.sock",
        "start_seconds": 300.0,
        "prepare_seconds": 300.0,
        "print_seconds": 300.0,
    },
    "municipality": {
        "url": "https://localhost:7443",
        "ca_file": "/etc/madoguchi/server_ca.pem",
        "certificate_file": "/var/lib/madoguchi/own/kiosk.pem",
        "key_file": "/var/lib/madoguchi/own/kiosk.key",
        "heartbeat_seconds": 10.0,
        "journal_copy_seconds": 5.0,
        "request_seconds": 60.0,
        "total_seconds": 120.0,
    },
    "timeouts": {
        "reading_card_seconds": 120,
        "opening_session_seconds": 120,
        "authenticating_seconds": 240,
        "preparing_seconds": 300,
        "closing_coins_seconds": 60,
        **dict.fromkeys(
            (
                *("notice_seconds", "present_card_seconds", "pin_seconds", "choose_kind_seconds"),
                *("choose_subjects_seconds", "choose_items_seconds", "choose_copies_seconds"),
                *("confirm_seconds", "coins_seconds", "take_all_seconds", "thanks_seconds"),
            ),
            300,
        ),
    },
}
"""Of the machine's kiosk.toml: the places of an installed kiosk, and patience for a slow processor."""


class GuestReader:
    """The outside of the USB reader in the machine."""

    def __init__(self, socket: Path) -> None:
        self.slot = UsbSlot(socket)
        self._cards: dict[str, VirtualCard] = {}

    async def insert(self, name: str) -> None:
        """Lay it down; its tries are those it had when it was taken away."""
        await self.slot.insert(self._card(name))

    async def remove(self) -> None:
        """Take the card away."""
        await self.slot.remove()

    async def stop(self) -> None:
        """Take everything away."""
        await self.slot.stop()

    async def state(self, name: str) -> dict[str, Any]:
        """What the card has seen, as CardStand.state."""
        card = self._card(name)
        return {"tries_left": card.tries_left, **asdict(card.counts)}

    def _card(self, name: str) -> VirtualCard:
        if name not in self._cards:
            if name in BUILT_IN:
                self._cards[name] = VirtualCard(BUILT_IN[name], Faults())
            else:
                folder, _, variant = name.partition("~")
                character, settings = load(PKI / "cards" / folder, variant)
                tries_left = settings.pop("tries_left", None)
                self._cards[name] = VirtualCard(character, Faults(**settings), tries_left)
        return self._cards[name]


class Store(World):
    """A World whose kiosk is a whole machine that boots an image.

    kill_kiosk ends the emulator where it stands; what its disk then holds says `log_of_writes`, and power_cut
    goes on from there. image: what scripts/image/build made with the layer of `write_layer`. municipality:
    more of that section of kiosk.toml. tpm: one that is soldered into the machine at its next start. slot: in
    which the system lies and runs, None on a machine without slots.
    """

    slot: ClassVar[Slot | None] = Slot.A

    def __init__(
        self,
        image: Path,
        *,
        directory: Path | None = None,
        municipality: Mapping[str, Any] | None = None,
        page_ms: int = 10,
    ) -> None:
        more = {"municipality": {**GUEST["municipality"], **(municipality or {})}}
        super().__init__(directory=directory, overrides=GUEST | more, page_ms=page_ms)
        self._image = image
        self._ports = {name: free_port() for name in IN_GUEST}
        self._screen_port = free_port()
        self._said_before = 0
        self.press_ms = 700  # what so slow a processor does not miss
        self._runtime = Path(tempfile.mkdtemp(prefix="store-"))  # a socket's path is at most 107 bytes
        self._technician = self._runtime / "technician"
        self._issuer = new_issuer()
        self.reader = GuestReader(self._runtime / "card")
        self.cards_stand = cast("CardStand", self.reader)
        self.print_server = cast(
            "PrintServer", SimpleNamespace(socket="/run/madoguchi-cups/cups.sock", queue="certificates")
        )
        self.words: tuple[str, ...] = ()
        self.clock = "utc"
        self.memory_mib = 1536
        self.extra: tuple[str, ...] = ()
        self.tpm: SoftwareTpm | None = None
        self.machine: Machine

    @property
    def log(self) -> Path:
        """What the machine says on its first serial line."""
        return self.directory / "console.log"

    @property
    def data(self) -> Path:
        """The machine's data partition as it was when it was switched on."""
        return self.directory / "data.ext4"

    @property
    def written(self) -> Path:
        """The same, as the machine writes it: what it never flushed is there, too."""
        return self.directory / "written.ext4"

    @property
    def log_of_writes(self) -> Path:
        """What was written to the data partition since then."""
        return self.directory / "data.log"

    def said(self) -> str:
        """What the machine said on that line since it was switched on."""
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[self._said_before :].decode(errors="replace")

    def stood_still(self) -> int:
        """How often the emulator's processors stood still, which nothing of ours is to blame for."""
        return self.log.read_text(errors="replace").count(STOOD_STILL) if self.log.exists() else 0

    async def says(self, pattern: str, *, seconds: float = BOOT_SECONDS, times: int = 1) -> list[str]:
        """Wait until it has said this so often. Raises TimeoutError."""
        try:
            async with asyncio.timeout(seconds):
                while len(found := re.findall(pattern, self.said())) < times:  # noqa: ASYNC110 - a file
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            raise TimeoutError(f"{pattern!r} was not said in {seconds} s: {self.said()[-2000:]}") from None
        return found

    def probed(self) -> dict[str, str]:
        """What the machine has said of itself, once it has said "end"."""
        return dict(re.findall(r"PROBE (\S+) (\S+)", self.said()))

    def pins_are(self, found: str) -> str:
        """What the kiosk's pins were found to be; and why, where the image had to do with mock pins."""
        why = self._image / "mock-pins-because"
        return f"{found}: {why.read_text().strip()}" if found == "mock" and why.exists() else found

    async def shell(self, command: str) -> tuple[int, str]:
        """Have root of the machine do this; its exit status and what it said."""
        reader, writer = await asyncio.open_unix_connection(self._runtime / "shell")
        try:
            writer.write(f"{command}\n".encode())
            said = (await reader.readuntil(b"DONE ")).decode().removesuffix("DONE ")
            return int(await reader.readline()), said
        finally:
            writer.close()

    @contextlib.asynccontextmanager
    async def technician(self, *, seconds: float) -> AsyncIterator[Vt100]:
        """A terminal whose USB adapter is put into the machine, and pulled out at the end."""
        cable = ("socat", "STDIO,raw,echo=0", f"UNIX-CONNECT:{self._technician}")
        async with vt100(cable, self._runtime, seconds=seconds) as line:
            yield line

    def order(self) -> str:
        """A maintenance order for this kiosk, for everything."""
        return self._issuer.order(KIOSK_URN)

    async def unplug(self, socket: int) -> None:
        """Pull out COINS, RECEIPTS or the READER."""
        await self.machine.unplug(socket)

    async def plug(self, socket: int) -> None:
        """Put it in again."""
        await self.machine.plug(socket)
        if socket == READER:
            self.reader.slot.plugged_in()

    async def _start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._sockets = self._runtime
        self._undo.callback(shutil.rmtree, self._runtime, ignore_errors=True)
        self._undo.push_async_callback(self.reader.stop)
        PKI.parent.mkdir(parents=True, exist_ok=True)
        self._people = await asyncio.to_thread(make_test_pki, PKI, PEOPLE)
        for simulator in (self.coins, self.printer, self.receipts):
            self._undo.push_async_callback(simulator.stop)
            await simulator.start()
        self.printer.on_paper(self._paper_fell)
        self.receipts.on_slip(self._slip_cut)
        self.municipality = MunicipalityServer(
            pki=PKI, database=self.directory / "municipality.db", checking_port=0, enrolment_port=0
        )
        self.municipality.set_hours(_clock("00:00"), _clock("24:00"))
        self._undo.push_async_callback(self.municipality.stop)
        await self.municipality.start()
        self.network = Network(self.municipality.port)
        self._undo.push_async_callback(self.network.stop)
        await self.network.start()
        self._write_config()
        await self._fill_data_partition()
        pins = await asyncio.start_unix_server(self._relay_to("pins"), self._sockets / "pins")
        self._undo.callback(pins.close)
        screen = await asyncio.start_server(self._relay_to("screen"), "127.0.0.1", self._screen_port)
        self._undo.callback(screen.close)
        printer_port = int(re.findall(r":(\d+)/", self.printer.uri)[0])
        architecture = (self._image / "architecture").read_text(encoding="ascii").strip()
        self.machine = Machine(
            kernel=self._image / "vmlinuz",
            initrd=self._image / "initrd.img",
            disks=await self._disks(),
            root="/dev/vda" if self.slot is None else f"PARTLABEL={root_name(self.slot)}",
            architecture=architecture,
            memory_mib=self.memory_mib,
            console=self.log,
            monitor_socket=self._runtime / "qmp",
            peripherals=(
                Peripheral("usb-serial", f"serial,path={_terminal(self.coins.path)}"),
                Peripheral("usb-serial", f"serial,path={_terminal(self.receipts.path)}"),
                Peripheral("usb-ccid", f"socket,path={self._runtime / 'card'},server=on,wait=off", card=True),
                # In the machine as long as somebody is at the other end.
                Peripheral("usb-serial", f"socket,path={self._technician},server=on,wait=off"),
            ),
            forwarded={IN_GUEST[name]: port for name, port in self._ports.items()},
            reached={"10.0.2.100:443": self.network.port, "10.0.2.101:631": printer_port},
            extra=(
                *("-chardev", f"socket,id=shell,path={self._runtime / 'shell'},server=on,wait=off"),
                # The virtual arm64 machine has one serial line of its own; the second is a card of it.
                *(
                    ("-serial", "chardev:shell")
                    if architecture == "amd64"
                    else ("-device", "pci-serial,chardev=shell")
                ),
                *self.extra,
            ),
        )
        self.eyes = await Eyes(self.screen_url).open()
        self._undo.push_async_callback(self.eyes.close)
        await self.start_kiosk()

    async def _enrol(self, own: Path) -> None:
        """A certificate as in a store, its key in clear: the tests' own is good for longer than the next."""
        code = await self.municipality.invite_kiosk(KIOSK_URN)
        files = Files(own / "kiosk.pem", own / "kiosk.key", KIOSK_URN)
        desk = f"https://localhost:{self.municipality.enrolment_port}"
        answered = await enrolment.enrol(desk, PKI / "server_ca.pem", files, code, datetime.now(UTC))
        enrolment.put_in_place(answered, files)

    async def _disks(self) -> tuple[Disk, ...]:
        system = self.directory / "system.img"
        await make_slots(self._image, system)
        return (Disk(system), Disk(self.written, log=self.log_of_writes))

    async def _fill_data_partition(self) -> None:
        content = self.directory / "data"
        for name in (
            "etc/cups",
            "madoguchi/own",
            "madoguchi/support",
            "cups",
            "console",
            "published",
            "updates",
        ):
            (content / name).mkdir(parents=True)
        for name in ("kiosk.toml", "profile.toml", "journal.key", "staff.code"):
            shutil.copy(self.directory / name, content / "etc" / name)
        for name in ("cupsd.conf", "cups-files.conf", "kiosk.convs"):
            shutil.copy(CONFIG / "cups" / name, content / "etc/cups" / name)
        (content / "etc/orders.jwks").write_text(self._issuer.jwks)
        shutil.copy(PKI / "server_ca.pem", content / "etc/server_ca.pem")
        if self.tpm is None:
            shutil.copy(PKI / "kiosk" / "certificate.pem", content / "madoguchi/own/kiosk.pem")
            shutil.copy(PKI / "kiosk" / "key.pem", content / "madoguchi/own/kiosk.key")
        else:
            await self._enrol(content / "madoguchi/own")
        (content / "etc/rig.env").write_text(
            f"SCREEN_PORT={self._screen_port}\nWIRING='{self._wiring.to_json()}'\n"
        )
        (content / "etc/journal.key").chmod(0o400)
        number = _number("madoguchi")
        for file in (content / "madoguchi", *(content / "madoguchi").rglob("*"), content / "etc/staff.code"):
            os.chown(file, number, number)
            file.chmod(0o700 if file.is_dir() else 0o400)
        os.chown(content / "published", number, number)
        shutil.chown(content / "cups", "lp", "lp")
        os.chown(content / "console", _number("madoguchi-console"), _number("madoguchi-console"))
        await make_data_partition(content, self.data)

    def _relay_to(self, name: str) -> Relay:
        """To a port of the guest, once its daemon runs: trying again before that costs its processor."""

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                if not self._daemon_runs():
                    await asyncio.sleep(_PAUSE_SECONDS)
                    return
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._ports[name])
                await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
            except OSError:
                return
            finally:
                writer.close()

        return relay

    def _daemon_runs(self) -> bool:
        return "systemd[1]: Started madoguchi.service" in self.said()

    async def start_kiosk(self, *, under: Sequence[str] = ()) -> None:
        """Switch the machine on, with `words` on its kernel's command line; returns when the pins answer."""
        assert not under
        self.log_of_writes.write_bytes(b"")
        # The emulator writes to its file at once; a cut is made from the disk of before.
        await asyncio.to_thread(lambda: write_sparse(bytearray(self.data.read_bytes()), self.written))
        self._said_before = self.log.stat().st_size if self.log.exists() else 0
        slot = () if self.slot is None else (f"rauc.slot={self.slot.value}",)
        self.machine.words, self.machine.clock = (*slot, *self.words), self.clock
        self.machine.chip = () if self.tpm is None else self.tpm.chip
        self.kiosk = await self.machine.start()
        if self.pins is None:
            connecting = asyncio.create_task(
                PinBench.connect(self._sockets / "pins", self._wiring, wait_seconds=BOOT_SECONDS)
            )
            ended = asyncio.create_task(self.kiosk.wait())
            await asyncio.wait({connecting, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                assert self.kiosk.stderr is not None
                raise RuntimeError(f"the machine ended: {(await self.kiosk.stderr.read()).decode()}")
            ended.cancel()
            self.pins = await connecting
            self._undo.push_async_callback(self.pins.close)

    async def power_cut(self, later: Later = Later.NONE, luck: random.Random | None = None) -> None:
        """The power is gone, and back: the disk holds what was flushed, and what `later` says of the rest."""
        async with self._lock:
            await self.kill_kiosk()
            self.lose_power(later, luck)
            await self.start_kiosk()

    def lose_power(self, later: Later = Later.NONE, luck: random.Random | None = None) -> None:
        """What the machine, which is off, finds on its data partition when it is switched on again."""
        assert self.kiosk is None
        self.write_disk(self.data, later, luck)
        self.log_of_writes.write_bytes(b"")

    def write_disk(self, to: Path, later: Later = Later.ALL, luck: random.Random | None = None) -> None:
        """The data partition as it would be after a power cut now; the machine may run on."""
        cut_disk(self.data, self.log_of_writes, to, later, luck or random.Random(0))  # noqa: S311

    async def _end_kiosk(self, number: signal.Signals) -> int | None:
        kiosk, self.kiosk = self.kiosk, None
        if kiosk is None or kiosk.returncode is not None:
            return None
        if number == signal.SIGTERM:
            with contextlib.suppress(OSError):
                await self.machine.power_button()
            try:
                async with asyncio.timeout(BOOT_SECONDS):
                    return await kiosk.wait()
            finally:
                await self.machine.kill()
        await self.machine.kill()
        return kiosk.returncode

    async def journal_lines(self) -> tuple[int, list[str], str]:
        """`madoguchi journal export` over what lies on the data partition now; the machine may run on."""
        out = self.directory / "taken-out"
        shutil.rmtree(out, ignore_errors=True)
        disk = self.directory / "taken-out.ext4"
        await asyncio.to_thread(self.write_disk, disk)
        await copy_out(disk, "/madoguchi", out)
        table = tomllib.loads(self.config.read_text(encoding="utf-8"))
        table["kiosk"]["messages"] = str(CONFIG / "messages")
        table["journal"] |= {
            "path": str(out / "madoguchi/journal.db"),
            "key_file": str(self.directory / "journal.key"),
        }
        config = self.directory / "taken-out.toml"
        config.write_text(tomli_w.dumps(table), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "firmware", "journal", "export", "--config", str(config)),
            cwd=REPOSITORY,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        lines, complaints = await process.communicate()
        return process.returncode or 0, lines.decode().splitlines(), complaints.decode()


def write_layer(to: Path, gpio_sim: Path | None = None) -> None:
    """What a test lays over the image's tree: simulated pins, relays to the outside, and the probe.

    gpio_sim: what tests/appliance/board/build made; the kiosk's pins are then lines of a chip of the kernel,
    and without it gpiozero's mock pins in its own process.
    """
    shutil.copytree(LAYER, to, symlinks=True, dirs_exist_ok=True)
    if gpio_sim is not None:
        shutil.copytree(GPIO_LAYER, to, symlinks=True, dirs_exist_ok=True)
        shutil.copy(gpio_sim, to / "usr/lib/rig/gpio-sim-wired.ko")
        lay_pin_tests(to)
    ours = to / "usr/lib/madoguchi/tests"
    for name in (
        "__init__.py",
        "simulators/__init__.py",
        "appliance/__init__.py",
        *(f"appliance/{name}" for name in IN_LAYER),
    ):
        (ours / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / "tests" / name, ours / name)
    shutil.copytree(REPOSITORY / "tests/simulators/gpio", ours / "simulators/gpio", dirs_exist_ok=True)


def _terminal(link: str) -> str:
    return os.path.realpath(link)


def _number(user: str) -> int:
    [number] = re.findall(rf"^u {user} +(\d+)", SYSUSERS.read_text(), re.MULTILINE)
    return int(number)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await source.read(65_536):
            sink.write(chunk)
            await sink.drain()
    sink.close()

"""The handbook's way from a bare Debian to a kiosk that the municipality lets in, followed word for word.

Every command of the chapter is run in a tree, understood as a line at the console, or named below with the
hardware, network or init system that it needs. One that is new in the chapter fails here.
"""

import asyncio
import json
import os
import re
import shlex
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firmware.compose.enrolment import renewed_now
from firmware.console.commands import understand
from firmware.municipality.client import HttpsMunicipality
from firmware.settings import Settings, load
from firmware.shell.journal import Journal
from tests.contract.test_municipality import Log, Watched, Witnessed
from tests.municipality import MunicipalityServer
from tests.municipality.pki import make_test_pki
from tests.municipality.register import PEOPLE
from tests.simulators.printers.a4_printer import A4Printer
from tests.simulators.printers.print_server import PrintServer
from tests.simulators.world import PKI, REPOSITORY
from tests.unit.test_install import bare

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")

URN = "urn:kiosk:demo-0001"
NEEDED = {
    "timedatectl set-timezone Asia/Tokyo": "systemd",
    "scripts/wheels wheels arm64": "a package registry; CI's image is made with what it gathers",
    "scripts/voice --out DIR --config kiosk.toml": "the voice's own packages",
    "scripts/voice --check DIR --config kiosk.toml": "the clips of the line before",
    "udevadm info -q property -n /dev/ttyUSB0": "a serial port in its socket",
    "udevadm control --reload && udevadm trigger": "udev",
    "ls /dev/madoguchi": "devices",
    "ls /dev/rtc0": "a clock with a battery",
    "systemctl edit madoguchi": "systemd",
    "systemctl edit madoguchi-cups": "systemd",
    "systemctl start madoguchi-cups": "systemd; the same cupsd with the same files runs here",
    "systemctl stop madoguchi-screen madoguchi": "systemd",
    "pytest tests/hil --rig=/etc/madoguchi/kiosk.toml --hands": "every device, and hands",
    "madoguchi verify": "a scan of a printed page",
    "reboot": "a machine",
}
"""What cannot be run here, and for want of what."""
AT_THE_CONSOLE = (
    "status",
    "maintenance on",
    "maintenance off",
    "settle",
    "day list",
    "claims list",
    "journal export",
)
UNFINISHED = {"test": "test card", "cash count": "cash count 3 100 50"}
"""What the handbook names by its first words alone."""
PROGRAMS = (
    "scripts/",
    "/usr/lib/madoguchi/",
    "madoguchi ",
    "runuser ",
    "systemctl ",
    "udevadm ",
    "pytest ",
    "ls ",
)


def chapter(title: str) -> str:
    text = (REPOSITORY / "systemd" / "README.md").read_text(encoding="utf-8")
    return re.split(r"^## ", text.split(f"## {title}")[1], flags=re.MULTILINE)[0]


def commands(text: str) -> list[str]:
    """In their order: the lines of blocks, and what stands in backticks and is a command."""
    found = []
    for part in re.findall(r"```\n(.*?)```|`([^`\n]+)`", text, re.DOTALL):
        block, inline = part
        said = [line.strip() for line in block.splitlines()] if block else [inline]
        known = {*NEEDED, *AT_THE_CONSOLE, *UNFINISHED}
        found += [one for one in said if one.startswith(PROGRAMS) or one in known]
    return found


class Bench:
    """The machine's tree, and the municipality and printer that it is commissioned with."""

    def __init__(self, root: Path, server: MunicipalityServer, printer: A4Printer, cups: PrintServer) -> None:
        self.root, self.server, self.printer, self.cups = root, server, printer, cups
        self.done: list[str] = []

    @property
    def config(self) -> Path:
        return self.root / "etc/madoguchi/kiosk.toml"

    def here(self, word: str) -> str:
        """A path of the handbook, in this tree."""
        return str(self.root) + word if word.startswith(("/etc/madoguchi", "/usr/lib/madoguchi")) else word

    @property
    def command(self) -> Path:
        """What the bare word runs on this machine. Source: hier(7), environ(7)."""
        return Path(self.here(str((self.root / "usr/local/bin/madoguchi").readlink())))

    async def run(self, words: list[str], said: str = "", **environment: str) -> str:
        """Raises AssertionError with what it complained of."""
        process = await asyncio.create_subprocess_exec(
            *words,
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, complaint = await process.communicate(said.encode())
        assert 0 == process.returncode, (words, complaint.decode())
        return out.decode()

    async def follow(self, command: str) -> None:
        """Do what the handbook says, in this tree."""
        self.done.append(command)
        words = shlex.split(command)
        if words[0] == "scripts/install":
            in_tree = ["--root", str(self.root), "--without", "packages", "--without", "python"]
            said = await self.run([str(REPOSITORY / words[0]), *in_tree, *words[1:]])
            assert "--check" not in words or "nothing differs\n" == said
        elif "make-queue" in command:
            program, _, _, queue, printer, seconds = words
            assert "ipp://PRINTER/ipp/print" == printer
            server_root = Path(self.cups.log).parent / "lib"
            await self.run(
                [
                    self.here(program),
                    self.cups.socket,
                    str(server_root),
                    f"{queue}-2",
                    self.printer.uri,
                    seconds,
                ]
            )
        elif "certificate enrol" in command:
            assert ["runuser", "-u", "madoguchi", "--"] == words[:4]
            assert self.command == Path(self.here(words[4]))
            code = await self.server.invite_kiosk(URN)
            url = f"https://localhost:{self.server.enrolment_port}"
            said = await self.madoguchi([*map(self.here, words[5:]), "--url", url], f"{code}\n")
            assert said.startswith("certificate: good until ")
        else:
            assert "madoguchi" == words[0]
            await self.madoguchi([self.here(word) for word in words[1:]])

    async def madoguchi(self, words: list[str], said: str = "") -> str:
        """By the installed command and its release; the interpreter is this one, which has the packages."""
        release = self.here("/usr/lib/madoguchi")
        return await self.run([sys.executable, str(self.command), *words], said, PYTHONPATH=release)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    await asyncio.to_thread(make_test_pki, PKI, PEOPLE)
    async with AsyncExitStack() as undo:
        server = MunicipalityServer(pki=PKI, database=tmp_path / "m.sqlite", enrolment_port=0)
        undo.push_async_callback(server.stop)
        await server.start()
        printer = A4Printer(directory=tmp_path)
        undo.push_async_callback(printer.stop)
        await printer.start()
        cups = PrintServer(printer.uri)
        undo.push_async_callback(cups.stop)
        await cups.start()
        yield Bench(bare(tmp_path / "root"), server, printer, cups)


def what_differs_here(bench: Bench) -> None:
    """Step 4 and 8, as the handbook has them: urn, url, the root certificate, the console's keys."""
    text = bench.config.read_text(encoding="utf-8")
    own = bench.root / "var/lib/madoguchi/own"
    own.mkdir(parents=True, exist_ok=True)
    for before, after in (
        ('url = "https://certificates.city.example"', f'url = "{bench.server.url}"'),
        ('"/etc/madoguchi/', f'"{bench.root}/etc/madoguchi/'),
        ('"/var/lib/madoguchi/own/', f'"{own}/'),
        ('messages = "/usr/lib', f'messages = "{bench.root}/usr/lib'),
        ("allow_swap = false", "allow_swap = true"),
    ):
        assert before in text, before
        text = text.replace(before, after)
    shutil.copy(PKI / "server_ca.pem", bench.root / "etc/madoguchi/server_ca.pem")
    console = re.findall(r"`\[console\] ([^`]+)`, `([^`]+)`, `([^`]+)`", chapter("Commissioning"))
    [settings] = [list(found) for found in console]
    for setting in settings:
        name = setting.split(" = ")[0]
        text, count = re.subn(rf"^{name} = .*$", setting, text, flags=re.MULTILINE)
        assert 1 == count, name
    bench.config.write_text(text, encoding="utf-8")
    jwks = '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "' + "A" * 43 + '"}]}'
    (bench.root / "etc/madoguchi/orders.jwks").write_text(jwks)


async def test_the_handbook_makes_a_kiosk_that_is_let_in_and_takes_it_away_again(bench: Bench) -> None:
    text = chapter("Commissioning")
    erasing = [one for one in commands(text) if "--uninstall" in one]
    for command in commands(text):
        if command in NEEDED or command in erasing:
            continue
        if command in AT_THE_CONSOLE or command in UNFINISHED:
            understand(UNFINISHED.get(command, command))
            continue
        if "make-queue" in command:  # after step 4
            what_differs_here(bench)
        await bench.follow(command)
    ways = [" ".join(shlex.split(one)[:2]) for one in bench.done]
    assert ["scripts/install", "scripts/install --check"] == ways[:2]
    assert 5 == len(bench.done), bench.done
    settings = load(bench.config)
    assert ("madoguchi-console", True) == (settings.file.console.group, settings.file.console.order_always)

    own = bench.root / "var/lib/madoguchi/own"
    assert {"kiosk.key": 0o600} == {f.name: f.stat().st_mode & 0o777 for f in own.glob("*.key")}
    await is_let_in(settings)
    # At any age of the certificate: the old pair asks for the next, which lets it in, too.
    enrolled = (own / "kiosk.key").read_bytes()
    await renewed_now(settings, datetime.now(UTC))
    assert enrolled != (own / "kiosk.key").read_bytes()
    await is_let_in(load(bench.config))

    journal = bench.root / "var/lib/madoguchi/journal.db"
    await write_a_journal(journal)
    export = bench.root.parent / "journal.jsonl"
    export.write_text(exported(journal), encoding="utf-8")
    (uninstalls, erases) = erasing
    assert "scripts/install --uninstall" == uninstalls
    handed_over = erases.replace("URN", URN).replace("FILE", str(export))
    await bench.follow(handed_over)
    assert [] == [name for name in ("etc/madoguchi", "var/lib/madoguchi") if (bench.root / name).exists()]
    assert not list(bench.root.rglob("*.key"))
    assert not (bench.root / "usr/lib/madoguchi").exists()


async def is_let_in(settings: Settings) -> None:
    """The kiosk's own client asks what only a kiosk of the registry is told, with the pair that lies there.

    Raises MunicipalityError.
    """
    said = settings.file.municipality
    kiosk = HttpsMunicipality(
        url=said.url,
        audience=said.audience,
        ca_file=settings.path(said.ca_file),
        certificate_file=settings.path(said.certificate_file),
        key_file=settings.path(said.key_file),
        kiosk=settings.file.kiosk.urn,
        firmware_version="0.1.0",
        log=Log(),
        server_time=Watched(),
        server_hours=Watched(),
        journal=Witnessed(),
    )
    try:
        assert () == await kiosk.open_orders()
    finally:
        await kiosk.close()


async def write_a_journal(path: Path) -> None:
    from firmware.core.records import MaintenanceSwitched

    journal = Journal(path, b"k" * 32)
    await journal.open()
    await journal.append((MaintenanceSwitched(on=True, by="uid:0"),))
    await journal.close()


def exported(path: Path) -> str:
    with closing(sqlite3.connect(path)) as journal:
        rows = journal.execute("SELECT seq, at, record, fields FROM entries").fetchall()
    return "".join(
        json.dumps({"seq": seq, "at": at, "record": record, **json.loads(fields)}) + "\n"
        for seq, at, record, fields in rows
    )


def test_nothing_is_called_impossible_that_the_handbook_no_longer_asks_for() -> None:
    assert set(NEEDED) <= set(commands(chapter("Commissioning")))

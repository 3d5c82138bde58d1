"""A key that a TPM keeps: enrolled, used, renewed and moved there; copied or cut off it opens nothing."""

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firmware.compose.enrolment import enrolled, key_store_trouble, renewed_now
from firmware.errors import ConfigError
from firmware.municipality.key_store import SEALED, TpmKeyStore, fault_of
from firmware.settings import load
from tests.contract.test_municipality import OTHER_KIOSK, Place, pki
from tests.contract.test_municipality_enrolment import desk, place
from tests.simulators.tpm import SoftwareTpm

__all__ = ["pki", "place"]  # the fixtures

ROOT = Path(__file__).resolve().parents[2]
PROVIDER = ROOT / ".venv" / "tpm"
PATIENCE_SECONDS = 60.0

MISSING = [name for name in ("swtpm", "tpm2_create", "openssl", "strace") if shutil.which(name) is None]
if not (PROVIDER / "tpm2.so").exists():
    MISSING.append("OpenSSL's TPM provider (scripts/tpm_provider .venv/tpm --unpack)")
needs_tpm = pytest.mark.skipif(bool(MISSING), reason=f"missing: {', '.join(MISSING)}")


@dataclass(frozen=True)
class Machine:
    """A kiosk's configuration, and the commands that use it."""

    config: Path
    place: Place

    @property
    def own(self) -> Path:
        return self.config.parent / "own"

    @property
    def key(self) -> bytes:
        return (self.own / "key.pem").read_bytes()

    def keeps_key_in(self, store: str, tcti: str, seconds: float = PATIENCE_SECONDS) -> None:
        text = self.config.read_text(encoding="utf-8")
        for name, value in {"key_store": store, "tpm_tcti": tcti, "tpm_provider": str(PROVIDER)}.items():
            text = re.sub(rf'(?m)^{name} = "[^"]*"', f'{name} = "{value}"', text)
        text = re.sub(r"(?m)^tpm_seconds = [0-9.]+", f"tpm_seconds = {seconds}", text)
        self.config.write_text(text, encoding="utf-8")

    async def run(self, *command: str, stdin: str = "") -> tuple[int, str]:
        """Exit status, and all that was said."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "firmware", *command, "--config", str(self.config)),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            said, _ = await process.communicate(stdin.encode())
        return process.returncode or 0, said.decode()

    async def enrol(self) -> tuple[int, str]:
        """By its command."""
        code = await self.place.server.invite_kiosk(OTHER_KIOSK)
        return await self.run("certificate", "enrol", "--url", desk(self.place), stdin=code)

    async def is_enrolled(self) -> None:
        """In this process, which is sooner."""
        code = await self.place.server.invite_kiosk(OTHER_KIOSK)
        await enrolled(load(self.config), desk(self.place), code, datetime.now(UTC))

    async def trouble(self) -> str:
        """With its key store."""
        return await asyncio.to_thread(key_store_trouble, load(self.config))


@pytest.fixture
async def tpm() -> AsyncIterator[SoftwareTpm]:
    made = SoftwareTpm()
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def machine(place: Place, tmp_path: Path) -> Machine:
    folder = tmp_path / "machine"
    shutil.copytree(ROOT / "config", folder)
    (folder / "own").mkdir()
    config = folder / "kiosk.toml"
    text = config.read_text(encoding="utf-8")
    municipality = {
        "urn": OTHER_KIOSK,
        "url": place.server.url,
        "audience": place.server.audience,
        "ca_file": str(place.pki / "server_ca.pem"),
        "certificate_file": "own/certificate.pem",
        "key_file": "own/key.pem",
    }
    for name, value in municipality.items():
        text = re.sub(rf'(?m)^{name} = "[^"]*"', f'{name} = "{value}"', text, count=1)
    config.write_text(text, encoding="utf-8")
    # journal.key_file stands before municipality.key_file.
    text = config.read_text(encoding="utf-8")
    head, found, tail = text.partition("\n[municipality]\n")
    tail = re.sub(r'(?m)^key_file = "[^"]*"', 'key_file = "own/key.pem"', tail, count=1)
    config.write_text(head + found + tail, encoding="utf-8")
    return Machine(config, place)


class Line:
    """The running kiosk's line: what it says of the municipality, in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def until(self, *words: str) -> None:
        """A new process must not be asked for before."""
        assert self._process.stdout is not None
        heard = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while said := await self._process.stdout.readline():
                heard.append(said.decode().strip())
                if heard[-1] == " ".join(words):
                    return
                assert "lost" not in heard, heard
        raise AssertionError(f"ended before {words}: {heard}")

    async def serves(self) -> None:
        """It reaches the municipality, and a visit opens."""
        await self.until("level", "reached")
        await self.does("session")

    async def does(self, word: str) -> None:
        """`session` opens a visit, `renew` gets a new certificate and takes it."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())
        await self.until(word, "done")


@asynccontextmanager
async def running(machine: Machine) -> AsyncIterator[Line]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.contract.tpm_kiosk", str(machine.config)),
        machine.place.clock.moment.isoformat(),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Line(process)
    finally:
        process.kill()
        await process.wait()


@needs_tpm
async def test_a_kiosk_enrols_serves_and_renews_as_it_runs_with_keys_that_never_leave_its_tpm(
    machine: Machine, tpm: SoftwareTpm
) -> None:
    machine.keeps_key_in("tpm", tpm.tcti)
    status, said = await machine.enrol()
    assert (0, True) == (status, machine.key.startswith(SEALED)), said
    async with running(machine) as line:
        await line.serves()
        for _ in range(2):  # each leaves the TPM's three places as it found them
            before = machine.key
            await line.does("renew")
            assert (True, True) == (before != machine.key, machine.key.startswith(SEALED))
        await line.does("session")
    last_key = machine.key
    store = TpmKeyStore(PROVIDER, tpm.tcti, PATIENCE_SECONDS)
    # Power cuts after a use, more of them than a TPM takes wrong authorisations: they must not lock the key.
    for _ in range(5):
        await tpm.cut()
        await tpm.start()
        await asyncio.to_thread(store.examine, last_key)


@needs_tpm
async def test_a_copied_key_opens_nothing_beside_another_tpm_and_says_so(
    machine: Machine, tpm: SoftwareTpm
) -> None:
    machine.keeps_key_in("tpm", tpm.tcti)
    await machine.is_enrolled()
    thief = SoftwareTpm()
    await thief.start()
    try:
        machine.keeps_key_in("tpm", thief.tcti)
        assert "tpm-other" in await machine.trouble()
        async with running(machine) as line:
            await line.until("level", "tpm-other")
    finally:
        await thief.close()
    machine.keeps_key_in("file", tpm.tcti)
    with pytest.raises(ConfigError, match=r'municipality\.key_store must be "tpm"'):
        await renewed_now(load(machine.config), datetime.now(UTC))


@needs_tpm
async def test_an_absent_tpm_is_named_keeps_the_kiosk_out_of_service_and_is_used_when_it_comes(
    machine: Machine, tpm: SoftwareTpm
) -> None:
    machine.keeps_key_in("tpm", tpm.tcti)
    await tpm.cut()
    status, said = await machine.enrol()
    assert (78, True) == (status, "municipality.key_store: tpm-absent" in said), said
    assert [] == list(machine.own.iterdir())
    await tpm.start()
    await machine.is_enrolled()
    await tpm.cut()
    status, said = await machine.run("check-config")
    assert (0, True) == (status, "\nmunicipality.key_store: tpm-absent" in said), said
    async with running(machine) as line:
        await line.until("level", "tpm-absent")
        await tpm.start()
        await line.serves()


@needs_tpm
async def test_a_tpm_that_hangs_holds_up_no_start_is_named_and_is_used_when_it_goes_on(
    machine: Machine, tpm: SoftwareTpm
) -> None:
    machine.keeps_key_in("tpm", tpm.tcti)
    await machine.is_enrolled()
    machine.keeps_key_in("tpm", tpm.tcti, seconds=1.0)
    tpm.hang()
    async with running(machine) as line:
        await line.until("started")
        await line.until("level", "tpm-silent")
        tpm.go_on()
        await line.serves()


@needs_tpm
async def test_a_tpm_that_goes_while_the_kiosk_runs_is_named_and_a_new_process_goes_on(
    machine: Machine, tpm: SoftwareTpm
) -> None:
    machine.keeps_key_in("tpm", tpm.tcti)
    await machine.is_enrolled()
    async with running(machine) as line:
        await line.until("level", "reached")
        await tpm.cut()
        await line.until("level", "tpm-absent")
        await tpm.start()
        await line.until("lost")
    async with running(machine) as line:
        await line.serves()


@needs_tpm
async def test_a_tpm_that_is_cleared_while_the_kiosk_runs_is_named(
    machine: Machine, tpm: SoftwareTpm
) -> None:
    machine.keeps_key_in("tpm", tpm.tcti)
    await machine.is_enrolled()
    async with running(machine) as line:
        await line.until("level", "reached")
        await tpm.clear()
        await line.until("level", "tpm-other")


@needs_tpm
async def test_a_key_in_clear_moves_into_the_tpm_with_a_renewal_that_is_due_at_once(
    machine: Machine, tpm: SoftwareTpm
) -> None:
    machine.keeps_key_in("file", tpm.tcti)
    await machine.is_enrolled()
    in_clear = machine.key
    machine.keeps_key_in("tpm", tpm.tcti)
    assert "still lies in clear" in await machine.trouble()
    status, said = await machine.run("certificate", "renew")
    assert (0, True) == (status, said.startswith("certificate: good until")), said
    assert machine.key.startswith(SEALED)
    assert [] == [file for file in machine.own.iterdir() if in_clear in file.read_bytes()]
    assert "" == await machine.trouble()


KEY_IN_USE = """
import asyncio, ssl, sys
from pathlib import Path
from firmware.compose import renewing
from firmware.municipality.key_store import TpmKeyStore
from firmware.municipality.new_key import NewKey

folder, tcti, certificate, key_file = sys.argv[1:]
store = TpmKeyStore(Path(folder), tcti)
key = NewKey.made(store)
key.request("urn:kiosk:demo-0001")
Path(key_file).write_bytes(key.pem)
store.load()
assert store.answers()
try:
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key_file)
except ssl.SSLError as error:
    assert error.reason == "KEY_VALUES_MISMATCH", error  # another's certificate: the key itself was read
else:
    sys.exit("the key of another certificate was taken")
# As the kiosk begins it; what it does with the keys stands above.
status, _ = asyncio.run(renewing._ended(renewing.renewal_command(Path("/nowhere.toml")), 60))
assert status == renewing.NOT_RENEWED, status
"""


@needs_tpm
async def test_the_kiosks_unit_allows_every_call_that_a_key_in_a_tpm_needs(
    pki: Path, tpm: SoftwareTpm, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    process = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-qq", "-o", str(trace), sys.executable, "-c", KEY_IN_USE, str(PROVIDER), tpm.tcti),
        *(str(pki / "kiosk" / "certificate.pem"), str(tmp_path / "key.pem")),
        cwd=ROOT,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert 0 == await process.wait()
    said = trace.read_text(encoding="utf-8", errors="replace")
    unit = (ROOT / "systemd/madoguchi.service").read_text(encoding="utf-8")
    [first, but] = re.findall(r"(?m)^SystemCallFilter=(.+)$", unit)
    allowed = _calls(first.split()) - _calls(but.removeprefix("~").split())
    used = set(re.findall(r"(?m)^\d+ +([a-z_0-9]+)\(", said))
    assert {"execve", "memfd_create", "connect"} <= used
    assert set() == used - allowed
    # MemoryDenyWriteExecute=, RestrictAddressFamilies=
    assert [] == re.findall(r"mmap\(.*PROT_WRITE\|PROT_EXEC.*|mprotect\(.*PROT_EXEC.*", said)
    assert {"AF_UNIX"} == set(re.findall(r"socket\((AF_[A-Z0-9]+)", said))


def _calls(names: list[str]) -> set[str]:
    """The system calls of systemd's sets, however deep."""
    found: set[str] = set()
    for name in names:
        listed = subprocess.run(
            ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
        )
        inside = re.findall(r"(?m)^    (@?[a-z_0-9-]+)$", listed.stdout)
        found |= {one for one in inside if not one.startswith("@")}
        found |= _calls([one for one in inside if one.startswith("@")])
    return found


@pytest.mark.parametrize(
    ("complaint", "reason"),
    [
        ("ERROR:esys:Esys_Load.c:112:Esys_Load() Esys Finish ErrorCode (0x000001df)", "tpm-other"),
        ("ERROR:esys:Esys_Sign.c:105:Esys_Sign() Esys Finish ErrorCode (0x00000921)", "tpm-locked"),
        ("ERROR: Esys_Create(0x921) - tpm:warn(2.0)", "tpm-locked"),
        ("Esys_Startup() Esys Finish ErrorCode (0x00000101)", "tpm-failing"),
        ("Failed to open specified TCTI device file /dev/tpmrm0: Permission denied", "tpm-forbidden"),
        ("Failed to open specified TCTI device file /dev/tpmrm0: No such file or directory", "tpm-absent"),
        ("error:12800067:DSO support routines:dlfcn_load:could not load the shared library", "tpm-module"),
        ("Could not read private key from k.pem", "tpm-failing"),
    ],
)
def test_what_the_tpm_complains_of_has_one_name(complaint: str, reason: str) -> None:
    assert reason == fault_of(complaint).reason

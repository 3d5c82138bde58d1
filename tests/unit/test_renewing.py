"""The certificate's renewal in a process of its own: what became of it is known, whatever it does."""

import asyncio
import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509

from firmware.compose import enrolment, renewing
from firmware.compose.renewing import NOT_RENEWED, Refusal, renewed, renewed_now
from firmware.errors import (
    CertificateUnproven,
    ConfigError,
    KeyStoreFault,
    MadoguchiError,
    MunicipalityAnswerInvalid,
    MunicipalityDown,
    MunicipalityUncertain,
    OfficeRefused,
)
from firmware.settings import Settings, load
from tests.municipality.pki import KIOSK, make_authority, make_kiosk

CONFIG = Path(__file__).resolve().parents[2] / "config" / "kiosk.toml"
NOW = datetime.now(UTC)
PAIR = ("key.pem", "certificate.pem")


@pytest.fixture
def machine(tmp_path: Path) -> Settings:
    """A kiosk with a pair in own/, and another in new/ that a renewal may bring."""
    authority = make_authority("test", NOW)
    for folder, begins in ((tmp_path / "own", NOW - timedelta(days=1)), (tmp_path / "new", NOW)):
        folder.mkdir()
        make_kiosk(folder, authority, KIOSK, begins)
    settings = load(CONFIG)
    municipality = msgspec.structs.replace(
        settings.file.municipality,
        certificate_file=str(tmp_path / "own/certificate.pem"),
        key_file=str(tmp_path / "own/key.pem"),
        renewal_seconds=60.0,
    )
    return replace(settings, file=msgspec.structs.replace(settings.file, municipality=municipality))


def own(machine: Settings) -> Path:
    return Path(machine.file.municipality.key_file).parent


def lying(machine: Settings) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in own(machine).iterdir()}


def ends(machine: Settings, folder: str) -> datetime:
    pem = (own(machine).with_name(folder) / "certificate.pem").read_bytes()
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


async def after(machine: Settings, program: str) -> datetime:
    """What is known once this program was the renewal's process, which runs among the files."""
    head = f"import os, shutil, signal, sys; os.chdir({str(own(machine))!r})\n"
    return await renewed_now(machine, CONFIG, (sys.executable, "-c", head + program))


BRINGS = "for one in ('key.pem', 'certificate.pem'): shutil.copy('../new/' + one, one + '.next')\n"
PUTS = "os.replace('key.pem.next', 'key.pem'); os.replace('certificate.pem.next', 'certificate.pem')\n"
DIES = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize(
    "program",
    [
        BRINGS + PUTS,
        BRINGS + PUTS + DIES,
        BRINGS + "os.replace('key.pem.next', 'key.pem')\n" + DIES,
        BRINGS + DIES,
        BRINGS + "sys.exit('a traceback')",
    ],
    ids=["it ended well", "killed after it", "killed between the two", "killed before it", "it failed"],
)
async def test_a_pair_that_was_wholly_written_is_in_place_however_the_process_ended(
    machine: Settings, program: str
) -> None:
    assert ends(machine, "new") == await after(machine, program)
    new = own(machine).with_name("new")
    assert {name: (new / name).read_bytes() for name in PAIR} == lying(machine)


@pytest.mark.parametrize(
    "program",
    [
        DIES,
        "sys.exit(1)",
        "pass",
        "shutil.copy('../new/key.pem', 'key.pem.trial')\n" + DIES,
        f"print('no JSON'); sys.exit({NOT_RENEWED})",
        f"print('{{}}'); sys.exit({NOT_RENEWED})",
    ],
    ids=["killed", "it failed", "ended without a deed", "killed while it proved", "rubbish", "no refusal"],
)
async def test_an_end_without_a_word_is_no_renewal_and_leaves_the_old_pair(
    machine: Settings, program: str
) -> None:
    before = lying(machine)
    with pytest.raises(MunicipalityUncertain, match="certificate: its renewal"):
        await after(machine, program)
    assert before == lying(machine)


async def test_a_renewal_that_hangs_is_ended_and_keeps_nobody_from_the_next(
    machine: Settings, tmp_path: Path
) -> None:
    short = msgspec.structs.replace(machine.file.municipality, renewal_seconds=0.05)
    hanging = replace(machine, file=msgspec.structs.replace(machine.file, municipality=short))
    with pytest.raises(MunicipalityUncertain, match="status -9"):
        await after(hanging, "signal.pause()")
    assert ends(machine, "new") == await after(machine, BRINGS + PUTS)


async def test_a_kiosk_that_ends_takes_its_renewal_with_it(machine: Settings) -> None:
    pid, told = own(machine) / "pid", asyncio.Event()
    os.mkfifo(pid)
    descriptor = os.open(pid, os.O_RDONLY | os.O_NONBLOCK)
    asyncio.get_running_loop().add_reader(descriptor, told.set)
    renewal = asyncio.create_task(after(machine, "open('pid', 'w').write(str(os.getpid()))\nsignal.pause()"))
    async with asyncio.timeout(60):
        await told.wait()
    asyncio.get_running_loop().remove_reader(descriptor)
    number = int(os.read(descriptor, 20))
    os.close(descriptor)
    renewal.cancel()
    with pytest.raises(asyncio.CancelledError):
        await renewal
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


@pytest.mark.parametrize(
    "error",
    [
        MunicipalityDown("certificate: time-out"),
        CertificateUnproven("certificate: status 403"),
        MunicipalityUncertain("certificate: no answer"),
        MunicipalityAnswerInvalid("certificate: name"),
        KeyStoreFault("tpm-absent", "no TPM answers there"),
        ConfigError("key.pem: not a readable key"),
        OfficeRefused("{folder}: {error}", folder=Path("/own"), error="Read-only file system"),
    ],
)
async def test_why_nothing_was_renewed_is_told_as_in_one_process(
    machine: Settings, error: MadoguchiError
) -> None:
    before, said = lying(machine), msgspec.json.encode(Refusal.of(error)).decode()
    with pytest.raises(type(error)) as raised:
        await after(machine, f"print({json.dumps(said)}); sys.exit({NOT_RENEWED})")
    assert (type(error), str(error)) == (type(raised.value), str(raised.value))
    if isinstance(error, OfficeRefused) and isinstance(raised.value, OfficeRefused):
        assert error.sentence.text == raised.value.sentence.text
    assert before == lying(machine)


async def test_the_process_renews_or_says_why_not(
    machine: Settings, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    outcomes: list[MadoguchiError | None] = [None, KeyStoreFault("tpm-absent", "no TPM answers there")]

    async def asked(_settings: Settings, _now: datetime) -> datetime:
        if (error := outcomes.pop(0)) is not None:
            raise error
        return NOW

    monkeypatch.setattr(enrolment, "renewed_now", asked)
    assert 0 == await asyncio.to_thread(renewing.renewal_worker, CONFIG)
    assert NOT_RENEWED == await asyncio.to_thread(renewing.renewal_worker, CONFIG)
    said = msgspec.json.decode(capfdbinary.readouterr().out, type=Refusal)
    assert "municipality.key_store: tpm-absent: no TPM answers there" == str(said.raised())


async def test_no_process_begins_for_a_certificate_that_has_time(
    machine: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def begun(_settings: Settings, _config: Path) -> datetime:
        return NOW

    monkeypatch.setattr(renewing, "renewed_now", begun)
    certificate = x509.load_pem_x509_certificate((own(machine) / "certificate.pem").read_bytes())
    begins, share = certificate.not_valid_before_utc, machine.file.municipality.renewal_share
    life = certificate.not_valid_after_utc - begins
    assert await renewed(machine, CONFIG, begins + life * (share - 0.01)) is None
    assert NOW == await renewed(machine, CONFIG, begins + life * (share + 0.01))

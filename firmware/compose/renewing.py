"""The certificate's renewal by the running kiosk: a process of its own, and what became of it.

A process has three places in a TPM (`struct tpm_space` of Linux, behind /dev/tpmrm0), and the kiosk's TLS
keeps one: a renewal beside it finds none for its own keys, and the kiosk none for looking after its own. What
that process does not say, by crashing or by being ended, the certificate that lies there says.
"""

import asyncio
import contextlib
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from firmware.compose import enrolment
from firmware.compose.certificate import read_certificate
from firmware.core.wording import Sentence
from firmware.errors import (
    CertificateUnproven,
    ConfigError,
    KeyStoreFault,
    MadoguchiError,
    MunicipalityAnswerInvalid,
    MunicipalityDown,
    MunicipalityError,
    MunicipalityUncertain,
    OfficeRefused,
)
from firmware.municipality.enrolment import is_due
from firmware.settings import Settings, load

NOT_RENEWED = 3
"""Exit status of the renewal's process when it says why the old certificate stays in use."""
_AS_TOLD = {
    one.__name__: one
    for one in (CertificateUnproven, MunicipalityAnswerInvalid, MunicipalityDown, MunicipalityUncertain)
}


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why there is no new certificate. error: the class; text: in English, with {names} of values."""

    error: str
    text: str
    values: Mapping[str, str] = {}

    @classmethod
    def of(cls, error: MadoguchiError) -> "Refusal":
        """What is raised in the one process, for the other."""
        name = type(error).__name__
        if isinstance(error, OfficeRefused):
            said = error.sentence
            return cls(name, said.text, {word: str(value) for word, value in said.values.items()})
        if isinstance(error, KeyStoreFault):
            return cls(name, error.text, {"reason": error.reason})
        return cls(name, str(error))

    def raised(self) -> MadoguchiError:
        """The same again."""
        if self.error == OfficeRefused.__name__:
            return OfficeRefused(Sentence(self.text, self.values))
        if self.error == KeyStoreFault.__name__:
            return KeyStoreFault(self.values.get("reason", ""), self.text)
        return _AS_TOLD.get(self.error, ConfigError)(self.text)


async def renewed(settings: Settings, config: Path, now: datetime) -> datetime | None:
    """Renew a certificate of whose life the configured share is over; None if it has time. Raises as
    `renewed_now`."""
    files, share = enrolment.files_of(settings), settings.file.municipality.renewal_share
    if not await asyncio.to_thread(is_due, files, now, share):
        return None
    return await renewed_now(settings, config)


async def renewed_now(settings: Settings, config: Path, command: Sequence[str] | None = None) -> datetime:
    """Renew; until when the new certificate, which lies there then, is good.

    Raises as `firmware.compose.enrolment.renewed_now`, and MunicipalityUncertain if the process ended
    without a word and left nothing: the municipality may have made a certificate that nobody will use.
    """
    file = settings.path(settings.file.municipality.certificate_file)
    before = await asyncio.to_thread(read_certificate, file)
    status, said = await _ended(
        renewal_command(config) if command is None else command, settings.file.municipality.renewal_seconds
    )
    if status == NOT_RENEWED:
        raise _why(said)
    if status != 0:
        await enrolment.finished(settings)
    after = await asyncio.to_thread(read_certificate, file)
    if after == before:
        raise MunicipalityUncertain(f"certificate: its renewal ended without a word, status {status}")
    return after.not_valid_after_utc


def renewal_command(config: Path) -> tuple[str, ...]:
    """Starts `renewal_worker`."""
    return (sys.executable, "-P", "-m", "firmware", "renewal-worker", "--config", str(config))


def renewal_worker(config: Path) -> int:
    """The process: renews, however long the old certificate would be good; its exit status. Why not, to
    standard output."""
    try:
        asyncio.run(enrolment.renewed_now(load(config), datetime.now(UTC)))
    except (ConfigError, MunicipalityError, OfficeRefused) as error:
        sys.stdout.buffer.write(msgspec.json.encode(Refusal.of(error)) + b"\n")
        return NOT_RENEWED
    return 0


def _why(said: bytes) -> MadoguchiError:
    try:
        return msgspec.json.decode(said, type=Refusal).raised()
    except msgspec.MsgspecError:
        return MunicipalityUncertain("certificate: its renewal says nothing that can be read")


async def _ended(command: Sequence[str], seconds: float) -> tuple[int | None, bytes]:
    """Exit status and words of the process; it is over then, whatever happens here."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, start_new_session=True
    )
    said = b""
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode, said

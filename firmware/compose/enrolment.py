"""The commands `certificate enrol` and `certificate renew`, here and at the technician's console."""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from firmware.errors import ConfigError, OfficeRefused
from firmware.municipality import enrolment
from firmware.municipality.key_store import TpmKeyStore
from firmware.municipality.tls import Files, read_key
from firmware.settings import Settings


async def enrolled(settings: Settings, url: str | None, code: str, now: datetime) -> datetime:
    """Ask for the first certificate and put it in place; until when it is good."""
    said, files = settings.file.municipality, files_of(settings)
    with _alone(files):
        answered = await enrolment.enrol(url or said.url, settings.path(said.ca_file), files, code, now)
        return await _kept(answered, files)


async def renewed(settings: Settings, now: datetime) -> datetime | None:
    """Renew a certificate of whose life two thirds are over; None if it has time. A running kiosk takes
    the new one at its next heartbeat."""
    files = files_of(settings)
    with _alone(files):
        with _written(files):
            await asyncio.to_thread(enrolment.finish, files)
        return await _asked_anew(settings, files, now) if enrolment.is_due(files, now) else None


async def renewed_now(settings: Settings, now: datetime) -> datetime:
    """Renew, however long the old certificate would be good. Raises as `renewed` does: ConfigError,
    MunicipalityError, and OfficeRefused while another asks or for files that cannot be written."""
    files = files_of(settings)
    with _alone(files):
        with _written(files):
            await asyncio.to_thread(enrolment.finish, files)
        return await _asked_anew(settings, files, now)


async def finished(settings: Settings) -> None:
    """Put in place what a renewal that ended in the middle has wholly written. Raises OfficeRefused."""
    files = files_of(settings)
    with _alone(files), _written(files):
        await asyncio.to_thread(enrolment.finish, files)


def files_of(settings: Settings) -> Files:
    """Where the kiosk's certificate and key lie."""
    said = settings.file.municipality
    return Files(
        settings.path(said.certificate_file),
        settings.path(said.key_file),
        settings.file.kiosk.urn,
        key_store_of(settings),
    )


def key_store_of(settings: Settings) -> TpmKeyStore | None:
    """The TPM that shall keep the kiosk's key; None: a file does."""
    said = settings.file.municipality
    if said.key_store == "file":
        return None
    return TpmKeyStore(settings.path(said.tpm_provider), said.tpm_tcti, said.tpm_seconds)


def key_store_trouble(settings: Settings) -> str:
    """What is wrong with the TPM that shall keep the key, for who checks the configuration; empty: nothing.

    No start is refused for it: the kiosk waits for its TPM, out of service.
    """
    files = files_of(settings)
    if files.store is None:
        return ""
    try:
        files.store.examine(read_key(files.key) if files.key.exists() and files.is_sealed() else None)
        if files.key.exists() and enrolment.moves(files):
            return "municipality.key_store: the key still lies in clear; the next certificate's is the TPM's"
    except ConfigError as error:
        return str(error)
    return ""


async def _asked_anew(settings: Settings, files: Files, now: datetime) -> datetime:
    said = settings.file.municipality
    answered = await enrolment.renew(said.url, settings.path(said.ca_file), files, now)
    return await _kept(answered, files)


async def _kept(answered: enrolment.Answered, files: Files) -> datetime:
    with _written(files):
        await asyncio.to_thread(enrolment.put_in_place, answered, files)
    return answered.not_after


@contextmanager
def _written(files: Files) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OfficeRefused(
            "a new certificate cannot be written to {folder}: {error}; the old one stays in use",
            folder=files.certificate.parent,
            error=error.strerror,
        ) from error


@contextmanager
def _alone(files: Files) -> Iterator[None]:
    """One at a time on this machine: the municipality lets in the last certificate it gave, and two who
    write at once would leave the key of one beside the certificate of the other."""
    try:
        folder = os.open(files.certificate.parent, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise OfficeRefused(
            "{folder}: {error}", folder=files.certificate.parent, error=error.strerror
        ) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as busy:
        os.close(folder)
        raise OfficeRefused("a certificate is just being asked for: say it again in a minute") from busy
    try:
        yield
    finally:
        os.close(folder)

"""The commands `certificate enrol` and `certificate renew`."""

from datetime import datetime

from firmware.municipality import enrolment
from firmware.municipality.tls import Files
from firmware.settings import Settings


async def enrolled(settings: Settings, url: str | None, code: str) -> datetime:
    """Ask for the first certificate and put it in place; until when it is good."""
    said, files = settings.file.municipality, files_of(settings)
    answered = await enrolment.enrol(url or said.url, settings.path(said.ca_file), files, code)
    enrolment.put_in_place(answered, files)
    return answered.not_after


async def renewed(settings: Settings, now: datetime) -> datetime | None:
    """Renew a certificate of whose life two thirds are over; None if it has time. A running kiosk takes
    the new one at its next heartbeat."""
    said, files = settings.file.municipality, files_of(settings)
    enrolment.finish(files)
    if not enrolment.is_due(files, now):
        return None
    answered = await enrolment.renew(said.url, settings.path(said.ca_file), files)
    enrolment.put_in_place(answered, files)
    return answered.not_after


def files_of(settings: Settings) -> Files:
    """Where the kiosk's certificate and key lie."""
    said = settings.file.municipality
    return Files(settings.path(said.certificate_file), settings.path(said.key_file), settings.file.kiosk.urn)

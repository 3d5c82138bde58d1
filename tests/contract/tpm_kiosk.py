"""The kiosk's line to the municipality as a process of its own, for OpenSSL takes a TPM once a process.

Standard input: `session` or `renew`. Standard output: the same and what came of it; `started`; `level` and
the fault, or `reached`; `lost`.
"""

import asyncio
import sys
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from firmware.compose.enrolment import files_of, key_store_of
from firmware.compose.renewing import renewed_now
from firmware.core.facts import Level, MunicipalityLevel
from firmware.core.terms import Language
from firmware.errors import MadoguchiError
from firmware.logbook import EventId, FieldValue
from firmware.municipality.client import HttpsMunicipality
from firmware.municipality.exchange import Patience
from firmware.settings import load
from tests.contract.test_municipality import Witnessed

OFTEN = Patience(
    first_retry_seconds=0.05,
    longest_retry_seconds=0.1,
    heartbeat_seconds=0.1,
    total_seconds=30.0,
    kept_seconds=0.5,
)
"""A connection is kept for half a second: its key signs again and again."""


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def main(config: Path, now: datetime) -> None:
    settings, in_use = load(config), asyncio.Event()

    def log(event: EventId, /, **_: FieldValue) -> None:
        if event is EventId.CERTIFICATE_RENEWED:
            in_use.set()

    said, files = settings.file.municipality, files_of(settings)
    kiosk = HttpsMunicipality(
        url=said.url,
        audience=said.audience,
        ca_file=settings.path(said.ca_file),
        certificate_file=files.certificate,
        key_file=files.key,
        kiosk=files.kiosk,
        firmware_version="0.1.0",
        log=log,
        server_time=lambda _: None,
        server_hours=lambda _: None,
        journal=Witnessed(),
        now=lambda: now,
        patience=OFTEN,
        store=key_store_of(settings),
        key_store_lost=lambda: say("lost"),
    )

    def report(level: Level) -> None:
        assert isinstance(level, MunicipalityLevel)
        say("level", level.fault or "reached")

    say("started")
    kiosk.start(report)
    try:
        while wanted := (await asyncio.to_thread(sys.stdin.readline)).strip():
            try:
                if wanted == "renew":
                    in_use.clear()
                    await renewed_now(settings, config)
                    await in_use.wait()
                else:
                    public = X25519PrivateKey.generate().public_key().public_bytes_raw()
                    session = await kiosk.open_session(public, Language.JA)
                    await kiosk.end_session(session.session_id)
            except MadoguchiError as error:
                say(wanted, str(error))
            else:
                say(wanted, "done")
    finally:
        await kiosk.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])))

"""The kiosk's line to the municipality as a process of its own, for OpenSSL takes a TPM once a process.

Standard output: `level` and the fault, or `reached`; `session` for each line of standard input; `lost`.
"""

import asyncio
import sys
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from firmware.compose.enrolment import files_of, key_store_of
from firmware.core.facts import Level, MunicipalityLevel
from firmware.core.terms import Language
from firmware.errors import MunicipalityError
from firmware.municipality.client import HttpsMunicipality
from firmware.municipality.exchange import Patience
from firmware.settings import load
from tests.contract.test_municipality import Log, Witnessed

OFTEN = Patience(
    first_retry_seconds=0.05, longest_retry_seconds=0.1, heartbeat_seconds=0.1, total_seconds=30.0
)


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


async def main(config: Path, now: datetime) -> None:
    settings = load(config)
    said, files = settings.file.municipality, files_of(settings)
    kiosk = HttpsMunicipality(
        url=said.url,
        audience=said.audience,
        ca_file=settings.path(said.ca_file),
        certificate_file=files.certificate,
        key_file=files.key,
        kiosk=files.kiosk,
        firmware_version="0.1.0",
        log=Log(),
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

    kiosk.start(report)
    try:
        while await asyncio.to_thread(sys.stdin.readline):
            public = X25519PrivateKey.generate().public_key().public_bytes_raw()
            try:
                await kiosk.open_session(public, Language.JA)
            except MunicipalityError as error:
                say("session", str(error))
            else:
                say("session", "opened")
    finally:
        await kiosk.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2])))

"""`madoguchi card-test`: what a technician is told of the reader, and nothing of the card's holder."""

from collections.abc import Iterator
from pathlib import Path

from firmware.core.terms import CardRefusal
from firmware.errors import CardGone, ConfigError, DeviceGone
from firmware.logbook import JsonLog
from firmware.settings import CardReader, load
from firmware.shell.clock import now_utc
from firmware.shell.last_words import last_words, no_strays
from hw.card import PROFILES, Acceptance, label
from hw.card.fitness import FIT_APDU_SECONDS, FIT_READ_SECONDS, Fitness, measure, wait_for_card


def card_test(config: Path, wait_seconds: float) -> tuple[str, bool]:
    """The report in words, and whether the reader is fit.

    Raises ConfigError, CardGone, DeviceGone, and KioskFailed for an error that nobody foresaw: what it says
    of the card stays untold, as does what a library warns of.
    """
    log = JsonLog()
    no_strays(log)
    with last_words(log, CardGone, DeviceGone):
        said = load(config).file.card_reader
        reader = wait_for_card(said.name, wait_seconds)
        found = measure(reader, card_acceptance(said), now_utc())
        return "\n".join(report(found)), found.is_fit


def card_acceptance(said: CardReader) -> Acceptance:
    """Which cards are taken. Raises ConfigError for a smartphone's label that is a card's."""
    labels = frozenset(map(label, said.smartphone_labels))
    if taken := sorted(labels & {known for profile in PROFILES for known in profile.labels}):
        raise ConfigError(
            f"card_reader.smartphone_labels: {taken[0].decode().strip()} is the label of a card;"
            " expected those of smartphones"
        )
    return Acceptance(issuer_organizations=frozenset(said.issuer_organizations), smartphone_labels=labels)


def report(found: Fitness) -> Iterator[str]:
    """One line a figure, the verdict last."""
    yield f"reader           {found.reader}"
    yield f"card             {_card(found)}"
    if not found.is_read:
        yield "verdict          not tested: lay down a My Number Card that works"
        return
    if found.pin_is_locked is not None:
        yield f"PIN              {'locked' if found.pin_is_locked else 'can be used'}"
    yield f"read             {found.apdus} commands, {found.bytes_read:,} bytes in {found.read_seconds:.2f} s"
    yield f"slowest command  {found.slowest_seconds * 1000:.0f} ms"
    if found.rates_kbit:
        yield f"card offers      {', '.join(map(str, found.rates_kbit))} kbit/s"
    yield f"extended length  {'yes' if found.extended else 'no'} (the kiosk needs none)"
    yield f"verdict          {_verdict(found)}"


def _card(found: Fitness) -> str:
    match found.refusal:
        case None:
            return "My Number Card, certificate in force"
        case CardRefusal.CERTIFICATE_EXPIRED:
            return "My Number Card, certificate expired"
        case CardRefusal.CERTIFICATE_NOT_YET_VALID:
            return "My Number Card, certificate not yet valid"
        case refusal:
            return f"cannot be used: {refusal.value.replace('_', ' ')}"


def _verdict(found: Fitness) -> str:
    if found.read_seconds > FIT_READ_SECONDS:
        return f"not fit: reading takes more than {FIT_READ_SECONDS:g} s"
    if found.slowest_seconds > FIT_APDU_SECONDS:
        return f"not fit: a command takes more than {FIT_APDU_SECONDS:g} s"
    return "fit"

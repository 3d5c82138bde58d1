"""The one check of a configuration: before a start, at the technicians' word, and of what is published."""

from pathlib import Path

from firmware.compose.telling import texts
from firmware.compose.worker import document_settings
from firmware.errors import ConfigError
from firmware.settings import CardReader, Settings, load
from hw.card import PROFILES, Acceptance, label


def checked(config: Path, configuration: str | None = None) -> Settings:
    """Everything that would keep a start from succeeding, also what only drawing tells; it takes a second.

    configuration: signed by the municipality, instead of the one that is kept. Raises ConfigError.
    """
    # What draws every form is no part of the running kiosk.
    from firmware.documents.specimen import check_forms  # noqa: PLC0415

    settings = load(config, configuration)
    texts(settings)
    check_forms(document_settings(settings))
    card_acceptance(settings.file.card_reader)
    return settings


def card_acceptance(said: CardReader) -> Acceptance:
    """Which cards are taken. Raises ConfigError for a smartphone's label that is a card's."""
    labels = frozenset(map(label, said.smartphone_labels))
    if taken := sorted(labels & {known for profile in PROFILES for known in profile.labels}):
        raise ConfigError(
            f"card_reader.smartphone_labels: {taken[0].decode().strip()} is the label of a card;"
            " expected those of smartphones"
        )
    return Acceptance(issuer_organizations=frozenset(said.issuer_organizations), smartphone_labels=labels)

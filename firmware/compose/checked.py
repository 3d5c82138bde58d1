"""The one check of a configuration: before a start, at the technicians' word, and of what is published."""

from contextlib import suppress
from pathlib import Path

from firmware.compose.card_test import card_acceptance
from firmware.compose.telling import texts
from firmware.compose.worker import document_settings
from firmware.errors import ConfigError
from firmware.settings import Settings, kept_configuration, load
from firmware.whole_file import sync_folder, write_whole

READABLE = 0o644
"""The document worker and the console read the same configuration, as users of their own."""


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


def checked_or_former(config: Path) -> Settings:
    """As `checked`; a published configuration that is no longer good gives its place to the one before it.

    One that was good may not be after an update of the program, fonts or keys. It is put aside, which the
    kiosk tells, and the municipality's newest is fetched and checked anew. Raises ConfigError if the former
    is no good either.
    """
    take_next(config)
    try:
        return checked(config)
    except ConfigError as error:
        kept = kept_configuration(config)
        if kept is None:
            raise
        try:
            text = former_of(kept).read_text(encoding="ascii", errors="replace")
            settings = checked(config, text)
        except (OSError, ConfigError):
            raise error from None
        write_whole(refused_of(kept), kept.read_bytes(), mode=READABLE)
        write_whole(kept, text.encode("ascii"), mode=READABLE)
        return settings


def take_next(config: Path) -> None:
    """At a start: a configuration taken since the last one becomes the one in use, whole or not at all.

    Until then every process of the kiosk reads the same one as the daemon: a document worker that began in
    between would draw another form than the one that was checked and paid for. One that cannot be exchanged
    leaves in use what was in use, and is tried again at the next start. Raises ConfigError.
    """
    kept = kept_configuration(config)
    if kept is None:
        return
    with suppress(OSError):
        if not next_of(kept).exists():
            return
        if kept.exists():
            write_whole(former_of(kept), kept.read_bytes(), mode=READABLE)
        refused_of(kept).unlink(missing_ok=True)
        next_of(kept).replace(kept)
        sync_folder(kept.parent)


def next_of(kept: Path) -> Path:
    """The configuration that the next start takes."""
    return kept.with_suffix(".next.jws")


def former_of(kept: Path) -> Path:
    """The configuration before the one that is kept."""
    return kept.with_suffix(".former.jws")


def refused_of(kept: Path) -> Path:
    """The configuration that was kept and that a start refused."""
    return kept.with_suffix(".refused.jws")

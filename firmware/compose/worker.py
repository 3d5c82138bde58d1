"""The document worker put together; it imports no more than it needs, because a visit waits for it."""

import sys
from pathlib import Path

from firmware.documents.settings import DocumentSettings
from firmware.documents.submitting import Submit
from firmware.documents.worker import serve
from firmware.settings import Settings, load
from hw.printer.queue import A4_DUPLEX, IN_COLOUR, blank, submit


def document_worker(config: Path) -> None:
    """The one-shot process: serves one visit over standard input and output."""
    settings = load(config)
    cups_socket = str(settings.path(settings.file.document_printer.cups_socket))
    serve(
        sys.stdin.buffer,
        sys.stdout.buffer,
        submit_to(settings),
        document_settings(settings),
        tidy=lambda: blank(cups_socket),
    )


def submit_to(settings: Settings) -> Submit:
    """Hands a PDF to the kiosk's own print server; it blocks."""
    file = settings.file
    coloured = file.documents.detection_image == "infrared"
    options = {**A4_DUPLEX, **(IN_COLOUR if coloured else {})}

    def hand_over(pdf: bytes, job_name: str) -> None:
        submit(
            pdf,
            job_name=job_name,
            cups_socket=str(settings.path(file.document_printer.cups_socket)),
            queue=file.document_printer.queue,
            options=options,
        )

    return hand_over


def document_settings(settings: Settings) -> DocumentSettings:
    """Fonts and limits of what is drawn."""
    said = settings.file.documents
    return DocumentSettings(
        value_fonts=tuple(settings.path(font) for font in said.value_fonts),
        label_fonts=tuple(settings.path(font) for font in said.label_fonts),
        gaiji_fonts=tuple(settings.path(font) for font in said.gaiji_fonts),
        form=settings.form,
        limits=settings.character_limits,
        void_screen=said.void_screen,
        detection_image=said.detection_image,
    )

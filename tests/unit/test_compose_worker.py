"""What the document worker asks of the print server for this kiosk's pages."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from firmware.compose import worker
from firmware.settings import load

CONFIG = Path(__file__).parents[2] / "config" / "kiosk.toml"


@pytest.mark.parametrize(("image", "mode"), [("lines", "monochrome"), ("infrared", "color")])
def test_pages_of_black_alone_are_printed_without_colours_and_the_infrared_image_with_them(
    image: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Mapping[str, str]] = []
    monkeypatch.setattr(worker, "submit", lambda _pdf, *, options, **_: asked.append(options))
    settings = load(CONFIG)
    documents = msgspec.structs.replace(settings.file.documents, detection_image=image)
    file = msgspec.structs.replace(settings.file, documents=documents)
    worker.submit_to(replace(settings, file=file))(b"%PDF", "cert-0123456789abcdef")
    [options] = asked
    assert mode == options["print-color-mode"]
    assert ("none", "two-sided-long-edge") == (options["print-scaling"], options["sides"])

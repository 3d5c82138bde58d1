"""The copy-detection pattern tells originals from copies by a score, to the municipality alone."""

from functools import cache

import numpy as np
import pypdfium2
from numpy.typing import NDArray

from firmware.documents.certificate import render
from firmware.documents.scramble import reader
from firmware.documents.scramble.keys import Keys, SigningKey
from firmware.documents.scramble.sheet import check
from firmware.documents.settings import DocumentSettings
from firmware.documents.verification.copy_score import copy_score
from firmware.documents.verification.scans import rasterised
from tests.municipality.scramble import Office
from tests.pages import samples
from tests.simulators import copier

OFFICE = samples.OFFICE
SCANNER = copier.Copier("scanner", 600, 0.02, 0.0, 1.0, 0.3)


def keys(office: Office = OFFICE, *, opening: bool = True) -> Keys:
    signing = {
        key_id: SigningKey(key.public_key(), OFFICE.issuer, *OFFICE.in_use)
        for key_id, key in OFFICE.signing.items()
    }
    return Keys(signing, {}, office.opening if opening else {})


@cache
def original() -> copier.Plane:
    """A back as it leaves the printer."""
    opened = samples.opened("inkan", samples.inkan())
    with pypdfium2.PdfDocument(render(opened, samples.city_seal(), DocumentSettings()).pdf) as pdf:
        return copier.printed(rasterised(pdf[1], 600) < 128, copier.PRINTERS[1])


def score(paper: copier.Plane, *, known: Keys, dpi: int = 600) -> float | None:
    """Of the paper on a flatbed scanner, a little askew."""
    picture: NDArray[np.uint8] = copier.scanned(paper, SCANNER, dpi)
    found = reader.find(picture)
    return copy_score(picture, found.placement, check(found.body, keys()), known)


def test_a_copy_scores_lower_than_the_original_it_was_made_from() -> None:
    of_original = score(original(), known=keys())
    of_copy = score(copier.copied(original(), copier.COPIERS[0], copier.PRINTERS[1]), known=keys())
    assert of_original is not None
    assert of_copy is not None
    assert of_original > 0.45
    assert of_original > of_copy + 0.1


def test_without_the_municipality_s_key_or_from_a_coarse_scan_there_is_no_score() -> None:
    assert score(original(), known=keys(opening=False)) is None
    assert score(original(), known=keys(), dpi=300) is None


def test_another_certificate_s_pattern_scores_nothing() -> None:
    [key_id] = OFFICE.opening
    wrong = score(original(), known=keys(Office(opening={key_id: bytes(32)})))
    assert wrong is not None
    assert wrong < 0.3

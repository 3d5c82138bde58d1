"""Reading the finished pages back, with a reader that knows nothing of how they were made."""

import io
from itertools import pairwise

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from firmware.documents.certificate import Certificate
from firmware.documents.refusals import DocumentRefused, Reason


def proofread(certificate: Certificate) -> tuple[str, ...]:
    """Check that the PDF has all its pages and that each reads as it was drawn, to the character.

    The first copy is read in full; the pages of the others must be the same bytes. Returns the text of each
    page of the first copy, without white space.
    Raises DocumentRefused: PROOF_FAILED.
    """
    try:
        pages = PdfReader(io.BytesIO(certificate.pdf), strict=True).pages
        if len(pages) != certificate.pages or len(certificate.lines) != certificate.pages:
            raise DocumentRefused(Reason.PROOF_FAILED, "page count")
        first = pages[: certificate.pages_a_copy]
        texts = tuple(_bare(page.extract_text()) for page in first)
        for text, lines in zip(texts, certificate.lines, strict=False):
            if text != _bare("".join(lines)):
                raise DocumentRefused(Reason.PROOF_FAILED, "text")
        marks = [contents.get_data() for page in pages if (contents := page.get_contents())]
        for copy, next_copy in pairwise(range(0, len(marks), len(first))):
            if marks[copy:next_copy] != marks[next_copy : next_copy + len(first)]:
                raise DocumentRefused(Reason.PROOF_FAILED, "copies differ")
    except (PyPdfError, KeyError, IndexError, AttributeError, TypeError) as cause:
        raise DocumentRefused(Reason.PROOF_FAILED, "unreadable") from cause
    return texts


def _bare(text: str) -> str:
    """The text without white space, which has no place of its own on paper."""
    return "".join(text.split())

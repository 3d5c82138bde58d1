"""One issuance inside the worker: prepared before the money, printed once after it."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from firmware.core.terms import OrderId
from firmware.documents.bitmap import Bitmap, read_seal
from firmware.documents.certificate import Certificate, render
from firmware.documents.frames import (
    Answer,
    Declined,
    Laid,
    NotSubmitted,
    Prepare,
    Print,
    Submitted,
    Uncertain,
)
from firmware.documents.limits import check_limits
from firmware.documents.order_check import require_order
from firmware.documents.proof import proofread
from firmware.documents.protection.pages import make_ready
from firmware.documents.protection.reread import reread_backs
from firmware.documents.protection.signed import check_city_seal
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.sealed import Asked, Opened, from_base64url, open_authority, open_contents
from firmware.documents.settings import DocumentSettings
from firmware.documents.sight import look_over
from firmware.documents.specimen import check_forms
from firmware.documents.submitting import Submit
from firmware.errors import PrintNotSubmitted, PrintUncertain
from firmware.ports import OrderRequest


@dataclass(frozen=True, slots=True)
class _Prepared:
    asked: Asked
    opened: Opened


class Issue:
    """Answers for one visit. A job once handed over, or maybe handed over, is never handed over again."""

    def __init__(self, *, private_key: X25519PrivateKey, submit: Submit, settings: DocumentSettings) -> None:
        """Makes fonts and forms ready. Raises ConfigError for a font or a form that is not usable."""
        self._private_key = private_key
        self._submit = submit
        self._settings = settings
        check_forms(settings)
        make_ready(settings)
        self._prepared: _Prepared | None = None
        self._handed_over = False

    def prepare(self, order: Prepare) -> Answer:
        """Everything that can fail before the money; a later one replaces an earlier one."""
        self._prepared = None
        try:
            asked = _asked(order)
            opened = open_contents(order.sealed, self._private_key, asked)
            check_limits(opened.document, self._settings.limits)
            certificate = render(opened, None, self._settings)
            _check(certificate, opened, None, self._settings)
        except DocumentRefused as refused:
            return Declined(refused.reason, refused.code_points)
        self._prepared = _Prepared(asked, opened)
        return Laid(certificate.sheets, certificate.pages, opened.fingerprint)

    def print(self, order: Print) -> Answer:
        """The certificate with the city's seal, to the print queue."""
        if self._handed_over:
            return Uncertain()
        try:
            certificate = self._complete(order.authority)
        except DocumentRefused as refused:
            return NotSubmitted(refused.reason)
        self._handed_over = True
        try:
            self._submit(certificate.pdf, order.job_name)
        except PrintNotSubmitted:
            self._handed_over = False
            return NotSubmitted(None)
        except PrintUncertain:
            return Uncertain()
        return Submitted()

    def _complete(self, authority: bytes) -> Certificate:
        prepared = self._prepared
        if prepared is None:
            raise DocumentRefused(Reason.NOT_PREPARED)
        opened = open_authority(authority, self._private_key, prepared.asked, prepared.opened.contents)
        png = from_base64url(opened.city_seal)
        seal = read_seal(png)
        certificate = render(prepared.opened, seal, self._settings)
        check_city_seal(certificate.backs, png)
        _check(certificate, prepared.opened, seal, self._settings)
        return certificate


def _check(certificate: Certificate, opened: Opened, seal: Bitmap | None, settings: DocumentSettings) -> None:
    """The finished pages against what was drawn, ordered and signed. Raises DocumentRefused."""
    pages = proofread(certificate)
    require_order(pages[::2], opened, settings.form)
    reread_backs(certificate)
    look_over(certificate, opened, seal, settings)


def _asked(order: Prepare) -> Asked:
    request = OrderRequest(
        OrderId(order.order_id), order.kind, order.subjects, order.items, order.copies, order.members
    )
    return Asked(request, order.session_id, order.kiosk, order.person_ref)

"""What TLS has checked when a connection was made is checked again at each request on it.

Kiosks keep their connections: a certificate may end or be revoked meanwhile, and the server may have
taken a new one of its own, while the connection goes on with the one that it began with.
"""

import ssl
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from cryptography import x509

from tests.municipality.wire import Problem, b64u


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end. thumbprint: SHA-256 of certificate_der, base64url (x5t#S256, RFC 7515)."""

    certificate_der: bytes
    thumbprint: str
    serial: int
    not_after: datetime


class Connections:
    """Every TLS connection of one server. now: the clock of certificates."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._own = ""
        self._own_of: weakref.WeakKeyDictionary[ssl.SSLObject, str] = weakref.WeakKeyDictionary()
        self._peers: weakref.WeakKeyDictionary[ssl.SSLObject, Peer] = weakref.WeakKeyDictionary()
        self._revoked: frozenset[int] = frozenset()
        self._crl_until: datetime | None = None

    def listen(self, context: ssl.SSLContext) -> None:
        """Note for each connection of this context which certificate of ours it shows."""

        def note(tls: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            self._own_of[tls] = self._own

        context.sni_callback = note  # also called where the client names nobody

    def renew(self, certificate_der: bytes, crl: Path) -> None:
        """From now on new connections show this certificate, and this list holds for all.

        Raises OSError, ValueError.
        """
        found = x509.load_pem_x509_crl(crl.read_bytes())
        self._revoked = frozenset(entry.serial_number for entry in found)
        self._crl_until = found.next_update_utc
        self._own = thumbprint(certificate_der)

    def own_thumbprint(self, tls: ssl.SSLObject) -> str:
        """Of the server's certificate on this connection."""
        return self._own_of[tls]

    def peer(self, tls: ssl.SSLObject | None) -> Peer:
        """Who is at the other end, as TLS would let them in now. Raises Problem 403 kiosk_unknown."""
        peer = None if tls is None else self._peers.get(tls) or self._read(tls)
        now = self._now()
        if peer is None or self._crl_until is None:
            raise Problem(403, "kiosk_unknown")
        if now > peer.not_after or now >= self._crl_until or peer.serial in self._revoked:
            raise Problem(403, "kiosk_unknown")
        return peer

    def _read(self, tls: ssl.SSLObject) -> Peer | None:
        der = tls.getpeercert(binary_form=True)
        if der is None:
            return None
        certificate = x509.load_der_x509_certificate(der)
        peer = Peer(der, thumbprint(der), certificate.serial_number, certificate.not_valid_after_utc)
        self._peers[tls] = peer
        return peer


def thumbprint(certificate_der: bytes) -> str:
    """SHA-256 of a certificate, base64url (x5t#S256 of RFC 7515)."""
    return b64u(sha256(certificate_der).digest())

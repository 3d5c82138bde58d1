"""Certificates for kiosks (EST, RFC 7030): the first for a one-time code, the next ones for the old one.

The registry's name goes into the certificate, whatever the request says, and a request for another name
is refused. A renewed kiosk is let in with both until it has used the new one: an answer may be lost.
"""

import base64
import binascii
import hashlib
import secrets
from datetime import datetime, timedelta

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.municipality.desk import Desk
from tests.municipality.pki import Authority
from tests.municipality.store import Connection
from tests.municipality.wire import Problem, b64u, unb64u

CERTIFICATE_LIFE = timedelta(days=90)
CODE_LIFE = timedelta(minutes=10)


def invite(connection: Connection, urn: str, now: datetime) -> str:
    """A code for one kiosk, good for one use; an earlier one is void."""
    code = secrets.token_urlsafe(15)
    connection.execute("DELETE FROM invitation WHERE urn = ?", (urn,))
    connection.execute(
        "INSERT INTO invitation VALUES (?, ?, ?)", (urn, _hash(code), (now + CODE_LIFE).timestamp())
    )
    return code


def enrol(
    connection: Connection, authority: Authority, authorization: str, body: bytes, now: datetime
) -> bytes:
    """The first certificate. Raises Problem 401 for a code that is wrong, used or old, 400."""
    urn, code = _credentials(authorization)
    request = _request(body, urn)
    used = connection.execute(
        "DELETE FROM invitation WHERE urn = ? AND code = ? AND good_until > ?",
        (urn, _hash(code), now.timestamp()),
    ).rowcount
    if used != 1:
        raise Problem(401, "code_invalid")
    certificate = issue(authority, request, urn, now)
    connection.execute(
        "INSERT INTO kiosk (urn, thumbprint, active) VALUES (?, ?, 1)"
        " ON CONFLICT (urn) DO UPDATE"
        " SET thumbprint = excluded.thumbprint, next_thumbprint = NULL, active = 1",
        (urn, _thumbprint(certificate)),
    )
    return _answer(certificate)


def renew(desk: Desk, authority: Authority, body: bytes) -> bytes:
    """The next certificate of a kiosk that is let in. Raises Problem 400."""
    urn = desk.kiosk.urn
    certificate = issue(authority, _request(body, urn), urn, desk.now)
    desk.connection.execute(
        "UPDATE kiosk SET next_thumbprint = ? WHERE urn = ?", (_thumbprint(certificate), urn)
    )
    return _answer(certificate)


def admitted(connection: Connection, thumbprint: str, *, proving: bool = False) -> str | None:
    """The name of the active kiosk with this certificate; its first use makes a new one the only one.

    proving: the kiosk asks whether it is let in, and has not put the new one in its place yet.
    """
    row = connection.execute(
        "SELECT urn, thumbprint FROM kiosk WHERE (thumbprint = ? OR next_thumbprint = ?) AND active = 1",
        (thumbprint, thumbprint),
    ).fetchone()
    if row is None:
        return None
    if row["thumbprint"] != thumbprint and not proving:
        connection.execute(
            "UPDATE kiosk SET thumbprint = ?, next_thumbprint = NULL WHERE urn = ?", (thumbprint, row["urn"])
        )
    return str(row["urn"])


def issue(
    authority: Authority, request: x509.CertificateSigningRequest, urn: str, now: datetime
) -> x509.Certificate:
    """A kiosk's certificate: the registry's name, for clients, for 90 days."""
    key = request.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Problem(400, "request_invalid")
    issuer_key = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    usage = dict.fromkeys(
        "content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
        " encipher_only decipher_only".split(),
        False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.certificate.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + CERTIFICATE_LIFE)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(urn)]),
            critical=True,  # there is no other name in it
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key), critical=False
        )
        .sign(authority.key, hashes.SHA256())
    )


def certificates(body: bytes) -> web.Response:
    """An EST answer."""
    return web.Response(
        body=body,
        headers={
            "Content-Type": "application/pkcs7-mime; smime-type=certs-only",
            "Content-Transfer-Encoding": "base64",
        },
    )


def authorities(authority: Authority) -> bytes:
    """What /cacerts answers."""
    return _answer(authority.certificate)


def _credentials(authorization: str) -> tuple[str, str]:
    """Name and code of HTTP's basic scheme; the name in base64url, as a URN has colons."""
    try:
        scheme, _, rest = authorization.partition(" ")
        user, colon, code = base64.b64decode(rest, validate=True).decode("ascii").partition(":")
        urn = unb64u(user).decode("ascii")
    except (ValueError, Problem) as cause:
        raise Problem(401, "code_invalid") from cause
    if scheme.lower() != "basic" or not colon:
        raise Problem(401, "code_invalid")
    return urn, code


def _request(body: bytes, urn: str) -> x509.CertificateSigningRequest:
    try:
        request = x509.load_der_x509_csr(base64.b64decode(body, validate=False))
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        good = request.is_signature_valid
    except (ValueError, binascii.Error, x509.ExtensionNotFound, TypeError) as cause:
        raise Problem(400, "request_invalid") from cause
    if not good or names.get_values_for_type(x509.UniformResourceIdentifier) != [urn]:
        raise Problem(400, "request_invalid")
    return request


def _answer(certificate: x509.Certificate) -> bytes:
    return base64.b64encode(pkcs7.serialize_certificates([certificate], serialization.Encoding.DER))


def _thumbprint(certificate: x509.Certificate) -> str:
    return b64u(certificate.fingerprint(hashes.SHA256()))


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()

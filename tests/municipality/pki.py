"""A test PKI in a folder: device CA, server CA, a JPKI-like hierarchy, cards and seals.

Everything already there and still good is kept, so that a second run takes no time and RSA keys are
made once. One process works in a folder at a time (OUT/.lock). Layout:

    server_ca.pem device_ca.pem                    what each side trusts
    device_crl.pem                                 kiosks' certificates that are revoked
    server/certificate.pem key.pem                 localhost, 127.0.0.1
    kiosk/certificate.pem key.pem                  urn:kiosk:demo-0001
    jpki/root.pem crl.der                          O=JPKI-DEVSIM, never to be trusted in production
    cards/NAME/certificate.der ca.der key.pem card.json
    seals/city.png seals/NAME.png
    scramble/public.json opening.json KEY-ID.key   of the スクランブル画像; the kiosk gets none of them
    publication/public.json publication.key        of configurations and calendars
    private/                                       keys of the three CAs
"""

import fcntl
import hashlib
import ipaddress
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.municipality import seals
from tests.municipality.publications import make_key
from tests.municipality.register import CITY, PEOPLE, Card, People, load_city, load_people
from tests.municipality.scramble import Office

KIOSK = "urn:kiosk:demo-0001"
POLICY = "1.2.392.200149.8.5.1.0.30"
"""Policy of user authentication in the test hierarchy."""

_EPOCH = datetime(2024, 4, 1, tzinfo=UTC)
_SPARE = timedelta(days=30)
_DEVICE_LIFE = timedelta(days=800)
_CARD_LIFE = timedelta(days=5 * 365)
_UNTIL_VALID = timedelta(days=100)
_CA_LIFE = timedelta(days=10 * 365)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority and its key."""

    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes


def make_test_pki(out: Path, people_file: Path = PEOPLE) -> People:
    """Make or complete the folder; the register whose cards now lie in it."""
    now = datetime.now(UTC)
    people = load_people(now.date(), people_file)
    with _alone_in(out):
        servers = _tls_authority(out, "server", now)
        devices = _tls_authority(out, "device", now)
        make_server(out / "server", servers, now)
        make_kiosk(out / "kiosk", devices, KIOSK, now)
        _make_empty_crl(out / "device_crl.pem", devices, now)
        root = _jpki_root(out, now)
        _make_crl(out, root, people, now)
        for name, card in people.cards().items():
            _make_card(out / "cards" / name, root, name, card, now)
        _make_seals(out / "seals", people)
        _make_scramble_keys(out, now.date())
        make_key(out / "publication")
    return people


def device_authority(out: Path) -> Authority:
    """The device CA of a folder that make_test_pki made."""
    return _load_authority(out / "device_ca.pem", out / "private" / "device_ca.key")


def make_authority(name: str, now: datetime) -> Authority:
    """A fresh P-256 authority for TLS certificates."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return Authority(_ca_certificate(subject, key, now + _CA_LIFE), key)


@dataclass(frozen=True, slots=True)
class Leaf:
    """How a TLS certificate differs from a good one; begins, ends: None for long ago and long from now."""

    usage: x509.ObjectIdentifier
    begins: datetime | None = None
    ends: datetime | None = None


KIOSKS = Leaf(ExtendedKeyUsageOID.CLIENT_AUTH)
SERVERS = Leaf(ExtendedKeyUsageOID.SERVER_AUTH)


def make_kiosk(folder: Path, devices: Authority, urn: str, now: datetime, leaf: Leaf = KIOSKS) -> None:
    """certificate.pem and key.pem of a kiosk: P-256, SAN URI, EKU clientAuth."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(urn)])
    _make_tls_leaf(folder, devices, names, leaf, now)


def make_server(
    folder: Path, servers: Authority, now: datetime, leaf: Leaf = SERVERS, name: str = "localhost"
) -> None:
    """certificate.pem and key.pem of a server on this machine."""
    local = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    names = x509.SubjectAlternativeName([x509.DNSName(name), *([local] if name == "localhost" else [])])
    _make_tls_leaf(folder, servers, names, leaf, now)


def server_authority(out: Path) -> Authority:
    """The server CA of a folder that make_test_pki made."""
    return _load_authority(out / "server_ca.pem", out / "private" / "server_ca.key")


def make_device_crl(path: Path, devices: Authority, revoked: tuple[Path, ...], now: datetime) -> None:
    """The device CA's revocation list with these certificates; production: valid for a week, made hourly."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(devices.certificate.subject)
    builder = builder.last_update(now - timedelta(minutes=1)).next_update(now + _DEVICE_LIFE)
    builder = builder.add_extension(x509.CRLNumber(int(now.timestamp() * 1000)), critical=False)
    for certificate in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(_loaded(certificate).serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(now).build())
    crl = builder.sign(devices.key, hashes.SHA256())
    _write(path, crl.public_bytes(serialization.Encoding.PEM))


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tls_authority(out: Path, role: str, now: datetime) -> Authority:
    certificate, key = out / f"{role}_ca.pem", out / "private" / f"{role}_ca.key"
    if not _good(certificate, now):
        authority = make_authority(f"madoguchi test {role} CA", now)
        _write(key, _pkcs8(authority.key))
        _write(certificate, _pem(authority.certificate))
    return _load_authority(certificate, key)


def _make_empty_crl(path: Path, devices: Authority, now: datetime) -> None:
    key = devices.key.public_key()
    if path.exists() and isinstance(key, ec.EllipticCurvePublicKey):
        crl = x509.load_pem_x509_crl(path.read_bytes())
        until = crl.next_update_utc
        if until is not None and until > now + _SPARE and crl.is_signature_valid(key):
            return
    make_device_crl(path, devices, (), now)


def _make_tls_leaf(
    folder: Path,
    authority: Authority,
    names: x509.SubjectAlternativeName,
    leaf: Leaf,
    now: datetime,
) -> None:
    if _good(folder / "certificate.pem", now):
        return
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"madoguchi test {folder.name}")])
    builder = (
        _builder(subject, key, authority)
        .serial_number(x509.random_serial_number())
        .not_valid_before(leaf.begins or _EPOCH)
        .not_valid_after(leaf.ends or now + _DEVICE_LIFE)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([leaf.usage]), critical=False)
    )
    _write(folder / "key.pem", _pkcs8(key))
    _write(folder / "certificate.pem", _pem(builder.sign(authority.key, hashes.SHA256())))


def _jpki_root(out: Path, now: datetime) -> Authority:
    """One tier, self-signed, RSA-2048, as the production roots."""
    certificate, key = out / "jpki" / "root.pem", out / "private" / "jpki.key"
    if not _good(certificate, now):
        fresh = _rsa_key()
        _write(key, _pkcs8(fresh))
        _write(certificate, _pem(_ca_certificate(_jpki_name(), fresh, now + _CA_LIFE)))
    return _load_authority(certificate, key)


def _jpki_name() -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "JPKI-DEVSIM"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "JPKI-DEVSIM for user authentication"),
        ]
    )


def _make_card(folder: Path, root: Authority, name: str, card: Card, now: datetime) -> None:
    certificate = folder / "certificate.der"
    if not _still_so(certificate, card, now):
        key = _rsa_key() if card.key == "RSA-2048" else ec.generate_private_key(ec.SECP384R1())
        _write(folder / "key.pem", _pkcs8(key))
        _write(certificate, _der(_card_certificate(root, key, name, card, now)))
    _write(folder / "ca.der", _der(root.certificate))
    simulated = {"pin": card.pin, "tries_left": card.tries_left, "kind": "my_number_card"}
    _write(folder / "card.json", (json.dumps(simulated) + "\n").encode())


def _card_certificate(root: Authority, key: Key, name: str, card: Card, now: datetime) -> x509.Certificate:
    """A leaf with the profile of a user-authentication certificate; the subject names nobody."""
    serial = _serial(name)
    issue_number = f"DEVSIM{serial % 10**8:08d}10208003A"
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
            x509.NameAttribute(NameOID.COMMON_NAME, issue_number),
        ]
    )
    begins, ends = _EPOCH, now + _CARD_LIFE
    if card.certificate == "expired":
        begins, ends = datetime(2016, 4, 1, tzinfo=UTC), datetime(2021, 3, 31, tzinfo=UTC)
    if card.certificate == "not_yet":
        begins = now + _UNTIL_VALID
    return (
        _builder(subject, key, root)
        .serial_number(serial)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(
            x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(POLICY), None)]),
            critical=True,
        )
        .add_extension(x509.IssuerAlternativeName([x509.DirectoryName(_japanese_name())]), critical=False)
        .sign(root.key, hashes.SHA256())
    )


def _still_so(path: Path, card: Card, now: datetime) -> bool:
    """The certificate is there and still what it is to show."""
    match card.certificate:
        case "expired":
            return path.exists()
        case "not_yet":
            return path.exists() and now < _loaded(path).not_valid_before_utc
        case _:
            return _good(path, now)


def _japanese_name() -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "公的個人認証サービス（模擬）"),
        ]
    )


def _make_crl(out: Path, root: Authority, people: People, now: datetime) -> None:
    """The revoked cards; good for long, because nobody renews it here."""
    path = out / "jpki" / "crl.der"
    revoked = {_serial(name) for name, card in people.cards().items() if card.certificate == "revoked"}
    if path.exists() and _lists(path, root, revoked, now):
        return
    builder = x509.CertificateRevocationListBuilder().issuer_name(root.certificate.subject)
    builder = builder.last_update(_EPOCH).next_update(now + _CARD_LIFE)
    for serial in sorted(revoked):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_EPOCH).build()
        builder = builder.add_revoked_certificate(entry)
    crl = builder.sign(root.key, hashes.SHA256())
    _write(path, crl.public_bytes(serialization.Encoding.DER))


def _lists(path: Path, root: Authority, revoked: set[int], now: datetime) -> bool:
    crl = x509.load_der_x509_crl(path.read_bytes())
    key = root.certificate.public_key()
    fresh = crl.next_update_utc is not None and crl.next_update_utc > now + _SPARE
    return (
        fresh
        and isinstance(key, rsa.RSAPublicKey)
        and crl.is_signature_valid(key)
        and revoked == {entry.serial_number for entry in crl}
    )


def _make_seals(folder: Path, people: People) -> None:
    if not (folder / "city.png").exists():
        _write(folder / "city.png", seals.city_seal("渋川市長之印"))
    for _, resident in people.residents():
        path = folder / f"{resident.id}.png"
        if resident.seal and not path.exists():
            family_name = (resident.alias or resident.name).partition("　")[0]
            _write(path, seals.personal_seal(family_name))


def _make_scramble_keys(out: Path, today: date) -> None:
    """Keys of the year, good for certificates from the year before to the year after."""
    folder = out / "scramble"
    if not (folder / "public.json").exists():
        in_use = (date(today.year - 1, 4, 1), date(today.year + 2, 3, 31))
        office = replace(Office.new(today.year), issuer=load_city(CITY).name, in_use=in_use)
        office.store(folder, (out / "seals" / "city.png").read_bytes())


def _ca_certificate(subject: x509.Name, key: Key, ends: datetime) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2015, 10, 1, tzinfo=UTC))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(subject: x509.Name, key: Key, issuer: Authority) -> x509.CertificateBuilder:
    issuer_key = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key), critical=False
        )
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _serial(name: str) -> int:
    """The same serial for the same card folder, so that a revocation list can be made again."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _good(path: Path, now: datetime) -> bool:
    """True if the certificate is there and has a month left."""
    if not path.exists():
        return False
    return _loaded(path).not_valid_after_utc > now + _SPARE


def _loaded(path: Path) -> x509.Certificate:
    load = x509.load_der_x509_certificate if path.suffix == ".der" else x509.load_pem_x509_certificate
    return load(path.read_bytes())


def _load_authority(certificate: Path, key: Path) -> Authority:
    loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError(f"{key}: neither an EC nor an RSA key")
    return Authority(x509.load_pem_x509_certificate(certificate.read_bytes()), loaded)


def _pkcs8(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _write(path: Path, content: bytes) -> None:
    """Put the file there whole or not at all; keys are for the owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.touch(mode=0o600 if path.suffix == ".key" or path.name == "key.pem" else 0o644)
    part.write_bytes(content)
    part.replace(path)

"""A key of the device that is about to get a certificate, and its request (PKCS#10, RFC 2986)."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from firmware.errors import KeyStoreFault
from firmware.municipality.der import element
from firmware.municipality.key_store import TpmKeyStore

_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
"""AlgorithmIdentifier without parameters (RFC 5758, section 3.2). `openssl req` with the TPM's provider puts
a NULL there, and strict readers refuse the whole request."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """pem: for the key file; in clear, or sealed by its TPM."""

    pem: bytes
    public_key: ec.EllipticCurvePublicKey
    sign: Callable[[bytes], bytes]

    @classmethod
    def made(cls, store: TpmKeyStore | None) -> "NewKey":
        """On P-256; blocks as long as the TPM takes. Raises KeyStoreFault."""
        if store is not None:
            pem = store.new_key()
            return cls(pem, store.public_key(pem), lambda message: store.sign(pem, message))
        key = ec.generate_private_key(ec.SECP256R1())
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        algorithm = ec.ECDSA(hashes.SHA256())
        return cls(key.private_bytes(*form), key.public_key(), lambda message: key.sign(message, algorithm))

    def request(self, kiosk: str) -> bytes:
        """A request for the certificate of this kiosk, DER; blocks likewise. Raises KeyStoreFault."""
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(kiosk)])
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        # `cryptography` signs with keys of its own alone: the request of a key that is thrown away lends its
        # form, and public keys on one curve are equally long.
        lent = ec.generate_private_key(self.public_key.curve)
        form = builder.add_extension(names, critical=False).sign(lent, hashes.SHA256())
        asked = form.tbs_certrequest_bytes.replace(_spki(lent.public_key()), _spki(self.public_key))
        signature = element(0x03, b"\0" + self.sign(asked))
        request = element(0x30, asked + _ECDSA_WITH_SHA256 + signature)
        if not x509.load_der_x509_csr(request).is_signature_valid:
            raise KeyStoreFault("tpm-failing", "it signed something else")
        return request


def _spki(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

"""What the municipality signed and encrypted, checked and opened. FORMAT.md, section 5.

Sources: RFC 9052 (COSE_Sign1, COSE_Encrypt), RFC 9053 (EdDSA, AES-GCM, AES Key Wrap), RFC 8949
(deterministic CBOR).
Nothing here can sign or encrypt: a kiosk needs neither.
"""

from collections.abc import Callable, Mapping
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from firmware.documents.scramble.errors import NotGenuine

SIGNED_FOR = b"madoguchi-scramble-1"
"""External authenticated data of the signature: it is good for nothing else."""

_SIGN1, _ENCRYPT = 18, 96
_ALGORITHM, _KEY_ID, _NONCE = 1, 4, 5
_EDDSA, _A256GCM, _A256KW = -8, 3, -5
_DEEPEST = 12


def decode(encoded: bytes, what: str) -> Any:
    """A value in deterministic CBOR. Raises NotGenuine for anything else."""
    try:
        value = cbor2.loads(encoded, max_depth=_DEEPEST, allow_indefinite=False, allow_duplicate_keys=False)
        same = encode(value) == encoded
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as cause:
        raise NotGenuine(f"{what}: not CBOR") from cause
    if not same:
        raise NotGenuine(f"{what}: not deterministic CBOR")
    return value


def encode(value: Any) -> bytes:
    """Deterministic CBOR."""
    return cbor2.dumps(value, canonical=True)


def signed_by(message: bytes, public_key: Callable[[str], Ed25519PublicKey]) -> tuple[str, bytes]:
    """Key id and payload of a COSE_Sign1 whose signature is good.

    public_key: the key of this id, or raises NotGenuine. Raises NotGenuine.
    """
    key_id, payload = claimed_by(message)
    protected, _, _, signature = _tagged(message, _SIGN1, 4, "signed message")
    try:
        public_key(key_id).verify(signature, encode(["Signature1", protected, SIGNED_FOR, payload]))
    except InvalidSignature as cause:
        raise NotGenuine(
            f"the signature is not that of key {key_id}",
            f"電子署名が、鍵「{key_id}」によるものではありません。",
        ) from cause
    return key_id, payload


def claimed_by(message: bytes) -> tuple[str, bytes]:
    """Key id and payload of a COSE_Sign1 as it says itself, whoever signed it. Raises NotGenuine."""
    protected, unprotected, payload, signature = _tagged(message, _SIGN1, 4, "signed message")
    headers = _map(protected, "signed message")
    key_id = _text(headers.get(_KEY_ID), "signed message: key id")
    if set(headers) != {_ALGORITHM, _KEY_ID} or headers[_ALGORITHM] != _EDDSA or unprotected:
        raise NotGenuine("signed message: unknown headers")
    if not isinstance(payload, bytes) or not isinstance(signature, bytes):
        raise NotGenuine("signed message: payload and signature must be bytes")
    return key_id, payload


def recipients(message: bytes) -> list[tuple[str, bytes]]:
    """Key id and wrapped content key of everyone who may open a COSE_Encrypt. Raises NotGenuine."""
    found = []
    for recipient in _tagged(message, _ENCRYPT, 4, "sealed contents")[3]:
        if not isinstance(recipient, (list, tuple)) or len(recipient) != 3:
            raise NotGenuine("sealed contents: a recipient has three parts")
        protected, headers, wrapped = recipient
        if protected != b"" or not isinstance(headers, Mapping) or headers.get(_ALGORITHM) != _A256KW:
            raise NotGenuine("sealed contents: unknown recipient")
        if not isinstance(wrapped, bytes):
            raise NotGenuine("sealed contents: a wrapped key must be bytes")
        found.append((_text(headers.get(_KEY_ID), "sealed contents: key id"), wrapped))
    return found


def opened(message: bytes, wrapped: bytes, wrapping_key: bytes, bound_to: bytes) -> bytes:
    """The plaintext of a COSE_Encrypt; bound_to: its external data. Raises NotGenuine."""
    protected, headers, ciphertext, _ = _tagged(message, _ENCRYPT, 4, "sealed contents")
    if _map(protected, "sealed contents") != {_ALGORITHM: _A256GCM} or not isinstance(headers, Mapping):
        raise NotGenuine("sealed contents: unknown algorithm")
    nonce = headers.get(_NONCE)
    if not isinstance(nonce, bytes) or len(nonce) != 12 or not isinstance(ciphertext, bytes):
        raise NotGenuine("sealed contents: nonce or ciphertext is missing")
    try:
        key = aes_key_unwrap(wrapping_key, wrapped)
        return AESGCM(key).decrypt(nonce, ciphertext, encode(["Encrypt", protected, bound_to]))
    except (InvalidUnwrap, InvalidTag, ValueError) as cause:
        raise NotGenuine(
            "sealed contents: the key or code does not open them",
            "おもて面のコードが、このうら面のものではありません。",
        ) from cause


def _tagged(message: bytes, tag: int, length: int, what: str) -> Any:
    value = decode(message, what)
    parts = value.value if isinstance(value, cbor2.CBORTag) and value.tag == tag else None
    if not isinstance(parts, (list, tuple)) or len(parts) != length or not isinstance(parts[0], bytes):
        raise NotGenuine(f"{what}: not what the format says")
    return parts


def _map(encoded: bytes, what: str) -> Mapping[Any, Any]:
    headers = decode(encoded, what)
    if not isinstance(headers, Mapping):
        raise NotGenuine(f"{what}: headers must be a map")
    return headers


def _text(value: Any, what: str) -> str:
    try:
        return value.decode("ascii") if isinstance(value, bytes) and value else _refuse(what)
    except UnicodeDecodeError:
        return _refuse(what)


def _refuse(what: str) -> str:
    raise NotGenuine(f"{what} is missing or no text")

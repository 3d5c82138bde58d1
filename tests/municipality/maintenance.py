"""Whoever gives maintenance orders: signs them by hand, with nothing of the kiosk's.

`python -m tests.municipality.maintenance --key FILE --kiosk URN --by tech-17 --roles look,cash` prints an
order; the key is made if FILE does not exist, its public part goes to FILE.jwks.
"""

import argparse
import base64
import json
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ISSUER = "urn:madoguchi:maintenance"
ROLES = ("look", "cash", "service", "settle", "system")


@dataclass(frozen=True, slots=True)
class Issuer:
    """Signs orders with one key."""

    key: Ed25519PrivateKey
    kid: str = "maintenance-2026"

    @property
    def jwks(self) -> str:
        """The public key as a JWK Set. Source: RFC 8037, section 2."""
        x = self.key.public_key().public_bytes(s.Encoding.Raw, s.PublicFormat.Raw)
        key = {"kty": "OKP", "crv": "Ed25519", "x": _b64u(x), "kid": self.kid, "alg": "EdDSA", "use": "sig"}
        return json.dumps({"keys": [key]})

    def order(
        self,
        kiosk: str,
        *,
        by: str = "tech-17",
        roles: Sequence[str] = ROLES,
        seconds: int = 8 * 3600,
        now: float | None = None,
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """An order; header and claims replace what it would say, None leaves a claim out."""
        issued = int(time.time() if now is None else now)
        said = {
            "iss": ISSUER,
            "aud": kiosk,
            "jti": f"order-{secrets.token_hex(6)}",
            "sub": by,
            "roles": list(roles),
            "iat": issued,
            "exp": issued + seconds,
            **claims,
        }
        said = {name: value for name, value in said.items() if value is not None}
        head = {"alg": "EdDSA", "typ": "maintenance-order+jwt", "kid": self.kid, **(header or {})}
        text = f"{_b64u(json.dumps(head).encode())}.{_b64u(json.dumps(said).encode())}"
        return f"{text}.{_b64u(self.key.sign(text.encode()))}"


def new_issuer() -> Issuer:
    """With a new key."""
    return Issuer(Ed25519PrivateKey.generate())


def _b64u(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _issuer_at(path: Path) -> Issuer:
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        path.touch(0o600)
        path.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    kept = s.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(kept, Ed25519PrivateKey), "an Ed25519 key is wanted"
    issuer = Issuer(kept)
    path.with_name(f"{path.name}.jwks").write_text(issuer.jwks, encoding="utf-8")
    return issuer


def main() -> None:
    """Print one order."""
    parser = argparse.ArgumentParser(description="Sign a maintenance order")
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--kiosk", required=True, help="its URN")
    parser.add_argument("--by", required=True, help="the technician's number")
    parser.add_argument("--roles", default=",".join(ROLES))
    parser.add_argument("--hours", type=int, default=8)
    parser.add_argument("--nonce", help="what the kiosk shows while its clock is not trusted")
    said = parser.parse_args()
    order = _issuer_at(said.key).order(
        said.kiosk, by=said.by, roles=said.roles.split(","), seconds=said.hours * 3600, nonce=said.nonce
    )
    sys.stdout.write(order + "\n")


if __name__ == "__main__":
    main()

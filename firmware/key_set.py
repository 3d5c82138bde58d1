"""The public keys by which a signer is known: a JWK Set of Ed25519 keys in a file (RFC 7517, RFC 8037)."""

import json
from collections.abc import Mapping
from pathlib import Path

import jwt

from firmware.errors import ConfigError


def read_key_set(path: Path, setting: str) -> Mapping[str, jwt.PyJWK]:
    """Each key by its `kid`. setting: that names the file, for the complaint.

    Raises ConfigError for a file that is no set of Ed25519 keys.
    """
    try:
        keys = jwt.PyJWKSet.from_json(path.read_text(encoding="utf-8")).keys
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, jwt.PyJWTError, AttributeError) as cause:
        raise ConfigError(f"{setting}: {path} is no JWK Set; expected Ed25519 keys") from cause
    named = {key.key_id: key for key in keys if key.key_type == "OKP" and key.key_id}
    if not named:
        raise ConfigError(f"{setting}: {path} holds no Ed25519 key with a kid")
    return named

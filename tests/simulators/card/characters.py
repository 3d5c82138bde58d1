"""Who lies on the reader: what a card folder holds, and the cards that need no folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

TYPE_B_ATR = bytes.fromhex("3B888001000005E0B381A1007F")
JUKI_ATR = bytes.fromhex("3B888001000014E0B38191005E")
LICENCE_ATR = bytes.fromhex("3B88800100000000B381A1009A")
FELICA_ATR = bytes.fromhex("3B8F8001804F0CA00000030611003B0000000042")

TOKEN_LABELS = {
    "my_number_card": b"JPKIAPICCTOKEN2",
    "juki": b"JPKIAPICCTOKEN",
    "smartphone": b"JPKIAPIOSTOKEN",
}


@dataclass(frozen=True, slots=True)
class Character:
    """The fixed part of a card. select_refusal: its answer to an application it does not have."""

    kind: str
    atr: bytes
    certificate: bytes = b""
    ca: bytes = b""
    key: RSAPrivateKey | None = None
    pin: bytes = b"1234"
    tries: int = 3
    select_refusal: int = 0x6A82

    @property
    def token(self) -> bytes:
        """EF 0006, 160 bytes, or nothing on a card without the JPKI application."""
        label = TOKEN_LABELS.get(self.kind, b"")
        return label.ljust(32, b" ").ljust(160, b"\0") if label else b""


BUILT_IN = {
    "felica": Character("felica", FELICA_ATR, select_refusal=0x6A81),
    "licence": Character("licence", LICENCE_ATR),
    "juki": Character("juki", JUKI_ATR),
    "other": Character("other", TYPE_B_ATR),
    "mute": Character("other", b"\x00\x00"),
}


def load(folder: Path) -> tuple[Character, dict[str, Any]]:
    """A card folder's character, and the faults that its card.json asks for.

    Raises FileNotFoundError, and TypeError for a key that is not RSA.
    """
    settings_path = folder / "card.json"
    settings = json.loads(settings_path.read_text()) if settings_path.exists() else {}
    kind = settings.pop("kind", "my_number_card")
    present = settings.pop("certificate", "present") == "present"
    pin = str(settings.pop("pin", "1234")).encode("ascii")
    if kind not in TOKEN_LABELS:
        return Character(kind, BUILT_IN[kind].atr, select_refusal=BUILT_IN[kind].select_refusal), settings
    key = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    if not isinstance(key, RSAPrivateKey):
        raise TypeError(f"{folder / 'key.pem'}: not an RSA key")
    certificate = (folder / "certificate.der").read_bytes() if present else b""
    ca = (folder / "ca.der").read_bytes()
    atr = JUKI_ATR if kind == "juki" else TYPE_B_ATR
    return Character(kind, atr, certificate, ca, key, pin), settings

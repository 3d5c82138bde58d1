"""Who lies on the reader: what a card folder holds, cards that need no folder, and how a card can misbehave.

A card is named by its folder, by a name of `BUILT_IN`, or by a folder and a name of `VARIANTS` with `~`
between: `shiken_taro~slow` is the card of shiken_taro, but slow.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

JPKI_AID = bytes.fromhex("D392F000260100000001")
LICENCE_AID = bytes.fromhex("A0000002310100000000000000000000")
RESIDENCE_AID = bytes.fromhex("D392F0004F0200000000000000000000")
PPSE = b"2PAY.SYS.DDF01"

TYPE_B_ATR = bytes.fromhex("3B888001000005E0B381A1007F")
JUKI_ATR = bytes.fromhex("3B888001000014E0B38191005E")
OTHER_B_ATR = bytes.fromhex("3B88800100000000B381A1009A")
EMV_ATR = bytes.fromhex("3B80800101")
FELICA_ATR = bytes.fromhex("3B8F8001804F0CA00000030611003B0000000042")
MUTE_ATR = b"\x00\x00"

TOKEN_LABELS = {
    "my_number_card": b"JPKIAPICCTOKEN2",
    "juki": b"JPKIAPICCTOKEN",
    "smartphone": b"JPKIAPIOSTOKEN",
    "android": b"JPKIAPGPSETOKEN",
}

Key = RSAPrivateKey | EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Character:
    """The fixed part of a card.

    applications: other ids it answers to, with its answer to SELECT. select_refusal: its answer to an
    application it does not have. extended: it knows extended length. ecdsa_in_der: how it signs with P-384.
    """

    kind: str
    atr: bytes
    certificate: bytes = b""
    ca: bytes = b""
    key: Key | None = None
    pin: bytes = b"1234"
    tries: int = 3
    signing_certificate: bytes = b""
    signing_key: Key | None = None
    password: bytes = b"ABC123"
    password_tries: int = 5
    others: Mapping[bytes, bytes] = field(default_factory=dict)
    select_refusal: int = 0x6A82
    extended: bool = True
    ecdsa_in_der: bool = False

    @property
    def token(self) -> bytes:
        """EF 0006, 160 bytes, or nothing on a card without the JPKI application."""
        label = TOKEN_LABELS.get(self.kind, b"")
        return label.ljust(32, b" ").ljust(160, b"\0") if label else b""

    @property
    def applications(self) -> dict[bytes, bytes]:
        """Every application id, with the answer to a SELECT that wants one."""
        return {**({JPKI_AID: b""} if self.token else {}), **self.others}


BUILT_IN = {
    "felica": Character("felica", FELICA_ATR, select_refusal=0x6A81),
    "licence": Character("licence", OTHER_B_ATR, others={LICENCE_AID: b""}),
    "residence": Character("residence", OTHER_B_ATR, others={RESIDENCE_AID: b""}),
    "bank": Character("bank", EMV_ATR, others={PPSE: bytes.fromhex("6F10840E") + PPSE}),
    "juki": Character("juki", JUKI_ATR),
    "other": Character("other", TYPE_B_ATR),
    "mute": Character("other", MUTE_ATR),
    "two_cards": Character("other", MUTE_ATR),
}
"""Cards that need no folder.

Of two cards at once that collide a reader powers up neither, and says so as of a card that is mute (CCID
ICC_MUTE): `two_cards` and `mute` differ for people alone. Two of which it chooses one: `with_bank_card`.
"""

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "last_try": {"tries_left": 1},
    "locked": {"tries_left": 0},
    "no_certificate": {"certificate": "absent"},
    "phone": {"kind": "smartphone"},
    "android": {"kind": "android"},
    "sleepy": {"first_apdu_6f00": True},
    "slow": {"delay_ms": 150},
    "short_reads": {"most_read": 128, "exact_reads": True},
    "in_parts": {"part": 100},
    "no_extended": {"extended": False},
    "dies_reading": {"die_at_command": "00b001"},
    "dies_in_verify": {"die_at_command": "0020008004"},
    "dies_after_verify": {"die_at_command": "0020008004", "die_after_effect": True},
    "dies_signing": {"die_at_command": "802a"},
    "garbled": {"answers": {"b0": "31415926539000"}},
    "wrong_signature": {"flip_signature": True},
    "with_bank_card": {"beside": "bank"},
}
"""What can be said of a card in card.json, by the name of what comes of it."""


def load(folder: Path, variant: str = "") -> tuple[Character, dict[str, Any]]:
    """A card folder's character, and the faults that its card.json and the variant ask for.

    Raises FileNotFoundError, LookupError for an unknown variant, and TypeError for a key no card has.
    """
    settings_path = folder / "card.json"
    settings = json.loads(settings_path.read_text()) if settings_path.exists() else {}
    settings |= dict(VARIANTS[variant]) if variant else {}
    kind = settings.pop("kind", "my_number_card")
    present = settings.pop("certificate", "present") == "present"
    pin = str(settings.pop("pin", "1234")).encode("ascii")
    fixed = {name: settings.pop(name) for name in ("extended", "ecdsa_in_der") if name in settings}
    if kind not in TOKEN_LABELS:
        return BUILT_IN[kind], settings
    shipped = JUKI_ATR if kind == "juki" else TYPE_B_ATR
    atr = bytes.fromhex(settings.pop("atr", "")) or shipped
    signing = (folder / "signing_certificate.der").exists()
    character = Character(
        kind,
        atr,
        (folder / "certificate.der").read_bytes() if present else b"",
        (folder / "ca.der").read_bytes(),
        _key(folder / "key.pem"),
        pin,
        signing_certificate=(folder / "signing_certificate.der").read_bytes() if signing else b"",
        signing_key=_key(folder / "signing_key.pem") if signing else None,
        **fixed,
    )
    return character, settings


def _key(path: Path) -> Key:
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        raise TypeError(f"{path}: neither an RSA nor an EC key")
    return key

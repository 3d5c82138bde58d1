"""The cards this kiosk speaks with, as a table: application, files, PIN and signature command of each.

A card is chosen by the application it has and the label in it; its algorithm by the key in its certificate
(`hw.card.algorithm`). The next My Number Card (次期個人番号カード) will sign with ECDSA P-384; what of its
application differs is not published, and becomes a line of `PROFILES` when it is.

Sources: OpenSC jpki.h, jpki/myna and soltia48/myna-card for the JPKI application.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from firmware.core.terms import CardKind

LABEL_BYTES = 32
"""The token file begins with this many bytes of label, padded with spaces."""


class File(enum.Enum):
    """What an elementary file is for. The signature certificate's are not among them."""

    TOKEN = "token"  # noqa: S105 - a file
    AVAILABILITY = "availability"
    CERTIFICATE = "certificate"
    KEY = "key"
    PIN = "pin"


@dataclass(frozen=True, slots=True)
class CardProfile:
    """One kind of card.

    aid: the whole id of its application; cards also answer to a prefix. labels: what each label means.
    files: ids of the elementary files. pin_reference: P2 of VERIFY. pin_digits: ASCII digits.
    sign_header: CLA INS P1 P2 of the command that computes a signature.
    """

    name: str
    aid: bytes
    labels: Mapping[bytes, CardKind]
    files: Mapping[File, int]
    pin_reference: int
    pin_digits: int
    sign_header: tuple[int, int, int, int]


def label(text: str) -> bytes:
    """A token label as it stands on the card. Raises ValueError unless text is 1–32 ASCII characters."""
    if not text or len(text) > LABEL_BYTES or not text.isascii():
        raise ValueError(f"a label has 1 to {LABEL_BYTES} ASCII characters")
    return text.encode("ascii").ljust(LABEL_BYTES)


JPKI = CardProfile(
    name="jpki",
    aid=bytes.fromhex("D392F000260100000001"),  # 公的個人認証AP
    labels={
        # The whole label counts: the old card's is a prefix of the present one's.
        label("JPKIAPICCTOKEN2"): CardKind.MY_NUMBER_CARD,
        label("JPKIAPICCTOKEN"): CardKind.JUKI_CARD,
    },
    files={
        File.TOKEN: 0x0006,
        File.AVAILABILITY: 0x0008,
        File.CERTIFICATE: 0x000A,
        File.KEY: 0x0017,
        File.PIN: 0x0018,
    },
    pin_reference=0x80,
    pin_digits=4,
    sign_header=(0x80, 0x2A, 0x00, 0x80),
)

PROFILES = (JPKI,)
"""Asked for in this order; the first application that answers decides."""

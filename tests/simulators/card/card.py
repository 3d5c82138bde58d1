"""The virtual card: APDUs in, APDUs out, as a My Number Card's JPKI application answers them.

The behaviours that matter were taken from public measurements of real cards: "PIN verified" survives a
warm reset and ends only with the power; the try that uses up the counter answers 63C0 and every later one
6984; a READ BINARY past the end answers 6B00; the certificate's file carries filler after the certificate.
"""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo

from tests.simulators.card.characters import Character

JPKI_AID = bytes.fromhex("D392F000260100000001")
TOKEN, AVAILABILITY, CERTIFICATE, CA = 0x0006, 0x0008, 0x000A, 0x000B
KEY, PIN = 0x0017, 0x0018
SIGNATURE_FILES = frozenset({0x0001, 0x0002, 0x001A, 0x001B})
FILE_BYTES = 2048

OK = 0x9000


class Torn(Exception):
    """The card leaves the field now and will not answer."""


@dataclass(slots=True)
class Faults:
    """What goes wrong. APDUs are counted from 1 since the card was laid down or was given its faults.

    die_at_apdu: it leaves the field; die_after_effect: only after having carried the command out.
    silent_at_apdu: it never answers. flip_signature: one bit of the signature is wrong.
    answers: raw answers instead of its own, by instruction byte as two hex digits, e.g. {"20": "6F00"}.
    """

    first_apdu_6f00: bool = False
    die_at_apdu: int | None = None
    die_after_effect: bool = False
    silent_at_apdu: int | None = None
    flip_signature: bool = False
    answers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Counts:
    """What the card has seen since it was made. headers: CLA INS P1 P2 of each APDU, never its body."""

    apdus: int = 0
    verify_count: int = 0
    signatures: int = 0
    power_ons: int = 0
    power_offs: int = 0
    resets: int = 0
    forbidden: int = 0
    headers: list[str] = field(default_factory=list)


class VirtualCard:
    """One card with its memory: tries and counts stay while it is off the reader."""

    def __init__(self, character: Character, faults: Faults, tries_left: int | None = None) -> None:
        self.character = character
        self.faults = faults
        self.tries_left = character.tries if tries_left is None else tries_left
        self.counts = Counts()
        self.verified = False
        self._fresh = False
        self._in_jpki = False
        self._file: int | None = None
        self._apdus = 0

    def lay_down(self) -> None:
        """The card comes onto the reader."""
        self._apdus = 0

    def plant(self, faults: Faults) -> None:
        """Replace what goes wrong."""
        self.faults = faults
        self._apdus = 0

    def power_on(self) -> None:
        """Cold start: nothing selected, no PIN verified."""
        self.counts.power_ons += 1
        self.verified = False
        self._start()

    def power_off(self) -> None:
        """The field goes; with it every right."""
        self.counts.power_offs += 1
        self.verified = False

    def reset(self) -> None:
        """Warm reset: the selection goes, a verified PIN stays."""
        self.counts.resets += 1
        self._start()

    def transmit(self, command: bytes) -> bytes | None:
        """The answer to one APDU; None if the card keeps silent for ever.

        Raises Torn when the card leaves the field instead.
        """
        self.counts.apdus += 1
        self.counts.headers.append(command[:4].hex())
        self._apdus += 1
        here = self._apdus
        if here == self.faults.die_at_apdu and not self.faults.die_after_effect:
            raise Torn
        answer = self._answer(command)
        if here == self.faults.die_at_apdu:
            raise Torn
        return None if here == self.faults.silent_at_apdu else answer

    def _start(self) -> None:
        self._fresh = True
        self._in_jpki = False
        self._file = None

    def _answer(self, command: bytes) -> bytes:
        if self._fresh and self.faults.first_apdu_6f00:
            self._fresh = False
            return _word(0x6F00)
        self._fresh = False
        planted = self.faults.answers.get(command[1:2].hex())
        match command[0], command[1]:
            case 0x00, 0xA4:
                answer = self._select(command)
            case 0x00, 0xB0:
                answer = self._read_binary(command)
            case 0x00, 0x20:
                answer = self._verify(command)
            case 0x80, 0x2A:
                answer = self._sign(command)
            case _:
                answer = _word(0x6D00)
        return answer if planted is None else bytes.fromhex(planted)

    def _select(self, command: bytes) -> bytes:
        body = command[5 : 5 + command[4]] if len(command) > 4 else b""
        if command[2:4] == b"\x04\x0c":
            return self._select_application(body)
        if command[2:4] != b"\x02\x0c" or len(body) != 2:
            return _word(0x6A86)
        chosen = int.from_bytes(body, "big")
        if chosen in SIGNATURE_FILES:
            self.counts.forbidden += 1
        if not self._in_jpki or chosen not in self._files():
            return _word(0x6A82)
        self._file = chosen
        return _word(OK)

    def _select_application(self, aid: bytes) -> bytes:
        if not self.character.token or not JPKI_AID.startswith(aid):
            return _word(self.character.select_refusal)
        self._in_jpki = True
        self._file = None
        return _word(OK)

    def _files(self) -> dict[int, bytes]:
        """Readable files by id; those without content are keys and PINs."""
        files = {TOKEN: self.character.token}
        if self.character.kind == "juki":
            return files
        present = b"\x8f" if self.character.certificate else b"\x00"
        files |= {AVAILABILITY: b"\x8f" + present + b"\x00", KEY: b"", PIN: b""}
        files |= dict.fromkeys(SIGNATURE_FILES, b"")
        if self.character.certificate:
            files[CERTIFICATE] = self.character.certificate.ljust(FILE_BYTES, b"\xff")
            files[CA] = self.character.ca.ljust(FILE_BYTES, b"\xff")
        return files

    def _read_binary(self, command: bytes) -> bytes:
        content = self._files().get(self._file, b"") if self._file is not None else b""
        if self._file is None:
            return _word(0x6986)
        phone_locked = self.character.kind == "smartphone" and self._file == CERTIFICATE and not self.verified
        if not content or phone_locked:
            return _word(0x6982)
        offset = int.from_bytes(command[2:4], "big") & 0x7FFF
        if offset >= len(content):
            return _word(0x6B00)
        length = command[4] or 256
        return content[offset : offset + length] + _word(OK)

    def _verify(self, command: bytes) -> bytes:
        if command[2:4] != b"\x00\x80" or self._file != PIN:
            return _word(0x6986 if self._file is None else 0x6A86)
        if len(command) == 4:
            return _word(OK if self.verified else 0x63C0 | self.tries_left)
        self.counts.verify_count += 1
        if self.tries_left == 0:
            return _word(0x6984)
        if command[5:] == self.character.pin:
            self.tries_left = self.character.tries
            self.verified = True
            return _word(OK)
        self.verified = False
        self.tries_left -= 1
        return _word(0x63C0 | self.tries_left)

    def _sign(self, command: bytes) -> bytes:
        if command[2:4] != b"\x00\x80":
            return _word(0x6A86)
        if self._file != KEY or self.character.key is None:
            return _word(0x6985)
        if not self.verified:
            return _word(0x6982)
        digest_info = command[5 : 5 + command[4]]
        if len(digest_info) != command[4] or len(command) != 6 + command[4]:
            return _word(0x6700)
        self.counts.signatures += 1
        signature = self.character.key.sign(digest_info, padding.PKCS1v15(), NoDigestInfo())
        if self.faults.flip_signature:
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        return signature + _word(OK)


def _word(status_word: int) -> bytes:
    return status_word.to_bytes(2, "big")

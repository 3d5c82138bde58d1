"""The virtual card: APDUs in, APDUs out, as a My Number Card's JPKI application answers them.

The behaviours that matter were taken from public measurements of real cards: "PIN verified" survives a
warm reset and ends only with the power; the try that uses up the counter answers 63C0 and every later one
6984; a READ BINARY past the end answers 6B00; the certificate's file carries filler after the certificate.
OpenSC's own tools take it for one (`tests/contract/test_card_by_opensc.py`).
"""

import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import (
    NoDigestInfo,
    Prehashed,
    decode_dss_signature,
)

from tests.simulators.card.characters import Character

TOKEN, AVAILABILITY, CERTIFICATE, CA, KEY, PIN = 0x0006, 0x0008, 0x000A, 0x000B, 0x0017, 0x0018
SIGNING_CERTIFICATE, SIGNING_CA, SIGNING_KEY, SIGNING_PIN = 0x0001, 0x0002, 0x001A, 0x001B
SIGNATURE_FILES = frozenset({SIGNING_CERTIFICATE, SIGNING_CA, SIGNING_KEY, SIGNING_PIN})
FILE_BYTES = 2048
SHORT_BYTES = 256

OK = 0x9000


class Torn(Exception):
    """The card leaves the field now and will not answer."""


@dataclass(slots=True)
class Faults:
    """What goes wrong. APDUs are counted from 1 since the card was laid down or was given its faults.

    die_at_apdu: it leaves the field; die_at_command: at the first command that begins so, in hex;
    die_after_effect: only after having carried the command out. swap_for: the card that lies there then.
    silent_at_apdu: it never answers. delay_ms: how late each answer is. flip_signature: one bit is wrong.
    answers: raw answers instead of its own, by instruction byte as two hex digits, e.g. {"20": "6F00"}.
    most_read: bytes that one READ BINARY gives; exact_reads: it refuses to be asked for more (6CXX).
    part: answers longer than this come in parts (61XX), the rest by GET RESPONSE.
    beside: the card that lies on the reader with it, see `two_cards`.
    """

    first_apdu_6f00: bool = False
    die_at_apdu: int | None = None
    die_at_command: str | None = None
    die_after_effect: bool = False
    swap_for: str | None = None
    silent_at_apdu: int | None = None
    delay_ms: int = 0
    flip_signature: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    most_read: int = 65_536
    exact_reads: bool = False
    part: int = 65_536
    beside: str | None = None


@dataclass(slots=True)
class Counts:
    """What the card has seen since it was made. headers: CLA INS P1 P2 of each APDU, never its body."""

    apdus: int = 0
    bytes_to_card: int = 0
    bytes_from_card: int = 0
    verify_count: int = 0
    signatures: int = 0
    power_ons: int = 0
    power_offs: int = 0
    resets: int = 0
    forbidden: int = 0
    headers: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Secret:
    """A PIN or password of the card. left: tries."""

    code: bytes
    tries: int
    left: int
    verified: bool = False


class VirtualCard:
    """One card with its memory: tries and counts stay while it is off the reader."""

    def __init__(self, character: Character, faults: Faults, tries_left: int | None = None) -> None:
        self.character = character
        self.faults = faults
        left = character.tries if tries_left is None else tries_left
        self._pin = Secret(character.pin, character.tries, left)
        self._password = Secret(character.password, character.password_tries, character.password_tries)
        self.counts = Counts()
        self._fresh = False
        self._in_jpki = False
        self._file: int | None = None
        self._apdus = 0
        self._waiting = b""

    @property
    def tries_left(self) -> int:
        """Of the PIN of user authentication."""
        return self._pin.left

    @tries_left.setter
    def tries_left(self, left: int) -> None:
        self._pin.left = left

    @property
    def verified(self) -> bool:
        """The PIN of user authentication was verified, and the key may sign."""
        return self._pin.verified

    @property
    def password_tries_left(self) -> int:
        """Of the password of the signature certificate."""
        return self._password.left

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
        self.forget()
        self._start()

    def power_off(self) -> None:
        """The field goes; with it every right."""
        self.counts.power_offs += 1
        self.forget()

    def forget(self) -> None:
        """Every right gained is gone."""
        self._pin.verified = self._password.verified = False

    def reset(self) -> None:
        """Warm reset: the selection goes, a verified PIN stays."""
        self.counts.resets += 1
        self._start()

    def transmit(self, command: bytes) -> bytes | None:
        """The answer to one APDU; None if the card keeps silent for ever.

        Raises Torn when the card leaves the field instead.
        """
        self.counts.apdus += 1
        self.counts.bytes_to_card += len(command)
        self.counts.headers.append(command[:4].hex())
        self._apdus += 1
        faults, here = self.faults, self._apdus
        prefix = faults.die_at_command
        dies = here == faults.die_at_apdu or (prefix is not None and command.hex().startswith(prefix))
        if dies and not faults.die_after_effect:
            raise Torn
        answer = self._answer(command)
        if dies:
            raise Torn
        self.counts.bytes_from_card += len(answer)
        return None if here == faults.silent_at_apdu else answer

    def _start(self) -> None:
        self._fresh = True
        self._in_jpki = False
        self._file = None
        self._waiting = b""

    def _answer(self, command: bytes) -> bytes:
        if self._fresh and self.faults.first_apdu_6f00:
            self._fresh = False
            return _word(0x6F00)
        self._fresh = False
        planted = self.faults.answers.get(command[1:2].hex())
        answer = self._own_answer(command)
        return answer if planted is None else bytes.fromhex(planted)

    def _own_answer(self, command: bytes) -> bytes:
        if len(command) < 4:
            return _word(0x6700)
        match command[0], command[1]:
            case 0x00, 0xA4:
                return self._select(command)
            case 0x00, 0xB0:
                return self._read_binary(command)
            case 0x00, 0xC0:
                return self._in_parts(self._waiting) if self._waiting else _word(0x6985)
            case 0x00, 0x20:
                return self._verify(command)
            case 0x80, 0x2A:
                return self._sign(command)
            case _:
                return _word(0x6D00)

    def _in_parts(self, body: bytes) -> bytes:
        part, self._waiting = body[: self.faults.part], body[self.faults.part :]
        left = len(self._waiting)
        return part + (_word(0x6100 | (left if left < SHORT_BYTES else 0)) if left else _word(OK))

    def _select(self, command: bytes) -> bytes:
        body = command[5 : 5 + command[4]] if len(command) > 4 else b""
        if command[2] == 0x04 and command[3] in (0x00, 0x0C):
            return self._select_application(body, wants_answer=command[3] == 0x00)
        if command[2:4] != b"\x02\x0c" or len(body) != 2:
            return _word(0x6A86)
        chosen = int.from_bytes(body, "big")
        if chosen in SIGNATURE_FILES:
            self.counts.forbidden += 1
        if not self._in_jpki or chosen not in self._files():
            return _word(0x6A82)
        self._file = chosen
        return _word(OK)

    def _select_application(self, aid: bytes, *, wants_answer: bool) -> bytes:
        """A prefix of an application's id selects it too, as on cards by JICSAP."""
        for known, answer in self.character.applications.items():
            if aid and known.startswith(aid):
                self._in_jpki = bool(self.character.token)
                self._file = None
                return (answer if wants_answer else b"") + _word(OK)
        return _word(self.character.select_refusal)

    def _files(self) -> dict[int, bytes]:
        """Readable files by id; those without content are keys and PINs."""
        character = self.character
        files = {TOKEN: character.token}
        if character.kind == "juki":
            return files
        signing = b"\x8f" if character.signing_certificate else b"\x00"
        present = b"\x8f" if character.certificate else b"\x00"
        files |= {AVAILABILITY: signing + present + b"\x00", KEY: b"", PIN: b""}
        files |= dict.fromkeys(SIGNATURE_FILES, b"")
        for file, content in (
            (CERTIFICATE, character.certificate),
            (CA, character.ca if character.certificate else b""),
            (SIGNING_CERTIFICATE, character.signing_certificate),
            (SIGNING_CA, character.ca),
        ):
            if content:
                files[file] = content.ljust(FILE_BYTES, b"\xff")
        return files

    def _read_binary(self, command: bytes) -> bytes:
        if self._file is None:
            return _word(0x6986)
        content = self._files().get(self._file, b"")
        phone_locked = self.character.kind == "smartphone" and self._file == CERTIFICATE and not self.verified
        signing_locked = self._file == SIGNING_CERTIFICATE and not self._password.verified
        if not content or phone_locked or signing_locked:
            return _word(0x6982)
        length = _wanted(command)
        if length is None or (length > SHORT_BYTES and not self.character.extended):
            return _word(0x6700)
        offset = int.from_bytes(command[2:4], "big") & 0x7FFF
        if offset >= len(content):
            return _word(0x6B00)
        if self.faults.exact_reads and length > self.faults.most_read:
            return _word(0x6C00 | self.faults.most_read & 0xFF)
        return self._in_parts(content[offset : offset + min(length, self.faults.most_read)])

    def _verify(self, command: bytes) -> bytes:
        secret = {PIN: self._pin, SIGNING_PIN: self._password}.get(self._file or 0)
        if command[2:4] != b"\x00\x80" or secret is None:
            return _word(0x6986 if self._file is None else 0x6A86)
        if len(command) == 4:
            return _word(OK if secret.verified else 0x63C0 | secret.left)
        if len(command) != 5 + command[4]:
            return _word(0x6700)
        if secret is self._pin:
            self.counts.verify_count += 1
        if secret.left == 0:
            return _word(0x6984)
        secret.verified = command[5:] == secret.code
        secret.left = secret.tries if secret.verified else secret.left - 1
        return _word(OK if secret.verified else 0x63C0 | secret.left)

    def _sign(self, command: bytes) -> bytes:
        if command[2:4] != b"\x00\x80":
            return _word(0x6A86)
        character = self.character
        secret, key = {
            KEY: (self._pin, character.key),
            SIGNING_KEY: (self._password, character.signing_key),
        }.get(self._file or 0, (None, None))
        if secret is None or key is None:
            return _word(0x6985)
        if not secret.verified:
            return _word(0x6982)
        to_sign = command[5 : 5 + command[4]]
        if len(to_sign) != command[4] or len(command) != 6 + command[4]:
            return _word(0x6700)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            if len(to_sign) != hashlib.sha384().digest_size:
                return _word(0x6700)
            signature = self._ecdsa(key, to_sign)
        else:
            signature = key.sign(to_sign, padding.PKCS1v15(), NoDigestInfo())
        self.counts.signatures += 1
        if self.faults.flip_signature:
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        return self._in_parts(signature)

    def _ecdsa(self, key: ec.EllipticCurvePrivateKey, digest: bytes) -> bytes:
        der = key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA384())))
        if self.character.ecdsa_in_der:
            return der
        r, s = decode_dss_signature(der)
        return r.to_bytes(48, "big") + s.to_bytes(48, "big")


def _wanted(command: bytes) -> int | None:
    """Le of a command without a body: short (0 is 256) or extended (0 is 65,536); None if there is none."""
    match command[4:]:
        case bytes(le) if len(le) == 1:
            return le[0] or SHORT_BYTES
        case bytes(le) if len(le) == 3 and le[0] == 0:
            return int.from_bytes(le[1:], "big") or 65_536
        case _:
            return None


def _word(status_word: int) -> bytes:
    return status_word.to_bytes(2, "big")

"""Commands to the card, the list of those allowed, and what its answers mean. Pure.

Sources: ISO/IEC 7816-4; JICSAP for status words 6984 and 63C0. Short APDUs only: several readers fail on
longer ones.
"""

import enum
from dataclasses import dataclass

from hw.card.profile import PROFILES, CardProfile, File

FULL_READ = 256
"""Most bytes that one short READ BINARY gives."""

OTHER_APPLICATIONS = {
    "driving_licence": bytes.fromhex("00A4040C10A0000002310100000000000000000000"),
    "residence_card": bytes.fromhex("00A4040C10D392F0004F0200000000000000000000"),
    "bank_card": bytes.fromhex("00A404000E325041592E5359532E444446303100"),
}
"""SELECT commands that tell a person what lies there; nothing in these applications is read.

Sources: 運転免許証及び運転免許証作成システム等仕様書 (DF1); 在留カード等仕様書 (DF1);
EMV book B (2PAY.SYS.DDF01).
"""


class ForbiddenCommand(ValueError):
    """A command that is not on the allow-list was about to be sent; a fault of this program."""


class PinVerdict(enum.Enum):
    """What the answer to VERIFY proves."""

    ACCEPTED = "accepted"
    WRONG = "wrong"
    BLOCKED = "blocked"
    NOT_TRIED = "not_tried"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer split up; status_word 0 stands for an answer too short to hold one."""

    body: bytes
    status_word: int

    @property
    def is_ok(self) -> bool:
        """Status word 9000."""
        return self.status_word == 0x9000

    @property
    def bytes_waiting(self) -> int | None:
        """Of status word 61XX: bytes that GET RESPONSE will give, 256 if it does not know; else None."""
        return (self.status_word & 0xFF or FULL_READ) if self.status_word >> 8 == 0x61 else None

    @property
    def right_length(self) -> int | None:
        """Of status word 6CXX: the length to ask for instead, 1–256; else None."""
        return (self.status_word & 0xFF or FULL_READ) if self.status_word >> 8 == 0x6C else None


def select_application(aid: bytes) -> list[int]:
    """SELECT an application by its id, no answer body wanted."""
    return [0x00, 0xA4, 0x04, 0x0C, len(aid), *aid]


def select_file(profile: CardProfile, file: File) -> list[int]:
    """SELECT an elementary file under the application."""
    return [0x00, 0xA4, 0x02, 0x0C, 2, *profile.files[file].to_bytes(2, "big")]


def read_binary(offset: int, length: int) -> list[int]:
    """READ BINARY of the selected file; offset 0–32767, length 1–256.

    Raises ValueError outside these.
    """
    if not 0 <= offset <= 0x7FFF or not 1 <= length <= FULL_READ:
        raise ValueError(f"cannot read {length} bytes at {offset}")
    return [0x00, 0xB0, offset >> 8, offset & 0xFF, length & 0xFF]


def read_binary_extended(offset: int, length: int) -> list[int]:
    """READ BINARY of extended length, for `hw.card.fitness` alone; offset 0–32767, length 257–65535.

    Raises ValueError outside these.
    """
    if not 0 <= offset <= 0x7FFF or not FULL_READ < length <= 0xFFFF:
        raise ValueError(f"cannot read {length} bytes at {offset}")
    return [0x00, 0xB0, offset >> 8, offset & 0xFF, 0x00, length >> 8, length & 0xFF]


def get_response(length: int) -> list[int]:
    """GET RESPONSE: the rest of an answer that ended in 61XX; length 1–256."""
    return [0x00, 0xC0, 0x00, 0x00, length & 0xFF]


def query_tries(profile: CardProfile) -> list[int]:
    """VERIFY without a body: asks for the tries left and costs none."""
    return [0x00, 0x20, 0x00, profile.pin_reference]


def verify(profile: CardProfile, pin: bytearray) -> list[int]:
    """VERIFY. The caller overwrites the list after use.

    Raises ValueError, which says nothing about the digits, unless pin has the profile's number of digits.
    """
    command = [0x00, 0x20, 0x00, profile.pin_reference, profile.pin_digits, *pin]
    if len(command) == 5 + profile.pin_digits and all(0x30 <= digit <= 0x39 for digit in command[5:]):
        return command
    wipe(command)
    raise ValueError("not a PIN of this card")


def sign(profile: CardProfile, to_sign: bytes) -> list[int]:
    """Compute a signature over to_sign, at most 255 bytes, with the selected key."""
    return [*profile.sign_header, len(to_sign), *to_sign, 0x00]


def wipe(command: list[int]) -> None:
    """Overwrite a command in place."""
    command[:] = [0] * len(command)


def check_allowed(command: list[int]) -> None:
    """Raises ForbiddenCommand unless command is one that this module makes.

    VERIFY is looked at as it stands: a copy of a PIN that cannot be overwritten must never be made.
    """
    if command[1:2] == [0xA4] and bytes(command) in _SELECTIONS:
        return
    match command:
        case [0x00, 0xA4, 0x02, 0x0C, 2, high, low] if high << 8 | low in _FILES:
            return
        case [0x00, 0xB0, high, _, _] | [0x00, 0xB0, high, _, 0x00, _, _] if high < 0x80:
            return
        case [0x00, 0xC0, 0x00, 0x00, _]:
            return
        case [0x00, 0x20, 0x00, reference, *body] if (reference, _digits(body)) in _PINS:
            return
        case [cla, ins, p1, p2, length, *rest] if (cla, ins, p1, p2) in _SIGN_HEADERS and len(
            rest
        ) == length + 1:
            return
    raise ForbiddenCommand("this command is not on the list")


def _digits(body: list[int]) -> int:
    """Digits of VERIFY's body, 0 for none, -1 where the length does not fit."""
    if not body:
        return 0
    return body[0] if body[0] == len(body) - 1 > 0 else -1


def parse_reply(answer: bytes) -> Reply:
    """Split an answer into body and status word."""
    if len(answer) < 2:
        return Reply(b"", 0)
    return Reply(answer[:-2], int.from_bytes(answer[-2:], "big"))


def tries_left(status_word: int) -> int | None:
    """PIN tries left, or None if the word says nothing about them.

    63CX says X; 6983 (ISO) and 6984 (JICSAP) say that the PIN is blocked.
    """
    if status_word & 0xFFF0 == 0x63C0:
        return status_word & 0x0F
    return 0 if status_word in (0x6983, 0x6984) else None


def pin_verdict(answer: bytes) -> PinVerdict:
    """What the whole answer to VERIFY proves; anything but a known word of exactly 2 bytes is uncertain."""
    reply = parse_reply(answer)
    if reply.body:
        return PinVerdict.UNCERTAIN
    match reply.status_word:
        case 0x9000:
            return PinVerdict.ACCEPTED
        case 0x63C0 | 0x6983 | 0x6984:
            return PinVerdict.BLOCKED
        case word if tries_left(word) is not None:
            return PinVerdict.WRONG
        case 0x6700 | 0x6982 | 0x6985 | 0x6A86:
            return PinVerdict.NOT_TRIED
        case _:
            return PinVerdict.UNCERTAIN


_SELECTIONS = frozenset(
    {bytes(select_application(profile.aid)) for profile in PROFILES} | set(OTHER_APPLICATIONS.values())
)
_FILES = frozenset(file for profile in PROFILES for file in profile.files.values())
_PINS = frozenset(
    (profile.pin_reference, digits) for profile in PROFILES for digits in (0, profile.pin_digits)
)
_SIGN_HEADERS = frozenset(profile.sign_header for profile in PROFILES)

"""Commands to the card, the list of those allowed, and what its answers mean. Pure.

Sources: ISO/IEC 7816-4; JICSAP for status words 6984 and 63C0; OpenSC card-jpki.c and jpki/myna for the
file ids of the JPKI application. Short APDUs only: several readers fail on longer ones.
"""

import enum
from dataclasses import dataclass

JPKI_AID = bytes.fromhex("D392F000260100000001")
"""公的個人認証AP. The whole id: cards also answer to a prefix."""

PIN_DIGITS = 4
FULL_READ = 256
"""Most bytes that one short READ BINARY gives."""


class File(enum.IntEnum):
    """The elementary files this kiosk may select; the signature certificate's are not among them."""

    TOKEN = 0x0006
    AVAILABILITY = 0x0008
    CERTIFICATE = 0x000A
    KEY = 0x0017
    PIN = 0x0018


_FILES = frozenset(file.value for file in File)


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


def select_jpki() -> list[int]:
    """SELECT the JPKI application by its id, no answer body wanted."""
    return [0x00, 0xA4, 0x04, 0x0C, len(JPKI_AID), *JPKI_AID]


def select_file(file: File) -> list[int]:
    """SELECT an elementary file under the application."""
    return [0x00, 0xA4, 0x02, 0x0C, 2, *file.to_bytes(2, "big")]


def read_binary(offset: int, length: int) -> list[int]:
    """READ BINARY of the selected file; offset 0–32767, length 1–256.

    Raises ValueError outside these.
    """
    if not 0 <= offset <= 0x7FFF or not 1 <= length <= FULL_READ:
        raise ValueError(f"cannot read {length} bytes at {offset}")
    return [0x00, 0xB0, offset >> 8, offset & 0xFF, length & 0xFF]


def query_tries() -> list[int]:
    """VERIFY without a body: asks for the tries left and costs none."""
    return [0x00, 0x20, 0x00, 0x80]


def verify(pin: bytearray) -> list[int]:
    """VERIFY. The caller overwrites the list after use.

    Raises ValueError, which says nothing about the digits, unless pin is 4 ASCII digits.
    """
    command = [0x00, 0x20, 0x00, 0x80, PIN_DIGITS, *pin]
    if len(command) == 5 + PIN_DIGITS and all(0x30 <= digit <= 0x39 for digit in command[5:]):
        return command
    wipe(command)
    raise ValueError("not a PIN of this card")


def sign(to_sign: bytes) -> list[int]:
    """Compute a signature over to_sign, at most 255 bytes, with the selected key."""
    return [0x80, 0x2A, 0x00, 0x80, len(to_sign), *to_sign, 0x00]


def wipe(command: list[int]) -> None:
    """Overwrite a command in place."""
    command[:] = [0] * len(command)


def check_allowed(command: list[int]) -> None:
    """Raises ForbiddenCommand unless command is one that this module makes."""
    match command:
        case [0x00, 0xA4, 0x04, 0x0C, 10, *aid] if bytes(aid) == JPKI_AID:
            return
        case [0x00, 0xA4, 0x02, 0x0C, 2, high, low] if high << 8 | low in _FILES:
            return
        case [0x00, 0xB0, high, _, _] if high < 0x80:
            return
        case [0x00, 0x20, 0x00, 0x80]:
            return
        case [0x00, 0x20, 0x00, 0x80, 4, _, _, _, _]:
            return
        case [0x80, 0x2A, 0x00, 0x80, length, *rest] if len(rest) == length + 1:
            return
    raise ForbiddenCommand("this command is not on the list")


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

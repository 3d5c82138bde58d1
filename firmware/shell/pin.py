"""The PIN buffer: digits go in from the keypad and leave once, to the card; likewise of a staff code."""


class PinBuffer:
    """So many ASCII digits at most; wiped when taken, cleared or corrected away. 暗証番号"""

    def __init__(self, length: int = 4) -> None:
        self._length = length
        self._digits = bytearray(length)
        self._count = 0

    def __repr__(self) -> str:
        return "PinBuffer()"

    @property
    def count(self) -> int:
        """Digits typed so far."""
        return self._count

    @property
    def full(self) -> bool:
        return self._count == self._length

    def add(self, digit: int) -> None:
        """Append one digit, 0–9; one too many is ignored."""
        if not self.full:
            self._digits[self._count] = 0x30 + digit
            self._count += 1

    def correct(self) -> None:
        """Take the last digit back (訂正)."""
        if self._count:
            self._count -= 1
            self._digits[self._count] = 0

    def take(self) -> bytearray:
        """The digits, for the card, which wipes them; the buffer is empty afterwards.

        Raises ValueError unless all digits are typed.
        """
        if not self.full:
            raise ValueError("the PIN is not complete")
        taken = bytearray(self._digits)
        self.clear()
        return taken

    def clear(self) -> None:
        """Wipe."""
        self._digits[:] = bytes(self._length)
        self._count = 0

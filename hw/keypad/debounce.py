"""When is a closed contact a pressed key? No clock, no pins: scans and times come in."""

from hw.keypad.layout import Contact


class KeyDebounce:
    """Judges one scan of the matrix after the other.

    A key counts once, when it alone is closed in stable_scans equal scans running, and all keys were
    released before. Two equal scans stable_seconds apart are as good: on a busy machine scans come late,
    and a short press must not be lost by that.
    As soon as two keys are closed nothing counts until all are released: three keys of a matrix without
    diodes close a fourth, a ghost that nobody pressed.
    The same key again within double_strike_seconds of its last count does not count
    (EN 301 549, 5.8, for people whose hands shake).
    """

    def __init__(self, *, stable_scans: int, stable_seconds: float, double_strike_seconds: float) -> None:
        if stable_scans < 1:
            raise ValueError(f"stable_scans is {stable_scans}, must be 1 or more")
        self._stable_scans = stable_scans
        self._stable_seconds = stable_seconds
        self._double_strike_seconds = double_strike_seconds
        self._closed: frozenset[Contact] = frozenset()
        self._begin_anew = True
        self._equal_scans = 0
        self._first_equal_seconds = 0.0
        self._last_equal_seconds = 0.0
        self._all_were_released = False
        self._last: tuple[Contact, float] | None = None

    @property
    def closed(self) -> frozenset[Contact]:
        """The contacts closed in the last scan."""
        return self._closed

    @property
    def settled(self) -> bool:
        """The last scans were equal for long enough: without an edge another one tells nothing new."""
        if self._begin_anew:
            return False
        lasted_seconds = self._last_equal_seconds - self._first_equal_seconds
        return self._equal_scans >= self._stable_scans or lasted_seconds >= self._stable_seconds

    def disturb(self) -> None:
        """An edge was seen since the last scan: start counting equal scans anew."""
        self._begin_anew = True

    def scan(self, closed: frozenset[Contact], now_seconds: float) -> Contact | None:
        """Judge a scan; the contact whose key counts as pressed now, or None.

        now_seconds: of a clock that never goes back.
        """
        if self._begin_anew or closed != self._closed:
            self._begin_anew = False
            self._closed = closed
            self._equal_scans = 0
            self._first_equal_seconds = now_seconds
        self._equal_scans += 1
        self._last_equal_seconds = now_seconds
        if len(closed) > 1:
            self._all_were_released = False
        if not self.settled:
            return None
        if not closed:
            self._all_were_released = True
            return None
        return self._count(closed, now_seconds) if self._all_were_released else None

    def _count(self, closed: frozenset[Contact], now_seconds: float) -> Contact | None:
        self._all_were_released = False
        (contact,) = closed
        if self._is_double_strike(contact, now_seconds):
            return None
        self._last = contact, now_seconds
        return contact

    def _is_double_strike(self, contact: Contact, now_seconds: float) -> bool:
        if self._last is None:
            return False
        last_contact, last_seconds = self._last
        return contact == last_contact and now_seconds - last_seconds < self._double_strike_seconds

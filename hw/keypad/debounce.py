"""When is a closed contact a pressed key? No clock, no pins: scans and times come in."""

from hw.keypad.layout import Contact


class KeyDebounce:
    """Judges one scan of the matrix after the other.

    A key counts once, when it alone is closed in stable_scans equal scans running, and all keys were
    released before. As soon as two are closed nothing counts until all are released: three keys of a
    matrix without diodes close a fourth, a ghost that nobody pressed.
    The same key again within double_strike_seconds of its last count does not count
    (EN 301 549, 5.8, for people whose hands shake).
    """

    def __init__(self, *, stable_scans: int, double_strike_seconds: float) -> None:
        if stable_scans < 1:
            raise ValueError(f"stable_scans is {stable_scans}, must be 1 or more")
        self._stable_scans = stable_scans
        self._double_strike_seconds = double_strike_seconds
        self._closed: frozenset[Contact] = frozenset()
        self._equal_scans = 0
        self._all_were_released = False
        self._last: tuple[Contact, float] | None = None

    @property
    def closed(self) -> frozenset[Contact]:
        """The contacts closed in the last scan."""
        return self._closed

    @property
    def settled(self) -> bool:
        """The last stable_scans scans were equal: without an edge another scan tells nothing new."""
        return self._equal_scans >= self._stable_scans

    def disturb(self) -> None:
        """An edge was seen since the last scan: start counting equal scans anew."""
        self._equal_scans = 0

    def scan(self, closed: frozenset[Contact], now_seconds: float) -> Contact | None:
        """Judge a scan; the contact whose key counts as pressed now, or None.

        now_seconds: of a clock that never goes back.
        """
        self._equal_scans = self._equal_scans + 1 if closed == self._closed else 1
        self._closed = closed
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

"""What the bench panel needs of the outside world: fingers, coins, paper, doors, plugs."""

from typing import Literal, Protocol, TypedDict

Key = Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "cancel", "correct", "confirm"]
PrinterFault = Literal["jam", "paper_out", "cover_open", "offline", "abort", "paper_low", "toner_low"]
ReceiptFault = Literal["paper_out", "cover_open", "silent", "near_end"]
"""The last of each keep nobody from printing yet: staff should look after the printer soon."""
NetworkMode = Literal["ok", "cut", "slow"]


class WorldRefusal(Exception):
    """The outside world cannot do that now; the message says why, to the person at the bench."""


class CardChoice(TypedDict):
    """A card the person may put on the reader. name: its id; title and note: for people."""

    name: str
    title: str
    note: str


class PrintedJob(TypedDict):
    """A job that came out of the A4 printer; pages are printed sides, from 1."""

    id: str
    pages: int


class WorldState(TypedDict):
    """Everything that can be seen from outside, now.

    screen, reason: what the kiosk's screen shows, None and empty while it shows nothing.
    card: name of the card on the reader. lamps: places whose lamp is lit.
    change_cup_yen, returned_coins_yen: what lies there to be taken. hopper_coins: coins left in it.
    tray_sheets: sheets to be taken. jobs, receipts: printed since the start, the oldest first; those
    that were taken stay, so that they can still be looked at. receipt_waiting: one hangs in the slot.
    """

    kiosk_running: bool
    screen: str | None
    reason: str
    card: str | None
    lamps: list[str]
    buzzer: bool
    beeps: int
    change_cup_yen: int
    cash_box_yen: int
    returned_coins_yen: int
    hopper_coins: int
    hopper_jammed: bool
    tray_sheets: int
    jobs: list[PrintedJob]
    receipts: list[str]
    receipt_waiting: bool
    door_open: bool
    printer_fault: PrinterFault | None
    receipt_fault: ReceiptFault | None
    network: NetworkMode


class OutsideWorld(Protocol):
    """The simulators of one bench, together.

    Everything may raise WorldRefusal, or OSError when a simulator or the kiosk cannot be reached.
    """

    async def cards(self) -> list[CardChoice]:
        """Cards at hand."""

    async def insert_card(self, name: str) -> None:
        """Put a card on the reader."""

    async def remove_card(self) -> None:
        """Take the card off the reader."""

    async def press(self, key: Key) -> None:
        """Press and release a key of the keypad."""

    async def type_staff_code(self) -> None:
        """The store's staff type their code and confirm it."""

    async def drop_coin(self, yen: int) -> bool:
        """Throw a coin into the slot; False if it falls through to the return."""

    async def take_paper(self) -> int:
        """Take all sheets from the tray; how many."""

    async def take_change(self) -> int:
        """Take everything from the cup and the coin return; yen."""

    async def take_receipt(self) -> None:
        """Tear the receipt off."""

    async def set_door(self, open: bool) -> None:  # noqa: A002 - as a person says it
        """Open or close the cabinet's door."""

    async def set_printer_fault(self, name: PrinterFault | None) -> None:
        """Make the A4 printer fail this way; None repairs it."""

    async def set_receipt_fault(self, name: ReceiptFault | None) -> None:
        """Make the receipt printer fail this way; None repairs it."""

    async def set_network(self, mode: NetworkMode) -> None:
        """The line to the municipality."""

    async def jam_hopper(self, jammed: bool) -> None:
        """Jam or free the change hopper."""

    async def refill_hopper(self, coins: int) -> None:
        """Put coins into the change hopper."""

    async def kill_pcscd(self) -> None:
        """Kill the smart card daemon."""

    async def power_cut(self) -> None:
        """Kill the kiosk without warning and start it again."""

    async def state(self) -> WorldState:
        """What can be seen now; asked several times a second."""

    async def job_page_png(self, job_id: str, page: int) -> bytes:
        """The picture of a printed page, also after it was taken."""

    async def receipt_png(self, receipt_id: str) -> bytes:
        """The picture of a receipt, also after it was taken."""

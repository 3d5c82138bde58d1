"""Two cards on the reader at once, as in a wallet.

PC/SC and CCID have no word for it. A reader answers the power-up as if nothing usable lay there (CCID
ICC_MUTE: `mute`), or its anticollision chooses one of them, and after the field went off perhaps the other:
that is what this does. The first is chosen until it was spoken to.
"""

from tests.simulators.card.card import Faults, VirtualCard
from tests.simulators.card.characters import Character


class TwoCards:
    """Takes the place of one `VirtualCard` on a reader."""

    def __init__(self, first: VirtualCard, other: VirtualCard) -> None:
        self._chosen, self._other = first, other
        self._spoken = False

    @property
    def character(self) -> Character:
        """Of the one that is chosen now."""
        return self._chosen.character

    @property
    def faults(self) -> Faults:
        """Of the one that is chosen now."""
        return self._chosen.faults

    def lay_down(self) -> None:
        """Both come onto the reader."""
        self._chosen.lay_down()
        self._other.lay_down()

    def power_on(self) -> None:
        """The reader chooses, and the one not chosen keeps quiet."""
        if self._spoken:
            self._chosen, self._other = self._other, self._chosen
        self._spoken = False
        self._chosen.power_on()

    def power_off(self) -> None:
        """The field goes for both."""
        self._chosen.power_off()
        self._other.forget()

    def forget(self) -> None:
        """Every right gained is gone."""
        self._chosen.forget()
        self._other.forget()

    def reset(self) -> None:
        """Warm reset of the one that is chosen."""
        self._chosen.reset()

    def transmit(self, command: bytes) -> bytes | None:
        """The answer of the one that is chosen. Raises Torn when it leaves."""
        self._spoken = True
        return self._chosen.transmit(command)

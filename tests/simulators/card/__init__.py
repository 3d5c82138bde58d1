"""A simulated My Number Card behind a real pcscd, in namespaces of its own.

`stand.CardStand` is the outside; `python -m tests.simulators.card` is what runs inside.
"""

from tests.simulators.card.stand import CardStand

__all__ = ["CardStand"]

"""My Number Card over PC/SC: the JPKI application's user authentication, and nothing else on the card."""

from hw.card.reader import PcscCardReader

__all__ = ["PcscCardReader"]

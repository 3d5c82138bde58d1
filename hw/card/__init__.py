"""My Number Card over PC/SC: the JPKI application's user authentication, and nothing else on the card."""

from hw.card.profile import PROFILES, label
from hw.card.reader import PcscCardReader
from hw.card.session import Acceptance

__all__ = ["PROFILES", "Acceptance", "PcscCardReader", "label"]

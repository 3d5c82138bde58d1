"""What a visit holds in memory and nowhere else; it goes with the visit."""

from dataclasses import dataclass

from firmware.core.terms import VisitId
from firmware.ports import Authenticated, CardReading, CardSignature, DocumentWorker, Session


@dataclass(slots=True)
class VisitScope:
    """Handles of one visit, each set when its step is done. repr shows none of them."""

    visit: VisitId
    reading: CardReading | None = None
    session: Session | None = None
    signature: CardSignature | None = None
    person: Authenticated | None = None
    worker: DocumentWorker | None = None
    authority: bytes | None = None

    def __repr__(self) -> str:
        return f"VisitScope({self.visit[:8]})"

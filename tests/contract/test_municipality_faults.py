"""The line is cut at each message, before or after its effect: 24 cases, the same yen on both sides.

Either the line comes back while the person waits, and the visit goes on; or it stays away for the whole
patience and the power goes too: the kiosk gives the coins back, its keys are gone, and another process
tells the municipality from the journal what had happened. `test_municipality_down` has the screens.
"""

from dataclasses import dataclass, field
from typing import Literal

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from firmware.core.terms import Certainty, Language
from firmware.errors import MunicipalityError, MunicipalityUncertain
from firmware.municipality.client import HttpsMunicipality
from firmware.municipality.exchange import Patience
from tests.contract.test_municipality import ORDER, QUICK, Place, pki, place, wanted

__all__ = ["pki", "place"]  # the fixtures

FEE_YEN = 300
SHORT = Patience(
    connect_seconds=2.5,
    answer_seconds=2.5,
    total_seconds=2.5,
    first_retry_seconds=0.01,
    longest_retry_seconds=0.05,
)
"""Long enough for the messages before the cut, also on a busy machine."""

PATHS = {
    "open_session": "/v1/sessions",
    "authenticate": "/v1/sessions/*/authenticate",
    "reserve": "/v1/orders",
    "release": "/v1/orders/*/release",
    "result": "/v1/orders/*/result",
    "end_session": "/v1/sessions/" + 32 * "[!/]",
}
Message = Literal["open_session", "authenticate", "reserve", "release", "result", "end_session"]


@dataclass
class Visit:
    """A kiosk's side of one visit. taken_yen: coins it holds for it; paper: whether the page is out."""

    kiosk: HttpsMunicipality
    taken_yen: int = 0
    paper: bool = False
    asked: list[str] = field(default_factory=list)
    failed: MunicipalityError | None = None

    async def make(self, place: Place) -> None:
        """From the card to the end, as far as the line lets it; coins go back unless paper came out."""
        try:
            await self._steps(place)
        except MunicipalityError as error:
            self.failed = error
        if not self.paper:
            self.taken_yen = 0

    async def _steps(self, place: Place) -> None:
        card, kem = place.card("mihon_hitori"), X25519PrivateKey.generate()
        self.asked.append("open_session")
        session = await self.kiosk.open_session(kem.public_key().public_bytes_raw(), Language.JA)
        self.asked.append("authenticate")
        signature = card.sign(session.message)
        await self.kiosk.authenticate(session.session_id, card.certificate_der, signature)
        assert 1 == card.signatures
        self.asked.append("reserve")
        reserved = await self.kiosk.reserve(session.session_id, wanted())
        self.taken_yen = reserved.total_yen
        self.asked.append("release")
        await self.kiosk.release(ORDER, self.taken_yen)
        self.paper = True
        self.asked.append("result")
        await self.kiosk.report_result(ORDER, Certainty.DONE, 1)
        self.asked.append("end_session")
        await self.kiosk.end_session(session.session_id)


async def tell_from_the_journal(kiosk: HttpsMunicipality, visit: Visit) -> None:
    """What the outbox of the next process says of an order for which coins were in."""
    if visit.paper:
        await kiosk.report_result(ORDER, Certainty.DONE, 1)
    elif "release" in visit.asked:
        await kiosk.report_result(ORDER, Certainty.NOT_DONE, 0)
        await kiosk.report_refund(ORDER, FEE_YEN, 0)


@pytest.mark.parametrize("ending", ["the line comes back", "the power goes too"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("message", PATHS)
async def test_a_line_cut_at_a_message_leaves_the_same_yen_on_both_sides(
    place: Place, message: Message, when: Literal["before", "after"], ending: str
) -> None:
    comes_back = ending == "the line comes back"
    for _ in range(1 if comes_back else 500):
        place.server.drop_next(when, PATHS[message])
    visit = Visit(place.kiosk(patience=QUICK if comes_back else SHORT))
    await visit.make(place)
    place.server.forget_faults()

    assert comes_back is (visit.failed is None)
    assert message in visit.asked
    if visit.failed is not None:
        assert isinstance(visit.failed, MunicipalityUncertain)
        assert message == visit.asked[-1]
        for _ in range(2):  # and the power goes again before the answer is written down
            await tell_from_the_journal(place.kiosk(), visit)
    await _agree(place, visit)


async def _agree(place: Place, visit: Visit) -> None:
    """One order at most, ended as the paper and the coins say."""
    orders = await place.server.orders()
    kept_yen = sum((order.paid_yen or 0) - (order.refunded_yen or 0) for order in orders if order.receipt_no)
    assert visit.taken_yen == kept_yen
    if visit.paper:
        assert ["ISSUED"] == [order.state.value for order in orders]
    elif "release" in visit.asked:
        assert [order.state.value for order in orders] in (["CANCELLED"], ["REFUNDED"])
    else:
        assert [order.state.value for order in orders] in ([], ["RESERVED"])
        assert 0 == kept_yen

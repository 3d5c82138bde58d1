"""Dates and issuer of the certificate on the card."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from firmware.core.terms import CardRefusal
from hw.card.certificate import refusal
from tests.simulators.card.personalise import CardIssuer

BEGINS = datetime(2026, 4, 1, tzinfo=UTC)
ENDS = BEGINS + timedelta(days=10)
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cards") / "card"
    CardIssuer().personalise(folder, valid_from=BEGINS, valid_days=10)
    return folder


@pytest.fixture(scope="module")
def certificate(folder: Path) -> x509.Certificate:
    return x509.load_der_x509_certificate((folder / "certificate.der").read_bytes())


@pytest.mark.parametrize(
    ("expected", "now"),
    [
        (CardRefusal.CERTIFICATE_NOT_YET_VALID, BEGINS - SECOND),
        (None, BEGINS),
        (None, ENDS),
        (CardRefusal.CERTIFICATE_EXPIRED, ENDS + SECOND),
    ],
)
def test_the_certificate_is_good_from_its_first_to_its_last_second(
    certificate: x509.Certificate, expected: CardRefusal | None, now: datetime
) -> None:
    assert expected == refusal(certificate, now, frozenset())


@pytest.mark.parametrize(
    ("expected", "organizations"),
    [
        (None, {"JPKI-DEVSIM"}),
        (None, {"JPKI", "JPKI-DEVSIM"}),
        (CardRefusal.NOT_A_MY_NUMBER_CARD, {"JPKI"}),
    ],
)
def test_a_test_card_is_refused_where_only_real_ones_are_accepted(
    certificate: x509.Certificate, expected: CardRefusal | None, organizations: set[str]
) -> None:
    assert expected == refusal(certificate, BEGINS, frozenset(organizations))

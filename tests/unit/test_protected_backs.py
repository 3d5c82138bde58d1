"""A back that does not say what its front says is never paid for, and never printed."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cbor2
import msgspec
import numpy as np
import pypdfium2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from firmware.core.terms import CertificateKind, Subjects
from firmware.documents.bitmap import Bitmap
from firmware.documents.frames import Declined, Laid, NotSubmitted, Prepare, Print, Submitted
from firmware.documents.issue import Issue
from firmware.documents.protection import pages
from firmware.documents.refusals import Reason
from firmware.documents.scramble import reader
from firmware.documents.scramble.errors import NotGenuine
from firmware.documents.scramble.keys import load_keys
from firmware.documents.scramble.sheet import check
from firmware.documents.settings import DocumentSettings
from firmware.documents.verification.scans import rasterised
from tests.municipality.pki import make_authority, make_kiosk
from tests.municipality.scramble import Office, protect
from tests.pages import samples
from tests.pages.sealing import KIOSK, ORDER, PERSON, SESSION, envelope, sealed_authority

PRIVATE_KEY = X25519PrivateKey.generate()
PUBLIC_KEY = PRIVATE_KEY.public_key().public_bytes_raw()
FAMILY = [samples.person(name=f"渋川　{name}") for name in "一二三四五六"]
PLAINTEXT = samples.contents("juminhyo", samples.juminhyo(FAMILY), copies=2)
SIGNED = protect(samples.OFFICE, PLAINTEXT, samples.png(567))


@dataclass
class Kiosk:
    """A worker without its process, and what it handed to the print queue."""

    printed: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.issue = Issue(
            private_key=PRIVATE_KEY,
            submit=lambda pdf, _: self.printed.append(pdf),
            settings=DocumentSettings(),
        )

    def prepare(self, plaintext: dict[str, Any]) -> object:
        sealed = envelope("madoguchi-contents-v1", PUBLIC_KEY, msgspec.json.encode(plaintext))
        return self.issue.prepare(
            Prepare(
                sealed=msgspec.json.encode(sealed),
                order_id=ORDER,
                kind=CertificateKind.JUMINHYO,
                subjects=Subjects.HOUSEHOLD,
                items=frozenset(),
                copies=2,
                session_id=SESSION,
                kiosk=KIOSK,
                person_ref=PERSON,
            )
        )

    def pictures(self) -> list[NDArray[np.uint8]]:
        """Every page of the last job as a scanner of 300 dpi would have it at its best."""
        with pypdfium2.PdfDocument(self.printed[-1]) as document:
            return [rasterised(page, 300) for page in document]


@pytest.fixture
def kiosk() -> Kiosk:
    return Kiosk()


def with_backs(**changes: Any) -> dict[str, Any]:
    return PLAINTEXT | {"protection": SIGNED.as_contents() | changes}


def test_every_back_of_every_copy_bears_the_message_of_its_own_sheet(kiosk: Kiosk) -> None:
    laid = kiosk.prepare(with_backs())
    assert isinstance(laid, Laid)
    assert (4, 8) == (laid.sheets, laid.pages)
    assert Submitted() == kiosk.issue.print(Print(sealed_authority(PUBLIC_KEY), "job"))
    backs = kiosk.pictures()[1::2]
    assert SIGNED.messages * 2 == [reader.read(back) for back in backs]


def other_person() -> dict[str, Any]:
    family = [*FAMILY[:-1], samples.person(name="渋川　別人")]
    return protect(
        samples.OFFICE, samples.contents("juminhyo", samples.juminhyo(family)), samples.png(567)
    ).as_contents()


def of_another(**changes: Any) -> dict[str, Any]:
    return protect(samples.OFFICE, PLAINTEXT | changes, samples.png(567)).as_contents()


@pytest.mark.parametrize(
    "protection",
    [
        other_person(),
        of_another(number="10208-20261122-00000002"),
        of_another(issued_on="2026-11-23"),
        of_another(municipality=PLAINTEXT["municipality"] | {"mayor": "渋川市長職務代理者"}),
        of_another(document=samples.juminhyo(FAMILY[:4])),
        of_another(document=samples.juminhyo(FAMILY, address="群馬県前橋市大手町一丁目１番１号")),
        of_another(document=samples.juminhyo(FAMILY, head="渋川　一")),
        SIGNED.as_contents() | {"backs": SIGNED.as_contents()["backs"][::-1]},
        SIGNED.as_contents() | {"backs": SIGNED.as_contents()["backs"][:1]},
        SIGNED.as_contents() | {"backs": [SIGNED.as_contents()["backs"][0], of_another()["backs"][1]]},
        SIGNED.as_contents() | {"secret": of_another()["secret"]},
        SIGNED.as_contents() | {"secret": "AAAA"},
        SIGNED.as_contents() | {"copy_pattern": ""},
        SIGNED.as_contents() | {"backs": ["AAAA", "AAAA"]},
        None,
    ],
    ids=[
        *("other person", "other number", "other day", "other mayor", "fewer persons", "other address"),
        *("an item more", "sheets swapped", "sheet missing", "sheet of another", "secret of another"),
        *("short secret", "no copy pattern", "no messages", "nothing"),
    ],
)
def test_backs_of_something_else_than_the_order_stop_the_visit_before_the_coins(
    kiosk: Kiosk, protection: dict[str, Any] | None
) -> None:
    assert Declined(Reason.PROTECTION_INVALID) == kiosk.prepare(PLAINTEXT | {"protection": protection})


def one_cell_wrong(drawn: Bitmap) -> Bitmap:
    rows = bytearray(drawn.rows)
    rows[45 * 200 + 20] ^= 0x10
    return Bitmap(drawn.width, drawn.height, bytes(rows))


def faint(drawn: Bitmap) -> Bitmap:
    """Half of everything is paper."""
    return Bitmap(drawn.width, drawn.height, bytes(octet | 0x55 for octet in drawn.rows))


@pytest.mark.parametrize("fault", [one_cell_wrong, faint])
def test_a_back_drawn_wrongly_stops_the_visit_before_the_coins(
    kiosk: Kiosk, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Bitmap], Bitmap]
) -> None:
    drawn = pages.scramble_image
    monkeypatch.setattr(pages, "scramble_image", lambda message: fault(drawn(message)))
    assert Declined(Reason.PROOF_FAILED) == kiosk.prepare(with_backs())


def test_backs_drawn_on_each_other_s_sheets_stop_the_visit_before_the_coins(
    kiosk: Kiosk, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = pages.scramble_image
    swapped = dict(zip(SIGNED.messages, reversed(SIGNED.messages), strict=True))
    monkeypatch.setattr(pages, "scramble_image", lambda message: drawn(swapped[message]))
    assert Declined(Reason.PROOF_FAILED) == kiosk.prepare(with_backs())


def test_a_city_seal_that_was_not_signed_is_not_printed(kiosk: Kiosk) -> None:
    kiosk.prepare(with_backs())
    other = sealed_authority(PUBLIC_KEY, city_seal=samples.base64url(samples.png(566)))
    assert NotSubmitted(Reason.PROTECTION_INVALID) == kiosk.issue.print(Print(other, "job"))
    assert [] == kiosk.printed


def test_all_keys_of_a_stolen_kiosk_together_forge_nothing(tmp_path: Path) -> None:
    make_kiosk(tmp_path, make_authority("test", datetime.now(UTC)), "urn:kiosk:stolen", datetime.now(UTC))
    office = Office.new()
    keys = load_keys([office.public_file(tmp_path / "keys.json")])
    secrets = [path.read_bytes() for path in tmp_path.iterdir()]
    for private in [key.private_bytes_raw() for key in office.signing.values()] + [*office.opening.values()]:
        for form in (private, private.hex().encode(), base64.b64encode(private)[:40]):
            assert not any(form in secret for secret in secrets)
    [key_id] = office.signing
    genuine = protect(office, PLAINTEXT, samples.png(567)).messages[0]
    check(genuine, keys)
    device_key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"".join(secrets)).digest())
    for forger in (Office("渋川市", {key_id: device_key}, office.opening), Office.new()):
        with pytest.raises(NotGenuine):
            check(protect(forger, PLAINTEXT, samples.png(567)).messages[0], keys)


def test_what_a_kiosk_saw_of_one_certificate_signs_no_other(tmp_path: Path) -> None:
    public = samples.OFFICE.public_file(tmp_path / "keys.json")
    tagged = cbor2.loads(SIGNED.messages[0])
    protected, _, payload, signature = tagged.value
    for item, value in ((4, "10208-20261122-99999999"), (5, "2026-11-23"), (2, 2)):
        claims = cbor2.dumps({**cbor2.loads(payload), item: value}, canonical=True)
        forged = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, claims, signature]), canonical=True)
        with pytest.raises(NotGenuine):
            check(forged, load_keys([public]))


def test_the_copy_pattern_is_another_one_for_every_certificate_and_sheet() -> None:
    one, other = (json.dumps(of_another()["copy_pattern"]) for _ in range(2))
    assert one != other

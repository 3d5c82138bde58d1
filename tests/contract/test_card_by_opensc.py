"""The card simulator judged by software nobody here wrote: OpenSC's own tools take it for a My Number Card.

The tools keep a verified PIN open when they end, as on a real card; the card is laid down anew for each.
"""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.simulators.card import CardStand
from tests.simulators.card.personalise import CardIssuer
from tests.simulators.card.watch import wait_for_card

TOOL_SECONDS = 60.0
SEEN_SECONDS = 20.0
SHA256_DIGEST_INFO = bytes.fromhex("3031300D060960864801650304020105000420")


@dataclass
class Said:
    """What a tool said and how it ended."""

    status: int
    text: str


@dataclass
class OpenSC:
    """The tools, with a card stand in front of them. cards, out: folders."""

    stand: CardStand
    cards: Path
    out: Path

    async def with_card(self, name: str, *command: str, driver: str | None = "jpki") -> Said:
        """Lay the card down anew, run a tool when pcscd has seen it, and take it away."""
        await self._lies(False)
        await self.stand.insert(name)
        await self._lies(True)
        try:
            return await asyncio.to_thread(self._run, command, driver)
        finally:
            await self.stand.remove()

    async def _lies(self, present: bool) -> None:
        await asyncio.to_thread(wait_for_card, present=present, seconds=SEEN_SECONDS)

    async def signed(self, name: str, pin: str, mechanism: str, to_sign: bytes) -> tuple[Said, bytes]:
        """The signature pkcs11-tool got from the card, empty if it got none."""
        (self.out / "to-sign").write_bytes(to_sign)
        signature = self.out / "signature"
        signature.unlink(missing_ok=True)
        said = await self.with_card(
            name,
            *("pkcs11-tool", "--login", "--pin", pin, "--sign", "--id", "01", "--mechanism", mechanism),
            *("--input-file", str(self.out / "to-sign"), "--output-file", str(signature)),
        )
        return said, signature.read_bytes() if signature.exists() else b""

    def certificate(self, name: str) -> x509.Certificate:
        return x509.load_der_x509_certificate((self.cards / name / "certificate.der").read_bytes())

    def _run(self, command: tuple[str, ...], driver: str | None) -> Said:
        configuration = self.out / "opensc.conf"
        configuration.write_text(f"app default {{ card_drivers = {driver}; }}\n" if driver else "")
        ended = subprocess.run(
            command,
            env=os.environ | self.stand.environment | {"OPENSC_CONF": str(configuration)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TOOL_SECONDS,
            check=False,
        )
        return Said(ended.returncode, (ended.stdout + ended.stderr).decode(errors="replace"))


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[CardStand, Path]]:
    cards = tmp_path_factory.mktemp("cards")
    issuer = CardIssuer()
    for name in ("taro", "hanako", "jiro", "saburo"):
        issuer.personalise(cards / name)
    stand = CardStand(tmp_path_factory.mktemp("stand"), cards)
    asyncio.run(stand.start())
    os.environ.update(stand.environment)
    yield stand, cards
    asyncio.run(stand.stop())


@pytest.fixture
def opensc(stand: tuple[CardStand, Path], tmp_path: Path) -> OpenSC:
    return OpenSC(*stand, tmp_path)


def is_signed(certificate: x509.Certificate, signature: bytes, message: bytes) -> bool:
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


async def test_opensc_knows_the_card_among_all_its_drivers(opensc: OpenSC) -> None:
    said = await opensc.with_card("taro", "opensc-tool", "--name", driver=None)
    assert 0 == said.status
    assert said.text.startswith("jpki\n")


@pytest.mark.parametrize("name", ["licence", "felica", "bank", "other"])
async def test_opensc_takes_no_other_card_for_one(opensc: OpenSC, name: str) -> None:
    said = await opensc.with_card(name, "opensc-tool", "--name", driver=None)
    assert "jpki" not in said.text


async def test_its_objects_and_both_counters_are_listed(opensc: OpenSC) -> None:
    said = await opensc.with_card("taro", "pkcs15-tool", "--dump")
    assert 0 == said.status
    for expected in (
        "PKCS#15 Card [JPKI]",
        "PIN [User Authentication PIN]",
        "PIN [Digital Signature PIN]",
        "Private RSA Key [User Authentication Key]",
        "Private RSA Key [Digital Signature Key]",
        "X.509 Certificate [User Authentication Certificate]",
        "Tries left     : 3",
        "Tries left     : 5",
    ):
        assert expected in said.text


async def test_the_certificate_is_read_byte_for_byte(opensc: OpenSC) -> None:
    said = await opensc.with_card("taro", "pkcs15-tool", "--read-certificate", "1")
    assert 0 == said.status
    begin, end = said.text.index("-----BEGIN"), said.text.index("-----END")
    pem = said.text[begin:end] + "-----END CERTIFICATE-----\n"
    expected = (opensc.cards / "taro" / "certificate.der").read_bytes()
    assert expected == x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


async def test_the_certificate_for_signing_documents_stays_shut_without_its_password(opensc: OpenSC) -> None:
    said = await opensc.with_card("taro", "pkcs15-tool", "--read-certificate", "2")
    assert 0 != said.status
    assert "BEGIN CERTIFICATE" not in said.text


@pytest.mark.parametrize("mechanism", ["RSA-PKCS", "SHA256-RSA-PKCS"])
async def test_it_signs_and_the_signature_is_the_cards(opensc: OpenSC, mechanism: str) -> None:
    message = b"by both ways the same bytes go to the card"
    digest = hashes.Hash(hashes.SHA256())
    digest.update(message)
    to_sign = message if mechanism.startswith("SHA256") else SHA256_DIGEST_INFO + digest.finalize()
    said, signature = await opensc.signed("taro", "1234", mechanism, to_sign)
    assert 0 == said.status, said.text
    assert is_signed(opensc.certificate("taro"), signature, message)


async def test_a_signature_with_one_wrong_bit_is_found_by_the_same_check(opensc: OpenSC) -> None:
    said, signature = await opensc.signed("taro~wrong_signature", "1234", "SHA256-RSA-PKCS", b"message")
    assert 0 == said.status, said.text
    assert not is_signed(opensc.certificate("taro"), signature, b"message")


async def test_each_wrong_pin_takes_one_try_and_the_third_locks(opensc: OpenSC) -> None:
    for left in (2, 1, 0):
        said, signature = await opensc.signed("hanako", "0000", "SHA256-RSA-PKCS", b"message")
        assert (1, b"") == (said.status, signature)
        assert left == (await opensc.stand.state("hanako"))["tries_left"]
        listed = await opensc.with_card("hanako", "pkcs15-tool", "--list-pins")
        assert f"Tries left     : {left}" in listed.text
    said, signature = await opensc.signed("hanako", "1234", "SHA256-RSA-PKCS", b"message")
    assert (1, b"") == (said.status, signature)


async def test_the_right_pin_gives_all_tries_back(opensc: OpenSC) -> None:
    await opensc.signed("jiro", "0000", "SHA256-RSA-PKCS", b"message")
    assert 2 == (await opensc.stand.state("jiro"))["tries_left"]
    said, _ = await opensc.signed("jiro", "1234", "SHA256-RSA-PKCS", b"message")
    assert 0 == said.status, said.text
    assert 3 == (await opensc.stand.state("jiro"))["tries_left"]


async def test_a_card_torn_away_during_verify_loses_one_try_and_signs_nothing(opensc: OpenSC) -> None:
    before = (await opensc.stand.state("saburo~dies_after_verify"))["verify_count"]
    said, signature = await opensc.signed("saburo~dies_after_verify", "0000", "SHA256-RSA-PKCS", b"message")
    assert (1, b"") == (said.status, signature)
    state = await opensc.stand.state("saburo~dies_after_verify")
    assert (1, 2) == (state["verify_count"] - before, state["tries_left"])


async def test_a_card_that_calls_its_pin_verified_at_once_is_found_out(opensc: OpenSC) -> None:
    await opensc.stand.set("taro", answers={"20": "9000"})
    said = await opensc.with_card("taro", "pkcs15-tool", "--list-pins")
    await opensc.stand.set("taro", answers={})
    assert 0 != said.status

"""The test PKI: made once, completed later, found by card simulator and backend alike."""

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from PIL import Image

from tests.municipality.pki import make_test_pki

SCRIPT = Path(__file__).resolve().parent.parent.parent / "scripts" / "make_test_pki"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    make_test_pki(folder)
    return folder


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_run_changes_nothing(out: Path) -> None:
    before = files(out)
    make_test_pki(out)
    assert before == files(out)


def test_a_lost_card_is_made_again_and_the_others_stay(out: Path) -> None:
    before = files(out)
    for path in (out / "cards" / "mihon_hitori").iterdir():
        path.unlink()
    make_test_pki(out)
    after = files(out)
    assert before.keys() == after.keys()
    changed = {path.relative_to(out).parts[:2] for path in before if before[path] != after[path]}
    assert {("cards", "mihon_hitori")} == changed


def test_every_card_folder_is_complete_and_its_key_fits(out: Path) -> None:
    for folder in (out / "cards").iterdir():
        names = sorted(path.name for path in folder.iterdir())
        assert ["ca.der", "card.json", "certificate.der", "key.pem"] == names
        certificate = x509.load_der_x509_certificate((folder / "certificate.der").read_bytes())
        root = x509.load_der_x509_certificate((folder / "ca.der").read_bytes())
        certificate.verify_directly_issued_by(root)
        key = serialization.load_pem_private_key((folder / "key.pem").read_bytes(), password=None)
        assert certificate.public_key() == key.public_key()
        assert {"pin", "tries_left", "kind"} == set(json.loads((folder / "card.json").read_text()))


def test_a_locked_card_has_no_tries_left(out: Path) -> None:
    card = json.loads((out / "cards" / "rokku_zumi" / "card.json").read_text())
    assert {"pin": "1234", "tries_left": 0, "kind": "my_number_card"} == card


def test_no_certificate_names_a_person(out: Path) -> None:
    for path in (out / "cards").glob("*/certificate.der"):
        subject = x509.load_der_x509_certificate(path.read_bytes()).subject
        assert ["C", "CN"] == [part.rfc4514_attribute_name for part in subject]
        assert 23 == len(subject.rfc4514_string().split(",")[0].removeprefix("CN="))


def test_keys_are_for_the_owner_only(out: Path) -> None:
    keys = [path for path in out.rglob("*") if path.suffix == ".key" or path.name == "key.pem"]
    assert {0o600} == {path.stat().st_mode & 0o777 for path in keys}


def test_seals_are_one_bit_and_true_to_size(out: Path) -> None:
    for path, edge_pixels in ((out / "seals" / "city.png", 567), (out / "seals" / "mihon_hitori.png", 591)):
        with Image.open(BytesIO(path.read_bytes())) as picture:
            assert ("1", (edge_pixels, edge_pixels), 600) == (
                picture.mode,
                picture.size,
                round(picture.info["dpi"][0]),
            )


def test_the_script_prints_the_cards(out: Path) -> None:
    ended = subprocess.run(
        [sys.executable, SCRIPT, out], capture_output=True, text=True, timeout=60, check=True
    )
    named = {printed.split()[0] for printed in ended.stdout.splitlines()}
    assert {path.name for path in (out / "cards").iterdir()} == named

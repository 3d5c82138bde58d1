"""`madoguchi verify`: genuine, altered, unreadable and undecided, and files that are no scans."""

import io
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from firmware.__main__ import EXIT_CONFIG, main
from firmware.documents.certificate import render, render_front
from firmware.documents.scramble import raster
from firmware.documents.scramble.errors import NoImage, NotGenuine, Unreadable
from firmware.documents.scramble.keys import Keys, SigningKey, load_keys
from firmware.documents.scramble.sheet import check, front_secret, open_sheet
from firmware.documents.settings import DocumentSettings
from firmware.documents.sheet import Place
from firmware.documents.verification.command import EXIT_SCAN, Status
from firmware.documents.verification.scans import rasterised
from firmware.errors import ConfigError
from tests.municipality import scramble as municipality
from tests.municipality.scramble import Office, Protected
from tests.pages import samples
from tests.simulators import print_scan

GENUINE, ALTERED, UNREADABLE, UNDECIDED, BACK_ONLY, NO_SCAN = 0, 1, 3, 4, 5, 65
FRONT_UNREAD = "the back is genuine; its front was not read and may say anything: scan it, too"
SEAL = samples.png(567)
OFFICE = Office.new()
SHORT_KEY = {
    "kty": "OKP",
    "crv": "Ed25519",
    "use": "sig",
    "kid": "a",
    "x": "AA",
    "first": "2026-01-01",
    "last": "2026-01-02",
}
FRONT_DAMAGE = print_scan.Damage(dpi=300, degrees=0.8, blur_mm=0.04, noise=0.02, light=0.1, quality=85)


def contents(kind: str = "juminhyo", **changes: Any) -> dict[str, Any]:
    documents = {
        "juminhyo": samples.juminhyo([samples.person(), samples.person(name="渋川　花子")]),
        "inkan": samples.inkan(),
        "shotoku": samples.shotoku(),
    }
    return samples.contents(kind, documents[kind] | changes)


COLUMN = [{"title": "所得", "lists": ["income"]}]
"""Of a form without deductions and tax."""


@cache
def issued() -> Protected:
    """A 住民票の写し of two persons on one sheet."""
    return municipality.protect(OFFICE, contents(), SEAL)


@cache
def issued_on_two_sheets() -> Protected:
    return municipality.protect(
        OFFICE, samples.contents("juminhyo", samples.juminhyo([samples.person()] * 6)), SEAL
    )


def back(message: bytes) -> print_scan.Grey:
    return print_scan.scan(raster.draw(message), print_scan.Damage(dpi=150), np.random.default_rng(0))


def front(damage: print_scan.Damage = FRONT_DAMAGE, /, **changes: Any) -> print_scan.Grey:
    """A printed and scanned front, ground and code and all, of `contents` or of what somebody made of it."""
    document = contents(**changes)["document"]
    protection = (
        municipality.protect(OFFICE, contents(**changes), SEAL) if changes else issued()
    ).as_contents(front_code=not changes)
    opened = samples.opened("juminhyo", document, protection=protection)
    made = render(opened, samples.city_seal(), DocumentSettings())
    with pypdfium2.PdfDocument(made.pdf) as pdf:
        page = rasterised(pdf[0], 600).copy()
    return print_scan.scan_page(page, damage, np.random.default_rng(1))


@dataclass
class Desk:
    """Where somebody verifies: files at hand and what the command says."""

    folder: Path
    read: Callable[[], str]

    def file(self, name: str, picture: print_scan.Grey) -> str:
        Image.fromarray(picture).save(self.folder / name)
        return str(self.folder / name)

    def backs(self, *messages: bytes) -> list[str]:
        return [self.file(f"back-{at}.png", back(message)) for at, message in enumerate(messages)]

    def verify(
        self,
        *arguments: str,
        office: Office = OFFICE,
        opening: bool = True,
        certificates: dict[str, Any] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        keys = office.public_file(self.folder / "keys.json", SEAL, certificates=certificates)
        opener = ["--opening-keys", str(office.opening_file(self.folder / "opening.json"))] if opening else []
        status = main(["verify", *arguments, "--keys", str(keys), *opener, "--json"])
        said = self.read()
        return status, json.loads(said) if said else {}


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, lambda: capsys.readouterr().out)


@pytest.mark.parametrize("kind", ["juminhyo", "inkan", "shotoku"])
def test_a_genuine_back_tells_what_the_front_must_say(desk: Desk, kind: str) -> None:
    made = municipality.protect(OFFICE, contents(kind), SEAL)
    status, told = desk.verify(*desk.backs(*made.messages), "--out", str(desk.folder / "out"))
    assert (BACK_ONLY, "back_only") == (status, told["verdict"])
    assert [FRONT_UNREAD] == [each["words"] for each in told["findings"]]
    [sheet] = told["sheets"]
    assert (samples.NUMBER, "2026-11-22", "渋川市", 1, 1) == tuple(
        sheet[item] for item in ("number", "issued_on", "issuer", "sheet", "sheets")
    )
    opened = samples.opened(kind, contents(kind)["document"])
    issued_front = render_front(opened, samples.city_seal(), DocumentSettings(), Place(1, 1))
    assert list(issued_front.lines[0]) == sheet["front"]
    with Image.open(sheet["drawn"]) as drawn, pypdfium2.PdfDocument(issued_front.pdf) as pdf:
        assert rasterised(pdf[0], 300).tobytes() == drawn.tobytes()
    assert 0o600 == Path(sheet["drawn"]).stat().st_mode & 0o777


def test_a_front_is_drawn_again_in_the_words_of_its_municipality(desk: Desk) -> None:
    eras = [{"name": "明治", "begins": "1868-01-25"}, {"name": "見本", "begins": "2025-12-01"}]
    wording = {"household_attested": "この写しは、原本と相違ない。"}
    _, told = desk.verify(*desk.backs(*issued().messages), certificates={"wording": wording, "eras": eras})
    [sheet] = told["sheets"]
    assert {"この写しは、原本と相違ない。", "見本２年１１月２２日"} <= set(sheet["front"])


def test_a_key_file_with_forms_that_lose_an_item_is_named(desk: Desk) -> None:
    with pytest.raises(ConfigError, match=r"keys.json: .*shotoku_columns"):
        load_keys(
            [OFFICE.public_file(desk.folder / "keys.json", SEAL, certificates={"shotoku_columns": COLUMN})]
        )


@pytest.mark.parametrize("form", ["page.jpg", "page.tif", "page.pdf"])
def test_every_kind_of_scan_is_read(desk: Desk, form: str) -> None:
    status, told = desk.verify(desk.file(form, back(issued().messages[0])))
    assert (BACK_ONLY, 1) == (status, len(told["sheets"]))


def test_all_sheets_in_one_file_in_any_order_are_one_certificate(desk: Desk) -> None:
    pages = [Image.fromarray(back(message)) for message in reversed(issued_on_two_sheets().messages)]
    pages[0].save(desk.folder / "both.tif", save_all=True, append_images=pages[1:])
    status, told = desk.verify(str(desk.folder / "both.tif"))
    assert (BACK_ONLY, [1, 2]) == (status, [sheet["sheet"] for sheet in told["sheets"]])


def test_the_sheets_after_the_first_show_their_own_persons_by_their_numbers(desk: Desk) -> None:
    persons = [samples.person(name=f"渋川　{name}") for name in "一二三四五六"]
    made = municipality.protect(OFFICE, samples.contents("juminhyo", samples.juminhyo(persons)), SEAL)
    _, told = desk.verify(*desk.backs(*made.messages))
    second = told["sheets"][1]["front"]
    assert ["渋川　五", "渋川　六"] == [
        line for line in second if line.startswith("渋川　") and len(line) == 4
    ]
    assert {"5", "6"} <= set(second)
    assert "2／2" in second


def test_a_missing_sheet_is_named(desk: Desk) -> None:
    status, told = desk.verify(*desk.backs(issued_on_two_sheets().messages[1]))
    words = [each["words"] for each in told["findings"]]
    assert (UNDECIDED, ["sheet 1 is missing", FRONT_UNREAD]) == (status, words)


def test_a_sheet_of_another_certificate_is_named(desk: Desk) -> None:
    other = municipality.protect(
        OFFICE,
        samples.contents("juminhyo", samples.juminhyo([samples.person()] * 6), number="10208-20261122-2"),
        SEAL,
    )
    status, told = desk.verify(*desk.backs(issued_on_two_sheets().messages[0], other.messages[1]))
    assert ALTERED == status
    words = [each["words"] for each in told["findings"]]
    foreign = "sheet 2/2 belongs to another certificate (10208-20261122-2)"
    assert [foreign, "sheet 2 is missing", FRONT_UNREAD, FRONT_UNREAD] == words


def test_a_code_signed_by_somebody_else_is_not_genuine(desk: Desk) -> None:
    forged = municipality.protect(Office.new(), contents(), SEAL)
    status, told = desk.verify(*desk.backs(*forged.messages))
    assert (ALTERED, []) == (status, told["sheets"])
    assert told["findings"][0]["words"] == "the signature is not that of key 10208-2026-sign"


def test_a_damaged_back_is_unreadable_and_never_altered(desk: Desk) -> None:
    damaged = back(issued().messages[0])
    damaged[230:1350] = 255
    status, told = desk.verify(desk.file("damaged.png", damaged))
    assert (UNREADABLE, "unreadable") == (status, told["verdict"])


def test_a_picture_of_something_else_is_unreadable(desk: Desk) -> None:
    status, told = desk.verify(desk.file("white.png", np.full((1000, 700), 255, np.uint8)))
    assert (UNREADABLE, "no scramble image found") == (status, told["findings"][0]["words"])


def test_public_keys_alone_prove_the_back_and_keep_it_closed(desk: Desk) -> None:
    status, told = desk.verify(*desk.backs(*issued().messages), opening=False)
    assert (UNDECIDED, None, samples.NUMBER) == (
        status,
        told["sheets"][0]["front"],
        told["sheets"][0]["number"],
    )


def test_the_code_of_the_front_opens_the_back_without_the_municipality(desk: Desk) -> None:
    status, told = desk.verify(*desk.backs(*issued().messages), "--code", issued().front_text, opening=False)
    assert BACK_ONLY == status
    assert "渋川　花子" in told["sheets"][0]["front"]


def test_both_sides_are_enough_and_a_genuine_front_shows_no_difference(desk: Desk) -> None:
    sides = [*desk.backs(*issued().messages), desk.file("front.png", front())]
    status, told = desk.verify(*sides, "--out", str(desk.folder / "out"), opening=False)
    assert (GENUINE, []) == (status, told["findings"])
    assert [] == told["sheets"][0]["differences"]


def test_sheets_of_which_one_front_was_not_read_are_not_genuine(desk: Desk) -> None:
    made = issued_on_two_sheets()
    persons = samples.juminhyo([samples.person()] * 6)
    opened = samples.opened("juminhyo", persons, protection=made.as_contents())
    drawn = render_front(opened, samples.city_seal(), DocumentSettings(), Place(1, 2))
    with pypdfium2.PdfDocument(drawn.pdf) as pdf:
        first = desk.file("front.png", rasterised(pdf[0], 300))
    backs = desk.backs(*made.messages)
    status, told = desk.verify(*backs, first)
    assert BACK_ONLY == status
    assert [(backs[1], FRONT_UNREAD)] == [(each["picture"], each["words"]) for each in told["findings"]]


@pytest.mark.parametrize(
    ("person", "place_mm"),
    [({"name": "渋川　大郎"}, (52, 52)), ({"birth_date": "1980-05-06"}, (67, 59))],
    ids=["a dot of a name", "a digit of a birthday"],
)
def test_one_altered_character_is_marked_beside_the_genuine_page(
    desk: Desk, person: dict[str, str], place_mm: tuple[int, int]
) -> None:
    persons = [samples.person(**person), samples.person(name="渋川　花子")]
    sides = [*desk.backs(*issued().messages), desk.file("front.png", front(persons=persons))]
    status, told = desk.verify(*sides, "--out", str(desk.folder / "out"))
    assert UNDECIDED == status
    [(left, top, width, height)] = told["sheets"][0]["differences"]
    assert left <= place_mm[0] <= left + width
    assert top <= place_mm[1] <= top + height
    with Image.open(told["sheets"][0]["compared"]) as side_by_side:
        assert (2 * 2480, 3508) == side_by_side.size
        marks = np.asarray(side_by_side)
        assert (marks[..., 0] > marks[..., 1] + 100).any()


@pytest.mark.parametrize("altered", [False, True], ids=["genuine", "altered"])
def test_a_front_with_heavy_drop_outs_is_left_to_the_eye_with_every_place_marked(
    desk: Desk, altered: bool
) -> None:
    worn = replace(FRONT_DAMAGE, dropouts=400)
    changes = (
        {"persons": [samples.person(name="渋川　大郎"), samples.person(name="渋川　花子")]} if altered else {}
    )
    sides = [*desk.backs(*issued().messages), desk.file("front.png", front(worn, **changes))]
    status, told = desk.verify(*sides, "--out", str(desk.folder / "out"))
    assert (UNDECIDED, "undecided") == (status, told["verdict"])
    assert Path(told["sheets"][0]["compared"]).exists()
    marks = told["sheets"][0]["differences"]
    at_the_name = [
        mark for mark in marks if mark[0] <= 52 <= mark[0] + mark[2] and mark[1] <= 52 <= mark[1] + mark[3]
    ]
    assert altered == bool(at_the_name)
    assert len(marks) > altered


def test_a_front_with_the_code_of_another_certificate_is_altered(desk: Desk) -> None:
    other = municipality.protect(OFFICE, contents(), SEAL)
    status, _ = desk.verify(*desk.backs(*issued().messages), "--code", other.front_text)
    assert ALTERED == status


def test_after_a_rotation_old_and_new_certificates_are_genuine_until_the_old_key_is_withdrawn(
    desk: Desk,
) -> None:
    new = Office.new(2027)
    both = replace(OFFICE, signing=OFFICE.signing | new.signing, opening=OFFICE.opening | new.opening)
    rotated = municipality.protect(both, contents(), SEAL)
    for message in (issued().messages[0], rotated.messages[0]):
        assert BACK_ONLY == desk.verify(*desk.backs(message), office=both)[0]
    status, told = desk.verify(*desk.backs(issued().messages[0]), office=new)
    assert ALTERED == status
    assert "10208-2026-sign" in told["findings"][0]["words"]


def test_a_key_is_not_good_for_days_before_and_after_its_use(desk: Desk) -> None:
    for first, last in ((date(2026, 4, 1), date(2026, 11, 21)), (date(2026, 11, 23), date(2027, 4, 1))):
        status, _ = desk.verify(*desk.backs(*issued().messages), office=replace(OFFICE, in_use=(first, last)))
        assert ALTERED == status


def known() -> Keys:
    signing = {
        key_id: SigningKey(key.public_key(), OFFICE.issuer, *OFFICE.in_use)
        for key_id, key in OFFICE.signing.items()
    }
    return Keys(signing, {}, OFFICE.opening)


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_message_with_any_byte_changed_is_not_genuine(place: int, change: int) -> None:
    message = bytearray(issued().messages[0])
    message[place % len(message)] ^= change
    with pytest.raises(NotGenuine):
        check(bytes(message), known())


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_whatever_somebody_puts_into_a_raster_is_not_genuine(body: bytes) -> None:
    with pytest.raises(NotGenuine):
        check(body, known())


@pytest.mark.parametrize(
    ("item", "value"),
    [
        (1, b"short"),
        (2, 0),
        (2, 2),
        (3, 256),
        (2, True),
        (4, None),
        (5, "令和八年"),
        (6, "前橋市"),
        (7, b""),
        (9, 1),
    ],
)
def test_signed_claims_that_are_not_as_the_format_says_are_refused(item: int, value: object) -> None:
    claims = cbor2.loads(cbor2.loads(issued().messages[0]).value[2])
    signed = municipality.sign(OFFICE, cbor2.dumps({**claims, item: value}, canonical=True))
    with pytest.raises(NotGenuine):
        check(signed, known())


def test_contents_of_another_sheet_do_not_open_under_these_claims() -> None:
    one, other = (cbor2.loads(cbor2.loads(each).value[2]) for each in issued_on_two_sheets().messages)
    swapped = municipality.sign(OFFICE, cbor2.dumps({**one, 8: other[8]}, canonical=True))
    sheet = check(swapped, known())
    for secret in (None, front_secret(issued_on_two_sheets().front_text)):
        with pytest.raises(NotGenuine):
            open_sheet(sheet, known() if secret is None else replace(known(), opening={}), secret)


@pytest.mark.parametrize("text", ["", "MSF1-", "MSF1-AAAA", "MSF2-" + "A" * 26, "MSF1-" + "0" * 26, "漢字"])
def test_a_text_that_is_no_code_of_a_front_is_refused(desk: Desk, text: str) -> None:
    assert front_secret(text) is None
    assert EXIT_CONFIG == desk.verify(*desk.backs(*issued().messages), f"--code={text}")[0]


def png_of(width: int, height: int) -> bytes:
    """A small file that says it is a large picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def pdf_of(page_mm: float, image_pixels: int) -> bytes:
    """A PDF with a page of this size whose picture claims so many pixels a side."""
    side = page_mm * 72 / 25.4
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %f %f]/Contents 4 0 R/Resources<</XObject<</I 5 0 R>>>>>>"
        % (side, side),
        b"<</Length 25>>stream\n100 0 0 100 0 0 cm /I Do \nendstream",
        b"<</Type/XObject/Subtype/Image/Width %d/Height %d/BitsPerComponent 8/ColorSpace/DeviceGray"
        b"/Length 3>>stream\nabc\nendstream" % (image_pixels, image_pixels),
    ]
    file, places = io.BytesIO(b"%PDF-1.4\n"), []
    file.seek(0, io.SEEK_END)
    for number, body in enumerate(objects, start=1):
        places.append(file.tell())
        file.write(b"%d 0 obj" % number + body + b"endobj\n")
    table = file.tell()
    file.write(
        b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    )
    file.write(b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % table)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a PNG, JPEG, TIFF or PDF"),
        (b"GIF89a" + bytes(50), "not a PNG, JPEG, TIFF or PDF"),
        (b"\x89PNG\r\n\x1a\n", "not a PNG, JPEG, TIFF or PDF"),
        (png_of(60_000, 60_000), "pixels"),
        (png_of(9_000, 9_000), "pixels"),
        (png_of(10_000, 12_000), "pixels"),
        (png_of(800, 800), "damaged file"),
        (b"%PDF-1.7\n" + bytes(50), "damaged PDF"),
        (pdf_of(9000, 10), "pixels"),
        (pdf_of(210, 30_000), "pixels"),
        (samples.png(600, "L", "TIFF")[:-200], "damaged file"),
    ],
    ids=[
        "empty",
        "GIF",
        "stub",
        "bomb",
        "too large",
        "far too large",
        "cut",
        "broken PDF",
        "huge page",
        "PDF bomb",
        "cut TIFF",
    ],
)
def test_a_file_that_is_no_scan_is_named_with_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, complaint: str
) -> None:
    scan = tmp_path / "scan"
    scan.write_bytes(content)
    keys = OFFICE.public_file(tmp_path / "keys.json")
    assert NO_SCAN == main(["verify", str(scan), "--keys", str(keys)])
    captured = capsys.readouterr()
    assert "" == captured.out
    assert captured.err.startswith(f"madoguchi: {scan}")
    assert complaint in captured.err


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = OFFICE.public_file(tmp_path / "keys.json")
    assert NO_SCAN == main(["verify", str(tmp_path / "none"), "--keys", str(keys)])
    assert (
        f"madoguchi: {tmp_path / 'none'}: ファイルを読めません (cannot be read)\n" == capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "keys.json: Input data was truncated"),
        ('{"issuer": "渋川市"}', "keys.json: Object missing required field `keys`"),
        ('{"issuer": "渋川市", "keys": [], "more": 1}', "keys.json: Object contains unknown field `more`"),
        (json.dumps({"issuer": "x", "keys": [SHORT_KEY]}), "keys.json: key a: x is no Ed25519 public key"),
        (
            json.dumps({"issuer": "x", "keys": [SHORT_KEY | {"kid": "漢"}]}),
            "keys.json: key 漢: x is no Ed25519",
        ),
        (json.dumps({"issuer": "x", "keys": [SHORT_KEY | {"last": "2025-01-01"}]}), "last is before first"),
    ],
)
def test_a_bad_key_file_is_named_with_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, complaint: str
) -> None:
    (tmp_path / "keys.json").write_text(text, encoding="utf-8")
    assert EXIT_CONFIG == main(["verify", str(tmp_path / "scan.png"), "--keys", str(tmp_path / "keys.json")])
    assert complaint in capsys.readouterr().err


def test_the_words_for_a_person_show_verdict_number_date_and_text(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = OFFICE.public_file(desk.folder / "keys.json", SEAL)
    code = issued().front_text
    main(["verify", *desk.backs(*issued().messages), "--keys", str(keys), "--code", code])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("BACK ONLY うら面のみ: うら面は真正です・おもて面は読み取られていません。")
    line = f"sheet 枚 1/1  渋川市  発行番号 {samples.NUMBER}  発行日 2026-11-22  key 鍵 10208-2026-sign"
    assert line in said
    assert "    渋川　花子" in said


def test_what_is_wrong_is_said_in_japanese_with_the_english_beside(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = OFFICE.public_file(desk.folder / "keys.json", SEAL)
    [scan] = desk.backs(issued_on_two_sheets().messages[1])
    assert UNDECIDED == main(["verify", scan, "--keys", str(keys)])
    said = capsys.readouterr().out.splitlines()
    assert "  undecided 未確定: 1枚目がありません。 / sheet 1 is missing" == said[1]
    assert said[2].startswith(f"  undecided 未確定: {scan}: おもて面の内容を開く鍵もコードもありません。")


def test_every_finding_has_japanese_words_of_its_own() -> None:
    for error in (Unreadable, NoImage, NotGenuine):
        sentence = error("particulars").sentence
        assert "particulars" == sentence.en
        assert not sentence.ja.isascii()
    assert 3 == len({error("x").sentence.ja for error in (Unreadable, NoImage, NotGenuine)})


def test_no_code_of_the_kiosk_can_sign_or_seal_a_certificate() -> None:
    root = Path(__file__).parents[2]
    for path in [*(root / "firmware").rglob("*.py"), *(root / "hw").rglob("*.py")]:
        words = path.read_text(encoding="utf-8")
        assert "Ed25519PrivateKey" not in words, path
        assert "aes_key_wrap" not in words, path


def test_the_help_names_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["verify", "--help"])
    said = " ".join(capsys.readouterr().out.split()).split("Exit status: ")[1]
    assert {*map(int, Status), EXIT_SCAN, EXIT_CONFIG} == {
        int(one.split()[0]) for one in said.split(". ")[0].rstrip(".").split(", ")
    }

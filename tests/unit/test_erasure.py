"""The scanner for what is left of a person finds each thing that it says it finds, and nothing else."""

import base64
import gzip
import json
import os
import urllib.parse
import zipfile
import zlib
from pathlib import Path

import pytest

from firmware.documents.certificate import render
from firmware.documents.settings import DocumentSettings
from tests.erasure import ENCODINGS, family, hits, in_files, in_memory, inflated, personal, printed, words
from tests.pages import samples

NAME = "試験　太郎"
CANARIES = words([NAME, "渋川市石原八〇番地"])
FORMS = {
    **{encoding: NAME.encode(encoding) for encoding in ENCODINGS},
    **{f"hex of {encoding}": f"<FEFF{NAME.encode(encoding).hex()}>".encode() for encoding in ENCODINGS},
    "upper hex": NAME.encode("utf-16-be").hex().upper().encode(),
    "json": json.dumps({"name": NAME}).encode(),
    "url": urllib.parse.quote(NAME).encode(),
    **{f"base64 at {n}": base64.b64encode(b"x" * n + NAME.encode() + b"tail") for n in range(3)},
    "base64url": base64.urlsafe_b64encode(b"ab" + NAME.encode() + b"tail"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "wrapped",
    [bytes, zlib.compress, gzip.compress, lambda plain: zlib.compress(plain, 9)[:-4]],
    ids=["plain", "zlib", "gzip", "zlib without its end"],
)
def test_a_planted_word_is_found_in_each_encoding_plain_and_deflated(form: str, wrapped: object) -> None:
    assert callable(wrapped)
    noise = os.urandom(1000)
    assert NAME in hits(noise + wrapped(b"before " + FORMS[form] + b" after") + noise, CANARIES)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("long", [False, True], ids=["fixed codes", "dynamic codes"])
def test_a_planted_word_is_found_in_what_is_deflated_without_a_header(form: str, long: bool) -> None:
    around = b" ".join(str(number).encode() for number in range(2000)) if long else b""
    deflated = zlib.compress(around + b"before " + FORMS[form] + b" after" + around, 9)[2:-4]
    assert (4 if long else 2) == deflated[0] & 6
    noise = os.urandom((1 << 18) if long else 1000)
    assert NAME in hits(noise + deflated + noise, CANARIES, bare=True)
    assert set() == hits(noise + deflated + noise, CANARIES)


def test_a_word_in_a_zip_file_is_found(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bundle", "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("log", "a line of the log\n" * 100 + NAME + "another line of the log\n" * 100)
    assert f"bundle: {NAME}" in in_files([tmp_path], CANARIES)


def test_a_word_without_its_space_is_found_as_well_and_another_is_not() -> None:
    assert {"試験太郎"} == hits("...試験太郎...".encode("cp932"), CANARIES)
    assert set() == hits("試験　次郎、渋川市石原八一番地".encode("utf-16-le") + os.urandom(100_000), CANARIES)


@pytest.fixture(scope="module")
def pdf() -> bytes:
    opened = samples.opened("inkan", samples.inkan(name=NAME))
    return render(opened, samples.city_seal(), DocumentSettings()).pdf


def test_a_printed_page_is_found_whole_in_pieces_and_by_its_glyphs(pdf: bytes) -> None:
    known = printed("sheet", pdf)
    assert 16 == len(known["sheet"])
    assert known["sheet, its glyphs"]
    assert {"sheet", "sheet, its glyphs", NAME, "試験太郎"} <= hits(b"x" + pdf + b"y", {**CANARIES, **known})
    third = pdf[len(pdf) // 3 : 2 * len(pdf) // 3]
    assert "sheet" in hits(third, known)
    contents = max((stream for stream in inflated(pdf) if b" Tj" in stream), key=len)
    assert {"sheet, its glyphs"} == hits(contents, known)


def test_another_page_is_not_taken_for_this_one(pdf: bytes) -> None:
    opened = samples.opened("shotoku", samples.shotoku())
    other = render(opened, None, DocumentSettings()).pdf
    third = render(samples.opened("inkan", samples.inkan()), samples.city_seal(), DocumentSettings()).pdf
    own = personal({**printed("sheet", pdf), **words([NAME])}, [third])
    assert {"sheet", "sheet, its glyphs", NAME, "試験太郎"} <= hits(pdf, own)
    assert set() == hits(other, own) | hits(third, own)


def test_a_name_of_which_nothing_is_its_own_is_an_error(pdf: bytes) -> None:
    with pytest.raises(ValueError, match="nothing is left of sheet"):
        personal(printed("sheet", pdf), [pdf])


@pytest.mark.parametrize("form", FORMS)
def test_a_planted_word_is_found_in_a_long_memory_wherever_it_stands(form: str) -> None:
    noise = os.urandom(1 << 19)
    for at in (0, 1 << 18, len(noise)):
        assert {NAME} == hits(noise[:at] + FORMS[form] + noise[at:], words([NAME])) - {"試験太郎"}
    assert set() == hits(noise, CANARIES)


def test_every_file_is_looked_into_but_those_that_are_spared(tmp_path: Path) -> None:
    for name in ("left/spool", "spared/kept"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(zlib.compress(NAME.encode("euc_jp")))
    assert [f"spool: {NAME}"] == in_files([tmp_path], CANARIES, spared=[tmp_path / "spared"])


def test_what_lies_in_memory_is_found_and_what_was_wiped_is_not() -> None:
    rare = f"稀な人{os.getpid()}号"
    secret = bytearray(rare.encode("utf-16-le"))
    wanted = {"secret": (bytes(secret),)}
    own = {"secret": tuple(form[::-1] for form in wanted["secret"])}
    mirrored = bytearray(secret[::-1])
    assert 1 == len(in_memory(os.getpid(), own, deep=False))
    del wanted
    mirrored[:] = bytes(len(mirrored))
    assert os.getpid() in family(os.getppid())

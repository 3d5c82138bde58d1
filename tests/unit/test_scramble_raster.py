"""The raster: what is drawn is read again, damage is called damage, and nothing is ever read wrongly."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.documents.scramble import geometry, raster, reader, reed_solomon
from firmware.documents.scramble.errors import NoImage, TooLong, Unreadable
from firmware.documents.scramble.geometry import FORMATS
from tests.simulators import print_scan

BODY = bytes(range(256)) * 3


def page(cells: geometry.Cells, dpi: int = 150) -> print_scan.Grey:
    return print_scan.scan(cells, print_scan.Damage(dpi=dpi), np.random.default_rng(0))


def words(parity: int, count: int = 5) -> reed_solomon.Bytes:
    data = np.random.default_rng(1).integers(0, 256, (count, 255 - parity), dtype=np.uint8)
    return reed_solomon.encode(data, parity)


def test_the_code_agrees_with_the_worked_example_of_iso_18004() -> None:
    """ISO/IEC 18004, annex I: 16 data codewords of version 1-M and their 10 error correction codewords."""
    data = bytes.fromhex("10200c5661 80ec11ec11ec11ec11ec11".replace(" ", ""))
    padded = np.frombuffer(data.rjust(245, b"\0"), np.uint8)[None]
    assert "a524d4c1ed36c7872c55" == reed_solomon.encode(padded, 10)[0, 245:].tobytes().hex()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 64), st.integers(0, 128), st.integers(0, 2**32 - 1))
def test_twice_the_errors_and_the_erasures_within_the_parity_are_always_corrected(
    errors: int, erasures: int, seed: int
) -> None:
    erasures = min(erasures, 128 - 2 * errors)
    rng = np.random.default_rng(seed)
    sent = words(128, 3)
    received, erased = sent.copy(), np.zeros(sent.shape, bool)
    for word, lost in zip(received, erased, strict=True):
        places = rng.permutation(255)
        word[places[:errors]] ^= rng.integers(1, 256, errors, dtype=np.uint8)
        lost[places[errors : errors + erasures]] = True
        word[lost] = rng.integers(0, 256, erasures, dtype=np.uint8)
    corrected, good = reed_solomon.decode(received, 128, erased)
    assert good.all()
    assert (corrected == sent).all()


def test_one_error_too_many_is_said_and_the_word_left_as_it_came() -> None:
    received = words(32)
    received[2, :17] ^= 0x55
    corrected, good = reed_solomon.decode(received, 32)
    assert [True, True, False, True, True] == good.tolist()
    assert (corrected[2] == received[2]).all()


def test_cells_are_even_and_every_byte_has_one_place() -> None:
    assert (65, 16789) == (geometry.codewords(), geometry.slots())
    assert len(set(geometry.slot_order().tolist())) == 65 * 255
    for form in FORMATS:
        assert 0.48 < raster.draw(b"", form).mean() < 0.52


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: f"format-{form.number}")
def test_every_format_carries_its_longest_body_and_not_a_byte_more(form: geometry.Format) -> None:
    longest = np.random.default_rng(2).bytes(raster.most_bytes(form))
    assert longest == reader.read(page(raster.draw(longest, form)))
    with pytest.raises(TooLong):
        raster.draw(longest + b"!", form)


def test_a_short_body_takes_the_most_robust_format_and_a_long_one_what_holds_it() -> None:
    for length, number in ((100, 1), (raster.most_bytes(FORMATS[0]) + 1, 2), (8000, 4)):
        cells = raster.draw(bytes(length))
        expected = geometry.mark_signs(number)
        seen = [1 if cells[row, column] else -1 for column, row in geometry.mark_places()]
        assert expected.tolist() == seen


@pytest.mark.parametrize(
    ("dpi", "turns"), [(100, 0), (150, 1), (200, 2), (300, 0), (300, 1), (300, 2), (300, 3), (600, 3)]
)
def test_any_quarter_turn_is_read_at_any_usual_resolution(dpi: int, turns: int) -> None:
    scan = print_scan.scan(
        raster.draw(BODY), print_scan.Damage(dpi=dpi, turns=turns, degrees=1.0), np.random.default_rng(dpi)
    )
    assert BODY == reader.read(scan)


@pytest.mark.parametrize("degrees", [-44.0, 17.0, 45.0])
def test_a_page_laid_down_crookedly_is_read(degrees: float) -> None:
    damage = print_scan.Damage(dpi=200, degrees=degrees, scale=0.7)
    assert BODY == reader.read(print_scan.scan(raster.draw(BODY), damage, np.random.default_rng(3)))


@pytest.mark.parametrize("place", ["upper", "left", "right", "middle"])
@pytest.mark.parametrize("shade", [20, 240])
def test_a_third_of_the_raster_may_be_missing_with_any_three_targets(place: str, shade: int) -> None:
    scan = page(raster.draw(BODY), 200)
    height, width = scan.shape
    lost = {
        "upper": (slice(0, height // 3), slice(None)),
        "left": (slice(None), slice(0, int(0.35 * width))),
        "right": (slice(None), slice(int(0.65 * width), None)),
        "middle": (slice(int(0.3 * height), int(0.55 * height)), slice(None)),
    }[place]
    scan[lost] = shade
    assert BODY == reader.read(scan)


def test_a_raster_destroyed_for_the_most_part_cannot_be_read() -> None:
    scan = page(raster.draw(bytes(8000)), 200)
    scan[: int(0.6 * scan.shape[0])] = 255
    with pytest.raises(Unreadable):
        reader.read(scan)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((3000, 2000), np.uint8),
        np.full((3000, 2000), 255, np.uint8),
        np.random.default_rng(4).integers(0, 256, (1500, 1000), dtype=np.uint8),
        np.zeros((1, 5000), np.uint8),
        np.full((199, 199), 127, np.uint8),
        np.tile(np.array([[0, 255]], np.uint8), (1200, 500)),
    ],
    ids=["black", "white", "noise", "line", "tiny", "stripes"],
)
def test_a_picture_without_a_raster_is_called_one(picture: print_scan.Grey) -> None:
    with pytest.raises(NoImage):
        reader.read(picture)


def test_targets_and_marks_without_the_bytes_cannot_be_read() -> None:
    cells = raster.draw(BODY)
    cells[geometry.data_cells()] = np.random.default_rng(5).integers(0, 2, len(geometry.data_cells()[0]))
    with pytest.raises(Unreadable, match="65 of 65 codewords are lost"):
        reader.read(page(cells))


def test_two_rasters_pasted_together_are_never_read_as_a_third() -> None:
    one, other = raster.draw(b"a" * 1000), raster.draw(b"b" * 1000)
    for share in (0.3, 0.5, 0.7):
        both = one.copy()
        both[int(share * len(one)) :] = other[int(share * len(one)) :]
        try:
            assert reader.read(page(both)) in {b"a" * 1000, b"b" * 1000}
        except Unreadable:
            continue


def test_a_mirrored_raster_is_no_raster() -> None:
    with pytest.raises(Unreadable):
        reader.read(cv2.flip(page(raster.draw(BODY)), 1).astype(np.uint8))

"""A sample of the scans that `python -m tests.figures.scramble` makes by the thousand."""

import pytest

from tests.figures.scramble import reading


@pytest.mark.parametrize("payload_bytes", [1000, 8000])
@pytest.mark.parametrize(
    ("damage", "dpi"),
    [("ordinary", 300), ("heavy", 300), ("ordinary", 200), ("heavy", 200), ("photograph", 200)],
)
def test_every_scan_of_the_sample_is_read_and_none_wrongly(damage: str, dpi: int, payload_bytes: int) -> None:
    told = reading(damage, dpi, payload_bytes, range(3))
    assert (3, 0, ()) == (told.read, told.wrong, told.unread)

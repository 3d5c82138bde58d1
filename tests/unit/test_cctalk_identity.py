"""Is it the unit that was installed, and how does it want to be polled?"""

import pytest

from hw.coin.cctalk import Header
from hw.coin.identity import Commissioned, Identity, log_word, polling_seconds, read_identity
from hw.coin.keep import GoneReason, Unfit

FOUND = Identity(123456, "MOCK", "SIM-2", "1.04", "STD", "2.4.2")
ANSWERS = {
    Header.REQUEST_EQUIPMENT_CATEGORY: b"Coin Acceptor",
    Header.REQUEST_SERIAL_NUMBER: b"\x40\xe2\x01",
    Header.REQUEST_MANUFACTURER: b"MOCK\x00",
    Header.REQUEST_PRODUCT_CODE: b"SIM-2 ",
    Header.REQUEST_SOFTWARE_REVISION: b"1.04",
    Header.REQUEST_BUILD_CODE: b"STD",
    Header.REQUEST_COMMS_REVISION: b"\x02\x04\x02",
}


async def ask(header: Header, *, length: int | None) -> bytes:
    return ANSWERS[header]


async def silence(header: Header, *, length: int | None) -> bytes | None:
    return None


async def other_kind(header: Header, *, length: int | None) -> bytes:
    return b"Bill Validator"


async def test_everything_a_unit_says_of_itself_is_read() -> None:
    assert FOUND == await read_identity(ask, ask)


async def test_a_unit_need_not_know_more_than_its_kind_and_number() -> None:
    assert Identity(123456) == await read_identity(ask, silence)


async def test_another_kind_of_device_is_refused() -> None:
    with pytest.raises(Unfit) as refused:
        await read_identity(other_kind, silence)
    assert GoneReason.OTHER_KIND is refused.value.reason


@pytest.mark.parametrize(
    "commissioned",
    [
        Commissioned(),
        Commissioned(123456),
        Commissioned(product="SIM-2"),
        Commissioned(123456, "MOCK", "SIM-2"),
    ],
)
def test_the_installed_unit_is_taken(commissioned: Commissioned) -> None:
    commissioned.require(FOUND)


@pytest.mark.parametrize(
    "commissioned", [Commissioned(1), Commissioned(manufacturer="X"), Commissioned(product="SIM")]
)
def test_a_swapped_unit_is_refused_with_its_number(commissioned: Commissioned) -> None:
    with pytest.raises(Unfit) as refused:
        commissioned.require(FOUND)
    assert (GoneReason.OTHER_UNIT, 123456) == (refused.value.reason, refused.value.code)


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        (b"\x01\xc8", 0.2),
        (b"\x02\x14", 0.2),
        (b"\x03\x01", 1.0),
        (b"\x04\x02", 120.0),
        (b"\x00\x00", None),
        (b"\x00\xff", None),
        (b"\x02\x00", None),
        (b"\x09\x01", None),
    ],
)
def test_the_pause_a_unit_asks_for_has_units_of_its_own(priority: bytes, expected: float | None) -> None:
    assert expected == polling_seconds(priority)


@pytest.mark.parametrize(
    ("text", "expected"), [("1.04", "1.04"), ("", "_"), ("v 2 ü", "v_2__"), (".x", "x"), ("é" * 50, "_" * 40)]
)
def test_what_a_device_says_goes_into_the_log_as_one_harmless_word(text: str, expected: str) -> None:
    assert expected == log_word(text)

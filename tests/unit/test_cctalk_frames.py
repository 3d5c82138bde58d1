"""ccTalk frames: bytes of the specification and of field bugs."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.coin.cctalk import Frame, Garbled, checksum, decode, encode, unsigned, without_echo

OCTET = st.integers(0, 255)


def test_the_example_of_the_specification_is_encoded() -> None:
    assert bytes.fromhex("02 00 01 F5 08") == encode(Frame(2, 1, 245))


def test_the_example_of_the_specification_is_decoded() -> None:
    received = b"\x01\x0d\x02\x00Coin Acceptor\x16"
    assert Frame(1, 2, 0, b"Coin Acceptor") == decode(received)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("02 00 01 FD", 0x00),  # the sum is 256 already: two published hosts send 256 here and crash
        ("02 00 01 FE", 0xFF),
        ("01 01 03 00 80", 0x7B),  # a hopper manual prints BA
    ],
)
def test_the_checksum_is_always_a_byte(body: str, expected: int) -> None:
    assert expected == checksum(bytes.fromhex(body))


@pytest.mark.parametrize("missing", range(1, 18))
def test_a_frame_with_missing_bytes_is_waited_for(missing: int) -> None:
    assert decode(b"\x01\x0d\x02\x00Coin Acceptor\x16"[:-missing]) is None


@pytest.mark.parametrize(
    "received",
    [
        b"\x01\x00\x02\x00\xfe",  # a bit flipped
        b"\x01\x00\x02\x00\xfd\x00",  # a byte too many
        b"\xff\x01\x00\x02\x00\xfd",  # noise before the frame
    ],
)
def test_what_is_not_a_frame_is_garbled(received: bytes) -> None:
    with pytest.raises(Garbled):
        decode(received)


def test_a_frame_takes_at_most_255_bytes_of_data() -> None:
    assert len(encode(Frame(2, 1, 231, bytes(255)))) == 260
    with pytest.raises(ValueError, match="range"):
        encode(Frame(2, 1, 231, bytes(256)))


@given(destination=OCTET, source=OCTET, header=OCTET, data=st.binary(max_size=255))
def test_every_frame_survives_the_wire(destination: int, source: int, header: int, data: bytes) -> None:
    frame = Frame(destination, source, header, data)
    assert frame == decode(encode(frame))


@given(data=st.binary(max_size=30), place=st.integers(0, 34), flip=st.integers(1, 255))
def test_no_wrong_byte_is_believed(data: bytes, place: int, flip: int) -> None:
    octets = bytearray(encode(Frame(1, 2, 0, data)))
    octets[place % len(octets)] ^= flip
    with contextlib.suppress(Garbled):
        assert decode(bytes(octets)) is None


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (b"", None),
        (b"\x02\x00", None),
        (b"\x02\x00\x01\xfe\xff", None),
        (b"\x02\x00\x01\xfe\xff\x01\x00", b"\x01\x00"),
        (b"\x01\x00", b"\x01\x00"),
        (b"\x02\x01", b"\x02\x01"),
    ],
)
def test_our_own_echo_is_told_from_an_answer(received: bytes, expected: bytes | None) -> None:
    assert expected == without_echo(b"\x02\x00\x01\xfe\xff", received)


def test_numbers_have_their_least_byte_first() -> None:
    assert unsigned(b"\x40\xe2\x01") == 123456

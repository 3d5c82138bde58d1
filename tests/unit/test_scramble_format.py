"""FORMAT.md is enough to write a raster: a slow second writer, made from it alone, draws the same cells."""

import hashlib
from pathlib import Path

from firmware.documents import scramble
from firmware.documents.scramble import geometry, raster

BODY = bytes(range(256)) * 3
SHA256 = "3ed72c8502bf68789142cb9ec62e4f4aa0e6a25662de18da34b8468b5c6ed241"


def stream(text: str, number: int, length: int) -> bytes:
    return hashlib.shake_256(text.encode("ascii") + bytes([number])).digest(length)


def bits(octets: bytes) -> list[int]:
    return [octet >> (7 - place) & 1 for octet in octets for place in range(8)]


def multiplied(one: int, other: int) -> int:
    product = 0
    while other:
        product ^= one if other & 1 else 0
        one = one << 1 ^ (0x11D if one & 0x80 else 0)
        other >>= 1
    return product


def codeword(data: bytes) -> bytes:
    generator, root = [1], 1
    for _ in range(255 - len(data)):
        shifted = [*generator, 0]
        generator = [a ^ multiplied(root, b) for a, b in zip(shifted, [0, *generator], strict=True)]
        root = multiplied(root, 2)
    rest = [*data, *bytes(255 - len(data))]
    for place in range(len(data)):
        if factor := rest[place]:
            for step, coefficient in enumerate(generator):
                rest[place + step] ^= multiplied(factor, coefficient)
    return data + bytes(rest[len(data) :])


def drawn(body: bytes, number: int, data_bytes: int) -> list[list[int]]:
    head = bytes.fromhex("4D534301") + len(body).to_bytes(2, "big")
    frame = (head + hashlib.sha256(head + body).digest()[:8] + body).ljust(65 * data_bytes, b"\0")
    words = [codeword(frame[data_bytes * word : data_bytes * (word + 1)]) for word in range(65)]
    order = stream("madoguchi scramble order", 0, 4 * 16789)
    slots = sorted(range(16789), key=lambda slot: (order[4 * slot : 4 * slot + 4], slot))
    held = bytearray(16789)
    for sent in range(65 * 255):
        held[slots[sent]] = words[sent % 65][sent // 65]
    carried = [*bits(bytes(held)), *[0] * (134314 - 8 * 16789)]
    white = bits(stream("madoguchi scramble cells", number, 134314 // 8 + 1))
    cells: dict[tuple[int, int], int] = {}
    signs = iter(bits(stream("madoguchi scramble marks", number, 31)))
    for j in range(17):
        for i in range(15):
            target = i in {0, 7, 14} and j in {0, 8, 16}
            sign = 1 if target else next(signs)
            reach = 8 if target else 2
            for down in range(-reach, reach + 1):
                for right in range(-reach, reach + 1):
                    square, ring = down * down + right * right, max(abs(down), abs(right))
                    ink = square <= 5 or 20 <= square <= 43 if target else (ring != 1) == (sign == 1)
                    cells[9 + 24 * i + right, 9 + 24 * j + down] = int(ink)
    data = iter(carried_bit ^ white_bit for carried_bit, white_bit in zip(carried, white, strict=False))
    for strip in range(0, 403, 2):
        for column in range(355):
            for row in range(strip, min(strip + 2, 403)):
                if (column, row) not in cells:
                    cells[column, row] = next(data)
    return [[cells[column, row] for column in range(355)] for row in range(403)]


def test_a_second_writer_made_from_the_document_draws_the_same_raster() -> None:
    ours = raster.draw(BODY).tolist()
    assert drawn(BODY, 1, 31) == ours
    assert SHA256 == hashlib.sha256(bytes(cell for row in ours for cell in row)).hexdigest()


def test_the_longest_format_is_drawn_the_same_too() -> None:
    body = bytes(8000)
    assert drawn(body, 4, 127) == raster.draw(body).tolist()


def test_the_document_stands_beside_the_code() -> None:
    words = Path(scramble.__file__).with_name("FORMAT.md").read_text(encoding="utf-8")
    for form in geometry.FORMATS:
        numbers = f"{form.number} | {form.data_bytes} | {form.parity_bytes} | {form.capacity:,}"
        assert f"| {numbers} | {raster.most_bytes(form):,} |" in words

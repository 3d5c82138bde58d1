"""Reading a slip's ESC/POS bytes: commands, text, and a picture of the paper."""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFilter, ImageFont

COMMANDS = {
    b"\x1b@": 0,
    b"\x1bt": 1,
    b"\x1bR": 1,
    b"\x1ba": 1,
    b"\x1bd": 1,
    b"\x1b!": 1,
    b"\x1bE": 1,
    b"\x1cC": 1,
    b"\x1c!": 1,
    b"\x1c&": 0,
    b"\x1c.": 0,
    b"\x1d!": 1,
    b"\x1dr": 1,
    b"\x1dV": 1,
}
"""Commands this printer knows and how many parameter bytes follow."""

FEEDING_CUTS = (65, 66, 97, 98, 103, 104)
"""GS V with one of these takes one more byte, the distance to feed."""

RASTER = b"\x1dv0"
RASTER_HEAD = 8
"""GS v 0, mode, bytes across and dots down, both low byte first; then the dots."""

FONT = "/usr/share/fonts/truetype/bizud-gothic/BIZUDGothic-Regular.ttf"
DOTS_PER_COLUMN = 12
DOTS_PER_LINE = 30
MARGIN = 32
PAPER = (253, 252, 248)
INK = (38, 36, 44)


@dataclass(frozen=True, slots=True)
class RollLine:
    """One printed line; scale 1 or 2, centred or flush left."""

    text: str
    scale: int
    centred: bool


def first_command(stream: bytes) -> bytes:
    """The first whole command or character of the stream, empty while it is incomplete.

    Raises ValueError for a command this printer does not know.
    """
    if stream[0] in (0x1B, 0x1C, 0x1D):
        return _command(stream)
    return (
        stream[: _length_of_character(stream[0])] if len(stream) >= _length_of_character(stream[0]) else b""
    )


def _command(stream: bytes) -> bytes:
    if len(stream) < 2:
        return b""
    if stream[:3] == RASTER:
        if len(stream) < RASTER_HEAD:
            return b""
        length = RASTER_HEAD + _across(stream) * _down(stream)
        return stream[:length] if len(stream) >= length else b""
    if stream[:2] not in COMMANDS:
        raise ValueError(f"unknown command {stream[:2].hex()}")
    length = 2 + COMMANDS[stream[:2]]
    if stream[:2] == b"\x1dV" and len(stream) > 2 and stream[2] in FEEDING_CUTS:
        length += 1
    return stream[:length] if len(stream) >= length else b""


def prints(command: bytes) -> bool:
    """Whether it brings to paper what is in the print buffer, or itself."""
    return command == b"\n" or command[:3] == RASTER


def is_blank(slip: bytes) -> bool:
    """Whether nothing stands on it: no character and no picture."""
    while slip and (taken := first_command(slip)):
        slip = slip[len(taken) :]
        if taken[:3] == RASTER or taken[0] > 0x20:
            return False
    return True


def _length_of_character(lead: int) -> int:
    return 2 if 0x81 <= lead <= 0x9F or 0xE0 <= lead <= 0xFC else 1


def lines(slip: bytes) -> Iterator[RollLine]:
    """The printed lines, as a printer in Shift_JIS mode with the Japanese character set shows them.

    Raises ValueError if the slip prints before it chose Shift_JIS: a real printer would print garbage.
    """
    printed, scale, centred, shift_jis = "", 1, False, False
    while slip:
        taken = first_command(slip)
        slip = slip[len(taken) :] if taken else b""
        match taken[:2], taken[2:]:
            case (b"\x1b@", _):
                scale, centred, shift_jis = 1, False, False
            case (b"\x1cC", mode):
                shift_jis = mode in (b"\x01", b"1")
            case (b"\x1d!", size):
                scale = 2 if size == b"\x11" else 1
            case (b"\x1ba", place):
                centred = place in (b"\x01", b"1")
            case (b"\n", _):
                yield RollLine(printed, scale, centred)
                printed = ""
            case (character, b"") if character[:1] not in (b"\x1b", b"\x1c", b"\x1d"):
                if len(character) == 2 and not shift_jis:
                    raise ValueError("kanji before FS C 1")
                printed += character.decode("cp932").replace("\\", "¥")
            case _:
                pass


def pictures(slip: bytes) -> list[Image.Image]:
    """The raster bands of the slip, those that touch as one picture; ink is white."""
    bands = []
    while slip and (taken := first_command(slip)):
        slip = slip[len(taken) :]
        if taken[:3] == RASTER:
            size = (8 * _across(taken), _down(taken))
            bands.append(Image.frombytes("1", size, taken[RASTER_HEAD:]))
    if not bands:
        return []
    whole = Image.new("1", (bands[0].width, sum(band.height for band in bands)), 0)
    top = 0
    for band in bands:
        whole.paste(band, (0, top))
        top += band.height
    return [whole]


def _across(command: bytes) -> int:
    return int.from_bytes(command[4:6], "little")


def _down(command: bytes) -> int:
    return int.from_bytes(command[6:8], "little")


def text(slip: bytes) -> str:
    """What stands on the slip, line by line."""
    return "\n".join(line.text.rstrip() for line in lines(slip))


def picture(slip: bytes, *, columns: int) -> bytes:
    """The slip on its paper as a PNG: printed dots slightly soft, torn edges, a shadow below."""
    printed = list(lines(slip))
    width = columns * DOTS_PER_COLUMN + 2 * MARGIN
    height = sum(DOTS_PER_LINE * line.scale for line in printed) + 4 * MARGIN
    paper = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(paper)
    y = 2 * MARGIN
    for line in printed:
        _draw_line(draw, line, y, width)
        y += DOTS_PER_LINE * line.scale
    paper = paper.filter(ImageFilter.GaussianBlur(0.4))
    out = io.BytesIO()
    _on_table(paper).save(out, "PNG", optimize=True)
    return out.getvalue()


def _draw_line(draw: ImageDraw.ImageDraw, line: RollLine, y: int, width: int) -> None:
    """Character by character on the printer's grid, as its font has one cell a column."""
    cell = DOTS_PER_COLUMN * line.scale
    font = ImageFont.truetype(FONT, 2 * cell)
    columns = [len(character.encode("cp932", "replace")) for character in line.text.replace("¥", "\\")]
    x = (width - sum(columns) * cell) // 2 if line.centred else MARGIN
    for character, taken in zip(line.text, columns, strict=True):
        middle = x + taken * cell / 2
        draw.text((middle, y + cell), character, font=font, fill=INK, anchor="mm")
        x += taken * cell


def _on_table(paper: Image.Image) -> Image.Image:
    """Lay the paper on a grey ground: a soft shadow and the teeth of the cutter at both ends."""
    teeth = Image.new("L", paper.size, 255)
    cutter = ImageDraw.Draw(teeth)
    uneven = random.Random(7)  # noqa: S311 - the same paper every time
    for edge, inward in ((0, 1), (paper.height - 1, -1)):
        for x in range(0, paper.width, 8):
            depth = uneven.randint(2, 4)
            cutter.polygon([(x, edge), (x + 8, edge), (x + 4, edge + inward * depth)], fill=0)
    border = 24
    size = (paper.width + 2 * border, paper.height + 2 * border)
    table = Image.new("RGB", size, (226, 229, 232))
    shadow = Image.new("L", size, 0)
    shadow.paste(teeth.point(lambda level: level // 3), (border + 3, border + 6))
    table.paste((90, 95, 105), mask=shadow.filter(ImageFilter.GaussianBlur(7)))
    table.paste(paper, (border, border), teeth)
    return table

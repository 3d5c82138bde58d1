"""Pictures of seals: 1-bit PNG at 600 dpi, as they are printed 1:1.

印影 of residents are round (25 mm, the largest a 条例 allows), the city's 公印 is square (24 mm).
"""

import io
from functools import cache
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

DPI = 600
SEAL_MM = 25
CITY_SEAL_MM = 24
GOTHIC = "/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf"
MINCHO = "/usr/share/fonts/truetype/ipamj/ipamjm.ttf"

_BLACK, _WHITE = 0, 255


def personal_seal(family_name: str) -> bytes:
    """A round seal with the name from top to bottom."""
    picture, draw, edge = _paper(SEAL_MM)
    draw.ellipse((4, 4, edge - 5, edge - 5), outline=_BLACK, width=18)
    cells = _grid(family_name, columns=1, box=(edge * 0.24, edge * 0.12, edge * 0.76, edge * 0.88))
    _engrave(picture, cells, MINCHO)
    return _png(picture)


def city_seal(title: str) -> bytes:
    """A square seal, columns from right to left, such as 渋川市長之印."""
    picture, draw, edge = _paper(CITY_SEAL_MM)
    draw.rectangle((0, 0, edge - 1, edge - 1), outline=_BLACK, width=26)
    margin = edge * 0.09
    cells = _grid(title, columns=2, box=(margin, margin, edge - margin, edge - margin))
    _engrave(picture, cells, GOTHIC)
    return _png(picture)


_Box = tuple[float, float, float, float]


def _paper(millimetres: int) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    edge = round(millimetres / 25.4 * DPI)
    picture = Image.new("L", (edge, edge), _WHITE)
    return picture, ImageDraw.Draw(picture), edge


def _grid(text: str, columns: int, box: _Box) -> list[tuple[str, _Box]]:
    """One box for each character, top to bottom, then right to left."""
    left, top, right, bottom = box
    rows = -(-len(text) // columns)
    edges_x = [left + (right - left) * n / columns for n in range(columns + 1)]
    edges_y = [top + (bottom - top) * n / rows for n in range(rows + 1)]
    boxes = [(x0, y0, x1, y1) for x0, x1 in reversed(list(pairwise(edges_x))) for y0, y1 in pairwise(edges_y)]
    return list(zip(text, boxes, strict=False))


def _engrave(picture: Image.Image, cells: list[tuple[str, _Box]], font: str) -> None:
    for character, (left, top, right, bottom) in cells:
        size = (round((right - left) * 0.9), round((bottom - top) * 0.9))
        glyph = _glyph(character, font).resize(size, Image.Resampling.LANCZOS)
        picture.paste(
            _BLACK,
            (round((left + right - size[0]) / 2), round((top + bottom - size[1]) / 2)),
            glyph,
        )


def _glyph(character: str, font: str) -> Image.Image:
    """The character's ink cropped to its edges, as a mask."""
    mask = Image.new("L", (600, 600), 0)
    ImageDraw.Draw(mask).text(
        (100, 60), character, font=_font(font), fill=255, stroke_width=8, stroke_fill=255
    )
    return mask.crop(mask.getbbox())


@cache
def _font(path: str) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, 380)


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.point(lambda grey: 255 if grey > 127 else 0).convert("1").save(
        out, "PNG", dpi=(DPI, DPI), optimize=True
    )
    return out.getvalue()

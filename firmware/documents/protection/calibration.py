"""The sheet that a new model of printer is set up with: every screen of the けん制文字, side by side.

Print it as the kiosk prints (no scaling, no toner saving, no smoothing of edges), look at it from half a
metre, and write the name of the patch whose word is seen least into `void_screen`, the printer's model into
`void_screen_calibrated_for`.
Copy it once: the word must show.
"""

import numpy as np

from firmware.documents.paper import PIXEL_MM, Align, Box, Paper
from firmware.documents.protection.detection import lines, plates
from firmware.documents.protection.places import IMAGE_PIXELS, bitmap, glyph, on_pixels
from firmware.documents.protection.void import SCREENS, WORD, dots
from firmware.documents.settings import DocumentSettings
from firmware.documents.sheet import LEFT, WIDTH

_PATCH = (1260, 900)
_CHARACTER = 600
_LEFT, _TOP = 354, 945
_PITCH = (1470, 1010)
_RULER_MM = 100.0
_WAYS = (
    "拡大縮小・トナー節約・輪郭補正なしで印刷し、「複写」が最も見えない記号を void_screen に書きます。",
    "次にこの用紙を複写し、選んだ記号の「複写」がはっきり現れることを確かめます。下の線は正しく100mmです。",
)


def calibration_sheet(settings: DocumentSettings) -> bytes:
    """The sheet as a PDF of one page. Raises ConfigError for a font that cannot be used."""
    paper = Paper("けん制文字 印刷調整シート", settings)
    paper.value(Box(LEFT, 8, WIDTH, 8), "けん制文字　印刷調整シート", Align.CENTRE, largest_points=16)
    for at, way in enumerate(_WAYS):
        paper.label(Box(LEFT, 18 + 5 * at, WIDTH, 5), way, Align.LEFT, points=7)
    paper.rule(LEFT, 32, LEFT + _RULER_MM, 32, heavy=True)
    for end in (LEFT, LEFT + _RULER_MM):
        paper.rule(end, 30.5, end, 33.5, heavy=True)
    for at, screen in enumerate(SCREENS.values()):
        row, column = at % 5, at // 5
        left, top = _LEFT + column * _PITCH[0], _TOP + row * _PITCH[1]
        letters = np.zeros(_PATCH[::-1], bool)
        word = glyph(WORD, _CHARACTER, settings.label_fonts[0], 9)
        y, x = (_PATCH[1] - word.shape[0]) // 2, (_PATCH[0] - word.shape[1]) // 2
        letters[y : y + word.shape[0], x : x + word.shape[1]] = word
        paper.stamp(bitmap(dots(screen, letters)), on_pixels(left, top, *_PATCH))
        place = Box(left * PIXEL_MM, top * PIXEL_MM - 4.2, 20, 4.2)
        paper.label(place, screen.name, Align.LEFT, points=8)
    _image(paper, settings)
    paper.next_page()
    return paper.finish()


def _image(paper: Paper, settings: DocumentSettings) -> None:
    """The detection image as this printer is set, and a line of microtext."""
    box = on_pixels(_LEFT, _TOP + 5 * _PITCH[1] - 60, IMAGE_PIXELS, IMAGE_PIXELS)
    font = settings.label_fonts[0]
    if settings.detection_image == "infrared":
        black, colours = plates(font)
        paper.ink(bitmap(colours), box, (1, 1, 1, 0))
        paper.ink(bitmap(black), box, (0, 0, 0, 1))
    else:
        paper.stamp(bitmap(lines(font)), box)
    note = Box(box.right + 4, box.top + 6, WIDTH - box.width - 4, 5)
    paper.label(note, "偽造防止検出画像と微細文字（下の線はルーペで読める数字です）", Align.LEFT, points=7)
    paper.microtext(note.left, note.bottom + 3, LEFT + WIDTH, "0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ")

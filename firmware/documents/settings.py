"""What differs between municipalities and machines on the printed page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from firmware.documents.form import Form


@dataclass(frozen=True, slots=True, eq=False)
class DocumentSettings:
    """Fonts in order of preference, sizes of type in points, and the municipality's forms.

    value_fonts: what the municipality wrote, with all characters of names; gaiji_fonts: fonts whose
    private-use characters are those the municipality means, e.g. 行政事務標準文字; label_fonts: the form.
    smallest_points: no value of a record is set in smaller type, nor narrower than 80 % of it.
    limits: most characters of a field by its name in the protocol, see `limits.FIELDS`.
    void_screen: dots of the けん制文字 by their name on the calibration sheet.
    detection_image: as the printer can have it.
    """

    value_fonts: tuple[Path, ...] = (
        Path("/usr/share/fonts/truetype/ipamj/ipamjm.ttf"),
        Path("/usr/share/fonts/truetype/gentiumplus/GentiumPlus-Regular.ttf"),
    )
    label_fonts: tuple[Path, ...] = (Path("/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf"),)
    gaiji_fonts: tuple[Path, ...] = ()
    largest_points: float = 10.5
    smallest_points: float = 7.0
    form: Form = field(default_factory=Form)
    void_screen: str = "A5"
    detection_image: Literal["lines", "infrared"] = "lines"
    limits: Mapping[str, int] = field(default_factory=dict)

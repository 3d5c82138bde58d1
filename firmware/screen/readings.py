"""What a voice is given to read, so that it says what is shown. Pure.

The voices read a time of day digit by digit, count sheets in the numbers of arithmetic, and take 方 and 紙
for other words. Each rule stands for what one of them was heard to say in its manifest.
"""

import re
from collections.abc import Callable, Mapping

Rule = tuple[str, str | Callable[[re.Match[str]], str]]

_FULL_HOUR, _TIME = r"(?<!\d)(\d{1,2}):00(?!\d)", r"(?<!\d)(\d{1,2}):0?(\d{1,2})(?!\d)"

_KOREAN_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_KOREAN_TENS = ("", "열", "스물", "서른")
_PORTUGUESE = {
    1: "uma",
    2: "duas",
    21: "vinte e uma",
    22: "vinte e duas",
    31: "trinta e uma",
    32: "trinta e duas",
}
_KOREAN_HOURS = 12
"""Hours are counted in Korean words up to here, from 13 in Chinese ones."""


def spoken(text: str, language: str) -> str:
    """The text as the voice of this language reads it right."""
    for pattern, said in _RULES.get(language, ()):
        text = re.sub(pattern, said, text)
    return text


def _korean(found: re.Match[str]) -> str:
    """한, 두, … 서른여섯 before what is counted."""
    tens, ones = divmod(int(found[1]), 10)
    if not 0 < int(found[1]) < len(_KOREAN_TENS) * 10:
        return found[0]
    word = "스무" if (tens, ones) == (2, 0) else _KOREAN_TENS[tens] + _KOREAN_ONES[ones]
    return f"{word} {found[2]}"


def _korean_hour(found: re.Match[str]) -> str:
    return _korean(found) if int(found[1]) <= _KOREAN_HOURS else found[0]


def _feminine(found: re.Match[str]) -> str:
    """uma, duas before a feminine noun."""
    return f"{_PORTUGUESE.get(int(found[1]), found[1])} {found[2]}"


_JAPANESE: tuple[Rule, ...] = (
    (_FULL_HOUR, r"\1時"),
    (_TIME, r"\1時\2分"),
    ("〜", "から"),
    (r"(?<!\d)1日", "ついたち"),
    (r"(?<!\d)0時", "れいじ"),
    (r"(?<!\d)0分", "れいふん"),
)
_RULES: Mapping[str, tuple[Rule, ...]] = {
    "ja": (*_JAPANESE, ("(?<=[のなる])方(?=[はもへ])", "かた"), ("(?<=：)紙", "かみ")),
    "easy": (
        *_JAPANESE,
        (r"(\d)つう", r"\1通"),
        (r"(\d)かい", r"\1回"),
        ("りょうしゅうしょは", "領収書は"),
    ),
    "en": (
        (r"(\d)–(\d)", r"\1 to \2"),
        (_FULL_HOUR, r"\1 o'clock"),
        (r"^× 1$", "1 copy"),
        (r"^× (\d)$", r"\1 copies"),
    ),
    "zh": (
        (r"（[ぁ-ヿA-Za-z ]+）", ""),
        (_FULL_HOUR, r"\1点"),
        (_TIME, r"\1点\2分"),
        ("～", "到"),
        (r"(?<!\d)2(?=[份张次点分])", "两"),
        (r"([A-Z])(\d)", r"\1 \2"),
    ),
    "ko": (
        (r"(\d:\d\d)~(\d+:\d\d)", r"\1부터 \2까지"),
        (_FULL_HOUR, r"\1시"),
        (_TIME, r"\1시 \2분"),
        (r"(?<!\d)(\d{1,2})(시)(?!스)", _korean_hour),
        (r"(?<!\d)(\d{1,2})(통|장|가지|자리|번(?= ))", _korean),
        (r"(?<!\d)6월", "유월"),
        (r"(?<!\d)10월", "시월"),
    ),
    "pt": (
        (r"(\d)–(\d)", r"\1 até \2"),
        (_FULL_HOUR, r"\1 horas"),
        (_TIME, r"\1 horas e \2 minutos"),
        (r"^× (\d)$", r"\1 cópias"),
        (r"^1 cópias$", "1 cópia"),
        (r"(?<!\d)(\d{1,2}) (folhas?|cópias?|horas?)", _feminine),
    ),
    "vi": (
        (r"(\d)–(\d)", r"\1 đến \2"),
        (_FULL_HOUR, r"\1 giờ"),
        (_TIME, r"\1 giờ \2 phút"),
        (r"^× (\d)$", r"\1 bản"),
    ),
}

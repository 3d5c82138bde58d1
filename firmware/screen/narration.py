"""What is said of a picture. Pure: from the picture to sentences; which file says them is elsewhere.

Over the loudspeaker only what anyone in the store may hear: what to do now, and what was left behind.
Everything else, the choices and the confirmation too, by earphone alone. Of the PIN nothing is said: each
digit has the same tone (EN 301 549, 5.1.3.8 and 5.1.3.9).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from firmware.core.screens import ScreenId
from firmware.screen.readings import spoken

Picture = Mapping[str, Any]

_PUBLIC = frozenset(
    screen.value
    for screen in (
        ScreenId.PRESENT_CARD,
        ScreenId.PIN,
        ScreenId.TAKE_CARD,
        ScreenId.COINS,
        ScreenId.PRINTING,
        ScreenId.TAKE_ALL,
        ScreenId.THANKS,
        ScreenId.STOP,
        ScreenId.GO_ON,
    )
)
"""Screens whose headline tells nothing of the person."""

_YEN = {"en": "yen", "pt": "ienes"}
_READING = re.compile(r"[\u3400-\u9fff\uf900-\ufaff々]+《([^》]+)》")
_NUMBER = re.compile(r"^[0-9A-Z]{2,}(-[0-9A-Z]+)+$")


@dataclass(frozen=True, slots=True)
class Narration:
    """Sentences in the order in which they are said. tone: a digit of the PIN was typed."""

    public: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    tone: bool = False


def narrate(picture: Picture, before: Picture | None) -> Narration:
    """What to say now that this picture stands instead of the one before."""
    language = str(picture["language"])
    if before is not None and _same(picture, before):
        said = tuple(_changed(picture, before))
        typed = picture["pin_digits"] is not None and picture["pin_digits"] > (before["pin_digits"] or 0)
        alarm = (picture["alarm_text"],) if picture["alarm"] and not before["alarm"] else ()
        return Narration(_spoken(alarm, language), _spoken(said, language), typed)
    public = [picture["alarm_text"]] if picture["alarm"] else []
    if picture["screen"] in _PUBLIC:
        public.append(picture["headline"])
    private = [] if picture["screen"] in _PUBLIC else [picture["headline"]]
    return Narration(_spoken(public, language), _spoken((*private, *_details(picture)), language))


def speakable(text: str, language: str) -> str:
    """As a voice should read it: readings for kanji, no thousands' commas, the currency behind the number.

    And what else a voice would get wrong, see readings.
    """
    text = _READING.sub(r"\1", text)
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    if language in _YEN:
        text = re.sub(r"¥(\d+)", rf"\1 {_YEN[language]}", text)
    return " ".join(spoken(text, language).split())


def _same(picture: Picture, before: Picture) -> bool:
    same = all(picture[part] == before[part] for part in ("screen", "reason", "headline", "language"))
    return same and _offered(picture) == _offered(before)


def _offered(picture: Picture) -> list[tuple[str, str]]:
    """Who stands on this page of a list: another page is told whole."""
    if picture["screen"] == ScreenId.CONFIRM.value:
        return [(label, value) for label, value, *_ in picture["rows"]]
    if picture["screen"] != ScreenId.CHOOSE_MEMBERS.value:
        return []
    return [(choice["label"], choice["more"]) for choice in picture["choices"]]


def _changed(picture: Picture, before: Picture) -> Iterator[str]:
    if picture["money"] is not None and picture["money"] != before["money"]:
        yield money(picture["money"])
    for now, then in zip(picture["choices"], before["choices"], strict=False):
        if now["selected"] != then["selected"]:
            yield from (now["label"], now["more"], now["state_label"])
    for item, was in zip(picture["checklist"], before["checklist"], strict=False):
        if item != was:
            yield from (item["label"], item["state_label"])


def _details(picture: Picture) -> Iterator[str]:
    if picture["money"] is not None:
        yield money(picture["money"])
        yield picture["money"]["exact_text"]
    yield from picture["heard"] or picture["lines"]
    for choice in picture["choices"]:
        yield from (choice["key"], choice["label"], choice["more"])
        yield from (choice["state_label"], choice["fee_text"])
    for label, value, *parts in picture["rows"]:
        if picture["screen"] == ScreenId.OUT_OF_SERVICE.value and not any(map(str.isdigit, value)):
            continue  # what is to be refilled is for staff, who see
        yield label
        yield from parts[0] if parts else value if _NUMBER.match(value) else (value,)
    for item in picture["checklist"]:
        yield from (item["label"], item["state_label"])
    yield picture["note"]
    yield picture["heard_only"]
    for key in picture["keys"].values():
        if key["enabled"]:
            yield from (key["name"], key["label"])


def money(amount: Picture) -> str:
    """あと 200 円, as one sentence."""
    return " ".join(part for part in (amount["before"], amount["amount"], amount["after"]) if part)


def _spoken(texts: Iterable[str], language: str) -> tuple[str, ...]:
    return tuple(speakable(text, language) for text in texts if text.strip(" -"))

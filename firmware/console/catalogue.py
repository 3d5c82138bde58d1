"""What every event of the log means and what to do, by event id or by the code on the screen."""

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Final

import msgspec

from firmware.core.terms import Language
from firmware.errors import ConsoleError
from firmware.logbook import EventId

SCREEN_CODES: Final = {
    "T1": ("state-entered",),
    "D1": ("door-shut",),
}
"""Events that tell of a code and are not shown with it: something left behind, a door shut again."""


class Meaning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """en, ja: what happened. do_en, do_ja: what to do. codes: shown on the screen to staff."""

    en: str
    do_en: str
    ja: str
    do_ja: str
    codes: tuple[str, ...] = ()

    def in_language(self, language: Language) -> tuple[str, str]:
        """What happened, and what to do."""
        return (self.ja, self.do_ja) if language is Language.JA else (self.en, self.do_en)


@cache
def catalogue() -> dict[EventId, Meaning]:
    """Every event of the code with its meaning, in the code's order."""
    text = resources.files("firmware.console").joinpath("events.toml").read_text(encoding="utf-8")
    known = {event.value for event in EventId}
    told = {name: meaning for name, meaning in tomllib.loads(text).items() if name in known}
    said = msgspec.convert(told, dict[EventId, Meaning])
    return {event: said[event] for event in EventId}


def events_of(word: str) -> tuple[EventId, ...]:
    """The event with this id, or those behind a code of the screen. Raises ConsoleError for neither."""
    code = word.upper()
    found = tuple(
        event
        for event, meaning in catalogue().items()
        if event.value == word or code in meaning.codes or event.value in SCREEN_CODES.get(code, ())
    )
    if not found:
        raise ConsoleError("no event and no code of the screen: {word}", word=word[:40])
    return found


def explain(word: str, language: Language) -> Iterator[str]:
    """What an event id or a code of the screen means. Raises ConsoleError for neither."""
    for event in events_of(word):
        meaning = catalogue()[event]
        happened, to_do = meaning.in_language(language)
        yield f"{event.value}{''.join(f' [{code}]' for code in meaning.codes)}"
        yield f"  {happened}"
        yield f"  -> {to_do}"


def markdown() -> Iterator[str]:
    """The whole catalogue as a document."""
    yield "# Events of the log 記録一覧"
    yield ""
    yield "Made from the code by `madoguchi events --markdown`; a test holds it against the code."
    yield "Codes are those that the screen shows to staff: 画面の符号から引ける。"
    yield ""
    yield "| event | code | meaning | what to do | 意味 | 対処 |"
    yield "|---|---|---|---|---|---|"
    for event, said in catalogue().items():
        codes = " ".join(said.codes)
        yield f"| `{event.value}` | {codes} | {said.en} | {said.do_en} | {said.ja} | {said.do_ja} |"

"""What staff are told at the console, in their language: `sayings.toml` holds each sentence in Japanese."""

import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import resources

import msgspec

from firmware.core.terms import Language
from firmware.core.wording import Say, Sentence


class Saying(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sentence. en: as the code has it, with {names}. ja: the same names, in any order."""

    en: str
    ja: str


@cache
def sayings() -> dict[str, Saying]:
    """Every sentence by its English text."""
    text = resources.files("firmware.console").joinpath("sayings.toml").read_text(encoding="utf-8")
    listed = msgspec.convert(tomllib.loads(text)["say"], list[Saying])
    return {one.en: one for one in listed}


def in_japanese(sentence: Sentence) -> str:
    """A sentence that the file does not have stays English: a technician is better served than by nothing."""
    saying = sayings().get(sentence.text)
    return sentence.rendered(sentence.text if saying is None else saying.ja, in_japanese)


def say_in(language: Language) -> Say:
    """How to say a sentence in this language; anything but Japanese is English."""
    return in_japanese if language is Language.JA else str


def language_of(environment: Mapping[str, str]) -> Language:
    """Japanese on a terminal that says so and takes UTF-8, else ASCII English."""
    said = next((environment[key] for key in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(key)), "")
    takes_utf8 = "utf-8" in said.lower() or "utf8" in said.lower()
    return Language.JA if said.startswith("ja") and takes_utf8 else Language.EN


def width(text: str) -> int:
    """Columns of a terminal: a Japanese character takes two. Source: Unicode Annex 11, East Asian Width."""
    return sum(2 if unicodedata.east_asian_width(one) in {"W", "F"} else 1 for one in text)


def left(text: object, columns: int) -> str:
    """Filled up with spaces behind."""
    said = str(text)
    return said + " " * (columns - width(said))


def right(text: object, columns: int) -> str:
    """Filled up with spaces before."""
    said = str(text)
    return " " * (columns - width(said)) + said


def cut(text: str, columns: int) -> str:
    """At most so many columns of it."""
    while width(text) > columns:
        text = text[:-1]
    return text

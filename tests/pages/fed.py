"""The kiosk's page, fed with pictures of the storyboard: real texts, real page, a clock that stands still."""

from collections import Counter
from pathlib import Path

from firmware.core.terms import Aid, Language
from firmware.screen.texts import Texts
from tests.unit.test_screen_storyboard import AMOUNTS, MESSAGES, NAMES, STORYBOARD, name_of

FED = """window.EventSource = class extends EventTarget {
  constructor() {
    super();
    window.feed = (picture) =>
      this.dispatchEvent(new MessageEvent("screen", { data: JSON.stringify(picture) }));
  }
  close() {}
};
"""
"""Stands in for the event stream: the page draws what a test feeds it, at once."""

STILL = """performance.now = () => 0;
window.setInterval = () => 0;
"""
"""No second passes: the time that is left stays as it was fed, however slow the machine."""

FAULTS = Path(__file__).with_name("screen_faults.js").read_text(encoding="utf-8")
"""A JavaScript function that looks at pictures as a person would."""

Fed = dict[str, object]
"""name: of the picture, unique; picture: what the daemon would send."""


def texts() -> Texts:
    """The texts of the storyboard, in every language."""
    return Texts.load(MESSAGES, NAMES, AMOUNTS)


def fed_pictures(texts: Texts, language: Language, aids: frozenset[Aid] = frozenset()) -> list[Fed]:
    """The whole storyboard as the daemon would send it."""
    return [
        {
            "name": name,
            "picture": texts.snapshot(screen, language, aids)
            | {
                "seq": number,
                "boot": "",
                "remaining_ms": None if screen.seconds is None else int(screen.seconds * 1000),
                "ready_ms": None if screen.ready_seconds is None else int(screen.ready_seconds * 1000),
                "silence_ms": 600_000,
            },
        }
        for number, (name, screen) in enumerate(zip(names(), STORYBOARD, strict=True))
    ]


def names() -> list[str]:
    """Of every picture of the storyboard; a second one of the same name has a number."""
    met: Counter[str] = Counter()
    found = []
    for screen in STORYBOARD:
        name = name_of(screen)
        met[name] += 1
        found.append(name if met[name] == 1 else f"{name}.{met[name]}")
    return found

"""Keys that mean nothing to the screen steer the voice; an earphone in its socket asks for it."""

from types import SimpleNamespace
from typing import Any

import pytest

from firmware.core.facts import Facts
from firmware.core.screens import Choice, Screen, ScreenId
from firmware.core.terms import Aid, KeypadKey, Language, VisitId
from firmware.shell.daemon import Daemon
from firmware.shell.tray_watch import TrayWatch

COPIES = Screen(ScreenId.CHOOSE_COPIES, choices=(Choice(2, "choice.copies"), Choice(4, "choice.copies")))
COINS, IDLE = Screen(ScreenId.COINS), Screen(ScreenId.IDLE)


def daemon() -> tuple[Daemon, list[KeypadKey], list[frozenset[Aid]]]:
    """Only what a daemon needs to show a screen."""
    keys: list[KeypadKey] = []
    shown: list[frozenset[Aid]] = []
    parts: Any = SimpleNamespace(
        voice_key=keys.append,
        next_person=lambda: None,
        show=lambda _screen, _language, aids: shown.append(aids),
        devices=SimpleNamespace(panel=SimpleNamespace(light=lambda _place: None)),
    )
    bare = Daemon.__new__(Daemon)
    bare._parts, bare._language, bare._screen = parts, Language.JA, None
    bare._aids, bare._plugged = frozenset(), False
    bare._tray = TrayWatch(lambda *_, **__: None)
    bare._slot = SimpleNamespace(look=lambda: None)  # type: ignore[assignment]
    bare._found_paper = SimpleNamespace(look=lambda **_: None)  # type: ignore[assignment]
    bare.runner = SimpleNamespace(facts=Facts(VisitId("1")))  # type: ignore[assignment]
    return bare, keys, shown


@pytest.mark.parametrize(
    ("screen", "told"), [(COINS, "02468"), (COPIES, "068"), (IDLE, "")], ids=["coins", "copies", "idle"]
)
def test_only_digits_without_a_meaning_of_their_own_reach_the_voice(screen: Screen, told: str) -> None:
    kiosk, keys, _ = daemon()
    kiosk._show(screen)
    kiosk._spare_key(KeypadKey.DIGIT_0)
    assert [] == keys, "nobody has asked for the voice"
    kiosk._adapt(Aid.VOICE)
    for key in ("0", "2", "4", "6", "8", "confirm"):
        kiosk._spare_key(KeypadKey(key))
    assert list(told) == [key.value for key in keys]


def test_an_earphone_in_its_socket_asks_for_the_voice_until_it_is_pulled_out() -> None:
    kiosk, _, shown = daemon()
    kiosk._plug(True)
    for screen in (COINS, IDLE, COINS):
        kiosk._show(screen)
        assert frozenset({Aid.VOICE}) == shown[-1]
    kiosk._plug(False)
    assert frozenset() == shown[-1]

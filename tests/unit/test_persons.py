"""Persons of all kinds before the engine: one who only hears, and many who press whatever they like."""

import random
import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from firmware.core import states as s
from firmware.core.money import ledger
from firmware.core.orders import Alarm
from firmware.core.screens import ScreenId
from firmware.core.terms import Language, Subjects
from firmware.screen.speaker import Speaker
from tests.unit.engine_world import Machine, nothing_lies_there
from tests.unit.test_voice import TEXTS, EveryClip, Mouth

KEYS = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "correct", "cancel", "confirm")
WORDS = {
    Language.JA: {
        "some": ["住民票の写し", "世帯の一部", "夫か妻", "1通"],
        "told": ("5人のうち", "1人", "のせる人", "夫か妻"),
        "goals": ["住民票の写し", "世帯の全員", "世帯主・続柄", "2通"],
        "confirm": "確定",
        "card": "青い台に置いて",
        "pin": "暗証番号を、キーで",
        "coin": "硬貨を入れて",
        "more": r"^あと \d+ 円$",
        "take card": "カードをお取り",
        "take paper": r"証明書を2枚お取り",
        "take change": r"おつり400円をお取り",
        "end": "ありがとうございました",
        "all": ("住民票の写し", "世帯の全員", "2通", "600円", "支払いへ"),
    },
    Language.EN: {
        "some": ["Residence record", "Some members", "Husband or wife", "1 copy"],
        "told": ("Of 5 members,", "1 chosen", "Members", "Husband or wife"),
        "goals": ["Residence record", "Whole household", "Head and relation", "2 copies"],
        "confirm": "Enter",
        "card": "on the blue reader",
        "pin": "Enter your 4-digit PIN",
        "coin": "Insert coins",
        "more": r"^\d+ yen to go$",
        "take card": "Take your My Number Card",
        "take paper": "Take your 2 sheets",
        "take change": "Take your 400 yen change",
        "end": "Thank you",
        "all": ("Residence record", "Whole household", "600 yen", "Go to payment"),
    },
}


class Listener:
    """Knows the kiosk by ear alone, and acts by what the last sentences told."""

    def __init__(self, language: Language, goals: str = "goals") -> None:
        self.words = WORDS[language]
        self.mouth = Mouth()
        self.speaker = Speaker(EveryClip(), self.mouth, lambda *_, **__: None)
        self.machine = Machine(shown=lambda *shown: self.speaker.tell(TEXTS.snapshot(*shown), *shown[1:]))
        self.goals = list(self.words[goals])
        self.heard_all: list[str] = []
        self.keys: list[str] = []
        self.turn = 0

    def hear(self) -> list[str]:
        said = [text for turn, private in self.mouth.turns[self.turn :] if private for text in turn]
        assert all(private for turn, private in self.mouth.turns[self.turn :] if turn)
        self.turn = len(self.mouth.turns)
        self.heard_all += said
        if self.words["confirm"] in said:
            self.keys = said
        return said

    def act(self) -> None:
        said, words, machine = self.hear(), self.words, self.machine

        def tells(what: str) -> bool:
            return any(re.search(str(words[what]), text) for text in said)

        deeds: tuple[tuple[str, Callable[[], None]], ...] = (
            ("card", machine.lay_card),
            ("take card", lambda: machine.lay_card(lies=False)),
            ("take paper", machine.take_paper),
            ("take change", machine.take_change),
            ("coin", lambda: machine.drop(500)),
            ("more", lambda: machine.drop(500)),
        )
        for before, label in pairwise(said):
            if label in self.goals and before.isdigit():
                self.goals.remove(label)
                return machine.press(before)
        for what, deed in deeds:
            if tells(what):
                return deed()
        if tells("pin"):
            for digit in machine.pin:
                machine.press(digit)
                assert ["tone"] == self.hear()
        assert self.words["confirm"] in self.keys or tells("pin")
        return machine.press("confirm")


@pytest.mark.parametrize("language", list(WORDS))
def test_a_whole_visit_is_made_by_ear_and_keypad_alone(language: Language) -> None:
    listener = Listener(language)
    listener.machine.begin()
    listener.machine.press({Language.JA: "1", Language.EN: "2"}[language])
    listener.turn = len(listener.mouth.turns)
    listener.machine.press("0")
    for _ in range(30):
        if any(str(listener.words["end"]) in text for turn, _ in listener.mouth.turns for text in turn):
            break
        listener.act()
    listener.hear()
    assert str(listener.words["end"]) in listener.heard_all
    assert nothing_lies_there(listener.machine)
    assert [] == listener.goals
    assert set(listener.words["all"]) <= set(listener.heard_all)
    assert not any(listener.machine.pin in text for text in listener.heard_all)
    books = ledger(listener.machine.records)
    assert (1000, 600, 400) == (books.taken_yen, books.fees_yen, books.paid_out_yen)


@pytest.mark.parametrize("language", list(WORDS))
def test_who_only_hears_can_choose_one_member_and_hears_who_was_chosen(language: Language) -> None:
    listener = Listener(language, "some")
    listener.machine.begin()
    listener.machine.press({Language.JA: "1", Language.EN: "2"}[language])
    listener.turn = len(listener.mouth.turns)
    listener.machine.press("0")
    for _ in range(30):
        if isinstance(state := listener.machine.state, s.CollectingCoins):
            break
        listener.act()
    listener.hear()
    assert [] == listener.goals
    assert isinstance(state, s.CollectingCoins)
    assert (Subjects.MEMBERS, (2,)) == (state.purchase.subjects, state.purchase.members)
    heard = listener.heard_all
    assert list(listener.words["told"]) in [heard[at : at + 4] for at in range(len(heard))]


def test_what_was_left_behind_is_said_aloud_also_to_someone_who_listens_alone() -> None:
    listener = Listener(Language.JA)
    listener.machine.begin()
    listener.machine.press("0")
    listener.speaker.sound(Alarm.ALARM)
    assert "alarm-1" == listener.mouth.turns[-1][0][0]
    assert not listener.mouth.turns[-1][1]


class Masher:
    """Presses, lays down, takes and throws in at random; then walks away with what is theirs."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - no secret
        self.machine = Machine()
        self.machine.begin()

    def act(self) -> None:
        chance, machine = self.chance, self.machine
        deed = chance.choices(
            (
                lambda: machine.press(chance.choice(KEYS)),
                self.type_pin,
                lambda: machine.press("confirm"),
                lambda: machine.lay_card(lies=chance.random() < 0.5),
                lambda: machine.drop(chance.choice((100, 500))),
                machine.wait,
                machine.take_paper,
                machine.take_change,
            ),
            weights=(50, 8, 12, 8, 14, 2, 3, 3),
        )
        deed[0]()

    def type_pin(self) -> None:
        for key in (*self.machine.pin, "confirm"):
            self.machine.press(key)

    def walk_away(self) -> int:
        """Takes everything and waits; how many time-outs it took until the start screen."""
        machine = self.machine
        for waits in range(40):
            machine.lay_card(lies=False)
            machine.take_paper()
            machine.take_change()
            if isinstance(machine.state, s.Idle):
                return waits
            assert machine.wait(), f"{type(machine.state).__name__} waits for ever"
        raise AssertionError(f"{type(machine.state).__name__} does not end")


def test_500_who_press_any_keys_never_reach_a_dead_end_and_lose_no_yen() -> None:
    seen: set[ScreenId] = set()
    for seed in range(500):
        masher = Masher(seed)
        for _ in range(80):
            masher.act()
            screen = masher.machine.screen
            seen.add(screen.id)
            leads_on = screen.legend.cancel or screen.legend.confirm or screen.place or screen.seconds
            assert leads_on, f"seed {seed}: {screen.id.value} offers nothing"
        masher.walk_away()
        assert nothing_lies_there(masher.machine)
        books = ledger(masher.machine.records)
        assert books.faults() == ()
        assert 0 == books.held_yen, f"seed {seed}"
    assert {ScreenId.PIN_WRONG, ScreenId.CONFIRM, ScreenId.COINS, ScreenId.TAKE_ALL, ScreenId.ENDED} <= seen

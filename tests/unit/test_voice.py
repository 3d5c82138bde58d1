"""The voice: what is said of each picture and to whom, and that each prompt is a file that sounds right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware.core.orders import Alarm
from firmware.core.screens import Screen, ScreenId
from firmware.core.terms import Aid, KeypadKey, Language
from firmware.errors import ConfigError
from firmware.logbook import EventId, FieldValue
from firmware.screen.clips import ALARMS, MANIFEST, SPEECH_DBFS, Clip, Clips
from firmware.screen.narration import narrate, speakable
from firmware.screen.prompts import prompts
from firmware.screen.render_voice import PEAK, RATE, read, render
from firmware.screen.speaker import Speaker
from firmware.screen.texts import Texts
from tests.unit.test_screen_storyboard import AMOUNTS, COINS, MESSAGES, NAMES, PIN, ROWS, STORYBOARD, name_of

TEXTS = Texts.load(MESSAGES, NAMES, AMOUNTS)
SAMPLES = [
    (Language.JA, "4けたの暗証番号を、キーで押してください"),
    (Language.JA, "手数料は300円です。"),
    (Language.EASY, "かみを 2まい とって ください"),
    (Language.EN, "Enter your 4-digit PIN on the keypad"),
    (Language.ZH, "请用按键输入4位密码"),
    (Language.KO, "4자리 비밀번호를 키로 눌러 주세요"),
    (Language.PT, "Digite a senha de 4 dígitos no teclado"),
    (Language.VI, "Hãy bấm mã PIN 4 số trên bàn phím"),
]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Clip]]:
    directory = tmp_path_factory.mktemp("voice")
    return directory, render(SAMPLES, directory)


class Mouth:
    """A voice that keeps what it was asked to say."""

    def __init__(self) -> None:
        self.turns: list[tuple[tuple[str, ...], bool]] = []
        self.manner = (0.0, 1.0)

    def play(self, clips: object, *, private: bool = False, gain_db: float = 0.0, rate: float = 1.0) -> None:
        self.manner = (gain_db, rate)
        assert isinstance(clips, list | tuple)
        self.turns.append((tuple(Path(clip).name for clip in clips), private))

    async def close(self) -> None:
        self.turns.append(((), False))


class EveryClip(Clips):
    """A file named by its text, for every text."""

    def __init__(self) -> None:
        super().__init__(Path(), [])

    def speech(self, _language: Language, text: str) -> Path | None:
        return Path(text.replace("/", " "))

    def sound(self, name: str) -> Path | None:
        return Path(name)


def speaker() -> tuple[Speaker, Mouth]:
    def write(_event: EventId, /, **_fields: FieldValue) -> None:
        raise AssertionError("every clip is there")

    mouth = Mouth()
    return Speaker(EveryClip(), mouth, write), mouth


@pytest.mark.parametrize("language", Language)
def test_every_sentence_of_every_picture_is_among_the_prompts(language: Language) -> None:
    known = set(prompts(TEXTS, language, fees_yen=[300], coins_yen=[50, 500], most_copies=9))
    silent = [
        f"{name_of(screen)}: {text}"
        for screen in STORYBOARD
        for said in (narrate(TEXTS.snapshot(screen, language), None),)
        for text in (*said.public, *said.private)
        if text not in known
    ]
    assert not silent


@pytest.mark.parametrize("language", Language)
def test_the_loudspeaker_tells_nothing_of_the_person(language: Language) -> None:
    told = {
        ScreenId.CONFIRM,
        ScreenId.CHOOSE_KIND,
        ScreenId.CHOOSE_SUBJECTS,
        ScreenId.CHOOSE_MEMBERS,
        ScreenId.CHOOSE_ITEMS,
        ScreenId.ENDED,
    }
    for screen in STORYBOARD:
        said = narrate(TEXTS.snapshot(replace(screen, alarm=False), language), None)
        assert len(said.public) <= 1
        assert screen.id not in told or not said.public


@pytest.mark.parametrize("language", Language)
def test_typing_the_pin_sounds_the_same_tone_for_every_digit_and_says_nothing(language: Language) -> None:
    loud, mouth = speaker()
    for digits in range(5):
        loud.tell(TEXTS.snapshot(replace(PIN, pin_digits=digits), language), language, frozenset({Aid.VOICE}))
    assert [(("tone",), True)] * 4 == mouth.turns[1:]


def test_without_an_earphone_whoever_asks_for_the_voice_hears_what_everybody_hears() -> None:
    mouth = Mouth()
    loud = Speaker(EveryClip(), mouth, lambda *_, **__: None, earphone=False)
    for screen in STORYBOARD:
        loud.tell(TEXTS.snapshot(screen, Language.JA), Language.JA, frozenset({Aid.VOICE}))
    assert not any(private for _, private in mouth.turns)


def test_the_confirmation_is_said_by_earphone_whole() -> None:
    screen = next(screen for screen in STORYBOARD if screen.rows == ROWS)
    loud, mouth = speaker()
    loud.tell(TEXTS.snapshot(screen, Language.JA), Language.JA, frozenset({Aid.VOICE}))
    [(said, private)] = mouth.turns
    assert private
    shown = (
        "住民票の写し",
        "世帯の全員",
        "世帯主・続柄・本籍・筆頭者",
        "2通",
        "600円",
        "取消",
        "やめる",
        "支払いへ",
    )
    assert set(shown) <= set(said)


def test_a_member_is_told_with_its_key_a_switch_alone_and_another_page_whole() -> None:
    loud, mouth = speaker()
    first, second = [screen for screen in STORYBOARD if screen.id is ScreenId.CHOOSE_MEMBERS][:2]
    changed = (*first.choices[:3], replace(first.choices[3], selected=True), *first.choices[4:])
    for screen in (first, replace(first, choices=changed), second):
        loud.tell(TEXTS.snapshot(screen, Language.JA), Language.JA, frozenset({Aid.VOICE}))
    whole, switch, another = (said for said, _ in mouth.turns)
    assert "4 子の夫か妻 1人目 のせない" in " ".join(whole)
    assert ("子の夫か妻", "1人目", "のせる") == switch
    assert ("1", "世帯主", "のせる") == another[another.index("1") :][:3]


def test_after_a_coin_only_what_is_still_to_pay_is_said() -> None:
    loud, mouth = speaker()
    for paid_yen in (0, 100):
        picture = TEXTS.snapshot(replace(COINS, fee_yen=300, paid_yen=paid_yen), Language.JA)
        loud.tell(picture, Language.JA, frozenset({Aid.VOICE}))
    assert (("あと 200 円",), True) == mouth.turns[-1]


def test_keys_repeat_and_make_it_louder_softer_faster_and_slower_until_the_next_person() -> None:
    loud, mouth = speaker()
    picture = TEXTS.snapshot(COINS, Language.JA)
    loud.tell(picture, Language.JA, frozenset({Aid.VOICE}))
    first = mouth.turns[-1]
    heard = []
    for digit in "02228888664":
        loud.key(KeypadKey(digit))
        assert first == mouth.turns[-1]
        heard.append(mouth.manner)
    gains = [gain for gain, _ in heard[:8]]
    assert [0, 6, 6, 6, 0, -6, -12, -12] == gains
    assert 18 == max(gains) - min(gains)
    assert [1.25, 1.5, 1.25] == [rate for _, rate in heard[8:]]
    turns = len(mouth.turns)
    loud.key(KeypadKey.CONFIRM)
    assert turns == len(mouth.turns)
    loud.next_person()
    loud.key(KeypadKey.DIGIT_0)
    assert (0.0, 1.0) == mouth.manner


def test_keys_say_nothing_again_over_the_loudspeaker() -> None:
    loud, mouth = speaker()
    loud.key(KeypadKey.DIGIT_0)
    loud.tell(TEXTS.snapshot(COINS, Language.JA), Language.JA, frozenset())
    turns = len(mouth.turns)
    loud.key(KeypadKey.DIGIT_0)
    assert turns == len(mouth.turns)


def test_an_earphone_pulled_out_ends_what_is_said_to_it_and_nothing_private_follows() -> None:
    mouth = Mouth()
    loud = Speaker(EveryClip(), mouth, lambda *_, **__: None)
    loud.plug(False)
    aids = frozenset({Aid.VOICE})
    loud.tell(TEXTS.snapshot(COINS, Language.JA), Language.JA, aids)
    assert not any(private for _, private in mouth.turns), "nothing is plugged in"
    loud.plug(True)
    loud.tell(TEXTS.snapshot(replace(COINS, paid_yen=100), Language.JA), Language.JA, aids)
    assert mouth.turns[-1][1]
    loud.plug(False)
    assert ((), False) == mouth.turns[-1]
    loud.tell(TEXTS.snapshot(replace(COINS, paid_yen=200), Language.JA), Language.JA, aids)
    assert not mouth.turns[-1][1]


def test_while_nobody_knows_of_the_earphone_whoever_asks_for_the_voice_gets_it_by_earphone_alone() -> None:
    """As on a machine whose socket tells nothing: a fault of the switch takes nobody's voice away."""
    loud, mouth = speaker()
    loud.plug(True)
    loud.tell(TEXTS.snapshot(COINS, Language.JA), Language.JA, frozenset({Aid.VOICE}))
    loud.plug(None)
    assert ((), False) == mouth.turns[-1], "it may have been pulled out with it"
    loud.tell(TEXTS.snapshot(replace(COINS, paid_yen=100), Language.JA), Language.JA, frozenset({Aid.VOICE}))
    assert mouth.turns[-1][1]
    loud.key(KeypadKey.DIGIT_0)
    assert mouth.turns[-1][1]


def test_the_next_screen_cuts_short_what_is_being_said() -> None:
    loud, mouth = speaker()
    loud.tell(TEXTS.snapshot(PIN, Language.JA), Language.JA, frozenset())
    loud.tell(TEXTS.snapshot(Screen(ScreenId.CHECKING), Language.JA), Language.JA, frozenset())
    assert ((), False) == mouth.turns[-1]


def test_the_sample_of_a_test_is_the_chime_and_the_headline_that_stands_there() -> None:
    loud, _ = speaker()
    assert [Path("chime")] == list(loud.sample())
    loud.tell(TEXTS.snapshot(PIN, Language.EN), Language.EN, frozenset())
    assert [Path("chime"), Path("Enter your 4-digit PIN on the keypad")] == list(loud.sample())


def test_alarms_grow_until_what_was_left_is_taken_and_begin_anew_after_it() -> None:
    loud, mouth = speaker()
    left = next(screen for screen in STORYBOARD if screen.id is ScreenId.TAKE_CARD and screen.alarm)
    for screen in (left, replace(left, alarm=False), left):
        loud.tell(TEXTS.snapshot(screen, Language.JA), Language.JA, frozenset())
        for _ in range(ALARMS + 1) if screen is left else ():
            loud.sound(Alarm.ALARM)
    heard = [said[0] for said, _ in mouth.turns if said and said[0].startswith("alarm")]
    assert ["alarm-1", "alarm-2", "alarm-3", "alarm-4", "alarm-4"] * 2 == heard
    assert all(
        "カードが残っています" in said for said, _ in mouth.turns if said and said[0].startswith("alarm")
    )


def test_a_reading_a_comma_and_a_currency_are_said_as_words() -> None:
    assert "かみを 2まい とって ください" == speakable("紙《かみ》を 2枚《まい》 とって ください", "easy")
    assert "あと 1200 円" == speakable("あと 1,200 円", "ja")
    assert "Insert exactly 1200 yen." == speakable("Insert exactly ¥1,200.", "en")


def test_every_file_has_sound_of_the_right_length_and_loudness(rendered: tuple[Path, list[Clip]]) -> None:
    directory, clips = rendered
    spoken = [clip for clip in clips if clip.language]
    assert [(language.value, text) for language, text in SAMPLES] == [
        (clip.language, clip.text) for clip in spoken
    ]
    for clip in spoken:
        sound = read(directory / clip.file)
        assert clip.seconds == pytest.approx(len(sound) / RATE, abs=0.001)
        assert 0.05 < clip.seconds / len(clip.text) < 0.45, clip.text
        assert clip.loudness_dbfs == pytest.approx(SPEECH_DBFS, abs=1.0), clip.text
        assert np.abs(sound).max() <= PEAK + 0.001
        assert clip.reading


def test_japanese_is_read_as_it_should_be(rendered: tuple[Path, list[Clip]]) -> None:
    readings = {clip.text: clip.reading for clip in rendered[1]}
    assert "アンショー" in readings[SAMPLES[0][1]] or "アンショウ" in readings[SAMPLES[0][1]]
    assert "サンビャクエン" in readings[SAMPLES[1][1]]


def test_the_alarms_grow_by_steps_and_stay_below_what_old_ears_lose(
    rendered: tuple[Path, list[Clip]],
) -> None:
    directory, clips = rendered
    alarms = [next(clip for clip in clips if clip.text == f"alarm-{level}") for level in range(1, ALARMS + 1)]
    steps = np.diff([clip.loudness_dbfs for clip in alarms])
    assert all(step == pytest.approx(5.0, abs=0.3) for step in steps)
    for clip in clips:
        if not clip.language:
            power = np.abs(np.fft.rfft(read(directory / clip.file))) ** 2
            assert power[int(2500 * len(power) * 2 / RATE) :].sum() < 0.01 * power.sum(), clip.text


def test_the_same_texts_give_the_same_files(rendered: tuple[Path, list[Clip]], tmp_path: Path) -> None:
    again = {clip.text: clip.sha256 for clip in render(SAMPLES[:1] + SAMPLES[3:4], tmp_path)}
    assert all(clip.sha256 == again[clip.text] for clip in rendered[1] if clip.text in again)


def test_a_manifest_that_is_missing_or_names_a_missing_file_is_told(
    rendered: tuple[Path, list[Clip]], tmp_path: Path
) -> None:
    assert [] == Clips.read(rendered[0]).altered()
    with pytest.raises(ConfigError, match=r"voice\.clips: .*manifest\.json"):
        Clips.read(tmp_path)
    (tmp_path / MANIFEST).write_bytes((rendered[0] / MANIFEST).read_bytes())
    with pytest.raises(ConfigError, match="of the manifest is missing"):
        Clips.read(tmp_path)

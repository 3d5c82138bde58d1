"""What the voices are given to read: each line was heard wrong once, in the manifest of what they said."""

from dataclasses import replace
from pathlib import Path

import pytest

from firmware.core.screens import CheckItem, ItemState, Screen, ScreenId
from firmware.core.terms import Language
from firmware.screen.clips import Clips
from firmware.screen.narration import narrate, speakable
from firmware.screen.prompts import prompts
from firmware.screen.render_voice import render
from tests.unit.test_screen_storyboard import COINS
from tests.unit.test_voice import TEXTS


@pytest.mark.parametrize(
    ("language", "shown", "read"),
    [
        ("ja", "使える時間は 6:30〜23:00 です。", "使える時間は 6時30分から23時 です。"),
        ("ja", "10:05", "10時5分"),
        ("ja", "お急ぎの方は、市民課へ", "お急ぎのかたは、市民課へ"),
        ("ja", "手数料が無料になる方も", "手数料が無料になるかたも"),
        ("ja", "お店の人へ：紙が全部", "お店の人へ：かみが全部"),
        ("ja", "1日", "ついたち"),
        ("ja", "11日", "11日"),
        ("ja", "0分ごろから", "れいふんごろから"),
        ("ja", "20分ごろから", "20分ごろから"),
        ("easy", "1通《つう》", "1通"),
        ("easy", "あと2回《かい》 まちがえると", "あと2回 まちがえると"),
        ("easy", "領収書《りょうしゅうしょ》は でません", "領収書は でません"),
        ("en", "Open 6:30–23:00.", "Open 6:30 to 23 o'clock."),
        ("en", "× 2", "2 copies"),
        ("zh", "服务时间 6:30～23:00。", "服务时间 6点30分到23点。"),
        ("zh", "个人编号（My Number）", "个人编号"),
        ("zh", "个人编号卡（マイナンバーカード）", "个人编号卡"),
        ("zh", "证明书 2张", "证明书 两张"),
        ("zh", "证明书 12张", "证明书 12张"),
        ("ko", "이용 시간은 6:30~23:00입니다.", "이용 시간은 여섯 시 30분부터 23시까지입니다."),
        ("ko", "증명서 2장", "증명서 두 장"),
        ("ko", "증명서 20장", "증명서 스무 장"),
        ("ko", "증명서 36장", "증명서 서른여섯 장"),
        ("ko", "1통", "한 통"),
        ("ko", "4자리 비밀번호", "네 자리 비밀번호"),
        ("ko", "2번은 크게, 8번은 작게", "2번은 크게, 8번은 작게"),
        ("ko", "15세 이상", "15세 이상"),
        ("ko", "6월", "유월"),
        ("pt", "Pegue 2 folhas", "Pegue duas folhas"),
        ("pt", "Pegue 32 folhas", "Pegue trinta e duas folhas"),
        ("pt", "Pegue 12 folhas", "Pegue 12 folhas"),
        ("pt", "× 1", "uma cópia"),
        ("pt", "das 6:30 às 23:00", "das 6 horas e 30 minutos às 23 horas"),
        ("vi", "Mở cửa 6:30–23:00.", "Mở cửa 6 giờ 30 phút đến 23 giờ."),
        ("vi", "× 2", "2 bản"),
    ],
)
def test_what_a_voice_would_read_wrong_is_written_as_it_is_said(language: str, shown: str, read: str) -> None:
    assert read == speakable(shown, language)


@pytest.mark.parametrize("language", Language)
def test_every_sum_of_every_coin_is_a_prompt(language: Language) -> None:
    """Also of 10 and 50 yen, where a city takes them."""
    known = set(prompts(TEXTS, language, fees_yen=[300], coins_yen=[10, 50, 100, 500], most_copies=9))
    screens = [replace(COINS, fee_yen=2700, paid_yen=paid) for paid in range(0, 3200, 10)]
    screens += [
        Screen(ScreenId.PAYING_OUT, "refund", numbers=(("refund_yen", yen),)) for yen in range(10, 3200, 10)
    ]
    for yen in range(10, 500, 10):
        change = CheckItem("check.change", yen, ItemState.NOW)
        screens.append(
            Screen(ScreenId.TAKE_ALL, "change", numbers=(("change_yen", yen),), checklist=(change,))
        )
    silent = {
        text
        for screen in screens
        for said in (narrate(TEXTS.snapshot(screen, language), None),)
        for text in (*said.public, *said.private)
        if text not in known
    }
    assert set() == silent


@pytest.mark.parametrize("language", Language)
def test_every_moment_at_which_the_kiosk_opens_again_is_said(language: Language) -> None:
    known = set(prompts(TEXTS, language, fees_yen=[300], coins_yen=[100, 500], most_copies=9))
    silent = set()
    for minute in range(60):
        month, day, hour = minute % 12 + 1, minute % 31 + 1, minute % 24
        until = (("until_month", month), ("until_day", day), ("until_hour", hour), ("until_minute", minute))
        for reason in ("maintenance_until", "paused"):
            said = narrate(TEXTS.snapshot(Screen(ScreenId.CLOSED, reason, numbers=until), language), None)
            told = " ".join(said.private)
            assert str(hour) in told or hour in {*range(13), 21, 22}
            silent |= set(said.private) - known
    assert set() == silent


def test_a_missing_an_altered_and_a_silent_prompt_are_told(tmp_path: Path) -> None:
    prompts = [(Language.ZH, "请按键"), (Language.JA, "6時30分から")]
    clips = Clips(tmp_path, render(prompts, tmp_path))
    assert [] == list(clips.faults(prompts))
    chinese, japanese = (clips.by_text[language.value, text] for language, text in prompts)
    assert "(en)" not in chinese.reading
    assert "ロクジサンジュップンカラ" in japanese.reading.replace("’", "")
    (tmp_path / chinese.file).write_bytes(b"")
    clips.by_text = {
        **clips.by_text,
        ("ja", "6時30分から"): type(japanese)("ja", "静か", "", japanese.file, 0.1, -60.0, japanese.sha256),
    }
    found = list(clips.faults([*prompts, (Language.EN, "Hello")]))
    assert [
        "en: no file says 'Hello'",
        f"{chinese.file} is not as the manifest says",
        f"{japanese.file}: nothing was heard of '静か'",
        f"{japanese.file}: -60.0 dBFS, expected -20.0: '静か'",
        f"{japanese.file}: 0.1 s long: '静か'",
    ] == found

"""The texts: faults in the files are named when loaded, and a snapshot says what the screen means."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from firmware.core.screens import CheckItem, Choice, ItemState, Legend, Place, Row, Screen, ScreenId
from firmware.core.terms import CertificateKind, Language
from firmware.errors import ConfigError
from firmware.screen.catalogue import Catalogue, Count, differences
from firmware.screen.texts import Texts
from tests.unit.test_screen_storyboard import AMOUNTS, COINS, MESSAGES, NAMES, PIN, STORYBOARD

Edit = Callable[[str, str, str], Path]


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Texts.load(MESSAGES, NAMES, AMOUNTS)


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    """Copies the messages and replaces a text in one file of the copy."""
    shutil.copytree(MESSAGES, tmp_path, dirs_exist_ok=True)

    def edited(name: str, old: str, new: str) -> Path:
        path = tmp_path / name
        before = path.read_text(encoding="utf-8")
        assert old in before
        path.write_text(before.replace(old, new, 1), encoding="utf-8")
        return tmp_path

    return edited


def test_all_languages_have_the_same_ids_and_placeholders() -> None:
    first, *others = (Catalogue.read(MESSAGES / f"{language.value}.toml") for language in Language)
    assert [found for other in others for found in differences(first, other)] == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('inkan = "印鑑登録証明書"', "", "ja.toml: kind.inkan is missing"),
        ('coin = "硬貨の入口"', "", "ja.toml: place.coin is missing"),
        (
            "{city}に住民登録がある",
            "{town}に住民登録がある",
            "ja.toml: screen.idle.note: nobody fills {town}",
        ),
        ('title = "暗証番号"', 'titel = "暗証番号"', "ja.toml: screen.pin.titel is unknown"),
        ("[screen.thanks]", "[screen.thank]", "ja.toml: screen.thanks.title is missing"),
        ("[alarm]", "[alerts]", "ja.toml: alerts.card is unknown"),
        ("{until_minute:02}", "{until_minute:02", "ja.toml: screen.closed.maintenance_until.lines: "),
        ("あと{tries_left}回", "あと{tries_left.real}回", "{tries_left.real} is not a plain placeholder"),
        ("あと{tries_left}回", "あと{tries_left!r}回", "{tries_left} is not a plain placeholder"),
        ('taken = "取りました"', "taken = 3", "ja.toml: legend.taken must be a text or a list of texts"),
        ('taken = "取りました"', "", "ja.toml: legend.taken is missing"),
        ("あと{tries_left}回", "あと少し", "screen.pin.last_try.note differs in placeholders: tries_left"),
        ('taken = "取りました"', 'taken = ["取りました"]', "legend.taken is a list in one language only"),
        ("[key]", "[key", "ja.toml: "),
    ],
)
def test_a_fault_in_a_message_file_is_named(edit: Edit, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Texts.load(edit("ja.toml", old, new), NAMES, AMOUNTS)
    assert message in str(refused.value)


def test_a_missing_language_is_named(edit: Edit) -> None:
    directory = edit("en.toml", "[key]", "[key]")
    (directory / "en.toml").unlink()
    with pytest.raises(ConfigError, match=r"en\.toml"):
        Texts.load(directory, NAMES, AMOUNTS)


def test_a_name_missing_in_the_municipality_profile_is_told_when_loaded() -> None:
    names = {name: text for name, text in NAMES.items() if name != "city.en"}
    with pytest.raises(ConfigError, match=r"en\.toml: .*nobody fills \{city\}"):
        Texts.load(MESSAGES, names, AMOUNTS)


@pytest.mark.parametrize(
    ("screen", "message"),
    [
        (replace(PIN, numbers=()), "screen.pin.note needs a value for {tries_left}"),
        (replace(PIN, legend=Legend(cancel="halt")), "legend.halt is missing"),
        (replace(PIN, choices=(Choice(1, "kind.passport"),)), "kind.passport is missing"),
        (replace(PIN, rows=(Row("row.age", ()),)), "row.age is missing"),
        (
            replace(PIN, checklist=(CheckItem("check.umbrella", 1, ItemState.NOW),)),
            "check.umbrella is missing",
        ),
    ],
)
def test_an_id_or_number_that_a_screen_lacks_is_named(texts: Texts, screen: Screen, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        texts.snapshot(screen, Language.JA)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("template", "count", "expected"),
    [
        ("{0} {0:sheet|sheets}", 1, "1 sheet"),
        ("{0} {0:sheet|sheets}", 2, "2 sheets"),
        ("{0} {0:sheet|sheets}", 0, "0 sheets"),
        ("¥{0:,}", 1200, "¥1,200"),
        ("{0:04}", 42, "0042"),
    ],
)
def test_a_number_chooses_its_words(template: str, count: int, expected: str) -> None:
    assert expected == template.format(Count(count))


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (Language.JA, ("あと", "1,050", "円", "入れた金額 150円", "手数料 1,200円", "")),
        (Language.EN, ("", "¥1,050", "to go", "Inserted ¥150", "Fee ¥1,200", "")),
    ],
)
def test_money_is_worded_and_counted(texts: Texts, language: Language, expected: tuple[str, ...]) -> None:
    money = texts.snapshot(COINS, language)["money"]
    assert isinstance(money, dict)
    words = ("before", "amount", "after", "paid_text", "fee_text", "exact_text")
    assert expected == tuple(money[word] for word in words)
    assert (money["fee"], money["paid"], money["due"]) == (1200, 150, 1050)


@pytest.mark.parametrize(
    ("language", "paid_yen", "expected"),
    [
        (Language.JA, 1200, ("あと", "0", "円")),
        (Language.JA, 1500, ("おつり", "300", "円")),
        (Language.EN, 1500, ("", "¥300", "change")),
    ],
)
def test_overpaid_money_is_never_asked_for_again_and_its_change_is_promised(
    texts: Texts, language: Language, paid_yen: int, expected: tuple[str, ...]
) -> None:
    money = texts.snapshot(replace(COINS, paid_yen=paid_yen), language)["money"]
    assert isinstance(money, dict)
    assert money["due"] == 0
    assert expected == (money["before"], money["amount"], money["after"])


def test_without_change_the_exact_amount_is_asked_for(texts: Texts) -> None:
    money = texts.snapshot(replace(COINS, exact_money_only=True), Language.JA)["money"]
    assert isinstance(money, dict)
    assert money["exact_text"] == "おつりが足りません。1,200円ちょうどを入れてください。"


def test_a_key_without_meaning_is_named_and_disabled(texts: Texts) -> None:
    assert texts.snapshot(PIN, Language.JA)["keys"] == {
        "cancel": {"name": "取消", "label": "やめる", "enabled": True},
        "correct": {"name": "訂正", "label": "1けた消す", "enabled": True},
        "confirm": {"name": "確定", "label": "", "enabled": False},
    }


def test_rows_join_values_and_word_numbers(texts: Texts) -> None:
    rows = (
        Row("row.items", ("items.head_and_relation", "items.registered_domicile")),
        Row("row.items_left_out", ()),
        Row("row.fee", (), number=1200),
    )
    snapshot = texts.snapshot(Screen(ScreenId.CONFIRM, rows=rows), Language.JA)
    assert snapshot["rows"] == [
        ["のせる項目", "世帯主・続柄・本籍・筆頭者"],
        ["のせない項目", "なし"],
        ["手数料", "1,200円"],
    ]


def test_a_switch_says_its_state_and_a_plain_choice_its_fee(texts: Texts) -> None:
    choices = (
        Choice(1, "items.head_and_relation", selected=False),
        Choice(2, "kind.inkan", fee_yen=300),
    )
    snapshot = texts.snapshot(Screen(ScreenId.CHOOSE_ITEMS, choices=choices), Language.EN)["choices"]
    assert isinstance(snapshot, list)
    assert [choice["state_label"] for choice in snapshot] == ["Leave out", ""]
    assert [choice["fee_text"] for choice in snapshot] == ["", "¥300"]
    assert [choice["key"] for choice in snapshot] == ["1", "2"]


def test_an_alarm_names_what_was_left(texts: Texts) -> None:
    screen = Screen(ScreenId.TAKE_CARD, place=Place.CARD, alarm=True)
    assert texts.snapshot(screen, Language.JA)["alarm_text"] == "カードが残っています"
    assert texts.snapshot(replace(screen, place=None), Language.JA)["alarm_text"] == "画面をごらんください"
    assert texts.snapshot(replace(screen, alarm=False), Language.JA)["alarm_text"] == ""


def test_languages_are_offered_on_the_idle_screen_only(texts: Texts) -> None:
    idle = texts.snapshot(Screen(ScreenId.IDLE), Language.EN)["languages"]
    assert idle == [
        {"key": "1", "label": "日本語", "lang": "ja", "selected": False},
        {"key": "2", "label": "English", "lang": "en", "selected": True},
        {"key": "3", "label": "中文", "lang": "zh-Hans", "selected": False},
        {"key": "4", "label": "한국어", "lang": "ko", "selected": False},
        {"key": "5", "label": "Português", "lang": "pt-BR", "selected": False},
        {"key": "6", "label": "Tiếng Việt", "lang": "vi", "selected": False},
        {"key": "7", "label": "やさしい日本語", "lang": "ja", "selected": False},
    ]
    assert texts.snapshot(PIN, Language.EN)["languages"] == []


def test_the_kind_is_told_on_its_screens(texts: Texts) -> None:
    screen = Screen(ScreenId.CHOOSE_COPIES, kind=CertificateKind.SHOTOKU)
    assert texts.snapshot(screen, Language.JA)["kind"] == "所得課税証明書"


@pytest.mark.parametrize("language", Language)
def test_every_snapshot_is_plain_json_without_a_brace_left(texts: Texts, language: Language) -> None:
    for screen in STORYBOARD:
        snapshot = texts.snapshot(screen, language)
        assert snapshot == json.loads(json.dumps(snapshot))
        assert "{" not in "".join([str(snapshot["headline"]), str(snapshot["note"]), str(snapshot["lines"])])

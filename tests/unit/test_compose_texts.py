"""The city's names in each language, as the profile gives them and as they stand in for one another."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from firmware.compose.telling import texts
from firmware.core.screens import Legend, Screen, ScreenId
from firmware.core.terms import Language
from firmware.settings import Settings, load

CONFIG = Path(__file__).parents[2] / "config" / "kiosk.toml"
IDLE = Screen(ScreenId.IDLE, legend=Legend(confirm="start"))
NAMES = {
    Language.JA: "渋川市",
    Language.EN: "Shibukawa City",
    Language.ZH: "涩川市",
    Language.KO: "시부카와시",
    Language.PT: "Shibukawa",
    Language.VI: "thành phố Shibukawa",
    Language.EASY: "渋川市《しぶかわし》",
}


def test_a_machine_without_voice_does_not_offer_it() -> None:
    settings = load(CONFIG)
    assert ["8", "9"] == [switch["key"] for switch in switches(settings)]
    voice = msgspec.structs.replace(settings.file.voice, clips="/clips", earphone="ear")
    speaking = replace(settings, file=msgspec.structs.replace(settings.file, voice=voice))
    assert ["8", "9", "0"] == [switch["key"] for switch in switches(speaking)]


def switches(settings: Settings) -> list[dict[str, object]]:
    offered = texts(settings).snapshot(IDLE, Language.JA)["switches"]
    assert isinstance(offered, list)
    return offered


@pytest.mark.parametrize("language", Language)
def test_the_shipped_profile_names_the_city_and_the_fee_in_each_language(language: Language) -> None:
    picture = texts(load(CONFIG)).snapshot(IDLE, language)
    assert NAMES[language] in str(picture["note"])
    assert "300" in str(picture["lines"])
    assert "{" not in str(picture["lines"])


@pytest.mark.parametrize(
    ("language", "name"), [(Language.VI, "Shibukawa City"), (Language.EASY, "渋川市")], ids=str
)
def test_a_city_that_gives_no_name_in_a_language_is_named_as_in_english_or_japanese(
    language: Language, name: str
) -> None:
    settings = load(CONFIG)
    city = msgspec.structs.replace(settings.city, other={})
    plain = replace(settings, city=city)
    assert name in str(texts(plain).snapshot(IDLE, language)["note"])

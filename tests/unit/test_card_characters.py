"""The library of card characters, and that the bench offers all of it."""

from pathlib import Path

import pytest

from tests.simulators.card.card import Faults, VirtualCard
from tests.simulators.card.characters import BUILT_IN, VARIANTS, load
from tests.simulators.card.personalise import CardIssuer
from tests.simulators.world import OTHER_CARDS

OFFERED = [card["name"] for card in OTHER_CARDS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cards") / "taro"
    CardIssuer().personalise(folder)
    return folder


def test_the_bench_offers_every_character_once() -> None:
    variants = [name.partition("~")[2] for name in OFFERED if "~" in name]
    assert sorted(VARIANTS) == sorted(variants)
    assert sorted(BUILT_IN) == sorted(name for name in OFFERED if "~" not in name)
    assert all(card["title"] and card["note"] for card in OTHER_CARDS)


def played(folder: Path, variant: str = "") -> tuple[VirtualCard, tuple[object, ...]]:
    """The card, and everything by which one variant can differ from another."""
    character, settings = load(folder, variant)
    fixed = (character.kind, character.certificate, character.extended, tuple(map(str, settings.items())))
    tries_left = settings.pop("tries_left", None)
    return VirtualCard(character, Faults(**settings), tries_left), fixed


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_differs_from_the_card_itself_and_answers(folder: Path, variant: str) -> None:
    card, differs = played(folder, variant)
    assert played(folder)[1] != differs
    card.power_on()
    assert card.transmit(bytes.fromhex("00A4040C0AD392F000260100000001"))


def test_an_unknown_variant_is_refused(folder: Path) -> None:
    with pytest.raises(LookupError):
        load(folder, "flying")

"""The municipality refuses: what is private looks the same for everybody (R7)."""

from typing import Any

import pytest

from tests.e2e.clean_log import events, log_entries
from tests.e2e.visitor import Visitor
from tests.municipality import orders
from tests.municipality.scramble import Office, Protected, protect

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRIVATE = (
    "tenshutsu_zumi",
    "tenshutsu_yotei",
    "shien_sochi",
    "shibo_todoke",
    "chokka_moji",
    "tennyu_tojitsu",
    "gaiji_torokuchu",
)
MOVING = {"seq", "boot", "remaining_ms"}


def still(picture: dict[str, Any]) -> dict[str, Any]:
    """What a bystander can see of a picture."""
    return {name: value for name, value in picture.items() if name not in MOVING}


async def test_seven_private_reasons_show_one_and_the_same_screen_and_log(visitor: Visitor) -> None:
    screens, logs = [], []
    for card in PRIVATE:
        visitor.card = card
        log_before = len(log_entries(visitor.world))
        await visitor.walk_to("pin")
        await visitor.type_pin("1234")
        screens.append(still(await visitor.ends_with("go_to_counter")))
        told = [entry["event"] for entry in log_entries(visitor.world)[log_before:]]
        logs.append([event for event in told if event.startswith("municipality")])
        await visitor.leave()
        await visitor.rests()
    assert [screens[0]] * len(PRIVATE) == screens
    assert [logs[0]] * len(PRIVATE) == logs
    visitor.card = "shiken_taro"


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("shiken_jiro", "under_15"),
        ("shigai_juumin", "not_this_municipality"),
        ("shikko_zumi", "certificate_not_accepted"),
    ],
)
async def test_a_reason_that_is_not_private_gets_a_sentence_of_its_own(
    visitor: Visitor, card: str, reason: str
) -> None:
    visitor.card = card
    await visitor.walk_to("pin")
    await visitor.type_pin("1234")
    await visitor.ends_with(reason)


@pytest.mark.parametrize(("card", "kind"), [("shiken_hanayo", "2"), ("shiken_ichiko", "3")])
async def test_a_certificate_one_cannot_have_sends_to_the_counter_without_a_reason(
    visitor: Visitor, card: str, kind: str
) -> None:
    visitor.card = card
    await visitor.walk_to("choose_kind")
    await visitor.touch(kind)
    picture = await visitor.ends_with("go_to_counter")
    assert "この証明書は、ここでは発行できません" == picture["headline"]


async def test_backs_signed_for_another_address_end_the_visit_before_the_coins(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_another(office: Office, contents: dict[str, Any], city_seal: bytes) -> Protected:
        document = contents["document"] | {"address": "群馬県架空市手本町四丁目５番６号"}
        return protect(office, contents | {"document": document}, city_seal)

    monkeypatch.setattr(orders, "protect", of_another)
    visitor.card = "shiken_taro"
    await visitor.walk_to("confirm")
    await visitor.touch("confirm")
    await visitor.ends_with("document_refused")
    assert ["protection-invalid"] == [
        entry["reason"] for entry in events(visitor.world, "document-refused") if "reason" in entry
    ]
    assert [] == visitor.world.printer.jobs()

"""A finished page that does not say what was ordered is found, whatever the layout believes."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from firmware.documents import juminhyo
from firmware.documents.certificate import render
from firmware.documents.era import Era
from firmware.documents.order_check import require_order
from firmware.documents.proof import proofread
from firmware.documents.refusals import DocumentRefused, Reason
from firmware.documents.sealed import Opened
from firmware.documents.settings import DocumentSettings
from tests.pages import samples
from tests.pages.gallery import PAGES

SETTINGS = DocumentSettings()


def fronts(opened: Opened) -> tuple[str, ...]:
    return proofread(render(opened, samples.city_seal(), SETTINGS))[::2]


@pytest.mark.parametrize("name", PAGES)
def test_pages_say_what_was_ordered(name: str) -> None:
    opened = samples.opened(PAGES[name].kind, PAGES[name].document)
    require_order(fronts(opened), opened, SETTINGS.form)


@pytest.mark.parametrize(
    ("hazard", "name", "changes"),
    [
        ("another person's name", "juminhyo-typical", {"head": "渋川　次郎"}),
        ("a variant of the name", "juminhyo-variants", {"head": "渡邊　髙太郎"}),
        ("another address", "inkan-typical", {"address": "群馬県渋川市石原８１番地"}),
        ("a birthday", "inkan-typical", {"birth_date": "1980-05-06"}),
        ("a name", "shotoku-typical", {"name": "渋川　大郎"}),
        ("whole or part", "juminhyo-typical", {"whole_household": False}),
        ("the year of the tax", "shotoku-typical", {"fiscal_year": 2025}),
        ("the year of the income", "shotoku-typical", {"income_year": 2024}),
        ("a yen", "shotoku-typical", {"income": [{"label": "給与収入", "yen": 4_200_001}]}),
    ],
)
def test_a_page_of_something_else_is_never_printed(hazard: str, name: str, changes: dict[str, Any]) -> None:
    page = PAGES[name]
    read = fronts(samples.opened(page.kind, page.document))
    ordered = samples.opened(page.kind, page.document | changes)
    with pytest.raises(DocumentRefused) as refused:
        require_order(read, ordered, SETTINGS.form)
    assert refused.value.reason == Reason.PROOF_FAILED


def test_another_number_and_another_day_are_found() -> None:
    page = PAGES["inkan-typical"]
    read = fronts(samples.opened(page.kind, page.document))
    for changes in ({"number": "10208-20261122-00000002"}, {"issued_on": "2026-11-23"}):
        with pytest.raises(DocumentRefused):
            require_order(read, samples.opened(page.kind, page.document, **changes), SETTINGS.form)


def test_values_in_each_others_places_are_found() -> None:
    person = samples.person(previous_address="群馬県前橋市", former_name="前橋")
    opened = samples.opened("juminhyo", samples.juminhyo([person]))
    swapped = samples.opened(
        "juminhyo", samples.juminhyo([person | {"previous_address": "前橋", "former_name": "群馬県前橋市"}])
    )
    with pytest.raises(DocumentRefused):
        require_order(fronts(swapped), opened, SETTINGS.form)


def test_a_field_that_the_layout_forgets_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = samples.opened("juminhyo", samples.juminhyo([samples.person(former_name="見本")]))
    honest = juminhyo.shown
    with monkeypatch.context() as layout:
        layout.setattr(
            juminhyo,
            "shown",
            lambda person, item, wording: "" if item == "former_name" else honest(person, item, wording),
        )
        read = fronts(opened)
    with pytest.raises(DocumentRefused):
        require_order(read, opened, SETTINGS.form)


def test_a_sheet_too_few_or_in_another_order_is_found() -> None:
    opened = samples.opened(PAGES["juminhyo-many"].kind, PAGES["juminhyo-many"].document)
    read = fronts(opened)
    for wrong in (read[:2], (read[1], read[0], read[2]), (read[0], read[0], read[2])):
        with pytest.raises(DocumentRefused):
            require_order(wrong, opened, SETTINGS.form)


def test_the_profile_changes_words_rows_and_columns_without_code() -> None:
    form = SETTINGS.form
    changed = replace_form(
        form,
        labels=replace_form(form.labels, previous_address="転入前住所"),
        wording=replace_form(form.wording, household_attested="世帯全員の写しである。", omitted="－－－"),
        juminhyo_rows=[form.juminhyo_rows[1], form.juminhyo_rows[0], *form.juminhyo_rows[2:]],
        shotoku_columns=[*reversed(form.shotoku_columns)],
        eras=[*form.eras, Era(name="見本", begins=date(2025, 12, 1))],
    )
    settings = DocumentSettings(form=changed)
    record = samples.opened("juminhyo", samples.juminhyo([samples.person()] * 2))
    read = proofread(render(record, None, settings))[0]
    assert "転入前住所群馬県前橋市" in read
    assert "世帯全員の写しである。" in read
    assert "個人番号－－－" in read
    assert "見本２年１１月２２日" in read
    assert read.index("氏名渋川太郎") < read.index("氏名の振り仮名シブカワ")
    require_order([read], record, changed)
    tax = proofread(render(samples.opened("shotoku", samples.shotoku()), None, settings))[0]
    assert tax.index("課税の内訳") < tax.index("所得控除の内訳") < tax.index("収入・所得の内訳")


def replace_form(part: Any, **changes: Any) -> Any:
    return type(part)(**({name: getattr(part, name) for name in part.__struct_fields__} | changes))


def test_certificates_of_two_copies_are_read_once() -> None:
    opened = samples.opened("inkan", samples.inkan(), copies=3)
    made = render(opened, samples.city_seal(), SETTINGS)
    assert 2 == len(proofread(made))
    with pytest.raises(DocumentRefused):
        proofread(replace(made, sheets=2))

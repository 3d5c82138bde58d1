"""One Screen for every picture of the storyboard, and the proof that each has its texts."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from firmware.console.catalogue import events_of
from firmware.core.screens import CheckItem, Choice, ItemState, Legend, Place, Row, Said, Screen, ScreenId
from firmware.core.terms import CardRefusal, CertificateKind, Language, MemberRole, PrinterSupply, Refusal
from firmware.screen.catalogue import Catalogue
from firmware.screen.texts import Texts

MESSAGES = Path(__file__).parents[2] / "config" / "messages"
NAMES = {
    "city.ja": "渋川市",
    "city.en": "Shibukawa City",
    "city.zh": "涩川市",
    "city.ko": "시부카와시",
    "city.pt": "Shibukawa",
    "city.vi": "thành phố Shibukawa",
    "city.easy": "渋川市《しぶかわし》",
    "counters.zh": "市民课或行政中心",
    "counters.ko": "시민과나 행정센터",
    "counters.pt": "Divisão dos Cidadãos ou centro administrativo",
    "counters.vi": "Phòng Công dân hoặc trung tâm hành chính",
    "counters.easy": "市役所《しやくしょ》",
    "counters.ja": "市役所市民課か行政センター",
    "counters.en": "the Citizens' Division or a branch office",
    "opens": "6:30",
    "closes": "23:00",
}
AMOUNTS = {"fees": (300,), "coins": (100, 500)}

STOP = Legend(cancel="stop")
STOP_AND_BACK = Legend(cancel="stop", correct="back")
END = Legend(confirm="end")

KINDS = tuple(
    Choice(digit, f"kind.{kind.value}", fee_yen=300) for digit, kind in enumerate(CertificateKind, 1)
)
CARD_DONE = CheckItem("check.card", 1, ItemState.DONE)
ROWS = (
    Row("row.kind", ("kind.juminhyo",)),
    Row("row.subjects", ("subjects.household",)),
    Row("row.items", ("items.head_and_relation", "items.registered_domicile")),
    Row("row.items_left_out", ("items.my_number",)),
    Row("row.copies", (), number=2),
    Row("row.fee", (), number=600),
)
FAMILY = ((MemberRole.SELF, 0), (MemberRole.SPOUSE, 0), (MemberRole.CHILD, 1), (MemberRole.CHILD, 2))
RELATIVES = (
    *((role, 0) for role in (MemberRole.HEAD, MemberRole.SELF, MemberRole.GRANDCHILD)),
    *((role, nth) for role in (MemberRole.SPOUSE_PARENT, MemberRole.CHILD_SPOUSE) for nth in (1, 2)),
    *((role, 10) for role in (MemberRole.SIBLING, MemberRole.OTHER)),
)


def member(role: MemberRole, nth: int) -> tuple[Said, ...]:
    said = Said(f"member.{role.value}")
    return (said, Said("members.nth", nth)) if nth else (said,)


def members_screen(
    members: tuple[tuple[MemberRole, int], ...], chosen: int, others: tuple[Choice, ...] = ()
) -> Screen:
    choices = (
        Choice(digit, f"member.{role.value}", selected=digit <= chosen, more=Said("members.nth", nth))
        if nth
        else Choice(digit, f"member.{role.value}", selected=digit <= chosen)
        for digit, (role, nth) in enumerate(members, start=1)
    )
    return Screen(
        ScreenId.CHOOSE_MEMBERS,
        step=3,
        legend=Legend(cancel="stop", correct="back", confirm="next" if chosen else None),
        kind=CertificateKind.JUMINHYO,
        choices=(*choices, *others),
        seconds=120,
    )


def confirmed(count: int, of: int, label: str, told: tuple[tuple[MemberRole, int], ...]) -> tuple[Row, ...]:
    counted = (Said("members.of", of), Said("members.chosen", count))
    return (
        ROWS[0],
        Row("row.subjects", (), parts=(counted,)),
        Row(label, (), parts=tuple(member(*one) for one in told)),
        *ROWS[2:],
    )


PIN = Screen(
    ScreenId.PIN,
    step=2,
    place=Place.KEYPAD,
    legend=Legend(cancel="stop", correct="delete_digit"),
    numbers=(("tries_left", 3),),
    pin_digits=2,
    seconds=60,
)
PIN_WRONG = Screen(
    ScreenId.PIN_WRONG,
    step=2,
    legend=Legend(cancel="stop", confirm="retry"),
    place=Place.KEYPAD,
    numbers=(("tries_left", 2),),
    error=True,
    seconds=60,
)
TAKE_CARD = Screen(ScreenId.TAKE_CARD, step=2, place=Place.CARD, legend=STOP, seconds=60)
COINS = Screen(
    ScreenId.COINS,
    step=4,
    place=Place.COIN,
    legend=Legend(cancel="refund"),
    kind=CertificateKind.JUMINHYO,
    fee_yen=1200,
    paid_yen=150,
    seconds=120,
)
PRINTING = Screen(ScreenId.PRINTING, step=5, place=Place.PAPER, pages_out=1, pages=4, ready_seconds=33.0)
ENDED = Screen(ScreenId.ENDED, legend=END, error=True, seconds=30)
ATTEND = Screen(ScreenId.ATTEND, rows=(Row("row.number", (), text="0042-ABCD"),), error=True)
CLOSED = Screen(ScreenId.CLOSED)
MAINTENANCE_ENDS = (("until_month", 1), ("until_day", 5), ("until_hour", 6), ("until_minute", 30))

DEVICES = (
    "card_reader keypad coin_acceptor hopper coin_fault printer paper toner receipt_printer door municipality"
    " clock journal left_behind"
).split()
ENDINGS = (
    "go_to_counter cancelled timed_out not_a_my_number_card juki_card smartphone no_certificate"
    " certificate_expired certificate_not_yet_valid certificate_not_accepted unreadable pin_locked"
    " pin_uncertain under_15 not_this_municipality outside_hours municipality_down printer_not_ready"
    " no_change document_refused coin_fault door_opened paper_left print_failed print_defect"
    " power_cut no_card driving_licence"
    " residence_card felica bank_card several_cards moved reader_fault too_few_sheets"
).split()

SUPPLIES = tuple(f"supply.{supply.value}" for supply in PrinterSupply)
NO_RECEIPTS = "supply.receipt-printer"

STORYBOARD = (
    Screen(ScreenId.IDLE, place=Place.CARD, legend=Legend(confirm="start")),
    Screen(ScreenId.IDLE, "supplies", place=Place.CARD, legend=Legend(confirm="start")),
    CLOSED,
    replace(CLOSED, reason="hours"),
    replace(CLOSED, reason="maintenance"),
    replace(CLOSED, reason="maintenance_until", numbers=MAINTENANCE_ENDS),
    replace(CLOSED, reason="slowed"),
    replace(CLOSED, reason="paused", numbers=(("until_hour", 14), ("until_minute", 5))),
    Screen(ScreenId.OUT_OF_SERVICE, error=True),
    *(Screen(ScreenId.OUT_OF_SERVICE, reason=device, error=True) for device in DEVICES),
    *(
        Screen(ScreenId.OUT_OF_SERVICE, reason="door", rows=(Row("row.supplies", low),), error=True)
        for low in (SUPPLIES[:2], (*SUPPLIES[2:4], "supply.receipt-paper-low"), (SUPPLIES[4], NO_RECEIPTS))
    ),
    Screen(
        ScreenId.OUT_OF_SERVICE,
        reason="journal_money",
        rows=(Row("row.held", (), number=300), Row("row.number", (), text="0042-ABCD")),
        error=True,
        alarm=True,
    ),
    Screen(ScreenId.NOTICE, step=1, legend=Legend(cancel="stop", confirm="agree"), seconds=90),
    Screen(ScreenId.PRESENT_CARD, step=2, place=Place.CARD, legend=STOP, seconds=60),
    Screen(ScreenId.READING_CARD, step=2, place=Place.CARD),
    PIN,
    replace(PIN, reason="last_try", numbers=(("tries_left", 1),), pin_digits=0),
    replace(PIN, pin_digits=4, legend=Legend(cancel="stop", correct="delete_digit", confirm="next")),
    PIN_WRONG,
    replace(PIN_WRONG, reason="last_try", numbers=(("tries_left", 1),)),
    Screen(ScreenId.CHECKING, step=2),
    TAKE_CARD,
    replace(TAKE_CARD, reason="ended", step=None),
    replace(TAKE_CARD, alarm=True),
    Screen(ScreenId.CHOOSE_KIND, step=3, legend=STOP, choices=KINDS, seconds=90),
    Screen(
        ScreenId.CHOOSE_SUBJECTS,
        step=3,
        legend=STOP_AND_BACK,
        kind=CertificateKind.JUMINHYO,
        choices=(
            Choice(1, "subjects.self"),
            Choice(2, "subjects.household"),
            Choice(3, "subjects.members"),
        ),
        seconds=90,
    ),
    members_screen(RELATIVES[2:], 0),
    members_screen(RELATIVES, 4),
    members_screen(RELATIVES[1:], 4, (Choice(0, "choice.others"),)),
    members_screen(FAMILY, 2),
    *(
        Screen(
            ScreenId.CONFIRM,
            step=3,
            legend=Legend(cancel="stop", correct="change", confirm="pay"),
            rows=confirmed(*chosen),
            seconds=120,
        )
        for chosen in (
            (5, 45, "row.members", RELATIVES[3:8]),
            (40, 45, "row.members_left_out", RELATIVES[4:]),
            (2, 4, "row.members", FAMILY[2:]),
        )
    ),
    Screen(
        ScreenId.CHOOSE_ITEMS,
        step=3,
        legend=Legend(cancel="stop", correct="back", confirm="next"),
        kind=CertificateKind.JUMINHYO,
        choices=(
            Choice(1, "items.head_and_relation", selected=True),
            Choice(2, "items.registered_domicile", selected=False),
            Choice(3, "items.my_number", selected=False),
        ),
        seconds=120,
    ),
    Screen(
        ScreenId.CHOOSE_COPIES,
        step=3,
        legend=STOP_AND_BACK,
        kind=CertificateKind.SHOTOKU,
        choices=tuple(Choice(copies, "choice.copies", fee_yen=copies * 300) for copies in range(1, 10)),
        seconds=60,
    ),
    Screen(
        ScreenId.CONFIRM,
        step=3,
        legend=Legend(cancel="stop", correct="change", confirm="pay"),
        rows=ROWS,
        seconds=120,
    ),
    Screen(
        ScreenId.CONFIRM,
        reason="no_receipt",
        step=3,
        legend=Legend(cancel="stop", correct="change", confirm="pay_no_receipt"),
        rows=ROWS,
        seconds=120,
    ),
    Screen(ScreenId.PREPARING, step=3, legend=STOP),
    COINS,
    replace(COINS, reason="no_receipt"),
    replace(
        COINS,
        reason="paid_no_receipt",
        place=Place.KEYPAD,
        legend=Legend(cancel="refund", confirm="print"),
        paid_yen=1500,
    ),
    replace(COINS, exact_money_only=True),
    replace(
        COINS,
        reason="paid",
        place=Place.KEYPAD,
        legend=Legend(cancel="refund", confirm="print"),
        numbers=(("change_yen", 300),),
        paid_yen=1500,
    ),
    replace(COINS, reason="rejected", place=Place.CHANGE),
    *(
        Screen(
            screen,
            reason,
            step=4 if reason else 3,
            legend=Legend(cancel=cancel, confirm=confirm),
            numbers=(("refund_yen", 1100),),
            seconds=seconds,
        )
        for screen, cancel, confirm, seconds in (
            (ScreenId.STOP, "go_on", "stop", 30),
            (ScreenId.GO_ON, "stop", "go_on", 20),
        )
        for reason in ("", "money")
    ),
    Screen(ScreenId.CLOSING_COINS, step=4),
    Screen(ScreenId.COMMITTING, step=4),
    PRINTING,
    replace(PRINTING, pages_out=5, pages=36),
    Screen(ScreenId.PAYING_OUT, step=5, place=Place.CHANGE),
    Screen(ScreenId.PAYING_OUT, "change", 5, Place.CHANGE, numbers=(("change_yen", 200),)),
    Screen(ScreenId.PAYING_OUT, "refund", 4, Place.CHANGE, numbers=(("refund_yen", 1200),)),
    Screen(ScreenId.TAKE_ALL, step=5),
    Screen(
        ScreenId.TAKE_ALL,
        reason="paper",
        step=5,
        place=Place.PAPER,
        legend=Legend(confirm="taken"),
        numbers=(("sheets", 2),),
        checklist=(
            CARD_DONE,
            CheckItem("check.certificate", 2, ItemState.NOW),
            CheckItem("check.change", 200, ItemState.NEXT),
            CheckItem("check.receipt", 1, ItemState.NEXT),
        ),
        alarm=True,
    ),
    Screen(
        ScreenId.TAKE_ALL,
        reason="change",
        step=5,
        place=Place.CHANGE,
        legend=Legend(confirm="taken"),
        numbers=(("change_yen", 200),),
        checklist=(
            CARD_DONE,
            CheckItem("check.certificate", 1, ItemState.DONE),
            CheckItem("check.change", 200, ItemState.NOW),
            CheckItem("check.receipt", 1, ItemState.NOW),
        ),
        seconds=60,
    ),
    Screen(
        ScreenId.TAKE_ALL,
        reason="paper",
        step=5,
        place=Place.PAPER,
        numbers=(("sheets", 2),),
        rows=(Row("row.owed", (), number=400), Row("row.claim_number", (), text="0042-ABCD")),
        checklist=(
            CARD_DONE,
            CheckItem("check.certificate", 2, ItemState.NOW),
            CheckItem("check.change", 200, ItemState.NEXT),
            CheckItem("check.receipt", 1, ItemState.NEXT),
        ),
    ),
    Screen(
        ScreenId.TAKE_ALL,
        reason="paper_no_receipt",
        step=5,
        place=Place.PAPER,
        numbers=(("sheets", 2),),
        checklist=(
            CARD_DONE,
            CheckItem("check.certificate", 2, ItemState.NOW),
            CheckItem("check.change", 200, ItemState.NEXT),
        ),
    ),
    Screen(
        ScreenId.TAKE_ALL,
        reason="change_no_receipt",
        step=5,
        place=Place.CHANGE,
        numbers=(("change_yen", 200),),
        checklist=(
            CARD_DONE,
            CheckItem("check.certificate", 2, ItemState.DONE),
            CheckItem("check.change", 200, ItemState.NOW),
        ),
    ),
    Screen(
        ScreenId.TAKE_ALL,
        reason="card",
        step=5,
        place=Place.CARD,
        numbers=(("sheets", 2),),
        checklist=(
            CheckItem("check.card", 1, ItemState.NOW),
            CheckItem("check.certificate", 2, ItemState.NOW),
            CheckItem("check.receipt", 1, ItemState.NOW),
        ),
    ),
    Screen(ScreenId.THANKS, legend=END, seconds=10),
    Screen(ScreenId.THANKS, "no_receipt", legend=END, seconds=10),
    Screen(ScreenId.THANKS, "reprinted", legend=Legend(correct="call_staff", confirm="end"), seconds=10),
    *(
        Screen(
            ScreenId.TAKE_ALL,
            reason=reason,
            step=5,
            place=place,
            legend=Legend(correct="call_staff"),
            numbers=(("sheets", 2),),
            checklist=(CARD_DONE, CheckItem("check.certificate", 2, ItemState.NOW)),
        )
        for reason, place in (("paper_reprinted", Place.PAPER), ("change_reprinted", Place.CHANGE))
    ),
    ENDED,
    *(replace(ENDED, reason=ending) for ending in ENDINGS),
    replace(ENDED, reason="unreadable", place=Place.CARD, alarm=True),
    replace(
        ENDED,
        reason="cancelled",
        place=Place.CHANGE,
        rows=(Row("row.refunded", (), number=1200),),
        error=False,
        alarm=True,
    ),
    replace(
        ENDED,
        reason="print_failed",
        rows=(
            Row("row.refunded", (), number=500),
            Row("row.owed", (), number=700),
            Row("row.claim_number", (), text="0042-ABCD"),
        ),
    ),
    replace(
        ENDED,
        reason="print_failed",
        rows=(Row("row.owed", (), number=700), Row("row.write_down", (), text="0042-ABCD")),
    ),
    ATTEND,
    replace(
        ATTEND,
        reason="print_unknown",
        place=Place.PAPER,
        legend=Legend(cancel="staff_not_printed", confirm="staff_printed"),
    ),
    replace(ATTEND, reason="print_waits", place=Place.PAPER, legend=Legend()),
    *(
        replace(
            ATTEND,
            reason=f"{about}_{how}",
            place=Place.PAPER,
            legend=Legend(cancel=back, confirm=kept),
            choices=(Choice(1, "choice.reprint"),) if how == "admitted" else (),
        )
        for about, back, kept in (
            ("print_unknown", "staff_not_printed", "staff_printed"),
            ("defect", "staff_refund", "staff_fine"),
        )
        for how in ("admitted", "refused")
    ),
    replace(ATTEND, reason="defect", place=Place.PAPER, legend=Legend(correct="staff_code"), alarm=True),
    *(
        Screen(
            ScreenId.STAFF_CODE,
            reason=reason,
            place=Place.KEYPAD,
            legend=Legend(cancel="staff_leave", correct="delete_digit" if digits else None),
            rows=(Row("row.number", (), text="20261122-00000001"),),
            pin_digits=digits,
            error=bool(reason),
            seconds=60,
        )
        for reason, digits in (("", 3), ("wrong", 0))
    ),
    *(Screen(ScreenId.STAFF_CHECKING, reason=reason) for reason in ("code", "reprint")),
    Screen(ScreenId.STAFF_CHECKING),
    Screen(ScreenId.STAFF_CODE, pin_digits=0),
    replace(
        ATTEND,
        reason="printer_dead",
        place=Place.PAPER,
        legend=Legend(),
        choices=(Choice(2, "choice.printer_off"),),
    ),
    replace(
        ATTEND,
        reason="printer_off",
        place=Place.PAPER,
        legend=Legend(cancel="staff_not_printed", confirm="staff_printed"),
    ),
)


def name_of(screen: Screen) -> str:
    """A short name for pictures and failures."""
    parts = [screen.id.value, screen.reason, "alarm" if screen.alarm else ""]
    return "-".join(part for part in parts if part)


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Texts.load(MESSAGES, NAMES, AMOUNTS)


STAFF_AT_WORK = frozenset(
    {"print_unknown_admitted", "print_unknown_refused", "defect_admitted", "defect_refused", "printer_off"}
)
"""They have typed their code, or opened the door, and stand before it."""


def test_the_storyboard_has_every_screen() -> None:
    assert set(ScreenId) == {screen.id for screen in STORYBOARD}


@pytest.mark.parametrize("language", Language)
def test_every_screen_that_calls_for_staff_shows_a_code_that_leads_to_an_event(
    texts: Texts, language: Language
) -> None:
    calling = [
        screen
        for screen in STORYBOARD
        if screen.id in {ScreenId.OUT_OF_SERVICE, ScreenId.ATTEND}
        and screen.reason not in STAFF_AT_WORK
        and screen.reason
    ]
    shown = {screen.reason: codes_on(texts.snapshot(screen, language)) for screen in calling}
    assert {} == {reason: codes for reason, codes in shown.items() if len(codes) != 1}
    for codes in shown.values():
        assert events_of(codes[0])


def codes_on(snapshot: Mapping[str, object]) -> list[str]:
    return re.findall(r"[(（]([A-Z]\d)[)）]", f"{snapshot['note']}")


def test_the_storyboard_has_every_reason_of_the_messages() -> None:
    catalogue = Catalogue.read(MESSAGES / "ja.toml")
    variants = {tuple(key.split(".")[1:3]) for key in catalogue.messages if len(key.split(".")) == 4}
    assert variants == {(screen.id.value, screen.reason) for screen in STORYBOARD if screen.reason}


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("screen", STORYBOARD, ids=name_of)
def test_every_picture_has_an_instruction_and_keeps_its_reason(
    texts: Texts, screen: Screen, language: Language
) -> None:
    snapshot = texts.snapshot(screen, language)
    assert snapshot["headline"]
    assert snapshot["title"]
    assert screen.reason == snapshot["reason"]


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("refusal", [*Refusal, *CardRefusal])
def test_a_refusal_without_its_own_sentence_looks_like_every_private_one(
    texts: Texts, refusal: Refusal | CardRefusal, language: Language
) -> None:
    told = set(ENDINGS)
    private = texts.snapshot(replace(ENDED, reason="go_to_counter"), language) | {"reason": ""}
    snapshot = texts.snapshot(replace(ENDED, reason=refusal.value), language)
    assert refusal.value in told or private == snapshot

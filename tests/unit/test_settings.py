"""The configuration: what is shipped loads, and each error names file, key and what was expected."""

import copy
import re
import tomllib
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tomli_w

from firmware.core.fees import Fee
from firmware.core.hours import JST, Closure
from firmware.core.lockout import LockoutRule
from firmware.core.session import STATES
from firmware.core.terms import CertificateKind, Language
from firmware.documents.era import Era
from firmware.documents.form import Form, Labels
from firmware.documents.settings import DocumentSettings
from firmware.documents.specimen import check_forms
from firmware.errors import ConfigError
from firmware.settings import load, merge, misread_coin

CONFIG = Path(__file__).parents[2] / "config"
MACHINE = tomllib.loads((CONFIG / "kiosk.toml").read_text(encoding="utf-8"))
PROFILE = tomllib.loads((CONFIG / "shibukawa.toml").read_text(encoding="utf-8"))

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "kiosk.toml", MACHINE)
    write(tmp_path, "shibukawa.toml", PROFILE)
    return tmp_path


def write(folder: Path, name: str, table: dict[str, Any]) -> Path:
    path = folder / name
    path.write_bytes(tomli_w.dumps(table).encode())
    return path


def changed(folder: Path, name: str, change: Change) -> Path:
    table = copy.deepcopy(MACHINE if name == "kiosk.toml" else PROFILE)
    change(table)
    write(folder, name, table)
    return folder / "kiosk.toml"


def put(*keys: str | int, value: object) -> Change:
    def change(table: dict[str, Any]) -> None:
        place: Any = table
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


def drop(section: str, key: str) -> Change:
    return lambda table: table[section].pop(key)


def test_the_shipped_configuration_loads() -> None:
    settings = load(CONFIG / "kiosk.toml")
    assert "渋川市" == settings.city.name
    assert (time(6, 30), time(23), 10) == (
        settings.hours.opens,
        settings.hours.closes,
        settings.hours.last_minutes,
    )
    assert set(CertificateKind) == {fee.kind for fee in settings.fees}
    assert {300} == {fee.yen for fee in settings.fees}
    assert tuple(Language) == settings.rules.languages
    assert CONFIG / "messages" == settings.path(settings.file.kiosk.messages)
    assert Path("/etc/x") == settings.path("/etc/x")


def test_the_shipped_lockout_is_the_table_of_the_core() -> None:
    assert LockoutRule() == load(CONFIG / "kiosk.toml").file.lockout.rule


def test_a_kiosk_may_have_a_lockout_of_its_own_or_none(folder: Path) -> None:
    changed(folder, "kiosk.toml", put("lockout", value={"steps": []}))
    assert LockoutRule(steps=()) == load(folder / "kiosk.toml").file.lockout.rule
    changed(folder, "kiosk.toml", lambda table: table.pop("lockout"))
    assert LockoutRule() == load(folder / "kiosk.toml").file.lockout.rule


def test_every_time_out_belongs_to_a_state() -> None:
    rules = load(CONFIG / "kiosk.toml").rules
    assert rules.timeouts_seconds.keys() <= {state.__name__ for state in STATES}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("kiosk.toml", put("coins", "colour", value="gold"), "coins: Object contains unknown field `colour`"),
        ("kiosk.toml", put("receipt_printer", "kind", value="fax"), "receipt_printer.kind: Expected `str`"),
        (
            "kiosk.toml",
            put("receipt_printer", "kind", value="a4"),
            "receipt_printer.device: expected a tty for kind escpos or raster, none for a4",
        ),
        (
            "kiosk.toml",
            put("receipt_printer", "device", value=""),
            "receipt_printer.device: expected a tty for kind escpos or raster, none for a4",
        ),
        (
            "kiosk.toml",
            put("document_printer", "exit_sensor", value={"pin": 25, "active_level": 0}),
            "keypad, panel: GPIO 25 is used twice",
        ),
        ("kiosk.toml", put("coin", value={}), "top level: Object contains unknown field `coin`"),
        (
            "kiosk.toml",
            lambda table: table["coins"].update(poll_ms=table["coins"].pop("poll_seconds")),
            "coins: Object contains unknown field `poll_ms`",
        ),
        (
            "kiosk.toml",
            put("lockout", "steps", 1, "strikes", value=3),
            "lockout.steps: 3 strikes, 60 seconds after 3 strikes, 15 seconds; expected both to rise",
        ),
        (
            "kiosk.toml",
            put("lockout", "steps", 2, "seconds", value=60.0),
            "lockout.steps: 8 strikes, 60 seconds after 5 strikes, 60 seconds; expected both to rise",
        ),
        (
            "kiosk.toml",
            put("lockout", "forget_seconds", value=899),
            "lockout.forget_seconds: 899 is less than the longest wait; expected at least 900",
        ),
        (
            "kiosk.toml",
            put("card_reader", "smartphone_labels", value=["x" * 33]),
            "card_reader.smartphone_labels",
        ),
        ("kiosk.toml", put("coins", "baud", value="9600"), "coins.baud: Expected `int`, got `str`"),
        ("kiosk.toml", put("coins", "serial", value=True), "coins.serial: Expected `int`, got `bool`"),
        ("kiosk.toml", put("coins", "poll_seconds", value=0), "coins.poll_seconds: Expected `float` > 0"),
        ("kiosk.toml", put("coins", "poll_seconds", value=float("nan")), "coins.poll_seconds: "),
        (
            "kiosk.toml",
            put("document_printer", "restart_seconds", value=4.9),
            "document_printer.restart_seconds: Expected `float` >= 5",
        ),
        (
            "kiosk.toml",
            put("document_printer", "restart_seconds", value=601),
            "document_printer.restart_seconds: Expected `float` <= 600",
        ),
        ("kiosk.toml", put("screen", "port", value=65_536), "screen.port: Expected `int` <= 65535"),
        (
            "kiosk.toml",
            put("municipality", "url", value="http://city.example"),
            "municipality.url: Expected `str` matching regex '^https://'",
        ),
        (
            "kiosk.toml",
            put("kiosk", "urn", value="kiosk-1"),
            "kiosk.urn: Expected `str` matching regex '^urn:kiosk:",
        ),
        (
            "kiosk.toml",
            put("kiosk", "languages", value=["fr"]),
            "kiosk.languages[0]: Invalid enum value 'fr'",
        ),
        (
            "kiosk.toml",
            put("kiosk", "languages", value=[]),
            "kiosk.languages: Expected `array` of length >= 1",
        ),
        (
            "kiosk.toml",
            drop("journal", "path"),
            "journal: Object missing required field `path`",
        ),
        (
            "kiosk.toml",
            put("keypad", "layout", 3, 0, value="star"),
            "keypad.layout: unknown key 'star'; expected 0, 1, 2,",
        ),
        (
            "kiosk.toml",
            put("keypad", "layout", 3, 1, value=""),
            "keypad.layout: key '0' is missing; expected every key once",
        ),
        (
            "kiosk.toml",
            put("keypad", "layout", 3, 0, value="1"),
            "keypad.layout: key '1' is there twice; expected it once",
        ),
        (
            "kiosk.toml",
            put("keypad", "row_pins", value=[5, 6, 13]),
            "keypad.layout: expected one list a row pin, one key a column pin",
        ),
        (
            "kiosk.toml",
            put("panel", "buzzer_pin", value=5),
            "keypad, panel: GPIO 5 is used twice; expected one wire a pin",
        ),
        (
            "kiosk.toml",
            put("panel", "door", "pin", value=8),
            "keypad, panel: GPIO 8 is used twice; expected one wire a pin",
        ),
        (
            "kiosk.toml",
            lambda table: table["panel"]["lamp_pins"].pop("coin"),
            "panel.lamp_pins: 'coin' is missing or unknown; expected card, change, coin, keypad, paper",
        ),
        (
            "kiosk.toml",
            put("panel", "lamp_pins", "cards", value=26),
            "panel.lamp_pins: 'cards' is missing or unknown; expected card,",
        ),
        (
            "kiosk.toml",
            put("coins", "denominations_yen", value=[50, 100]),
            "coins.denominations_yen: 50 yen cannot be given back in 100-yen coins; expected multiples",
        ),
        (
            "kiosk.toml",
            put("coins", "denominations_yen", value=[]),
            "coins.denominations_yen: Expected `array` of length >= 1",
        ),
        ("kiosk.toml", put("hoppers", 0, "coin_yen", value=0), "hoppers[0].coin_yen: Expected `int` >= 1"),
        ("shibukawa.toml", put("city", "mayor", value="x"), "city: Object contains unknown field `mayor`"),
        ("shibukawa.toml", drop("hours", "opens"), "hours: Object missing required field `opens`"),
        (
            "shibukawa.toml",
            put("hours", "opens", value="6.30"),
            "hours.opens: '6.30'; expected HH:MM up to 24:00",
        ),
        (
            "shibukawa.toml",
            put("hours", "closes", value="06:30"),
            "hours.closes: 06:30 is not after opens; expected a time after 06:30",
        ),
        (
            "shibukawa.toml",
            put(
                "hours",
                "closures",
                value=[{"begins": datetime(2026, 12, 29), "ends": datetime(2027, 1, 4, tzinfo=JST)}],  # noqa: DTZ001
            ),
            "hours.closures[0]: expected a time with its offset, +09:00",
        ),
        (
            "shibukawa.toml",
            put(
                "hours",
                "closures",
                value=[
                    {"begins": datetime(2027, 1, 4, tzinfo=JST), "ends": datetime(2027, 1, 4, tzinfo=JST)}
                ],
            ),
            "hours.closures[0]: ends before it begins; expected the opposite",
        ),
        ("shibukawa.toml", put("fees", 0, "yen", value=0), "fees[0].yen: Expected `int` >= 1"),
        (
            "shibukawa.toml",
            put("fees", 0, "kind", value="koseki"),
            "fees[0].kind: Invalid enum value 'koseki'",
        ),
        (
            "shibukawa.toml",
            put("fees", 0, "yen", value=350),
            "fees: 350 yen for juminhyo leaves change that the 100-yen coins of kiosk.toml cannot make up",
        ),
        (
            "shibukawa.toml",
            put("fees", 0, "valid_to", value=date(2016, 1, 24)),
            "fees: juminhyo from 2016-01-25 has valid_to 2016-01-24; expected no day before valid_from",
        ),
        (
            "shibukawa.toml",
            lambda table: table["fees"].append({"kind": "inkan", "yen": 400, "valid_from": date(2026, 4, 1)}),
            "fees: two fees of inkan hold on 2026-04-01 (300 and 400 yen); expected one a day",
        ),
    ],
)
def test_an_error_names_file_key_and_what_was_expected(
    folder: Path, name: str, change: Change, message: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        load(changed(folder, name, change))
    assert str(raised.value).startswith(f"{name}: {message}")


@pytest.mark.parametrize("name", ["kiosk.toml", "shibukawa.toml"])
@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "file is missing"), (b"[kiosk\n", "is no TOML: "), (b"\xff\xfe", "cannot be read")],
)
def test_a_file_that_cannot_be_read_is_named(
    folder: Path, name: str, content: bytes | None, message: str
) -> None:
    path = folder / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        load(folder / "kiosk.toml")
    assert str(raised.value).startswith(f"{path}: {message}")


def test_a_folder_is_no_file(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read$"):
        load(folder)


def test_profiles_that_contradict_each_other_are_both_named_with_the_key(folder: Path) -> None:
    write(folder, "store.toml", {"hours": {"closes": "22:00"}})
    machine = changed(folder, "kiosk.toml", put("kiosk", "profiles", value=["shibukawa.toml", "store.toml"]))
    expected = "store.toml: hours.closes is '22:00' but shibukawa.toml says '23:00'; expected one value"
    with pytest.raises(ConfigError) as raised:
        load(machine)
    assert expected == str(raised.value)


def test_profiles_add_up(folder: Path) -> None:
    begins, ends = datetime(2026, 12, 29, tzinfo=JST), datetime(2027, 1, 4, tzinfo=JST)
    write(
        folder, "store.toml", {"hours": {"closures": [{"begins": begins, "ends": ends}], "closes": "23:00"}}
    )
    machine = changed(folder, "kiosk.toml", put("kiosk", "profiles", value=["shibukawa.toml", "store.toml"]))
    assert (Closure(begins, ends),) == load(machine).hours.closures


def test_an_error_in_merged_profiles_names_them_all(folder: Path) -> None:
    write(folder, "store.toml", {"hours": {"lunch": "12:00"}})
    machine = changed(folder, "kiosk.toml", put("kiosk", "profiles", value=["shibukawa.toml", "store.toml"]))
    with pytest.raises(
        ConfigError, match=r"^shibukawa.toml \+ store.toml: hours: Object contains unknown field"
    ):
        load(machine)


def test_a_table_and_a_value_of_one_name_contradict_each_other() -> None:
    with pytest.raises(
        ConfigError, match=r"^b: hours is 'always' but another profile says \{'opens': '6:30'\}"
    ):
        merge([("a", {"hours": {"opens": "6:30"}}), ("b", {"hours": "always"})])


def test_said_twice_alike_is_said_once() -> None:
    assert {"a": 1, "b": [1, 2]} == merge([("x", {"a": 1, "b": [1]}), ("y", {"a": 1, "b": [1, 2]})])


def test_the_day_may_end_at_midnight(folder: Path) -> None:
    settings = load(changed(folder, "shibukawa.toml", put("hours", "closes", value="24:00")))
    assert time.max == settings.hours.closes
    assert not settings.hours.round_the_clock


def test_a_new_fee_may_follow_an_old_one(folder: Path) -> None:
    def raise_fee(table: dict[str, Any]) -> None:
        table["fees"][0]["valid_to"] = date(2027, 3, 31)
        table["fees"].append({"kind": "juminhyo", "yen": 400, "valid_from": date(2027, 4, 1)})

    fees = load(changed(folder, "shibukawa.toml", raise_fee)).fees
    assert Fee(CertificateKind.JUMINHYO, 400, date(2027, 4, 1)) == fees[-1]


PULSE: dict[str, Any] = {
    "pulse_pin": 9,
    "inhibit_pin": 10,
    "inhibit_level": 1,
    "coins": [{"pulses": 1, "yen": 100}, {"pulses": 5, "yen": 500}],
}


def test_a_pulse_acceptor_takes_the_place_of_the_other(folder: Path) -> None:
    settings = load(changed(folder, "kiosk.toml", put("coins", "pulse", value=PULSE)))
    pulse = settings.file.coins.pulse
    assert pulse is not None
    assert not settings.rules.selective_acceptor
    assert {1: 100, 5: 500} == {coin.pulses: coin.yen for coin in pulse.coins}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pulse_pin": 25}, "GPIO 25 is used twice"),
        ({"inhibit_pin": 9}, "GPIO 9 is used twice"),
        ({"inhibit_level": 2}, "coins.pulse.inhibit_level"),
        ({"pull": "sideways"}, "coins.pulse.pull"),
        ({"coins": []}, "coins.pulse.coins"),
        ({"coins": [{"pulses": 1, "yen": 100}, {"pulses": 1, "yen": 500}]}, "twice"),
        ({"coins": [{"pulses": 1, "yen": 100}]}, "expected coins.denominations_yen"),
        ({"coins": [{"pulses": 1, "yen": 100}, {"pulses": 2, "yen": 500}]}, "may make 2 pulses"),
        ({"bounce_seconds": 0.02}, "expected bounce_seconds below shortest_seconds"),
        ({"longest_seconds": 0.01}, "below longest_seconds"),
        ({"gap_seconds": 0.001}, "gap_seconds: expected more than bounce_seconds"),
    ],
)
def test_a_pulse_acceptor_that_could_misread_a_coin_is_refused(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    path = changed(folder, "kiosk.toml", put("coins", "pulse", value=PULSE | change))
    with pytest.raises(ConfigError, match=message):
        load(path)


@pytest.mark.parametrize("key", ["serial", "manufacturer", "product"])
def test_a_pulse_acceptor_can_say_nothing_of_itself(folder: Path, key: str) -> None:
    def change(table: dict[str, Any]) -> None:
        table["coins"] |= {"pulse": PULSE, key: 7 if key == "serial" else "X"}

    with pytest.raises(ConfigError, match="has no serial number"):
        load(changed(folder, "kiosk.toml", change))


def test_a_code_that_withdraws_money_must_be_one_that_is_told(folder: Path) -> None:
    path = changed(folder, "kiosk.toml", put("coins", "suspect_codes", value=[7, 16]))
    with pytest.raises(ConfigError, match="withdrawn_codes: 20 is not among"):
        load(path)


@pytest.mark.parametrize(
    ("yen_of", "expected"),
    [
        ({1: 100, 5: 500}, None),
        ({1: 10, 5: 50, 10: 100, 50: 500}, None),
        ({2: 100, 3: 500}, None),
        ({1: 500}, None),
        ({2: 100, 4: 500}, 4),
        ({1: 500, 2: 100}, 2),
        ({2: 100, 3: 500, 5: 50}, 5),
    ],
)
def test_numbers_of_pulses_that_other_coins_add_up_to_are_found(
    yen_of: dict[int, int], expected: int | None
) -> None:
    assert expected == misread_coin(yen_of)


def test_the_shipped_profile_prints_the_forms_of_the_standard(folder: Path) -> None:
    form = load(folder / "kiosk.toml").form
    assert msgspec.structs.asdict(Form()) == msgspec.structs.asdict(form)


def test_a_profile_renames_and_moves_what_is_printed(folder: Path) -> None:
    path = changed(
        folder, "shibukawa.toml", put("certificates", "labels", "previous_address", value="転入前住所")
    )
    assert load(path).form.labels.previous_address == "転入前住所"


ROWS: list[dict[str, Any]] = msgspec.to_builtins(Form().juminhyo_rows)


def rows(change: Callable[[list[dict[str, Any]]], object]) -> Change:
    table = copy.deepcopy(ROWS)
    change(table)
    return put("certificates", "juminhyo_rows", value=table)


def eras(*more: dict[str, Any]) -> Change:
    known = [{"name": era.name, "begins": era.begins} for era in Form().eras]
    return put("certificates", "eras", value=[*known, *more])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (rows(lambda table: table[0]["cells"][0].update(item="juminhyo_code")), "juminhyo_code is no item"),
        (
            rows(lambda table: table[0]["cells"][0].update(item="name")),
            "name is no item, or stands there twice",
        ),
        (rows(lambda table: table.pop(1)), "alias, name would never be printed"),
        (rows(lambda table: table[4]["cells"][0].update(width_mm=117)), "170.0 mm wide, expected 175"),
        (rows(lambda table: table[4]["cells"][0].update(label_mm=173)), "no room beside a label"),
        (rows(lambda table: table[4].update(height_mm=20)), "at most 51.6"),
        (rows(lambda table: table[4].update(height=20)), "height"),
        (put("certificates", "wording", "omitted", value=""), "omitted"),
        (put("certificates", "city_seal_mm", value=40), "city_seal_mm"),
        (
            put("certificates", "shotoku_columns", value=[{"title": "収入", "lists": ["income"]}]),
            "each of income",
        ),
        (put("certificates", "wording", "motto", value="x"), "motto"),
        (eras({"name": "見本", "begins": date(2019, 5, 1)}), "does not begin after 令和"),
        (eras({"name": "見本", "begins": date(2027, 5, 1), "ends": date(2027, 6, 1)}), "ends"),
        (eras({"name": "見本"}), "begins"),
    ],
)
def test_a_form_that_would_lose_something_is_no_form(folder: Path, change: Change, expected: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(expected)) as refused:
        load(changed(folder, "shibukawa.toml", change))
    assert "shibukawa.toml" in str(refused.value)


def test_words_that_do_not_fit_their_place_are_found_by_the_check_of_the_configuration() -> None:
    labels = Labels(sex="性別に関する事項の一切をここに記載する")
    with pytest.raises(ConfigError, match="juminhyo cannot be drawn: overflow"):
        check_forms(DocumentSettings(form=Form(labels=labels)))
    with pytest.raises(ConfigError, match=r"U\+AE40"):
        check_forms(DocumentSettings(form=Form(labels=Labels(sex="김"))))
    later = [*Form().eras, Era(name="김", begins=date(2027, 5, 1))]
    with pytest.raises(ConfigError, match=r"eras: 2027-05-01 cannot be drawn: .*U\+AE40"):
        check_forms(DocumentSettings(form=Form(eras=later)))

"""The bench's figures: none is blank, each stands beside its peer, and machines can read them."""

import json

import pytest

from tests.figures.card import least_exchange
from tests.figures.rows import MeasureError, Row, median, percentile, table, to_json
from tests.figures.visit import APART, LOGGED_STEPS, logged_moments, software_ms


def test_a_figure_beside_its_peer_tells_name_value_and_ratio() -> None:
    row = Row.beside("journal.commits", 300.0, "/s", "raw sqlite3", 1200.0)
    assert ("raw sqlite3: 1,200 /s", 0.25) == (row.against, row.ratio)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_was_not_measured_is_an_error_and_no_blank(value: float) -> None:
    with pytest.raises(MeasureError, match=r"rest\.cpu"):
        Row("rest.cpu", value, "%")


@pytest.mark.parametrize("peer", [0.0, -1.0, float("nan")])
def test_a_peer_that_took_nothing_is_an_error_and_no_endless_ratio(peer: float) -> None:
    with pytest.raises(MeasureError, match=r"rest\.cpu: the host"):
        Row.beside("rest.cpu", 1.0, "%", "the host", peer)


def test_no_samples_are_an_error() -> None:
    with pytest.raises(MeasureError, match="key"):
        median("key", [])
    with pytest.raises(MeasureError, match="key"):
        percentile("key", [], 99)


@pytest.mark.parametrize(("percent", "expected"), [(50, 50.0), (99, 99.0), (100, 100.0), (0, 1.0)])
def test_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    assert expected == percentile("key", [float(each) for each in range(100, 0, -1)], percent)


def test_json_is_a_list_of_objects_with_the_five_fields() -> None:
    rows = [Row("a", 1.5, "ms"), Row.beside("b", 2, "MB", "相手", 4)]
    assert [
        {"name": "a", "value": 1.5, "unit": "ms", "against": None, "ratio": None},
        {"name": "b", "value": 2, "unit": "MB", "against": "相手: 4 MB", "ratio": 0.5},
    ] == json.loads(to_json(rows))


def test_the_table_lines_its_columns_up_and_ends_no_line_in_blanks() -> None:
    lines = table([Row("a", 1234.5, "ms"), Row.beside("long.name", 0.000123, "MB", "peer", 1)]).splitlines()
    assert ["name", "a", "long.name"] == [line.split()[0] for line in lines]
    assert ["1,234", "0.000123"] == [line.split()[1] for line in lines[1:]]
    assert {lines[0].index("unit")} == {
        line.index(unit) for line, unit in zip(lines[1:], ("ms", "MB"), strict=True)
    }
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize(
    ("certificate_bytes", "apdus", "bytes_both_ways"),
    [
        # 9 commands but the reads: 15+7+5+7+7+4+9+7+57 = 118 sent, 32+256 answered, 18 of status words
        (256, 10, 118 + 288 + 18 + 1 * (5 + 2) + 256),
        (257, 11, 118 + 288 + 18 + 2 * (5 + 2) + 257),
        (968, 13, 118 + 288 + 18 + 4 * (5 + 2) + 968),
    ],
)
def test_the_least_exchange_with_a_card_follows_from_the_certificates_length(
    certificate_bytes: int, apdus: int, bytes_both_ways: int
) -> None:
    least = least_exchange(certificate_bytes)
    assert (apdus, bytes_both_ways) == (least.apdus, least.bytes_both_ways)


def test_software_time_leaves_out_exactly_what_others_take() -> None:
    steps = {"started": 2.0, "prepared": 50.0} | dict.fromkeys(APART, 1000.0)
    assert 52.0 == software_ms(steps)


def test_every_step_apart_that_is_logged_is_named_as_a_step() -> None:
    assert {"card-seen", "print-queue-and-printer"} == {step for step, _, _ in LOGGED_STEPS} & APART.keys()


def test_moments_of_the_log_are_the_first_of_their_name_and_half_a_line_is_left() -> None:
    lines = [
        '{"time": "2026-11-22T03:00:00.000+00:00", "event": "state-entered", "state": "Printing"}',
        '{"time": "2026-11-22T03:00:00.250+00:00", "event": "print-submitted", "job": "a"}',
        '{"time": "2026-11-22T03:00:00.900+00:00", "event": "print-submitted", "certainty": "done"}',
        "Traceback of somebody else",
        '{"time": "2026-11-22T03:00:01.0',
    ]
    moments = logged_moments(lines)
    assert {"Printing", "print-submitted"} == moments.keys()
    assert 0.25 == pytest.approx(moments["print-submitted"] - moments["Printing"])

"""The log takes events, words and numbers, and nothing a person could stand in."""

import contextlib
import enum
import io
import json
import os
from datetime import UTC, datetime, timedelta, timezone

import pytest

from firmware.core.terms import Certainty
from firmware.logbook import FIELDS, EventId, FieldValue, JsonLog, line

NOW = datetime(2026, 11, 1, 21, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=9)))


class Odd(enum.Enum):
    TUPLE = (1, 2)
    SENTENCE = "two words"


def test_an_event_is_one_json_object_with_its_time_in_utc() -> None:
    text = line(EventId.PRINT_ENDED, NOW, {"certainty": Certainty.UNKNOWN, "pages": 2, "outcome": False})
    assert {
        "time": "2026-11-01T12:30:00.123+00:00",
        "event": "print-ended",
        "certainty": "unknown",
        "pages": 2,
        "outcome": False,
    } == json.loads(text)
    assert "\n" not in text


@pytest.mark.parametrize("name", ["name", "pin", "event", "time", "message", ""])
def test_a_field_that_is_not_listed_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^log field {name} is not on the list$"):
        line(EventId.CARD_READ, NOW, {name: 1})


@pytest.mark.parametrize(
    "text",
    ["two words", "line\nbreak", "end\n", "", "渋川", "-dash", 'quo"te', "x" * 81, "\x1b[2J", Odd.SENTENCE],
)
def test_free_text_is_refused_and_not_quoted(text: FieldValue) -> None:
    with pytest.raises(ValueError, match=r"^log field reason is not a word$"):
        line(EventId.CARD_READ, NOW, {"reason": text})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_does_not_know_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        line(EventId.CARD_READ, NOW, {"milliseconds": value})


def test_an_enum_that_is_no_word_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^log field reason is not a plain value$"):
        line(EventId.CARD_READ, NOW, {"reason": Odd.TUPLE})


@pytest.mark.parametrize("word", ["a", "_MultiThreadedHandle", "1.2.3", "a/b-c_d:e+f", "x" * 80])
def test_a_word_is_taken(word: str) -> None:
    assert word == json.loads(line(EventId.TASK_FAILED, NOW, {"error": word}))["error"]


def test_no_field_can_hide_the_event_or_its_time() -> None:
    assert set() == FIELDS & {"event", "time"}


def test_event_ids_are_words_said_once() -> None:
    values = [event.value for event in EventId]
    assert len(values) == len(set(values))
    for event in EventId:
        line(event, NOW, {})


def test_each_event_ends_its_line_at_once() -> None:
    stream = io.StringIO()
    log = JsonLog(stream)
    log(EventId.CARD_GONE)
    log(EventId.COIN_ACCEPTED, yen=500)
    entries = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert ["card-gone", "coin-accepted"] == [entry["event"] for entry in entries]
    assert abs(datetime.now(UTC) - datetime.fromisoformat(entries[0]["time"])) < timedelta(minutes=1)


def test_a_log_that_cannot_be_written_ends_no_visit() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "w", encoding="ascii") as stream:
        log = JsonLog(stream)
        log(EventId.CARD_GONE)
        log(EventId.CARD_GONE)

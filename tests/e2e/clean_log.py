"""What may never stand in the log: a traceback, a line that is no JSON, a PIN, a person, an error of ours."""

import json
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

from tests.municipality.register import PEOPLE
from tests.simulators.world import World

PERSONAL = (
    "name",
    "kana",
    "alias",
    "former_name",
    "former_name_kana",
    "katakana_name",
    "residence_card_number",
    "previous_address",
    "domicile",
    "family_head",
    "my_number",
)
LAST_WORDS = "madoguchi: journal: journal.db: "
OPAQUE = frozenset({"time", "visit", "job"})
"""Fields of random digits, in which four of them may be anybody's."""

MEASURED = frozenset({"milliseconds", "count", "records", "code_points"})
"""Fields whose numbers nobody chooses: any of them may read like somebody's PIN one day."""

TROUBLES = frozenset({"task-failed", "daemon-failed", "library-warned"})
"""An error that nobody foresaw: no hazard of the world may set one off."""


def log_entries(world: World) -> list[dict[str, Any]]:
    """Every line of the kiosk's log; one that is neither a JSON object nor the command's last words fails."""
    lines = world.log.read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines if not line.startswith(LAST_WORDS)]
    assert all({"time", "event"} <= entry.keys() for entry in entries)
    return entries


def events(world: World, event: str) -> list[dict[str, Any]]:
    """The log's entries with this event id."""
    return [entry for entry in log_entries(world) if entry["event"] == event]


def assert_log_is_clean(world: World, pins: set[str]) -> None:
    """No person and none of these PINs in any field, in whatever form; and no error that nobody foresaw."""
    for entry in log_entries(world):
        assert not _is_trouble(entry), entry
        for name, value in entry.items():
            text = str(value)
            assert not [word for word in _people() if word in text], f"{entry['event']}.{name} names a person"
            if name not in OPAQUE and not (name in MEASURED and isinstance(value, int | float)):
                assert not [pin for pin in pins if pin in text], f"{entry['event']}.{name}"


def _is_trouble(entry: dict[str, Any]) -> bool:
    """asyncio warns, without an error, of a peer that went away while it was written to."""
    if entry["event"] == "library-warned" and (entry["reason"], entry["error"]) == ("asyncio", "none"):
        return False
    return entry["event"] in TROUBLES


@cache
def _people() -> frozenset[str]:
    return frozenset(_words())


def _words() -> Iterator[str]:
    register = tomllib.loads(PEOPLE.read_text(encoding="utf-8"))
    for household in register["household"]:
        yield household["address"]
        for resident in household["resident"]:
            yield resident["id"]
            for field in PERSONAL:
                if field in resident:
                    yield resident[field]
                    yield resident[field].replace("　", "").replace(" ", "")

"""What no virtual reader can do: readers unplugged, cards swapped between two looks, a service that babbles.

The library under the monitor is played here; answers are what pcsc-lite gives, in its own numbers.
"""

from collections.abc import Callable
from typing import Any

import pytest
from smartcard import scard as real_scard

from hw.card import pcsc
from hw.card.monitor import ReaderMonitor, Sighting

EMPTY, PRESENT, MUTE, UNAVAILABLE = 0x10, 0x20, 0x200, 0x0C
PNP = r"\\?PnP?\Notification"
SONY, ACS = "SONY FeliCa RC-S300/P 00 00", "ACS ACR1252 00 00"

Look = tuple[int, list[tuple[str, int]]]


class PlayedService:
    """smartcard.scard, as far as the monitor uses it.

    lists: one result per SCardListReaders, the last one for ever; looks: one per SCardGetStatusChange.
    When the looks are used up, the monitor is stopped.
    """

    def __init__(self, lists: list[list[str]], looks: list[Look], stop: Callable[[], None]) -> None:
        self._lists = lists
        self._looks = looks
        self._stop = stop
        self.contexts = 0
        self.asked: list[list[tuple[str, int]]] = []
        self.waits_ms: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(real_scard, name)

    def SCardEstablishContext(self, _: int) -> tuple[int, int]:  # noqa: N802
        self.contexts += 1
        return 0, self.contexts

    def SCardReleaseContext(self, _: int) -> int:  # noqa: N802
        self.contexts -= 1
        return 0

    def SCardCancel(self, _: int) -> int:  # noqa: N802
        return 0

    def SCardListReaders(self, _: int, __: list[str]) -> tuple[int, list[str]]:  # noqa: N802
        names = self._lists.pop(0) if len(self._lists) > 1 else self._lists[0]
        return (0, names) if names else (0x8010002E, [])

    def SCardGetStatusChange(  # noqa: N802
        self, _: int, wait_ms: int, known: list[tuple[str, int]]
    ) -> tuple[int, list[tuple[str, int, list[int]]]]:
        self.asked.append(known)
        self.waits_ms.add(wait_ms)
        if not self._looks:
            self._stop()
            return 0x80100002, []
        result, states = self._looks.pop(0)
        return result, [(name, state, []) for name, state in states]


def watch(
    monkeypatch: pytest.MonkeyPatch, lists: list[list[str]], looks: list[Look], reader_name: str = ""
) -> tuple[list[Sighting], PlayedService]:
    """Everything the monitor tells while the service plays this."""
    told: list[Sighting] = []
    monitor = ReaderMonitor(reader_name=reader_name, reconnect_seconds=0.01, tell=told.append)
    service = PlayedService(lists, looks, monitor.stop)
    monkeypatch.setattr(pcsc, "scard", service)
    monitor.run()
    assert service.contexts == 0
    return told, service


def seen(reader: str, state: int, moves: int = 0) -> Look:
    return 0, [(PNP, 0), (reader, moves << 16 | state | 0x02)]


def test_a_card_put_down_and_taken_away_is_told_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [seen(SONY, EMPTY), seen(SONY, PRESENT, 1), seen(SONY, PRESENT | 0x100, 1), seen(SONY, EMPTY, 2)]
    told, service = watch(monkeypatch, [[SONY]], looks)
    assert [Sighting(SONY), Sighting(SONY, card_present=True), Sighting(SONY)] == told
    assert service.asked[-1] == [(PNP, 0), (SONY, 2 << 16 | EMPTY)]


def test_a_card_swapped_between_two_looks_is_told_as_gone_and_there(monkeypatch: pytest.MonkeyPatch) -> None:
    told, _ = watch(monkeypatch, [[SONY]], [seen(SONY, PRESENT, 1), seen(SONY, PRESENT, 3)])
    there = Sighting(SONY, card_present=True)
    assert [there, Sighting(SONY), there] == told


def test_something_mute_on_the_reader_is_a_card_too(monkeypatch: pytest.MonkeyPatch) -> None:
    told, _ = watch(monkeypatch, [[SONY]], [seen(SONY, PRESENT | MUTE, 1)])
    assert [Sighting(SONY, card_present=True)] == told


def test_a_reader_unplugged_and_plugged_in_is_gone_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged_in: Look = (0, [(PNP, 0x02)])
    told, _ = watch(
        monkeypatch,
        [[SONY], [], [SONY]],
        [seen(SONY, EMPTY), plugged_in, seen(SONY, EMPTY)],
    )
    assert [Sighting(SONY), Sighting(), Sighting(SONY)] == told


@pytest.mark.parametrize("look", [seen(SONY, UNAVAILABLE), (0x80100009, []), (0x80100013, [])])
def test_a_reader_lost_during_the_wait_is_gone_and_looked_for_again(
    monkeypatch: pytest.MonkeyPatch, look: Look
) -> None:
    told, _ = watch(monkeypatch, [[SONY]], [seen(SONY, PRESENT, 1), look, seen(SONY, EMPTY)])
    assert [Sighting(SONY, card_present=True), Sighting(), Sighting(SONY)] == told


def test_the_reader_is_chosen_by_a_part_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    told, _ = watch(monkeypatch, [[ACS, SONY]], [seen(SONY, EMPTY)], reader_name="RC-S300")
    assert [Sighting(SONY)] == told
    told, _ = watch(monkeypatch, [[ACS, SONY]], [seen(ACS, EMPTY)])
    assert [Sighting(ACS)] == told


def test_nothing_new_within_the_time_is_not_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    timeout: Look = (0x8010000A, [])
    told, _ = watch(monkeypatch, [[SONY]], [seen(SONY, EMPTY), timeout, timeout, seen(SONY, PRESENT, 1)])
    assert [Sighting(SONY), Sighting(SONY, card_present=True)] == told


def test_the_monitor_sleeps_in_pcscd_and_asks_again_only_when_something_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told, service = watch(monkeypatch, [[SONY]], [seen(SONY, EMPTY), seen(SONY, PRESENT, 1)])
    assert 2 == len(told)
    assert {30_000} == service.waits_ms
    assert 3 == len(service.asked), "one look a change, and the one under way"

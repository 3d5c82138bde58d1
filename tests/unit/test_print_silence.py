"""A printer is dead only after it was silent, and the print server empty, at every look of a longer time."""

from dataclasses import replace

import pytest

from hw.printer.ipp_partner import Condition
from hw.printer.silence import Silence

EMPTY = Condition(1, stopped=False, accepting=True, reasons=frozenset(), jobs_waiting=0)
BUSY = replace(EMPTY, jobs_waiting=1)


def dead_after(*looks: tuple[float, Condition | None, Condition | None]) -> bool:
    """looks: when, at the print server, at the printer."""
    silence = Silence(60.0)
    for now, server, printer in looks:
        silence.see(now, server=server, printer=printer)
    return silence.is_dead(looks[-1][0])


@pytest.mark.parametrize(
    ("looks", "dead"),
    [
        ([(0, EMPTY, None)], False),
        ([(0, EMPTY, None), (59, EMPTY, None)], False),
        ([(0, EMPTY, None), (30, EMPTY, None), (60, EMPTY, None)], True),
        ([(0, EMPTY, EMPTY), (60, EMPTY, None)], False),  # it answered at the first look
        ([(0, EMPTY, None), (30, EMPTY, BUSY), (60, EMPTY, None)], False),  # and once in between
        ([(0, BUSY, None), (60, EMPTY, None)], False),  # cupsd could still send something
        ([(0, EMPTY, None), (30, BUSY, None), (60, EMPTY, None)], False),
        ([(0, None, None), (60, EMPTY, None)], False),  # nobody knows what cupsd had
        ([(0, EMPTY, None), (60, None, None)], False),
        ([(0, EMPTY, None), (60, BUSY, None)], False),
    ],
)
def test_only_a_long_silence_beside_an_empty_print_server_is_a_dead_printer(
    looks: list[tuple[float, Condition | None, Condition | None]], dead: bool
) -> None:
    assert dead is dead_after(*looks)


def test_an_answer_between_two_looks_ends_the_silence() -> None:
    silence = Silence(60.0)
    silence.see(0, server=EMPTY, printer=None)
    silence.broken()
    silence.see(60, server=EMPTY, printer=None)
    assert not silence.is_dead(60)

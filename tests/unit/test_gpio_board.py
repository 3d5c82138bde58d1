"""The simulated board lives in the kiosk's own process: what it keeps is measured as the kiosk's memory."""

from tests.simulators.gpio.board import Board, BoardPin


def test_a_pin_that_changes_all_day_keeps_no_history_of_it() -> None:
    board = Board()
    pin = board.factory.pin("GPIO4")  # type: ignore[no-untyped-call]
    assert isinstance(pin, BoardPin)
    for edge in range(2000):
        board.drive(4, bool(edge % 2))
        assert bool(edge % 2) is bool(pin.state)
    assert [True] == [kept.state for kept in pin.states]

"""A GPIO chip that goes and comes back is opened anew, never under a device that still holds its pins."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from gpiozero.devices import Device
from gpiozero.pins.mock import MockFactory, MockPin

import hw.gpio_pins
from firmware.errors import DeviceGone
from hw.gpio_pins import claimed, look_for_chip, pin_faults


class Chip(MockFactory):
    """As lgpio's factory: a removed chip answers nothing any more, not even that its pins are let go."""

    def __init__(self) -> None:
        super().__init__(pin_class=ChipPin)  # type: ignore[no-untyped-call]
        self.removed = self.closed = False

    def close(self) -> None:
        super().close()  # type: ignore[no-untyped-call]
        self.closed = True

    def ask(self) -> None:
        if self.removed:
            raise OSError("No such device")


class ChipPin(MockPin):
    """Raises OSError when its chip was removed."""

    factory: Chip

    def close(self) -> None:
        self.factory.ask()
        super().close()  # type: ignore[no-untyped-call]

    def _get_state(self) -> bool:
        self.factory.ask()
        return bool(super()._get_state())  # type: ignore[no-untyped-call]


@pytest.fixture
def chips(monkeypatch: pytest.MonkeyPatch) -> list[Chip]:
    """Those that gpiozero has opened, in their order."""
    opened = list[Chip]()

    def open_chip() -> Chip:
        opened.append(Chip())
        return opened[-1]

    monkeypatch.setattr(Device, "pin_factory", None)
    monkeypatch.setattr(Device, "_default_pin_factory", staticmethod(open_chip))
    return opened


def read(number: int) -> None:
    with pin_faults(), claimed(number) as pin:
        assert pin.state in (0, 1)


def test_a_chip_that_is_gone_is_closed_and_the_next_claim_opens_the_one_that_is_there(
    chips: list[Chip],
) -> None:
    read(5)
    chips[0].removed = True
    with pytest.raises(DeviceGone):
        read(5)
    read(5)
    assert [True, False] == [chip.closed for chip in chips]


def test_a_chip_is_not_closed_under_a_device_that_has_yet_to_notice(chips: list[Chip]) -> None:
    with ExitStack() as panel:
        panel.enter_context(pin_faults())
        pin = panel.enter_context(claimed(6))
        chips[0].removed = True
        with pytest.raises(DeviceGone):
            read(5)
        assert [False] == [chip.closed for chip in chips]
        with pytest.raises(DeviceGone), panel.pop_all():
            assert pin.state in (0, 1)
    read(5)
    assert [True, False] == [chip.closed for chip in chips]


def test_pins_in_use_or_a_wrong_number_leave_the_chip_to_its_holder(chips: list[Chip]) -> None:
    with claimed(6), pytest.raises(DeviceGone):
        read(6)
    read(6)
    assert [False] == [chip.closed for chip in chips]


def test_a_factory_that_was_given_is_never_closed(chips: list[Chip], monkeypatch: pytest.MonkeyPatch) -> None:
    given = Chip()
    monkeypatch.setattr(Device, "pin_factory", given)
    given.removed = True
    with pytest.raises(DeviceGone):
        read(5)
    given.removed = False
    read(5)
    assert not given.closed
    assert [] == chips


def test_a_chip_that_goes_without_a_word_is_missed_by_its_file(
    chips: list[Chip], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hw.gpio_pins, "NODES", tmp_path)
    monkeypatch.setattr(Chip, "chip", 0, raising=False)
    node = tmp_path / "gpiochip0"
    node.touch()
    with ExitStack() as keypad:
        keypad.enter_context(pin_faults())
        keypad.enter_context(claimed(5))
        look_for_chip()
        node.rename(tmp_path / "removed")
        node.touch()
        with pytest.raises(DeviceGone), keypad.pop_all():
            look_for_chip()
    read(5)
    assert [True, False] == [chip.closed for chip in chips]
    look_for_chip()
    node.unlink()
    with pytest.raises(DeviceGone), pin_faults():
        look_for_chip()

"""Run the kiosk on simulated pins: python -m tests.simulators.gpio.host --socket PATH --wiring JSON -- ARGS…

The kiosk's own `main(ARGS)` runs on the main thread and finds its pins at gpiozero.Device.pin_factory; the
outside works the pins through the socket. --module runs another module's main instead.
"""

import argparse
import ctypes
import importlib
import signal
import sys
from pathlib import Path

from gpiozero.devices import Device

from tests.simulators.gpio.board import Board
from tests.simulators.gpio.server import PinServer
from tests.simulators.gpio.wiring import Wiring

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Serve the pins, run the kiosk, give back its exit status."""
    parser = argparse.ArgumentParser(description="run the kiosk on simulated pins")
    parser.add_argument("--socket", type=Path, required=True, help="unix socket of the outside")
    parser.add_argument("--wiring", type=Wiring.from_json, required=True, help="JSON, see Wiring.to_json")
    parser.add_argument("--module", default="firmware.__main__", help="module whose main(ARGS) runs")
    parser.add_argument("kiosk_arguments", nargs="*", metavar="ARGS", help="after --")
    options = parser.parse_args(arguments)
    _die_with_the_bench()
    board = Board()
    Device.pin_factory = board.factory
    for pin, level in options.wiring.pulls.items():
        board.pull(pin, level)
    server = PinServer(options.socket, board, options.socket.with_suffix(".levels"))
    server.restore(options.wiring.levels_at_start())
    server.start()
    try:
        return int(importlib.import_module(options.module).main(options.kiosk_arguments) or 0)
    finally:
        server.stop()


def _die_with_the_bench() -> None:
    """A bench that is killed leaves no kiosk behind, which would hold the next one's lines. prctl(2)"""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`pytest tests/hil --rig=/etc/madoguchi/kiosk.toml` tests a machine whose kiosk is stopped.

What runs are the tests of `tests/contract` that ask nothing of a wire but what hands can do; the rest
needs faults that no hand can make, see ONLY_SIMULATED. With `--hands` somebody stands at the machine and
does what is asked at the terminal: lays a card, drops a coin, pulls a plug.

Without `--rig` one test proves this way: it makes a machine of the simulators of every wire and of
gpiozero's mock pins, starts this very command on a terminal, and does what is asked there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.hil.hands import PersonsHands
from tests.hil.machine import Machine

PROOF: Final = "test_rig_of_simulators.py"

ONLY_SIMULATED: Final = {
    "test_card_reader": "PINs typed, cards torn off at a given command, pcscd killed, answers garbled: a real"
    " card would be locked, and a hand meets no command",
    "test_coin_acceptor": "replies lost and garbled, more events than its buffer holds, a counter that wraps"
    " or jumps",
    "test_coin_acceptor_port": "a coin in flight: no hand drops one a tenth of a second before it shuts",
    "test_coin_payout": "replies lost, a life counter that wraps, power lost at each moment of a payout",
    "test_coin_shared_bus": "times between polls, with hoppers that answer wrongly",
    "test_cctalk_oracle": "frames alone, against another's decoder",
    "test_pulse_acceptor": "pulses of a given width, noise, a line that is unguarded",
    "test_document_printer": "impressions miscounted, a job aborted at a given page, cupsd killed",
    "test_escpos_oracle": "bytes alone, against another's printer",
    "test_receipt_printer": "replies lost in the middle of a slip, bytes as they are on the wire",
    "test_keypad": "keys faster or shorter than a hand's, ghosts, pins that somebody else holds",
    "test_panel": "contacts that chatter, a wire torn, a chip that vanishes",
    "test_voice": "files and sound cards that fail; a person hears with `test voice`",
    "test_sway": "a screen of its own, without a display",
}
"""What stays with the simulators, by suite, and what no rig can do for it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rig", type=Path, default=None, help="kiosk.toml of the machine to test")
    parser.addoption("--hands", action="store_true", help="somebody at the machine does what is asked")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A rig's tests without a rig are none, and the proof of the way starts no second one."""
    is_test = collection_path.name.startswith("test_")
    if not is_test:
        return None
    with_rig = config.getoption("--rig", default=None) is not None
    return with_rig == (collection_path.name == PROOF) or None


def pytest_report_header(config: pytest.Config) -> Sequence[str]:
    if config.getoption("--rig", default=None) is None:
        return ()
    return ["only against simulators:", *(f"  {suite}: {why}" for suite, why in ONLY_SIMULATED.items())]


@pytest.fixture(scope="session")
def machine(request: pytest.FixtureRequest) -> Machine:
    """The machine as its configuration describes it."""
    return Machine(request.config.getoption("--rig"))


@pytest.fixture
def hands(request: pytest.FixtureRequest) -> PersonsHands:
    if not request.config.getoption("--hands"):
        pytest.skip("nobody at the machine: --hands")
    return PersonsHands()

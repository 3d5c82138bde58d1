"""`pytest tests/hil --rig=/etc/madoguchi/kiosk.toml` tests a machine whose kiosk is stopped.

With `--hands` somebody stands at it and does what is asked at the terminal: lays a card, drops a coin.
"""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rig", type=Path, default=None, help="kiosk.toml of the machine to test")
    parser.addoption("--hands", action="store_true", help="somebody at the machine does what is asked")

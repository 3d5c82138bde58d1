"""`pytest tests/hil --rig=/etc/madoguchi/kiosk.toml` tests a machine whose kiosk is stopped."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rig", type=Path, default=None, help="kiosk.toml of the machine to test")

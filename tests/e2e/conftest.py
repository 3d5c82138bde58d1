"""A kiosk that the hazards of one module may share, because each leaves it as it was."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.e2e.books import agreed_books
from tests.e2e.clean_log import assert_log_is_clean
from tests.e2e.visitor import Visitor, kiosk


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_kiosk() -> AsyncIterator[Visitor]:
    """Started once a module."""
    async with kiosk() as visitor:
        yield visitor


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(shared_kiosk: Visitor) -> AsyncIterator[Visitor]:
    """A visitor before the start screen; afterwards everything is made well and the books are checked."""
    shared_kiosk.card, shared_kiosk.pin = "shiken_taro", "1234"
    await shared_kiosk.rests()
    yield shared_kiosk
    await shared_kiosk.heal()
    await shared_kiosk.leave()
    await shared_kiosk.rests()
    await agreed_books(shared_kiosk.world)
    assert_log_is_clean(shared_kiosk.world, shared_kiosk.pins)

"""The worker thread of a blocking device."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from hw.one_thread import OneThread


@pytest.fixture
async def thread() -> AsyncIterator[OneThread]:
    thread = OneThread("device")
    yield thread
    await thread.close()


async def test_calls_run_in_the_named_thread_and_give_their_result(thread: OneThread) -> None:
    assert (await thread.run(threading.current_thread)).name == "device"
    assert await thread.run(pow, 2, 3) == 8


async def test_an_exception_of_the_device_reaches_the_caller(thread: OneThread) -> None:
    with pytest.raises(ZeroDivisionError):
        await thread.run(divmod, 1, 0)
    assert await thread.run(int, "1") == 1


async def test_a_cancelled_caller_does_not_free_the_device_for_the_next(thread: OneThread) -> None:
    order: list[str] = []
    began, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        order.append("first begins")
        began.set()
        go_on.wait(5)
        order.append("first ends")

    first = asyncio.create_task(thread.run(slow))
    await asyncio.to_thread(began.wait, 5)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(thread.run(order.append, "second"))
    await asyncio.sleep(0)
    assert order == ["first begins"]
    go_on.set()
    await second
    assert order == ["first begins", "first ends", "second"]


async def test_a_call_cancelled_before_it_began_never_reaches_the_device(thread: OneThread) -> None:
    order: list[str] = []
    go_on = threading.Event()
    first = asyncio.create_task(thread.run(go_on.wait, 5))
    dropped = asyncio.create_task(thread.run(order.append, "dropped"))
    await asyncio.sleep(0)
    dropped.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dropped
    go_on.set()
    await first
    await thread.run(order.append, "next")
    assert order == ["next"]


async def test_close_waits_for_the_call_in_hand_and_refuses_more(thread: OneThread) -> None:
    order: list[str] = []
    call = asyncio.create_task(thread.run(order.append, "in hand"))
    await asyncio.sleep(0)
    assert await thread.close()
    assert order == ["in hand"]
    await call
    with pytest.raises(RuntimeError, match="closed"):
        await thread.run(int)
    assert await thread.close()


async def test_close_says_that_a_device_is_stuck(thread: OneThread) -> None:
    go_on = threading.Event()
    stuck = asyncio.create_task(thread.run(go_on.wait, 5))
    await asyncio.sleep(0)
    assert not await thread.close(timeout_seconds=0.01)
    go_on.set()
    await stuck
    assert await thread.close()

"""Whose turn it is on the line of the coin devices."""

import asyncio

import pytest

from hw.coin.bus import CcTalkBus
from hw.coin.cctalk import Frame, Header


async def test_an_urgent_request_given_up_in_the_turn_in_which_the_line_falls_free_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bus = CcTalkBus(lambda *_, **__: None, path="nowhere")
    served: asyncio.Queue[asyncio.Future[bytes]] = asyncio.Queue()

    async def ready(*, urgent: bool) -> bool:
        return True

    async def serve(_request: Frame, _lengths: object, _seconds: object) -> bytes:
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        await served.put(answer)
        return await answer

    monkeypatch.setattr(bus, "_prepare_line", ready)
    monkeypatch.setattr(bus, "_serve", serve)
    async with asyncio.timeout(20.0):
        poll = asyncio.create_task(bus.ask(3, Header.SIMPLE_POLL, length=0))
        silent = await served.get()
        urgent = asyncio.create_task(bus.ask(2, Header.SIMPLE_POLL, length=0, urgent=True))
        await asyncio.sleep(0)
        silent.set_exception(TimeoutError())
        urgent.cancel()
        (await served.get()).set_result(b"again")
        assert b"again" == await poll

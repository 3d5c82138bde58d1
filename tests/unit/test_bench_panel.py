"""The bench panel over HTTP: what a person clicks reaches the world, and nobody else can click."""

import asyncio
import errno
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.simulators.bench.framing import may_be_framed
from tests.simulators.bench.panel import BenchPanel
from tests.simulators.bench.world_api import (
    CardChoice,
    Key,
    NetworkMode,
    PrinterFault,
    ReceiptFault,
    WorldRefusal,
    WorldState,
)

PNG = b"\x89PNG\r\n\x1a\n"


def state_at_rest() -> WorldState:
    return {
        "kiosk_running": True,
        "screen": "idle",
        "reason": "",
        "card": None,
        "lamps": [],
        "buzzer": False,
        "beeps": 0,
        "change_cup_yen": 0,
        "cash_box_yen": 0,
        "returned_coins_yen": 0,
        "hopper_coins": 50,
        "hopper_jammed": False,
        "tray_sheets": 0,
        "jobs": [],
        "receipts": [],
        "receipt_waiting": False,
        "door_open": False,
        "printer_fault": None,
        "receipt_fault": None,
        "network": "ok",
    }


class RecordingWorld:
    """An OutsideWorld that writes down what was done to it."""

    def __init__(self) -> None:
        self.done: list[tuple[object, ...]] = []
        self.now = state_at_rest()
        self.looks = 0
        self.trouble: Exception | None = None

    def _do(self, *what: object) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.done.append(what)

    async def cards(self) -> list[CardChoice]:
        return [{"name": "hanako", "title": "マイナンバーカード", "note": "PIN 1234"}]

    async def insert_card(self, name: str) -> None:
        self._do("insert_card", name)
        self.now["card"] = name

    async def remove_card(self) -> None:
        self._do("remove_card")
        self.now["card"] = None

    async def press(self, key: Key) -> None:
        self._do("press", key)

    async def drop_coin(self, yen: int) -> bool:
        self._do("drop_coin", yen)
        return yen != 10

    async def take_paper(self) -> int:
        self._do("take_paper")
        return 2

    async def take_change(self) -> int:
        self._do("take_change")
        return 200

    async def take_receipt(self) -> None:
        self._do("take_receipt")

    async def set_door(self, open: bool) -> None:  # noqa: A002 - as in the Protocol
        self._do("set_door", open)

    async def set_printer_fault(self, name: PrinterFault | None) -> None:
        self._do("set_printer_fault", name)

    async def set_receipt_fault(self, name: ReceiptFault | None) -> None:
        self._do("set_receipt_fault", name)

    async def set_network(self, mode: NetworkMode) -> None:
        self._do("set_network", mode)

    async def jam_hopper(self, jammed: bool) -> None:
        self._do("jam_hopper", jammed)

    async def refill_hopper(self, coins: int) -> None:
        self._do("refill_hopper", coins)

    async def type_staff_code(self) -> None:
        self._do("type_staff_code")

    async def kill_pcscd(self) -> None:
        self._do("kill_pcscd")

    async def power_cut(self) -> None:
        self._do("power_cut")

    async def state(self) -> WorldState:
        self.looks += 1
        if self.trouble is not None:
            raise self.trouble
        return self.now

    async def job_page_png(self, job_id: str, page: int) -> bytes:
        self._do("job_page_png", job_id, page)
        return PNG

    async def receipt_png(self, receipt_id: str) -> bytes:
        self._do("receipt_png", receipt_id)
        return PNG


@pytest.fixture
def world() -> RecordingWorld:
    return RecordingWorld()


@pytest.fixture
async def panel(world: RecordingWorld) -> AsyncIterator[BenchPanel]:
    panel = BenchPanel(world, port=0, poll_seconds=0.02)
    await panel.start()
    yield panel
    await panel.close()
    await panel.close()


@pytest.fixture
async def browser(panel: BenchPanel) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        base_url=panel.url, headers={"Origin": panel.url.rstrip("/")}
    ) as browser:
        yield browser


async def act(browser: aiohttp.ClientSession, action: str, words: object) -> tuple[int, dict[str, Any]]:
    async with browser.post(f"/act/{action}", json=words) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize(
    ("words", "expected_call", "expected_answer"),
    [
        ({"name": "hanako"}, ("insert_card", "hanako"), {}),
        ({}, ("remove_card",), {}),
        ({"key": "confirm"}, ("press", "confirm"), {}),
        ({"yen": 100}, ("drop_coin", 100), {"accepted": True}),
        ({"yen": 10}, ("drop_coin", 10), {"accepted": False}),
        ({}, ("take_paper",), {"sheets": 2}),
        ({}, ("take_change",), {"yen": 200}),
        ({}, ("take_receipt",), {}),
        ({"open": True}, ("set_door", True), {}),
        ({"name": "jam"}, ("set_printer_fault", "jam"), {}),
        ({"name": None}, ("set_printer_fault", None), {}),
        ({"name": "paper_low"}, ("set_printer_fault", "paper_low"), {}),
        ({"name": "toner_low"}, ("set_printer_fault", "toner_low"), {}),
        ({"name": "silent"}, ("set_receipt_fault", "silent"), {}),
        ({"name": "near_end"}, ("set_receipt_fault", "near_end"), {}),
        ({"mode": "cut"}, ("set_network", "cut"), {}),
        ({"jammed": False}, ("jam_hopper", False), {}),
        ({"coins": 50}, ("refill_hopper", 50), {}),
        ({}, ("kill_pcscd",), {}),
        ({}, ("type_staff_code",), {}),
        ({}, ("power_cut",), {}),
    ],
)
async def test_every_act_reaches_the_world_once(
    browser: aiohttp.ClientSession,
    world: RecordingWorld,
    words: dict[str, object],
    expected_call: tuple[object, ...],
    expected_answer: dict[str, object],
) -> None:
    assert (200, expected_answer) == await act(browser, str(expected_call[0]), words)
    assert [expected_call] == world.done


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("dance", {}),
        ("press", {"key": "10"}),
        ("press", {}),
        ("press", {"key": ["1"]}),
        ("drop_coin", {"yen": "100"}),
        ("drop_coin", {"yen": True}),
        ("set_door", {"open": 1}),
        ("set_network", {"mode": None}),
        ("press", ["confirm"]),
    ],
)
async def test_words_without_sense_do_nothing(
    browser: aiohttp.ClientSession, world: RecordingWorld, action: str, words: object
) -> None:
    status, answer = await act(browser, action, words)
    assert 400 == status
    assert answer["error"]
    assert [] == world.done


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
async def test_another_site_cannot_act(panel: BenchPanel, world: RecordingWorld, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    async with (
        aiohttp.ClientSession(headers=headers) as stranger,
        stranger.post(f"{panel.url}act/power_cut", json={}) as answer,
    ):
        assert 403 == answer.status
    assert [] == world.done


async def test_a_name_that_resolves_to_this_machine_gets_nothing(panel: BenchPanel) -> None:
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.get(panel.url, headers={"Host": "rebound.example"}) as answer,
    ):
        assert 403 == answer.status


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (WorldRefusal("there is no card at hand"), (409, {"error": "there is no card at hand"})),
        (ConnectionError("the kiosk does not run"), (503, {"error": "the kiosk does not run"})),
        (ConnectionResetError(), (503, {"error": "ConnectionResetError"})),
    ],
)
async def test_what_the_world_cannot_do_is_told_as_text(
    browser: aiohttp.ClientSession,
    world: RecordingWorld,
    trouble: Exception,
    expected: tuple[int, dict[str, str]],
) -> None:
    world.trouble = trouble
    assert expected == await act(browser, "press", {"key": "1"})


class Stream:
    """The state stream as a page reads it."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while not (line := await self._answer.content.readline()).startswith(b"data: "):
                assert line, "the stream ended"
        told: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
        return told


async def test_the_stream_tells_the_state_and_then_only_changes(
    browser: aiohttp.ClientSession, world: RecordingWorld
) -> None:
    async with browser.get("/state") as answer:
        stream = Stream(answer)
        assert {"state": state_at_rest()} == await stream.next()
        await act(browser, "insert_card", {"name": "hanako"})
        assert "hanako" == (await stream.next())["state"]["card"]
        world.now["lamps"] = ["card"]
        assert ["card"] == (await stream.next())["state"]["lamps"]


async def test_a_world_in_trouble_is_told_and_the_stream_goes_on(
    browser: aiohttp.ClientSession, world: RecordingWorld
) -> None:
    async with browser.get("/state") as answer:
        stream = Stream(answer)
        await stream.next()
        world.trouble = ConnectionError("the kiosk does not run")
        assert {"error": "the kiosk does not run"} == await stream.next()
        world.trouble = None
        assert {"state": state_at_rest()} == await stream.next()


async def test_a_fault_in_the_world_itself_ends_the_stream_and_stands_in_the_log(
    browser: aiohttp.ClientSession, world: RecordingWorld, caplog: pytest.LogCaptureFixture
) -> None:
    async with browser.get("/state") as answer:
        await Stream(answer).next()
        world.trouble = KeyError("hopper")
        with pytest.raises(aiohttp.ClientPayloadError):
            await asyncio.wait_for(answer.content.read(), 60)
    assert "KeyError: 'hopper'" in caplog.text


async def test_nobody_looks_at_the_world_while_no_page_is_open(
    browser: aiohttp.ClientSession, world: RecordingWorld
) -> None:
    await asyncio.sleep(0.1)
    assert 0 == world.looks
    async with browser.get("/state") as first, browser.get("/state") as second:
        await Stream(first).next()
        await Stream(second).next()
    await asyncio.sleep(0.1)
    looks = world.looks
    await asyncio.sleep(0.1)
    assert looks == world.looks


async def test_closing_ends_open_streams_at_once(panel: BenchPanel, browser: aiohttp.ClientSession) -> None:
    async with browser.get("/state") as answer:
        await Stream(answer).next()
        async with asyncio.timeout(9.0):
            await panel.close()
            assert b"" == (await answer.content.read()).strip()


async def test_a_taken_port_is_told_by_its_number(panel: BenchPanel, world: RecordingWorld) -> None:
    port = int(panel.url.rstrip("/").rsplit(":", 1)[1])
    with pytest.raises(OSError, match=f"port {port} on 127.0.0.1 is taken") as caught:
        await BenchPanel(world, port=port).start()
    assert errno.EADDRINUSE == caught.value.errno


async def test_pictures_come_from_the_world(browser: aiohttp.ClientSession, world: RecordingWorld) -> None:
    async with browser.get("/jobs/madoguchi-7/2.png") as page, browser.get("/receipts/r1.png") as receipt:
        assert ("image/png", PNG) == (page.content_type, await page.read())
        assert ("image/png", PNG) == (receipt.content_type, await receipt.read())
    assert [("job_page_png", "madoguchi-7", 2), ("receipt_png", "r1")] == world.done


@pytest.mark.parametrize("path", ["/", "/bench.css", "/bench.js", "/bench.svg", "/drag.js", "/scenarios.js"])
async def test_the_page_is_served_under_a_strict_policy(browser: aiohttp.ClientSession, path: str) -> None:
    async with browser.get(path) as answer:
        assert 200 == answer.status
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in answer.headers["Content-Security-Policy"]


BENCH = "http://127.0.0.1:8090"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, True),
        ({"X-Frame-Options": "DENY"}, False),
        ({"Content-Security-Policy": "default-src 'none'"}, True),
        ({"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}, False),
        ({"Content-Security-Policy": "frame-ancestors 'self'"}, False),
        ({"Content-Security-Policy": "frame-ancestors http://127.0.0.1:8090; base-uri 'none'"}, True),
        ({"Content-Security-Policy": "frame-ancestors http://127.0.0.1:*"}, True),
        ({"Content-Security-Policy": "frame-ancestors 127.0.0.1:8090"}, True),
        ({"Content-Security-Policy": "frame-ancestors"}, False),
        ({"Content-Security-Policy": "frame-ancestors *", "X-Frame-Options": "DENY"}, True),
    ],
)
def test_the_screen_is_framed_only_if_its_headers_let(headers: dict[str, str], expected: bool) -> None:
    assert expected == may_be_framed(headers, BENCH)


async def test_the_kiosks_screen_is_framed_or_linked_or_absent(
    panel: BenchPanel, browser: aiohttp.ClientSession, world: RecordingWorld
) -> None:
    async with browser.get("/screen") as answer:
        assert {"url": None, "framed": False} == await answer.json()
    second = BenchPanel(world, port=0, kiosk_url=panel.url)
    await second.start()
    async with aiohttp.ClientSession() as other, other.get(f"{second.url}screen") as answer:
        assert {"url": panel.url, "framed": False} == await answer.json()
        assert f"frame-src {panel.url.rstrip('/')};" in answer.headers["Content-Security-Policy"]
    await second.close()

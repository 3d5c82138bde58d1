"""The screen's server over real HTTP: who may speak to it, and what a page is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import aiohttp
import pytest

from firmware.core.screens import Legend, Screen, ScreenId
from firmware.core.terms import Aid, KeypadKey, Language
from firmware.errors import ConfigError
from firmware.logbook import EventId, FieldValue
from firmware.screen.server import FILES, HEADERS, ScreenServer
from firmware.screen.texts import Texts
from tests.unit.test_screen_storyboard import AMOUNTS, COINS, MESSAGES, NAMES, PIN, PIN_WRONG, name_of

KEEPALIVE_SECONDS = 0.05
IDLE = Screen(ScreenId.IDLE, legend=Legend(confirm="start"))


@dataclass
class Kiosk:
    """A started server, the keys it told, what it logged and a client."""

    server: ScreenServer
    client: aiohttp.ClientSession
    pressed: list[KeypadKey]
    log: list[dict[str, FieldValue]]

    @property
    def origin(self) -> str:
        """What a browser sends as Origin from the page itself."""
        return self.server.url.rstrip("/")

    async def touch(self, message: object, origin: str | None = None) -> int:
        """POST an intent as the page does; the status of the answer."""
        headers = {"Origin": self.origin if origin is None else origin}
        async with self.client.post(f"{self.origin}/intent", json=message, headers=headers) as answer:
            return answer.status

    async def picture(self) -> dict[str, object]:
        """The picture that a page opened now is told first."""
        async with self.events() as events:
            return await events.screen()

    @asynccontextmanager
    async def events(self, **headers: str) -> AsyncIterator["Events"]:
        """The event stream as a page hears it."""
        async with self.client.get(f"{self.origin}/events", headers=headers) as answer:
            yield Events(answer)


@dataclass
class Events:
    """Parses server-sent events; `retry` and comments are passed over."""

    answer: aiohttp.ClientResponse
    ended: bool = field(default=False)

    async def next(self) -> tuple[str, str]:
        """The next event as (name, data)."""
        fields: dict[str, str] = {}
        while line := (await self.answer.content.readline()).decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if not name and "data" in fields:
                return fields["event"], fields["data"]
            fields[name] = value
        self.ended = True
        return "end", ""

    async def screen(self) -> dict[str, object]:
        """The next picture."""
        async with asyncio.timeout(60):
            while (event := await self.next())[0] != "screen":
                assert not self.ended
        picture = json.loads(event[1])
        assert isinstance(picture, dict)
        return picture


MakeServer = Callable[..., ScreenServer]


@pytest.fixture
def make() -> MakeServer:
    texts = Texts.load(MESSAGES, NAMES, AMOUNTS)

    def server(
        keys: list[KeypadKey],
        log: list[dict[str, FieldValue]],
        host: str = "127.0.0.1",
        port: int = 0,
        pressed: Callable[[KeypadKey, Callable[[], bool]], None] | None = None,
    ) -> ScreenServer:
        def write(event: EventId, /, **fields: FieldValue) -> None:
            log.append({"event": event, **fields})

        def press(key: KeypadKey, is_shown: Callable[[], bool]) -> None:
            assert is_shown()
            keys.append(key)

        return ScreenServer(
            host=host,
            port=port,
            texts=texts,
            pressed=pressed or press,
            log=write,
            keepalive_seconds=KEEPALIVE_SECONDS,
            silence_seconds=1.6,
        )

    return server


@pytest.fixture
async def kiosk(make: MakeServer) -> AsyncIterator[Kiosk]:
    pressed: list[KeypadKey] = []
    log: list[dict[str, FieldValue]] = []
    server = make(pressed, log)
    await server.start()
    async with aiohttp.ClientSession() as client:
        yield Kiosk(server, client, pressed, log)
    await server.close()


def intent(picture: dict[str, object], action: str) -> dict[str, object]:
    """A touch on this picture."""
    return {"seq": picture["seq"], "boot": picture["boot"], "action": action}


async def test_a_page_that_comes_late_is_told_the_whole_picture_at_once(kiosk: Kiosk) -> None:
    kiosk.server.show(IDLE, Language.JA)
    kiosk.server.show(PIN, Language.EN)
    picture = await kiosk.picture()
    assert (picture["screen"], picture["lang"], picture["seq"], picture["pin_digits"]) == ("pin", "en", 2, 2)
    assert picture["silence_ms"] == 1600


async def test_every_page_is_told_each_new_picture(kiosk: Kiosk) -> None:
    async with kiosk.events() as one, kiosk.events() as other:
        kiosk.server.show(IDLE, Language.JA)
        assert [(await one.screen())["seq"], (await other.screen())["seq"]] == [1, 1]
        kiosk.server.show(COINS, Language.JA)
        assert [(await one.screen())["seq"], (await other.screen())["seq"]] == [2, 2]


async def test_a_reconnecting_page_is_told_the_newest_picture_whatever_it_last_saw(kiosk: Kiosk) -> None:
    kiosk.server.show(IDLE, Language.JA)
    kiosk.server.show(COINS, Language.JA)
    async with kiosk.events(**{"Last-Event-ID": "999"}) as events:
        assert (await events.screen())["screen"] == "coins"


async def test_a_burst_of_pictures_ends_with_the_newest(kiosk: Kiosk) -> None:
    async with kiosk.events() as events:
        for paid_yen in range(0, 1000, 10):
            kiosk.server.show(replace(COINS, paid_yen=paid_yen), Language.JA)
        picture = await events.screen()
    assert picture["seq"] == 100


async def test_a_quiet_stream_beats_so_that_silence_means_trouble(kiosk: Kiosk) -> None:
    kiosk.server.show(IDLE, Language.JA)
    async with kiosk.events() as events:
        await events.screen()
        assert [await events.next(), await events.next()] == [("beat", "1"), ("beat", "1")]


async def test_the_time_left_shrinks_and_a_picture_that_looks_the_same_keeps_its_number(kiosk: Kiosk) -> None:
    async with kiosk.events() as events:
        kiosk.server.show(COINS, Language.JA)
        first = await events.screen()
        kiosk.server.show(COINS, Language.JA, remaining_seconds=7.0)
        second = await events.screen()
    later = await kiosk.picture()
    assert [first["seq"], second["seq"], later["seq"]] == [1, 1, 1]
    assert isinstance(first["remaining_ms"], int)
    assert 119_000 < first["remaining_ms"] <= 120_000
    assert isinstance(later["remaining_ms"], int)
    assert 6_000 < later["remaining_ms"] <= 7_000


async def test_the_same_screen_with_another_aid_or_language_keeps_its_times(
    kiosk: Kiosk, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("firmware.screen.server._now", lambda: now)

    async def shown(screen: Screen, language: Language, *aids: Aid) -> tuple[object, object, object]:
        kiosk.server.show(screen, language, frozenset(aids))
        picture = await kiosk.picture()
        return picture["seq"], picture["remaining_ms"], picture["ready_ms"]

    waiting = replace(COINS, seconds=120.0, ready_seconds=60.0)
    assert (1, 120_000, 60_000) == await shown(waiting, Language.JA)
    now += 30
    assert (2, 90_000, 30_000) == await shown(waiting, Language.JA, Aid.VOICE)
    now += 5
    assert (3, 85_000, 25_000) == await shown(waiting, Language.EN, Aid.VOICE)
    assert (4, 120_000, 60_000) == await shown(replace(waiting, paid_yen=100), Language.EN, Aid.VOICE)


async def test_a_touch_is_the_same_as_its_key(kiosk: Kiosk) -> None:
    kiosk.server.show(COINS, Language.JA)
    picture = await kiosk.picture()
    for key in KeypadKey:
        assert await kiosk.touch(intent(picture, key.value)) == 204
    assert list(KeypadKey) == kiosk.pressed


async def test_a_touch_on_a_picture_already_gone_is_ignored(kiosk: Kiosk) -> None:
    kiosk.server.show(IDLE, Language.JA)
    gone = await kiosk.picture()
    kiosk.server.show(COINS, Language.JA)
    assert await kiosk.touch(intent(gone, "cancel")) == 409
    assert kiosk.pressed == []
    assert kiosk.log == [{"event": EventId.SCREEN_INTENT_REFUSED, "reason": "stale", "code": 409}]


async def test_a_touch_is_told_whether_its_picture_still_stands(make: MakeServer) -> None:
    """Drawn anew alike it is the same picture; in another language it is another."""
    looks: list[Callable[[], bool]] = []
    server = make([], [], pressed=lambda _key, is_shown: looks.append(is_shown))
    await server.start()
    async with aiohttp.ClientSession() as client:
        kiosk = Kiosk(server, client, [], [])
        server.show(COINS, Language.JA)
        assert await kiosk.touch(intent(await kiosk.picture(), "cancel")) == 204
    [is_shown] = looks
    seen = [is_shown()]
    for screen, language in ((COINS, Language.JA), (COINS, Language.EN), (COINS, Language.JA)):
        server.show(screen, language)
        seen.append(is_shown())
    assert [True, True, False, False] == seen
    await server.close()


async def test_a_touch_before_the_first_picture_is_ignored(kiosk: Kiosk) -> None:
    kiosk.server.show(IDLE, Language.JA)
    picture = await kiosk.picture()
    assert await kiosk.touch(intent(picture, "confirm") | {"seq": 0}) == 409
    assert kiosk.pressed == []


@pytest.mark.parametrize("boot", ["", "0" * 32, "渋川"])
async def test_a_touch_meant_for_another_run_is_ignored(kiosk: Kiosk, boot: str) -> None:
    kiosk.server.show(IDLE, Language.JA)
    assert await kiosk.touch({"seq": 1, "boot": boot, "action": "confirm"}) == 409
    assert kiosk.pressed == []


@pytest.mark.parametrize("screen", [PIN, PIN_WRONG, replace(COINS, pin_digits=0)], ids=name_of)
@pytest.mark.parametrize("digit", "0123456789")
async def test_a_pin_digit_is_never_taken_from_the_screen(kiosk: Kiosk, digit: str, screen: Screen) -> None:
    kiosk.server.show(screen, Language.JA)
    assert await kiosk.touch(intent(await kiosk.picture(), digit)) == 403
    assert kiosk.pressed == []
    assert kiosk.log == [{"event": EventId.SCREEN_INTENT_REFUSED, "reason": "pin-digit", "code": 403}]


async def test_the_function_keys_may_be_touched_while_the_pin_is_asked(kiosk: Kiosk) -> None:
    kiosk.server.show(PIN, Language.JA)
    assert await kiosk.touch(intent(await kiosk.picture(), "cancel")) == 204
    assert kiosk.pressed == [KeypadKey.CANCEL]


@pytest.mark.parametrize(
    "origin",
    ["", "null", "http://example.com", "https://127.0.0.1", "http://127.0.0.1:1", "http://127.0.0.1"],
)
async def test_a_post_from_another_origin_is_refused(kiosk: Kiosk, origin: str) -> None:
    kiosk.server.show(IDLE, Language.JA)
    assert await kiosk.touch(intent(await kiosk.picture(), "confirm"), origin) == 403
    assert kiosk.pressed == []


@pytest.mark.parametrize("path", ["/", "/events", "/kiosk.js"])
async def test_a_rebound_host_name_gets_nothing(kiosk: Kiosk, path: str) -> None:
    async with kiosk.client.get(f"{kiosk.origin}{path}", headers={"Host": "kiosk.example.com"}) as answer:
        assert answer.status == 403


async def test_another_site_cannot_read_the_pictures(kiosk: Kiosk) -> None:
    headers = {"Origin": "http://example.com"}
    async with kiosk.client.get(f"{kiosk.origin}/events", headers=headers) as answer:
        assert answer.status == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"seq": 1}',
        b'{"seq": 1, "boot": "x", "action": "open-door"}',
        b'{"seq": 1, "boot": "x", "action": "10"}',
        b'{"seq": "1", "boot": "x", "action": "cancel"}',
        b'{"seq": 1, "boot": "x", "action": "cancel", "pin": "1234"}',
        b'{"seq": 1, "boot": "\\ud800", "action": "cancel"}',
    ],
)
async def test_a_post_that_is_not_an_intent_is_not_understood(kiosk: Kiosk, body: bytes) -> None:
    kiosk.server.show(IDLE, Language.JA)
    headers = {"Origin": kiosk.origin, "Content-Type": "application/json"}
    async with kiosk.client.post(f"{kiosk.origin}/intent", data=body, headers=headers) as answer:
        assert answer.status == 400
    assert kiosk.pressed == []


async def test_a_post_whose_encoding_is_broken_is_not_understood(kiosk: Kiosk) -> None:
    headers = {"Origin": kiosk.origin, "Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with kiosk.client.post(f"{kiosk.origin}/alive", data=b"no gzip", headers=headers) as answer:
        assert 400 == answer.status


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", b"{}", 415),
        ("application/x-www-form-urlencoded", b"seq=1", 415),
        ("application/json", b" " * 2000, 413),
    ],
)
async def test_a_form_or_a_flood_is_refused(
    kiosk: Kiosk, content_type: str, body: bytes, status: int
) -> None:
    headers = {"Origin": kiosk.origin, "Content-Type": content_type}
    async with kiosk.client.post(f"{kiosk.origin}/intent", data=body, headers=headers) as answer:
        assert status == answer.status


@pytest.mark.parametrize("path", [*FILES, "/events", "/kiosk.py", "/../server.py"])
async def test_every_answer_forbids_what_the_page_does_not_need(kiosk: Kiosk, path: str) -> None:
    async with kiosk.client.get(f"{kiosk.origin}{path}") as answer:
        assert answer.status == (200 if path in {*FILES, "/events"} else 404)
        assert HEADERS.items() <= answer.headers.items()


async def test_a_watchdog_learns_whether_the_page_draws(kiosk: Kiosk) -> None:
    async with kiosk.client.get(f"{kiosk.origin}/drawn") as answer:
        assert 503 == answer.status
    headers = {"Origin": kiosk.origin}
    async with kiosk.client.post(f"{kiosk.origin}/alive", json={"seq": 1}, headers=headers):
        pass
    async with kiosk.client.get(f"{kiosk.origin}/drawn") as answer:
        assert 204 == answer.status


async def test_a_page_that_draws_is_known_to_be_alive(kiosk: Kiosk) -> None:
    assert kiosk.server.page_silent_seconds() is None
    began = asyncio.get_running_loop().time()
    headers = {"Origin": kiosk.origin}
    async with kiosk.client.post(f"{kiosk.origin}/alive", json={"seq": 1}, headers=headers) as answer:
        assert answer.status == 204
    silent_seconds = kiosk.server.page_silent_seconds()
    assert silent_seconds is not None
    assert 0 <= silent_seconds <= asyncio.get_running_loop().time() - began


async def test_a_screen_without_text_is_refused_and_the_picture_stays(kiosk: Kiosk) -> None:
    kiosk.server.show(IDLE, Language.JA)
    with pytest.raises(ConfigError):
        kiosk.server.show(replace(PIN, numbers=()), Language.JA)
    assert (await kiosk.picture())["screen"] == "idle"


async def test_closing_ends_the_streams_at_once_and_frees_the_port(kiosk: Kiosk, make: MakeServer) -> None:
    async with kiosk.events() as events:
        assert kiosk.server._runner is not None
        kiosk.server._runner._shutdown_timeout = 120.0  # nobody is waited for
        async with asyncio.timeout(60):
            await kiosk.server.close()
            while (await events.next())[0] != "end":
                pass
    await kiosk.server.close()
    successor = make([], [], port=int(kiosk.origin.rpartition(":")[2]))
    await successor.start()
    await successor.close()


async def test_a_taken_port_is_told_with_its_number(kiosk: Kiosk, make: MakeServer) -> None:
    port = int(kiosk.origin.rpartition(":")[2])
    with pytest.raises(ConfigError, match=f"screen port 127.0.0.1:{port} cannot be opened"):
        await make([], [], port=port).start()


def test_a_host_outside_this_machine_is_refused(make: MakeServer) -> None:
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0"):
        make([], [], host="0.0.0.0")  # noqa: S104 - the refused address

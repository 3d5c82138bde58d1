"""The terminal asks before it acts, speaks two languages, pages, and survives a kiosk that goes and comes."""

import asyncio
import io
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from firmware.console import wire as w
from firmware.console.server import ConsoleServer
from firmware.console.terminal import Terminal
from firmware.core.terms import Language
from firmware.core.wording import Sentence, told
from firmware.errors import OfficeRefused
from firmware.logbook import EventId, FieldValue
from firmware.shell.event_ring import EventRing


def silent(_event: EventId, /, **_fields: FieldValue) -> None:
    """Nobody reads."""


class Rig:
    """A kiosk that answers, and a technician who has answers ready. said: all that the terminal wrote."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "console"
        self.asked: list[w.AnyRequest] = []
        self.ready: list[str] = []
        self.said: list[str] = []
        self.ring = EventRing(silent)
        self.first: Callable[[w.AnyRequest], w.Answer | None] = lambda _: None
        self.server = ConsoleServer(self.path, self.act, silent)

    async def act(self, request: w.AnyRequest, _who: str) -> Sentence | w.Answer:
        self.asked.append(request)
        if (said := self.first(request)) is not None:
            return said
        match request:
            case w.AskNonce():
                return w.Answer(done=True, text="n0nce")
            case w.Login(order="good"):
                return w.Answer(done=True, text="welcome", facts={"token": "t0ken"})
            case w.Login():
                raise OfficeRefused("no day {day} is closed", day="bad")
            case w.TestPart(seen=None):
                return w.Answer(done=True, text="lit", asks="Did every lamp light?")
            case w.TestPart(seen=seen):
                return w.Answer(done=True, text=f"lamp {seen}", facts={"fit": seen})
            case _:
                return told("{folder}: {error}", folder="済", error=told("serves people"))

    async def types(self, *lines: str, language: Language = Language.EN, once: bool = False) -> int:
        """These lines, and then the end of the line."""
        self.ready = list(lines)
        terminal = self.terminal(language=language)
        if once:
            return await asyncio.to_thread(terminal.once, self.ready.pop(0))
        return await asyncio.to_thread(terminal.run)

    def terminal(
        self,
        *,
        language: Language = Language.EN,
        idle_seconds: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Terminal:
        return Terminal(
            self.path,
            seconds=5.0,
            language=language,
            idle_seconds=idle_seconds,
            monotonic=monotonic,
            write=self.said.append,
            read=self._next,
            read_secret=self._next,
        )

    def _next(self, prompt: str) -> str:
        self.said.append(prompt)
        if not self.ready:
            raise EOFError
        return self.ready.pop(0)

    @property
    def text(self) -> str:
        return "".join(self.said)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    with tempfile.TemporaryDirectory(prefix="console-") as folder:
        rig = Rig(Path(folder))
        await rig.server.start()
        yield rig
        await rig.server.close()


async def test_a_login_gives_each_command_its_token_and_shows_the_nonce(rig: Rig) -> None:
    assert 0 == await rig.types("good", "status", "exit")
    assert "n0nce" in rig.text
    assert [w.AskStatus(session="t0ken")] == rig.asked[2:]


async def test_what_cannot_be_taken_back_is_asked_and_no_is_no(rig: Rig) -> None:
    await rig.types("good", "settle", "no", "settle", "", "settle", "yes", "settle --yes")
    assert 2 == len([one for one in rig.asked if isinstance(one, w.CloseDay)])
    assert 2 == rig.text.count("Nothing was done.")
    assert 3 == rig.text.count("The business day ends; this cannot be taken back.")


async def test_a_part_that_eyes_must_judge_is_asked_for(rig: Rig) -> None:
    await rig.types("good", "test lamp", "yes", "test lamp --json", "no")
    assert [None, True, None, False] == [one.seen for one in rig.asked if isinstance(one, w.TestPart)]
    line = next(one for one in rig.said if one.startswith("{"))
    assert {"done": True, "text": "lamp False", "fit": False} == json.loads(line)


async def test_a_wrong_line_or_a_refused_order_ends_nothing(rig: Rig) -> None:
    assert 0 == await rig.types("bad", "open the door", "cash refill x", "events P1", "events Z9", "status")
    for said in (
        "no day bad is closed",
        "no command: open the door",
        "expected: cash refill",
        "printer-not-ready",
    ):
        assert said in rig.text
    assert w.AskStatus() == rig.asked[-1]


async def test_a_kiosk_that_is_gone_is_named_each_time_and_the_terminal_goes_on(rig: Rig) -> None:
    await rig.server.close()
    await rig.types("status", "status")
    assert rig.text.count("the kiosk does not run, or you may not ask it") == 3, "and the login"


async def test_english_is_ascii_and_japanese_is_japanese_also_what_the_kiosk_answers(rig: Rig) -> None:
    await rig.types("good", "status", "help", "lang ja", "status", "help cash", "what", "events Z9", "login")
    english, _, japanese = rig.text.partition("済: 利用可\n")
    assert english.isascii()
    assert "?: serves people" in english
    for said_so in ("釣銭を補充した", "命令にありません: what", "記録にも画面の符号にもありません: Z9"):
        assert said_so in japanese
    assert [Language.EN, Language.JA] == [one.language for one in rig.asked if isinstance(one, w.AskStatus)]


async def test_a_refusal_is_in_the_technicians_language(rig: Rig) -> None:
    await rig.types("bad", language=Language.JA)
    assert "締めた業務日 bad はありません" in rig.text


async def test_a_program_is_answered_in_english_at_a_japanese_terminal(rig: Rig) -> None:
    await rig.types("good", "status --json", language=Language.JA)
    (line,) = (one for one in rig.said if one.startswith("{"))
    assert "済: serves people" == json.loads(line)["text"]


@pytest.mark.parametrize(
    ("order", "line", "code", "done"),
    [("good", "status", 0, True), ("good", "no such thing", 1, False), ("bad", "", 69, False)],
)
async def test_a_program_reads_one_line_of_json_whatever_happens(
    rig: Rig, order: str, line: str, code: int, done: bool
) -> None:
    terminal = Terminal(
        rig.path, seconds=5.0, language=Language.JA, as_json=True, sure=True, write=rig.said.append
    )
    logged_in = await asyncio.to_thread(terminal.login, order)
    assert code == (await asyncio.to_thread(terminal.once, line) if logged_in else 69)
    assert done is json.loads(rig.text)["done"]


async def test_what_the_console_knows_by_itself_is_there_for_a_program_too(rig: Rig) -> None:
    came = {"time": "2026-11-25T03:00:00+00:00", "event": "hopper-gone", "reason": "silent"}
    answers = [
        w.Answer(done=True, text="", facts={"number": 1, "events": []}),
        w.Answer(done=True, text="", facts={"number": 2, "events": [came]}),
        w.Answer(done=False, text="nobody is logged in"),
    ]
    rig.first = lambda request: answers.pop(0) if isinstance(request, w.AskEvents) else None
    await rig.types("good", "events P2 --json", "help cash --json", "watch --json", language=Language.JA)
    events, page, event, end = [json.loads(one) for one in rig.said if one.startswith("{")]
    assert (["printer-not-ready"], True) == (events["events"], events["text"].isascii())
    assert "cash refill HOPPER COINS" in page["text"]
    assert came == event
    assert {"done": False, "text": "nobody is logged in"} == end


async def test_a_script_gets_a_status_and_a_line(rig: Rig) -> None:
    assert 0 == await rig.types("status", once=True)
    assert 1 == await rig.types("no such thing", once=True)


async def test_the_last_events_are_kept_also_for_somebody_who_counts_from_the_run_before() -> None:
    ring = EventRing(silent)
    for coins in range(3):
        ring(EventId.COIN_ACCEPTED, coins=coins)
    ring(EventId.PANEL_GONE)
    assert [2, 3] == [one.number for one in ring.behind(1, ("coin-accepted",))]
    assert 4 == len(ring.behind(1000))
    waiting = asyncio.create_task(ring.wait_behind(4, ("panel-back",), 5.0))
    await asyncio.sleep(0)
    ring(EventId.KEYPAD_GONE)
    ring(EventId.PANEL_BACK)
    assert ["panel-back"] == [one.said["event"] for one in await waiting]
    assert [] == await ring.wait_behind(6, (), 0.001)
    assert {"coin-accepted": 3, "panel-gone": 1, "keypad-gone": 1, "panel-back": 1} == ring.counts


# --- nobody types ---------------------------------------------------------------------------------


class Clock:
    """Goes on when told to. reads: how often somebody looked."""

    def __init__(self) -> None:
        self.now, self.reads = 0.0, 0

    def __call__(self) -> float:
        self.reads += 1
        return self.now

    async def goes_to(self, now: float) -> None:
        """And is looked at twice from then on: the last look was after it went."""
        self.now, reads = now, self.reads
        await comes(lambda: self.reads >= reads + 2)


async def comes(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - another thread's doings have no event here
            await asyncio.sleep(0.01)


async def test_a_terminal_where_nobody_types_ends_its_session_and_says_so(rig: Rig) -> None:
    clock, drawn = Clock(), io.StringIO()
    output = Vt100_Output(drawn, lambda: Size(rows=24, columns=80), term="vt100")
    terminal = Terminal(
        rig.path,
        seconds=5.0,
        language=Language.EN,
        idle_seconds=0.05,
        monotonic=clock,
        write=rig.said.append,
        read_secret=lambda _: "good",
    )
    with create_pipe_input() as keys, create_app_session(input=keys, output=output):
        running = asyncio.create_task(asyncio.to_thread(terminal.run))
        await comes(lambda: "madoguchi>" in drawn.getvalue())
        await clock.goes_to(0.04)
        keys.send_text("stat")
        await comes(lambda: "stat" in drawn.getvalue())
        await clock.goes_to(0.08)
        keys.send_text("us\r")
        await comes(lambda: w.AskStatus(session="t0ken") in rig.asked)
        assert not running.done()
        clock.now = 1.0
        assert 0 == await asyncio.wait_for(running, 60)
    assert w.Logout(session="t0ken") == rig.asked[-1]
    assert "Nobody has typed for too long: this terminal logs out." in rig.text


NOISE = (
    b"\xff\xfe\x80\x00\x81 noise of a line at another speed \xc3\r",
    b"\x1b[A\x1b[B\x1b[999C\x1bOP\x1b[?1;2c\x1b[24;80R\r",
    b"\x1b[200~settle\r\ncash collect box 100 1\r\n\x1b[201~\x03",
    b"\t\t\x1b\x1b\x01\x05\x0b\x15\x17\x19\x1f\r",
    b"reboot " + b"A" * 5000 + b"\r",
    b"'unclosed \r",
    b"{}[]%s%n`$(reboot)` ; reboot\r",
)
"""What comes down a line that is loose, a terminal that answers, and somebody who pastes the wrong thing."""


@pytest.mark.parametrize("language", Language)
async def test_noise_at_login_and_at_the_prompt_ends_no_terminal(rig: Rig, language: Language) -> None:
    assert 0 == await rig.types("\udcff\udc80", "\udcff \udc80", "events \udcff", "status", language=language)
    assert w.AskStatus in {type(one) for one in rig.asked}
    assert rig.text.encode()


async def test_ctrl_c_at_the_login_ends_no_terminal(rig: Rig) -> None:
    interrupted: list[str] = []

    def secret(prompt: str) -> str:
        interrupted.append(prompt)
        raise KeyboardInterrupt

    rig.ready = ["status"]
    terminal = Terminal(
        rig.path,
        seconds=5.0,
        language=Language.EN,
        write=rig.said.append,
        read=rig._next,
        read_secret=secret,
    )
    assert 0 == await asyncio.to_thread(terminal.run)
    assert 1 == len(interrupted)
    assert w.AskStatus() == rig.asked[-1]


async def test_whatever_comes_down_the_line_gives_no_order_and_the_next_command_is_understood(
    rig: Rig,
) -> None:
    drawn = io.StringIO()
    output = Vt100_Output(drawn, lambda: Size(rows=24, columns=80), term="vt100")
    terminal = Terminal(
        rig.path, seconds=5.0, language=Language.EN, write=rig.said.append, read_secret=lambda _: "good"
    )
    with create_pipe_input() as keys, create_app_session(input=keys, output=output):
        running = asyncio.create_task(asyncio.to_thread(terminal.run))
        for number, noise in enumerate(NOISE, start=1):
            keys.send_bytes(noise)
            keys.send_text("\x03status\r")
            await comes(lambda n=number: n == sum(isinstance(one, w.AskStatus) for one in rig.asked))  # type: ignore[misc]
        keys.send_text("exit\r")
        assert 0 == await asyncio.wait_for(running, 60)
    assert {w.AskNonce, w.Login, w.AskStatus} == {type(one) for one in rig.asked}


async def test_a_watch_that_nobody_ends_logs_out_too(rig: Rig) -> None:
    clock = Clock()

    def act_and_wait(request: w.AnyRequest) -> w.Answer | None:
        if isinstance(request, w.AskEvents):
            clock.now += 40.0
            return w.Answer(done=True, text="", facts={"number": 1, "events": []})
        return None

    rig.first = act_and_wait
    rig.ready = ["good", "watch"]
    terminal = rig.terminal(idle_seconds=100.0, monotonic=clock)
    assert 0 == await asyncio.to_thread(terminal.run)
    assert w.Logout(session="t0ken") == rig.asked[-1]
    assert "this terminal logs out" in rig.text

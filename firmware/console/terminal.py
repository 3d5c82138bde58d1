"""The technician's terminal: a serial line of 9600 baud and a VT100 are enough.

No menu opens while one types, nothing is asked of the terminal, and a line costs some 170 bytes (measured:
a key 37 bytes, 39 ms). The daemon is asked over its socket; whichever side ends harms nothing: the session
lives in the daemon's journal, and the same order takes it up again.
"""

import asyncio
import contextlib
import json
import os
import select
import sys
import termios
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.output.color_depth import ColorDepth
from prompt_toolkit.shortcuts import CompleteStyle

from firmware.console import wire as w
from firmware.console.catalogue import events_of, explain
from firmware.console.client import ask
from firmware.console.commands import LOCAL, Command, Line, completions, help_page, understand
from firmware.console.history import CommandHistory, CommandMemory
from firmware.console.pages import event_line
from firmware.console.sayings import say_in
from firmware.core.terms import Language
from firmware.core.wording import Sentence, told
from firmware.errors import ConsoleError

_PAGE_LINES = 22


class _Idle(Exception):
    """Nobody has typed for idle_seconds."""


class _OnTab(Completer):
    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002 - its interface
        before = document.text_before_cursor
        typed = "" if before.endswith(" ") else before.rpartition(" ")[2]
        for word in completions(before):
            yield Completion(f"{word} ", start_position=-len(typed), display=word)


class Terminal:
    """One technician at one terminal. socket: the daemon's. seconds: how long an answer may take.

    history: a file, None for none beyond this terminal. read, write: a line with its prompt, and a text.
    idle_seconds: without a key the session ends and the terminal with it; 0: never.
    """

    def __init__(
        self,
        socket: Path,
        *,
        seconds: float,
        language: Language,
        history: Path | None = None,
        as_json: bool = False,
        sure: bool = False,
        idle_seconds: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
        write: Callable[[str], None] | None = None,
        read: Callable[[str], str] | None = None,
        read_secret: Callable[[str], str] | None = None,
    ) -> None:
        self._socket, self._seconds = socket, seconds
        self._language = language
        self._history = history
        self._as_json, self._sure = as_json, sure
        self._write = _to_stdout if write is None else write
        self._read = self._prompt if read is None else read
        self._read_secret = self._unseen if read_secret is None else read_secret
        self._idle_seconds, self._monotonic = idle_seconds, monotonic
        self._touched_at = monotonic()
        self._prompts: PromptSession[str] | None = None
        self._token = ""

    def run(self) -> int:
        """Until exit, logout, the end of the line or too long a silence; the exit status."""
        try:
            return self._talk()
        except _Idle:
            self._leave()
            return 0

    def _talk(self) -> int:
        self._say(self._in_words(told("Madoguchi maintenance console. Type help.")))
        with contextlib.suppress(EOFError):
            try:
                self._one("login")
            except KeyboardInterrupt:
                self._say("")
            while True:
                try:
                    line = self._read("madoguchi> ").strip()
                    if line in {"exit", "logout"}:
                        if line == "logout":
                            self._one("logout")
                        return 0
                    if line:
                        self._one(line)
                except KeyboardInterrupt:
                    self._say("")
        return 0

    def once(self, text: str) -> int:
        """One command for a script; the exit status."""
        try:
            return 0 if self._one(text) else 1
        except _Idle:
            self._leave()
            return 1

    def login(self, order: str) -> bool:
        """Open the session of an order; False, and why on the screen, if it is refused."""
        answer = self._ask(w.Login(_clean(order)))
        self._token = str(answer.facts.get("token", ""))
        if not self._as_json:
            self._say(answer.text)
        elif not answer.done:
            self._say_json(done=False, text=answer.text)
        return answer.done

    def _leave(self) -> None:
        """Whoever comes by next finds no session here, also if the kiosk cannot be told."""
        self._say("")
        self._say(self._in_words(told("Nobody has typed for too long: this terminal logs out.")))
        if self._token:
            self._one("logout")
        self._token = ""

    def _one(self, text: str) -> bool:
        text = _clean(text)
        words = text.split()
        as_json = self._as_json or "--json" in words
        try:
            match [word for word in words if word not in {"--json", "--yes"}]:
                case ["help", *about]:
                    say = str if as_json else self._in_words
                    self._tell(help_page(say, " ".join(about)), as_json=as_json)
                    return True
                case ["lang", "ja" | "en" as language]:
                    self._language = Language(language)
                    return True
                case ["login"]:
                    return self._login()
                case ["logout"]:
                    return self._answer(Line(_LOGOUT, w.Logout(), as_json=as_json, sure=True))
                case ["events", word]:
                    spoken = Language.EN if as_json else self._language
                    found = [event.value for event in events_of(word)]
                    self._tell(explain(word, spoken), as_json=as_json, events=found)
                    return True
                case ["watch"] | ["watch", _] as watched:
                    self._watch(*watched[1:], as_json=as_json)
                    return True
                case _:
                    return self._answer(understand(text))
        except ConsoleError as error:
            if as_json:
                self._say_json(done=False, text=str(error))
            else:
                self._say(self._in_words(error.sentence))
            return False

    def _login(self) -> bool:
        nonce = self._ask(w.AskNonce()).text
        if nonce:
            self._say(
                self._in_words(
                    told("The clock is not trusted. The order must carry this nonce: {nonce}", nonce=nonce)
                )
            )
        order = self._read_secret(
            self._in_words(told("Paste a maintenance order and press Enter (it is not shown): "))
        )
        return self.login(order) if order else False

    def _answer(self, line: Line) -> bool:
        if not (line.sure or self._sure) and line.command.warns is not None:
            self._say(self._in_words(line.command.warns))
            if not self._agreed(self._in_words(told("Are you sure (yes/no): "))):
                self._say(self._in_words(told("Nothing was done.")))
                return False
        as_json = line.as_json or self._as_json
        language = Language.EN if as_json else self._language
        answer = self._ask(line.request, language)
        if answer.asks and isinstance(line.request, w.TestPart):
            self._say(answer.text)
            seen = self._agreed(f"{answer.asks} (yes/no): ")
            answer = self._ask(msgspec.structs.replace(line.request, seen=seen), language)
        if as_json:
            self._say_json(done=answer.done, text=answer.text, **answer.facts)
        else:
            self._page(answer.text.splitlines())
        return answer.done

    def _watch(self, event: str = "", *, as_json: bool = False) -> None:
        """event: only of this id, or behind this code of the screen."""
        number = int(str(self._ask(w.AskEvents(last=1)).facts["number"]))
        self._touched()
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                if self._idle_left() == 0:
                    raise _Idle
                answer = self._ask(
                    w.AskEvents(since=max(1, number), event=event, last=100, wait_seconds=10.0)
                )
                if not answer.done:
                    self._tell((answer.text,), as_json=as_json, done=False)
                    return
                number = int(str(answer.facts.get("number", number)))
                for came in answer.facts.get("events", []):
                    self._say(json.dumps(came) if as_json else event_line(came))

    def _ask(self, request: w.AnyRequest, language: Language | None = None) -> w.Answer:
        """language: of the answer; a program's is English."""
        request = msgspec.structs.replace(
            request, session=self._token, language=self._language if language is None else language
        )
        return ask(self._socket, request, seconds=self._seconds)

    def _agreed(self, question: str) -> bool:
        return self._read(question).strip().lower() in {"yes", "y", "はい"}

    def _in_words(self, sentence: Sentence) -> str:
        return say_in(self._language)(sentence)

    def _say(self, text: str) -> None:
        if self._language is not Language.JA:
            text = text.encode("ascii", "replace").decode()
        self._write(text + "\n")

    def _tell(self, lines: Iterable[str], *, as_json: bool, done: bool = True, **facts: object) -> None:
        """What the console knows by itself, page by page or as one line for a program."""
        if as_json:
            self._say_json(done=done, text="\n".join(lines), **facts)
        else:
            self._page(lines)

    def _say_json(self, **said: object) -> None:
        """One line, and nothing else, for a program."""
        self._say(json.dumps(said))

    def _page(self, lines: Iterable[str]) -> None:
        """A screen at a time, if somebody reads along."""
        interactive = self._prompts is not None
        for number, line in enumerate(lines, start=1):
            self._say(line)
            if (
                interactive
                and number % _PAGE_LINES == 0
                and self._read(self._in_words(told("--More-- (Enter, or q) "))).strip() == "q"
            ):
                return

    def _prompt(self, prompt: str) -> str:
        if self._prompts is None:
            self._prompts = _prompt_session(self._history)
            self._prompts.app.key_processor.before_key_press += self._touched
        return str(self._prompts.prompt(prompt, pre_run=self._watch_keys))

    def _watch_keys(self) -> None:
        """The prompt has just begun."""
        app, loop = get_app(), asyncio.get_running_loop()

        def look() -> None:
            left = self._idle_left()
            if left:
                loop.call_later(left, look)
            elif app.future is not None and not app.future.done():
                app.exit(exception=_Idle)

        self._touched()
        if self._idle_seconds:
            loop.call_later(self._idle_seconds, look)

    def _touched(self, _keys: object = None) -> None:
        self._touched_at = self._monotonic()

    def _idle_left(self) -> float:
        """Seconds until the silence is too long."""
        if not self._idle_seconds:
            return float("inf")
        return max(0.0, self._touched_at + self._idle_seconds - self._monotonic())

    def _unseen(self, prompt: str) -> str:
        """Who is not logged in may take his time."""
        return _unseen_line(prompt, self._idle_seconds if self._token else 0.0)


def _prompt_session(history: Path | None) -> PromptSession[str]:
    # Asking the terminal where its cursor is costs a wait of 2 s on one that does not answer.
    os.environ["PROMPT_TOOLKIT_NO_CPR"] = "1"
    return PromptSession(
        history=CommandMemory() if history is None else CommandHistory(str(history)),
        completer=_OnTab(),
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,
        enable_history_search=False,
        enable_suspend=False,
        reserve_space_for_menu=0,
        color_depth=ColorDepth.DEPTH_1_BIT,
    )


def _clean(text: str) -> str:
    """Bytes that were no text came as surrogates, which neither the wire nor the terminal takes."""
    return text.encode(errors="replace").decode()


def _to_stdout(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


@contextlib.contextmanager
def _no_echo(descriptor: int) -> Iterator[None]:
    before = termios.tcgetattr(descriptor)
    silent = termios.tcgetattr(descriptor)
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _unseen_line(prompt: str, idle_seconds: float) -> str:
    """A line that is not shown: an order is a key for as long as it lives. Raises EOFError, _Idle."""
    _to_stdout(prompt)
    guard = _no_echo(sys.stdin.fileno()) if sys.stdin.isatty() else contextlib.nullcontext()
    with guard:
        if idle_seconds and not select.select([sys.stdin], [], [], idle_seconds)[0]:
            raise _Idle
        # Noise on the line is no text of any locale.
        line = sys.stdin.buffer.readline()
    _to_stdout("\n")
    if not line:
        raise EOFError
    return line.decode(errors="replace").strip()


_LOGOUT = Command(("logout",), "", lambda _: w.Logout(), LOCAL["logout"])

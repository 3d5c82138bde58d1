"""The console's socket: one request, one answer; what is no request is refused, and nobody else gets in."""

import asyncio
import contextlib
import grp
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.console.client import ask
from firmware.console.server import ConsoleServer
from firmware.console.wire import (
    MOST_BYTES,
    Answer,
    AnyRequest,
    CloseDay,
    Collect,
    Refill,
    to_answer,
    to_line,
    to_request,
)
from firmware.core.wording import Sentence, told
from firmware.errors import ConsoleError, OfficeRefused
from firmware.logbook import EventId, FieldValue


class Rig:
    """A console whose kiosk answers with what it was asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[tuple[AnyRequest, str]] = []
        self.log: list[EventId] = []
        self.hold = False
        self.heard = asyncio.Event()
        self.server = ConsoleServer(path, self.act, self.write, read_seconds=0.2)

    async def act(self, request: AnyRequest, who: str) -> Sentence:
        self.asked.append((request, who))
        self.heard.set()
        if self.hold:
            await asyncio.Event().wait()
        if isinstance(request, CloseDay):
            raise OfficeRefused("no entries")
        return told("{answer}", answer="done so")

    def write(self, event: EventId, /, **_fields: FieldValue) -> None:
        self.log.append(event)

    async def say(self, octets: bytes, *, then_close: bool = True) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self.path)
        writer.write(octets)
        if then_close:
            writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    rig = Rig(tmp_path / "console")
    await rig.server.start()
    yield rig
    await rig.server.close()
    await rig.server.close()
    assert not rig.path.exists()


async def test_a_request_comes_with_who_asks_and_goes_with_an_answer(rig: Rig) -> None:
    answer = await asyncio.to_thread(ask, rig.path, Collect(None, 500, 3))
    assert Answer(done=True, text="done so") == answer
    assert [(Collect(None, 500, 3), f"uid:{os.getuid()}")] == rig.asked


async def test_a_refusal_says_why_and_is_logged(rig: Rig) -> None:
    answer = await asyncio.to_thread(ask, rig.path, CloseDay())
    assert Answer(done=False, text="no entries") == answer
    assert [EventId.CONSOLE_REFUSED] == rig.log


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (b'{"act":"refill","hopper":3}\n', "no request: Object missing required field `coins`"),
        (
            b'{"act":"refill","hopper":3,"coins":"9"}\n',
            "no request: Expected `int`, got `str` - at `$.coins`",
        ),
        (b'{"act":"count","hopper":null,"coin_yen":5000,"coins":1}\n', "no request: Expected `int` <= 500"),
        (b'{"act":"ask_claim","claim_no":"../orders/1"}\n', "no request: Expected `str` matching regex"),
        (b'{"act":"open_door"}\n', "no request: Invalid value 'open_door' - at `$.act`"),
        (b'{"act":"close_day","now":1}\n', "no request: Object contains unknown field `now`"),
        (b"\xff\xfe\n", "no request: "),
        (b"", "no request: "),
        (b"[" * 5000 + b"\n", "no request: "),
        (b"x" * (MOST_BYTES + 10) + b"\n", ""),
    ],
)
async def test_what_is_no_request_is_refused_by_name(rig: Rig, said: bytes, complaint: str) -> None:
    answer = to_answer(await rig.say(said))
    assert (False, True) == (answer.done, answer.text.startswith(complaint))
    assert [] == rig.asked


async def test_somebody_who_says_nothing_holds_up_nobody(rig: Rig) -> None:
    silent = asyncio.create_task(rig.say(b"", then_close=False))
    assert (await asyncio.to_thread(ask, rig.path, Refill(3, 1))).done
    assert b"" == await silent


async def test_a_kiosk_that_stops_leaves_the_request_unanswered_not_undecided(rig: Rig) -> None:
    rig.hold = True
    asking = asyncio.create_task(asyncio.to_thread(ask, rig.path, Refill(3, 1)))
    await rig.heard.wait()
    await rig.server.close()
    with pytest.raises(ConsoleError, match="look into the journal"):
        await asking


async def test_a_console_killed_after_it_asked_has_it_done_once_and_disturbs_nobody(rig: Rig) -> None:
    go_on = asyncio.Event()
    done: list[AnyRequest] = []

    async def act(request: AnyRequest, _who: str) -> Sentence:
        rig.heard.set()
        await go_on.wait()
        done.append(request)
        return told("{answer}", answer="x" * 300_000)

    server = ConsoleServer(rig.path.with_name("other"), act, rig.write)
    await server.start()
    _, writer = await asyncio.open_unix_connection(rig.path.with_name("other"))
    writer.write(to_line(Collect(None, 500, 3)))
    await rig.heard.wait()
    writer.transport.abort()  # as the kernel does for a process that was killed
    go_on.set()
    answer = await asyncio.to_thread(ask, rig.path.with_name("other"), Refill(3, 1))
    assert answer.done
    assert [Collect(None, 500, 3), Refill(3, 1)] == done
    await server.close()
    assert [] == rig.log


def test_without_a_kiosk_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match="the kiosk does not run"):
        ask(tmp_path / "console", CloseDay())


async def test_a_kiosk_that_says_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "console"))
        deaf.listen()
        with pytest.raises(ConsoleError, match="no answer"):
            await asyncio.to_thread(ask, tmp_path / "console", CloseDay(), seconds=0.1)


async def test_only_the_owner_may_open_it_and_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "console"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    rig = Rig(path)
    await rig.server.start()
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert (await asyncio.to_thread(ask, path, Refill(3, 1))).done
    await rig.server.close()


async def test_a_group_may_be_let_in(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "console")
    rig.server = ConsoleServer(rig.path, rig.act, rig.write, group=grp.getgrgid(os.getgid()).gr_name)
    await rig.server.start()
    found = rig.path.stat()
    assert (0o660, os.getgid()) == (stat.S_IMODE(found.st_mode), found.st_gid)
    await rig.server.close()


async def test_a_group_is_let_in_by_its_folder_where_no_group_may_be_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under the unit's system call filter, which knows no chown(2)."""

    def filtered(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "chown", filtered)
    rig = Rig(tmp_path / "console")
    rig.server = ConsoleServer(rig.path, rig.act, rig.write, group=grp.getgrgid(os.getgid()).gr_name)
    await rig.server.start()
    assert 0o660 == stat.S_IMODE(rig.path.stat().st_mode)
    await rig.server.close()
    assert [] == rig.log


async def test_a_group_that_does_not_exist_leaves_the_console_to_its_owner(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "console")
    rig.server = ConsoleServer(rig.path, rig.act, rig.write, group="no-such-group")
    await rig.server.start()
    assert 0o600 == stat.S_IMODE(rig.path.stat().st_mode)
    assert (await asyncio.to_thread(ask, rig.path, Refill(3, 1))).done
    await rig.server.close()
    assert [EventId.CONSOLE_REFUSED] == rig.log


async def test_a_socket_that_cannot_be_made_is_logged_and_the_kiosk_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    rig = Rig(tmp_path)
    server = ConsoleServer(tmp_path / "file" / "console", rig.act, rig.write)
    await server.start()
    await server.close()
    assert [EventId.CONSOLE_GONE] == rig.log


@given(st.binary(max_size=200))
def test_bytes_from_anybody_end_in_a_request_or_a_named_error(said: bytes) -> None:
    for read in (to_request, to_answer):
        with contextlib.suppress(ConsoleError):
            read(said)


@given(st.builds(Collect, st.none() | st.integers(0, 255), st.integers(1, 500), st.integers(0, 1_000_000)))
def test_a_request_is_read_as_it_was_written(request_: Collect) -> None:
    assert request_ == to_request(to_line(request_))

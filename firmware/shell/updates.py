"""The kiosk's side of an update: asks root for it, serves nobody meanwhile, says when it is fit. 更新

It speaks to root by files in memory (systemd/README.md): what runs is read, the wish, the word that it is
held and the word that it is fit are written. Which bundle may be installed is not decided here.
"""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from firmware.core import updates as u
from firmware.errors import OfficeRefused
from firmware.logbook import EventId, Logbook
from firmware.whole_file import write_whole

_LOOK_SECONDS: Final = 1.0
_REST_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 1800.0
"""A wish that root has not taken up by then is taken back."""
_AGAIN_SECONDS: Final = 30.0
_WISH_AGAIN_SECONDS: Final = 10.0
"""PathChanged= does not see a wish that is written while root still ends the one before."""


@dataclass(frozen=True, slots=True)
class UpdateFiles:
    """state: root writes it. wish, fit: the kiosk does."""

    state: Path
    wish: Path
    fit: Path

    @property
    def held(self) -> Path:
        """There while the kiosk serves nobody: without it root starts nothing anew."""
        return self.wish.with_name("update-held")

    @property
    def before(self) -> Path:
        """What is wrong while root installs, for root to read when all is written."""
        return self.wish.with_name("update-before")


class UpdateWatch:
    """hold: keeps the kiosk out of service. Root's word is read at once: a system on trial never serves.

    command_line: where rauc.slot= stands, the machine has slots, and nobody is served before root has spoken.
    """

    def __init__(
        self,
        files: UpdateFiles | None,
        *,
        hold: Callable[[bool], None],
        log: Logbook,
        monotonic: Callable[[], float] = time.monotonic,
        command_line: Path = Path("/proc/cmdline"),
    ) -> None:
        self._files, self._hold, self._log, self._monotonic = files, hold, log, monotonic
        self._unfit: Callable[[], frozenset[str]] = frozenset
        self._resting: Callable[[], bool] = lambda: False
        self._well_since: float | None = None
        self._told_fit = -_AGAIN_SECONDS
        self._asked_at: float | None = None
        self._nonce = ""
        self._wished_at = monotonic()
        if files is not None and files.wish.exists():
            self._asked_at, self._nonce = monotonic(), _word(_said(files.wish), "nonce")
        self._has_slots = files is not None and _names_a_slot(command_line)
        self._told = ""
        self._noted_before: list[str] | None = None
        self._task: asyncio.Task[None] | None = None
        self.state = u.UpdateState()
        self._look_at(_read(files))

    def start(self, unfit: Callable[[], frozenset[str]], resting: Callable[[], bool]) -> None:
        """unfit: what is wrong now, see core.rules. resting: out of service, and no visit."""
        self._unfit, self._resting = unfit, resting
        if self._files is not None:
            self._task = asyncio.create_task(self._watch(), name="updates")

    async def close(self) -> None:
        """Look no more; may be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def under_way(self) -> bool:
        """The kiosk serves nobody because of it."""
        unsaid = self._has_slots and not self.state.standing
        standing = self.state.standing
        return self._asked_at is not None or unsaid or standing in {"installing", u.Standing.TRIAL.value}

    @property
    def lacks(self) -> frozenset[str]:
        """What keeps a system on trial from being fit."""
        on_trial = self.state.standing == u.Standing.TRIAL.value
        return u.faults(self._unfit(), frozenset(self.state.before)) if on_trial else frozenset()

    async def ask(self, bundle: str) -> None:
        """Have root install this file. Raises OfficeRefused without a slot for it, or if a visit goes on."""
        files = self._files
        if files is None or not self.state.standing:
            raise OfficeRefused("this machine has no second slot: nothing can be installed here")
        if self.state.barred:
            raise OfficeRefused(u.barred_by(self.state.barred))
        if self.under_way:
            raise OfficeRefused("an update is under way")
        self._asked_at, self._nonce = self._monotonic(), secrets.token_hex(16)
        self._hold(True)
        sent = False
        try:
            async with asyncio.timeout(_REST_SECONDS):
                while not self._resting():  # noqa: ASYNC110 - a state has no event of its own
                    await asyncio.sleep(0.05)
            files.held.touch()
            wish = {"bundle": bundle, "before": sorted(self._unfit()), "nonce": self._nonce}
            sent = True
            self._wished_at = self._monotonic()
            await asyncio.to_thread(write_whole, files.wish, json.dumps(wish).encode(), mode=0o644)
        except BaseException as error:
            if sent and isinstance(error, asyncio.CancelledError):
                raise  # the thread writes it all the same: root answers
            self._take_back()
            if isinstance(error, TimeoutError):
                raise OfficeRefused(
                    "a visit is under way: maintenance on, and say it again when it has ended"
                ) from error
            if isinstance(error, OSError):
                raise OfficeRefused("the wish cannot be written: {error}", error=error) from error
            raise

    async def _watch(self) -> None:
        while True:
            said = await asyncio.to_thread(_read, self._files)
            self._look_at(said)
            if self._asked_at is not None and _word(said, "nonce") != self._nonce:
                await self._wish_again()
            if self.state.standing == u.Standing.TRIAL.value:
                await self._try()
            await self._note_before()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _note_before(self) -> None:
        """A disk may turn out to be failing by the very writing of an update, which is no fault of that."""
        files = self._files
        if files is None or self.state.standing != "installing":
            self._noted_before = None
            return
        found = sorted(self._unfit())
        if found != self._noted_before:
            said = json.dumps({"nonce": self._nonce, "before": found}).encode()
            with contextlib.suppress(OSError):  # said again; without it what the wish said counts
                await asyncio.to_thread(write_whole, files.before, said, mode=0o644)
                self._noted_before = found

    async def _wish_again(self) -> None:
        """Root has not taken it up; the same wish under the same nonce is no second one."""
        files, now = self._files, self._monotonic()
        if files is None or now - self._wished_at < _WISH_AGAIN_SECONDS:
            return
        self._wished_at = now
        with contextlib.suppress(OSError):  # not there yet: the kiosk is not at rest
            wish = await asyncio.to_thread(files.wish.read_bytes)
            await asyncio.to_thread(write_whole, files.wish, wish, mode=0o644)

    def _look_at(self, said: dict[str, Any]) -> None:
        known = {name: said[name] for name in u.UpdateState.__slots__ if name in said}
        if "before" in known:
            known["before"] = tuple(map(str, known["before"]))
        self.state = u.UpdateState(**known)
        if self._asked_at is not None:
            late = self._monotonic() - self._asked_at > _ANSWER_SECONDS
            # The last wish's refusal still stands there: only the answer to this one counts.
            answered = self._nonce != "" and _word(said, "nonce") == self._nonce
            if answered or late:
                self._asked_at = None
                self._forget_wish()
        self._hold_or_let_go()
        self._tell_once(_word(said, "nonce"))

    def _hold_or_let_go(self) -> None:
        """Root's sign goes before the first visit can come, and comes after the last one has ended."""
        files, on = self._files, self.under_way
        with contextlib.suppress(OSError):  # without the sign root does nothing
            if files is not None and not on:
                files.held.unlink(missing_ok=True)
        self._hold(on)
        with contextlib.suppress(OSError):
            if files is not None and on and self._resting():
                files.held.touch()

    def _forget_wish(self) -> None:
        if self._files is not None:
            with contextlib.suppress(OSError):
                self._files.wish.unlink(missing_ok=True)

    def _tell_once(self, nonce: str) -> None:
        """What root has said, in the kiosk's log, too: staff ask it there."""
        word = f"{self.state.standing} {self.state.refused} {self.state.wanted} {nonce}"
        if word == self._told:
            return
        self._told = word
        version = self.state.wanted or self.state.version
        if self.state.refused:
            self._log(EventId.UPDATE_REFUSED, reason=self.state.refused)
        elif self.state.standing == u.Standing.ROLLED_BACK.value:
            self._log(EventId.UPDATE_ROLLED_BACK, version=version)
        elif self.state.standing == u.Standing.CONFIRMED.value:
            self._log(EventId.UPDATE_GOOD, version=version)
        elif self.state.standing == u.Standing.TRIAL.value:
            self._log(EventId.UPDATE_TRIAL, version=version)

    async def _try(self) -> None:
        now, files = self._monotonic(), self._files
        found = self.lacks
        if found or self._well_since is None:
            self._well_since = None if found else now
            return
        fit = u.trial(found, now - self._well_since) is u.Trial.FIT
        if fit and files is not None and now - self._told_fit >= _AGAIN_SECONDS:
            self._told_fit = now
            with contextlib.suppress(OSError):  # said again; without it the former system comes back
                await asyncio.to_thread(write_whole, files.fit, b"fit\n", mode=0o644)

    def _take_back(self) -> None:
        self._asked_at = None
        self._forget_wish()
        self._hold_or_let_go()


def _read(files: UpdateFiles | None) -> dict[str, Any]:
    """Nothing where there are no slots, or root is just about to say it."""
    return {} if files is None else _said(files.state)


def _said(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _word(said: dict[str, Any], name: str) -> str:
    return str(said.get(name, ""))


def _names_a_slot(command_line: Path) -> bool:
    try:
        words = command_line.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return any(word.startswith("rauc.slot=") for word in words)

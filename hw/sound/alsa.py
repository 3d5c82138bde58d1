"""Plays sound files one after another through ALSA, and stops at once when told to."""

import asyncio
import contextlib
import wave
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from firmware.logbook import EventId, Logbook
from hw.one_thread import OneThread
from hw.sound.shape import pcm

_SILENT: tuple[Path, ...] = ()


class AlsaVoice:
    """Implements `firmware.ports.Voice` with one `aplay` a turn.

    speaker, earphone: ALSA device names; an empty earphone is none, and what is private is not played.
    A sound device that is missing is logged once when gone and once when back; nothing waits for it.
    """

    def __init__(self, *, speaker: str, earphone: str, log: Logbook, program: str = "aplay") -> None:
        self._speaker = speaker
        self._earphone = earphone
        self._log = log
        self._program = program
        self._fault = ""
        self._task: asyncio.Task[None] | None = None
        self._free = asyncio.Lock()
        self._shaper = OneThread("voice-shaper")

    def play(
        self, clips: Sequence[Path], *, private: bool = False, gain_db: float = 0.0, rate: float = 1.0
    ) -> None:
        """Say this instead of what is being said; nothing is said of an empty sequence."""
        device = self._earphone if private else self._speaker
        before, self._task = self._task, None
        if before is not None:
            before.cancel()
        wanted = tuple(clips) if device else _SILENT
        if wanted:
            turn = self._turn(device, wanted, gain_db, rate)
            self._task = asyncio.get_running_loop().create_task(turn, name="voice")

    async def quiet(self) -> None:
        """Returns when everything has been said."""
        while (task := self._task) is not None and not task.done():
            await asyncio.wait([task])
        async with self._free:
            pass

    async def try_out(self, clips: Sequence[Path], *, private: bool = False, seconds: float) -> str:
        """Play this to its end; why it did not get there as one word, empty if it did."""
        self.play(clips, private=private)
        task = self._task
        if task is None:
            return "no-device"
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            self.play(_SILENT)
            return "time-out"
        return "cut-short" if task.cancelled() else self._fault

    async def close(self) -> None:
        """Silence; may be called twice."""
        self.play(_SILENT)
        await self.quiet()
        await self._shaper.close()

    async def _turn(self, device: str, clips: Sequence[Path], gain_db: float, rate: float) -> None:
        async with self._free:  # the device is, only when the player before is gone
            await self._say(device, clips, gain_db, rate)

    async def _say(self, device: str, clips: Sequence[Path], gain_db: float, rate: float) -> None:
        if (gain_db, rate) == (0.0, 1.0):
            await self._aplay(device, tuple(map(str, clips)), None)
            return
        try:
            sound, hertz = await self._shaper.run(partial(pcm, clips, gain_db=gain_db, rate=rate))
        except (OSError, ValueError, wave.Error) as error:
            self._note(type(error).__name__)
            return
        await self._aplay(device, ("-t", "raw", "-f", "S16_LE", "-c", "1", "-r", str(hertz)), sound)

    async def _aplay(self, device: str, what: Sequence[str], sound: bytes | None) -> None:
        """what: files, or the format of sound."""
        quiet, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
        fed = quiet if sound is None else pipe
        try:
            process = await asyncio.create_subprocess_exec(
                self._program, "-q", "-D", device, *what, stdin=fed, stdout=quiet, stderr=quiet
            )
        except OSError as error:
            self._note(type(error).__name__)
            return
        try:
            await process.communicate(sound)
            code = process.returncode
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if process.stdin is not None:
                process.stdin.close()
                with contextlib.suppress(ConnectionError):  # what it was not given any more
                    await process.stdin.wait_closed()
            raise
        self._note(f"exit-{code}" if code else "")

    def _note(self, fault: str) -> None:
        if fault and not self._fault:
            self._log(EventId.SOUND_GONE, error=fault)
        if self._fault and not fault:
            self._log(EventId.SOUND_BACK)
        self._fault = fault

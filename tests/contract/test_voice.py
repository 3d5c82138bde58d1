"""The voice on ALSA without a sound card: its `file` plugin keeps what would have been heard."""

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest

from firmware.compose.telling import Told
from firmware.core.terms import Aid, Language
from firmware.logbook import EventId, FieldValue
from firmware.screen.render_voice import read, render
from firmware.settings import load
from hw.sound import AlsaVoice
from tests.unit.test_screen_storyboard import PIN

CONFIG = Path(__file__).resolve().parents[2] / "config" / "kiosk.toml"
ASOUND = """
pcm.{name} {{
    type file
    slave.pcm {{ type null }}
    file "{file}"
    format "raw"
}}
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("clips")
    return {clip.text: directory / clip.file for clip in render([], directory)}


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what loudspeaker and earphone played."""
    config = tmp_path / "asound.conf"
    config.write_text(
        "".join(ASOUND.format(name=name, file=tmp_path / name) for name in ("speaker", "earphone"))
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
    return tmp_path


@pytest.fixture
def log() -> list[EventId]:
    return []


@pytest.fixture
async def voice(log: list[EventId]) -> AsyncIterator[AlsaVoice]:
    def write(event: EventId, /, **_fields: FieldValue) -> None:
        log.append(event)

    voice = AlsaVoice(speaker="speaker", earphone="earphone", log=write)
    yield voice
    await voice.close()


async def until_quiet(voice: AlsaVoice) -> None:
    async with asyncio.timeout(60):
        await voice.quiet()


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def samples(path: Path) -> list[int]:
    return np.fromfile(path, dtype="<i2").tolist() if path.exists() else []


def of(*paths: Path) -> list[int]:
    return [round(float(sample) * 32768) for path in paths for sample in read(path)]


async def test_clips_are_heard_one_after_another_sample_for_sample(
    voice: AlsaVoice, heard: Path, clips: dict[str, Path], log: list[EventId]
) -> None:
    voice.play([clips["chime"], clips["tone"]])
    await until_quiet(voice)
    expected = of(clips["chime"], clips["tone"])
    told = [sample for sample in samples(heard / "speaker") if sample]
    assert [sample for sample in expected if sample] == told
    assert [] == samples(heard / "earphone")
    assert [] == log


async def test_what_is_private_is_heard_by_earphone_alone(
    voice: AlsaVoice, heard: Path, clips: dict[str, Path]
) -> None:
    voice.play([clips["tone"]], private=True)
    await until_quiet(voice)
    assert samples(heard / "earphone")
    assert [] == samples(heard / "speaker")


async def test_the_next_prompt_cuts_the_one_before_short(tmp_path: Path, log: list[EventId]) -> None:
    """With a player that would never end by itself; it tells its process by a pipe."""
    told, player = tmp_path / "told", tmp_path / "player"
    os.mkfifo(told)
    player.write_text(f"#!/bin/sh\necho $$ >{told}\nexec sleep 600\n")
    player.chmod(0o755)

    def write(event: EventId, /, **_fields: FieldValue) -> None:
        log.append(event)

    voice = AlsaVoice(speaker="speaker", earphone="earphone", log=write, program=str(player))
    voice.play([told])
    first = int(await asyncio.to_thread(told.read_text))
    voice.play([told], private=True)
    second = int(await asyncio.to_thread(told.read_text))
    assert not alive(first)
    assert alive(second)
    await voice.close()
    assert not alive(second)
    assert [] == log


async def test_a_sound_device_that_is_gone_is_told_once_and_once_when_it_is_back(
    voice: AlsaVoice, heard: Path, clips: dict[str, Path], log: list[EventId]
) -> None:
    config = heard / "asound.conf"
    good = config.read_text()
    config.write_text("")
    for text in ("", "", good):
        config.write_text(text)
        voice.play([clips["tone"]])
        await until_quiet(voice)
    assert [EventId.SOUND_GONE, EventId.SOUND_BACK] == log


async def test_without_an_earphone_nothing_private_is_said(heard: Path, clips: dict[str, Path]) -> None:
    def write(_event: EventId, /, **_fields: FieldValue) -> None:
        raise AssertionError("nothing is gone")

    voice = AlsaVoice(speaker="speaker", earphone="", log=write)
    voice.play([clips["tone"]], private=True)
    await until_quiet(voice)
    assert [] == samples(heard / "speaker")
    await voice.close()


async def test_a_missing_player_silences_the_kiosk_and_nothing_else(clips: dict[str, Path]) -> None:
    told: list[EventId] = []

    def write(event: EventId, /, **_fields: FieldValue) -> None:
        told.append(event)

    voice = AlsaVoice(speaker="speaker", earphone="", log=write, program="/nowhere/aplay")
    voice.play([clips["tone"]])
    await until_quiet(voice)
    assert [EventId.SOUND_GONE] == told


# --- the technician's test of the voice -----------------------------------------------------------


async def tried(folder: Path | None, log: list[EventId], *, earphone: str = "earphone") -> str:
    """What the test of this kiosk's voice says; folder: of its clips."""

    def write(event: EventId, /, **_fields: FieldValue) -> None:
        log.append(event)

    settings = load(CONFIG)
    said = msgspec.structs.replace(
        settings.file.voice, clips=str(folder or ""), speaker="speaker", earphone=earphone
    )
    settings = replace(settings, file=msgspec.structs.replace(settings.file, voice=said))
    told = Told(settings, cast("Any", None), write)
    try:
        return str(await told.try_voice() or "")
    finally:
        await told.close()


async def test_the_voice_is_tried_on_every_sound_device(
    heard: Path, clips: dict[str, Path], log: list[EventId]
) -> None:
    assert "" == await tried(clips["chime"].parent, log)
    assert samples(heard / "speaker") == samples(heard / "earphone") != []
    assert [] == log


async def test_a_kiosk_that_does_not_speak_says_so_when_tried(heard: Path, log: list[EventId]) -> None:
    assert "not configured: voice.clips is empty" in await tried(None, log)
    assert [] == samples(heard / "speaker")


async def test_the_sound_device_that_is_gone_is_named_when_tried(
    heard: Path, clips: dict[str, Path], log: list[EventId]
) -> None:
    config = heard / "asound.conf"
    folder, both = clips["chime"].parent, config.read_text()
    config.write_text(both.replace("pcm.earphone", "pcm.other"))
    assert "the earphone (ALSA device earphone) did not play: exit-1" == await tried(folder, log)
    assert "" == await tried(folder, log, earphone="")
    config.write_text("")
    assert "the loudspeaker (ALSA device speaker) did not play: exit-1" == await tried(folder, log)


async def test_a_sound_device_that_takes_nothing_ends_the_trial(tmp_path: Path, log: list[EventId]) -> None:
    player = tmp_path / "player"
    player.write_text("#!/bin/sh\nexec sleep 600\n")
    player.chmod(0o755)

    def write(event: EventId, /, **_fields: FieldValue) -> None:
        log.append(event)

    voice = AlsaVoice(speaker="speaker", earphone="", log=write, program=str(player))
    assert "no-device" == await voice.try_out([tmp_path], private=True, seconds=0.1)
    assert "time-out" == await voice.try_out([tmp_path], seconds=0.1)
    trial = asyncio.create_task(voice.try_out([tmp_path], seconds=60))
    await asyncio.sleep(0)
    voice.play([])
    assert "cut-short" == await trial
    await voice.close()


async def test_no_player_is_left_behind_however_often_the_prompt_changes(tmp_path: Path) -> None:
    told, player = tmp_path / "told", tmp_path / "player"
    os.mkfifo(told)
    player.write_text(f"#!/bin/sh\necho $$ >{told}\nexec sleep 600\n")
    player.chmod(0o755)
    voice = AlsaVoice(speaker="speaker", earphone="", log=lambda *_, **__: None, program=str(player))
    voice.play([told])
    process = int(await asyncio.to_thread(told.read_text))
    for _ in range(5):
        voice.play([])
        await asyncio.sleep(0)
    await voice.close()
    assert not alive(process)


# --- another volume or pace -----------------------------------------------------------------------


async def test_a_sentence_of_another_volume_that_is_cut_short_leaves_no_failure_behind(
    tmp_path: Path, clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
    monkeypatch.setattr("hw.sound.alsa.pcm", lambda *_, **__: (bytes(1_000_000), 16_000))
    told, player = tmp_path / "told", tmp_path / "player"
    os.mkfifo(told)
    player.write_text(f"#!/bin/sh\necho $$ >{told}\nexec sleep 600\n")
    player.chmod(0o755)
    voice = AlsaVoice(speaker="speaker", earphone="", log=lambda *_, **__: None, program=str(player))
    for _ in range(3):
        voice.play([clips["tone"]], gain_db=6.0)
        await asyncio.to_thread(told.read_text)
    await voice.close()
    gc.collect()
    for _ in range(3):
        await asyncio.sleep(0)
    assert [] == failed


async def test_of_voice_keys_pressed_in_a_row_one_sound_is_computed_at_a_time_and_then_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    computed: list[float] = []
    began, go_on = threading.Event(), threading.Event()

    def compute(_clips: object, *, gain_db: float, rate: float) -> tuple[bytes, int]:
        computed.append(rate)
        began.set()
        go_on.wait(60)
        return b"", 16_000

    monkeypatch.setattr("hw.sound.alsa.pcm", compute)
    voice = AlsaVoice(speaker="speaker", earphone="", log=lambda *_, **__: None, program="true")
    voice.play([Path("tone")], rate=1.25)
    assert await asyncio.to_thread(began.wait, 60)
    for rate in (1.5, 2.0, 0.75):
        voice.play([Path("tone")], rate=rate)
        for _ in range(5):
            await asyncio.sleep(0)
    assert [1.25] == computed
    go_on.set()
    await until_quiet(voice)
    assert [1.25, 0.75] == computed
    await voice.close()


async def test_a_switch_that_cannot_be_read_takes_nobodys_voice_away(
    heard: Path, clips: dict[str, Path], log: list[EventId]
) -> None:
    """The PIN's tone is private: it is heard by earphone, and by loudspeaker nothing of it."""

    class Page:
        def show(self, *_: object) -> None: ...

    def write(event: EventId, /, **_fields: FieldValue) -> None:
        log.append(event)

    settings = load(CONFIG)
    said = msgspec.structs.replace(
        settings.file.voice,
        clips=str(clips["tone"].parent),
        speaker="speaker",
        earphone="earphone",
        earphone_jack=str(heard / "no-such-device"),
    )
    settings = replace(settings, file=msgspec.structs.replace(settings.file, voice=said))
    told = Told(settings, cast("Any", Page()), write)
    plugged: list[bool] = []
    told.listen(plugged.append)
    for digits in (0, 1):
        told.show(replace(PIN, pin_digits=digits), Language.JA, frozenset({Aid.VOICE}))
    await until_quiet(told._voice)
    await told.close()
    assert EventId.SOUND_GONE in log
    assert of(clips["tone"]) == samples(heard / "earphone")[: len(of(clips["tone"]))]
    assert ([], []) == (plugged, samples(heard / "speaker"))

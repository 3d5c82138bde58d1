"""The whole kiosk speaks: what ALSA got is the prompts of the screens that stood, sample for sample."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from firmware.core.terms import Language
from firmware.screen.clips import CHIME, Clips
from firmware.screen.render_voice import read, render
from tests.contract.test_voice import ASOUND
from tests.e2e.visitor import kiosk

PROMPTS = ("マイナンバーカードを、青い台に置いてください", "4けたの暗証番号を、キーで押してください")


async def until_heard(path: Path, *clips: Path | None) -> None:
    """Until all these clips are in what was played, whole."""
    wanted = [np.round(read(clip) * 32768).astype("<i2").tobytes() for clip in clips if clip is not None]
    assert len(clips) == len(wanted)
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(_has, path, wanted):  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.05)


def _has(path: Path, wanted: list[bytes]) -> bool:
    return path.exists() and all(clip in path.read_bytes() for clip in wanted)


async def test_the_loudspeaker_says_where_to_put_the_card_and_the_earphone_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(render, [(Language.JA, text) for text in PROMPTS], tmp_path / "clips")
    clips = Clips.read(tmp_path / "clips")
    config = tmp_path / "asound.conf"
    config.write_text("".join(ASOUND.format(name=name, file=tmp_path / name) for name in ("loud", "ear")))
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
    voice = {"clips": str(tmp_path / "clips"), "speaker": "loud", "earphone": "ear"}
    async with kiosk(overrides={"voice": voice}) as visitor:
        await visitor.walk_to("present_card")
        await until_heard(tmp_path / "loud", clips.sound(CHIME), clips.speech(Language.JA, PROMPTS[0]))
        await visitor.world.insert_card(visitor.card)
        await visitor.sees("pin")
        await until_heard(tmp_path / "loud", clips.speech(Language.JA, PROMPTS[1]))
        await visitor.touch("cancel")
        await visitor.ends_with("cancelled")
        await visitor.leave()
        await visitor.rests()
    assert not (tmp_path / "ear").exists()

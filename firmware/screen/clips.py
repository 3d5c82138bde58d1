"""The sound files of every prompt, and the manifest that says what each of them says."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from firmware.core.terms import Language
from firmware.errors import ConfigError

MANIFEST = "manifest.json"
ALARMS = 4
TONE, CHIME = "tone", "chime"

SPEECH_DBFS, LOUDNESS_OFF_DB = -20.0, 1.0
SHORTEST_SECONDS, LONGEST_SECONDS = 0.2, 20.0


class Clip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file. reading: what the voice was heard to say, kana or phonemes; empty for a sound.

    loudness_dbfs: root mean square of the voiced parts. language: empty for a sound.
    """

    language: str
    text: str
    reading: str
    file: str
    seconds: float
    loudness_dbfs: float
    sha256: str


class Clips:
    """Finds the file of a sentence."""

    def __init__(self, directory: Path, clips: Iterable[Clip]) -> None:
        self._directory = directory
        self.by_text: Mapping[tuple[str, str], Clip] = {(clip.language, clip.text): clip for clip in clips}

    @classmethod
    def read(cls, directory: Path) -> "Clips":
        """Raises ConfigError naming a manifest that cannot be read, or a file that is not as it says."""
        path = directory / MANIFEST
        try:
            clips = msgspec.json.decode(path.read_bytes(), type=list[Clip])
        except (OSError, msgspec.DecodeError) as cause:
            raise ConfigError(f"voice.clips: {path}: {cause}; expected what scripts/voice writes") from cause
        found = cls(directory, clips)
        for clip in clips:
            if not (directory / clip.file).is_file():
                raise ConfigError(f"voice.clips: {directory / clip.file} of the manifest is missing")
        return found

    def speech(self, language: Language, text: str) -> Path | None:
        """The file that says this, None if there is none."""
        return self._path(language.value, text)

    def sound(self, name: str) -> Path | None:
        """The file of a chime, a tone or an alarm."""
        return self._path("", name)

    def altered(self) -> list[str]:
        """Files that are not as the manifest says."""
        return [
            clip.file
            for clip in self.by_text.values()
            if hashlib.sha256((self._directory / clip.file).read_bytes()).hexdigest() != clip.sha256
        ]

    def faults(self, prompts: Iterable[tuple[Language, str]]) -> Iterator[str]:
        """What a kiosk with these prompts would miss or hear badly, in sentences."""
        for language, text in prompts:
            if (language.value, text) not in self.by_text:
                yield f"{language.value}: no file says {text!r}"
        for file in self.altered():
            yield f"{file} is not as the manifest says"
        for clip in self.by_text.values():
            if clip.language and not clip.reading:
                yield f"{clip.file}: nothing was heard of {clip.text!r}"
            if clip.language and abs(clip.loudness_dbfs - SPEECH_DBFS) > LOUDNESS_OFF_DB:
                yield f"{clip.file}: {clip.loudness_dbfs} dBFS, expected {SPEECH_DBFS}: {clip.text!r}"
            if clip.language and not SHORTEST_SECONDS <= clip.seconds <= LONGEST_SECONDS:
                yield f"{clip.file}: {clip.seconds} s long: {clip.text!r}"

    def _path(self, language: str, text: str) -> Path | None:
        clip = self.by_text.get((language, text))
        return None if clip is None else self._directory / clip.file

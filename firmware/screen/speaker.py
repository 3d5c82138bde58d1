"""Speaks what the screen shows: by loudspeaker for everybody, by earphone for whoever asked for the voice."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from firmware.core.orders import Alarm
from firmware.core.terms import Aid, Language
from firmware.logbook import EventId, Logbook
from firmware.ports import Voice
from firmware.screen.clips import ALARMS, CHIME, TONE, Clips
from firmware.screen.narration import Narration, Picture, narrate, speakable


class Speaker:
    """Tells each picture once; the next one cuts it short.

    earphone: there is one; without it nothing private is said to anybody.
    """

    def __init__(self, clips: Clips, voice: Voice, log: Logbook, *, earphone: bool = True) -> None:
        self._earphone = earphone
        self._clips = clips
        self._voice = voice
        self._log = log
        self._before: Picture | None = None
        self._language = Language.JA
        self._privately = False
        self._alarms = 0

    def tell(self, picture: Picture, language: Language, aids: frozenset[Aid]) -> None:
        """The screen shows this now."""
        private = self._earphone and Aid.VOICE in aids
        before = self._before if private == self._privately else None
        said = narrate(picture, before)
        self._before, self._language, self._privately = picture, language, private
        if not picture["alarm"]:
            self._alarms = 0
        self._say(said, new=before is None or said.public != () or not _same_screen(picture, before))

    def sound(self, alarm: Alarm) -> None:
        """The buzzer sounds this; an alarm is said aloud too, and louder each time until it has its end."""
        if alarm is not Alarm.ALARM or self._before is None:
            return
        self._alarms += 1
        level = self._clips.sound(f"alarm-{min(self._alarms, ALARMS)}")
        text = speakable(str(self._before["alarm_text"]), self._language.value)
        words = self._speech([text]) if text else iter(())
        self._voice.play([*([level] if level else []), *words])

    def sample(self) -> Sequence[Path]:
        """The chime and the headline that stands on the screen, for a test while nobody is served."""
        chime = self._clips.sound(CHIME)
        headline = "" if self._before is None else str(self._before["headline"])
        words = self._speech([speakable(headline, self._language.value)]) if headline else iter(())
        return [*([chime] if chime else []), *words]

    def _say(self, said: Narration, *, new: bool) -> None:
        if self._privately:
            if said.tone or said.public or said.private or new:
                tone = self._clips.sound(TONE) if said.tone else None
                words = self._speech((*said.public, *said.private))
                self._voice.play([*([tone] if tone else []), *words], private=True)
        elif said.public:
            chime = self._clips.sound(CHIME)
            self._voice.play([*([chime] if chime else []), *self._speech(said.public)])
        elif new:
            self._voice.play([])

    def _speech(self, texts: Iterable[str]) -> Iterator[Path]:
        for text in texts:
            path = self._clips.speech(self._language, text)
            if path is None:
                self._log(EventId.CLIP_MISSING, reason=self._language.value)
            else:
                yield path


def _same_screen(picture: Picture, before: Picture) -> bool:
    return bool(picture["screen"] == before["screen"] and picture["reason"] == before["reason"])

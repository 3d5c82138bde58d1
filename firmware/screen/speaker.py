"""Speaks what the screen shows: by loudspeaker for everybody, by earphone for whoever asked for the voice."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from firmware.core.orders import Alarm
from firmware.core.terms import Aid, KeypadKey, Language
from firmware.logbook import EventId, Logbook
from firmware.ports import Voice
from firmware.screen.clips import ALARMS, CHIME, TONE, Clips
from firmware.screen.narration import Narration, Picture, narrate, speakable

VOLUMES_DB = (-12.0, -6.0, 0.0, 6.0)
"""18 dB from softest to loudest (EN 301 549, 8.2.1.1)."""

PACES = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
_USUAL = 2


class Speaker:
    """Tells each picture once; the next one cuts it short.

    earphone: there is one; without it nothing private is said to anybody, nor while the machine knows that
    it is not plugged in.
    """

    def __init__(self, clips: Clips, voice: Voice, log: Logbook, *, earphone: bool = True) -> None:
        self._earphone = earphone
        self._plugged: bool | None = None
        self._volume, self._pace = _USUAL, _USUAL
        self._clips = clips
        self._voice = voice
        self._log = log
        self._before: Picture | None = None
        self._language = Language.JA
        self._privately = False
        self._alarms = 0

    def tell(self, picture: Picture, language: Language, aids: frozenset[Aid]) -> None:
        """The screen shows this now."""
        private = self._earphone and self._plugged is not False and Aid.VOICE in aids
        before = self._before if private == self._privately else None
        said = narrate(picture, before)
        self._before, self._language, self._privately = picture, language, private
        if not picture["alarm"]:
            self._alarms = 0
        self._say(said, new=before is None or said.public != () or not _same_screen(picture, before))

    def next_person(self) -> None:
        """Whoever comes now hears it as loud and as fast as ever (EN 301 549, 5.1.3.13)."""
        self._volume, self._pace = _USUAL, _USUAL

    def sound(self, alarm: Alarm) -> None:
        """The buzzer sounds this; an alarm is said aloud too, and louder each time until it has its end."""
        if alarm is not Alarm.ALARM or self._before is None:
            return
        self._alarms += 1
        level = self._clips.sound(f"alarm-{min(self._alarms, ALARMS)}")
        text = speakable(str(self._before["alarm_text"]), self._language.value)
        words = self._speech([text]) if text else iter(())
        self._voice.play([*([level] if level else []), *words])

    def plug(self, plugged: bool | None) -> None:
        """The earphone is in its socket now, or no more: then what is being said to it has its end.

        None: nobody knows any more. Whoever asks for the voice then gets it, by earphone alone.
        """
        self._plugged = plugged
        if not plugged and self._privately:
            self._privately = False
            self._voice.play([])

    def key(self, key: KeypadKey) -> None:
        """0 says it again, 2 and 8 make it louder and softer, 6 and 4 faster and slower: by earphone alone.

        The caller knows that the key has no other meaning on this screen.
        """
        if not self._privately or self._before is None:
            return
        match key:
            case KeypadKey.DIGIT_0:
                pass
            case KeypadKey.DIGIT_2 | KeypadKey.DIGIT_8:
                step = 1 if key is KeypadKey.DIGIT_2 else -1
                self._volume = min(max(self._volume + step, 0), len(VOLUMES_DB) - 1)
            case KeypadKey.DIGIT_4 | KeypadKey.DIGIT_6:
                step = 1 if key is KeypadKey.DIGIT_6 else -1
                self._pace = min(max(self._pace + step, 0), len(PACES) - 1)
            case _:
                return
        self._say(narrate(self._before, None), new=True)

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
                gain_db, rate = VOLUMES_DB[self._volume], PACES[self._pace]
                said_now = [*([tone] if tone else []), *words]
                self._voice.play(said_now, private=True, gain_db=gain_db, rate=rate)
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

"""What the person sees and hears of a screen: the page and the voice, from one picture."""

from collections.abc import Callable
from pathlib import Path

from firmware.core.orders import Alarm
from firmware.core.screens import Screen
from firmware.core.terms import Aid, KeypadKey, Language
from firmware.core.wording import Sentence, told
from firmware.logbook import Logbook
from firmware.screen.clips import Clips
from firmware.screen.server import ScreenServer
from firmware.screen.speaker import Speaker
from firmware.screen.texts import Texts
from firmware.settings import Settings
from hw.sound import AlsaVoice, EarphoneJack

_SAMPLE_SECONDS = 30.0


class Told:
    """Shows each screen and says it. Raises ConfigError for clips that are not what their manifest says."""

    def __init__(self, settings: Settings, screen: ScreenServer, log: Logbook) -> None:
        said = settings.file.voice
        self._devices = (("loudspeaker", said.speaker, False), ("earphone", said.earphone, True))
        self._screen = screen
        self._texts = texts(settings)
        self._voice = AlsaVoice(speaker=said.speaker, earphone=said.earphone, log=log)
        self._speaker: Speaker | None = None
        if said.clips:
            clips = Clips.read(settings.path(said.clips))
            self._speaker = Speaker(clips, self._voice, log, earphone=bool(said.earphone))
        self._plugged: Callable[[bool], None] = lambda _plugged: None
        self._jack = (
            EarphoneJack(Path(said.earphone_jack), plugged=self._plug, log=log)
            if said.clips and said.earphone and said.earphone_jack
            else None
        )

    def show(self, screen: Screen, language: Language, aids: frozenset[Aid]) -> None:
        """Draw it first: what is said must not keep the eye waiting."""
        self._screen.show(screen, language, aids)
        if self._speaker is not None:
            self._speaker.tell(self._texts.snapshot(screen, language, aids), language, aids)

    def sound(self, alarm: Alarm) -> None:
        """What the buzzer sounds."""
        if self._speaker is not None:
            self._speaker.sound(alarm)

    def listen(self, plugged: Callable[[bool], None]) -> None:
        """Watch the earphone's socket, if it can be watched, and tell when it is plugged in or pulled out."""
        self._plugged = plugged
        if self._jack is not None:
            self._jack.start()

    def key(self, key: KeypadKey) -> None:
        """A key that means nothing to the screen: it steers the voice."""
        if self._speaker is not None:
            self._speaker.key(key)

    def next_person(self) -> None:
        """Whoever comes now hears it as loud and as fast as ever."""
        if self._speaker is not None:
            self._speaker.next_person()

    def _plug(self, plugged: bool | None) -> None:
        if self._speaker is not None:
            self._speaker.plug(plugged)
        self._plugged(bool(plugged))

    async def try_voice(self) -> Sentence | None:
        """Play a sample on every sound device; why that was not possible, None if it was."""
        if self._speaker is None:
            return told("not configured: voice.clips is empty, the kiosk is silent")
        sample = self._speaker.sample()
        if not sample:
            return told("voice.clips holds no chime: make it anew with scripts/voice")
        for name, device, private in self._devices:
            if not device:
                continue
            if fault := await self._voice.try_out(sample, private=private, seconds=_SAMPLE_SECONDS):
                return told(
                    "the {name} (ALSA device {device}) did not play: {fault}",
                    name=name,
                    device=device,
                    fault=fault,
                )
        return None

    async def close(self) -> None:
        """Silence."""
        if self._jack is not None:
            await self._jack.close()
        await self._voice.close()


def texts(settings: Settings) -> Texts:
    """The messages with the city's names filled in. Raises ConfigError."""
    city, hours, said = settings.city, settings.hours, settings.file.voice
    closes = "24:00" if hours.closes.microsecond else f"{hours.closes:%-H:%M}"
    names = {
        "city": city.name,
        "city.en": city.name_en,
        "counters": city.counters,
        "counters.en": city.counters_en,
        "opens": f"{hours.opens:%-H:%M}",
        "closes": closes,
    }
    for language in (Language.ZH, Language.KO, Language.PT, Language.VI):
        names |= {f"city.{language.value}": city.name_en, f"counters.{language.value}": city.counters_en}
    for language, other in city.other.items():
        names |= {f"city.{language.value}": other.name, f"counters.{language.value}": other.counters}
    return Texts.load(
        settings.path(settings.file.kiosk.messages),
        names,
        {
            "fees": [fee.yen for fee in settings.fees],
            "coins": settings.file.coins.denominations_yen,
        },
        settings.rules.languages,
        [aid for aid in Aid if aid is not Aid.VOICE or (said.clips and said.earphone)],
    )

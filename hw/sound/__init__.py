"""Prompts, chimes and alarms through ALSA."""

from hw.sound.alsa import AlsaVoice
from hw.sound.jack import EarphoneJack

__all__ = ["AlsaVoice", "EarphoneJack"]

"""Prompts, chimes and alarms through ALSA."""

from hw.sound.alsa import AlsaVoice

__all__ = ["AlsaVoice"]

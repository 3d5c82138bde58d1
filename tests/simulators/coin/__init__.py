"""Simulated coin devices on a real ccTalk wire."""

from tests.simulators.coin.machine import CoinMachine

__all__ = ["CoinMachine"]

"""Lamps, buzzer, door contact, paper and change sensors."""

from hw.panel.panel import GpioPanel
from hw.panel.wires import SensorPin

__all__ = ["GpioPanel", "SensorPin"]

"""The matrix keypad (テンキー)."""

from hw.keypad.keypad import MatrixKeypad

__all__ = ["MatrixKeypad"]

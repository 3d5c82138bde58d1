"""The one way out of the worker."""

from collections.abc import Callable

Submit = Callable[[bytes, str], None]
"""Hands a PDF to the print queue under a job name. Raises PrintNotSubmitted or PrintUncertain."""

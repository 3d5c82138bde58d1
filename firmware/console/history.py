"""What the technician's terminal remembers of what was typed: whole commands, and no secret."""

import contextlib

from prompt_toolkit.history import FileHistory, InMemoryHistory

from firmware.console import wire as w
from firmware.console.catalogue import events_of
from firmware.console.commands import COMMANDS, LOCAL, understand
from firmware.errors import ConsoleError

_HISTORY_CHARACTERS = 80


class CommandHistory(FileHistory):
    """Keeps lines that are commands; whatever else somebody pastes may be a secret."""

    def store_string(self, string: str) -> None:
        """Keep the line, if it is one."""
        if is_command(string):
            with contextlib.suppress(OSError):
                super().store_string(string)


class CommandMemory(InMemoryHistory):
    """The same, until the terminal closes."""

    def append_string(self, string: str) -> None:
        """Keep the line, if it is one."""
        if is_command(string):
            super().append_string(string)


def is_command(text: str) -> bool:
    """Whether the line is a whole command of the console, and one that names no claim.

    A code, a PIN or a piece of an order behind a command's word makes it none; a claim's number is money to
    whoever reads it.
    """
    if len(text) > _HISTORY_CHARACTERS:
        return False
    try:
        match text.split():
            case [word] if word in LOCAL:
                return True
            case ["help", word]:
                return any(command.words[0] == word for command in COMMANDS)
            case ["lang", word]:
                return word in {"ja", "en"}
            case ["events" | "watch", word]:
                return bool(events_of(word))
            case _:
                return not isinstance(understand(text).request, w.AskClaim | w.SettleClaim)
    except ConsoleError:
        return False
